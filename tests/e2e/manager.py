"""A service manager's end of the notification socket: every datagram, and when it came."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

MAX_DATAGRAM_BYTES = 4096
POLL_S = 0.05


class Datagram(NamedTuple):
    """One message; `time_s` is the wall clock's, as the log's lines have it."""

    time_s: float
    lines: tuple[str, ...]


class Manager:
    """Listens from a thread of its own, so that times are true."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(self.address)
        self._channel.settimeout(POLL_S)
        self._heard: list[Datagram] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Manager:
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None):  # type: ignore[no-untyped-def]
        self._over.set()
        self._thread.join()
        self._channel.close()

    def heard(self, start: str = "") -> list[Datagram]:
        """The datagrams with a line that starts so."""
        return [one for one in list(self._heard) if any(line.startswith(start) for line in one.lines)]

    def words(self) -> list[str]:
        """Every line but STATUS, WATCHDOG and times, in order: what the state of the unit follows."""
        quiet = ("STATUS=", "WATCHDOG=", "MONOTONIC_USEC=", "EXTEND_TIMEOUT_USEC=")
        return [line for one in list(self._heard) for line in one.lines if not line.startswith(quiet)]

    def status(self) -> str:
        """The line that `systemctl status` would show now."""
        lines = [line for one in self.heard("STATUS=") for line in one.lines if line.startswith("STATUS=")]
        return lines[-1].removeprefix("STATUS=") if lines else ""

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                text = self._channel.recv(MAX_DATAGRAM_BYTES).decode()
            except TimeoutError:
                continue
            self._heard.append(Datagram(time.time(), tuple(text.splitlines())))
