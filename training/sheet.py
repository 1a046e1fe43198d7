"""A contact sheet to look at: a row for each picture, a column for each method, the truth last, at the same crop."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training import metrics

TITLE_PX = 14
SIDE_PX = 160


def make(
    methods: Mapping[str, Callable[[Image.Image, int], NDArray[np.float32]]],
    pictures: Sequence[Path],
    factor: int,
    side_px: int = SIDE_PX,
) -> Image.Image:
    """The sheet; a method takes a picture and a factor and gives (H, W, 3) in 0..255."""
    titles = [*methods, "truth"]
    sheet = Image.new("RGB", (len(titles) * side_px, TITLE_PX + len(pictures) * side_px), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((column * side_px + 4, 1), f"{title} {factor}x" if column < len(methods) else title, fill="black")
    for number, path in enumerate(pictures):
        truth = metrics.crop_to_multiple(Image.open(path).convert("RGB"), factor)
        small = metrics.reduce(truth, factor)
        left, top = busiest(truth, min(side_px, *truth.size))
        for column, array in enumerate([*(method(small, factor) for method in methods.values()), np.asarray(truth)]):
            crop = Image.fromarray(np.rint(array).astype(np.uint8)).crop((left, top, left + side_px, top + side_px))
            sheet.paste(crop, (column * side_px, TITLE_PX + number * side_px))
    return sheet


def busiest(image: Image.Image, side_px: int) -> tuple[int, int]:
    """Left and top of the crop with the strongest differences between neighbours."""
    grey = np.asarray(image.convert("L")).astype(np.float32)
    step = max(1, side_px // 4)
    places = [
        (float(np.abs(np.diff(grey[y : y + side_px, x : x + side_px], axis=1)).mean()), x, y)
        for y in range(0, grey.shape[0] - side_px + 1, step)
        for x in range(0, grey.shape[1] - side_px + 1, step)
    ]
    return max(places)[1:]
