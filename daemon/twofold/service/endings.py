"""The jobs that ended, each told once to whoever asks again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

from twofold.core.job import Job
from twofold.jobs.ledger import Ledger

OVERLAP_S = 60.0
"""So far is looked back each time: a worker stamps an end before it commits it, and clocks are set back at times."""


class Endings:
    """Reads the ledger for what ended since this was made; `clock` gives seconds since the epoch."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._clock = clock
        self._latest = clock()
        self._told: set[tuple[str, float | None]] = set()
        self.fresh()  # what had ended before is nobody's news

    def fresh(self) -> list[Job]:
        """The jobs that ended since the last call, earliest first; one that ended again is told again."""
        found = self._ledger.ended_since(min(self._latest, self._clock()) - OVERLAP_S)
        fresh = [job for job in found if (job.id, job.finished) not in self._told]
        self._told = {(job.id, job.finished) for job in found}
        if found:
            self._latest = max(self._latest, found[-1].finished or 0.0)
        return fresh
