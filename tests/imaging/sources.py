"""A small picture of every kind that Twofold reads, and one of each that it refuses; docs/formats.md lists them."""

from __future__ import annotations

import importlib.util
import io
import struct
from functools import cache
from typing import NamedTuple

import numpy as np
import pyvips
import tifffile
from PIL import Image

from tests.imaging.pictures import (
    HEIGHT,
    ICC_RGB,
    WIDTH,
    contents,
    gradient,
    memory_file,
    noise,
    photo,
    png,
    saved,
    wished,
)
from twofold.core.codes import Code
from twofold.imaging import avif, jxl
from twofold.imaging.metadata import Metadata
from twofold.raster import Samples

EXTRAS = {"heic": "pillow_heif", "raw": "rawpy"}
"""Formats that an optional package reads, by its module."""


class Kind(NamedTuple):
    """What a file is, and as what it has to come in: channels without alpha, bits per sample, alpha, stored mode."""

    format: str
    what: str
    channels: int
    depth: int
    alpha: bool
    mode: str

    @property
    def name(self) -> str:
        return f"{self.format}, {self.what}"

    @property
    def readable(self) -> bool:
        return self.format not in EXTRAS or importlib.util.find_spec(EXTRAS[self.format]) is not None


class Refusal(NamedTuple):
    what: str
    data: bytes
    code: Code


def tiff(samples: Samples, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, metadata=None, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def heic(mode: str, samples: Samples) -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    size = (samples.shape[1], samples.shape[0])
    pillow_heif.from_bytes(mode, size, samples.tobytes()).save(buffer, quality=98, chroma=444)
    return buffer.getvalue()


def raw(orientation: int = 1) -> bytes:
    """A camera's DNG: a Bayer pattern that reddens to the right, and as much description as LibRaw needs."""
    y, x = np.mgrid[0:48, 0:64]
    pattern = (2000 + 40000 * x / 64 * (1 - 0.4 * (y % 2))).astype(np.uint16)
    matrix = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)
    tags = [
        (274, 3, 1, orientation),
        (271, 2, 8, "Twofold"),
        (272, 2, 5, "Test"),
        (33421, 3, 2, (2, 2)),  # the pattern is 2 x 2: red, green, green, blue
        (33422, 1, 4, (0, 1, 1, 2)),
        (50706, 1, 4, (1, 4, 0, 0)),  # DNG 1.4
        (50708, 2, 8, "Twofold"),
        (50717, 4, 1, 65535),
        (50721, 10, 9, tuple(number for value in matrix for number in (int(value * 10000), 10000))),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1)),
        (50778, 3, 1, 21),
    ]
    return tiff(pattern, photometric=32803, software=False, extratags=[(*tag, True) for tag in tags])


def jpeg_xl(samples: Samples, channels: int, metadata: Metadata | None = None, **wishes: object) -> bytes:
    fd = memory_file(b"")
    jxl.write(np.ascontiguousarray(samples), channels, metadata or Metadata(), wished("jxl", **wishes), fd)
    return contents(fd)


def av1(samples: Samples, bits: int = 8, **options: object) -> bytes:
    """By libvips, which is not what reads it: libavif is."""
    deep = samples.dtype == np.uint16
    stored = avif.quantised(samples, bits) << (16 - bits) if deep else samples
    image = pyvips.Image.new_from_memory(
        stored.tobytes(), stored.shape[1], stored.shape[0], stored.shape[2], "ushort" if deep else "uchar"
    ).copy(interpretation="rgb16" if deep else "srgb")
    wishes = {"compression": "av1", "bitdepth": bits, "effort": 0, "Q": 98, "subsample_mode": "off"} | options
    return bytes(image.heifsave_buffer(**wishes))


def grey_av1() -> bytes:
    from imagecodecs import avif_encode

    return bytes(avif_encode(gradient(1, 8)[:, :, 0], level=98, pixelformat="400"))


PALETTE = photo().quantize(16)
CLEAR = photo().copy()
CLEAR.putalpha(photo(1))
GREY_CLEAR = Image.merge("LA", (photo(1), photo(1).rotate(180)))
RGBA8, RGBA16 = noise(4, 8), noise(4, 16)


