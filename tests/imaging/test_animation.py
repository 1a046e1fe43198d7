"""Animations as their frames are shown; broken ones end in a code."""

from __future__ import annotations

import io
import os
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tests.imaging.pictures import ICC_RGB, memory_file
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.pages import Contents
from twofold.imaging import animation, codec
from twofold.imaging.bound import BoundPage
from twofold.imaging.inspection import inspect
from twofold.imaging.png import SIGNATURE, chunk, chunks

SIZE = (24, 18)


def frames(count: int = 5) -> list[Image.Image]:
    """A square that wanders over a ground of noise."""
    ground = np.random.default_rng(1).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    made = []
    for number in range(count):
        frame = Image.fromarray(ground)
        frame.paste((255, 10 * number, 0), (number * 3, 2, number * 3 + 6, 9))
        made.append(frame)
    return made


def animated(format_: str, count: int = 5, **options: object) -> bytes:
    first, *others = frames(count)
    buffer = io.BytesIO()
    extra = {"lossless": True} if format_ == "WEBP" else {}
    first.save(buffer, format_, save_all=True, append_images=others, duration=40, loop=0, **extra, **options)
    return buffer.getvalue()


def probed(data: bytes, **limits: int) -> Contents:
    fd = memory_file(data)
    try:
        return codec.probe(fd, codec.Limits(**limits), pages="all")  # type: ignore[arg-type]
    finally:
        os.close(fd)


def _deep() -> bytes:
    """An animated PNG that says it has 16 bits."""
    data = animated("PNG")
    parts = [SIGNATURE]
    for kind, at, size in chunks(data):
        body = data[at : at + size]
        parts.append(chunk(kind, body[:8] + b"\x10" + body[9:] if kind == b"IHDR" else body))
    return b"".join(parts)


def decode_all(data: bytes) -> None:
    """What making all frames would decode."""
    found = probed(data)
    fd = memory_file(data)
    try:
        for number, header in enumerate(found.headers):
            codec.decode(fd, header, codec.Limits(), page=number).close()
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (animated("GIF")[:-300], Code.DAMAGED),
        (animated("PNG")[:-300], Code.DAMAGED),
        (animated("WEBP")[:-300], Code.DAMAGED),
        (animated("PNG").replace(b"fdAT", b"fdAU", 1), Code.DAMAGED),
        (_deep(), Code.UNSUPPORTED_FORMAT),
    ],
    ids=["cut GIF", "cut PNG", "cut WebP", "torn PNG", "16 bits"],
)
def test_what_is_broken_ends_in_a_code(data: bytes, code: Code) -> None:
    with pytest.raises(TwofoldError) as caught:
        decode_all(data)
    assert caught.value.code is code


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP"])
def test_more_frames_than_the_limit_are_refused(format_: str) -> None:
    assert probed(animated(format_), pages=5).count == 5
    with pytest.raises(TwofoldError) as caught:
        probed(animated(format_), pages=4)
    assert caught.value.code is Code.TOO_LARGE
    assert "limits.pages" in caught.value.reason.hint


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP"])
def test_each_frame_decodes_as_it_is_shown(format_: str) -> None:
    data = animated(format_)
    found = probed(data)
    assert {header.format for header in found.headers} == {format_.lower()}
    fd = memory_file(data)
    try:
        with Image.open(io.BytesIO(data)) as image:
            for number, header in enumerate(found.headers):
                image.seek(number)
                decoded = codec.decode(fd, header, codec.Limits(), page=number)
                np.testing.assert_array_equal(decoded.raster.array(), np.asarray(image.convert("RGB")))
                decoded.close()
    finally:
        os.close(fd)


def test_a_still_for_programs_without_animation_is_no_frame() -> None:
    first, *others = frames(4)
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=others, default_image=True, duration=50)
    found = probed(buffer.getvalue())
    assert found.count == 3
    assert animation.timing(buffer.getvalue()).frames_ms == (Fraction(50),) * 3


@pytest.mark.parametrize(("format_", "source"), [("png", "PNG"), ("webp", "WEBP")])
def test_frames_that_were_exchanged_are_noticed(format_: str, source: str) -> None:
    files = []
    for frame in frames(3):
        buffer = io.BytesIO()
        frame.save(buffer, source, icc_profile=ICC_RGB, **({"lossless": True} if source == "WEBP" else {}))
        files.append(buffer.getvalue())
    offsets = [sum(map(len, files[:number])) for number in range(3)]
    pages = [
        BoundPage(number, offset, len(data), format_, format_, *SIZE)
        for number, (offset, data) in enumerate(zip(offsets, files, strict=True))
    ]
    source_fd, stack_fd, result_fd = memory_file(animated(source, 3)), memory_file(b"".join(files)), memory_file(b"")
    try:
        animation.bind(source_fd, stack_fd, result_fd, pages)
        animation.review(source_fd, stack_fd, result_fd, pages)
        whole = inspect(os.pread(result_fd, os.fstat(result_fd).st_size, 0))
        assert (whole.header.frames, whole.metadata.icc) == (2, ICC_RGB)
        with pytest.raises(ValueError, match="frame 1"):
            animation.review(source_fd, stack_fd, result_fd, [pages[1], pages[0], pages[2]])
    finally:
        for fd in (source_fd, stack_fd, result_fd):
            os.close(fd)
