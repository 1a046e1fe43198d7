"""libvips: rows of a picture, as stored, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyvips

from twofold.core.picture import PictureHeader
from twofold.core.recipe import Convert
from twofold.imaging import colour
from twofold.imaging.inspection import FileBytes, damaged, unsupported
from twofold.raster import Samples

BAND_PX = 2**20
_OPTIONS: dict[str, dict[str, Any]] = {
    # "truncated" alone lets a short TIFF through; "error" refuses the stray bytes that real cameras leave in JPEGs.
    "jpeg": {"fail_on": "truncated", "unlimited": True},
    "png": {"fail_on": "error", "unlimited": True},
    "webp": {"fail_on": "error"},
    "tiff": {"fail_on": "error", "unlimited": True},
}
_TYPES = {"uchar": np.uint8, "ushort": np.uint16}


def rows(data: FileBytes, header: PictureHeader, rgb: Convert) -> Iterator[tuple[int, Samples]]:
    """First row and (rows, W, 1-5) samples of each band, grey or RGB first, not turned; CMYK becomes `rgb`.

    Raises TwofoldError(DAMAGED, UNSUPPORTED_FORMAT). `data` is kept for as long as the iterator lives: libvips reads it
    as it goes.
    """
    try:
        image = _colours(_open(data, header.format), header, rgb)
        if image.format not in _TYPES:
            raise unsupported(f"samples of type {image.format}")
        region = pyvips.Region.new(image)
        step = max(1, BAND_PX // image.width)
        for y in range(0, image.height, step):
            count = min(step, image.height - y)
            samples = np.frombuffer(region.fetch(0, y, image.width, count), _TYPES[image.format])
            yield y, samples.reshape(count, image.width, image.bands)
    except pyvips.Error as error:
        raise damaged(first_line(error)) from None
    del data


def _open(data: FileBytes, format_: str) -> pyvips.Image:
    source = pyvips.Source.new_from_memory(data)
    load = getattr(pyvips.Image, f"{format_}load_source")
    return load(source, access="sequential", **_OPTIONS[format_])


def _colours(image: pyvips.Image, header: PictureHeader, rgb: Convert) -> pyvips.Image:
    if header.mode == "CMYK":
        return colour.transform(image, rgb, header.depth)
    return image


def first_line(error: pyvips.Error) -> str:
    """What libvips complained about first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else lines[0]) if lines else "unknown"
