"""Advisory locks: one service per state directory, one worker per device."""

from __future__ import annotations

import fcntl
import os
import time

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError

PROBES = 5
PROBE_GAP_S = 0.05


class FileLock:
    """An flock held until `release` or the end of the process; the kernel frees it on kill -9."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd: int | None = None

    def take(self, *, wait: bool = False) -> None:
        """Take the lock, or raise TwofoldError(ALREADY_RUNNING) naming the holder's process id."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(fd, wait=wait)
        except BlockingIOError:
            holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise TwofoldError(Code.ALREADY_RUNNING, f"process {holder} holds {self._path}") from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _lock(fd: int, *, wait: bool) -> None:
    """Raises BlockingIOError where another process holds the lock, and not merely looks whether one does."""
    if wait:
        fcntl.flock(fd, fcntl.LOCK_EX)
        return
    for attempt in range(1, PROBES + 1):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == PROBES:
                raise
            time.sleep(PROBE_GAP_S)


def is_locked(path: str) -> bool:
    """True while a process holds the lock; it is not taken."""
    return _answer(path) is not None


def holder(path: str) -> int | None:
    """The process that holds the lock, None where none does (or it wrote no number); the lock is not taken."""
    number = _answer(path) or ""
    return int(number) if number.isdecimal() else None


def _answer(path: str) -> str | None:
    """What the holder of the lock wrote into its file; None where nobody holds it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(fd, 32).decode("ascii", "replace").strip()
    finally:
        os.close(fd)
    return None
