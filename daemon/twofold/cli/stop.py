"""Ctrl-C and SIGTERM: stop cleanly at the first, leave at once at the second Ctrl-C. SIGHUP, where it is wanted."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType

from twofold.cli.exits import ExitCode
from twofold.service.bell import Bell

STDERR = 2
STOPPING = b"\nStopping: what is done stays done, the rest goes on next time. Ctrl-C again leaves at once.\n"


class StopSignals:
    """Sets `event` at the first signal; as a context manager it puts the old handlers back.

    With `reload`, SIGHUP sets `hangup` instead of ending the process.
    """

    def __init__(self, *, reload: bool = False) -> None:
        self.event = threading.Event()
        self.hangup = threading.Event()
        self._bells = {event: Bell(event) for event in (self.event, self.hangup)}
        self._reload = reload
        self._terminal = os.isatty(STDERR)
        self.interrupted = False
        self._before: dict[int, object] = {}

    def exit_code(self, otherwise: int) -> int:
        """130 after Ctrl-C, else `otherwise`: SIGTERM is an orderly end."""
        return ExitCode.INTERRUPTED if self.interrupted else otherwise

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        if self._reload:
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hang_up)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None):  # type: ignore[no-untyped-def]
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        for bell in self._bells.values():
            bell.close()

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        # A terminal that was closed is none any more, and wants no reload: there the process ends, as it always did.
        closed = self._terminal and not os.isatty(STDERR)
        self._bells[self.event if closed else self.hangup].ring()

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            # Not print: a handler that interrupts a write to the same stream must not enter it again.
            os.write(STDERR, STOPPING)
        self._bells[self.event].ring()


def leave_behind(status: int) -> None:
    """End the process at once where a thread hangs (on a dead share, say): Python would wait for it for ever."""
    if any(thread.is_alive() for thread in threading.enumerate() if thread is not threading.main_thread()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
