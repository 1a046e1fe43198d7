"""How far a job is, from what is recorded of its pictures: the page and pass in work, its tiles, the pixels done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from twofold.core.job import Picture
from twofold.core.pass_plan import PassPlan
from twofold.core.passes import Chain

FRACTION_DIGITS = 4
"""With so many the done share of a picture is recorded."""

Stage = Literal["preparing", "enlarging", "saving"]


@dataclass(frozen=True, slots=True)
class Headway:
    """`pass_index` (1-based) of `passes` is the pass in work; `tiles_done` of `tiles` are those of that pass.

    `px` of `work_px` are done, counted in input pixels of passes, as speeds are everywhere. `page` (1-based) of `pages`
    is in work, where there are several; tiles and passes are those of it.
    """

    stage: Stage = "preparing"
    pass_index: int = 0
    passes: int = 0
    tiles_done: int = 0
    tiles: int = 0
    px: float = 0.0
    work_px: int = 0
    page: int = 1
    pages: int = 1

    @property
    def fraction(self) -> float:
        """The done share of all work, 0 to 1; where passes are no part of it, that of the pages."""
        return self.px / self.work_px if self.work_px else (self.page - 1) / self.pages


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
        # Half a unit of the last digit more: a fraction that was rounded down still tells its band.
        done_work_px = (fraction + 10**-FRACTION_DIGITS / 2) * whole_px - before_px
        done_px = done_work_px / chain.passes[index].source.pixels * plan.tiles.whole.height
        bands = sum(plan.tiles.band_end_px(row) <= done_px for row in range(plan.tiles.rows))
        done = bands * plan.tiles.columns
    return Headway(stage, index + 1, len(chain.passes), done, tiles, fraction * whole_px, whole_px)


def among(pages: Sequence[Chain], place: int, way: Headway) -> Headway:
    """The headway of a whole file whose page `place` (0-based) is as far as `way`, those before it being done."""
    before_px = sum(work_px(chain) for chain in pages[:place])
    whole_px = sum(work_px(chain) for chain in pages)
    return replace(way, px=before_px + way.px, work_px=whole_px, page=place + 1, pages=len(pages))


def in_work(pictures: Sequence[Picture]) -> int:
    """Which page (0-based) a file of them is at: the first that is not finished, else the last."""
    return next((place for place, picture in enumerate(pictures) if picture.kept is None), len(pictures) - 1)


def headway_of(pictures: Sequence[Picture]) -> Headway:
    """How far a job is, as its row has it."""
    if not pictures:
        return Headway()
    place = in_work(pictures)
    picture = pictures[place]
    plan = picture.plans[picture.passes_done] if picture.passes_done < len(picture.plans) else None
    known = None if plan is None or picture.kept is not None else PassPlan.from_json(plan)
    way = headway(picture.chain, picture.passes_done, picture.fraction, known)
    return among([one.chain for one in pictures], place, way)
