"""Proof of progress: parts beat a pulse of their own, and the watchdog is fed while none of them is late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from twofold.core.pulse import Pace, Standing, absent, late

log = structlog.get_logger()

THREAD_BUDGET_S = 60.0
"""What a thread may take from one beat to the next where it waits for nobody but the ledger and itself."""

ABSENT_AFTER_S = 60.0
"""An answer of a file system that takes longer is worth a line."""


class Pulse:
    """The progress of one part. One thread beats; others may look. Assignments of single values need no lock."""

    def __init__(self, name: str, budget_s: float, clock: Callable[[], float]) -> None:
        self._name = name
        self._budget_s = budget_s
        self._clock = clock
        self._beaten_s = clock()
        self._away_s: float | None = None

    def beat(self, *, budget_s: float | None = None) -> None:
        """Progress was made; `budget_s` is the time until the next beat from here on, where it changes."""
        if budget_s is not None:
            self._budget_s = budget_s
        self._beaten_s = self._clock()

    @contextmanager
    def away(self) -> Iterator[None]:
        """In here no budget holds: the time is another's, say that of a share that may hang in the kernel."""
        self.rest()
        try:
            yield
        finally:
            self._resume()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Only in here the budget holds: for a part that rests between its works."""
        self._resume()
        try:
            yield
        finally:
            self.rest()

    def rest(self) -> None:
        """From here on no budget holds."""
        self._away_s = self._clock()

    def _resume(self) -> None:
        self.beat()  # first, so that nobody sees an old beat of a part that is not away any more
        self._away_s = None

    def standing(self) -> Standing:
        away_s = self._away_s
        return Standing(self._name, self._budget_s, self._beaten_s, away_s)

    def forgive(self, slept_s: float) -> None:
        """Count time in which nobody could make progress as if it had not been."""
        self._beaten_s += slept_s


class Watchdog:
    """Knows the pulse of every part, and feeds whoever waits for us only while none is late.

    The supervisor feeds the service manager; a worker feeds the supervisor. `tend` belongs to one thread, the rest to
    any.
    """

    def __init__(
        self, feed: Callable[[], None], pace: Pace, *, every_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`feed` is called every `every_s` at most."""
        self._feed = feed
        self._pace = pace
        self._every_s = every_s
        self._clock = clock
        self._pulses: dict[str, Pulse] = {}
        self._lock = threading.Lock()
        self._looked_s = clock()
        self._fed_s: float | None = None
        self._late: tuple[str, ...] = ()

    def register(self, name: str, budget_s: float = THREAD_BUDGET_S) -> Pulse:
        """A pulse for a new part, to be beaten at least every `budget_s`; a part of the same name is replaced."""
        pulse = Pulse(name, budget_s, self._clock)
        with self._lock:
            self._pulses[name] = pulse
        return pulse

    def forget(self, name: str) -> None:
        """The part has ended, and need not beat any more."""
        with self._lock:
            self._pulses.pop(name, None)

    def forget_all(self) -> None:
        """The parts have been asked to end: from here on, whoever tends is the only proof."""
        with self._lock:
            self._pulses.clear()

    def late(self, *, grace_s: float = 0.0) -> tuple[str, ...]:
        """The names of the parts that are over their budget by more than `grace_s`."""
        return late(self._standings(), self._clock(), grace_s=grace_s)

    def absent(self) -> dict[str, float]:
        """The parts whose file system has not answered for long, and for how many seconds."""
        return absent(self._standings(), self._clock(), over_s=ABSENT_AFTER_S)

    def tend(self) -> None:
        """Look at every pulse, tell what changed, and feed when it is time and nobody is late."""
        now_s = self._clock()
        slept_s = now_s - self._looked_s - self._pace.interval_s / 4
        self._looked_s = now_s
        if slept_s > 0:
            # We were halted ourselves (a frozen machine, a busy disk): the others had no chance to beat either.
            with self._lock:
                for pulse in self._pulses.values():
                    pulse.forgive(slept_s)
        self._tell()
        if not self._late and (self._fed_s is None or now_s - self._fed_s >= self._every_s):
            self._fed_s = now_s
            self._feed()

    def _tell(self) -> None:
        before, self._late = self._late, self.late()
        if self._late and self._late != before:
            log.error("watchdog.withheld", parts=list(self._late))
        elif before and not self._late:
            log.info("watchdog.resumed", parts=list(before))

    def _standings(self) -> list[Standing]:
        with self._lock:
            return [pulse.standing() for pulse in self._pulses.values()]
