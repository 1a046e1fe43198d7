"""Time: such that passes only when it is told to, and the real one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Called, it gives seconds that never go back."""

    def __call__(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class VirtualClock:
    """Seconds since the simulation began; called, it is the monotonic clock that the daemon's code asks for."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += max(0.0, seconds)


class RealClock:
    """The monotonic clock, for simulated work that takes real time."""

    def __call__(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))
