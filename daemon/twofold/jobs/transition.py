"""The statements that more than one writer of the `file` table needs; all run inside the caller's write transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError
from twofold.core.job import Job, Kept, Picture
from twofold.core.states import State
from twofold.jobs.row import pictures_of, pictures_text, reason_text, row_of
from twofold.jobs.schema import file, reservation

T = TypeVar("T")

AT_ONCE: Final = 500
BREATH_S: Final = 0.05

SUPERSEDED: Final = "a newer version of the file took its place"
ACTIVE: Final = frozenset({State.QUEUED, State.RUNNING})
UNFINISHED: Final = ACTIVE | {State.WAITING, State.RETRYING}
# A held file can still vanish, be cancelled or be let go.
OPEN: Final = UNFINISHED | {State.HELD}


def in_states(states: Collection[State]) -> sa.ColumnElement[bool]:
    return file.c.state.in_(sorted(state.value for state in states))


def is_active(job_id: str, generation: int) -> sa.ColumnElement[bool]:
    """True of the row while this very workflow owns it."""
    return sa.and_(file.c.id == job_id, file.c.generation == generation, in_states(ACTIVE))


def has_code(code: Code) -> sa.ColumnElement[bool]:
    return sa.func.json_extract(file.c.reason, "$.code") == code.value


def original_left() -> sa.ColumnElement[bool]:
    """True of a job whose original was archived or deleted: there is nothing to make it from again."""
    return sa.func.coalesce(sa.func.json_extract(file.c.after, "$.original.result"), "").in_(["archived", "deleted"])


def fetch(connection: sa.Connection, job_id: str) -> sa.RowMapping:
    """One row of `file`. Raises TwofoldError(NOT_FOUND)."""
    row = connection.execute(sa.select(file).where(file.c.id == job_id)).mappings().first()
    if row is None:
        raise TwofoldError(Code.NOT_FOUND, f"no job has the id {job_id}")
    return row


def observe(connection: sa.Connection, job: Job, now: float, volume: str) -> bool:
    """Write a new version of a file; False where this very version is known (see Ledger.observe)."""
    others = (file.c.inbox == job.inbox, file.c.path == job.path, file.c.id != job.id)
    same = connection.execute(sa.select(file.c.state).where(file.c.id == job.id)).scalar()
    connection.execute(sa.update(file).where(*others, file.c.current == 1).values(current=0))
    for older in connection.execute(sa.select(file.c.id).where(*others, in_states(OPEN))).scalars().all():
        end(connection, older, State.CANCELLED, Reason(Code.CHANGED, SUPERSEDED), now)
    if same is None:
        connection.execute(sa.insert(file).values(row_of(replace(job, created=now)) | _fresh(volume)))
        return True
    connection.execute(sa.update(file).where(file.c.id == job.id).values(current=1))
    if same != State.VANISHED.value:
        return False
    renew(connection, job.id, job.state, job.reason)
    return True


def observe_all(connection: sa.Connection, jobs: Sequence[Job], now: float, volume: str) -> list[Job]:
    """Observe many files; those that are new. Files without any row, nearly all of a first look, cost little."""
    known: set[tuple[str, bytes]] = set()
    for inbox in {job.inbox for job in jobs}:
        paths = [job.path for job in jobs if job.inbox == inbox]
        query = sa.select(file.c.inbox, file.c.path).where(file.c.inbox == inbox, file.c.path.in_(paths))
        known.update((row.inbox, row.path) for row in connection.execute(query))
    unknown = {(job.inbox, job.path): job for job in jobs if (job.inbox, job.path) not in known}
    if unknown:
        rows = [row_of(replace(job, created=now)) | _fresh(volume) for job in unknown.values()]
        connection.execute(sa.insert(file), rows)
    others = [job for job in jobs if unknown.get((job.inbox, job.path)) is not job]
    return [*unknown.values(), *(job for job in others if observe(connection, job, now, volume))]


def _fresh(volume: str) -> dict[str, Any]:
    return {"volume": volume, "current": 1, "owed": 0}


def turns(connection: sa.Connection) -> tuple[int | None, dict[str, int]]:
    """The lowest turn of all jobs in the queue or in work (None where there is none), and each inbox's highest."""
    query = sa.select(file.c.inbox, sa.func.min(file.c.turn), sa.func.max(file.c.turn)).where(in_states(ACTIVE))
    rows = connection.execute(query.group_by(file.c.inbox)).all()
    return min((low for _, low, _ in rows), default=None), {inbox: high for inbox, _, high in rows}


