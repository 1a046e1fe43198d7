"""Ends whose consequences are still owed, and what became of them: `file.owed` and `file.after`."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from twofold.core.job import Intent, Job, Output
from twofold.core.states import State
from twofold.jobs.database import writing
from twofold.jobs.queue import reserve
from twofold.jobs.row import intent_text, job_of
from twofold.jobs.schema import file
from twofold.jobs.transition import fetch, in_states

IDS_AT_ONCE: Final = 1000
NOTED_AT_ONCE: Final = 1000

# A literal: SQLite does not use the index of owed rows where the number is a parameter.
_IS_OWED: Final = file.c.owed == sa.literal_column("1")

LEAVING: Final = "leaving"
"""The recorded intent to remove an original: until its outcome stands there, it may lie under another name."""


@dataclass(frozen=True, slots=True)
class Owed:
    """An end that has consequences yet; `current` is False where a newer version of the file took its place."""

    job: Job
    current: bool


class Owing:
    """Reads and writes these columns; `after` is written by one thread only."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def ids(self, beyond: tuple[float, str] | None = None) -> list[tuple[float, str]]:
        """(finished, job id) of what is owed, earliest first, at most IDS_AT_ONCE; the next are `beyond` the last."""
        key = sa.tuple_(file.c.finished, file.c.id)
        query = sa.select(file.c.finished, file.c.id).where(_IS_OWED)
        if beyond is not None:
            query = query.where(key > sa.tuple_(*map(sa.literal, beyond)))
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(file.c.finished, file.c.id).limit(IDS_AT_ONCE))
            return [(row.finished, row.id) for row in rows]

    def get(self, job_id: str) -> Owed | None:
        """One of them; None where nothing is owed any more."""
        with self.engine.connect() as connection:
            row = fetch(connection, job_id)
        return Owed(job_of(row), bool(row["current"])) if row["owed"] else None

    def record(self, job: Job, after: dict[str, Any], *, settled: bool, intent: Intent | None = None) -> bool:
        """Write what became of an end so far; `settled` where nothing more is owed. False where the job goes on anew.

        `intent` is what the delivery of a copy is about to rename.
        """
        values: dict[str, Any] = {"after": json.dumps(after) if after else None}
        if intent is not None:
            values["intent"] = intent_text(intent)
        if settled:
            values["owed"] = 0
        same_end = (file.c.id == job.id, file.c.generation == job.generation, file.c.state == job.state.value)
        with writing(self.engine) as connection:
            return connection.execute(sa.update(file).where(*same_end).values(values)).rowcount == 1

    def settle(self, jobs: Collection[Job]) -> None:
        """Nothing followed these ends."""
        with writing(self.engine) as connection:
            for job in jobs:
                same_end = (file.c.id == job.id, file.c.generation == job.generation)
                connection.execute(sa.update(file).where(*same_end, file.c.owed == 1).values(owed=0))

    def reserve(self, job: Job, outbox: str, name: bytes, key: bytes) -> bool:
        """Hold a name in the outbox for the copy of a skipped file; False where another file has it."""
        with writing(self.engine) as connection:
            if not reserve(connection, fetch(connection, job.id), outbox, key):
                return False
            connection.execute(sa.update(file).where(file.c.id == job.id).values(reserved=name))
            return True

    def record_copied(self, job: Job, output: Output) -> None:
        """The copy of a skipped file stands in the outbox: it is what this job left there, though it stays skipped."""
        values = {
            "output_path": output.path,
            "output_sha256": output.sha256,
            "output_size": output.size,
            "output_mtime_ns": output.mtime_ns,
        }
        with writing(self.engine) as connection:
            query = sa.update(file).where(file.c.id == job.id, in_states({State.SKIPPED}))
            connection.execute(query.values(values))

    def noted(self) -> list[Job]:
        """Failed jobs whose note lies in the outbox."""
        written = sa.func.json_extract(file.c.after, "$.note.result") == "written"
        query = sa.select(file).where(in_states({State.FAILED}), file.c.current == 1, file.c.owed == 0, written)
        with self.engine.connect() as connection:
            return [job_of(row) for row in connection.execute(query.limit(NOTED_AT_ONCE)).mappings()]

    def leaving(self) -> list[Job]:
        """Jobs whose original was about to be removed when a service was killed, whatever became of the job since."""
        leaving = sa.func.json_extract(file.c.after, "$.original.result") == LEAVING
        with self.engine.connect() as connection:
            return [job_of(row) for row in connection.execute(sa.select(file).where(leaving)).mappings()]
