"""The verifier: reads a written result with another library than wrote it, and compares it with what was meant."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.formats import FORMATS, Format
from twofold.core.picture import PictureHeader
from twofold.core.recipe import SaveAs
from twofold.imaging import avif
from twofold.imaging.inspection import FileBytes, inspect
from twofold.imaging.metadata import Metadata, fitting_profile
from twofold.imaging.probe import open_bytes
from twofold.imaging.resample import to_depth
from twofold.imaging.shared_raster import SharedRaster
from twofold.raster import Samples, full_range

BLOCK_PX = 16  # lossy formats are compared by the statistics of such blocks, which chroma subsampling leaves alone
MAX_BLOCK_ROWS = 32  # compared evenly over a lossy picture's height
BAND_ROWS = 256
TYPES = {"uchar": np.uint8, "ushort": np.uint16}


def operate(request: dict[str, Any]) -> dict[str, Any]:
    """Compare; a mismatch is VERIFY_FAILED, and so is a file that does not decode."""
    save_as = SaveAs(**request["save_as"])
    format_ = FORMATS[save_as.format]
    raster = SharedRaster.from_json(request["raster"])
    alpha = SharedRaster.from_json(request["alpha"]) if request["alpha"] else None
    data = open_bytes(request["source"])
    try:
        header, found = inspect(data)
    except TwofoldError as error:
        raise _failed(f"it does not read back: {error}") from None
    _check_header(header, format_, raster, alpha)
    meant = fitting_profile(Metadata.from_json(request["metadata"]), header.channels)
    # Lossy JPEG XL keeps the common profiles by name: the same colours, other bytes.
    if found.icc != meant and (format_.name != "jxl" or save_as.lossless):
        raise _failed("its colour profile is another one")
    written = _decoded(data, header, request["room"])
    if save_as.lossless:
        _check_equal(written, format_, raster.array(), None if alpha is None else alpha.array())
        return {"difference": 0.0}
    means, contrasts = _differences(written, raster.array(), None if alpha is None else alpha.array())
    quality = save_as.quality
    if save_as.match_source:
        quality = min(quality, int(header.signals.get("jpeg_quality", quality)))
    allowed = allowed_differences(format_.name, quality, subsampled=_subsampled(save_as, found))
    if means > allowed[0] or contrasts > allowed[1]:
        raise _failed(f"its brightness differs by {means:.1f} and its contrast by {contrasts:.1f} of 255")
    return {"difference": means}


def allowed_differences(format_: str, quality: int, *, subsampled: bool = False) -> tuple[float, float]:
    """The largest differences of block means and contrasts, of 255, that a lossy quality of 1-100 explains."""
    loss = 4.0 + (100 - quality) * 0.4
    if format_ == "webp" or subsampled:
        # They halve their chroma planes: lines of pure colours, one pixel wide, change by 14 and 34 (measured).
        return loss + 12.0, loss + 36.0
    return loss, loss


def _subsampled(save_as: SaveAs, found: Metadata) -> bool:
    if save_as.format == "jpeg":
        return found.jpeg is not None and found.jpeg.sampling != (1, 1)
    return save_as.subsampling != 444


def _check_header(header: PictureHeader, format_: Format, raster: SharedRaster, alpha: SharedRaster | None) -> None:
    found = (header.format, header.size, header.orientation, header.frames, header.channels, header.depth)
    channels = raster.channels if format_.grey else 3
    depth = min(raster.depth, format_.depth)
    meant = (format_.name, raster.size, 1, 1, channels, depth)
    if found != meant:
        raise _failed(f"its header says {found}, not {meant}")
    # WebP leaves out an alpha that is opaque everywhere.
    if header.alpha != (alpha is not None) and (format_.name != "webp" or header.alpha):
        raise _failed("its transparency is missing")


def _decoded(data: FileBytes, header: PictureHeader, room_fd: int | None) -> Samples:
    """(H, W, N) samples, alpha last: in memory, or in the scratch file `room_fd`, which has the room for them."""
    shape = (header.height, header.width, header.channels + header.alpha)
    dtype = np.dtype(np.uint16 if header.depth == 16 else np.uint8)
    if room_fd is None:
        samples = np.empty(shape, dtype)
    else:
        samples = np.frombuffer(mmap.mmap(room_fd, 0), dtype, math.prod(shape)).reshape(shape)
    try:
        _read(data, header, samples)
    except (TwofoldError, RuntimeError, ValueError, OSError) as error:  # imagecodecs raises RuntimeErrors of many names
        raise _failed(f"it does not decode: {error}") from None
    return samples


def _read(data: FileBytes, header: PictureHeader, samples: Samples) -> None:
    """Fill `samples`; a file that decodes to another shape or depth raises ValueError."""
    plane = samples[:, :, 0] if samples.shape[2] == 1 else samples  # what imagecodecs calls grey
    format_ = header.format
    if format_ == "tiff":  # tifffile wrote it
        _read_tiff(data, samples)
    elif format_ == "jpeg":  # libvips wrote it, and the next three; libheif does AVIF for it, libavif does here
        from imagecodecs import jpeg8_decode

        jpeg8_decode(data, out=plane)
    elif format_ == "png":
        from imagecodecs import png_decode

        png_decode(data, out=plane)
    elif format_ == "avif":
        from imagecodecs import avif_decode

        avif_decode(data, index=0, out=samples)
        if samples.dtype == np.uint16:
            avif.widen(samples, avif.BITS)
    elif format_ == "jxl":  # there is no second library, and only our way through the one knows of profiles
        from twofold.imaging import jxl

        jxl.decode_into(data, header, samples)
    else:
        from imagecodecs import webp_decode

        webp_decode(data, out=plane)


def _read_tiff(data: FileBytes, samples: Samples) -> None:
    done = 0
    for band in tiff_rows(data, 0):
        if band.shape[1:] != samples.shape[1:] or band.dtype != samples.dtype or done + len(band) > len(samples):
            raise ValueError(f"rows of {band.shape[1]} pixels of {band.shape[2]} samples")
        samples[done : done + len(band)] = band
        done += len(band)
    if done != len(samples):
        raise ValueError(f"{done} rows")


def tiff_rows(data: FileBytes, page: int) -> Iterator[Samples]:
    """(rows, W, N) samples of one page, in order, by libvips. Raises ValueError."""
    import pyvips

    try:
        image = pyvips.Image.tiffload_buffer(data, page=page, fail_on="error", access="sequential")
        region = pyvips.Region.new(image)
        for y in range(0, image.height, BAND_ROWS):
            rows = min(BAND_ROWS, image.height - y)
            samples = np.frombuffer(region.fetch(0, y, image.width, rows), TYPES[image.format])
            yield samples.reshape(rows, image.width, image.bands)
    except pyvips.Error as error:
        raise ValueError(str(error)) from None


def _check_equal(written: Samples, format_: Format, raster: Samples, alpha: Samples | None) -> None:
    channels = 3 if not format_.grey else raster.shape[2]
    opaque = format_.name == "webp" and written.shape[2] == channels  # it leaves out what hides nothing
    for y in range(0, len(raster), BAND_ROWS):
        band = written[y : y + BAND_ROWS]
        same = np.array_equal(band[:, :, :channels], _kept(raster[y : y + BAND_ROWS], format_, channels))
        if same and alpha is not None:
            meant = _kept(alpha[y : y + BAND_ROWS], format_, 1)
            whole = bool((meant == full_range(meant.dtype)).all())
            same = whole if opaque else np.array_equal(band[:, :, channels:], meant)
        if not same:
            raise _failed(f"its samples differ near row {y}")


def _kept(samples: Samples, format_: Format, channels: int) -> Samples:
    """What a lossless file of the format holds of the samples."""
    if format_.depth == 8:
        samples = to_depth(samples, 8)
    elif format_.bits is not None and samples.dtype == np.uint16:
        samples = avif.quantised(samples, format_.bits)
        avif.widen(samples, format_.bits)
    return np.broadcast_to(samples, (*samples.shape[:2], channels))


def _differences(written: Samples, raster: Samples, alpha: Samples | None) -> tuple[float, float]:
    """How far block means and block contrasts lie apart on average, of 255, in the worst of the sampled block rows.

    Hidden colours do not count. Means alone would take a torn, grey half for noise.
    """
    starts = np.unique(np.linspace(0, max(0, len(raster) - BLOCK_PX), MAX_BLOCK_ROWS).astype(int))
    worst = np.zeros(2)
    colours = 3 if written.shape[2] >= 3 else 1
    for y in starts:
        meant = _unit(raster[y : y + BLOCK_PX])
        found = _unit(written[y : y + BLOCK_PX, :, :colours])
        if alpha is not None:
            meant = meant * _unit(alpha[y : y + BLOCK_PX])
            cover = written[y : y + BLOCK_PX, :, colours:]
            found = found * (_unit(cover) if cover.shape[2] else 1)
        pairs = zip(_blocks(meant), _blocks(found), strict=True)
        worst = np.maximum(worst, [np.abs(one - other).mean() for one, other in pairs])
    return 255 * float(worst[0]), 255 * float(worst[1])


def _unit(samples: Samples) -> Samples:
    result: Samples = samples.astype(np.float32) / np.float32(full_range(samples.dtype))
    return result


def _blocks(rows: Samples) -> tuple[Samples, Samples]:
    """Means (N, C) and contrasts (N,) of the blocks side by side in BLOCK_PX rows; contrast is of the grey picture."""
    edges = np.arange(0, rows.shape[1], BLOCK_PX)
    widths = np.diff(np.append(edges, rows.shape[1])).astype(np.float32)
    grey = rows.mean(axis=2)
    square = np.add.reduceat((grey**2).mean(axis=0), edges) / widths
    mean = np.add.reduceat(grey.mean(axis=0), edges) / widths
    means = np.add.reduceat(rows.mean(axis=0), edges, axis=0) / widths[:, None]
    return means, np.sqrt(np.maximum(square - mean**2, 0))


def _failed(text: str) -> TwofoldError:
    return TwofoldError(Code.VERIFY_FAILED, f"The written result is wrong: {text}.")
