"""TIFFs of CIE Lab, which libvips does not open: read by tifffile, and moved into RGB by libvips."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pyvips
import tifffile

from twofold.core.picture import PictureHeader
from twofold.core.recipe import Convert
from twofold.imaging import colour
from twofold.imaging.inspection import FileBytes, damaged
from twofold.raster import Samples

_REFUSALS = (
    tifffile.TiffFileError,
    ValueError,
    RuntimeError,
    OSError,
    LookupError,
    TypeError,
    struct.error,
    zlib.error,
)
_WHITE = 100.0


def decode(data: FileBytes, header: PictureHeader, rgb: Convert) -> Samples:
    """(H, W, 3) samples of the space `rgb`, as stored. Raises TwofoldError(DAMAGED)."""
    try:
        with tifffile.TiffFile(io.BytesIO(data[: len(data)])) as file:
            page = file.pages[0]
            stored = np.asarray(page.asarray())
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:  # type: ignore[union-attr]  # a page, not a frame
                stored = np.moveaxis(stored, 0, 2)
    except _REFUSALS as error:
        raise damaged(str(error)) from None
    if stored.ndim != 3 or stored.shape[2] < 3:
        raise damaged("its pixels do not fit its header")
    deep = stored.dtype.itemsize == 2
    lab = np.empty((*stored.shape[:2], 3), np.float32)
    lab[..., 0] = stored[..., 0] * np.float32(_WHITE / (65535 if deep else 255))
    signed = np.ascontiguousarray(stored[..., 1:3]).view(np.int16 if deep else np.int8)
    lab[..., 1:] = signed.astype(np.float32) / (256 if deep else 1)
    image = pyvips.Image.new_from_array(lab, interpretation="lab")
    moved = image.icc_export(
        output_profile=colour.BUILT_IN[rgb], intent="relative", black_point_compensation=True, depth=header.depth
    )
    return np.asarray(moved.numpy())
