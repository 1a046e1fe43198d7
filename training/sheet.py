"""A contact sheet to look at: `python -m training.sheet FILE --pictures DIR --out SHEET.png`.

One row for each picture: bicubic, Lanczos, the network, the truth, at the same crop.
"""

import argparse
import pathlib

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn

from training import evaluate, metrics, network

TITLES = ("bicubic", "Lanczos", "network", "truth")
TITLE_PX = 14


def row(model: nn.Module, truth: Image.Image, factor: int, side_px: int) -> list[Image.Image]:
    """The four versions of the most detailed crop, `side_px` square."""
    truth = metrics.crop_to_multiple(truth.convert("RGB"), factor)
    small = metrics.reduce(truth, factor)
    left, top = busiest(truth, min(side_px, *truth.size))
    arrays = (
        metrics.interpolate(small, factor, Image.Resampling.BICUBIC),
        metrics.interpolate(small, factor, Image.Resampling.LANCZOS),
        metrics.enlarge(model, small, factor.bit_length() - 1),
        np.asarray(truth),
    )
    return [
        Image.fromarray(np.rint(array).astype(np.uint8)).crop((left, top, left + side_px, top + side_px))
        for array in arrays
    ]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--factor", type=int, default=4, choices=(2, 4, 8))
    parser.add_argument("--side", type=int, default=192, help="px of each crop")
    parser.add_argument("--zoom", type=int, default=1, help="shown this much larger, without smoothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = network.load(evaluate.load_weights(options.weights))
    rows = [
        row(model, Image.open(path), options.factor, options.side) for path in sorted(options.pictures.glob("*.png"))
    ]
    side = options.side * options.zoom
    sheet = Image.new("RGB", (len(TITLES) * side, TITLE_PX + len(rows) * side), "white")
    for column, title in enumerate(TITLES):
        ImageDraw.Draw(sheet).text((column * side + 4, 1), title, fill="black")
        for number, crops in enumerate(rows):
            shown = crops[column].resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(shown, (column * side, TITLE_PX + number * side))
    sheet.save(options.out)


if __name__ == "__main__":
    main()
