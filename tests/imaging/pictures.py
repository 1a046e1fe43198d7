"""Small real pictures, and ways to put them through the codec in this process or in a child."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageDraw

from twofold.core.formats import FORMATS
from twofold.core.recipe import Convert, SaveAs
from twofold.imaging import decode, encode, verify
from twofold.imaging.change import PLAIN_WISHES, Wishes
from twofold.imaging.codec import Decoded
from twofold.imaging.inspection import inspect
from twofold.imaging.metadata import Metadata
from twofold.imaging.shared_raster import SharedRaster
from twofold.raster import Samples

WIDTH, HEIGHT = 37, 23
NO_WISHES = PLAIN_WISHES

ICC_RGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def grey_profile() -> bytes:
    """A whole ICC profile of grey with gamma 2.2: no library at hand makes one that libjxl takes."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D),
        b"kTRC": b"curv" + bytes(4) + struct.pack(">IH", 1, 0x0233),
        b"cprt": b"text" + bytes(4) + b"none\0",
    }
    table, bodies, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        table += name + struct.pack(">II", at + len(bodies), len(body))
        bodies += padded
    head = bytearray(128)
    head[4:24] = b"lcms" + bytes((2, 0x40, 0, 0)) + b"mntrGRAYXYZ "
    head[36:40] = b"acsp"
    head[68:80] = struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    head[:4] = struct.pack(">I", at + len(bodies))
    return bytes(head) + table + bodies


ICC_GREY = grey_profile()


def gradient(channels: int, depth: int, *, width: int = WIDTH, height: int = HEIGHT) -> Samples:
    """(H, W, C): smooth, so that lossy formats keep it, and without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        0.15 + 0.6 * x / width + 0.2 * y / height,
        0.9 - 0.7 * y / height,
        0.2 + 0.3 * (x + 2 * y) / (width + 2 * height),
    ]
    top = 2**depth - 1
    return np.stack([np.rint(plane * top) for plane in planes[:channels]], axis=2).astype(f"u{depth // 8}")


def noise(channels: int, depth: int, *, width: int = WIDTH, height: int = HEIGHT) -> Samples:
    return np.random.default_rng(7).integers(0, 2**depth, (height, width, channels), dtype=f"u{depth // 8}")


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def photo(channels: int = 3) -> Image.Image:
    samples = gradient(channels, 8)
    return Image.fromarray(samples if channels > 1 else samples[:, :, 0])


def decoded(data: bytes, *, convert: Convert | None = None, background: str | None = None) -> Decoded:
    """The whole picture, decoded in this process: the same operation as in a child, without its start-up."""
    header = inspect(data).header
    raster = SharedRaster.create(header.size, header.channels, header.depth)
    alpha = SharedRaster.create(header.size, 1, header.depth) if header.alpha else None
    source = memory_file(data)
    request = {"source": source, "page": None, "header": header.to_json(), "raster": raster.to_json()}
    wishes = {"convert": convert, "background": background}
    result = decode.operate(request | wishes | {"alpha": None if alpha is None else alpha.to_json()})
    os.close(source)
    kept = alpha if background is None else None
    return Decoded(raster, kept, result["opaque"], Metadata.from_json(result["metadata"]))


def wished(format_: str, **wishes: Any) -> SaveAs:
    """Settled wishes for a format, as core.formats.check_output gives them."""
    return replace(SaveAs(format_, lossless=bool(FORMATS[format_].lossless)), **wishes)  # type: ignore[arg-type]


def encoded(
    format_: str,
    raster: SharedRaster,
    alpha: SharedRaster | None,
    metadata: Metadata,
    wishes: Wishes = NO_WISHES,
    room_fd: int | None = None,
    **saving: Any,
) -> tuple[bytes, list[str]]:
    """The file and its warnings, encoded in this process."""
    result = memory_file(b"")
    request = {
        "save_as": asdict(wished(format_, **saving)),
        "wishes": wishes.to_json(),
        "result": result,
        "metadata": metadata.to_json(),
        "room": room_fd,
    }
    planes = {"raster": raster.to_json(), "alpha": None if alpha is None else alpha.to_json()}
    warnings = encode.operate(request | planes)["warnings"]
    data = contents(result)
    os.close(result)
    return data, warnings


def verified(
    data: bytes,
    format_: str,
    raster: SharedRaster,
    alpha: SharedRaster | None,
    metadata: Metadata | None = None,
    room_fd: int | None = None,
    **saving: Any,
) -> dict[str, Any]:
    """Verified in this process."""
    source = memory_file(data)
    request = {"save_as": asdict(wished(format_, **saving)), "source": source, "raster": raster.to_json()}
    request |= {"metadata": (metadata or Metadata()).to_json(), "room": room_fd}
    try:
        return verify.operate(request | {"alpha": None if alpha is None else alpha.to_json()})
    finally:
        os.close(source)


def drawing(width: int = 700, height: int = 500) -> Image.Image:
    """Lines, areas and text, antialiased."""
    image = Image.new("RGB", (2 * width, 2 * height), "white")
    draw = ImageDraw.Draw(image)
    for number in range(12):
        left, top = 97 * number % (2 * width - 300), 151 * number % (2 * height - 200)
        draw.ellipse((left, top, left + 280, top + 190), fill=(40 * number % 256, 90, 200), outline="black", width=6)
        draw.text((left + 40, top + 60), "Twofold 2x", fill="black", font_size=40)
    return image.resize((width, height), Image.Resampling.BOX)


def memory_file(data: bytes) -> int:
    """A descriptor of a file that holds the bytes; the caller closes it."""
    fd = os.memfd_create("picture")
    os.write(fd, data)
    return fd


def contents(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def png(ihdr: tuple[int, int, int, int], *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of width, height, bits and colour type, with the chunks given."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", *ihdr, 0, 0, 0)), *(chunk(*one) for one in chunks)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")
