"""Sizes, durations and shares: what is read, what is refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twofold.core.quantity import (
    DURATION_UNITS,
    MAX_DURATION_S,
    SIZE_UNITS,
    parse_duration_s,
    parse_share,
    parse_size_bytes,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("4096", 4096),
        ("2GiB", 2 << 30),
        ("1.5 GiB", 3 << 29),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        ("1kB", 1000),
        ("0.3 KiB", 307),
        (" 1 TiB ", 1 << 40),
    ],
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert parse_size_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "2G", "2 G iB", "-1MB", "1e3", "GiB", "9" * 30, "9999999 TiB", "1.GiB", "٣MB"])
def test_sizes_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|unknown|larger"):
        parse_size_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("3h", 10_800),
        ("15 min", 900),
        ("15m", 900),
        ("90", 90),
        ("0.5", 0.5),
        ("250ms", 0.25),
        ("1h 30min", 5400),
        ("1h30m", 5400),
        ("2 days", 172_800),
        ("1 Hour", 3600),
        ("0s", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1h 30", "-5s", "2 weeks", "1e3s", "1:30", "11 d 99999999 h"])
def test_durations_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|unknown|longer"):
        parse_duration_s(text)


@pytest.mark.parametrize("text", ["80", "0.8", "0%", "101%", "-5%", "%", "80 percent"])
def test_shares_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_share(text)


_COUNTS = st.decimals(0, 10**6, places=3)


@settings(deadline=None)
@given(_COUNTS, st.sampled_from(list(SIZE_UNITS)), st.sampled_from(["", " "]))
def test_a_size_is_its_count_times_its_unit(count: Decimal, unit: str, gap: str) -> None:
    assert parse_size_bytes(f"{count}{gap}{unit}") == Fraction(count) * SIZE_UNITS[unit] // 1


@settings(deadline=None)
@given(st.lists(st.tuples(_COUNTS.map(abs), st.sampled_from(["ms", "s", "min", "h"])), min_size=1, max_size=4))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[Decimal, str]]) -> None:
    seconds = sum(Fraction(count) * DURATION_UNITS[unit] for count, unit in parts)
    assume(seconds <= MAX_DURATION_S)
    assert parse_duration_s(" ".join(f"{count}{unit}" for count, unit in parts)) == float(seconds)


@settings(deadline=None)
@given(st.decimals(0, 100, places=2).filter(bool))
def test_a_share_is_its_percentage(percent: Decimal) -> None:
    assert parse_share(f"{percent}%") == Fraction(percent) / 100


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_value_or_a_sentence(text: str) -> None:
    for parse in (parse_size_bytes, parse_duration_s, parse_share):
        refusal = ""
        try:
            value = parse(text)
        except ValueError as error:
            refusal = str(error)
        assert refusal.startswith(("must ", "has ", "is ")) if refusal else value >= 0
