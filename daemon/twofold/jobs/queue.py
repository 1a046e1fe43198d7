"""The watcher's side of the queue: a DBOS client that puts a row and its workflow into the file in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer

from twofold.core.job import Picture
from twofold.core.lookahead import queue_number, turn_of
from twofold.core.recipe import Recipe
from twofold.core.states import State
from twofold.jobs.database import writing
from twofold.jobs.row import pictures_text
from twofold.jobs.schema import file, reservation
from twofold.jobs.transition import fetch, in_states, turns

APPLICATION: Final = "twofold"
# Pinned: DBOS strands the jobs of another version. A changed sequence of steps is a new workflow, `upscale_v2`.
APPLICATION_VERSION: Final = "1"
WORKFLOW: Final = "upscale_v1"
SHARED_QUEUE: Final = "jobs"
ALONE_QUEUE: Final = "alone"
LOCAL: Final = "local/"
"""What the id of a worker of this machine begins with; the device's follows."""

POLL_S: Final = 0.25
RETRIES_AT_ONCE: Final = 256
PRUNED_AT_ONCE: Final = 1000
_FINISHED: Final = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

Enqueued = Literal["queued", "name_taken", "not_waiting"]


class JobQueue:
    """Owns a DBOS client on the ledger's engine; it starts no thread and runs no workflow."""

    def __init__(self, engine: sa.Engine, *, concurrency: int = 2, register: bool = True) -> None:
        """`concurrency` is the number of jobs that one worker takes of a queue at a time.

        A worker has no need to `register` the queues: the watcher has.
        """
        self.engine = engine
        self._concurrency = concurrency
        self._client = DBOSClient(
            system_database_engine=engine, serializer=DBOSPortableJSONSerializer(), application_name=APPLICATION
        )
        for name, jobs in ((SHARED_QUEUE, concurrency), (ALONE_QUEUE, 1)) if register else ():
            self._client.register_queue(name, worker_concurrency=jobs, polling_interval_sec=POLL_S)

    def open_lanes(self, devices: Iterable[str]) -> None:
        """A queue of its own for each of several devices: for jobs that were passed on to it."""
        for device in devices:
            self._client.register_queue(
                lane_of(device), worker_concurrency=self._concurrency, polling_interval_sec=POLL_S
            )

    def close(self) -> None:
        self._client.destroy()

    def enqueue(
        self,
        job_id: str,
        *,
        sha256: str,
        pictures: Sequence[Picture],
        outbox: str,
        name: bytes,
        key: bytes,
        recipe: Recipe | None = None,
        turn: int | None = None,
    ) -> Enqueued:
        """Queue a waiting job that was spooled and planned, and reserve its output `name` (relative to `outbox`).

        `key` is the name's reservation key. "name_taken": another file holds it, nothing was written. "queued"
        also where the job was queued before. `recipe`, if given, replaces the row's copy: its networks are resolved.
        `turn` is its place among jobs of its priority, where it was given one already (see core.lookahead.turn_of).
        """
        with writing(self.engine) as connection:
            row = fetch(connection, job_id)
            if State(row["state"]).active:
                return "queued"
            if row["state"] != State.WAITING.value:
                return "not_waiting"
            if not reserve(connection, row, outbox, key):
                return "name_taken"
            values: dict[str, Any] = {"sha256": sha256, "pictures": pictures_text(pictures), "reserved": name}
            if recipe is not None:
                values["recipe"] = json.dumps(recipe.to_json())
            self.put(connection, row, generation=row["generation"], turn=turn, **values)
            return "queued"

    def requeue_due(self, now: float, *, limit: int = RETRIES_AT_ONCE) -> list[str]:
        """Queue the jobs whose time has come again, under their next generation; their ids."""
        query = sa.select(file).where(file.c.next_at <= now, in_states({State.RETRYING, State.WAITING}))
        with writing(self.engine) as connection:
            rows = connection.execute(query.order_by(file.c.next_at).limit(limit)).mappings().all()
            for row in rows:
                self.put(connection, row, generation=row["generation"] + 1)
        return [row["id"] for row in rows]

    def put(
        self,
        connection: sa.Connection,
        row: sa.RowMapping,
        *,
        generation: int,
        turn: int | None = None,
        queue: str | None = None,
        worker: str | None = None,
        **values: Any,
    ) -> None:
        """Set a row to queued and enqueue its workflow, inside the caller's write transaction.

        Without a `turn` it goes behind what its inbox has in the queue. `queue` is the lane of a device, where only
        its `worker` finds it; by default everybody does.
        """
        if turn is None:
            lowest, last = turns(connection)
            turn = turn_of(last.get(row["inbox"]), lowest)
        values |= {
            "state": State.QUEUED.value,
            "generation": generation,
            "reason": None,
            "next_at": None,
            "worker": worker,
            "turn": turn,
        }
        connection.execute(sa.update(file).where(file.c.id == row["id"]).values(values))
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": WORKFLOW,
                "queue_name": queue or queue_of(row["alone"]),
                "workflow_id": workflow_id(row["id"], generation),
                "app_version": APPLICATION_VERSION,
                "priority": queue_number(row["priority"], turn),
            },
            row["id"],
            generation,
        )

    def standing(self, workflow_ids: Sequence[str]) -> dict[str, tuple[str, str | None, str | None]]:
        """Status, queue and executor of the workflows that exist, as DBOS calls them."""
        found = self._client.list_workflows(workflow_ids=list(workflow_ids), load_input=False, load_output=False)
        return {status.workflow_id: (status.status, status.queue_name, status.executor_id) for status in found}

    def resume(self, workflow_ids: Iterable[str], queue: str) -> None:
        """Let unfinished workflows go on at the step they had reached, in this queue."""
        if chosen := list(workflow_ids):
            self._client.resume_workflows(chosen, queue_name=queue)

    def prune(self, now: float, *, older_s: float, limit: int = PRUNED_AT_ONCE) -> int:
        """Forget workflows that ended more than `older_s` ago: the `file` table remembers their jobs. Their number."""
        before = datetime.fromtimestamp(now - older_s, UTC).isoformat()
        found = self._client.list_workflows(
            status=_FINISHED, completed_before=before, limit=limit, load_input=False, load_output=False
        )
        if found:
            self._client.delete_workflows([status.workflow_id for status in found])
        return len(found)


def workflow_id(job_id: str, generation: int) -> str:
    return f"{job_id}~{generation}"


def queue_of(alone: object) -> str:
    return ALONE_QUEUE if alone else SHARED_QUEUE


def lane_of(device: str) -> str:
    return f"{SHARED_QUEUE} {device}"


def reserve(connection: sa.Connection, row: sa.RowMapping, outbox: str, key: bytes) -> bool:
    """Hold an output name for a job; False where another file has it. A newer version takes it over from an older."""
    mine = (reservation.c.outbox == outbox, reservation.c.key == key)
    query = sa.select(file.c.inbox, file.c.path).join_from(reservation, file, reservation.c.job_id == file.c.id)
    holder = connection.execute(query.where(*mine)).first()
    if holder is None:
        connection.execute(sa.insert(reservation).values(outbox=outbox, key=key, job_id=row["id"]))
        return True
    if (holder.inbox, holder.path) != (row["inbox"], row["path"]):
        return False
    connection.execute(sa.update(reservation).where(*mine).values(job_id=row["id"]))
    return True