def packed(bits: int) -> bytes:
    """A grey PNG of 2 or 4 bits, which no library at hand writes: every row the same ramp."""
    import zlib

    row = b"\0" + bytes((at * 37) & 0xFF for at in range((WIDTH * bits + 7) // 8))
    return png((WIDTH, HEIGHT, bits, 0), (b"IDAT", zlib.compress(row * HEIGHT)))


def deep_png(channels: int, colour: int, *chunks: tuple[bytes, bytes]) -> bytes:
    import zlib

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in noise(channels, 16))
    return png((WIDTH, HEIGHT, 16, colour), *chunks, (b"IDAT", zlib.compress(rows)))


def photoshop(*resources: tuple[int, bytes]) -> bytes:
    """Photoshop's image resources, as TIFF tag 34377 holds them."""
    return b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + b"\0" * (len(body) & 1)
        for number, body in resources
    )


SPOT = photoshop((1077, struct.pack(">I", 1) + struct.pack(">H8sHB", 2, bytes(8), 100, 2)))
SELECTION = photoshop((1077, struct.pack(">I", 1) + struct.pack(">H8sHB", 0, bytes(8), 50, 0)))
LAYERS = b"Adobe Photoshop Document Data Block\0" + b"MIB8ryaL" + struct.pack("<Ihh", 4, 2, 0)


@cache
def sources() -> dict[Kind, bytes]:
    """Every kind that can be read here; those of a missing extra are left out."""
    made = _plain() | _tiffs() | _modern()
    if importlib.util.find_spec("pillow_heif") is not None:
        made |= {
            Kind("heic", "8 bits", 3, 8, False, "RGB"): heic("RGB", gradient(3, 8)),
            Kind("heic", "8 bits and alpha", 3, 8, True, "RGBA"): heic("RGBA", _covered(8)),
            Kind("heic", "10 bits", 3, 16, False, "RGB"): heic("RGB;16", gradient(3, 16)),
            Kind("heic", "grey", 1, 8, False, "L"): heic("L", gradient(1, 8)),
        }
    if importlib.util.find_spec("rawpy") is not None:
        made[Kind("raw", "a Bayer pattern in a DNG", 3, 16, False, "RAW")] = raw()
    return made


def _covered(depth: int) -> Samples:
    return np.concatenate([gradient(3, depth), gradient(1, depth)], axis=2)


