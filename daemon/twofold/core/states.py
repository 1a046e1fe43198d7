"""The states a file and an inbox can be in, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where one version of one file stands."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    VANISHED = "vanished"
    RETRYING = "retrying"
    HELD = "held"

    @property
    def settled(self) -> bool:
        """True where nothing more happens by itself."""
        return self in SETTLED

    @property
    def active(self) -> bool:
        """True where a workflow owns the job."""
        return self in (State.QUEUED, State.RUNNING)


SETTLED = frozenset({State.DONE, State.SKIPPED, State.FAILED, State.CANCELLED, State.VANISHED, State.HELD})


class InboxState(StrEnum):
    """Where an inbox stands."""

    OK = "ok"
    OFFLINE = "offline"
    READONLY = "readonly"
    PAUSED = "paused"
    HELD = "held"
