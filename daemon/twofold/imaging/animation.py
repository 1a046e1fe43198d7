"""Animations: frames as they are shown, read by Pillow, and still pictures bound into one animation again."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from PIL import Image

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.pages import Page, looked_at
from twofold.core.picture import PictureHeader
from twofold.imaging import webp
from twofold.imaging.bound import BoundPage
from twofold.imaging.inspection import FileBytes, Inspection, damaged, inspect, unsupported
from twofold.imaging.pillow_formats import refusals_are_damage
from twofold.imaging.png import SIGNATURE, chunk, chunks
from twofold.imaging.probe import Question, open_bytes
from twofold.imaging.tiff_writer import Window

_FORMATS = ("GIF", "PNG", "WEBP")
MAX_RIFF_BYTES = 2**32 - 16
_MS = 1000
_FRAME_BYTES = 16  # before the picture in a WebP's frame


class Timing(NamedTuple):
    """How an animation runs: `plays` times (0: for ever), each frame so many milliseconds."""

    plays: int
    frames_ms: tuple[Fraction, ...]


@contextmanager
def _opened(data: FileBytes) -> Iterator[Image.Image]:
    # Our own limits were checked on the header; Pillow's would only get in their way.
    Image.MAX_IMAGE_PIXELS = None
    with warnings.catch_warnings(), refusals_are_damage():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data[: len(data)]), formats=_FORMATS) as image:
            yield image


def _first(image: Image.Image) -> int:
    """PNGs may hold a still picture for programs that know no animation, which Pillow counts as the first."""
    return 1 if getattr(image, "default_image", False) else 0


def count(data: FileBytes) -> int:
    with _opened(data) as image:
        return int(getattr(image, "n_frames", 1)) - _first(image)


def _frames(image: Image.Image) -> Iterator[Image.Image]:
    for number in range(_first(image), int(getattr(image, "n_frames", 1))):
        image.seek(number)
        image.load()
        yield image


def pages(data: FileBytes, whole: Inspection, wanted: int, question: Question) -> tuple[Page, ...]:
    """The first `wanted` frames; all of them have alpha where one of them hides anything."""
    if whole.header.depth > 8:
        raise unsupported("an animation of more than 8 bits")
    question.headed(data, whole, look=False)
    with _opened(data) as image:
        found = _frames(image)
        alpha = any(_hides(next(found)) for _ in range(wanted))
    alike, headers = _header(data, whole, alpha=alpha), {}
    for number in looked_at(wanted) if question.look else ():
        bytes_, inspection, header = page(data, number, alpha=alpha)
        headers[number] = replace(header, signals=question.headed(bytes_, inspection, look=True).signals)
    return tuple(Page(number, headers.get(number, alike)) for number in range(wanted))


def _hides(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    low, _ = image.convert("RGBA").getchannel("A").getextrema()
    return bool(isinstance(low, int | float) and low < 255)


def _header(data: FileBytes, whole: Inspection, *, alpha: bool) -> PictureHeader:
    """What every frame is planned by: a picture of the animation's format."""
    header = whole.header
    lossless = header.format != "webp" or _all_lossless(data)
    mode = "RGBA" if alpha else "RGB"
    return replace(header, frames=1, channels=3, depth=8, alpha=alpha, mode=mode, lossless=lossless, signals={})


def _all_lossless(data: FileBytes) -> bool:
    frames = [at + _FRAME_BYTES for kind, at, _ in webp.chunks(data, len(data)) if kind == b"ANMF"]
    return all(data[at : at + 4] == b"VP8L" for at in frames)


def page(data: FileBytes, number: int, *, alpha: bool) -> tuple[FileBytes, Inspection, PictureHeader]:
    """One frame as a PNG, what is said of that with the animation's metadata, and the header it is planned by."""
    whole = inspect(data)
    mode = "RGBA" if alpha else "RGB"
    with _opened(data) as image:
        if not 0 <= number < int(getattr(image, "n_frames", 1)) - _first(image):
            raise damaged(f"it has no frame {number + 1}")
        image.seek(number + _first(image))
        image.load()
        frame = image.convert(mode)
        frame.info.clear()
        file = io.BytesIO()
        frame.save(file, "PNG", compress_level=0)
    shown = _header(data, whole, alpha=alpha)
    still = replace(shown, format="png", lossless=True)
    return file.getvalue(), Inspection(still, replace(whole.metadata, jpeg=None)), shown


def timing(data: FileBytes) -> Timing:
    """Loop count and durations. A GIF's count is of repetitions, after the first time."""
    with _opened(data) as image:
        durations = tuple(
            Fraction(frame.info.get("duration") or 0).limit_denominator(10**6) for frame in _frames(image)
        )
        plays = image.info.get("loop", 1 if image.format == "GIF" else 0)
        if image.format == "GIF" and image.info.get("loop"):
            plays += 1
    return Timing(int(plays), durations)


