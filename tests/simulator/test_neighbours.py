"""Neighbours are the same every time, and do what their names say."""

from __future__ import annotations

import pytest
from simulator.clock import VirtualClock
from simulator.device import CONTEXT_BYTES, SimulatedDevice
from simulator.neighbours import MIB, NEIGHBOURS, Greedy, Neighbour, Settable

GIB = 1 << 30
TOTAL_BYTES = 8 * GIB
TIMES_S = [step / 4 for step in range(1200)]


def held(neighbour: Neighbour) -> list[int]:
    return [neighbour.held_bytes(now_s, TOTAL_BYTES) for now_s in TIMES_S]


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_a_seed_makes_the_same_neighbour_and_another_a_different_one(name: str) -> None:
    first, again, other = (held(NEIGHBOURS[name](TOTAL_BYTES, seed)) for seed in (1, 1, 2))
    assert first == again
    assert (first != other) == (name != "none")
    assert min(first) >= 0
    assert max(first) <= TOTAL_BYTES


@pytest.mark.parametrize("name", ["step", "sine", "bursts", "leak", "greedy"])
def test_each_takes_much_and_lets_go(name: str) -> None:
    over_time = held(NEIGHBOURS[name](TOTAL_BYTES, 3))
    assert max(over_time) > TOTAL_BYTES * 0.4
    assert min(over_time) < TOTAL_BYTES * 0.1


@pytest.mark.parametrize("name", ["step", "sine", "bursts", "leak"])
def test_what_is_wanted_can_be_asked_ahead_of_time(name: str) -> None:
    neighbour = NEIGHBOURS[name](TOTAL_BYTES, 4)
    ahead = [neighbour.wanted_bytes(now_s) for now_s in TIMES_S]
    assert ahead == held(neighbour)


def test_a_greedy_one_takes_what_is_free_and_leaves_a_little() -> None:
    clock = VirtualClock()
    device = SimulatedDevice(TOTAL_BYTES, Greedy("times", 300 * MIB), clock)
    frees = set()
    for _ in range(400):
        clock.sleep(0.25)
        frees.add(device.free_bytes)
    assert frees == {TOTAL_BYTES - CONTEXT_BYTES, 300 * MIB}


def test_a_greedy_one_takes_what_is_given_up_beside_it() -> None:
    clock = VirtualClock()
    device = SimulatedDevice(TOTAL_BYTES, Greedy("times", 300 * MIB), clock)
    assert device.take(2 * GIB)
    while device.free_bytes > GIB:
        clock.sleep(0.1)
    before = device.neighbour_bytes
    device.give(2 * GIB)
    assert device.free_bytes == 2 * GIB + 300 * MIB
    clock.sleep(4.1)
    assert device.neighbour_bytes in (before + 2 * GIB, 0)


def test_nobody_gets_more_than_there_is() -> None:
    device = SimulatedDevice(TOTAL_BYTES, Settable(100 * GIB), VirtualClock())
    assert device.free_bytes == 0
    assert not device.take(1)
    assert device.neighbour_bytes == TOTAL_BYTES - CONTEXT_BYTES
