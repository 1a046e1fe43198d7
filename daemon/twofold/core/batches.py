"""Which tiles of a pass come next, whatever plans follow each other in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from twofold.core.geometry import Rect, without
from twofold.core.pass_plan import PassPlan
from twofold.core.rest import Rest
from twofold.core.tiles import Tile

PlacedTile = tuple[int, Tile]  # and the index of its band


@dataclass(frozen=True, slots=True)
class _Begun:
    """Band `row` of the plan in force stands left of `px`."""

    row: int
    px: int


class Batches:
    """The tiles of one pass, batch by batch, top to bottom; each pixel is written by exactly one completed batch.

    `done_px` source rows stand whole in the result. A plan covers a region; another plan that comes amid a band takes
    the rest of that band for its region, and what lies below waits in `_below` (regions, top to bottom, each of which
    reaches further to the left than the one above it). So nothing is computed twice, unless a plan for all rows below
    `done_px` is worth that: its tiles then write only what is `missing`.
    """

    def __init__(self, plan: PassPlan, first_row: int = 0) -> None:
        """`first_row` is the first band of `plan` that is still to be done; what was begun of it is lost."""
        self.plan = plan
        self.done_px = plan.tiles.done_px(first_row)
        self._below: tuple[Rect, ...] = ()
        self._standing: tuple[Rect, ...] = ()  # parts of later rows, which tiles in work reach into
        self._begun: _Begun | None = None
        self._taken: tuple[PlacedTile, ...] = ()
        self._pending = self._tiles(plan, first_row)
        self._ended = plan.tiles.region.x0 > 0 or plan.tiles.region.y1 < plan.tiles.whole.height
        if self._ended:  # a plan for the rest of a band: what it was a part of is not known any more
            self._below = (self._rows_below,)

    @property
    def done(self) -> bool:
        """True where all rows stand."""
        return self.done_px >= self.plan.tiles.whole.height

    @property
    def rest(self) -> Rest:
        """What is left, and what comes first of it."""
        regions = self._regions()
        again = None if regions[0] == self._rows_below else self._rows_below
        row = None if self._begun is None else self._begun.row
        return Rest(self.plan.tiles.source, regions[0], again, not self._ended, row)

    def take(self) -> tuple[PlacedTile, ...]:
        """The next batch by the plan in force, to be completed, or to be changed; none where its region is done."""
        self._taken = tuple(islice(self._pending, self.plan.batch))
        return self._taken

    def completed(self) -> tuple[int, ...]:
        """The batch that was taken stands in the result; the bands that are whole by it."""
        whole = []
        region = self.plan.tiles.region
        for index, tile in self._taken:
            self._begun = _Begun(index, tile.owned.x1)
            if tile.owned.x1 == region.x1:
                self._begun, self.done_px = None, tile.owned.y1
                self._standing = tuple(one for one in self._standing if one.y1 > self.done_px)
                self._ended = self.done_px == region.y1
                whole.append(index)
        self._taken = ()
        return tuple(whole)

    def change(self, plan: PassPlan) -> None:
        """Go on by another plan, made for `rest`. A batch that was taken and not completed comes again."""
        if plan.tiles == self.plan.tiles and not self._ended:
            self._pending = chain(self._taken, self._pending)
        else:
            regions = self._regions()
            if plan.tiles.region == regions[0]:
                self._below = regions[1:]
            else:
                left = (Rect(0, one.y0, one.x0, one.y1) for one in regions if one.x0)
                self._below, self._standing = (), (*self._standing, *left)
            self._begun, self._ended = None, False
            self._pending = self._tiles(plan, 0)
        self.plan, self._taken = plan, ()

    def missing(self, tile: Tile) -> tuple[Rect, ...]:
        """What the tile owns and does not stand yet; asked before its batch is completed."""
        parts = [tile.owned]
        for standing in self._standing:
            parts = [part for one in parts for part in without(one, standing)]
        return tuple(parts)

    @property
    def _rows_below(self) -> Rect:
        whole = self.plan.tiles.whole
        return Rect(0, self.done_px, whole.width, whole.height)

    def _regions(self) -> tuple[Rect, ...]:
        """All that is left, top to bottom; the first is what is left of the band in work, where there is one."""
        if self._ended:
            return self._below
        region, begun = self.plan.tiles.region, self._begun
        if begun is None:
            return (region._replace(y0=self.done_px), *self._below)
        end_px = self.plan.tiles.band_end_px(begun.row)
        band = Rect(begun.px, self.done_px, region.x1, end_px)
        return (band, *([region._replace(y0=end_px)] if end_px < region.y1 else []), *self._below)

    def _tiles(self, plan: PassPlan, first_row: int) -> Iterator[PlacedTile]:
        """The tiles of a plan from a band on, row-major, but for those of which nothing is missing."""
        for index in range(first_row, plan.tiles.rows):
            yield from ((index, tile) for tile in plan.tiles.row(index) if self.missing(tile))
