"""How much memory the pictures in work may take together."""

from __future__ import annotations

import threading
from collections.abc import Callable

WAIT_S = 0.5


class RamGate:
    """Admits pictures by their estimated bytes; one larger than the whole budget passes alone."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._held: dict[str, int] = {}
        self._changed = threading.Condition()

    def enter(self, job_id: str, wanted_bytes: int, check: Callable[[], None]) -> None:
        """Wait for room; a job that is inside stays inside. `check` is called while waiting and may raise."""
        with self._changed:
            while job_id not in self._held:
                if not self._held or sum(self._held.values()) + wanted_bytes <= self._budget_bytes:
                    self._held[job_id] = wanted_bytes
                    return
                self._changed.wait(WAIT_S)
                check()

    def leave(self, job_id: str) -> None:
        with self._changed:
            if self._held.pop(job_id, None) is not None:
                self._changed.notify_all()
