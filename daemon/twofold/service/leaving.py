"""A worker that leaves before it is told to: why, and how it says so as it goes."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import structlog

from twofold.core.codes import Code
from twofold.core.errors import DeviceFault, Interrupted, LowMemory, Reason, TwofoldError

log = structlog.get_logger()

FAULT_STATUS = 70
"""What a worker ends with whose device failed (EX_SOFTWARE)."""


@dataclass(frozen=True, slots=True)
class LastWords:
    """Why a worker left, for its supervisor; `need_bytes` is what it lacks memory for, 0 where that is not why."""

    reason: Reason
    need_bytes: int = 0

    def to_bytes(self) -> bytes:
        """One JSON object on a line."""
        return json.dumps({"reason": self.reason.to_json(), "need_bytes": self.need_bytes}).encode() + b"\n"

    @classmethod
    def from_bytes(cls, line: bytes) -> LastWords | None:
        """None where the line is none, or not a whole one: its writer was killed."""
        try:
            data = json.loads(line)
            return cls(Reason.from_json(data["reason"]), data["need_bytes"])
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(slots=True)
class Leaving:
    """One worker's way out. `say` writes to its lifeline; `fits_ever` tells whether the empty device had the room."""

    stop: threading.Event
    say: Callable[[bytes], None]
    fits_ever: Callable[[int], bool]
    words: LastWords | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def for_memory(self, error: LowMemory) -> NoReturn:
        """Stop as if told to: every job is kept as far as it is, and the process's end frees the device.

        Raises Interrupted; TwofoldError(NEVER_FITS) where waiting would not help.
        """
        if not self.fits_ever(error.need_bytes):
            raise TwofoldError(Code.NEVER_FITS, error.reason.text) from error
        with self._lock:
            if self.words is None or self.words.need_bytes < error.need_bytes:
                self.words = LastWords(error.reason, error.need_bytes)
        self.stop.set()
        raise Interrupted from error

    def at_once(self, fault: DeviceFault) -> NoReturn:
        """End the process: it cannot use the device any more, and threads inside the driver cannot be joined."""
        log.error("worker.faulted", **fault.reason.to_json(), exc_info=fault.__cause__)
        self.say(LastWords(fault.reason).to_bytes())
        os._exit(FAULT_STATUS)

    def farewell(self) -> None:
        """Say why, at the end of a worker that was not told to stop."""
        if self.words is not None:
            self.say(self.words.to_bytes())
