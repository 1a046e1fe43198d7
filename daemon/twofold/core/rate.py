"""How fast something grows: a moving average over the last minute, from totals read now and then."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_S = 60.0
"""Longer than a band of tiles takes on a slow processor, so that its steps do not show."""

STEP_S = 0.5
"""Readings closer than this replace each other, which bounds how many are kept."""

SHORTEST_S = 1.0
"""Less than this says nothing about speed."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Readings (monotonic seconds, total so far), oldest first; totals never shrink."""

    readings: tuple[tuple[float, float], ...] = ()

    def after(self, now_s: float, total: float) -> Rate:
        """With one more reading; what lies before the window is forgotten, but for the last reading there."""
        kept = self.readings
        if len(kept) > 1 and kept[-1][0] - kept[-2][0] < STEP_S:
            kept = kept[:-1]
        while len(kept) > 1 and kept[1][0] <= now_s - WINDOW_S:
            kept = kept[1:]
        return Rate((*kept, (now_s, total)))

    @property
    def per_s(self) -> float | None:
        """Growth per second over the readings; None while they span too little."""
        if not self.readings:
            return None
        (first_s, first), (last_s, last) = self.readings[0], self.readings[-1]
        return (last - first) / (last_s - first_s) if last_s - first_s >= SHORTEST_S else None
