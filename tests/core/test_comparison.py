"""What a comparison shows, and where: nothing overlaps, nothing leaves the sheet, and the sheet does not grow."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from twofold.core.comparison import (
    DETAIL,
    DETAILS,
    GRID,
    MARGIN_PX,
    OVERVIEW,
    choose_regions,
    fitted,
    grid_of,
    lay_out,
    with_margin,
    zoom_for,
)
from twofold.core.geometry import Rect, Size

MAX_SHEET = Size(2400, 2400)

sides = st.one_of(st.integers(1, 40), st.integers(1, 60_000))
sizes = st.builds(Size, sides, sides)


def flat(source: Size) -> list[list[float]]:
    cells = grid_of(source)
    return [[0.0] * cells.width for _ in range(cells.height)]


def overlap(one: Rect, other: Rect) -> bool:
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


def inside(one: Rect, other: Rect) -> bool:
    return other.x0 <= one.x0 < one.x1 <= other.x1 and other.y0 <= one.y0 < one.y1 <= other.y1


@given(sizes, st.integers(2, 9), st.randoms(use_true_random=False))
def test_parts_lie_in_the_result_and_apart(source: Size, scale: int, random) -> None:
    result = source.times(scale)
    detail = flat(source)
    for _ in range(20):
        detail[random.randrange(len(detail))][random.randrange(len(detail[0]))] = random.random()
    regions = choose_regions(detail, source, result)
    zoom = zoom_for(source, result)
    assert 1 <= len(regions) <= DETAILS
    for region in regions:
        assert inside(region, Rect(0, 0, *result))
        assert region.size == (min(DETAIL.width // zoom, result.width), min(DETAIL.height // zoom, result.height))
        assert inside(with_margin(region, source, result), Rect(0, 0, *source))
    assert not any(overlap(*pair) for pair in combinations(regions, 2))


@given(sizes, st.integers(2, 9))
def test_everything_has_its_place_on_a_sheet_of_bounded_size(source: Size, scale: int) -> None:
    """Panoramas and portraits of 60,000 px, and single pixels."""
    result = source.times(scale)
    layout = lay_out(source, result, choose_regions(flat(source), source, result))
    whole = Rect(0, 0, *layout.sheet)
    assert layout.sheet.fits(MAX_SHEET)
    shown = [layout.overview, *(at for place in layout.places for at in (place.before, place.after))]
    assert all(inside(at, whole) for at in shown)
    assert not any(overlap(*pair) for pair in combinations(shown, 2))
    for place in layout.places:
        assert place.before.size == place.after.size == place.region.size.times(layout.zoom)
        assert place.before.x1 <= layout.sheet.width // 2 <= place.after.x0
        assert inside(layout.frame(place, result), layout.overview)


def test_the_parts_with_the_most_detail_are_shown_the_best_first() -> None:
    source, result = Size(960, 960), Size(3840, 3840)
    detail = flat(source)
    best, second = (20, 70), (80, 10)  # row and column of 96
    detail[best[0]][best[1]], detail[second[0]][second[1]] = 9.0, 8.0
    first, other, *_ = choose_regions(detail, source, result)
    for (row, column), region in ((best, first), (second, other)):
        assert inside(Rect(column * 40, row * 40, column * 40 + 40, row * 40 + 40), region)


def test_where_nothing_is_to_be_seen_the_middle_is_shown() -> None:
    source, result = Size(1000, 1000), Size(4000, 4000)
    region = choose_regions(flat(source), source, result)[0]
    assert abs(region.x0 + region.x1 - 4000) <= 2 * 4000 / GRID
    assert abs(region.y0 + region.y1 - 4000) <= 2 * 4000 / GRID


def test_a_picture_that_was_only_doubled_is_shown_twice_as_large() -> None:
    assert zoom_for(Size(100, 60), Size(200, 120)) == 2
    assert zoom_for(Size(100, 60), Size(400, 240)) == 1


@given(sizes)
def test_a_fitted_size_keeps_its_proportions(size: Size) -> None:
    small = fitted(size, OVERVIEW)
    assert small.fits(OVERVIEW)
    assert small.fits(size)
    assert small == size or OVERVIEW.width - small.width < 1 or OVERVIEW.height - small.height < 1


@given(sizes, st.integers(2, 4))
def test_the_margin_holds_all_that_lanczos_looks_at(source: Size, scale: int) -> None:
    result = source.times(scale)
    region = choose_regions(flat(source), source, result)[0]
    wide = with_margin(region, source, result)
    assert wide.x0 == 0 or wide.x0 * scale <= region.x0 - (MARGIN_PX - 1) * scale
    assert wide.x1 == source.width or wide.x1 * scale >= region.x1 + (MARGIN_PX - 1) * scale
    assert wide.y1 == source.height or wide.y1 * scale >= region.y1 + (MARGIN_PX - 1) * scale
