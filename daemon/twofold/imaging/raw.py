"""Camera raw files, developed by the extra rawpy (LibRaw) with its defaults and the camera's own white balance."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.picture import PictureHeader
from twofold.imaging import ifd
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported, upright
from twofold.imaging.metadata import Metadata

if TYPE_CHECKING:
    from twofold.raster import Samples

_QUARTER_TURNS = (5, 6)  # LibRaw's numbers, which are not EXIF's
_SRGB_CURVE = (2.4, 12.92)


def inspect(data: FileBytes) -> Inspection:
    """Size and metadata, nothing developed; the picture will be 16-bit sRGB, upright.

    Raises TwofoldError(MISSING_EXTRA) where rawpy is not installed.
    """
    from twofold.imaging import colour

    with _opened(data) as raw:
        sizes = raw.sizes
        size = upright(sizes.iwidth, sizes.iheight, 6 if sizes.flip in _QUARTER_TURNS else 1)
    metadata = Metadata(colour.profile("srgb"), _exif(data))
    icc_bytes = len(metadata.icc or b"")
    header = PictureHeader("raw", size.width, size.height, depth=16, mode="RAW", icc_bytes=icc_bytes)
    return Inspection(header, metadata)


def decode(data: FileBytes, header: PictureHeader) -> Samples:
    """(H, W, 3) uint16 sRGB samples, upright."""
    import numpy as np
    import rawpy

    with _opened(data) as raw:
        samples = raw.postprocess(
            use_camera_wb=True, output_bps=16, output_color=rawpy.ColorSpace.sRGB, gamma=_SRGB_CURVE
        )
    return np.asarray(samples)


def _exif(data: FileBytes) -> bytes | None:
    """EXIF of the raws that are TIFFs, as most are."""
    from twofold.imaging import tiff

    try:
        tree = ifd.open_tree(data)
        return tiff.exif_block(data, tree, ifd.read_directory(data, tree, tree.first)[0])
    except ValueError:
        return None


@contextmanager
def _opened(data: FileBytes) -> Iterator[Any]:
    try:
        import rawpy
    except ImportError:
        text = "Camera raw pictures need the extra 'raw': pip install 'twofold[raw]'"
        raise TwofoldError(Code.MISSING_EXTRA, text) from None
    try:
        with rawpy.imread(io.BytesIO(data[: len(data)])) as raw:
            yield raw
    except rawpy.LibRawFileUnsupportedError:
        raise unsupported("a camera raw file that LibRaw does not know") from None
    except (rawpy.LibRawError, OSError, ValueError) as error:
        raise damaged(str(error)) from None
