"""How one pass is cut into tiles so that tiled equals whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

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
    window (halo included). Windows start on multiples of `alignment` and shift inward at the far edges. The rows above
    `top_px` are another plan's, or done: the tiles own what lies below, and see above it what their halo needs. So do
    those of band `begun_row` right of `begun_px`, where a plan took over a band that another one had begun.
    """

    source: Size
    whole: Size
    tile: Size
    halo_px: int
    alignment: int
    scale: int
    top_px: int = 0
    begun_row: int = 0
    begun_px: int = 0

    @property
    def columns(self) -> int:
        """Tiles in a band that was not begun."""
        return self._axis(self.whole.width, self.tile.width).count

    @property
    def begun_columns(self) -> int:
        """Tiles in the band that was."""
        return self._across(self.begun_row).count

    @property
    def rows(self) -> int:
        return self._down.count

    @property
    def count(self) -> int:
        return self.columns * self.rows

    @property
    def result(self) -> Size:
        """Size of the pass's output (source x scale, the padding cropped)."""
        return self.source.times(self.scale)

    def row(self, index: int) -> tuple[Tile, ...]:
        """The tiles of one band, left to right. Bands own disjoint row ranges, top to bottom."""
        down = self._down.span(index)
        across = self._across(index)
        return tuple(_tile(across.span(column), down) for column in range(across.count))

    def band_end_px(self, index: int) -> int:
        """The row below the last one that the band owns."""
        return self._down.span(index).owned_end_px

    def done_px(self, bands: int) -> int:
        """The rows that stand once the first `bands` bands do."""
        return self.band_end_px(bands - 1) if bands else self.top_px

    def tiles(self) -> Iterator[Tile]:
        """All tiles, row-major; the owned rectangles partition `whole` below `top_px`, but for what was begun."""
        for index in range(self.rows):
            yield from self.row(index)

    def _across(self, index: int) -> _Axis:
        return self._axis(self.whole.width, self.tile.width, self.begun_px if index == self.begun_row else 0)

    @property
    def _down(self) -> _Axis:
        return self._axis(self.whole.height, self.tile.height, self.top_px)

    def _axis(self, whole_px: int, tile_px: int, first_px: int = 0) -> _Axis:
        return _Axis(whole_px, tile_px, self.halo_px, self.alignment, first_px)


def plan_tiles(
    source: Size, *, tile_px: int, halo_px: int, alignment: int, scale: int, minimum_px: int = 1, top_px: int = 0
) -> TilePlan:
    """Cut `source` into windows of at most `tile_px` a side (halo included), from row `top_px` on.

    An axis that fits into `tile_px` runs at its own (padded) length. Raises ValueError where `tile_px` leaves no owned
    pixel beside the halo.
    """
    smallest_px = _round_up(minimum_px, alignment)
    whole = Size(*(max(_round_up(side_px, alignment), smallest_px) for side_px in source))
    down_px = whole.height - _first_start(whole.height, 0, top_px, halo_px, alignment)
    tile = Size(
        _tile_side(whole.width, tile_px, halo_px, alignment, smallest_px),
        min(whole.height, _tile_side(down_px, tile_px, halo_px, alignment, smallest_px)),
    )
    return TilePlan(source, whole, tile, halo_px, alignment, scale, top_px)


@dataclass(frozen=True, slots=True)
class Begun:
    """Band `row` of `tiles` is in work: what lies in it left of `px` stands."""

    tiles: TilePlan
    row: int
    px: int

    def rest(self, tile_px: int) -> TilePlan:
        """The same bands in windows of at most `tile_px` across, which cover evenly what is left of this one.

        Raises ValueError as `plan_tiles`.
        """
        tiles, halo_px, alignment = self.tiles, self.tiles.halo_px, self.tiles.alignment
        across_px = tiles.whole.width - _first_start(tiles.whole.width, 0, self.px, halo_px, alignment)
        width_px = _tile_side(across_px, tile_px, halo_px, alignment, alignment)
        return replace(tiles, tile=Size(width_px, tiles.tile.height), begun_row=self.row, begun_px=self.px)

    def taken_over_by(self, tiles: TilePlan) -> bool:
        """True where `tiles` go on with this band where it ends."""
        theirs = (tiles.begun_row, tiles.begun_px, tiles.top_px, tiles.tile.height)
        return theirs == (self.row, self.px, self.tiles.top_px, self.tiles.tile.height)


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a pass over `source`: the rows from `top_px` on, but for what stands of the band in work."""

    source: Size
    top_px: int = 0
    begun: Begun | None = None

    @property
    def pixels(self) -> int:
        """Of the source; where a band is in work, what is left of this one."""
        if self.begun is None:
            return self.source.width * (self.source.height - self.top_px)
        end_px = self.begun.tiles.band_end_px(self.begun.row)
        return (self.begun.tiles.whole.width - self.begun.px) * (end_px - self.top_px)


@dataclass(frozen=True, slots=True)
class _Span:
    """One axis of one tile, half-open: the window's pixels, and the owned ones among them."""

    start_px: int
    end_px: int
    owned_start_px: int
    owned_end_px: int


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a plan, cut from `first_px` on; `whole_px` and `tile_px` are multiples of `alignment`."""

    whole_px: int
    tile_px: int
    halo_px: int
    alignment: int
    first_px: int

    @property
    def count(self) -> int:
        return _count(self.whole_px - self._first_start_px, self.tile_px, self.halo_px, self.alignment)

    def span(self, index: int) -> _Span:
        start_px = self._start(index)
        last = index == self.count - 1
        return _Span(
            start_px,
            start_px + self.tile_px,
            self.first_px if index == 0 else self._border(index),
            self.whole_px if last else self._border(index + 1),
        )

    @property
    def _first_start_px(self) -> int:
        return _first_start(self.whole_px, self.tile_px, self.first_px, self.halo_px, self.alignment)

    def _start(self, index: int) -> int:
        """Windows are spread evenly; the last one ends on the far edge."""
        first_px = self._first_start_px
        if index == 0:
            return first_px
        slack = (self.whole_px - first_px - self.tile_px) // self.alignment
        return first_px + index * slack // (self.count - 1) * self.alignment

    def _border(self, index: int) -> int:
        """First pixel that window `index` owns: the middle of its overlap with the one before."""
        return (self._start(index - 1) + self.tile_px + self._start(index)) // 2


def _tile(across: _Span, down: _Span) -> Tile:
    return Tile(
        Rect(across.start_px, down.start_px, across.end_px, down.end_px),
        Rect(across.owned_start_px, down.owned_start_px, across.owned_end_px, down.owned_end_px),
    )


def _first_start(whole_px: int, tile_px: int, first_px: int, halo_px: int, alignment: int) -> int:
    """Where the window begins that owns `first_px` first: a halo above, or higher where it would not fit below."""
    start_px = max(0, first_px - halo_px) // alignment * alignment
    return max(0, min(start_px, whole_px - tile_px))


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
