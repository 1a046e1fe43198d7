from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twofold.core.geometry import Rect, Size
from twofold.core.tiles import TilePlan, padded_size, plan_tiles


@st.composite
def plans(draw: st.DrawFn) -> TilePlan:
    alignment = draw(st.sampled_from([1, 2, 3, 4, 8, 16]))
    halo_px = draw(st.integers(0, 40))
    minimum_px = draw(st.sampled_from([1, 2, 7, 16, 33]))
    tile_px = draw(st.integers(1, 300))
    source = Size(draw(st.integers(1, 900)), draw(st.integers(1, 900)))
    width, height = padded_size(source, alignment, minimum_px)
    x0, y0 = (draw(st.one_of(st.just(0), st.integers(0, side - 1))) for side in (width, height))
    y1 = draw(st.one_of(st.just(height), st.integers(y0 + 1, height)))
    try:
        return plan_tiles(
            source,
            tile_px=tile_px,
            halo_px=halo_px,
            alignment=alignment,
            scale=2,
            minimum_px=minimum_px,
            region=Rect(x0, y0, width, y1),
        )
    except ValueError:
        assume(False)
        raise


@settings(deadline=None, max_examples=100)
@given(plans())
def test_owned_rectangles_partition_the_region(plan):
    owned = [tile.owned for tile in plan.tiles()]
    assert len(owned) == plan.count
    assert sum(one.size.pixels for one in owned) == plan.region.size.pixels
    assert all(one.x0 < one.x1 and one.y0 < one.y1 for one in owned)
    columns = {(one.x0, one.x1) for one in owned}
    rows = {(one.y0, one.y1) for one in owned}
    for spans, first, last in ((columns, *plan.region[::2]), (rows, *plan.region[1::2])):
        ends = sorted(spans)
        assert ends[0][0] == first
        assert ends[-1][1] == last
        assert all(before[1] == after[0] for before, after in pairwise(ends))
    assert len(owned) == len(columns) * len(rows)


@settings(deadline=None, max_examples=100)
@given(plans())
def test_every_window_has_the_same_shape_lies_inside_and_on_the_alignment(plan):
    whole = Rect(0, 0, *plan.whole)
    for tile in plan.tiles():
        window = tile.window
        assert window.size == plan.tile
        assert whole.x0 <= window.x0 < window.x1 <= whole.x1
        assert whole.y0 <= window.y0 < window.y1 <= whole.y1
        for figure in window:
            assert figure % plan.alignment == 0


@settings(deadline=None, max_examples=100)
@given(plans())
def test_an_owned_pixel_has_its_halo_unless_the_picture_ends_there(plan):
    for tile in plan.tiles():
        window, owned = tile.window, tile.owned
        assert window.x0 == 0 or owned.x0 - window.x0 >= plan.halo_px
        assert window.y0 == 0 or owned.y0 - window.y0 >= plan.halo_px
        assert window.x1 == plan.whole.width or window.x1 - owned.x1 >= plan.halo_px
        assert window.y1 == plan.whole.height or window.y1 - owned.y1 >= plan.halo_px
        assert window.x0 <= owned.x0 < owned.x1 <= window.x1
        assert window.y0 <= owned.y0 < owned.y1 <= window.y1


@settings(deadline=None, max_examples=100)
@given(plans())
def test_a_row_is_a_band_as_wide_as_the_region(plan):
    end = plan.region.y0
    for index in range(plan.rows):
        row = plan.row(index)
        assert len(row) == plan.columns
        assert {(tile.owned.y0, tile.owned.y1, tile.window.y0) for tile in row} == {
            (end, row[0].owned.y1, row[0].window.y0)
        }
        assert row[0].owned.x0 == plan.region.x0
        assert row[-1].owned.x1 == plan.whole.width
        end = row[0].owned.y1
    assert end == plan.region.y1


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 900), st.integers(20, 300), st.integers(0, 40), st.sampled_from([1, 2, 4, 8]), st.integers(1, 20))
def test_an_axis_takes_the_fewest_tiles_and_the_smallest_that_do(length, tile_px, halo_px, alignment, minimum_px):
    try:
        plan = plan_tiles(
            Size(length, 1), tile_px=tile_px, halo_px=halo_px, alignment=alignment, scale=1, minimum_px=minimum_px
        )
    except ValueError:
        assume(False)
    side, count, whole = plan.tile.width, plan.columns, plan.whole.width
    assert side <= max(tile_px, 0)
    if count == 1:
        assert side == whole
        return

    def reach(one_px: int, tiles: int) -> int:
        """The longest axis that so many windows of this length cover."""
        stride_px = (one_px - 2 * halo_px) // alignment * alignment
        return one_px + (tiles - 1) * stride_px if stride_px > 0 else 0

    assert reach(side, count) >= whole
    assert reach(tile_px // alignment * alignment, count - 1) < whole
    assert side - alignment < minimum_px or reach(side - alignment, count) < whole


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 16), st.integers(1, 40))
def test_the_whole_is_the_picture_padded_to_alignment_and_minimum(width, height, alignment, minimum_px):
    source = Size(width, height)
    plan = plan_tiles(source, tile_px=2000, halo_px=9, alignment=alignment, scale=4, minimum_px=minimum_px)
    assert plan.count == 1
    assert plan.tile == plan.whole
    for side, padded in zip(source, plan.whole, strict=True):
        assert padded % alignment == 0
        assert padded >= max(side, minimum_px)
        assert padded - alignment < max(side, minimum_px)
    assert plan.result == Size(4 * width, 4 * height)
    assert [tile.owned for tile in plan.tiles()] == [Rect(0, 0, *plan.whole)]


def test_a_short_axis_runs_at_its_own_length():
    plan = plan_tiles(Size(1000, 50), tile_px=128, halo_px=10, alignment=4, scale=2)
    assert plan.tile.height == 52
    assert plan.rows == 1
    assert plan.columns == 10


def test_a_camera_picture_of_twelve_megapixels():
    plan = plan_tiles(Size(4000, 3000), tile_px=512, halo_px=18, alignment=1, scale=2)
    assert (plan.columns, plan.rows) == (9, 7)
    assert plan.tile == Size(477, 460)


@pytest.mark.parametrize(
    ("tile_px", "halo_px", "alignment", "minimum_px"), [(20, 10, 1, 1), (64, 1, 64, 1), (64, 0, 1, 65), (7, 0, 8, 1)]
)
def test_a_tile_with_nothing_beside_its_halo_is_refused(tile_px, halo_px, alignment, minimum_px):
    with pytest.raises(ValueError, match="beside a halo"):
        plan_tiles(
            Size(1000, 1000),
            tile_px=tile_px,
            halo_px=halo_px,
            alignment=alignment,
            scale=2,
            minimum_px=minimum_px,
        )


def test_one_owned_pixel_beside_the_halo_is_enough():
    plan = plan_tiles(Size(30, 1), tile_px=21, halo_px=10, alignment=1, scale=2)
    assert plan.columns == 10
    assert plan.tile.width == 21