def _plain() -> dict[Kind, bytes]:
    return {
        Kind("jpeg", "baseline", 3, 8, False, "RGB"): saved(photo(), "JPEG"),
        Kind("jpeg", "progressive", 3, 8, False, "RGB"): saved(photo(), "JPEG", progressive=True),
        Kind("jpeg", "grey", 1, 8, False, "L"): saved(photo(1), "JPEG"),
        Kind("jpeg", "CMYK, as Adobe inverts it", 3, 8, False, "CMYK"): saved(photo().convert("CMYK"), "JPEG"),
        Kind("jpeg", "several pictures (MPO): the first", 3, 8, False, "RGB"): saved(
            photo(), "MPO", save_all=True, append_images=[photo()]
        ),
        Kind("png", "8 bits", 3, 8, False, "RGB"): saved(photo(), "PNG"),
        Kind("png", "8 bits and alpha", 3, 8, True, "RGBA"): saved(CLEAR, "PNG"),
        Kind("png", "grey, 1 bit", 1, 8, False, "1"): saved(photo(1).convert("1"), "PNG"),
        Kind("png", "grey, 2 bits", 1, 8, False, "L"): packed(2),
        Kind("png", "grey, 4 bits", 1, 8, False, "L"): packed(4),
        Kind("png", "grey", 1, 8, False, "L"): saved(photo(1), "PNG"),
        Kind("png", "grey and alpha", 1, 8, True, "LA"): saved(GREY_CLEAR, "PNG"),
        Kind("png", "grey with a transparent value", 1, 8, True, "L"): saved(photo(1), "PNG", transparency=90),
        Kind("png", "palette", 3, 8, False, "P"): saved(PALETTE, "PNG"),
        Kind("png", "palette with a transparent colour", 3, 8, True, "P"): saved(PALETTE, "PNG", transparency=0),
        Kind("png", "8 bits with a transparent colour", 3, 8, True, "RGB"): saved(
            photo(), "PNG", transparency=tuple(int(value) for value in gradient(3, 8)[5, 5])
        ),
        Kind("png", "grey, 16 bits", 1, 16, False, "L"): deep_png(1, 0),
        Kind("png", "grey and alpha, 16 bits", 1, 16, True, "LA"): deep_png(2, 4),
        Kind("png", "16 bits", 3, 16, False, "RGB"): deep_png(3, 2),
        Kind("png", "16 bits and alpha", 3, 16, True, "RGBA"): deep_png(4, 6),
        Kind("webp", "lossy", 3, 8, False, "RGB"): saved(photo(), "WEBP"),
        Kind("webp", "lossy and alpha", 3, 8, True, "RGBA"): saved(CLEAR, "WEBP"),
        Kind("webp", "lossless", 3, 8, False, "RGB"): saved(photo(), "WEBP", lossless=True),
        Kind("gif", "still", 3, 8, False, "P"): saved(PALETTE, "GIF"),
        Kind("gif", "still, with a transparent colour", 3, 8, True, "P"): saved(PALETTE, "GIF", transparency=0),
        Kind("bmp", "24 bits", 3, 8, False, "RGB"): saved(photo(), "BMP"),
        Kind("bmp", "palette", 3, 8, False, "P"): saved(PALETTE, "BMP"),
        Kind("bmp", "32 bits with alpha", 3, 8, True, "RGBA"): bmp_with_alpha(),
    }


def bmp_with_alpha() -> bytes:
    """Version 4 of the header, whose masks name an alpha."""
    pixels = np.asarray(CLEAR)[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, len(pixels), 2835, 2835, 0, 0) + masks
    head += bytes(108 - len(head))
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


def _tiffs() -> dict[Kind, bytes]:
    rgb, grey = {"photometric": "rgb"}, {"photometric": "minisblack"}
    planes = np.moveaxis(noise(3, 8), 2, 0)
    return {
        Kind("tiff", "8 bits", 3, 8, False, "RGB"): saved(photo(), "TIFF"),
        Kind("tiff", "8 bits, LZW", 3, 8, False, "RGB"): saved(photo(), "TIFF", compression="tiff_lzw"),
        Kind("tiff", "8 bits, deflate", 3, 8, False, "RGB"): saved(photo(), "TIFF", compression="tiff_adobe_deflate"),
        Kind("tiff", "8 bits, JPEG inside", 3, 8, False, "RGB"): saved(photo(), "TIFF", compression="jpeg"),
        Kind("tiff", "grey, 1 bit, fax", 1, 8, False, "1"): saved(photo(1).convert("1"), "TIFF", compression="group4"),
        Kind("tiff", "palette", 3, 8, False, "P"): saved(PALETTE, "TIFF"),
        Kind("tiff", "CMYK", 3, 8, False, "CMYK"): saved(photo().convert("CMYK"), "TIFF"),
        Kind("tiff", "CIE Lab", 3, 8, False, "LAB"): saved(lab(), "TIFF"),
        Kind("tiff", "grey, 16 bits", 1, 16, False, "L"): tiff(noise(1, 16)[:, :, 0], **grey),
        Kind("tiff", "16 bits", 3, 16, False, "RGB"): tiff(noise(3, 16), **rgb),
        Kind("tiff", "16 bits and alpha", 3, 16, True, "RGBA"): tiff(RGBA16, extrasamples=["unassalpha"], **rgb),
        Kind("tiff", "8 bits and alpha", 3, 8, True, "RGBA"): tiff(RGBA8, extrasamples=["unassalpha"], **rgb),
        Kind("tiff", "alpha multiplied in", 3, 8, True, "RGBa"): tiff(RGBA8, extrasamples=["assocalpha"], **rgb),
        Kind("tiff", "a saved selection, left out", 3, 8, False, "RGB"): tiff(
            RGBA8, extrasamples=["unspecified"], extratags=[(34377, 1, len(SELECTION), SELECTION, True)], **rgb
        ),
        Kind("tiff", "tiles", 3, 16, False, "RGB"): tiff(noise(3, 16), tile=(16, 16), **rgb),
        Kind("tiff", "planes", 3, 8, False, "RGB"): tiff(planes, planarconfig="separate", **rgb),
        Kind("tiff", "BigTIFF", 3, 8, False, "RGB"): tiff(noise(3, 8), bigtiff=True, **rgb),
        Kind("tiff", "big-endian", 1, 16, False, "L"): tiff(noise(1, 16)[:, :, 0], byteorder=">", **grey),
    }


