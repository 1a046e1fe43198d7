"""Runs one pass of one picture: tiles in, owned pixels out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.core.batches import Batches
from twofold.core.codes import Code
from twofold.core.errors import OutOfDeviceMemory, TwofoldError
from twofold.core.geometry import Rect
from twofold.core.pass_plan import PassPlan
from twofold.core.protocols import Governor
from twofold.raster import Samples, Upscaler

PATIENCE_S = 30.0
"""How long a pass waits for memory that others took; then it gives up, which frees all of this process's own."""
LOOK_AGAIN_S = 0.1
MAX_REFUSED = 50
"""How often a device may refuse the batches of a pass in a row, the smallest ones included, before the pass fails."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a pass tells while it runs, and asks.

    `on_row(index, plan)`: this band of that plan and all above it stand in the result. `on_plan(plan)`: another plan is
    in force. `on_wait(error)`: it waits for memory. `stop` is called before each batch and while waiting; it may raise.
    """

    on_row: Callable[[int, PassPlan], None] = lambda index, plan: None
    on_plan: Callable[[PassPlan], None] = lambda plan: None
    on_wait: Callable[[TwofoldError], None] = lambda error: None
    stop: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def run_pass(
    upscaler: Upscaler,
    source: Samples,
    result: Samples,
    plan: PassPlan,
    governor: Governor,
    *,
    depth: int,
    first_row: int = 0,
    watch: Watch | None = None,
) -> PassPlan:
    """Enlarge `source` (H, W, C) into `result` (H*scale, W*scale, C), both arrays or memory maps.

    Returns the plan that was in force last. `first_row` is the first band of `plan` still to be done: a later call goes
    on from (index + 1, plan) of the last `on_row`. `depth` is 8 or 16, the bits per sample of `result`.

    Before each batch the governor may change the plan; where the device runs out of memory all the same, the same tiles
    run again by its smaller one. Finished rows stay, and bands of a new plan write only below them. Tiles are cut hard
    at the border of what they own: equal to the whole picture for exact networks, within about the card's
    `tiling_error` for others. Raises what upscaler and governor raise: NOT_FINITE, LOW_MEMORY.
    """
    _check_shapes(source, result, plan)
    watch = watch or Watch()
    batches = Batches(plan, first_row)
    refused = 0  # by the device, one after another
    while not batches.done:
        _steer(batches, upscaler, governor, watch)
        plan = batches.plan
        batch = batches.take()
        started_s = watch.clock()
        try:
            enlarged = upscaler.run(np.stack([_cut(source, tile.window) for _, tile in batch]), depth)
        except OutOfDeviceMemory:
            smaller = governor.replan(upscaler.card, plan, batches.rest)
            refused += 1
            if smaller.batch_px >= plan.batch_px:
                if refused > MAX_REFUSED:
                    raise
                watch.sleep(LOOK_AGAIN_S)
            batches.change(smaller)
            watch.on_plan(smaller)
            continue
        refused = 0
        governor.completed(
            upscaler.card,
            plan,
            batch_px=len(batch) * plan.tiles.tile.pixels,
            seconds=watch.clock() - started_s,
            peak_bytes=upscaler.peak_bytes,
        )
        for (_, tile), pixels in zip(batch, enlarged, strict=True):
            for part in batches.missing(tile):
                _write(result, part.times(plan.tiles.scale), tile.window.times(plan.tiles.scale), pixels)
        for index in batches.completed():
            watch.on_row(index, plan)
    return batches.plan


def _steer(batches: Batches, upscaler: Upscaler, governor: Governor, watch: Watch) -> None:
    """Let the governor have its say; where nothing fits, wait a little for others to give memory back."""
    patient_until_s: float | None = None
    while True:
        watch.stop()
        try:
            plan = governor.steer(upscaler.card, batches.plan, batches.rest)
        except TwofoldError as error:
            if error.code is not Code.LOW_MEMORY:
                raise
            if patient_until_s is None:
                patient_until_s = watch.clock() + PATIENCE_S
                watch.on_wait(error)
            if watch.clock() >= patient_until_s:
                raise
            watch.sleep(LOOK_AGAIN_S)
            continue
        if plan is not batches.plan:
            batches.change(plan)
            watch.on_plan(plan)
        return


def _check_shapes(source: Samples, result: Samples, plan: PassPlan) -> None:
    height, width, channels = source.shape
    scale = plan.tiles.scale
    if (width, height) != plan.tiles.source or result.shape != (height * scale, width * scale, channels):
        raise ValueError(f"{source.shape} to {result.shape} is not what {plan.tiles} plans")


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


def _write(result: Samples, part: Rect, window: Rect, pixels: Samples) -> None:
    """Put `part` of `pixels` (the enlarged `window`) in its place, but for padding."""
    x1, y1 = min(part.x1, result.shape[1]), min(part.y1, result.shape[0])
    within = pixels[part.y0 - window.y0 : y1 - window.y0, part.x0 - window.x0 : x1 - window.x0]
    result[part.y0 : y1, part.x0 : x1] = within
