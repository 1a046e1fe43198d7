from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.estimate import Estimate
from twofold.core.memory import MemoryPolicy, MemoryReading, plan_budget
from twofold.core.ram import ENGINE_BYTES, Claims, admit, beside

MB = 10**6
POLICY = MemoryPolicy(keep_free_bytes=100 * MB, use_at_most=Fraction(1, 2))
MACHINE = MemoryReading(free_bytes=1800 * MB, total_bytes=2000 * MB)


def figures(picture_mb: int, tile_mb: int = 0) -> Estimate:
    picture, tile = picture_mb * MB, tile_mb * MB
    return Estimate("memory", max(picture, tile), picture, tile, 0, 0, 1.0)


def spilled(picture_mb: int, tile_mb: int = 0) -> Estimate:
    return replace(figures(picture_mb, tile_mb), rasters="scratch")


def test_a_picture_that_fits_lives_in_memory():
    assert admit(figures(1000), spilled(50), MACHINE, POLICY, Claims()) == "memory"
    assert admit(figures(1001), spilled(50), MACHINE, POLICY, Claims()) == "scratch"


def test_on_the_processor_tiles_and_the_engine_have_to_fit_beside_it():
    engine_mb = -(-ENGINE_BYTES // MB)
    assert admit(figures(900 - engine_mb, 100), spilled(50, 100), MACHINE, POLICY, Claims()) == "memory"
    assert admit(figures(902 - engine_mb, 100), spilled(50, 100), MACHINE, POLICY, Claims()) == "scratch"


def test_it_waits_for_others_before_it_goes_to_scratch():
    claims = Claims(promised_bytes=300 * MB, taken_bytes=100 * MB)
    assert admit(figures(700), spilled(50), MACHINE, POLICY, claims) == "memory"
    assert admit(figures(800), spilled(50), MACHINE, POLICY, claims) == "wait"
    assert admit(figures(1100), spilled(50), MACHINE, POLICY, claims) == "scratch"


def test_what_others_were_promised_is_not_free_though_nobody_took_it_yet():
    reading = replace(MACHINE, free_bytes=600 * MB)
    assert admit(figures(500), spilled(50), reading, POLICY, Claims()) == "memory"
    assert admit(figures(500), spilled(50), reading, POLICY, Claims(100 * MB, 0)) == "wait"
    # taken already: it is gone from what is free, and would come back
    assert admit(
        figures(500), spilled(50), replace(reading, free_bytes=500 * MB), POLICY, Claims(100 * MB, 100 * MB)
    ) == ("wait")


def test_alone_it_leaves_its_tiles_what_is_left():
    assert admit(figures(5000, 500), spilled(900, 500), MACHINE, POLICY, Claims()) == "scratch"


def test_it_is_refused_for_good_only_where_it_could_never_fit():
    with pytest.raises(TwofoldError) as caught:
        admit(figures(5000), spilled(1001), MACHINE, POLICY, Claims())
    assert caught.value.code is Code.NEEDS_MEMORY
    assert not caught.value.retryable
    with pytest.raises(TwofoldError) as caught:
        admit(figures(5000), spilled(600), replace(MACHINE, free_bytes=600 * MB), POLICY, Claims())
    assert caught.value.code is Code.LOW_MEMORY
    assert caught.value.retryable


sizes = st.integers(0, 1500)


@given(st.lists(st.tuples(sizes, sizes, sizes), max_size=8), st.integers(0, 2000))
def test_pictures_and_tiles_together_never_exceed_what_may_be_used(pictures, free_mb):
    """Whoever is admitted one after the other, none having taken anything yet, and then the tiles on top."""
    reading, promised = replace(MACHINE, free_bytes=free_mb * MB), 0
    for held_mb, spilled_mb, tile_mb in pictures:
        held, small = figures(held_mb, tile_mb), spilled(min(held_mb, spilled_mb), tile_mb)
        try:
            answer = admit(held, small, reading, POLICY, Claims(promised))
        except TwofoldError:
            continue
        if answer != "wait":
            promised += (held if answer == "memory" else small).picture_bytes
    tiles_bytes = plan_budget(beside(reading, Claims(promised)), POLICY, "cpu").bytes
    assert promised + tiles_bytes <= max(promised, min(free_mb * MB - 100 * MB, 1000 * MB))
    assert promised <= max(0, min(free_mb * MB - 100 * MB, 1000 * MB))
