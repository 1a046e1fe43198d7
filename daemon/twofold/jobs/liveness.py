"""What becomes of the jobs of a worker that is gone, and of all jobs after a power cut."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.retry import blame
from twofold.core.states import State
from twofold.jobs.database import writing
from twofold.jobs.queue import LOCAL, JobQueue, lane_of, queue_of, workflow_id
from twofold.jobs.row import reason_text
from twofold.jobs.schema import file
from twofold.jobs.transition import end, fetch, in_states, is_active

# As DBOS calls them.
_ENQUEUED: Final = "ENQUEUED"
_CLAIMED: Final = "PENDING"


class Ended(NamedTuple):
    """What a worker had in work: ids of jobs that go on, and of those that failed because they kill every worker."""

    resumed: tuple[str, ...]
    failed: tuple[str, ...]


def worker_ended(queue: JobQueue, worker: str, now: float, *, died: bool) -> Ended:
    """Settle the jobs of a worker whose process is gone; called before the next worker of that id starts.

    `died` says that it ended otherwise than by its own will while the supervisor watched: only that is blamed.
    """
    resumed, failed = [], []
    with writing(queue.engine) as connection:
        query = sa.select(file.c.id, file.c.deaths).where(file.c.worker == worker, in_states({State.RUNNING}))
        running = connection.execute(query).all()
        for job_id, deaths in running:
            values: dict[str, Any] = {"state": State.QUEUED.value, "worker": None}
            if died:
                verdict = blame(deaths, len(running))
                if verdict.failed:
                    end(connection, job_id, State.FAILED, _reason(Code.KILLS_WORKER), now, deaths=verdict.deaths)
                    failed.append(job_id)
                    continue
                values |= {"deaths": verdict.deaths, "alone": int(verdict.alone)}
                values["reason"] = reason_text(_reason(Code.WORKER_LOST))
            connection.execute(sa.update(file).where(file.c.id == job_id).values(values))
            resumed.append(job_id)
    _continue(queue, worker)
    return Ended(tuple(resumed), tuple(failed))


def recover(queue: JobQueue) -> int:
    """At the start of the supervisor, when no worker lives: every unfinished job goes on, and nobody is blamed.

    Also mends a row whose workflow is missing or has ended without it. Returns how many jobs had been running.
    """
    with writing(queue.engine) as connection:
        query = sa.update(file).where(in_states({State.RUNNING})).values(state=State.QUEUED.value, worker=None)
        interrupted = connection.execute(query).rowcount
    _continue(queue, None)
    return interrupted


def _continue(queue: JobQueue, worker: str | None) -> None:
    """Put the workflow of every queued row where a worker finds it; those claimed by other workers are left alone."""
    with queue.engine.connect() as connection:
        query = sa.select(file.c.id, file.c.generation, file.c.alone, file.c.worker).where(in_states({State.QUEUED}))
        rows = connection.execute(query).all()
    standing = queue.standing([workflow_id(row.id, row.generation) for row in rows]) if rows else {}
    moved: dict[str, list[str]] = {}
    for row in rows:
        workflow = workflow_id(row.id, row.generation)
        status, where, executor = standing.get(workflow, (None, None, None))
        wanted = queue_of(row.alone)
        if not row.alone and row.worker is not None and worker not in (None, row.worker):
            wanted = lane_of(row.worker.removeprefix(LOCAL))  # passed on to a device whose worker lives
        claimed_by_dead = status == _CLAIMED and worker in (None, executor)
        if claimed_by_dead or (status == _ENQUEUED and where != wanted):
            moved.setdefault(wanted, []).append(workflow)
        elif status not in (_CLAIMED, _ENQUEUED):
            _restart(queue, row.id, row.generation)
    with writing(queue.engine) as connection:
        gone = sa.true() if worker is None else file.c.worker == worker
        connection.execute(sa.update(file).where(in_states({State.QUEUED}), gone).values(worker=None))
    for wanted, workflows in moved.items():
        queue.resume(workflows, wanted)


def _restart(queue: JobQueue, job_id: str, generation: int) -> None:
    with writing(queue.engine) as connection:
        # Another worker may have ended the job since its row was read.
        if connection.execute(sa.select(file.c.id).where(is_active(job_id, generation))).first() is not None:
            queue.put(connection, fetch(connection, job_id), generation=generation + 1)


def _reason(code: Code) -> Reason:
    return Reason(code, code.meaning, code.hint)
