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
    """Shape and place of the tiles of one pass, or of the part of it that is left.

    `source` is the raster's size, `whole` the picture padded right and bottom to `alignment`, `tile` the shape of every
    window (halo included). The tiles own `region`, which is part of `whole` and ends at its right border; around it
    they see what their halo needs. Windows start on multiples of `alignment` and shift inward at the far edges.
    """

    source: Size
    whole: Size
    tile: Size
    halo_px: int
    alignment: int
    scale: int
    region: Rect

    @property
    def columns(self) -> int:
        return self._across.count

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
        down, across = self._down.span(index), self._across
        return tuple(_tile(across.span(column), down) for column in range(across.count))

    def band_end_px(self, index: int) -> int:
        """The row below the last one that the band owns."""
        return self._down.span(index).owned_end_px

    def done_px(self, bands: int) -> int:
        """The rows that stand once the first `bands` bands do."""
        return self.band_end_px(bands - 1) if bands else self.region.y0

    def tiles(self) -> Iterator[Tile]:
        """All tiles, row-major; the owned rectangles partition `region`."""
        for index in range(self.rows):
            yield from self.row(index)

    @property
    def _across(self) -> _Axis:
        return self._axis(self.whole.width, self.tile.width, self.region.x0, self.region.x1)

    @property
    def _down(self) -> _Axis:
        return self._axis(self.whole.height, self.tile.height, self.region.y0, self.region.y1)

    def _axis(self, whole_px: int, tile_px: int, first_px: int, last_px: int) -> _Axis:
        window_px = _window(whole_px, first_px, last_px, self.halo_px, self.alignment)
        return _Axis(whole_px, window_px, tile_px, self.halo_px, self.alignment, first_px, last_px)


def plan_tiles(
    source: Size,
    *,
    tile_px: int,
    halo_px: int,
    alignment: int,
    scale: int,
    minimum_px: int = 1,
    region: Rect | None = None,
) -> TilePlan:
    """Cut `source`, or a region of it, into windows of at most `tile_px` a side (halo included).

    An axis that fits into `tile_px` runs at its own (padded) length. Raises ValueError where `tile_px` leaves no owned
    pixel beside the halo.
    """
    smallest_px = _round_up(minimum_px, alignment)
    whole = padded_size(source, alignment, minimum_px)
    region = region or Rect(0, 0, *whole)
    tile = Size(
        *(
            _tile_side(
                _window(side_px, first_px, last_px, halo_px, alignment), tile_px, halo_px, alignment, smallest_px
            )
            for side_px, first_px, last_px in zip(whole, region[:2], region[2:], strict=True)
        )
    )
    return TilePlan(source, whole, tile, halo_px, alignment, scale, region)


def padded_size(source: Size, alignment: int, minimum_px: int = 1) -> Size:
    """The picture as it is cut: padded right and bottom to the network's alignment and smallest side."""
    smallest_px = _round_up(minimum_px, alignment)
    return Size(*(max(_round_up(side_px, alignment), smallest_px) for side_px in source))


@dataclass(frozen=True, slots=True)
class _Span:
    """One axis of one tile, half-open: the window's pixels, and the owned ones among them."""

    start_px: int
    end_px: int
    owned_start_px: int
    owned_end_px: int


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a plan: tiles in `window_px` own the pixels from `first_px` to `last_px` (half-open)."""

    whole_px: int
    window_px: tuple[int, int]
    tile_px: int
    halo_px: int
    alignment: int
    first_px: int
    last_px: int

    @property
    def count(self) -> int:
        start_px, end_px = self.window_px
        return _count(end_px - start_px, self.tile_px, self.halo_px, self.alignment)

    def span(self, index: int) -> _Span:
        start_px = self._start(index)
        last = index == self.count - 1
        return _Span(
            start_px,
            start_px + self.tile_px,
            self.first_px if index == 0 else self._border(index),
            self.last_px if last else self._border(index + 1),
        )

    def _start(self, index: int) -> int:
        """Windows are spread evenly; the last one ends where all have to."""
        start_px, end_px = self.window_px
        if index == 0:
            return min(start_px, self.whole_px - self.tile_px)
        slack = (end_px - start_px - self.tile_px) // self.alignment
        return start_px + index * slack // (self.count - 1) * self.alignment

    def _border(self, index: int) -> int:
        """First pixel that window `index` owns: the middle of its overlap with the one before."""
        return (self._start(index - 1) + self.tile_px + self._start(index)) // 2


def _tile(across: _Span, down: _Span) -> Tile:
    return Tile(
        Rect(across.start_px, down.start_px, across.end_px, down.end_px),
        Rect(across.owned_start_px, down.owned_start_px, across.owned_end_px, down.owned_end_px),
    )


def _window(whole_px: int, first_px: int, last_px: int, halo_px: int, alignment: int) -> tuple[int, int]:
    """What has to be seen of an axis for the pixels from `first_px` to `last_px`: a halo more, on the alignment."""
    start_px = max(0, first_px - halo_px) // alignment * alignment
    return start_px, min(whole_px, _round_up(last_px + halo_px, alignment))


def _tile_side(window_px: tuple[int, int], tile_px: int, halo_px: int, alignment: int, smallest_px: int) -> int:
    """The smallest window that covers the axis with as few tiles as `tile_px` allows: less halo is computed twice."""
    length_px = max(window_px[1] - window_px[0], smallest_px)
    if length_px <= tile_px:
        return length_px
    largest_px = tile_px // alignment * alignment
    if largest_px < smallest_px or _stride(largest_px, halo_px, alignment) < alignment:
        raise ValueError(
            f"a tile of {tile_px} px leaves nothing beside a halo of {halo_px} px"
            f" (alignment {alignment}, minimum {smallest_px} px)"
        )
    count = _count(length_px, largest_px, halo_px, alignment)
    overlap_px = _round_up(2 * halo_px, alignment)
    return max(smallest_px, _round_up(-(-(length_px + overlap_px * (count - 1)) // count), alignment))


def _count(length_px: int, tile_px: int, halo_px: int, alignment: int) -> int:
    if tile_px >= length_px:
        return 1
    return 1 - (tile_px - length_px) // _stride(tile_px, halo_px, alignment)


def _stride(tile_px: int, halo_px: int, alignment: int) -> int:
    """How far a window may lie from the one before, so that each owned pixel keeps its halo; can be below 1."""
    return (tile_px - 2 * halo_px) // alignment * alignment


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
