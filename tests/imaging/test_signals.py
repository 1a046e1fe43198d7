"""The statistics by which `auto` chooses, on pictures whose nature is known."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image
from skimage import data as samples

from tests.imaging.pictures import drawing, memory_file, saved
from twofold.core.content import choose
from twofold.core.picture import PictureHeader
from twofold.imaging import codec, signals
from twofold.imaging.inspection import inspect

PHOTOS = {name: Image.fromarray(getattr(samples, name)()) for name in ("astronaut", "coffee", "chelsea", "rocket")}


def look(data: bytes) -> PictureHeader:
    """What the child says of a file."""
    fd = memory_file(data)
    try:
        return codec.probe(fd, codec.Limits(), look=True).header
    finally:
        os.close(fd)


@pytest.mark.parametrize("quality", [20, 40, 50, 75, 85, 95, 100])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_jpeg_quality_is_read_from_the_tables(quality: int, options: dict[str, int]) -> None:
    header = inspect(saved(PHOTOS["chelsea"], "JPEG", quality=quality, **options)).header
    assert header.signals["jpeg_quality"] == pytest.approx(quality, abs=1.5)


def test_other_formats_have_no_jpeg_quality() -> None:
    assert "jpeg_quality" not in inspect(saved(PHOTOS["chelsea"], "PNG")).header.signals


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("channels", ["RGB", "L"])
def test_photographs_are_taken_for_photographs(name: str, channels: str) -> None:
    header = look(saved(PHOTOS[name].convert(channels).resize((300, 200)), "PNG"))
    assert choose(header).content == "photo", header.signals
    assert all(0 <= header.signals[key] <= 1 for key in ("flat", "sharp", "common"))


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_drawings_are_taken_for_drawings(format_: str) -> None:
    image = drawing().quantize(64) if format_ == "GIF" else drawing()
    header = look(saved(image, format_, **({"lossless": True} if format_ == "WEBP" else {})))
    assert choose(header).content == "art", header.signals


@pytest.mark.parametrize("quality", [30, 50, 70])
@pytest.mark.parametrize("cut", [(0, 0), (3, 5)])
def test_blocks_show_after_the_jpeg_is_gone(quality: int, cut: tuple[int, int]) -> None:
    """A PNG of what once was a JPEG, cropped too: the grid is found at any phase."""
    small = PHOTOS["coffee"].resize((400, 300))
    back = Image.open(io.BytesIO(saved(small, "JPEG", quality=quality))).crop((*cut, 400, 300))
    worn, clean = look(saved(back, "PNG")), look(saved(small.crop((*cut, 400, 300)), "PNG"))
    assert worn.signals["blocky"] > 1.15 * clean.signals["blocky"]
    assert choose(clean).content == "photo"


def test_signals_do_not_depend_on_the_size_of_bands_or_on_orientation() -> None:
    image = PHOTOS["astronaut"]
    plain = look(saved(image, "PNG")).signals
    exif = Image.Exif()
    exif[0x0112] = 6
    assert look(saved(image, "PNG", exif=exif)).signals == plain
    assert look(saved(image, "TIFF")).signals == plain


def test_sixteen_bits_are_looked_at_as_eight() -> None:
    grey = np.asarray(PHOTOS["rocket"].convert("L"))
    deep = look(saved(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"))
    assert deep.signals == look(saved(Image.fromarray(grey), "PNG")).signals


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (7, 3), (200, 1), (1, 200), (193, 385)])
def test_small_and_odd_pictures_have_signals_too(size: tuple[int, int]) -> None:
    header = look(saved(PHOTOS["astronaut"].resize(size), "PNG"))
    assert set(header.signals) == {"flat", "sharp", "common", "blocky"}
    assert choose(header).why


def test_a_picture_that_breaks_off_has_no_signals_and_is_left_to_the_decoder() -> None:
    """The TIFF's structure is whole; its compressed pixels are not."""
    data = saved(PHOTOS["astronaut"], "TIFF", compression="tiff_adobe_deflate")
    start, end = len(data) // 10, len(data) * 9 // 10
    broken = data[:start] + bytes(end - start) + data[end:]
    assert look(broken).signals == {}


def test_a_picture_too_large_for_a_look_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(PHOTOS["astronaut"], "PNG")
    monkeypatch.setattr(signals, "LOOK_PX", 100)
    assert signals.measure(data, inspect(data).header) == {}


def test_the_decoder_takes_a_header_with_signals() -> None:
    data = saved(drawing(), "PNG")
    fd = memory_file(data)
    try:
        header = codec.probe(fd, codec.Limits(), look=True).header
        codec.decode(fd, header, codec.Limits()).close()
    finally:
        os.close(fd)
