"""Pixels done per second, of each job in hand and of all together, from looks at how far they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from twofold.core.rate import Rate


class Speedometer:
    """Pixels are those of core.headway: input pixels of passes."""

    def __init__(self) -> None:
        self._px: dict[str, float] = {}  # of jobs in hand, as of the last look
        self._rates: dict[str, Rate] = {}
        self._total_px = 0.0
        self._rate = Rate()

    def look(
        self, now_s: float, active: Mapping[str, float], ended: Mapping[str, float], resumed: Collection[str] = ()
    ) -> None:
        """Take in the pixels done by each job in hand, and the whole work of each that ended since the last look.

        What `resumed` jobs had done when they are first seen was done before, and is no speed of now.
        """
        for job_id, px in ended.items():
            self._total_px += max(0.0, px - self._px.get(job_id, 0.0))
        active = {job_id: px for job_id, px in active.items() if job_id not in ended}
        for job_id, px in active.items():
            before_px = self._px.get(job_id, px if job_id in resumed else 0.0)
            self._total_px += max(0.0, px - before_px)
            self._rates[job_id] = self._rates.get(job_id, Rate()).after(now_s, px)
        self._px = active
        self._rates = {job_id: self._rates[job_id] for job_id in active}
        self._rate = self._rate.after(now_s, self._total_px)

    def of(self, job_id: str) -> float | None:
        """None while it was seen for too short a time, or where it has not moved."""
        return self._rates.get(job_id, Rate()).per_s or None

    def total(self) -> float | None:
        return self._rate.per_s or None
