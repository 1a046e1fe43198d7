"""Whatever plans follow each other in a pass, every owned pixel is in exactly one completed batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.fakes import make_plan
from twofold.core.batches import Batches
from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.core.pass_plan import PassPlan

sides = st.tuples(st.integers(1, 120), st.integers(1, 120))
plans = st.tuples(st.integers(24, 70), st.integers(1, 6))
events = st.sampled_from(["completed", "completed", "failed", "changed"])


@given(sides, st.integers(0, 5), st.lists(st.tuples(events, plans), max_size=60))
def test_every_owned_pixel_exactly_once(
    size: tuple[int, int], halo_px: int, script: list[tuple[str, tuple[int, int]]]
) -> None:
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=halo_px)

    def plan_of(tile_px: int, batch: int) -> PassPlan:
        return make_plan(card, Size(*size), tile_px, batch)

    written = np.zeros((size[1], size[0]), int)
    batches = Batches(plan_of(40, 2))
    steps = iter(script)
    bands = 0
    while not batches.done:
        event, other = next(steps, ("completed", (40, 2)))
        done_px, tile_rows = batches.done_px, batches.plan.tiles
        start = batches.band_start
        if event == "changed" and start:
            batches.change(plan_of(*other))
            done_px, tile_rows = batches.done_px, batches.plan.tiles
        taken = batches.take()
        assert 1 <= len(taken) <= batches.plan.batch
        if event == "failed":
            batches.change(replace(plan_of(*other), batch=1) if other[1] % 2 else replace(batches.plan, batch=1))
            if batches.plan.tiles != tile_rows:
                written[done_px:] = 0  # the band in work begins anew: what it had written is written over
            continue
        for _, tile in taken:
            window, owned = tile.window, tile.owned
            assert window.x0 <= owned.x0 < owned.x1 <= window.x1
            written[max(owned.y0, done_px) : owned.y1, owned.x0 : owned.x1] += 1
        whole = batches.completed()
        bands += len(whole)
        assert (written[: batches.done_px] == 1).all()
    assert (written == 1).all()
    assert bands > 0


def test_a_pass_goes_on_at_the_band_it_had_reached() -> None:
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=3)
    plan = make_plan(card, Size(90, 90), 30, 3)
    batches = Batches(plan, first_row=2)
    assert batches.done_px == plan.tiles.row(1)[0].owned.y1
    assert [index for index, _ in batches.take()] == [2, 2, 2]
    assert Batches(plan, first_row=plan.tiles.rows).done


def test_a_band_in_work_is_no_place_for_other_tiles() -> None:
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=3)
    batches = Batches(make_plan(card, Size(90, 90), 30))  # four tiles a band
    seen = []
    for _ in range(5):
        seen.append(batches.band_start)
        batches.take()
        batches.completed()
    assert seen == [True, False, False, False, True]
