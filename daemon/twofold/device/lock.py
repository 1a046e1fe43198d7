"""One Twofold per GPU: two services, of whichever users and state directories, do not work on one at a time."""

from __future__ import annotations

import errno
import os
import pwd
import socket

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError

NAMES = "twofold/device/"
"""In the abstract socket namespace: no folder has to be writable for all, nothing is left behind, and the kernel frees
a name with the last process that holds it. Names are a network namespace's, so that most containers see only their own.
"""


class DeviceLock:
    """Held from `take` to `release`, and by every process that inherited `fds`, whichever ends last."""

    def __init__(self, device_id: str) -> None:
        self._device_id = device_id
        self._sockets: list[socket.socket] = []

    @property
    def fds(self) -> tuple[int, ...]:
        """For a worker's `pass_fds`: it holds the lock for as long as it lives, even if its service is killed."""
        return tuple(one.fileno() for one in self._sockets)

    def take(self) -> None:
        """Raises TwofoldError(ALREADY_RUNNING) which names the holder. Taking it again changes nothing.

        Where such sockets are forbidden there is no lock: two services then share what is free, as with any neighbour.
        """
        if self._sockets:
            return
        try:
            self._sockets = [_bound(f"{NAMES}{self._device_id}")]
            # Nobody can ask a name who holds it, so that stands in a second one.
            self._sockets.append(_bound(f"{NAMES}{self._device_id}/{os.getpid()}"))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or self._sockets:
                return
            text = f"Another Twofold, {_holder(self._device_id)}, is using {self._device_id}."
            hint = "It is waited for. Stop the other one, or name other devices in one of the two configurations."
            raise TwofoldError(Code.ALREADY_RUNNING, text, hint, retryable=True) from None

    def release(self) -> None:
        for one in self._sockets:
            one.close()
        self._sockets = []


def _bound(name: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        made.bind("\0" + name)
    except OSError:
        made.close()
        raise
    return made


def _holder(device_id: str) -> str:
    """`process N of NAME`, as far as it can be seen."""
    prefix = f"@{NAMES}{device_id}/"
    try:
        with open("/proc/self/net/unix", encoding="utf-8", errors="replace") as file:
            names = [line.split()[-1] for line in file if prefix in line]
    except OSError:
        names = []
    for name in names:
        pid = name.removeprefix(prefix)
        if pid.isdecimal():
            return f"process {pid}{_user(int(pid))}"
    return "an unknown process"


def _user(pid: int) -> str:
    try:
        return f" of {pwd.getpwuid(os.stat(f'/proc/{pid}').st_uid).pw_name}"
    except (OSError, KeyError):
        return ""  # it has ended meanwhile, is hidden from us, or its user has no name here
