"""What a probe says of sound pictures: the truth of the header, not what a library makes of it."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from tests.imaging.pictures import HEIGHT, ICC_RGB, WIDTH, decoded, memory_file, noise, photo, png, saved
from tests.imaging.sources import EXTRAS, raw, sources, tiff
from twofold.core.errors import TwofoldError
from twofold.core.picture import BUFFERED
from twofold.imaging import codec, colour
from twofold.imaging.inspection import inspect, sniff


@pytest.mark.parametrize(
    "name", ["tiff, 16 bits", "tiff, tiles", "tiff, planes", "tiff, BigTIFF", "tiff, big-endian", "png, grey, 16 bits"]
)
def test_lossless_samples_are_exact(name: str) -> None:
    data = next(data for kind, data in sources().items() if kind.name == name)
    header = inspect(data).header
    assert np.array_equal(decoded(data).raster.array(), noise(header.channels, header.depth))


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


def test_cmyk_becomes_rgb_of_a_named_profile() -> None:
    data = saved(photo().convert("CMYK"), "JPEG", quality=98, icc_profile=ICC_RGB)
    back = decoded(data)
    assert back.metadata.icc == colour.profile("srgb")
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


@pytest.mark.parametrize("major", [b"mif1", b"avif", b"heic"])
def test_avif_and_heic_are_told_apart_by_all_their_brands(major: bytes) -> None:
    """Files of either kind may name "mif1" first."""
    avif = next(data for kind, data in sources().items() if kind.name == "avif, 8 bits")
    assert inspect(avif[:8] + b"mif1" + avif[12:]).header.format == "avif"
    box = struct.pack(">I4s4sI4s4s", 24, b"ftyp", major, 0, b"mif1", b"avif" if major == b"avif" else b"heic")
    assert sniff(box + bytes(40)) == ("avif" if major == b"avif" else "heic")


@pytest.mark.parametrize("start", [b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"\0\0\0\x18ftypcrx "])
def test_raw_files_of_their_own_kind_are_known(start: bytes) -> None:
    assert sniff(start + bytes(40)) == "raw"


@pytest.mark.parametrize("data", [b"\0\0\0\x18ftypheic" + bytes(40), raw()], ids=["heic", "raw"])
def test_without_its_extra_a_file_waits(data: bytes, tmp_path: Path) -> None:
    """In a child that cannot import the extras, as where they were never installed."""
    for extra in EXTRAS.values():
        (tmp_path / f"{extra}.py").write_text("raise ImportError\n")
    (tmp_path / "file").write_bytes(data)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from twofold.core.errors import TwofoldError\n"
        "from twofold.imaging.inspection import inspect\n"
        "try:\n    inspect(open(sys.argv[2], 'rb').read())\n"
        "except TwofoldError as error:\n    print(error.code.value, error.retryable, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path, tmp_path / "file"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("missing_extra True ")
    assert "pip install 'twofold[" in done.stdout


def test_a_png_without_pixels_is_damaged() -> None:
    with pytest.raises(TwofoldError, match="no pixels"):
        inspect(png((4, 4, 8, 2), (b"CgBI", b"")))


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
