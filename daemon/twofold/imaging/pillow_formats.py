"""GIF, BMP and AVIF, which are only read: all by Pillow, eight bits."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PIL import Image, UnidentifiedImageError

from twofold.core.picture import PictureHeader
from twofold.imaging import exif
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported, upright
from twofold.imaging.metadata import MAX_ICC_BYTES, Metadata

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


def inspect(data: FileBytes) -> Inspection:
    """Header and metadata as Pillow reads them; no pixel is decoded."""
    with _refusals_are_damage():
        return _inspection(_open(data))


def decode(data: FileBytes, header: PictureHeader) -> Samples:
    """(H, W, 1-4) uint8 as stored, alpha last, not yet turned."""
    import numpy as np

    mode = ("L" if header.channels == 1 else "RGB") + ("A" if header.alpha else "")
    with _refusals_are_damage():
        samples = np.asarray(_open(data).convert(mode))
    return samples if samples.ndim == 3 else samples[:, :, None]


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
def _refusals_are_damage() -> Iterator[None]:
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
