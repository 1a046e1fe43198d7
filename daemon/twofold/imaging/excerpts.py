"""Parts of a picture, and the whole of it reduced, for the eye: of sRGB and eight bits, upright.

The file is read row by row where its format allows; only what is asked for is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.core.comparison import OVERVIEW, grid_of, stored_rect
from twofold.core.geometry import Rect, Size, turned_size
from twofold.imaging import colour
from twofold.imaging.decode import NOT_RGB, as_stored, bands, split
from twofold.imaging.inspection import FileBytes, damaged, inspect
from twofold.imaging.resample import to_depth
from twofold.raster import Samples, full_range

REDUCED_PX = 2 * OVERVIEW.long_side  # a side, of the reduced picture
LARGEST_STEP = 64.0  # of 255: one hard edge is not worth more than a field of soft ones


class Picture:
    """A file that is `size` (upright) large; TwofoldError(DAMAGED) where it is not."""

    def __init__(self, data: FileBytes, size: Size) -> None:
        self._header, metadata = inspect(data)
        if self._header.size != size:
            raise damaged("it is not the picture that is to be shown")
        self._data = data
        self._icc = metadata.icc
        self.size = size

    def look(self) -> tuple[Image.Image, list[list[float]]]:
        """The picture with at most REDUCED_PX a side, and how much detail each cell of core.comparison's grid has."""
        turned = self._header.orientation
        stored, cells = turned_size(self.size, turned), turned_size(grid_of(self.size), turned)
        step = -(-stored.long_side // REDUCED_PX)
        columns_at = -(-np.arange(cells.width) * stored.width // cells.width)
        columns_px = np.diff([*columns_at, stored.width])
        sums, counts = np.zeros((cells.height, cells.width)), np.zeros((cells.height, cells.width))
        reduced: list[Samples] = []
        for y, rows in _regrouped(bands(self._data, self._header), step):
            colours, opacity = self._split(rows)
            rows_of = np.arange(y, y + len(rows)) * cells.height // stored.height
            np.add.at(sums, rows_of, np.add.reduceat(_steps(colours, opacity), columns_at, axis=1))
            np.add.at(counts, rows_of, columns_px)
            reduced.append(rows if step == 1 else _reduced(colours, opacity, step))
        detail = _upright((sums / counts)[:, :, None], turned)[:, :, 0]
        return self._shown(np.concatenate(reduced)), detail.tolist()

    def parts(self, rects: Sequence[Rect]) -> list[Image.Image]:
        """These parts of the upright picture; nothing below the last of them is read."""
        stored = [stored_rect(rect, self.size, self._header.orientation) for rect in rects]
        found: list[list[Samples]] = [[] for _ in stored]
        end_px = max(rect.y1 for rect in stored)
        for y, rows in bands(self._data, self._header):
            for rect, pieces in zip(stored, found, strict=True):
                if rect.y0 < y + len(rows) and y < rect.y1:
                    pieces.append(rows[max(rect.y0 - y, 0) : rect.y1 - y, rect.x0 : rect.x1].copy())
            if y + len(rows) >= end_px:
                break
        return [self._shown(np.concatenate(pieces)) for pieces in found]

    def _split(self, samples: Samples) -> tuple[Samples, Samples | None]:
        colours, opacity = split(samples, self._header.channels)
        return colours, opacity if self._header.alpha else None

    def _shown(self, stored: Samples) -> Image.Image:
        """Samples as they are stored, as an RGB or RGBA picture."""
        colours, opacity = self._split(_upright(stored, self._header.orientation))
        if self._header.mode not in NOT_RGB:  # those were moved already
            colours = colour.converted(colours, self._icc, "srgb")
        planes = [np.broadcast_to(to_depth(colours, 8), (*colours.shape[:2], 3))]
        if opacity is not None:
            planes.append(to_depth(opacity, 8))
        return Image.fromarray(np.concatenate(planes, axis=2))


def _regrouped(parts: Iterator[tuple[int, Samples]], step: int) -> Iterator[tuple[int, Samples]]:
    """The same rows in bands that begin, and all but the last end, on a multiple of `step`."""
    start, left = 0, None
    for y, rows in parts:
        if left is not None:
            rows = np.concatenate([left, rows])
            y = start
        whole = len(rows) // step * step
        if whole:
            yield y, rows[:whole]
        start, left = y + whole, rows[whole:]
    if left is not None and len(left):
        yield start, left


def _steps(colours: Samples, opacity: Samples | None) -> NDArray[np.float32]:
    """How far each pixel is from the one to its right and the one below, of 255; what cannot be seen is flat."""
    brightness: NDArray[np.float32] = colours.mean(axis=2, dtype=np.float32) * np.float32(
        255 / full_range(colours.dtype)
    )
    if opacity is not None:
        brightness *= opacity[:, :, 0] / np.float32(full_range(opacity.dtype))
    steps = np.zeros_like(brightness)
    steps[:, :-1] += np.abs(np.diff(brightness, axis=1)).clip(max=LARGEST_STEP)
    steps[:-1] += np.abs(np.diff(brightness, axis=0)).clip(max=LARGEST_STEP)
    return steps


def _reduced(colours: Samples, opacity: Samples | None, step: int) -> Samples:
    """The mean of each square of `step` pixels; what cannot be seen does not count."""
    share = None if opacity is None else opacity / np.float32(full_range(opacity.dtype))
    seen = _means(colours if share is None else colours * share, step)
    if share is not None:
        covered = _means(share, step)
        seen = np.concatenate([seen / np.maximum(covered, 1e-6), covered * full_range(colours.dtype)], axis=2)
    return np.rint(seen).astype(colours.dtype)


def _means(samples: Samples, step: int) -> NDArray[np.float32]:
    height, width, channels = samples.shape
    padded = np.pad(samples, ((0, -height % step), (0, -width % step), (0, 0)), mode="edge")
    squares = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step, channels)
    means: NDArray[np.float32] = squares.mean(axis=(1, 3), dtype=np.float32)
    return means


def _upright(stored: Samples, orientation: int) -> Samples:
    height, width, channels = stored.shape
    size = turned_size(Size(width, height), orientation)
    upright = np.empty((size.height, size.width, channels), stored.dtype)
    as_stored(upright, orientation)[...] = stored
    return upright
