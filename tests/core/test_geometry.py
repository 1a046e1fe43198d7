from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.geometry import Rect, Size, scaled

sides = st.integers(1, 200_000)
factors = st.fractions(min_value=Fraction(1, 64), max_value=64, max_denominator=10_000)


@settings(deadline=None, max_examples=100)
@given(sides, sides, factors)
def test_each_side_is_rounded_half_up_in_exact_arithmetic(width, height, factor):
    result = scaled(Size(width, height), factor)
    for side, wanted in zip(result, (width * factor, height * factor), strict=True):
        assert side == max(1, (wanted + Fraction(1, 2)).__floor__())


def test_halves_round_up_where_floats_and_bankers_do_not():
    assert scaled(Size(5, 3), Fraction(1, 2)) == (3, 2)
    assert scaled(Size(333, 1), Fraction(3, 2)) == (500, 2)


def test_no_side_ever_vanishes():
    assert scaled(Size(10_000, 1), Fraction(1, 100)) == (100, 1)


def test_sizes_and_rectangles_multiply():
    assert Size(3, 5).times(4) == (12, 20)
    assert Rect(1, 2, 4, 8).times(2) == Rect(2, 4, 8, 16)
    assert Rect(1, 2, 4, 8).size == Size(3, 6)
    assert Size(3, 5).pixels == 15
    assert (Size(3, 5).long_side, Size(3, 5).short_side) == (5, 3)


def test_a_size_fits_only_on_both_axes():
    assert Size(3, 5).fits(Size(3, 5))
    assert not Size(4, 5).fits(Size(3, 9))
