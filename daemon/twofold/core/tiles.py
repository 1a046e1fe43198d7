"""How one pass is cut into tiles so that tiled equals whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twofold.core.geometry import Rect, Size


@dataclass(frozen=True, slots=True)
class Tile:
    """One window of a pass, in input pixels of the padded picture.

    `window` is what the network sees; `owned` (inside it) is the part whose output this tile alone writes.
    """

    window: Rect
    owned: Rect


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Shape and place of all tiles of one pass.

    `source` is the raster's size, `whole` the picture padded right and bottom to `alignment`, `tile` the shape of every
    window (halo included). Windows start on multiples of `alignment` and shift inward at the far edges.
    """

    source: Size
    whole: Size
    tile: Size
    halo_px: int
    alignment: int
    scale: int

    @property
    def columns(self) -> int:
        raise NotImplementedError

    @property
    def rows(self) -> int:
        raise NotImplementedError

    @property
    def count(self) -> int:
        return self.columns * self.rows

    @property
    def result(self) -> Size:
        """Size of the pass's output (source x scale, the padding cropped)."""
        return self.source.times(self.scale)

    def row(self, index: int) -> tuple[Tile, ...]:
        """The tiles of one band, left to right. Bands own disjoint row ranges, top to bottom."""
        raise NotImplementedError

    def tiles(self) -> Iterator[Tile]:
        """All tiles, row-major; the owned rectangles partition `whole`."""
        for index in range(self.rows):
            yield from self.row(index)


def plan_tiles(
    source: Size, *, tile_px: int, halo_px: int, alignment: int, scale: int, minimum_px: int = 1
) -> TilePlan:
    """Cut `source` into windows of at most `tile_px` a side (halo included).

    An axis that fits into `tile_px` runs at its own (padded) length. Raises ValueError where `tile_px` leaves no owned
    pixel beside the halo.
    """
    raise NotImplementedError
