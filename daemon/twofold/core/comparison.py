"""A comparison of a picture with its enlargement: which parts are shown, and where everything lies on the sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from twofold.core.geometry import Rect, Size, turned_point, turned_size

COLUMN_PX = 576
"""Width of each half; the sheet's is twice that and three gaps, whatever the picture's."""
DETAIL = Size(COLUMN_PX, 400)
OVERVIEW = Size(2 * COLUMN_PX, 400)
GAP_PX, LINE_PX = 16, 26
DETAILS = 3
DOUBLED_BELOW = 3  # times: a pixel of a picture that was only doubled is too small to be looked at
GRID = 96  # cells a side, at most, in which detail is measured
MARGIN_PX = 4
"""Source pixels around a part that enlarging it has to know: Lanczos looks three far."""

Detail = Sequence[Sequence[float]]
"""How much there is to be seen in each cell of a picture that is cut evenly into rows and columns."""


@dataclass(frozen=True, slots=True)
class Place:
    """One part on the sheet: `region` of the result, shown in `before` and `after`; `number` names it."""

    number: int
    region: Rect
    line_px: int
    before: Rect
    after: Rect


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies on a sheet, in its pixels; `zoom` sheet pixels (a side) show one of the result."""

    sheet: Size
    zoom: int
    title_px: int
    overview: Rect
    captions_px: int
    places: tuple[Place, ...]

    def frame(self, place: Place, result: Size) -> Rect:
        """Where a part lies on the small picture."""
        whole, region = self.overview, place.region
        x0, x1 = (whole.x0 + x * whole.size.width // result.width for x in (region.x0, region.x1))
        y0, y1 = (whole.y0 + y * whole.size.height // result.height for y in (region.y0, region.y1))
        return Rect(x0, y0, max(x0 + 1, x1), max(y0 + 1, y1))


def grid_of(size: Size) -> Size:
    """Columns and rows of the cells in which detail is measured; each has at least one pixel."""
    return Size(min(GRID, size.width), min(GRID, size.height))


def zoom_for(source: Size, result: Size) -> int:
    return 2 if result.long_side < DOUBLED_BELOW * source.long_side else 1


def choose_regions(detail: Detail, source: Size, result: Size) -> tuple[Rect, ...]:
    """The parts of the result with the most detail, the best first; they do not overlap.

    One at least, DETAILS at most. Of equals, the one nearest to the middle.
    """
    zoom = zoom_for(source, result)
    part = Size(min(DETAIL.width // zoom, result.width), min(DETAIL.height // zoom, result.height))
    ranked = sorted(_candidates(detail, part, result), key=lambda candidate: (-candidate[0], *candidate[1:]))
    chosen: list[Rect] = []
    for *_, region in ranked:
        if len(chosen) == DETAILS:
            break
        if not any(_overlap(region, other) for other in chosen):
            chosen.append(region)
    return tuple(chosen)


def lay_out(source: Size, result: Size, regions: Sequence[Rect]) -> Layout:
    """Title, the whole picture small, captions, then each part with a line of its own."""
    zoom, width = zoom_for(source, result), 2 * COLUMN_PX + 3 * GAP_PX
    title_px = GAP_PX
    small = fitted(result, OVERVIEW)
    top = title_px + LINE_PX + GAP_PX // 2
    overview = _at((width - small.width) // 2, top, small)
    captions_px = overview.y1 + GAP_PX
    y = captions_px + LINE_PX
    places = []
    for number, region in enumerate(regions, start=1):
        shown = region.size.times(zoom)
        left = GAP_PX + (COLUMN_PX - shown.width) // 2
        before = _at(left, y + LINE_PX, shown)
        after = _at(left + COLUMN_PX + GAP_PX, y + LINE_PX, shown)
        places.append(Place(number, region, y, before, after))
        y = before.y1 + GAP_PX // 2
    return Layout(Size(width, y + GAP_PX // 2), zoom, title_px, overview, captions_px, tuple(places))


def fitted(size: Size, room: Size) -> Size:
    """The size made smaller, where it has to be, until it fits into `room`; a pixel at least each way."""
    share = min(Fraction(room.width, size.width), Fraction(room.height, size.height), Fraction(1))
    return Size(max(1, int(size.width * share)), max(1, int(size.height * share)))


def with_margin(region: Rect, source: Size, result: Size) -> Rect:
    """The source pixels that an enlargement of this part of the result is made from."""
    across, down = Fraction(source.width, result.width), Fraction(source.height, result.height)
    return Rect(
        max(0, int(region.x0 * across) - MARGIN_PX),
        max(0, int(region.y0 * down) - MARGIN_PX),
        min(source.width, -int(-region.x1 * across) + 1 + MARGIN_PX),
        min(source.height, -int(-region.y1 * down) + 1 + MARGIN_PX),
    )


def stored_rect(upright: Rect, size: Size, orientation: int) -> Rect:
    """Where a rectangle of the upright picture (of `size`) lies in the file that stores it turned."""
    back = {6: 8, 8: 6}.get(orientation, orientation)
    stored = turned_size(size, orientation)
    corners = (
        turned_point(x / size.width, y / size.height, back)
        for x, y in ((upright.x0, upright.y0), (upright.x1, upright.y1))
    )
    (x0, y0), (x1, y1) = ((round(x * stored.width), round(y * stored.height)) for x, y in corners)
    return Rect(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _candidates(detail: Detail, part: Size, result: Size) -> Iterator[tuple[float, int, Rect]]:
    """Mean detail, distance from the middle, and place of each part that begins with a cell, or ends with the last."""
    rows, columns = len(detail), len(detail[0])
    sums = _sums(detail)
    for row in range(rows):
        y0 = min(row * result.height // rows, result.height - part.height)
        r0, r1 = _cells(y0, part.height, result.height, rows)
        for column in range(columns):
            x0 = min(column * result.width // columns, result.width - part.width)
            c0, c1 = _cells(x0, part.width, result.width, columns)
            total = sums[r1][c1] - sums[r0][c1] - sums[r1][c0] + sums[r0][c0]
            aside = abs(2 * x0 + part.width - result.width) + abs(2 * y0 + part.height - result.height)
            yield round(total / ((r1 - r0) * (c1 - c0)), 9), aside, _at(x0, y0, part)


def _cells(start_px: int, length_px: int, whole_px: int, count: int) -> tuple[int, int]:
    """The cells of an axis, half-open, that lie in a stretch of it; where none does, the one that it begins in."""
    first, end = -(-start_px * count // whole_px), (start_px + length_px) * count // whole_px
    return (first, end) if first < end else (start_px * count // whole_px, start_px * count // whole_px + 1)


def _sums(detail: Detail) -> list[list[float]]:
    """For each corner of a cell the sum of all that lies above and left of it."""
    sums = [[0.0] * (len(detail[0]) + 1)]
    for row in detail:
        sums.append([above + left for above, left in zip(sums[-1], accumulate(row, initial=0.0), strict=True)])
    return sums


def _overlap(one: Rect, other: Rect) -> bool:
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


def _at(x: int, y: int, size: Size) -> Rect:
    return Rect(x, y, x + size.width, y + size.height)
