"""What Pillow reads for us (GIF, BMP, AVIF: all of eight bits), and JPEGs written with the tables of others."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PIL import Image, UnidentifiedImageError

from twofold.core.picture import PictureHeader
from twofold.imaging import exif
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported, upright
from twofold.imaging.metadata import MAX_ICC_BYTES, JpegLook, Metadata

if TYPE_CHECKING:
    from twofold.raster import Samples

_FORMATS = ("GIF", "BMP", "AVIF")
# Pillow does not count the classes of its exceptions on broken files among its promises.
_REFUSALS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)
_GREY = ("1", "L", "LA")
_SUBSAMPLING = {(1, 1): 0, (2, 1): 1, (2, 2): 2}  # Pillow's numbers
_DIAGONALS = sorted(range(64), key=lambda at: (at // 8 + at % 8, (at // 8 if (at // 8 + at % 8) % 2 else at % 8)))
_ZIGZAG = [_DIAGONALS.index(place) for place in range(64)]  # where the file keeps the step of each place, row by row


def inspect(data: FileBytes) -> Inspection:
    """Header and metadata as Pillow reads them; no pixel is decoded."""
    with refusals_are_damage():
        return _inspection(_open(data))


def decode(data: FileBytes, header: PictureHeader) -> Samples:
    """(H, W, 1-4) uint8 as stored, alpha last, not yet turned."""
    import numpy as np

    mode = ("L" if header.channels == 1 else "RGB") + ("A" if header.alpha else "")
    with refusals_are_damage():
        samples = np.asarray(_open(data).convert(mode))
    return samples if samples.ndim == 3 else samples[:, :, None]


def write_jpeg(samples: Samples, look: JpegLook, fd: int, at: int) -> None:
    """Write (H, W, 1 or 3) uint8 samples as a JPEG at the offset `at`, with the tables and subsampling of another."""
    tables = [[table[place] for place in _ZIGZAG] for table in look.tables]
    image = Image.fromarray(samples if samples.shape[2] == 3 else samples[:, :, 0])
    with os.fdopen(os.dup(fd), "r+b") as file:
        file.seek(at)
        image.save(file, "JPEG", qtables=tables, subsampling=_SUBSAMPLING.get(look.sampling, 0))


def _inspection(image: Image.Image) -> Inspection:
    block = image.info.get("exif")
    block = block.removeprefix(b"Exif\0\0") if isinstance(block, bytes) else None
    icc = image.info.get("icc_profile")
    icc = icc if isinstance(icc, bytes) and 0 < len(icc) <= MAX_ICC_BYTES else None
    xmp = image.info.get("xmp")
    metadata = Metadata(icc, block, xmp if isinstance(xmp, bytes) else None, _density(image.info.get("dpi")))
    turned = exif.orientation(block)
    size = upright(*image.size, turned)
    header = PictureHeader(
        format=str(image.format).lower(),
        width=size.width,
        height=size.height,
        channels=1 if image.mode in _GREY else 3,
        alpha=image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info,
        frames=2 if getattr(image, "is_animated", False) else 1,
        orientation=turned,
        mode=image.mode,
        icc_bytes=len(icc or b""),
        lossless=image.format != "AVIF",
    )
    return Inspection(header, metadata)


@contextmanager
def refusals_are_damage() -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError:
        raise damaged("its header cannot be read") from None
    except _REFUSALS as error:
        raise damaged(str(error)) from None


def _open(data: FileBytes) -> Image.Image:
    # Our own limits were checked on the header; Pillow's would only get in their way.
    Image.MAX_IMAGE_PIXELS = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data[: len(data)]), formats=_FORMATS)
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"):
        raise unsupported(f"a picture of mode {image.mode}")
    return image


def _density(dpi: Any) -> tuple[float, float] | None:
    try:
        x, y = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return (x, y) if x > 0 and y > 0 else None
