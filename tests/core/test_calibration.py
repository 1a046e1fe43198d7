"""Lines through measured batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.calibration import Cost, Sample, fit, measurable_sides_px, picture_px_per_s
from twofold.core.card import NetworkCard
from twofold.core.cost import prior_cost
from twofold.core.geometry import Size
from twofold.core.memory import MemoryPolicy, MemoryReading, plan_budget
from twofold.core.pass_plan import choose_plan
from twofold.core.rest import Rest

CARD = NetworkCard("net", 1, "0", 2, halo_px=8, live_bytes_per_px=300, mflop_per_px=1.0)
GIB = 2**30
ROOMY = plan_budget(MemoryReading(8 * GIB, 8 * GIB), MemoryPolicy(), "cpu")
SIDES = (96, 128, 192, 384)


def line(overhead_s: float, px_per_s: float, fixed: int, per_px: float) -> list[Sample]:
    return [Sample(side, overhead_s + side**2 / px_per_s, round(fixed + per_px * side**2)) for side in SIDES]


@given(st.floats(0, 0.5), st.floats(1e3, 1e9), st.integers(0, GIB), st.floats(1, 1e5))
def test_a_line_is_found_again(overhead_s: float, px_per_s: float, fixed: int, per_px: float) -> None:
    cost = fit(line(overhead_s, px_per_s, fixed, per_px))
    assert cost.bytes_per_px == pytest.approx(per_px, rel=1e-3)
    assert cost.fixed_bytes == pytest.approx(fixed, abs=2 + fixed * 1e-6)
    for side in SIDES:
        assert cost.overhead_s + side**2 / cost.px_per_s == pytest.approx(overhead_s + side**2 / px_per_s, rel=1e-3)


@given(st.lists(st.tuples(st.sampled_from(SIDES), st.floats(1e-6, 100), st.integers(0, GIB)), min_size=1, max_size=9))
def test_nothing_measured_gives_less_than_nothing(points: list[tuple[int, float, int]]) -> None:
    cost = fit([Sample(*point) for point in points])
    assert cost.px_per_s > 0
    assert cost.overhead_s >= 0
    assert cost.bytes_per_px is not None
    assert cost.bytes_per_px >= 0
    assert cost.fixed_bytes is not None
    assert cost.fixed_bytes >= 0


def test_one_sample_lies_on_its_pixels_and_memory_may_be_unknown() -> None:
    assert fit([Sample(100, 0.5, None)]) == Cost(None, None, pytest.approx(20_000.0), 0.0)


def test_sizes_that_do_not_fit_are_left_out_and_the_smallest_is_kept() -> None:
    every = measurable_sides_px(CARD, "cpu", "float32", ROOMY)
    assert every == sorted(every)
    assert every[-1] == 384
    poor = plan_budget(MemoryReading(0, GIB), MemoryPolicy(), "cpu")
    assert measurable_sides_px(CARD, "cpu", "float32", poor) == every[:1]


def test_the_rate_over_a_picture_counts_the_halo() -> None:
    rate = picture_px_per_s(CARD, Cost(None, None, 1e6, 0.0), "cpu", "float32", ROOMY)
    assert 0.7e6 < rate < 1e6


def test_a_plan_at_a_measured_rate_keeps_its_tiles() -> None:
    plan = choose_plan(
        CARD, Rest(Size(1000, 500)), prior_cost(CARD, "cpu", "float32"), ROOMY, kind="cpu", dtype="float32"
    )
    known = plan.at_rate(50_000)
    assert known.seconds == 10.0
    assert (known.tiles, known.batch, known.need_bytes) == (plan.tiles, plan.batch, plan.need_bytes)
