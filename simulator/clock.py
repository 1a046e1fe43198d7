"""Time that passes only when it is told to."""

from __future__ import annotations


class VirtualClock:
    """Seconds since the simulation began; called, it is the monotonic clock that the daemon's code asks for."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += max(0.0, seconds)
