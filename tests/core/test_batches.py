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
        if event == "changed":
            batches.change(plan_of(*other))
        taken = batches.take()
        assert 1 <= len(taken) <= batches.plan.batch
        if event == "failed":
            batches.change(replace(plan_of(*other), batch=1) if other[1] % 2 else replace(batches.plan, batch=1))
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
        whole = batches.completed()
        bands += len(whole)
        assert (written[: batches.done_px] == 1).all()
        assert written.max() == 1
    assert (written == 1).all()
    assert bands > 0


def test_a_pass_goes_on_at_the_band_it_had_reached() -> None:
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=3)
    plan = make_plan(card, Size(90, 90), 30, 3)
    batches = Batches(plan, first_row=2)
    assert batches.done_px == plan.tiles.row(1)[0].owned.y1
    assert [index for index, _ in batches.take()] == [2, 2, 2]
    assert Batches(plan, first_row=plan.tiles.rows).done


def test_what_stands_of_a_band_is_not_made_again_by_smaller_tiles() -> None:
    card = NetworkCard("fake", 1, "0" * 64, 2, halo_px=3)
    batches = Batches(make_plan(card, Size(200, 60), 60))
    for _ in range(3):
        batches.take()
        batches.completed()
    batches.change(make_plan(card, Size(200, 60), 30))
    ((_, first),) = batches.take()
    (part,) = batches.missing(first)
    assert part.x0 > 100
    assert part.y0 == 0
