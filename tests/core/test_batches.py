"""Whatever plans follow each other in a pass, every owned pixel is in exactly one completed batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.fakes import make_plan
from twofold.core.batches import Batches
from twofold.core.card import NetworkCard
from twofold.core.geometry import Rect, Size

sides = st.tuples(st.integers(1, 120), st.integers(1, 120))
plans = st.tuples(st.integers(24, 70), st.integers(1, 6))
events = st.sampled_from(["completed", "completed", "failed", "changed"])


@given(sides, st.integers(0, 5), st.lists(st.tuples(events, plans, st.booleans()), max_size=60))
def test_every_owned_pixel_exactly_once(
    size: tuple[int, int], halo_px: int, script: list[tuple[str, tuple[int, int], bool]]
) -> None:
    """Also where a plan does all rows again of which some stood."""
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=halo_px)
    written = np.zeros((size[1], size[0]), int)
    batches = Batches(make_plan(card, Size(*size), 40, 2))

    def change(tile_px: int, batch: int, *, anew: bool) -> None:
        rest = batches.rest
        region = rest.again if anew and rest.again is not None else rest.region
        batches.change(make_plan(card, Size(*size), tile_px, batch, region))

    steps = iter(script)
    bands = 0
    while not batches.done:
        event, (tile_px, batch), anew = next(steps, ("completed", (40, 2), False))
        if event == "changed" or not batches.rest.planned:
            change(tile_px, batch, anew=anew)
        taken = batches.take()
        assert 1 <= len(taken) <= batches.plan.batch
        if event == "failed":
            if batch % 2:
                change(tile_px, 1, anew=anew)
            else:
                batches.change(replace(batches.plan, batch=1))
            continue
        for _, tile in taken:
            window, owned = tile.window, tile.owned
            assert window.x0 <= owned.x0 < owned.x1 <= window.x1
            parts = batches.missing(tile)
            assert parts
            for part in parts:
                assert owned.x0 <= part.x0 < part.x1 <= owned.x1
                assert owned.y0 <= part.y0 < part.y1 <= owned.y1
                written[part.y0 : part.y1, part.x0 : part.x1] += 1
        bands += len(batches.completed())
        assert (written[: batches.done_px] == 1).all()
        assert written.max() == 1
    assert (written == 1).all()
    assert bands > 0


@given(sides, st.integers(0, 5), st.lists(plans, max_size=20), st.integers(0, 3))
def test_a_plan_for_what_comes_first_computes_nothing_twice(
    size: tuple[int, int], halo_px: int, script: list[tuple[int, int]], between: int
) -> None:
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=halo_px)
    batches = Batches(make_plan(card, Size(*size), 40, 2))
    changes = iter(script)
    owned_px = 0
    while not batches.done:
        tile_px, batch = next(changes, (40, 2))
        batches.change(make_plan(card, Size(*size), tile_px, batch, batches.rest.region))
        for _ in range(between + 1):
            if batches.done or not batches.rest.planned:
                break
            owned_px += sum(tile.owned.size.pixels for _, tile in batches.take())
            batches.completed()
    assert owned_px == size[0] * size[1]


def test_a_pass_goes_on_at_the_band_it_had_reached() -> None:
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=3)
    plan = make_plan(card, Size(90, 90), 30, 3)
    batches = Batches(plan, first_row=2)
    assert batches.done_px == plan.tiles.row(1)[0].owned.y1
    assert [index for index, _ in batches.take()] == [2, 2, 2]
    assert Batches(plan, first_row=plan.tiles.rows).done


def test_a_plan_for_the_rest_of_a_band_goes_on_where_it_ends_and_leaves_the_rows_below() -> None:
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=3)
    whole = make_plan(card, Size(200, 120), 60)
    batches = Batches(whole)
    for _ in range(2):
        batches.take()
        batches.completed()
    end_px = whole.tiles.band_end_px(0)
    assert batches.rest.row == 0
    assert batches.rest.region is not None
    assert (batches.rest.region.y0, batches.rest.region.y1) == (0, end_px)
    batches.change(make_plan(card, Size(200, 120), 30, 100, batches.rest.region))
    tiles = batches.take()
    assert min(tile.owned.x0 for _, tile in tiles) == batches.plan.tiles.region.x0 > 80
    batches.completed()
    assert batches.done_px == end_px
    assert not batches.rest.planned, "the rows below wait for a plan"
    assert batches.rest.region == (0, end_px, 200, 120)


def test_a_pass_that_died_within_such_a_plan_goes_on_with_whole_rows() -> None:
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=3)
    plan = make_plan(card, Size(200, 120), 60, 1, Rect(80, 0, 200, 54))
    batches = Batches(plan, first_row=plan.tiles.rows)
    assert not batches.rest.planned
    assert batches.rest.region == (0, 54, 200, 120)
