"""Which tiles of a pass come next, whatever plans follow each other in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from twofold.core.geometry import Rect
from twofold.core.pass_plan import PassPlan
from twofold.core.tiles import Begun, Rest, Tile

PlacedTile = tuple[int, Tile]  # and the index of its band


class Batches:
    """The tiles of one pass, batch by batch, top to bottom; each owned pixel is in exactly one completed batch.

    `done_px` source rows stand whole in the result. Below them, rows of bands that other plans began stand up to some
    column, further down never further right: `_stairs` are (end row, end column). Tiles of a later plan that reach
    into what stands are run whole, but write only what is `missing`; those that lie in it are left out.
    """

    def __init__(self, plan: PassPlan, first_row: int = 0) -> None:
        """`first_row` is the first band of `plan` that is still to be done."""
        self.plan = plan
        self.done_px = plan.tiles.done_px(first_row)
        self._pending = self._tiles_below()
        self._taken: tuple[PlacedTile, ...] = ()
        self._begun: Begun | None = None
        self._stairs: tuple[tuple[int, int], ...] = ()

    @property
    def done(self) -> bool:
        """True where all rows stand."""
        return self.done_px >= self.plan.tiles.whole.height

    @property
    def rest(self) -> Rest:
        """What other plans could go on with."""
        return Rest(self.plan.tiles.source, self.done_px, self._begun)

    def take(self) -> tuple[PlacedTile, ...]:
        """The next batch by the plan in force; none where the pass is done. To be completed, or to be changed."""
        self._taken = tuple(islice(self._pending, self.plan.batch))
        return self._taken

    def completed(self) -> tuple[int, ...]:
        """The batch that was taken stands in the result; the bands that are whole by it."""
        whole = []
        for index, tile in self._taken:
            self._begun = Begun(self.plan.tiles, index, tile.owned.x1)
            if tile.owned.x1 == self.plan.tiles.whole.width:
                self._begun, self.done_px = None, tile.owned.y1
                self._stairs = tuple(step for step in self._stairs if step[0] > self.done_px)
                whole.append(index)
        self._taken = ()
        return tuple(whole)

    def change(self, plan: PassPlan) -> None:
        """Go on by another plan. A batch that was taken and not completed comes again.

        What stands of the band in work goes on standing. A plan that takes the band over as it was begun computes
        nothing twice, another one does where its tiles reach into it.
        """
        same_tiles = plan.tiles == self.plan.tiles
        self.plan = plan
        if same_tiles:
            self._pending = chain(self._taken, self._pending)
        else:
            self._stairs = self._steps()
            if self._begun is not None and not self._begun.taken_over_by(plan.tiles):
                self._begun = None
            self._pending = self._tiles_below()
        self._taken = ()

    def missing(self, tile: Tile) -> tuple[Rect, ...]:
        """What the tile owns and does not stand yet, top to bottom; asked before its batch is completed."""
        parts, top_px = [], max(tile.owned.y0, self.done_px)
        for end_px, column_px in (*self._stairs, (tile.owned.y1, 0)):
            bottom_px = min(end_px, tile.owned.y1)
            if bottom_px > top_px:
                left_px = max(tile.owned.x0, column_px)
                if left_px < tile.owned.x1:
                    parts.append(Rect(left_px, top_px, tile.owned.x1, bottom_px))
                top_px = bottom_px
        return tuple(parts)

    def _steps(self) -> tuple[tuple[int, int], ...]:
        """The stairs with what stands of the band in work."""
        if self._begun is None:
            return self._stairs
        end_px, column_px = self._begun.tiles.band_end_px(self._begun.row), self._begun.px
        higher = [step for step in self._stairs if step[0] < end_px and step[1] > column_px]
        lower = [step for step in self._stairs if step[0] > end_px]
        within = [step[1] for step in self._stairs if step[0] >= end_px][:1]
        return (*higher, (end_px, max([column_px, *within])), *lower)

    def _tiles_below(self) -> Iterator[PlacedTile]:
        """The tiles of all bands that own a row from `done_px` on, row-major."""
        tiles, done_px = self.plan.tiles, self.done_px
        for index in range(tiles.rows):
            if tiles.band_end_px(index) > done_px:
                yield from ((index, tile) for tile in tiles.row(index) if self.missing(tile))
