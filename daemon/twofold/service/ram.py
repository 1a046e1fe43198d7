"""Main memory, shared by the pictures in work and, on the processor, by their tiles."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from twofold.core.estimate import Estimate, Rasters
from twofold.core.memory import AllocatorFigures, MemoryPolicy, MemoryReading
from twofold.core.protocols import Allocator, MemoryProbe
from twofold.core.ram import Claims, admit, beside

log = structlog.get_logger()

WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Inside:
    """A picture in hand: where its rasters live, what it was promised, and how much its rasters take now (bytes)."""

    rasters: Rasters
    promised_bytes: int
    taken_bytes: Callable[[], int]


class RamGate:
    """Admits pictures by what they will take, and tells what is left beside them (see core.ram)."""

    def __init__(self, probe: MemoryProbe, policy: MemoryPolicy, heap: Allocator | None = None) -> None:
        """`heap` is this process's own, where the tiles are in it too."""
        self._probe = probe
        self._heap = heap
        self._policy = policy
        self._inside: dict[str, Inside] = {}
        self._changed = threading.Condition()

    def enter(
        self, job_id: str, held: Estimate, spilled: Estimate, taken_bytes: Callable[[], int], check: Callable[[], None]
    ) -> Rasters:
        """Wait for room; returns where the rasters shall live. A job that is inside stays as it is.

        `held` and `spilled` are its figures with rasters in memory and on scratch. `check` is called while waiting and
        may raise. Raises TwofoldError(NEEDS_MEMORY, LOW_MEMORY).
        """
        waited = False
        with self._changed:
            while job_id not in self._inside:
                answer = admit(held, spilled, self._read(), self._policy, self._claims())
                if answer != "wait":
                    promised_bytes = (held if answer == "memory" else spilled).picture_bytes
                    self._inside[job_id] = Inside(answer, promised_bytes, taken_bytes)
                    break
                if not waited:
                    log.info("picture.waiting", job=job_id, ram_bytes=held.ram_bytes, beside=sorted(self._inside))
                    waited = True
                self._changed.wait(WAIT_S)
                check()
            return self._inside[job_id].rasters

    def leave(self, job_id: str) -> None:
        with self._changed:
            if self._inside.pop(job_id, None) is not None:
                self._changed.notify_all()

    def claims(self) -> Claims:
        """What the pictures in hand were promised, and have taken."""
        with self._changed:
            return self._claims()

    def _read(self) -> MemoryReading:
        reading, figures = self._probe.read(), AllocatorFigures() if self._heap is None else self._heap.figures()
        return replace(reading, reserved_bytes=figures.reserved_bytes, allocated_bytes=figures.allocated_bytes)

    def _claims(self) -> Claims:
        inside = self._inside.values()
        taken = (min(one.taken_bytes(), one.promised_bytes) for one in inside)
        return Claims(sum(one.promised_bytes for one in inside), sum(taken))


@dataclass(frozen=True, slots=True)
class Leftover:
    """The processor's memory as its governor sees it (core.protocols: MemoryProbe and Allocator).

    What pictures in hand were promised is gone, whether their rasters have taken it yet or not.
    """

    probe: MemoryProbe
    heap: Allocator
    claims: Callable[[], Claims]

    def read(self) -> MemoryReading:
        return replace(beside(self.probe.read(), self.claims()), reserved_bytes=0, allocated_bytes=0)

    def figures(self) -> AllocatorFigures:
        figures, promised_bytes = self.heap.figures(), self.claims().promised_bytes
        return replace(
            figures,
            reserved_bytes=figures.reserved_bytes + promised_bytes,
            allocated_bytes=figures.allocated_bytes + promised_bytes,
        )

    def limit(self, reserved_bytes: int) -> None:
        self.heap.limit(reserved_bytes)

    def release(self) -> None:
        self.heap.release()

    def claim(self, unused_bytes: int) -> bool:
        return self.heap.claim(unused_bytes)
