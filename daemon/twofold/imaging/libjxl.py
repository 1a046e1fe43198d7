"""libjxl's own interface, from the copy that imagecodecs brings: imagecodecs hands over pixels, but neither profile,
metadata nor orientation. Names and numbers are those of libjxl's headers (decode.h, encode.h, version 0.9 and later).
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError

SUCCESS, ERROR, NEED_MORE_INPUT, NEED_MORE_OUTPUT = 0, 1, 2, 2
NEED_IMAGE_OUT_BUFFER, BOX_NEED_MORE_OUTPUT = 5, 7
BASIC_INFO, COLOR_ENCODING, FULL_IMAGE, BOX = 0x40, 0x100, 0x1000, 0x4000
TARGET_ORIGINAL, TARGET_DATA = 0, 1
UINT8, UINT16 = 2, 3
EFFORT, KEEP_INVISIBLE = 0, 12
SRGB_PRIMARIES, D65, GAMMA_SRGB, PQ, HLG = 1, 1, 13, 16, 18
RGB, GRAY = 0, 1


class BasicInfo(c.Structure):
    _fields_ = [
        ("have_container", c.c_int),
        ("xsize", c.c_uint32),
        ("ysize", c.c_uint32),
        ("bits_per_sample", c.c_uint32),
        ("exponent_bits_per_sample", c.c_uint32),
        ("intensity_target", c.c_float),
        ("min_nits", c.c_float),
        ("relative_to_max_display", c.c_int),
        ("linear_below", c.c_float),
        ("uses_original_profile", c.c_int),
        ("have_preview", c.c_int),
        ("have_animation", c.c_int),
        ("orientation", c.c_int),
        ("num_color_channels", c.c_uint32),
        ("num_extra_channels", c.c_uint32),
        ("alpha_bits", c.c_uint32),
        ("alpha_exponent_bits", c.c_uint32),
        ("alpha_premultiplied", c.c_int),
        ("preview", c.c_uint32 * 2),
        ("animation", c.c_uint32 * 4),
        ("intrinsic", c.c_uint32 * 2),
        ("padding", c.c_uint8 * 100),
    ]


class PixelFormat(c.Structure):
    _fields_ = [
        ("num_channels", c.c_uint32),
        ("data_type", c.c_int),
        ("endianness", c.c_int),  # 0: the machine's own
        ("align", c.c_size_t),
    ]


class ColorEncoding(c.Structure):
    _fields_ = [
        ("color_space", c.c_int),
        ("white_point", c.c_int),
        ("white_point_xy", c.c_double * 2),
        ("primaries", c.c_int),
        ("primaries_xy", c.c_double * 6),
        ("transfer_function", c.c_int),
        ("gamma", c.c_double),
        ("rendering_intent", c.c_int),
    ]


class Cms(c.Structure):
    """A colour engine: eight pointers, of which we only hand over those of libjxl's own."""

    _fields_ = [("pointers", c.c_void_p * 8)]


class Library:
    """The three shared libraries, with the argument types that ctypes cannot guess."""

    def __init__(self, jxl: c.CDLL, threads: c.CDLL, cms: c.CDLL) -> None:
        for name in ("JxlDecoderCreate", "JxlEncoderCreate", "JxlEncoderFrameSettingsCreate"):
            getattr(jxl, name).restype = c.c_void_p
        threads.JxlThreadParallelRunnerCreate.restype = c.c_void_p
        cms.JxlGetDefaultCms.restype = c.POINTER(Cms)
        jxl.JxlEncoderDistanceFromQuality.restype = c.c_float
        jxl.JxlEncoderDistanceFromQuality.argtypes = [c.c_float]
        jxl.JxlEncoderSetFrameDistance.argtypes = [c.c_void_p, c.c_float]
        jxl.JxlEncoderSetExtraChannelDistance.argtypes = [c.c_void_p, c.c_size_t, c.c_float]
        jxl.JxlEncoderFrameSettingsSetOption.argtypes = [c.c_void_p, c.c_int, c.c_int64]
        jxl.JxlDecoderSetCms.argtypes = [c.c_void_p, Cms]
        jxl.JxlDecoderSetInput.argtypes = [c.c_void_p, c.c_void_p, c.c_size_t]
        self.jxl, self.threads, self.cms = jxl, threads, cms

    @contextmanager
    def decoder(self, threads: int) -> Iterator[c.c_void_p]:
        with self._runner(threads) as runner:
            decoder = c.c_void_p(self.jxl.JxlDecoderCreate(None))
            try:
                self.jxl.JxlDecoderSetParallelRunner(decoder, self.threads.JxlThreadParallelRunner, runner)
                yield decoder
            finally:
                self.jxl.JxlDecoderDestroy(decoder)

    @contextmanager
    def encoder(self, threads: int) -> Iterator[c.c_void_p]:
        with self._runner(threads) as runner:
            encoder = c.c_void_p(self.jxl.JxlEncoderCreate(None))
            try:
                self.jxl.JxlEncoderSetParallelRunner(encoder, self.threads.JxlThreadParallelRunner, runner)
                yield encoder
            finally:
                self.jxl.JxlEncoderDestroy(encoder)

    @contextmanager
    def _runner(self, threads: int) -> Iterator[c.c_void_p]:
        runner = c.c_void_p(self.threads.JxlThreadParallelRunnerCreate(None, c.c_size_t(threads)))
        try:
            yield runner
        finally:
            self.threads.JxlThreadParallelRunnerDestroy(runner)

    def default_cms(self) -> Cms:
        found: Any = self.cms.JxlGetDefaultCms()
        cms: Cms = found.contents
        return cms


@cache
def load() -> Library:
    """The libraries that imagecodecs has loaded, wherever its wheel or distribution keeps them.

    Raises TwofoldError(CODEC_FAILED) where it came without them.
    """
    try:
        import imagecodecs._jpegxl  # noqa: F401  this loads them

        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            paths = {line.split(maxsplit=5)[5].strip() for line in maps if "libjxl" in line}
        found = [_one(paths, name) for name in ("libjxl", "libjxl_threads", "libjxl_cms")]
        return Library(*(c.CDLL(path) for path in found))
    except (ImportError, OSError, LookupError, AttributeError) as error:
        text = f"JPEG XL is not there: imagecodecs came without libjxl ({error})."
        raise TwofoldError(Code.CODEC_FAILED, text, "Install imagecodecs from its wheel.") from None


def _one(paths: set[str], name: str) -> str:
    for path in sorted(paths):
        base = path.rpartition("/")[2]
        if base.startswith((f"{name}-", f"{name}.so")):  # a wheel's file has a hash in its name
            return path
    raise LookupError(name)
