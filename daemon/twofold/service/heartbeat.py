"""What systemd is told: READY, STATUS, STOPPING (sd_notify(3))."""

from __future__ import annotations

import os
import socket


class Heartbeat:
    """Sends datagrams to NOTIFY_SOCKET; silent where there is none.

    The protocol is one datagram of KEY=VALUE lines (sd_notify(3)); no library is needed for it.
    """

    def __init__(self, address: str | None) -> None:
        # An address that starts with @ is in the abstract namespace: its first byte is NUL on the wire.
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    @classmethod
    def from_environment(cls) -> Heartbeat:
        """Take NOTIFY_SOCKET out of the environment, so that no child inherits it."""
        return cls(os.environ.pop("NOTIFY_SOCKET", None))

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.connect(self._address)
                channel.send(message.encode())
        except OSError:
            # A service manager that went away must not take the service with it.
            return