def update_waiting(connection: sa.Connection, inbox: str, changes: Sequence[tuple[bytes, dict[str, Any]]]) -> None:
    """New column values for the waiting ones among these files, by path; all change the same columns.

    One statement for all: of tens of thousands of files, each by itself would take milliseconds.
    """
    mine = (file.c.inbox == inbox, file.c.path == sa.bindparam("at"), file.c.current == 1)
    query = sa.update(file).where(*mine, file.c.state == State.WAITING.value)
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in changes[0][1]}
    rows = [{"at": path} | {f"new_{name}": value for name, value in new.items()} for path, new in changes]
    connection.execute(query.values(values), rows)


def unhurried(items: Iterable[T]) -> Iterator[list[T]]:
    """The items, some hundreds at a time, with a breath in between.

    SQLite serves no queue: a writer that comes back at once lets all others starve.
    """
    left = iter(items)
    while chunk := list(islice(left, AT_ONCE)):
        yield chunk
        if len(chunk) == AT_ONCE:
            time.sleep(BREATH_S)


def end(
    connection: sa.Connection,
    job_id: str,
    state: State,
    reason: Reason | None,
    now: float,
    *,
    generation: int | None = None,
    **values: Any,
) -> bool:
    """Give an open job its final state; False where it has one, or is another generation's.

    The name of a result stays reserved only where there is a result.
    """
    query = sa.update(file).where(file.c.id == job_id, in_states(OPEN))
    if generation is not None:
        query = query.where(file.c.generation == generation)
    final = {
        "state": state.value,
        "reason": reason_text(reason),
        "finished": now,
        "next_at": None,
        "worker": None,
        "alone": 0,
        "owed": 1,
        "after": None,
        **values,
    }
    if connection.execute(query.values(final)).rowcount == 0:
        return False
    undelivered = sa.select(file.c.id).where(file.c.id == job_id, file.c.output_path.is_(None))
    connection.execute(sa.delete(reservation).where(reservation.c.job_id.in_(undelivered)))
    return True


def renew(connection: sa.Connection, job_id: str, state: State, reason: Reason | None) -> None:
    """Start a job afresh under its next generation: the original is read again, nobody is to blame any more."""
    values = {
        "state": state.value,
        "reason": reason_text(reason),
        "generation": file.c.generation + 1,
        "attempts": 0,
        "deaths": 0,
        "alone": 0,
        "next_at": None,
        "sha256": None,
        "pictures": "[]",
        "intent": None,
        "worker": None,
        "started": None,
        "finished": None,
        "dismissed": 0,
        "owed": 0,
    }
    connection.execute(sa.update(file).where(file.c.id == job_id).values(values))


PLAN_KEPT: Final = ("tile", "batch", "device")
"""What stays of the plans of a finished page: what is shown of them. Of thousands of pages, every word counts."""


def change_picture(
    connection: sa.Connection, job_id: str, index: int, change: Callable[[Picture], Picture], **values: Any
) -> bool:
    """Replace one picture of an active job; False where it is active no more. Headway clears the blame for deaths.

    SQLite takes that one out and puts it back: to read and write a thousand others would take longer than the page.
    """
    place = f"$[{index}]"
    query = sa.select(sa.func.json_extract(file.c.pictures, place)).where(file.c.id == job_id, in_states(ACTIVE))
    text = connection.execute(query).scalar()
    if text is None:
        return False
    (before,) = pictures_of(f"[{text}]")
    after = change(before)
    changed = pictures_text([after])[1:-1]
    values["pictures"] = sa.func.json_set(file.c.pictures, place, sa.func.json(changed))
    if after.passes_done > before.passes_done or after.kept != before.kept:
        values["deaths"] = 0
    connection.execute(sa.update(file).where(file.c.id == job_id).values(values))
    return True


def finished(picture: Picture, kept: Kept) -> Picture:
    """A page whose file is kept."""
    plans = tuple({key: plan.get(key) for key in PLAN_KEPT} for plan in picture.plans)
    return replace(picture, passes_done=len(picture.chain.passes), fraction=1.0, plans=plans, kept=kept)
