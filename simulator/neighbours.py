"""Other processes on the device: how much memory they hold, as functions of virtual time.

All sizes and times are drawn from a seed: the same seed gives the same neighbour.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

MIB = 1 << 20


class Neighbour(Protocol):
    """Another user of the device."""

    def held_bytes(self, now_s: float, room_bytes: int) -> int:
        """What it holds now, where all but `room_bytes` of the device is somebody else's. Time never goes back."""

    def wanted_bytes(self, now_s: float) -> int | None:
        """What it wants at any time, past or to come; None where that hangs on what others leave it."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Wants so many bytes at each time, and gets of them what there is room for."""

    wants: Callable[[float], float]

    def held_bytes(self, now_s: float, room_bytes: int) -> int:
        return min(self.wanted_bytes(now_s), room_bytes)

    def wanted_bytes(self, now_s: float) -> int:
        return int(self.wants(now_s))


@dataclass(slots=True)
class Greedy:
    """Sizes itself from free memory, again and again: all but `leaves_bytes`; lets go in the end, and comes back."""

    seed: str
    leaves_bytes: int
    _held_bytes: int = 0
    _next_s: float = 0.0
    _until_s: float = 0.0
    _draws: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._draws = random.Random(self.seed)
        self._next_s = self._draws.uniform(0, 10)
        self._until_s = self._next_s + self._draws.uniform(5, 20)

    def held_bytes(self, now_s: float, room_bytes: int) -> int:
        while now_s >= self._next_s:
            if self._next_s < self._until_s:
                self._held_bytes = max(self._held_bytes, room_bytes - self.leaves_bytes, 0)
                self._next_s = min(self._next_s + self._draws.uniform(1, 4), self._until_s)
            else:
                self._held_bytes = 0
                self._next_s += self._draws.uniform(2, 10)
                self._until_s = self._next_s + self._draws.uniform(5, 20)
        return self._held_bytes

    def wanted_bytes(self, now_s: float) -> None:
        return None


@dataclass(slots=True)
class Settable:
    """Holds what a test says."""

    bytes: int = 0

    def held_bytes(self, now_s: float, room_bytes: int) -> int:
        return min(self.bytes, room_bytes)

    def wanted_bytes(self, now_s: float) -> int:
        return self.bytes


def none(total_bytes: int, seed: int) -> Neighbour:
    """Nobody else."""
    return Timeline(lambda now_s: 0)


def step(total_bytes: int, seed: int) -> Neighbour:
    """45 to 65 % of the device, for 20 to 60 s, again and again, with as long pauses between."""
    draws = random.Random(f"step/{seed}")
    share, taken_s, away_s = draws.uniform(0.45, 0.65), draws.uniform(20, 60), draws.uniform(20, 60)
    first_s = draws.uniform(5, 20)

    def wants(now_s: float) -> float:
        inside = now_s >= first_s and (now_s - first_s) % (taken_s + away_s) < taken_s
        return share * total_bytes if inside else 0.0

    return Timeline(wants)


def sine(total_bytes: int, seed: int) -> Neighbour:
    """Swings between nothing and 60 to 75 % of the device, with a period of 20 to 80 s."""
    draws = random.Random(f"sine/{seed}")
    most, period_s, phase = draws.uniform(0.60, 0.75), draws.uniform(20, 80), draws.uniform(0, 2 * math.pi)
    return Timeline(lambda now_s: total_bytes * most * (0.5 - 0.5 * math.cos(2 * math.pi * now_s / period_s + phase)))


def bursts(total_bytes: int, seed: int) -> Neighbour:
    """0.3 to 1 s long, of 10 to 60 % of the device each, one every 2 to 6 s or so."""
    draws = random.Random(f"bursts/{seed}")
    slot_s = draws.uniform(2, 6)

    def wants(now_s: float) -> float:
        slot = int(now_s // slot_s)
        own = random.Random(f"bursts/{seed}/{slot}")
        lasts_s = own.uniform(0.3, 1.0)
        begins_s = slot * slot_s + own.uniform(0, slot_s - lasts_s)
        return own.uniform(0.1, 0.6) * total_bytes if begins_s <= now_s < begins_s + lasts_s else 0.0

    return Timeline(wants)


def leak(total_bytes: int, seed: int) -> Neighbour:
    """Grows from 5 to 75 % of the device within 60 to 180 s, crashes, and begins again."""
    draws = random.Random(f"leak/{seed}")
    lasts_s, phase_s = draws.uniform(60, 180), draws.uniform(0, 60)
    return Timeline(lambda now_s: total_bytes * (0.05 + 0.70 * ((now_s + phase_s) % lasts_s) / lasts_s))


def greedy(total_bytes: int, seed: int) -> Neighbour:
    """Takes what is free but for 200 to 800 MiB."""
    leaves_bytes = int(random.Random(f"greedy/{seed}").uniform(200, 800) * MIB)
    return Greedy(f"greedy/{seed}/times", leaves_bytes)


NEIGHBOURS: dict[str, Callable[[int, int], Neighbour]] = {
    "none": none,
    "step": step,
    "sine": sine,
    "bursts": bursts,
    "leak": leak,
    "greedy": greedy,
}
"""By name: the device's total bytes and a seed make a neighbour."""
