"""Stand-ins with state: governors that remember what they were asked, upscalers that run out of memory on cue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import OutOfDeviceMemory, TwofoldError
from twofold.core.geometry import Rect, Size
from twofold.core.pass_plan import PassPlan
from twofold.core.rest import Rest
from twofold.core.tiles import plan_tiles


def make_plan(card: NetworkCard, source: Size, tile_px: int, batch: int = 1, region: Rect | None = None) -> PassPlan:
    tiles = plan_tiles(
        source,
        tile_px=tile_px,
        halo_px=card.halo_px,
        alignment=card.alignment,
        scale=card.scale,
        minimum_px=card.minimum_px,
        region=region,
    )
    return PassPlan(tiles, batch, "float32", need_bytes=0, budget_bytes=0, seconds=0.0, why="a test")


@dataclass
class PatientGovernor:
    """Halves the batch, then takes a fifth off the tile, and says no below `smallest_px`; keeps what was completed.

    Every other smaller plan does some of the rows again.
    """

    smallest_px: int = 0
    completed_px: list[int] = field(default_factory=list)
    replans: int = 0

    def plan(self, card: NetworkCard, source: Size) -> PassPlan:
        return make_plan(card, source, max(source))

    def steer(self, card: NetworkCard, plan: PassPlan, rest: Rest) -> PassPlan:
        if rest.planned:
            return plan
        return make_plan(card, rest.source, max(plan.tiles.tile), plan.batch, rest.region)

    def replan(self, card: NetworkCard, plan: PassPlan, rest: Rest) -> PassPlan:
        self.replans += 1
        if plan.batch > 1:
            return replace(plan, batch=plan.batch // 2)
        tile_px = max(plan.tiles.tile) * 4 // 5
        if tile_px < max(self.smallest_px, 2 * (card.halo_px + card.alignment)):
            raise TwofoldError(Code.LOW_MEMORY, "the floor of this fake")
        region = rest.again if rest.again is not None and self.replans % 2 else rest.region
        return make_plan(card, rest.source, tile_px, 1, region)

    def completed(
        self, card: NetworkCard, plan: PassPlan, *, batch_px: int, seconds: float, peak_bytes: int | None
    ) -> None:
        self.completed_px.append(batch_px)


@dataclass
class FailingUpscaler:
    """Repeats pixels like `identity`, but runs out of memory at the runs numbered in `failures` (from 0)."""

    card: NetworkCard
    failures: Iterable[int] = ()
    runs: int = 0
    peak_bytes: int | None = None

    def run(self, tiles: NDArray[Any], depth: int) -> NDArray[Any]:
        number, self.runs = self.runs, self.runs + 1
        if number in set(self.failures):
            raise OutOfDeviceMemory(Code.OUT_OF_MEMORY, f"run {number}")
        return tiles.repeat(self.card.scale, axis=1).repeat(self.card.scale, axis=2)


class CountingArray(np.ndarray):  # type: ignore[type-arg]  # any samples
    """An array that counts how often each of its pixels was written."""

    writes: NDArray[np.int64]

    @classmethod
    def zeros_counted(cls, shape: tuple[int, int, int]) -> CountingArray:
        array = np.zeros(shape, np.uint16).view(cls)
        array.writes = np.zeros(shape[:2], np.int64)
        return array

    def __setitem__(self, key: Any, value: Any) -> None:
        self.writes[key] += 1
        super().__setitem__(key, value)
