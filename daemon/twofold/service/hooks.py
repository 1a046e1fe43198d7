"""Running one program of the owner: JSON in, a bounded time, a bounded answer, and nothing of it left behind."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from twofold.core.hooks import environment

POLL_S = 0.1
GRACE_S = 2.0
"""Between SIGTERM and SIGKILL; less than the service itself has to stop."""

MAX_OUTPUT_BYTES = 8 * 1024
BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class HookResult:
    """How a hook ended: its exit status (negative: the signal; None: it did not start), and what it wrote (bounded).

    `trouble` says what went wrong, and is empty where nothing did.
    """

    status: int | None
    seconds: float
    output: str
    trouble: str


def run_hook(
    name: str, argv: tuple[str, ...], payload: Mapping[str, Any], *, timeout_s: float, stop: threading.Event
) -> HookResult | None:
    """Run a hook to its end, or to the end of its time: then it is killed with its children. None: `stop` was set.

    It runs in `/`, in a session of its own. It gets `payload` as JSON on standard input.
    """
    started_s = time.monotonic()
    try:
        with _in_memory(json.dumps(payload).encode() + b"\n") as told:
            process = subprocess.Popen(
                argv,
                stdin=told,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment(os.environ, name),
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        return HookResult(None, time.monotonic() - started_s, "", f"it could not be started: {error}")
    with process:
        output = _Output(process)
        ended = _wait(process, output, started_s + timeout_s, stop)
        if not ended:
            _kill(process, output)
        output.take(0)
        status = process.wait()
        seconds = time.monotonic() - started_s
        if not ended and stop.is_set():
            return None
    return HookResult(status, round(seconds, 3), output.text, _trouble(status, ended, timeout_s))


class _Output:
    """What a running hook writes: the first MAX_OUTPUT_BYTES are kept, the rest is read so that it never waits."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101
        self._fd = process.stdout.fileno()
        os.set_blocking(self._fd, False)
        self._kept = b""
        self._open = True

    def take(self, timeout_s: float) -> None:
        """Read what is there within `timeout_s`."""
        if not self._open:
            time.sleep(timeout_s)
            return
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return
        try:
            block = os.read(self._fd, BLOCK_BYTES)
        except BlockingIOError:
            return
        self._open = bool(block)
        self._kept += block[: MAX_OUTPUT_BYTES - len(self._kept)]

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace").strip()


def _wait(process: subprocess.Popen[bytes], output: _Output, until_s: float, stop: threading.Event) -> bool:
    """True where the hook ended by itself; what it left behind may hold the pipe open, and is not waited for."""
    while not _has_ended(process):
        if time.monotonic() >= until_s or stop.is_set():
            return False
        output.take(POLL_S)
    return True


def _kill(process: subprocess.Popen[bytes], output: _Output) -> None:
    """End the whole group. It is not reaped before, so that its number cannot mean another by then."""
    os.killpg(process.pid, signal.SIGTERM)
    until_s = time.monotonic() + GRACE_S
    while not _has_ended(process) and time.monotonic() < until_s:
        output.take(POLL_S)
    os.killpg(process.pid, signal.SIGKILL)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Without reaping it."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _trouble(status: int, ended: bool, timeout_s: float) -> str:
    if not ended:
        return f"it took longer than {timeout_s:g} s, and was ended"
    if status < 0:
        return f"it was ended by signal {-status}"
    return f"it ended with status {status}" if status else ""


def _in_memory(content: bytes) -> IO[bytes]:
    """A file that is no pipe: a hook that reads nothing, or ends early, holds up nobody."""
    file = os.fdopen(os.memfd_create("twofold-hook", os.MFD_CLOEXEC), "w+b")
    file.write(content)
    file.flush()
    file.seek(0)
    return file
