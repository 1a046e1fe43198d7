"""The decoder: an upright raster, its transparency apart, its metadata aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from twofold.core.picture import PictureHeader
from twofold.core.recipe import Convert
from twofold.imaging import alpha as transparency
from twofold.imaging import colour
from twofold.imaging.inspection import FileBytes, damaged
from twofold.imaging.pages import open_page
from twofold.imaging.shared_raster import SharedRaster
from twofold.raster import Samples

NOT_RGB = frozenset({"CMYK", "LAB"})
WHOLE = {"gif": "pillow_formats", "bmp": "pillow_formats", "avif": "avif", "jxl": "jxl", "heic": "heic", "raw": "raw"}
"""Formats that are decoded in one piece, and the module that does it; libvips reads all others row by row."""

NAMED: Convert = "srgb"
"""The space that pictures which are neither grey nor RGB are moved into, where no other is wished for."""


def operate(request: dict[str, Any]) -> dict[str, Any]:
    header = PictureHeader.from_json(request["header"])
    raster = SharedRaster.from_json(request["raster"]).array()
    coverage = SharedRaster.from_json(request["alpha"]).array() if request["alpha"] else None
    data, inspection, found = open_page(request["source"], request["page"], alpha=header.alpha)
    # Of these, headers that were read by an earlier version say nothing.
    if replace(found, signals=header.signals, own=header.own, taken=header.taken) != header:
        raise damaged("it is not the file that was probed")
    icc, convert = inspection.metadata.icc, request["convert"]
    decode_into(data, inspection.header, raster, coverage, icc, convert)
    opaque = coverage is None or transparency.is_opaque(coverage)
    if coverage is not None and not opaque:
        if request["background"] is not None:
            colour.lay_over(raster, coverage, request["background"])
        else:
            transparency.dilate_colours(raster, coverage)
    metadata = replace(inspection.metadata, size=header.size, orientation=header.orientation)
    if convert is not None or header.mode in NOT_RGB:
        metadata = replace(metadata, icc=_profile(header, convert), colour=())
    return {"metadata": metadata.to_json(), "opaque": opaque or request["background"] is not None}


def _profile(header: PictureHeader, convert: Convert | None) -> bytes | None:
    """The profile of colours that were moved into another space."""
    if header.mode in NOT_RGB or header.channels == 3:
        return colour.profile(convert or NAMED)
    return None  # grey without a profile is grey of sRGB


def decode_into(
    data: FileBytes,
    header: PictureHeader,
    raster: Samples,
    coverage: Samples | None,
    icc: bytes | None = None,
    convert: Convert | None = None,
) -> None:
    """Fill `raster` (H, W, 1 or 3) and `coverage` (H, W, 1), both upright; `icc` is what `convert` starts from.

    Raises TwofoldError(DAMAGED).
    """
    # Writing rows through a turned view turns the picture without holding it twice.
    stored = as_stored(raster, header.orientation)
    stored_coverage = None if coverage is None else as_stored(coverage, header.orientation)
    done = 0
    for y, band in bands(data, header, convert or NAMED):
        if band.shape[1] != stored.shape[1] or y + len(band) > len(stored):
            raise damaged("its pixels do not fit its header")
        colours, opacity = split(band, header.channels)
        if convert is not None and header.mode not in NOT_RGB:
            colours = colour.converted(colours, icc, convert)
        stored[y : y + len(band)] = _at_depth(colours, raster.dtype)
        if stored_coverage is not None:
            top = np.iinfo(raster.dtype).max
            stored_coverage[y : y + len(band)] = top if opacity is None else _at_depth(opacity, raster.dtype)
        done = y + len(band)
    if done != len(stored):
        raise damaged("its pixels do not fit its header")


def bands(data: FileBytes, header: PictureHeader, rgb: Convert = NAMED) -> Iterator[tuple[int, Samples]]:
    """First row and (rows, W, 1-5) samples of each band, as stored; CMYK and Lab become `rgb`.

    Raises TwofoldError(DAMAGED, UNSUPPORTED_FORMAT).
    """
    if header.format in WHOLE:
        module = import_module(f"twofold.imaging.{WHOLE[header.format]}")
        decode: Callable[[FileBytes, PictureHeader], Samples] = module.decode
        yield 0, decode(data, header)
    elif header.mode == "LAB":
        from twofold.imaging import lab

        yield 0, lab.decode(data, header, rgb)
    else:
        from twofold.imaging import vips

        yield from vips.rows(data, header, rgb)


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


def split(band: Samples, channels: int) -> tuple[Samples, Samples | None]:
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
