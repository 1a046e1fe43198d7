"""Ctrl-C and SIGTERM: stop cleanly at the first, leave at once at the second Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType

from twofold.cli.exits import ExitCode

STOPPING = b"\nStopping: what is done stays done, the rest goes on next time. Ctrl-C again leaves at once.\n"


class StopSignals:
    """Sets `event` at the first signal; as a context manager it puts the old handlers back."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.interrupted = False
        self._before: dict[int, object] = {}

    def exit_code(self, otherwise: int) -> int:
        """130 after Ctrl-C, else `otherwise`: SIGTERM is an orderly end."""
        return ExitCode.INTERRUPTED if self.interrupted else otherwise

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None):  # type: ignore[no-untyped-def]
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            # Not print: a handler that interrupts a write to the same stream must not enter it again.
            os.write(2, STOPPING)
        self.event.set()
