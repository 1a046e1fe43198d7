"""How the speed of batches is learnt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.cost import CostModel
from twofold.core.pace import Pace


@given(st.floats(1e-4, 1.0), st.floats(1e3, 1e8), st.lists(st.integers(10_000, 4_000_000), min_size=8, max_size=40))
def test_pace_finds_the_line(overhead_s: float, px_per_s: float, batches: list[int]) -> None:
    pace = Pace.of(CostModel(bytes_per_px=1))
    for px in [*batches, 10_000, 4_000_000]:
        pace = pace.after(px, overhead_s + px / px_per_s)
    # Where overhead is most of the mean time it is capped at half of it; the prediction at the mean still holds.
    mean_px, mean_s = pace.px / pace.weight, pace.s / pace.weight
    assert pace.overhead_s + mean_px / pace.px_per_s == pytest.approx(mean_s, rel=1e-6)
    if overhead_s < mean_s / 3:
        assert pace.overhead_s == pytest.approx(overhead_s, rel=0.01, abs=mean_s * 1e-6)


@given(st.lists(st.tuples(st.integers(-5, 10**7), st.floats(-1, 100)), max_size=30))
def test_pace_stays_sane_whatever_it_is_told(batches: list[tuple[int, float]]) -> None:
    pace = Pace.of(CostModel(bytes_per_px=1))
    for px, seconds in batches:
        pace = pace.after(px, seconds)
        assert pace.overhead_s >= 0
        assert pace.px_per_s >= 1
