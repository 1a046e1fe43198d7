"""Transparency: colours under transparent pixels."""

from __future__ import annotations

import numpy as np

from twofold.raster import Samples, full_range

BAND_PX = 2**20


def dilate_colours(raster: Samples, alpha: Samples) -> None:
    """Replace, in place, the colours that nobody sees by those of their visible neighbours.

    `raster` (H, W, C), `alpha` (H, W, 1). A network looks at neighbours, so hidden colours would bleed into edges.
    Pull-push: averages weighted by alpha are halved until they cover everything, then filled in from the coarse end.
    """
    if not (alpha == 0).any() or not alpha.any():
        return
    levels = [_pull(raster, alpha)]
    while levels[-1].shape[0] * levels[-1].shape[1] > 1 and (levels[-1][..., -1] == 0).any():
        levels.append(_halve(levels[-1]))
    filled = _averages(levels.pop())
    while levels:
        filled = _filled(levels.pop(), filled)
    rows = _band_rows(raster)
    for y in range(0, len(raster), rows):
        band = raster[y : y + rows]
        hidden = alpha[y : y + rows, :, 0] == 0
        colours = filled[y // 2 : (y + len(band) + 1) // 2].repeat(2, 0).repeat(2, 1)
        band[hidden] = np.rint(colours[: len(band), : band.shape[1]][hidden]).astype(raster.dtype)


def _pull(raster: Samples, alpha: Samples) -> Samples:
    """(H/2, W/2, C + 1) float32: sums of alpha * colour and of alpha over 2x2 pixels, band by band."""
    height, width, channels = raster.shape
    result = np.empty(((height + 1) // 2, (width + 1) // 2, channels + 1), np.float32)
    rows = _band_rows(raster)
    scale = np.float32(full_range(raster.dtype))
    for y in range(0, height, rows):
        weight = alpha[y : y + rows].astype(np.float32) / scale
        band = np.concatenate([raster[y : y + rows] * weight, weight], axis=2)
        result[y // 2 : (y + len(band) + 1) // 2] = _halve(band)
    return result


def _halve(sums: Samples) -> Samples:
    odd = sums.shape[0] & 1, sums.shape[1] & 1
    padded = np.pad(sums, ((0, odd[0]), (0, odd[1]), (0, 0))) if any(odd) else sums
    result: Samples = padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
    return result


def _filled(level: Samples, coarse: Samples) -> Samples:
    """A level's averages where it sees anything, and the coarser level's elsewhere; band by band."""
    height, width = level.shape[:2]
    result = np.empty((height, width, level.shape[2] - 1), np.float32)
    rows = _band_rows(level)
    for y in range(0, height, rows):
        band = level[y : y + rows]
        below = coarse[y // 2 : (y + len(band) + 1) // 2].repeat(2, 0).repeat(2, 1)[: len(band), :width]
        result[y : y + rows] = np.where(band[..., -1:] > 0, _averages(band), below)
    return result


def _averages(sums: Samples) -> Samples:
    weight = sums[..., -1:]
    result: Samples = sums[..., :-1] / np.where(weight > 0, weight, 1)
    return result


def is_opaque(alpha: Samples) -> bool:
    """True where every pixel is fully visible."""
    return bool(alpha.min() == full_range(alpha.dtype))


def _band_rows(raster: Samples) -> int:
    """An even number of rows of about BAND_PX pixels."""
    return max(2, BAND_PX // int(raster.shape[1]) // 2 * 2)
