"""The decoder: an upright raster, its transparency apart, its metadata aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from twofold.core.picture import PictureHeader
from twofold.imaging import alpha as transparency
from twofold.imaging.inspection import FileBytes, damaged, inspect
from twofold.imaging.probe import open_bytes
from twofold.imaging.shared_raster import SharedRaster
from twofold.raster import Samples


def operate(request: dict[str, Any]) -> dict[str, Any]:
    header = PictureHeader.from_json(request["header"])
    raster = SharedRaster.from_json(request["raster"]).array()
    coverage = SharedRaster.from_json(request["alpha"]).array() if request["alpha"] else None
    data = open_bytes(request["source"])
    inspection = inspect(data)
    # Of these, headers that were read by an earlier version say nothing.
    found = replace(inspection.header, signals=header.signals, own=header.own, taken=header.taken)
    if found != header:
        raise damaged("it is not the file that was probed")
    decode_into(data, header, raster, coverage)
    opaque = coverage is None or transparency.is_opaque(coverage)
    if coverage is not None and not opaque:
        transparency.dilate_colours(raster, coverage)
    metadata = replace(inspection.metadata, size=header.size, orientation=header.orientation).to_json()
    if header.mode in ("CMYK", "LAB"):
        metadata["icc"] = None  # its colours were transformed to sRGB
    return {"metadata": metadata, "opaque": opaque}


def decode_into(data: FileBytes, header: PictureHeader, raster: Samples, coverage: Samples | None) -> None:
    """Fill `raster` (H, W, 1 or 3) and `coverage` (H, W, 1), both upright. Raises TwofoldError(DAMAGED)."""
    # Writing rows through a turned view turns the picture without holding it twice.
    stored = as_stored(raster, header.orientation)
    stored_coverage = None if coverage is None else as_stored(coverage, header.orientation)
    done = 0
    for y, band in bands(data, header):
        if band.shape[1] != stored.shape[1] or y + len(band) > len(stored):
            raise damaged("its pixels do not fit its header")
        colours, opacity = _split(band, header.channels)
        stored[y : y + len(band)] = _at_depth(colours, raster.dtype)
        if stored_coverage is not None:
            top = np.iinfo(raster.dtype).max
            stored_coverage[y : y + len(band)] = top if opacity is None else _at_depth(opacity, raster.dtype)
        done = y + len(band)
    if done != len(stored):
        raise damaged("its pixels do not fit its header")


def bands(data: FileBytes, header: PictureHeader) -> Iterator[tuple[int, Samples]]:
    """First row and (rows, W, 1-5) samples of each band, as stored.

    Raises TwofoldError(DAMAGED, UNSUPPORTED_FORMAT).
    """
    if header.format in ("gif", "bmp", "avif"):
        from twofold.imaging import pillow_formats

        yield 0, pillow_formats.decode(data, header)
    else:
        from twofold.imaging import vips

        yield from vips.rows(data, header)


def as_stored(upright: Samples, orientation: int) -> Samples:
    """A view of an upright array in the order in which a file of that orientation stores it."""
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: upright[:, ::-1].swapaxes(0, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: upright[::-1].swapaxes(0, 1),
    }
    return turned[orientation]


def _split(band: Samples, channels: int) -> tuple[Samples, Samples | None]:
    """Colours and opacity of (rows, W, N) samples: grey stored as RGB and the reverse are put right."""
    count = band.shape[2]
    colours = 3 if count >= 3 else 1
    opacity = band[:, :, colours : colours + 1] if count > colours else None
    if channels == colours:
        return band[:, :, :colours], opacity
    if channels == 1:
        return band[:, :, :1], opacity
    return np.broadcast_to(band[:, :, :1], (*band.shape[:2], 3)), opacity


def _at_depth(samples: Samples, dtype: np.dtype[Any]) -> Samples:
    if samples.dtype == dtype:
        return samples
    if samples.dtype == np.uint16:
        return (samples >> 8).astype(dtype)  # a palette of 16-bit entries holds 8-bit ones, doubled
    return samples.astype(dtype) * np.uint16(257)
