"""The verifier: reads a written result with another library than wrote it, and compares it with what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.formats import FORMATS, Format
from twofold.core.picture import PictureHeader
from twofold.imaging.inspection import FileBytes, inspect
from twofold.imaging.probe import open_bytes
from twofold.imaging.shared_raster import SharedRaster

if TYPE_CHECKING:
    from twofold.raster import Samples

BLOCK_PX = 16  # lossy formats are compared by the means of such blocks, which chroma subsampling leaves alone
MAX_BLOCK_ROWS = 32  # compared evenly over a lossy picture's height
BAND_ROWS = 256


def operate(request: dict[str, Any]) -> dict[str, Any]:
    """Compare; a mismatch is VERIFY_FAILED, and so is a file that does not decode."""
    format_ = FORMATS[request["format"]]
    raster = SharedRaster.from_json(request["raster"])
    alpha = SharedRaster.from_json(request["alpha"]) if request["alpha"] else None
    data = open_bytes(request["source"])
    try:
        header = inspect(data).header
    except TwofoldError as error:
        raise _failed(f"it does not read back: {error}") from None
    _check_header(header, format_, raster, alpha)
    written = _decoded(data, header)
    if format_.lossless:
        _check_equal(written, raster.array(), None if alpha is None else alpha.array())
        return {"difference": 0.0}
    difference = _difference(written, raster.array(), None if alpha is None else alpha.array())
    if difference > allowed_difference(request["quality"]):
        raise _failed(f"it differs by {difference:.1f} of 255 on average")
    return {"difference": difference}


def allowed_difference(quality: int) -> float:
    """The largest mean difference of block means, of 255, at a lossy quality of 1-100. A torn file is far above it."""
    return 4.0 + (100 - quality) * 0.4


def _check_header(header: PictureHeader, format_: Format, raster: SharedRaster, alpha: SharedRaster | None) -> None:
    found = (header.format, header.size, header.orientation, header.frames, header.channels, header.depth)
    channels = raster.channels if format_.grey else 3
    depth = min(raster.depth, format_.depth)
    meant = (format_.name, raster.size, 1, 1, channels, depth)
    if found != meant:
        raise _failed(f"its header says {found}, not {meant}")
    # WebP leaves out an alpha that is opaque everywhere.
    if format_.lossless and header.alpha != (alpha is not None):
        raise _failed("its transparency is missing")


def _decoded(data: FileBytes, header: PictureHeader) -> Samples:
    """(H, W, N) samples, alpha last."""
    try:
        samples = _read(data, header.format)
    except (RuntimeError, ValueError, OSError) as error:  # imagecodecs raises RuntimeErrors of many names
        raise _failed(f"it does not decode: {error}") from None
    samples = samples if samples.ndim == 3 else samples[:, :, None]
    if samples.shape[:2] != (header.height, header.width):
        raise _failed(f"it decodes to {samples.shape[1]}x{samples.shape[0]} pixels")
    return samples


def _read(data: FileBytes, format_: str) -> Samples:
    if format_ == "tiff":  # tifffile wrote it
        import pyvips

        try:
            image = pyvips.Image.tiffload_buffer(data, fail_on="error", access="sequential")
            return np.asarray(image.numpy())
        except pyvips.Error as error:
            raise ValueError(str(error)) from None
    if format_ == "jpeg":  # libvips wrote it, and the next two
        from imagecodecs import jpeg8_decode

        return np.asarray(jpeg8_decode(data))
    if format_ == "png":
        from imagecodecs import png_decode

        return np.asarray(png_decode(data))
    from imagecodecs import webp_decode

    return np.asarray(webp_decode(data))


def _check_equal(written: Samples, raster: Samples, alpha: Samples | None) -> None:
    channels = raster.shape[2]
    if written.dtype != raster.dtype or written.shape[2] != channels + (alpha is not None):
        raise _failed("its samples are of another kind")
    for y in range(0, len(raster), BAND_ROWS):
        band = written[y : y + BAND_ROWS]
        same = np.array_equal(band[:, :, :channels], raster[y : y + BAND_ROWS])
        if same and alpha is not None:
            same = np.array_equal(band[:, :, channels:], alpha[y : y + BAND_ROWS])
        if not same:
            raise _failed(f"its samples differ near row {y}")


def _difference(written: Samples, raster: Samples, alpha: Samples | None) -> float:
    """Mean absolute difference of block means, of 255, over a sample of block rows; hidden colours do not count."""
    starts = np.unique(np.linspace(0, max(0, len(raster) - BLOCK_PX), MAX_BLOCK_ROWS).astype(int))
    total = 0.0
    for y in starts:
        meant = raster[y : y + BLOCK_PX].astype(np.float32) / np.float32(np.iinfo(raster.dtype).max)
        found = written[y : y + BLOCK_PX, :, :3].astype(np.float32) / np.float32(255)
        if alpha is not None:
            cover = alpha[y : y + BLOCK_PX].astype(np.float32) / np.float32(np.iinfo(alpha.dtype).max)
            meant = meant * cover
            found = found * (written[y : y + BLOCK_PX, :, 3:] / np.float32(255) if written.shape[2] == 4 else 1)
        edges = np.arange(0, raster.shape[1], BLOCK_PX)
        widths = np.diff(np.append(edges, raster.shape[1])).astype(np.float32)[:, None]
        gap = np.add.reduceat((found - meant).mean(axis=0), edges, axis=0) / widths
        total += float(np.abs(gap).mean())
    return 255 * total / len(starts)


def _failed(text: str) -> TwofoldError:
    return TwofoldError(Code.VERIFY_FAILED, f"The written result is wrong: {text}.")
