"""Pauses of single inboxes or of all: they are rows of the ledger, so they survive restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.states import State
from twofold.jobs.database import writing
from twofold.jobs.row import reason_text
from twofold.jobs.schema import file, pause
from twofold.jobs.transition import has_code, in_states

ALL: Final = ""
"""The name under which the pause of all inboxes is kept; no inbox can be called so."""

_PARKED: Final = frozenset({State.QUEUED, State.RETRYING})


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause: `inbox` (or ALL), until when (seconds since the epoch, None: until resumed), and whether work in hand
    is put down at once so that the device's memory is free."""

    inbox: str
    until: float | None
    release_gpu: bool
    since: float


class Pauses:
    """Begins and ends pauses. A paused job waits with `inbox_paused`, keeps its copy and plan, and goes on later."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def begin(self, inbox: str, *, until: float | None, release_gpu: bool, now: float) -> int:
        """Pause an inbox (or ALL); the number of jobs that now wait. A pause that is there is replaced.

        Jobs in work run to their end unless `release_gpu`.
        """
        states = _PARKED | {State.RUNNING} if release_gpu else _PARKED
        with writing(self.engine) as connection:
            connection.execute(sa.delete(pause).where(pause.c.inbox == inbox))
            values = {"inbox": inbox, "until": until, "release_gpu": int(release_gpu), "since": now}
            connection.execute(sa.insert(pause).values(values))
            due = sa.or_(in_states(states), sa.and_(in_states({State.WAITING}), file.c.next_at.is_not(None)))
            query = sa.update(file).where(due) if inbox == ALL else sa.update(file).where(due, file.c.inbox == inbox)
            return connection.execute(query.values(parked())).rowcount

    def end(self, inbox: str) -> bool:
        """End the pause of an inbox, or with ALL every pause; False where there was none."""
        with writing(self.engine) as connection:
            mine = sa.true() if inbox == ALL else pause.c.inbox == inbox
            ended = connection.execute(sa.delete(pause).where(mine)).rowcount
            _unpark(connection)
        return ended > 0

    def standing(self, now: float) -> list[Pause]:
        """The pauses in force."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(pause).where(in_force(now)).order_by(pause.c.inbox))
            return [Pause(row.inbox, row.until, bool(row.release_gpu), row.since) for row in rows]

    def expire(self, now: float) -> list[str]:
        """End the pauses whose time is over; the inboxes that they were on."""
        over = sa.and_(pause.c.until.is_not(None), pause.c.until <= now)
        with self.engine.connect() as connection:
            if connection.execute(sa.select(pause.c.inbox).where(over)).first() is None:
                return []
        with writing(self.engine) as connection:
            names = list(connection.execute(sa.select(pause.c.inbox).where(over)).scalars())
            connection.execute(sa.delete(pause).where(over))
            _unpark(connection)
        return names


def in_force(now: float) -> sa.ColumnElement[bool]:
    return sa.or_(pause.c.until.is_(None), pause.c.until > now)


def is_paused(connection: sa.Connection, inbox: str, now: float) -> bool:
    """True where this inbox, or all, are paused."""
    query = sa.select(pause.c.inbox).where(pause.c.inbox.in_([ALL, inbox]), in_force(now))
    return connection.execute(query).first() is not None


def parked() -> dict[str, Any]:
    """The column values of a job that waits for the end of a pause: whatever works on it finds that it does not any
    more."""
    reason = Reason(Code.INBOX_PAUSED, Code.INBOX_PAUSED.meaning, Code.INBOX_PAUSED.hint)
    return {
        "state": State.WAITING.value,
        "reason": reason_text(reason),
        "generation": file.c.generation + 1,
        "next_at": None,
        "worker": None,
    }


def _unpark(connection: sa.Connection) -> None:
    """Jobs whose inbox is not paused any more are due now."""
    still = sa.select(pause.c.inbox)
    everything = sa.exists(sa.select(pause.c.inbox).where(pause.c.inbox == ALL))
    query = sa.update(file).where(
        in_states({State.WAITING}), has_code(Code.INBOX_PAUSED), file.c.inbox.not_in(still), sa.not_(everything)
    )
    connection.execute(query.values(next_at=0.0))
