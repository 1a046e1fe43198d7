"""Runs one pass of one picture: tiles in, owned pixels out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from twofold.core.errors import OutOfDeviceMemory
from twofold.core.geometry import Rect
from twofold.core.memory import PassPlan
from twofold.core.protocols import Governor
from twofold.core.tiles import Tile
from twofold.raster import Samples, Upscaler

PlacedTile = tuple[int, Tile]  # and the index of its band


def run_pass(
    upscaler: Upscaler,
    source: Samples,
    result: Samples,
    plan: PassPlan,
    governor: Governor,
    *,
    depth: int,
    first_row: int = 0,
    on_row: Callable[[int, PassPlan], None] = lambda index, plan: None,
    stop: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> PassPlan:
    """Enlarge `source` (H, W, C) into `result` (H*scale, W*scale, C), both arrays or memory maps.

    Returns the plan that was in force last.

    `first_row` is the first band of `plan` still to be done. `on_row(index, plan)` says that this band of that plan and
    all above it stand in `result`: a later call goes on from (index + 1, plan). `stop` is called before each batch and
    may raise. `depth` is 8 or 16, the bits per sample of `result`.

    Where the device runs out of memory, the same tiles run again by the governor's smaller plan; finished rows stay,
    and bands of the new plan write only below them. Tiles are cut hard at the border of what they own: equal to the
    whole picture for exact networks, within about the card's `tiling_error` for others.
    Raises what upscaler and governor raise: NOT_FINITE, LOW_MEMORY.
    """
    _check_shapes(source, result, plan)
    done_px = plan.tiles.row(first_row - 1)[0].owned.y1 if first_row else 0
    pending = _tiles_below(plan, done_px)
    while batch := list(islice(pending, plan.batch)):
        stop()
        started_s = clock()
        try:
            enlarged = upscaler.run(np.stack([_cut(source, tile.window) for _, tile in batch]), depth)
        except OutOfDeviceMemory:
            smaller = governor.replan(upscaler.card, plan)
            if _batch_px(smaller) >= _batch_px(plan):
                raise  # a governor that does not step down would have us try forever
            same_tiles, plan = smaller.tiles == plan.tiles, smaller
            pending = chain(batch, pending) if same_tiles else _tiles_below(plan, done_px)
            continue
        tiles_px = len(batch) * plan.tiles.tile.pixels
        governor.completed(upscaler.card, plan, batch_px=tiles_px, seconds=clock() - started_s)
        for (index, tile), pixels in zip(batch, enlarged, strict=True):
            _write(result, tile, pixels, plan.tiles.scale, done_px)
            if tile.owned.x1 == plan.tiles.whole.width:
                done_px = tile.owned.y1
                on_row(index, plan)
    return plan


def _check_shapes(source: Samples, result: Samples, plan: PassPlan) -> None:
    height, width, channels = source.shape
    scale = plan.tiles.scale
    if (width, height) != plan.tiles.source or result.shape != (height * scale, width * scale, channels):
        raise ValueError(f"{source.shape} to {result.shape} is not what {plan.tiles} plans")


def _batch_px(plan: PassPlan) -> int:
    return plan.tiles.tile.pixels * plan.batch


def _tiles_below(plan: PassPlan, done_px: int) -> Iterator[PlacedTile]:
    """The tiles of all bands that own a row from `done_px` on, row-major."""
    for index in range(plan.tiles.rows):
        band = plan.tiles.row(index)
        if band[0].owned.y1 > done_px:
            yield from ((index, tile) for tile in band)


def _cut(source: Samples, window: Rect) -> Samples:
    """The window's pixels (h, w, C) of the padded picture, of which only what this window needs is ever made."""
    height, width = source.shape[:2]
    if window.x1 <= width and window.y1 <= height:
        return source[window.y0 : window.y1, window.x0 : window.x1]
    return source[np.ix_(_padded(window.y0, window.y1, height), _padded(window.x0, window.x1, width))]


def _padded(start_px: int, end_px: int, side_px: int) -> NDArray[np.intp]:
    """Where each pixel of a padded axis comes from: itself, its reflection, and beyond that the last one reflected."""
    at = np.arange(start_px, end_px)
    return np.where(at < side_px, at, np.maximum(2 * (side_px - 1) - at, 0))


def _write(result: Samples, tile: Tile, pixels: Samples, scale: int, done_px: int) -> None:
    """Put the owned part of `pixels` (the enlarged window) in its place, but for padding and rows above `done_px`."""
    left, top = tile.window.x0 * scale, tile.window.y0 * scale
    x0, y0 = tile.owned.x0 * scale, max(tile.owned.y0, done_px) * scale
    x1, y1 = min(tile.owned.x1 * scale, result.shape[1]), min(tile.owned.y1 * scale, result.shape[0])
    result[y0:y1, x0:x1] = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
