"""A speed is what grew over the last minute, and nothing older."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.rate import SHORTEST_S, STEP_S, WINDOW_S, Rate


def fed(*readings: tuple[float, float]) -> Rate:
    rate = Rate()
    for now_s, total in readings:
        rate = rate.after(now_s, total)
    return rate


def test_too_short_a_look_is_no_speed() -> None:
    assert Rate().per_s is None
    assert fed((0, 0)).per_s is None
    assert fed((0, 0), (SHORTEST_S / 2, 10)).per_s is None


def test_what_grew_long_ago_is_forgotten() -> None:
    fast = [(float(second), second * 100.0) for second in range(30)]
    still = [(float(second), 2900.0) for second in range(30, 200)]
    assert fed(*fast).per_s == pytest.approx(100)
    assert fed(*fast, *still).per_s == 0


@given(st.floats(0.01, 5), st.floats(0.1, 1e6), st.integers(2, 400))
def test_steady_growth_is_told_whatever_the_rhythm(step_s: float, per_s: float, looks: int) -> None:
    rate = fed(*((index * step_s, index * step_s * per_s) for index in range(looks)))
    assert len(rate.readings) <= WINDOW_S / STEP_S + 3
    if rate.per_s is not None:
        assert rate.per_s == pytest.approx(per_s)
