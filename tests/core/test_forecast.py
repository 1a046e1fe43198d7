"""From a few files to many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twofold.core.forecast import Forecast, Measured, extrapolate, sample

SIZES = st.lists(st.tuples(st.integers(), st.integers(0, 10**9)), max_size=60)


@given(SIZES, st.integers(1, 30))
def test_a_sample_is_small_spread_and_the_same_every_time(files: list[tuple[int, int]], count: int) -> None:
    chosen = sample(files, count)
    assert len(chosen) == min(count, len(files))
    assert set(chosen) <= set(files)
    assert chosen == sample(files, count)
    if files and count > 1 and len(files) > count:
        sizes = sorted(size for _, size in files)
        assert chosen[0][1] <= sizes[len(sizes) // 2] <= chosen[-1][1]


@given(st.lists(st.builds(Measured, *[st.integers(1, 10**6)] * 4), min_size=1, max_size=20), st.integers(1, 1000))
def test_many_like_the_sample_cost_that_much_more(measured: list[Measured], times: int) -> None:
    nbytes = sum(one.nbytes for one in measured)
    whole = extrapolate(measured, files=len(measured) * times, nbytes=nbytes * times)
    assert whole.pixels == sum(one.pixels for one in measured) * times
    assert whole.out_bytes == sum(one.out_bytes for one in measured) * times
    assert whole.sampled == len(measured)


def test_nothing_is_forecast_from_nothing() -> None:
    assert extrapolate([], files=3, nbytes=100) == Forecast(3, 100, 0, 0, 0.0, 0)
    assert extrapolate([Measured(0, 1, 1.0, 1)], files=1, nbytes=0).seconds == 0
