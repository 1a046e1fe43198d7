"""What batches teach about memory: lines, margins, and how far it may be trusted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.cost import CostModel
from twofold.core.experience import MAX_GROWTH, MAX_SIZES, MAX_SURPRISES, Experience

PRIOR = CostModel(bytes_per_px=3000, fixed_bytes=1000, px_per_s=1e6, overhead_s=0.003)


def learnt(*batches: tuple[int, int | None]) -> Experience:
    experience = Experience.of(PRIOR)
    for px, peak_bytes in batches:
        experience = experience.after(px, 0.003 + px / 1e7, peak_bytes)
    return experience


def test_before_anything_the_prior_stands() -> None:
    assert Experience.of(PRIOR).cost.bytes_per_px == 3000
    assert learnt((10_000, None)).cost.bytes_per_px == 3000, "time alone teaches nothing of memory"
    assert learnt((10_000, None)).cost.origin == "prior"


@given(st.floats(50, 40_000), st.integers(0, 10**9), st.lists(st.integers(16_384, 10**7), min_size=1, max_size=30))
def test_it_never_believes_in_less_than_it_saw(k: float, fixed_bytes: int, sizes: list[int]) -> None:
    """For every size up to the largest, and above it: what is linear is not underestimated."""
    experience = learnt(*((px, int(fixed_bytes + k * px)) for px in sizes))
    cost = experience.cost
    assert cost.origin == "calibrated"
    for px in (*sizes[-MAX_SIZES:], max(sizes[-MAX_SIZES:]) * MAX_GROWTH):
        assert cost.need_bytes(px, 1) >= 0.99 * (fixed_bytes + k * px)


def test_two_sizes_tell_the_fixed_part() -> None:
    cost = learnt((20_000, 10_000_000 + 800 * 20_000), (80_000, 10_000_000 + 800 * 80_000)).cost
    assert cost.bytes_per_px == pytest.approx(800, rel=1e-3)
    assert cost.fixed_bytes == pytest.approx(10_000_000, rel=1e-3)
    assert cost.margin == 0.08


def test_one_large_workspace_widens_the_margin_and_leaves_the_line() -> None:
    experience = learnt(*[(20_000, 16_000_000)] * 5, (20_000, 18_400_000))
    assert experience.cost.bytes_per_px == pytest.approx(800)
    assert experience.cost.margin == pytest.approx(0.15 * 1.1)
    forgotten = experience
    for _ in range(MAX_SURPRISES):
        forgotten = forgotten.after(20_000, 0.01, 16_000_000)
    assert forgotten.cost.margin == 0.08


def test_running_out_of_memory_counts_as_the_need_it_must_have_been() -> None:
    experience = learnt((20_000, 16_000_000)).out_of_memory(80_000, budget_bytes=80_000_000)
    assert experience.cost.need_bytes(80_000, 1) > 80_000_000
    assert experience.good == 0


def test_batches_grow_by_what_went_well() -> None:
    assert Experience.of(PRIOR).provable_px == 256 * 256
    assert learnt((200_000, 1)).provable_px == 800_000
    assert learnt((200_000, 1), (100, 1)).provable_px == 800_000


@given(st.lists(st.tuples(st.integers(1, 10**7), st.none() | st.integers(1, 10**10)), max_size=30))
def test_it_survives_json(batches: list[tuple[int, int | None]]) -> None:
    experience = learnt(*batches)
    again = Experience.from_json(PRIOR, json.loads(json.dumps(experience.to_json())))
    for px in (1, 10_000, 10**7):
        assert again.cost.need_bytes(px, 1) == pytest.approx(experience.cost.need_bytes(px, 1), rel=0.001)
        assert again.cost.seconds(px, 1) == pytest.approx(experience.cost.seconds(px, 1))
    assert again.provable_px == experience.provable_px
    assert again.carried


def test_what_was_carried_over_falls_at_the_first_batch_that_contradicts_it() -> None:
    carried = Experience.from_json(PRIOR, learnt((20_000, 16_000_000), (500_000, 400_000_000)).to_json())
    confirmed = carried.after(500_000, 0.05, 401_000_000)
    assert confirmed.cost.bytes_per_px == pytest.approx(800, rel=0.01)
    assert not confirmed.carried
    denied = carried.after(100_000, 0.05, 160_000_000)
    assert denied.cost.bytes_per_px == pytest.approx(1600)
    assert denied.provable_px == 400_000
