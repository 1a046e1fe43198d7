"""How far one picture is, from what is recorded of it: the pass in work, its tiles, and the pixels done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twofold.core.pass_plan import PassPlan
from twofold.core.passes import Chain

ROUNDING_PX = 8
"""The done share of a picture is kept with four digits."""

Stage = Literal["preparing", "enlarging", "saving"]


@dataclass(frozen=True, slots=True)
class Headway:
    """`pass_index` (1-based) of `passes` is the pass in work; `tiles_done` of `tiles` are those of that pass.

    `px` of `work_px` are done, counted in input pixels of passes, as speeds are everywhere.
    """

    stage: Stage = "preparing"
    pass_index: int = 0
    passes: int = 0
    tiles_done: int = 0
    tiles: int = 0
    px: float = 0.0
    work_px: int = 0


def work_px(chain: Chain) -> int:
    """Input pixels of all passes: what a picture takes of a device, in the unit of its speed."""
    return sum(step.source.pixels for step in chain.passes)


def headway(chain: Chain, passes_done: int, fraction: float, plan: PassPlan | None) -> Headway:
    """Where a picture stands; `fraction` (0-1) is the done share of all passes, `plan` that of the pass in work.

    Tiles are told by whole bands, since that is how often the fraction moves.
    """
    whole_px = work_px(chain)
    if not chain.passes or (plan is None and not passes_done):
        return Headway(passes=len(chain.passes), work_px=whole_px)
    index = min(passes_done, len(chain.passes) - 1)
    stage: Stage = "saving" if passes_done >= len(chain.passes) else "enlarging"
    done, tiles = 0, 0
    if plan is not None:
        tiles = plan.tiles.count
        before_px = sum(step.source.pixels for step in chain.passes[:index])
        share = (fraction * whole_px - before_px) / chain.passes[index].source.pixels
        done_px = round(share * plan.tiles.whole.height)
        done = (
            sum(plan.tiles.band_end_px(row) <= done_px + ROUNDING_PX for row in range(plan.tiles.rows))
            * plan.tiles.columns
        )
    return Headway(stage, index + 1, len(chain.passes), done, tiles, fraction * whole_px, whole_px)
