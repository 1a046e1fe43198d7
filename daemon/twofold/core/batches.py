"""Which tiles of a pass come next, whatever plans follow each other in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from twofold.core.pass_plan import PassPlan
from twofold.core.tiles import Tile

PlacedTile = tuple[int, Tile]  # and the index of its band


class Batches:
    """The tiles of one pass, batch by batch, top to bottom; each owned pixel is in exactly one completed batch.

    `done_px` source rows stand whole in the result. Bands of a later plan that reach above them are run whole, but own
    only what lies below.
    """

    def __init__(self, plan: PassPlan, first_row: int = 0) -> None:
        """`first_row` is the first band of `plan` that is still to be done."""
        self.plan = plan
        self.done_px = plan.tiles.row(first_row - 1)[0].owned.y1 if first_row else 0
        self._pending = self._tiles_below()
        self._taken: tuple[PlacedTile, ...] = ()
        self._begun = False  # a tile of the band in work stands already

    @property
    def done(self) -> bool:
        """True where all rows stand."""
        return self.done_px >= self.plan.tiles.whole.height

    @property
    def band_start(self) -> bool:
        """True where other tiles would cost nothing: none of the band in work was made yet."""
        return not self._begun

    def take(self) -> tuple[PlacedTile, ...]:
        """The next batch by the plan in force; none where the pass is done. To be completed, or to be changed."""
        self._taken = tuple(islice(self._pending, self.plan.batch))
        return self._taken

    def completed(self) -> tuple[int, ...]:
        """The batch that was taken stands in the result; the bands that are whole by it."""
        whole = []
        for index, tile in self._taken:
            self._begun = tile.owned.x1 < self.plan.tiles.whole.width
            if not self._begun:
                self.done_px = tile.owned.y1
                whole.append(index)
        self._taken = ()
        return tuple(whole)

    def change(self, plan: PassPlan) -> None:
        """Go on by another plan. A batch that was taken and not completed comes again.

        With the same tiles nothing is done twice; with others the band in work begins anew.
        """
        same_tiles = plan.tiles == self.plan.tiles
        self.plan = plan
        if same_tiles:
            self._pending = chain(self._taken, self._pending)
        else:
            self._pending, self._begun = self._tiles_below(), False
        self._taken = ()

    def _tiles_below(self) -> Iterator[PlacedTile]:
        """The tiles of all bands that own a row from `done_px` on, row-major."""
        tiles, done_px = self.plan.tiles, self.done_px
        for index in range(tiles.rows):
            band = tiles.row(index)
            if band[0].owned.y1 > done_px:
                yield from ((index, tile) for tile in band)
