"""The fate of a first backlog."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.backlog import MAX_FILES_UNASKED, grown_bytes, verdict
from twofold.core.recipe import Recipe, Target

GIB = 2**30


@pytest.mark.parametrize(
    ("files", "out_bytes", "free_bytes", "expected"),
    [
        (0, 0, 0, "process"),
        (500, GIB, 100 * GIB, "process"),
        (501, GIB, 100 * GIB, "hold"),
        (3, 10 * GIB, 100 * GIB, "process"),
        (3, 10 * GIB + 1, 100 * GIB, "hold"),
        (3, 10 * GIB, None, "process"),
        (1, 99 * GIB, 100 * GIB, "process"),
    ],
)
def test_auto_holds_many_files_and_large_ones(
    files: int, out_bytes: int, free_bytes: int | None, expected: str
) -> None:
    assert verdict("auto", files=files, out_bytes=out_bytes, free_bytes=free_bytes) == expected


@given(st.integers(0, 10**6), st.integers(0, 2**50), st.none() | st.integers(0, 2**50))
def test_an_owners_word_is_final(files: int, out_bytes: int, free_bytes: int | None) -> None:
    for word in ("process", "hold", "ignore"):
        assert verdict(word, files=files, out_bytes=out_bytes, free_bytes=free_bytes) == word


@given(st.integers(0, 10**6), st.integers(0, 2**40), st.none() | st.integers(0, 2**50))
def test_more_files_are_never_let_through_where_fewer_are_held(files: int, out: int, free: int | None) -> None:
    if verdict("auto", files=files, out_bytes=out, free_bytes=free) == "hold":
        assert verdict("auto", files=files + 1, out_bytes=out, free_bytes=free) == "hold"
    assert verdict("auto", files=MAX_FILES_UNASKED + 1, out_bytes=out, free_bytes=free) == "hold"


def test_results_are_taken_to_grow_with_their_area() -> None:
    assert grown_bytes(100, Recipe("r", scale=Fraction(4))) == 1600
    assert grown_bytes(100, Recipe("r", scale=None, target=Target("long_side", Fraction(7680)))) == 400