def lab() -> Image.Image:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(photo(), *profiles, outputMode="LAB")  # type: ignore[return-value]


def _modern() -> dict[Kind, bytes]:
    grey_alpha = np.concatenate([gradient(1, 8), noise(1, 8)], 2)
    return {
        Kind("avif", "8 bits", 3, 8, False, "RGB"): av1(gradient(3, 8)),
        Kind("avif", "8 bits and alpha", 3, 8, True, "RGBA"): av1(_covered(8)),
        Kind("avif", "10 bits", 3, 16, False, "RGB"): av1(gradient(3, 16), 10),
        Kind("avif", "12 bits and alpha", 3, 16, True, "RGBA"): av1(_covered(16), 12),
        Kind("avif", "grey", 1, 8, False, "L"): grey_av1(),
        Kind("jxl", "lossy", 3, 8, False, "RGB"): jpeg_xl(gradient(3, 8), 3),
        Kind("jxl", "lossy and alpha", 3, 8, True, "RGBA"): jpeg_xl(_covered(8), 3),
        Kind("jxl", "lossless, grey and alpha", 1, 8, True, "LA"): jpeg_xl(grey_alpha, 1, lossless=True),
        Kind("jxl", "lossless, 16 bits", 3, 16, False, "RGB"): jpeg_xl(noise(3, 16), 3, lossless=True),
        Kind("jxl", "with a profile", 3, 8, False, "RGB"): jpeg_xl(gradient(3, 8), 3, Metadata(icc=ICC_RGB)),
    }


@cache
def refusals() -> tuple[Refusal, ...]:
    """What is not read, since something in it would be lost; each with its code."""
    unsupported = Code.UNSUPPORTED_FORMAT
    rgb = {"photometric": "rgb"}
    cmyk_and_spot = noise(5, 8)
    layered = [(37724, 7, len(LAYERS), LAYERS, True)]
    spot = [(34377, 1, len(SPOT), SPOT, True)]
    return (
        Refusal("TIFF of floating-point samples", tiff(noise(3, 8).astype(np.float32), **rgb), unsupported),
        Refusal("TIFF of 32-bit samples", tiff(noise(3, 8).astype(np.uint32), **rgb), unsupported),
        Refusal("TIFF with Photoshop layers", tiff(noise(3, 8), extratags=layered, **rgb), unsupported),
        Refusal(
            "TIFF with a spot colour",
            tiff(RGBA8, extrasamples=["unspecified"], extratags=spot, **rgb),
            unsupported,
        ),
        Refusal(
            "TIFF of more inks than four",
            tiff(cmyk_and_spot, photometric="separated", extrasamples=["unspecified"]),
            unsupported,
        ),
        Refusal("JPEG of 12 bits or lossless", twelve_bit_jpeg(), unsupported),
        Refusal("AVIF of high dynamic range (PQ, HLG)", hdr_avif(), unsupported),
        Refusal("Photoshop file", b"8BPS" + bytes(40), unsupported),
        Refusal("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), unsupported),
        Refusal("OpenEXR", b"v/1\x01" + bytes(40), unsupported),
    )


def twelve_bit_jpeg() -> bytes:
    data = bytearray(saved(photo(), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    return bytes(data)


def hdr_avif() -> bytes:
    from imagecodecs import avif_encode

    return bytes(avif_encode(gradient(3, 16) >> 6, level=90, bitspersample=10, primaries=9, transfer=16, matrix=9))
