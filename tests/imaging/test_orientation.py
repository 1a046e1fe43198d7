"""Each of the eight orientations is applied once, and never again."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.imaging.pictures import decoded, encoded, noise, photo, saved
from tests.imaging.sources import raw
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


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("name", ["avif", "heic", "jxl"])
def test_containers_that_turn_by_themselves_are_turned_once(name: str, value: int, tmp_path: Path) -> None:
    """AVIF and HEIC turn by a box, JPEG XL by its codestream; EXIF says so once more, and has no say."""
    jpeg = turned("JPEG", value, quality=100, subsampling=0)
    meant = decoded(jpeg).raster.array().astype(int)
    if name == "avif":
        data = turned("AVIF", value, quality=98, subsampling="4:4:4")
    elif name == "heic":
        pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
        buffer = io.BytesIO()
        pillow_heif.register_heif_opener()  # only this way of saving writes the box
        Image.open(io.BytesIO(jpeg)).save(buffer, "HEIF", quality=98, chroma=444)
        data = buffer.getvalue()
    else:
        data = by_cjxl(jpeg, tmp_path)
    found = decoded(data).raster.array()
    assert found.shape == meant.shape
    assert np.abs(found - meant).mean() < 2
    again, _ = encoded(name if name != "heic" else "jpeg", decoded(data).raster, None, decoded(data).metadata)
    assert inspect(again).header.orientation == 1


def by_cjxl(jpeg: bytes, folder: Path) -> bytes:
    if shutil.which("cjxl") is None:
        pytest.skip("cjxl is not installed (Debian: libjxl-tools)")
    (folder / "a.jpg").write_bytes(jpeg)
    command = ["cjxl", "-d", "0.1", "--lossless_jpeg=0", folder / "a.jpg", folder / "a.jxl"]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "a.jxl").read_bytes()


@pytest.mark.parametrize(("value", "size"), [(1, (64, 48)), (3, (64, 48)), (6, (48, 64)), (8, (48, 64))])
def test_raw_files_are_developed_upright(value: int, size: tuple[int, int]) -> None:
    pytest.importorskip("rawpy", reason="the extra raw is not installed")
    header = inspect(raw(value)).header
    assert (header.orientation, tuple(header.size)) == (1, size)
    back = decoded(raw(value)).raster.array()
    assert back.shape == (size[1], size[0], 3)


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "tiff", "avif", "jxl"])
def test_the_result_says_that_it_is_upright(format_: str) -> None:
    back = decoded(turned("JPEG", 6))
    data, _ = encoded(format_, SharedRaster.copy_of(noise(3, 8)), None, back.metadata)
    inspection = inspect(data)
    assert inspection.header.orientation == 1
    assert orientation(inspection.metadata.exif) == 1
