"""Commands on a terminal of their own: a pseudo-terminal with a size, keys and signals."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.process import environment

COLUMNS, ROWS = 100, 30
END_TIMEOUT_S = 30
POLL_S = 0.1


class Terminal:
    """One running command, and all that it wrote so far."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int, settings: list[Any]) -> None:
        self.process = process
        self.written = ""
        self._fd = fd
        self._settings = settings

    def wait_for(self, text: str, *, times: int = 1) -> None:
        deadline_s = time.monotonic() + END_TIMEOUT_S
        while self.written.count(text) < times:
            assert time.monotonic() < deadline_s, f"never wrote {text!r}\n{self.written}"
            if not self._read() and self.process.poll() is not None:
                raise AssertionError(f"ended without {text!r}\n{self.written}")

    def press(self, key: str) -> None:
        os.write(self._fd, key.encode())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """The exit status; the command has to end by itself, and leave the terminal as it was."""
        deadline_s = time.monotonic() + END_TIMEOUT_S
        while self.process.poll() is None:
            self._read()
            assert time.monotonic() < deadline_s, f"still running\n{self.written}"
        while self._read():
            pass
        assert termios.tcgetattr(self._fd) == self._settings
        return self.process.returncode

    def _read(self) -> bool:
        if not select.select([self._fd], [], [], POLL_S)[0]:
            return False
        try:
            self.written += os.read(self._fd, 65536).decode("utf-8", "replace")
        except OSError:  # nobody has the other side any more
            return False
        return True


@contextmanager
def on_terminal(*arguments: str, cwd: Path) -> Iterator[Terminal]:
    """Run `twofold` with all its streams on a new terminal; killed at the end, should it still run."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    settings = termios.tcgetattr(ours)
    home = {key: value for key, value in environment(cwd).items() if key != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "twofold", *arguments],
        cwd=cwd,
        env=home | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        yield Terminal(process, ours, settings)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
