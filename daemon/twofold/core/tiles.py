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
        return self._axis(self.whole.width, self.tile.width).count

    @property
    def rows(self) -> int:
        return self._axis(self.whole.height, self.tile.height).count

    @property
    def count(self) -> int:
        return self.columns * self.rows

    @property
    def result(self) -> Size:
        """Size of the pass's output (source x scale, the padding cropped)."""
        return self.source.times(self.scale)

    def row(self, index: int) -> tuple[Tile, ...]:
        """The tiles of one band, left to right. Bands own disjoint row ranges, top to bottom."""
        down = self._axis(self.whole.height, self.tile.height).span(index)
        across = self._axis(self.whole.width, self.tile.width)
        return tuple(_tile(across.span(column), down) for column in range(across.count))

    def band_end_px(self, index: int) -> int:
        """The row below the last one that the band owns."""
        return self._axis(self.whole.height, self.tile.height).span(index).owned_end_px

    def tiles(self) -> Iterator[Tile]:
        """All tiles, row-major; the owned rectangles partition `whole`."""
        for index in range(self.rows):
            yield from self.row(index)

    def _axis(self, whole_px: int, tile_px: int) -> _Axis:
        return _Axis(whole_px, tile_px, self.halo_px, self.alignment)


def plan_tiles(
    source: Size, *, tile_px: int, halo_px: int, alignment: int, scale: int, minimum_px: int = 1
) -> TilePlan:
    """Cut `source` into windows of at most `tile_px` a side (halo included).

    An axis that fits into `tile_px` runs at its own (padded) length. Raises ValueError where `tile_px` leaves no owned
    pixel beside the halo.
    """
    smallest_px = _round_up(minimum_px, alignment)
    whole = Size(*(max(_round_up(side_px, alignment), smallest_px) for side_px in source))
    tile = Size(*(_tile_side(side_px, tile_px, halo_px, alignment, smallest_px) for side_px in whole))
    return TilePlan(source, whole, tile, halo_px, alignment, scale)


@dataclass(frozen=True, slots=True)
class _Span:
    """One axis of one tile, half-open: the window's pixels, and the owned ones among them."""

    start_px: int
    end_px: int
    owned_start_px: int
    owned_end_px: int


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a plan; `whole_px` and `tile_px` are multiples of `alignment`."""

    whole_px: int
    tile_px: int
    halo_px: int
    alignment: int

    @property
    def count(self) -> int:
        return _count(self.whole_px, self.tile_px, self.halo_px, self.alignment)

    def span(self, index: int) -> _Span:
        start_px = self._start(index)
        last = index == self.count - 1
        return _Span(
            start_px,
            start_px + self.tile_px,
            0 if index == 0 else self._border(index),
            self.whole_px if last else self._border(index + 1),
        )

    def _start(self, index: int) -> int:
        """Windows are spread evenly; the last one ends on the far edge."""
        if index == 0:
            return 0
        slack = (self.whole_px - self.tile_px) // self.alignment
        return index * slack // (self.count - 1) * self.alignment

    def _border(self, index: int) -> int:
        """First pixel that window `index` owns: the middle of its overlap with the one before."""
        return (self._start(index - 1) + self.tile_px + self._start(index)) // 2


def _tile(across: _Span, down: _Span) -> Tile:
    return Tile(
        Rect(across.start_px, down.start_px, across.end_px, down.end_px),
        Rect(across.owned_start_px, down.owned_start_px, across.owned_end_px, down.owned_end_px),
    )


def _tile_side(whole_px: int, tile_px: int, halo_px: int, alignment: int, smallest_px: int) -> int:
    """The smallest window that covers the axis with as few tiles as `tile_px` allows: less halo is computed twice."""
    if whole_px <= tile_px:
        return whole_px
    largest_px = tile_px // alignment * alignment
    if largest_px < smallest_px or _stride(largest_px, halo_px, alignment) < alignment:
        raise ValueError(
            f"a tile of {tile_px} px leaves nothing beside a halo of {halo_px} px"
            f" (alignment {alignment}, minimum {smallest_px} px)"
        )
    count = _count(whole_px, largest_px, halo_px, alignment)
    overlap_px = _round_up(2 * halo_px, alignment)
    return max(smallest_px, _round_up(-(-(whole_px + overlap_px * (count - 1)) // count), alignment))


def _count(whole_px: int, tile_px: int, halo_px: int, alignment: int) -> int:
    if tile_px >= whole_px:
        return 1
    return 1 - (tile_px - whole_px) // _stride(tile_px, halo_px, alignment)


def _stride(tile_px: int, halo_px: int, alignment: int) -> int:
    """How far a window may lie from the one before, so that each owned pixel keeps its halo; can be below 1."""
    return (tile_px - 2 * halo_px) // alignment * alignment


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
