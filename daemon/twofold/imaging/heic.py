"""HEIC and HEIF pictures, read by pillow-heif: an extra, since its wheel holds x265, which is under the GPL."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.picture import PictureHeader
from twofold.imaging import isobmff
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported
from twofold.imaging.metadata import MAX_EXIF_BYTES, MAX_ICC_BYTES, MAX_XMP_BYTES, Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twofold.raster import Samples

_DEEP_BITS = {"RGB;10": 10, "RGBA;10": 10, "RGB;12": 12, "RGBA;12": 12, "I;10": 10, "I;12": 12, "I;16": 16}


def inspect(data: FileBytes) -> Inspection:
    """The primary picture, turned upright by libheif already; other pictures beside it are left alone.

    Raises TwofoldError(MISSING_EXTRA) where pillow-heif is not installed.
    """
    with _opened(data) as image:
        info = image.info
        primary = isobmff.primary(data)
        icc = _bounded(info.get("icc_profile"), MAX_ICC_BYTES)
        if icc is None and primary.wide:
            from twofold.imaging import colour

            icc = colour.profile("display-p3")
        block = _bounded(info.get("exif"), MAX_EXIF_BYTES)
        metadata = Metadata(icc, block and block.removeprefix(b"Exif\0\0"), _bounded(info.get("xmp"), MAX_XMP_BYTES))
        bits = _bits(image.mode)
        grey = image.mode.startswith(("L", "I"))
        header = PictureHeader(
            format="heic",
            width=image.size[0],
            height=image.size[1],
            channels=1 if grey else 3,
            depth=16 if bits > 8 else 8,
            alpha=image.mode.startswith(("RGBA", "LA")),
            mode=image.mode.partition(";")[0],
            icc_bytes=len(icc or b""),
        )
    return Inspection(header, metadata)


def decode(data: FileBytes, header: PictureHeader) -> Samples:
    """(H, W, 1-4) upright samples, alpha last."""
    import numpy as np

    from twofold.imaging.avif import widen

    with _opened(data) as image:
        samples = np.array(image)
        bits = _bits(image.mode)
    samples = samples if samples.ndim == 3 else samples[:, :, None]
    if 8 < bits < 16:
        widen(samples, bits)
    return samples


def _bits(mode: str) -> int:
    if ";" not in mode:
        return 8
    if mode not in _DEEP_BITS:
        raise unsupported(f"a HEIF picture of mode {mode}")
    return _DEEP_BITS[mode]


@contextmanager
def _opened(data: FileBytes) -> Iterator[Any]:
    try:
        import pillow_heif
    except ImportError:
        text = "HEIC pictures need the extra 'heic': pip install 'twofold[heic]'"
        raise TwofoldError(Code.MISSING_EXTRA, text) from None
    try:
        found = pillow_heif.open_heif(data[: len(data)], convert_hdr_to_8bit=False, hdr_to_16bit=False)
        yield found[found.primary_index]
    except (ValueError, RuntimeError, EOFError, OSError, LookupError, SyntaxError, TypeError) as error:
        raise damaged(str(error)) from None


def _bounded(block: object, limit_bytes: int) -> bytes | None:
    return block if isinstance(block, bytes) and 0 < len(block) <= limit_bytes else None
