"""A pipe from a worker to the supervisor: one byte for each look at which everything in the worker made progress.

A worker that leaves by itself says why, in one line, as the last thing.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial

from twofold.core.pulse import Pace
from twofold.service.pulse import Watchdog

BEATS_PER_BUDGET = 8
CHUNK_BYTES = 4096
BEAT = b"."
WORDS = b"{"
"""What the line of a worker that leaves begins with: no beat does, and one write is never torn (pipe(7))."""


class Lifeline:
    """The supervisor's end of one worker's pipe. Close it when the worker is gone."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._words = b""

    def started(self) -> None:
        """The worker has inherited its end."""
        os.close(self.theirs)
        self.theirs = -1

    def felt(self) -> bool:
        """True where the worker has given a sign since the last call. Never blocks."""
        felt = False
        try:
            # A full pipe is sixteen of these; a worker cannot write faster than we read.
            while chunk := os.read(self._ours, CHUNK_BYTES):
                felt = True
                self._words += chunk if self._words else chunk[chunk.index(WORDS) :] if WORDS in chunk else b""
        except BlockingIOError:
            pass
        return felt

    def last_words(self) -> bytes:
        """The line that a worker wrote that is gone; empty where it said nothing."""
        self.felt()
        return self._words.partition(b"\n")[0]

    def close(self) -> None:
        os.close(self._ours)
        if self.theirs != -1:
            self.started()


def start_beating(fd: int, pace: Pace) -> Watchdog:
    """A worker's end: from now on a thread looks at the pulses of this process, and passes the word on.

    `fd` is the descriptor that was inherited. The thread lasts as long as the process.
    """
    os.set_inheritable(fd, False)  # no codec child may hold it open
    watchdog = Watchdog(partial(say, fd, BEAT), pace, every_s=0.0)
    every_s = pace.worker_budget_s / BEATS_PER_BUDGET

    def beat_on() -> None:
        while True:
            watchdog.tend()
            time.sleep(every_s)

    threading.Thread(target=beat_on, name="beating", daemon=True).start()
    return watchdog


def say(fd: int, words: bytes) -> None:
    """A worker's end: write a whole line (at most PIPE_BUF bytes), or nothing where nobody listens."""
    try:
        os.write(fd, words)
    except OSError:
        pass  # full: nobody has looked for a while; broken: the end of our input tells the same
