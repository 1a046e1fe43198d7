"""What a hook is told, and what of our environment it sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Of the service alone: a child that answers systemd, or takes its sockets or secrets, speaks in our name.
_OURS: Final = frozenset(
    {
        *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "FDSTORE"),
        *("MAINPID", "MANAGERPID", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "CREDENTIALS_DIRECTORY"),
        *("MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"),
    }
)


def environment(environ: Mapping[str, str], hook: str) -> dict[str, str]:
    """The environment of a hook: the service's, without what is the service's own, and the hook's name."""
    return {name: value for name, value in environ.items() if name not in _OURS} | {"TWOFOLD_HOOK": hook}
