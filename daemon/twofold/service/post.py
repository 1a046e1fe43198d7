"""One device, its worker if it has one, and why it has none if it ought to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import IO

from twofold.core.errors import Reason
from twofold.core.holding import MAX_LONE_FAULTS, Outage, Shortage, Yielded
from twofold.core.memory import MemoryReading
from twofold.core.settings import YieldAction
from twofold.device.inventory import Device
from twofold.device.lock import DeviceLock
from twofold.service.conduct import LETTERS, Manner
from twofold.service.leaving import LastWords
from twofold.service.lifeline import Lifeline
from twofold.service.order import WorkerOrder
from twofold.service.pulse import Pulse
from twofold.service.yielding import Lookout

CPU_MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""glibc keeps a network's large layers from one tile to the next, instead of mapping and zeroing them each time."""

MANNERS: dict[YieldAction, Manner] = {"leave": "usual", "pause": "still", "shrink": "smallest"}


@dataclass(slots=True)
class Post:
    """Its worker's process, and what the crew knows of the device.

    `since` is in epoch seconds; `started_s`, `leave_by_s` (it was told to go, and is killed then), `look_due_s` and
    `not_before_s` are on the monotonic clock. `excused`: its end is our doing, and blames nobody.
    `taken`: another service has the device.
    """

    device: Device
    lock: DeviceLock | None = None
    lookout: Lookout | None = None
    process: subprocess.Popen[bytes] | None = None
    lifeline: Lifeline | None = None
    pulse: Pulse | None = None
    frozen: bool = False
    alone: bool = False
    excused: bool = False
    manner: Manner = "usual"
    since: float = 0.0
    started_s: float = 0.0
    leave_by_s: float | None = None
    deaths_in_a_row: int = 0
    not_before_s: float = 0.0
    look_due_s: float = 0.0
    starts: int = 0
    deaths: int = 0
    reading: MemoryReading | None = None
    taken: Outage | None = None
    shortage: Shortage | None = None
    last_shortage: Shortage | None = None
    yielded: Yielded | None = None
    outage: Outage | None = None
    faults_s: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_LONE_FAULTS))

    @property
    def worker_id(self) -> str:
        return f"local/{self.device.id}"

    @property
    def name(self) -> str:
        """How the watchdog calls the worker."""
        return f"worker {self.device.id}"

    @property
    def held(self) -> Outage | Yielded | Shortage | None:
        """Why no batch may run here now. A worker that is to be small runs."""
        small = self.lookout is not None and self.lookout.action == "shrink"
        return self.outage or (None if small else self.yielded) or self.shortage

    @property
    def waiting(self) -> tuple[Reason, float] | None:
        """What is told of it, and since when."""
        held = self.held or self.taken
        return None if held is None else (held.reason, held.since)

    def start(self, order: WorkerOrder, command: tuple[str, ...], *, forward: bool) -> int:
        """Start a worker; its process id. `forward` copies its log to our stderr."""
        lifeline = Lifeline()
        process = subprocess.Popen(
            [*command, str(lifeline.theirs)],
            stdin=subprocess.PIPE,
            pass_fds=(lifeline.theirs, *(self.lock.fds if self.lock is not None else ())),
            stderr=subprocess.PIPE if forward else None,
            env=_environment(self.device),
        )
        lifeline.started()
        self.process, self.lifeline, self.alone = process, lifeline, order.alone
        self.since, self.started_s = time.time(), time.monotonic()
        self.starts += 1
        self._write(order.to_json().encode() + b"\n")
        if self.manner != "usual":
            self._write(LETTERS[self.manner])
        if process.stderr is not None:
            threading.Thread(target=_pass_on, args=(process.stderr,), daemon=True).start()
        return process.pid

    def ask(self, manner: Manner) -> None:
        """Have the worker go about it so from its next batch on, and any that comes after it."""
        if manner != self.manner:
            self.manner = manner
            self._write(LETTERS[manner])

    def send_away(self, leave_by_s: float) -> None:
        """Ask the worker for a checkpoint and its end; it is nobody's fault that it goes."""
        if self.process is not None and self.leave_by_s is None:
            self.excused, self.leave_by_s = True, leave_by_s
            self.process.terminate()

    def clear(self) -> LastWords | None:
        """The worker is gone: close what was its; what it said as it went."""
        process, lifeline = self.process, self.lifeline
        assert process is not None  # noqa: S101
        assert lifeline is not None  # noqa: S101
        self.process, self.lifeline, self.pulse, self.leave_by_s = None, None, None, None
        self.alone = self.frozen = self.excused = False
        words = LastWords.from_bytes(lifeline.last_words())
        lifeline.close()
        if process.stdin is not None:
            process.stdin.close()
        return words

    def _write(self, letters: bytes) -> None:
        """On the worker's input, which stays open: its end tells the worker that we are gone."""
        if self.process is None or self.process.stdin is None:
            return
        try:
            self.process.stdin.write(letters)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died already: the next look reaps it


def wait_for(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """At most so long; the caller looks again."""
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        pass


def status_text(returncode: int) -> str:
    """A signal's name, or the exit status."""
    return signal.Signals(-returncode).name if returncode < 0 else f"exit {returncode}"


def _environment(device: Device) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
    if device.kind == "cpu":
        return CPU_MALLOC | environment
    # The worker sees this one GPU: NVML's order and CUDA's may differ, UUIDs do not.
    return environment | {"CUDA_VISIBLE_DEVICES": device.visible}


def _pass_on(stream: IO[bytes]) -> None:
    """Copy a worker's log lines to our own stderr, which progress bars may have wrapped."""
    for line in stream:
        sys.stderr.write(line.decode("utf-8", "backslashreplace"))
