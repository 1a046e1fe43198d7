"""What a probe says of sound pictures: the truth of the header, not what a library makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from tests.imaging.pictures import HEIGHT, ICC_RGB, WIDTH, decoded, memory_file, noise, photo, png, saved
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.picture import BUFFERED
from twofold.imaging import codec
from twofold.imaging.inspection import inspect


def tiff(samples, **options: object) -> bytes:
    import io

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, metadata=None, **options)
    return buffer.getvalue()


PALETTE = photo().quantize(16)
ALPHA = photo().copy()
ALPHA.putalpha(photo(1))
SOUND = {
    "jpeg": (saved(photo(), "JPEG"), ("jpeg", 3, 8, False, "RGB")),
    "jpeg, progressive": (saved(photo(), "JPEG", progressive=True), ("jpeg", 3, 8, False, "RGB")),
    "jpeg, grey": (saved(photo(1), "JPEG"), ("jpeg", 1, 8, False, "L")),
    "jpeg, CMYK": (saved(photo().convert("CMYK"), "JPEG"), ("jpeg", 3, 8, False, "CMYK")),
    "png": (saved(photo(), "PNG"), ("png", 3, 8, False, "RGB")),
    "png, 1 bit": (saved(photo(1).convert("1"), "PNG"), ("png", 1, 8, False, "1")),
    "png, palette": (saved(PALETTE, "PNG"), ("png", 3, 8, False, "P")),
    "png, palette with a transparent colour": (saved(PALETTE, "PNG", transparency=0), ("png", 3, 8, True, "P")),
    "png, grey with a transparent value": (saved(photo(1), "PNG", transparency=90), ("png", 1, 8, True, "L")),
    "png, grey and alpha": (saved(photo(1).convert("LA"), "PNG"), ("png", 1, 8, True, "LA")),
    "png, 16 bits": (saved(Image.fromarray(noise(1, 16)[:, :, 0]), "PNG"), ("png", 1, 16, False, "L")),
    "webp": (saved(photo(), "WEBP"), ("webp", 3, 8, False, "RGB")),
    "webp, lossless": (saved(photo(), "WEBP", lossless=True), ("webp", 3, 8, False, "RGB")),
    "webp, alpha": (saved(ALPHA, "WEBP"), ("webp", 3, 8, True, "RGBA")),
    "tiff": (saved(photo(), "TIFF"), ("tiff", 3, 8, False, "RGB")),
    "tiff, fax": (saved(photo(1).convert("1"), "TIFF", compression="group4"), ("tiff", 1, 8, False, "1")),
    "tiff, palette": (saved(PALETTE, "TIFF"), ("tiff", 3, 8, False, "P")),
    "tiff, CMYK": (saved(photo().convert("CMYK"), "TIFF"), ("tiff", 3, 8, False, "CMYK")),
    "tiff, 16 bits": (tiff(noise(3, 16), photometric="rgb"), ("tiff", 3, 16, False, "RGB")),
    "tiff, tiles": (tiff(noise(3, 16), photometric="rgb", tile=(16, 16)), ("tiff", 3, 16, False, "RGB")),
    "tiff, planes": (
        tiff(np.moveaxis(noise(3, 8), 2, 0), photometric="rgb", planarconfig="separate"),
        ("tiff", 3, 8, False, "RGB"),
    ),
    "tiff, big": (tiff(noise(3, 8), photometric="rgb", bigtiff=True), ("tiff", 3, 8, False, "RGB")),
    "tiff, big endian": (
        tiff(noise(1, 16)[:, :, 0], photometric="minisblack", byteorder=">"),
        ("tiff", 1, 16, False, "L"),
    ),
    "tiff, alpha": (
        tiff(noise(4, 16), photometric="rgb", extrasamples=["unassalpha"]),
        ("tiff", 3, 16, True, "RGBA"),
    ),
    "tiff, a saved selection": (
        tiff(noise(4, 8), photometric="rgb", extrasamples=["unspecified"]),
        ("tiff", 3, 8, False, "RGB"),
    ),
    "gif": (saved(PALETTE, "GIF"), ("gif", 3, 8, False, "P")),
    "bmp": (saved(photo(), "BMP"), ("bmp", 3, 8, False, "RGB")),
    "avif": (saved(photo(), "AVIF"), ("avif", 3, 8, False, "RGB")),
}


@pytest.mark.parametrize("name", SOUND)
def test_the_header_tells_the_truth_and_the_picture_decodes(name: str) -> None:
    data, meant = SOUND[name]
    header = inspect(data).header
    assert (header.format, header.channels, header.depth, header.alpha, header.mode) == meant
    assert header.size == (WIDTH, HEIGHT)
    assert (header.frames, header.orientation) == (1, 1)
    back = decoded(data)
    assert back.raster.array().any()
    assert (back.alpha is not None) is header.alpha
    back.close()


@pytest.mark.parametrize(
    "name", ["tiff, 16 bits", "tiff, tiles", "tiff, planes", "tiff, big", "tiff, big endian", "png, 16 bits"]
)
def test_lossless_samples_are_exact(name: str) -> None:
    header = inspect(SOUND[name][0]).header
    with_noise = noise(header.channels, header.depth)
    assert np.array_equal(decoded(SOUND[name][0]).raster.array(), with_noise)


def test_sixteen_bits_are_told_from_the_header_even_where_the_picture_is_dark() -> None:
    dark = (noise(3, 16) % 200).astype(np.uint16)
    data = tiff(dark, photometric="rgb")
    assert inspect(data).header.depth == 16
    assert np.array_equal(decoded(data).raster.array(), dark)


@pytest.mark.parametrize("depth", [8, 16])
def test_alpha_that_was_multiplied_in_is_divided_out(depth: int) -> None:
    cover = np.maximum(noise(1, depth), 1)
    colour = np.full((HEIGHT, WIDTH, 3), (2**depth - 1) * 3 // 5, cover.dtype)
    top = 2**depth - 1
    multiplied = ((colour.astype(np.uint64) * cover + top // 2) // top).astype(cover.dtype)
    data = tiff(np.concatenate([multiplied, cover], 2), photometric="rgb", extrasamples=["assocalpha"])
    back = decoded(data)
    solid = cover[:, :, 0] > top // 2
    assert np.abs(back.raster.array()[solid].astype(int) - colour[solid]).max() <= 1


def test_cmyk_becomes_rgb_without_its_profile() -> None:
    data = saved(photo().convert("CMYK"), "JPEG", quality=98, icc_profile=ICC_RGB)
    back = decoded(data)
    assert back.metadata.icc is None
    meant = np.asarray(photo()).astype(int)
    assert np.corrcoef(back.raster.array().ravel(), meant.ravel())[0, 1] > 0.9


FRAMES = [photo(), photo().transpose(Image.Transpose.ROTATE_180)]


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_or_pages_are_told(format_: str) -> None:
    data = saved(FRAMES[0], format_, save_all=True, append_images=FRAMES[1:])
    assert inspect(data).header.frames == 2


def test_a_preview_in_a_tiff_is_no_page() -> None:
    import io

    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(noise(3, 8), photometric="rgb", metadata=None)
        writer.write(noise(3, 8)[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
    assert inspect(buffer.getvalue()).header.frames == 1


def test_content_decides_not_the_name() -> None:
    fd = memory_file(saved(photo(), "PNG"))  # whatever it was called
    assert codec.probe(fd, codec.Limits()).format == "png"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (tiff(noise(3, 8).astype(np.float32), photometric="rgb"), "floating-point samples of 32 bits"),
        (png((4, 4, 8, 2), (b"CgBI", b"")), "no pixels"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\xff\x0a" + bytes(40), "JPEG XL"),
        (b"8BPS" + bytes(40), "Photoshop"),
    ],
)
def test_what_is_not_supported_is_named(data: bytes, what: str) -> None:
    with pytest.raises(TwofoldError, match=what) as caught:
        inspect(data)
    assert caught.value.code in (Code.UNSUPPORTED_FORMAT, Code.DAMAGED)


@pytest.mark.parametrize(
    ("options", "whole"),
    [
        (("JPEG", {}), False),
        (("JPEG", {"progressive": True}), True),
        (("PNG", {}), False),
        (("TIFF", {"compression": "raw"}), False),
    ],
)
def test_it_is_told_whether_a_decoder_has_to_hold_the_whole_picture(options, whole: bool) -> None:
    name, more = options
    assert (BUFFERED in inspect(saved(photo(), name, **more)).header.signals) is whole


def test_an_interlaced_png_is_decoded_whole() -> None:
    image = pyvips.Image.black(40, 30, bands=3)
    assert BUFFERED in inspect(image.pngsave_buffer(interlace=True)).header.signals
    assert BUFFERED not in inspect(image.pngsave_buffer(interlace=False)).header.signals


@pytest.mark.parametrize(("rows", "whole"), [(64, False), (4000, True)])
def test_a_tiff_in_one_large_strip_is_decoded_whole(rows: int, whole: bool) -> None:
    data = tiff(np.zeros((4000, 2000, 3), np.uint8), rowsperstrip=rows, compression="zlib")
    assert (BUFFERED in inspect(data).header.signals) is whole