def bind(source_fd: int, stack_fd: int, result_fd: int, pages: Sequence[BoundPage]) -> int:
    """Write the frames' files, one after the other in `stack_fd`, as one animation: whole frames, compressed as is."""
    run = timing(open_bytes(source_fd))
    if len(run.frames_ms) != len(pages):
        raise damaged("it is not the file that was probed")
    writer = _bind_webp if pages[0].format == "webp" else _bind_png
    writer(run, stack_fd, pages, result_fd)
    return 0


def _bind_webp(run: Timing, stack_fd: int, pages: Sequence[BoundPage], result_fd: int) -> None:
    first = _file(stack_fd, pages[0])
    blocks = {kind: first[at : at + size] for kind, at, size in webp.chunks(first, len(first)) if kind in _AROUND}
    size, plays, alpha = (pages[0].width, pages[0].height), min(run.plays, 0xFFFF), False
    at = os.pwrite(result_fd, webp.animation_head(blocks, size, plays, alpha=False), 0)
    for bound, duration_ms in zip(pages, run.frames_ms, strict=True):
        still = _file(stack_fd, bound)
        alpha = alpha or inspect(still).header.alpha
        at += os.pwrite(result_fd, webp.frame(still, round(duration_ms)), at)
    for kind in (b"EXIF", b"XMP "):
        if kind in blocks:
            at += os.pwrite(result_fd, webp.chunk(kind, blocks[kind]), at)
    if at > MAX_RIFF_BYTES:
        raise TwofoldError(Code.FORMAT_LIMIT, "The animation is larger than a WebP can be (4 GiB).")
    os.pwrite(result_fd, webp.animation_head(blocks, size, plays, alpha=alpha, length=at), 0)


_AROUND = frozenset({b"ICCP", b"EXIF", b"XMP "})


def _bind_png(run: Timing, stack_fd: int, pages: Sequence[BoundPage], result_fd: int) -> None:
    first = _file(stack_fd, pages[0])
    opening = [(kind, first[at : at + size]) for kind, at, size in chunks(first) if kind not in (b"IDAT", b"IEND")]
    header = opening[0][1]
    parts = [SIGNATURE, chunk(*opening[0]), chunk(b"acTL", struct.pack(">II", len(pages), run.plays))]
    at = os.pwrite(result_fd, b"".join([*parts, *(chunk(*one) for one in opening[1:])]), 0)
    sequence = 0
    for bound, duration_ms in zip(pages, run.frames_ms, strict=True):
        data = _file(stack_fd, bound)
        delay = Fraction(duration_ms, _MS).limit_denominator(0xFFFF)
        if delay.numerator > 0xFFFF:
            delay = Fraction(min(round(delay), 0xFFFF))
        control = struct.pack(
            *(">5I2H2B", sequence, bound.width, bound.height, 0, 0, delay.numerator, delay.denominator, 0, 0)
        )
        at += os.pwrite(result_fd, chunk(b"fcTL", control), at)
        sequence += 1
        for kind, start, size in chunks(data):
            if kind == b"IHDR" and data[start : start + size] != header:
                raise TwofoldError(Code.CODEC_FAILED, "The frames of one animation were written in two kinds.")
            if kind != b"IDAT":
                continue
            body = data[start : start + size]
            if bound is not pages[0]:
                kind, body = b"fdAT", struct.pack(">I", sequence) + body
                sequence += 1
            at += os.pwrite(result_fd, chunk(kind, body), at)
    os.pwrite(result_fd, chunk(b"IEND", b""), at)


def _file(stack_fd: int, bound: BoundPage) -> bytes:
    return Window(stack_fd, bound.size, bound.offset)[0 : bound.size]


def review(source_fd: int, stack_fd: int, result_fd: int, pages: Sequence[BoundPage]) -> None:
    """Read the animation by Pillow and compare every frame with its own file. Raises ValueError where one differs."""
    result = open_bytes(result_fd)
    meant, found = timing(open_bytes(source_fd)), timing(result)
    if found.plays != meant.plays or len(found.frames_ms) != len(pages):
        raise ValueError(f"it has {len(found.frames_ms)} frames and runs {found.plays} times")
    if any(abs(one - other) >= 1 for one, other in zip(meant.frames_ms, found.frames_ms, strict=True)):
        raise ValueError("its frames are shown for other times")
    other = _first_other(result, stack_fd, pages)
    if other is not None:
        raise ValueError(f"frame {other + 1} reads otherwise")


def _first_other(result: FileBytes, stack_fd: int, pages: Sequence[BoundPage]) -> int | None:
    with _opened(result) as image:
        for number, frame in enumerate(_frames(image)):
            with _opened(_file(stack_fd, pages[number])) as alone:
                if frame.size != alone.size or not _alike(frame, alone):
                    return number
    return None


def _alike(one: Image.Image, other: Image.Image) -> bool:
    """Equal where anything shows."""
    first, second = (picture.convert("RGBA").convert("RGBa") for picture in (one, other))
    return first.tobytes() == second.tobytes()
