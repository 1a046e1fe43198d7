"""What systemd is told: READY, WATCHDOG, STATUS, RELOADING, STOPPING (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping

from twofold.core.pulse import Pace

SEND_TIMEOUT_S = 1.0
"""A manager that does not read must not hold the service up for longer; the next datagram says the same again."""

EXTENSION_S = 30.0
"""While the service stops, each look at its workers asks for so much time from then on."""

USEC = 1_000_000


class Heartbeat:
    """Sends datagrams to NOTIFY_SOCKET; silent where there is none.

    The protocol is one datagram of KEY=VALUE lines (sd_notify(3)); no library is needed for it.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        """`watchdog_s`: how often the manager wants to be told at the least that all is well; None: it does not."""
        # An address that starts with @ is in the abstract namespace: its first byte is NUL on the wire.
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._watched = watchdog_s is not None
        self.pace = Pace() if watchdog_s is None else Pace(watchdog_s)

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] | None = None) -> Heartbeat:
        """Take the manager's variables out of the environment, so that no child inherits them."""
        environ = os.environ if environ is None else environ
        address, pid, usec = (environ.pop(name, None) for name in ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"))
        ours = pid is None or pid == str(os.getpid())
        wanted = ours and usec is not None and usec.isdecimal() and int(usec) > 0
        return cls(address, int(usec) / USEC if wanted and usec is not None else None)

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def feed(self) -> None:
        """All is well: to be said only where that has just been found out."""
        if self._watched:
            self._send("WATCHDOG=1")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def reloading(self) -> None:
        """One datagram: without the time in it, a manager of Type=notify-reload would wait for another."""
        usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={usec}", "STATUS=reading the configuration again")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def extend(self, status: str) -> None:
        """Ask for EXTENSION_S more; to be repeated for as long as it takes."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(EXTENSION_S * USEC)}", f"STATUS={status}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_TIMEOUT_S)
                channel.connect(self._address)
                channel.send("\n".join(lines).encode())
        except OSError:
            # A service manager that went away must not take the service with it.
            return
