"""Figures for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.cli.figures import bytes_text, duration_text, pixels_text, size_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3_565_158, "3.4 MiB"),
        (12 * 2**30, "12 GiB"),
        (2**50, "1024 TiB"),
    ],
)
def test_sizes_in_bytes(count: int, text: str) -> None:
    assert bytes_text(count) == text


@given(st.integers(0, 2**60))
def test_a_size_in_bytes_is_never_far_off(count: int) -> None:
    number, unit = bytes_text(count).split()
    factor = 1024 ** ("B", "KiB", "MiB", "GiB", "TiB").index(unit)
    assert abs(float(number) * factor - count) <= 0.051 * count + 0.5


def test_pixels() -> None:
    assert size_text([4000, 3000]) == "4000×3000"
    assert pixels_text(12_600_000) == "12.6 MP"
    assert pixels_text(345_600_000) == "346 MP"
