"""Cheap statistics of a picture's content: what `models: [auto]` decides by (core/content.py)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.core.errors import TwofoldError
from twofold.core.picture import PictureHeader
from twofold.imaging.decode import bands
from twofold.imaging.inspection import FileBytes
from twofold.imaging.protocol import LOOK_PX
from twofold.raster import Samples

WINDOW_PX = 192
WINDOWS = 4
"""Windows looked at along each side: at most 16, spread evenly."""

SAME = 1
"""Neighbours that differ by no more than this many levels of 255 are alike."""

SHARP = 48
"""A step between neighbours of at least this many levels is a hard edge."""

COMMON_COLOURS = 16
BLOCK_PX = 8

Levels = NDArray[np.int16]


def measure(data: FileBytes, header: PictureHeader) -> dict[str, float]:
    """Statistics of a grid of windows, each 0 to 1 unless said otherwise; none where the pixels cannot be read.

    `flat`: neighbours that are alike. `sharp`: hard edges among neighbours that are not alike. `common`: pixels that
    have one of the COMMON_COLOURS commonest colours (of 64 levels a channel). `blocky`: how many times stronger steps
    are on the grid of 8 x 8 blocks than beside it; about 1 where there is no such grid.
    """
    if header.size.pixels > LOOK_PX:
        return {}
    try:
        windows = _windows(data, header)
    except TwofoldError:
        return {}  # decoding will tell, with its own code
    luma = [_luma(window) for window in windows]
    steps = [np.abs(np.diff(plane, axis=axis)).ravel() for plane in luma for axis in (0, 1)]
    every = np.concatenate(steps)
    different = every > SAME
    return {
        "flat": _rounded(1 - different.mean()) if every.size else 1.0,
        "sharp": _rounded((every >= SHARP).sum() / max(1, different.sum())),
        "common": _rounded(_common(windows)),
        "blocky": _rounded(_blocky(luma)),
    }


def _rounded(value: float) -> float:
    """Few digits, so that they read well in a log."""
    return round(float(value), 4)


def _windows(data: FileBytes, header: PictureHeader) -> list[Samples]:
    """(h, w, 1 or 3) uint8 windows, as stored, at most WINDOW_PX on a side."""
    found: list[Samples] = []
    turned = header.orientation >= 5
    height, width = (header.width, header.height) if turned else (header.height, header.width)
    tops, lefts = _places(height), _places(width)
    parts: dict[int, list[Samples]] = {top: [] for top in tops}
    for y, band in bands(data, header):
        for top in tops:
            rows = band[max(0, top - y) : max(0, top + WINDOW_PX - y), :, : 3 if header.channels == 3 else 1]
            if len(rows):
                parts[top].append(rows if rows.dtype == np.uint8 else (rows >> 8).astype(np.uint8))
        if y + len(band) >= tops[-1] + WINDOW_PX:
            break
    for top in tops:
        if parts[top]:
            stripe = np.concatenate(parts[top])
            found += [stripe[:, left : left + WINDOW_PX] for left in lefts]
    return found


def _places(length_px: int) -> list[int]:
    """Where windows begin along a side; on multiples of the block, so that a grid stays in phase."""
    spare = max(0, length_px - WINDOW_PX)
    count = min(WINDOWS, 1 + spare // WINDOW_PX)
    return sorted({spare * (2 * number + 1) // (2 * count) // BLOCK_PX * BLOCK_PX for number in range(count)})


def _luma(window: Samples) -> Levels:
    """BT.601 luma in 0..255."""
    if window.shape[2] == 1:
        return window[..., 0].astype(np.int16)
    planes = window.astype(np.int32)
    luma: Levels = ((77 * planes[..., 0] + 150 * planes[..., 1] + 29 * planes[..., 2]) >> 8).astype(np.int16)
    return luma


def _common(windows: list[Samples]) -> float:
    colours = np.concatenate([(window >> 2).reshape(-1, window.shape[2]) for window in windows]).astype(np.uint32)
    keys = colours @ (np.uint32(64) ** np.arange(colours.shape[1], dtype=np.uint32))
    counts = np.sort(np.unique(keys, return_counts=True)[1])[-COMMON_COLOURS:]
    return float(counts.sum() / len(keys))


def _blocky(luma: list[Levels]) -> float:
    """The strongest phase of the block grid against the mean of the others, the weaker of rows and columns."""
    return min(_grid([plane.T for plane in luma]), _grid(luma))


def _grid(luma: list[Levels]) -> float:
    """How much more a column's step exceeds its neighbours' on one phase of the grid than on the others."""
    sums, counts = np.zeros(BLOCK_PX), np.zeros(BLOCK_PX)
    for plane in luma:
        steps = np.abs(np.diff(plane, axis=1))
        if steps.shape[1] < 3:
            continue
        excess = np.clip(2 * steps[:, 1:-1] - steps[:, :-2] - steps[:, 2:], 0, SHARP).mean(axis=0)
        phase = np.arange(excess.size) % BLOCK_PX
        sums += np.bincount(phase, excess, BLOCK_PX)
        counts += np.bincount(phase, minlength=BLOCK_PX)
    if not counts.all():
        return 1.0
    means = sums / counts
    others = (means.sum() - means.max()) / (BLOCK_PX - 1)
    return float((means.max() + 0.02) / (others + 0.02))
