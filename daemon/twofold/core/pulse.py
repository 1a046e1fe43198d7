"""Who has made progress in time: what the service manager's watchdog is fed by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DEFAULT_INTERVAL_S = 180.0
"""The watchdog interval assumed where no service manager keeps one; the unit's WatchdogSec is the same."""

LONGEST_WORKER_BUDGET_S = 60.0
LONGEST_GRACE_S = 30.0
LOOK_SHARE = 1 / 12
"""The share of the interval within which the pulses are looked at again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One part of the service at one moment; times are monotonic seconds.

    `away_s` is since when the part is where no budget can be named (a share that may hang), or None.
    """

    name: str
    budget_s: float
    beaten_s: float
    away_s: float | None = None


def late(parts: Iterable[Standing], now_s: float, *, grace_s: float = 0.0) -> tuple[str, ...]:
    """The names of those that have made no progress for longer than their budget and `grace_s`; who is away is not."""
    return tuple(part.name for part in parts if part.away_s is None and now_s - part.beaten_s > part.budget_s + grace_s)


def absent(parts: Iterable[Standing], now_s: float, *, over_s: float) -> dict[str, float]:
    """Those that have been away for longer than `over_s`, and for how many seconds."""
    return {
        part.name: now_s - part.away_s for part in parts if part.away_s is not None and now_s - part.away_s > over_s
    }


@dataclass(frozen=True, slots=True)
class Pace:
    """What follows from the watchdog's interval, in seconds.

    A silent worker is late after `worker_budget_s`: the watchdog is not fed any more. It is killed `grace_s` later. In
    the worst case the last feeding was just before it became late, or half an interval earlier; then the manager's
    patience ends `interval_s / 2` after the budget, and the kill comes well before.
    """

    interval_s: float = DEFAULT_INTERVAL_S

    @property
    def feed_every_s(self) -> float:
        return self.interval_s / 2

    @property
    def worker_budget_s(self) -> float:
        return min(LONGEST_WORKER_BUDGET_S, self.interval_s / 3)

    @property
    def grace_s(self) -> float:
        return min(LONGEST_GRACE_S, self.interval_s / 6)

    @property
    def look_every_s(self) -> float:
        return self.interval_s * LOOK_SHARE
