"""Broken, empty and hostile files: a stable code, soon, and never a picture that was only half there."""

from __future__ import annotations

import os
import struct
import threading
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imaging.pictures import decoded, memory_file, noise, photo, png, saved
from tests.imaging.sources import sources
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.imaging import codec
from twofold.imaging.inspection import inspect

FORMATS = {
    "jpeg": saved(photo(), "JPEG", quality=98),
    "jpeg, progressive": saved(photo(), "JPEG", quality=98, progressive=True),
    "png": saved(photo(), "PNG"),
    "webp": saved(photo(), "WEBP"),
    "tiff": saved(photo(), "TIFF"),
    "tiff, deflate": saved(photo(), "TIFF", compression="tiff_adobe_deflate"),
    "gif": saved(photo().quantize(16), "GIF"),
    "bmp": saved(photo(), "BMP"),
    "avif": saved(photo(), "AVIF"),
} | {
    kind.name: data
    for kind, data in sources().items()
    if kind.format in ("jxl", "heic", "raw") or kind.name in ("avif, 10 bits", "tiff, CIE Lab")
}
REFUSED = (Code.DAMAGED, Code.NOT_A_PICTURE, Code.UNSUPPORTED_FORMAT, Code.MISSING_EXTRA)


def code_of(data: bytes) -> Code:
    """Through a child, as the service does it."""
    fd = memory_file(data)
    try:
        with pytest.raises(TwofoldError) as caught:
            codec.decode(fd, codec.probe(fd, codec.Limits()).header, codec.Limits()).close()
        return caught.value.code
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.EMPTY),
        (b"Dear diary, today I took no photo.\n" * 20, Code.NOT_A_PICTURE),
        (os.urandom(4096).replace(b"\xff", b"x").replace(b"B", b"x"), Code.NOT_A_PICTURE),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(100), Code.NOT_A_PICTURE),
        (b"\xff\xd8\xff", Code.DAMAGED),
        (FORMATS["jpeg"][: len(FORMATS["jpeg"]) // 2], Code.DAMAGED),
    ],
    ids=["empty", "text", "garbage", "eps", "three bytes", "half"],
)
def test_what_is_no_picture_has_its_code(data: bytes, code: Code) -> None:
    assert code_of(data) is code


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=12)
@given(share=st.floats(0.02, 0.97))
def test_a_truncated_file_is_refused(name: str, share: float) -> None:
    data = FORMATS[name]
    with pytest.raises(TwofoldError) as caught:
        decoded(data[: int(len(data) * share)])
    assert caught.value.code in REFUSED


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=25)
@given(place=st.floats(0, 1), junk=st.binary(min_size=1, max_size=8))
def test_the_walk_of_a_scrambled_file_ends_in_a_header_or_a_code(name: str, place: float, junk: bytes) -> None:
    data = bytearray(FORMATS[name])
    at = int(place * (len(data) - 1))
    data[at : at + len(junk)] = junk
    try:
        outcome: object = min(inspect(bytes(data)).header.size)
    except TwofoldError as error:
        outcome = error.code
    assert outcome in REFUSED or (isinstance(outcome, int) and outcome > 0)


def test_a_huge_header_is_refused_before_anything_is_decoded() -> None:
    bomb = png((50_000, 50_000, 8, 2), (b"IDAT", zlib.compress(bytes(1000))))
    fd = memory_file(bomb)
    with pytest.raises(TwofoldError) as caught:
        codec.probe(fd, codec.Limits(input_px=1_000_000_000))
    assert caught.value.code is Code.TOO_LARGE
    os.close(fd)


def test_a_header_larger_than_its_pixels_is_damaged() -> None:
    bomb = png((9_400, 9_400, 8, 0), (b"IDAT", zlib.compress(bytes(1000))))
    assert code_of(bomb) is Code.DAMAGED


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_compressed_text_bomb_is_never_inflated(kind: bytes) -> None:
    packed = zlib.compress(bytes(64 * 2**20), 9)
    body = {
        b"zTXt": b"Comment\0\0" + packed,
        b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + packed,
        b"iCCP": b"icc\0\0" + packed,
    }[kind]
    rows = b"".join(b"\0" + row.tobytes() for row in noise(3, 8))
    picture = png((37, 23, 8, 2), (kind, body), (b"IDAT", zlib.compress(rows)))
    metadata = inspect(picture).metadata
    assert metadata.icc is None
    assert metadata.xmp is None
    assert (decoded(picture).raster.array() == noise(3, 8)).all()


def test_a_directory_that_points_to_itself_ends() -> None:
    data = bytearray(saved(photo(), "TIFF"))
    first = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[first : first + 2])[0]
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    assert inspect(bytes(data)).header.frames == 1


def test_a_wrong_checksum_is_damaged() -> None:
    data = bytearray(FORMATS["png"])
    data[data.index(b"IDAT") + 20] ^= 1
    assert code_of(bytes(data)) is Code.DAMAGED


def test_a_pipe_is_refused_without_waiting(tmp_path) -> None:
    path = tmp_path / "x.jpg"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(TwofoldError) as caught:
            codec.probe(fd, codec.Limits())
    finally:
        os.close(fd)
    assert caught.value.code is Code.UNREADABLE


def test_other_bytes_than_were_probed_are_refused() -> None:
    fd = memory_file(FORMATS["png"])
    header = codec.probe(fd, codec.Limits()).header
    os.pwrite(fd, saved(photo().resize((9, 9)), "PNG"), 0)
    with pytest.raises(TwofoldError) as caught:
        codec.decode(fd, header, codec.Limits())
    assert caught.value.code is Code.DAMAGED
    os.close(fd)


def test_many_threads_may_ask_at_once() -> None:
    found: list[str] = []

    def ask(data: bytes) -> None:
        fd = memory_file(data)
        found.append(codec.probe(fd, codec.Limits()).format)
        os.close(fd)

    threads = [threading.Thread(target=ask, args=(FORMATS[name],)) for name in ("jpeg", "png", "webp", "tiff")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["jpeg", "png", "tiff", "webp"]
