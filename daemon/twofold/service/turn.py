"""Whose turn it is on a device, and how long the device waited for somebody to take it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class DeviceTurn:
    """One picture runs on a device at a time. While pictures are in hand and none runs, the device is starved.

    `clock` gives monotonic seconds. `on_idle` is called when the last picture was put down.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, on_idle: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._on_idle = on_idle
        self._turn = threading.Lock()
        self._figures = threading.Lock()  # of the two below
        self._in_hand = 0
        self._starved_since_s: float | None = None

    def take_up(self) -> None:
        """A picture is in hand from now on: what is done before its turn comes keeps the device waiting."""
        with self._figures:
            if self._in_hand == 0:
                self._starved_since_s = self._clock()
            self._in_hand += 1

    def put_down(self) -> None:
        """A picture is in hand no more. A device with nothing in hand is idle, not starved."""
        with self._figures:
            self._in_hand -= 1
            idle = self._in_hand == 0
            if idle:
                self._starved_since_s = None
        if idle and self._turn.acquire(blocking=False):  # else another picture came, and runs already
            try:
                self._on_idle()
            finally:
                self._turn.release()

    @contextmanager
    def held(self) -> Iterator[float]:
        """Have the device, after those who came before; gives the seconds that it was starved until now."""
        with self._turn:
            with self._figures:
                since_s, self._starved_since_s = self._starved_since_s, None
                starved_s = 0.0 if since_s is None else self._clock() - since_s
            try:
                yield starved_s
            finally:
                with self._figures:
                    self._starved_since_s = self._clock() if self._in_hand else None
