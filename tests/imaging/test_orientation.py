"""Each of the eight orientations is applied once, and never again."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.imaging.pictures import decoded, encoded, noise, photo, saved
from twofold.imaging.exif import orientation
from twofold.imaging.inspection import inspect
from twofold.imaging.shared_raster import SharedRaster


def turned(format_: str, value: int, **options: object) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = value
    return saved(photo(), format_, exif=tags, **options)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_raster_is_upright(format_: str, value: int) -> None:
    options = (
        {"quality": 100, "subsampling": 0} if format_ == "JPEG" else {"lossless": True} if format_ == "WEBP" else {}
    )
    data = turned(format_, value, **options)
    header = inspect(data).header
    assert header.orientation == value
    tags = Image.Exif()
    tags[0x0112] = value
    stored = photo()
    stored.getexif()[0x0112] = value
    meant = np.asarray(ImageOps.exif_transpose(stored)).astype(int)
    assert header.size == (meant.shape[1], meant.shape[0])
    assert np.abs(decoded(data).raster.array() - meant).max() <= 4


@pytest.mark.parametrize("value", [0, 9, 255])
def test_junk_means_upright(value: int) -> None:
    header = inspect(turned("JPEG", value)).header
    assert (header.orientation, header.size) == (1, photo().size)


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "tiff"])
def test_the_result_says_that_it_is_upright(format_: str) -> None:
    back = decoded(turned("JPEG", 6))
    data, _ = encoded(format_, SharedRaster.copy_of(noise(3, 8)), None, back.metadata)
    inspection = inspect(data)
    assert inspection.header.orientation == 1
    assert orientation(inspection.metadata.exif) == 1
