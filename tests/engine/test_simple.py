"""Back ends without a network, and which back end a card opens."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.engine.factory import open_upscaler
from twofold.engine.simple import ReplicatingUpscaler, to_depth

WITHOUT_TORCH = """
import sys
from twofold.core.card import NetworkCard
from twofold.engine import run
from twofold.engine.factory import open_upscaler

name, backend = sys.argv[1:]
open_upscaler(NetworkCard(name, 1, "", 2, backend=backend), "cpu")
assert "torch" not in sys.modules
"""


def card(name: str, backend: str) -> NetworkCard:
    return NetworkCard(name, 1, "0" * 64, 2, backend=backend)


def test_sleep_waits_for_each_tile() -> None:
    waits: list[float] = []
    upscaler = ReplicatingUpscaler(card("sleep:0.25", "sleep"), delay_s=0.25, sleep=waits.append)
    result = upscaler.run(np.full((3, 2, 2, 3), 9, np.uint8), 8)
    assert waits == [0.75]
    np.testing.assert_array_equal(result, np.full((3, 4, 4, 3), 9, np.uint8))


@given(st.integers(0, 255))
def test_eight_bits_survive_sixteen(value: int) -> None:
    samples = np.full((1, 1, 1, 1), value, np.uint8)
    np.testing.assert_array_equal(to_depth(to_depth(samples, 16), 8), samples)


@given(st.integers(0, 65535))
def test_sixteen_bits_become_the_nearest_eight(value: int) -> None:
    assert int(to_depth(np.array([value], np.uint16), 8)[0]) == round(value * 255 / 65535)


@pytest.mark.parametrize(("name", "backend"), [("identity", "identity"), ("sleep:0.001", "sleep"), ("sleep", "sleep")])
def test_simple_cards_open_without_torch(name: str, backend: str) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, name, backend], check=True, timeout=60)


def test_an_unknown_back_end_is_refused() -> None:
    with pytest.raises(TwofoldError) as caught:
        open_upscaler(card("strange", "abacus"), "cpu")
    assert caught.value.code is Code.BAD_NETWORK
