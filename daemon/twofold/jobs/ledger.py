"""The `file` table: every write is one short transaction, conditional on the state it leads from."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.job import FileVersion, Intent, Job, Kept, Output, Picture
from twofold.core.lookahead import Candidate
from twofold.core.reconcile import Known
from twofold.core.states import State
from twofold.jobs.database import writing
from twofold.jobs.pauses import is_paused, parked
from twofold.jobs.row import (
    inode_of,
    intent_text,
    job_of,
    pictures_text,
    reason_text,
    version_columns,
)
from twofold.jobs.schema import backlog, file
from twofold.jobs.transition import (
    ACTIVE,
    OPEN,
    UNFINISHED,
    change_picture,
    end,
    fetch,
    finished,
    has_code,
    in_states,
    is_active,
    observe_all,
    original_left,
    renew,
    turns,
    unhurried,
    update_waiting,
)

JOBS_AT_ONCE: Final = 1000


class Demand(NamedTuple):
    """What a worker started now could do: jobs to run alone, other jobs; and when the next retry is due."""

    alone: int
    shared: int
    next_at: float | None


class Ledger:
    """Reads and writes jobs, for the watcher and the workers, from any thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    # --- reading

    def get(self, job_id: str) -> Job:
        """Raises TwofoldError(NOT_FOUND)."""
        with self.engine.connect() as connection:
            return job_of(fetch(connection, job_id))

    def current(self, inbox: str, path: bytes) -> Job | None:
        """The newest version of a file."""
        return self._first(file.c.inbox == inbox, file.c.path == path, file.c.current == 1)

    def find_done(self, sha256: str, recipe_hash: str) -> Job | None:
        """The latest job that delivered the same bytes by the same recipe, from whatever inbox."""
        return self._first(file.c.sha256 == sha256, file.c.recipe_hash == recipe_hash, in_states({State.DONE}))

    def jobs(self, states: Collection[State], *, inbox: str | None = None, limit: int = JOBS_AT_ONCE) -> list[Job]:
        """Current jobs in these states, oldest first, at most `limit`."""
        query = sa.select(file).where(in_states(states), file.c.current == 1)
        if inbox is not None:
            query = query.where(file.c.inbox == inbox)
        with self.engine.connect() as connection:
            return [job_of(row) for row in connection.execute(query.order_by(file.c.created).limit(limit)).mappings()]

    def known(self, inbox: str) -> dict[bytes, Known]:
        """The newest version of every file of an inbox, by path."""
        query = sa.select(
            *(file.c[name] for name in ("path", "size", "mtime_ns", "ctime_ns", "inode", "state")),
            sa.and_(in_states({State.WAITING}), has_code(Code.SETTLING)).label("settling"),
            file.c.sha256.is_not(None).label("spooled"),
        ).where(file.c.inbox == inbox, file.c.current == 1)
        states = {state.value: state for state in State}
        with self.engine.connect() as connection:
            # Plain rows: for 10,000 files, mappings and enum calls were most of a sweep's cost.
            return {
                row.path: Known(
                    FileVersion(row.size, row.mtime_ns, row.ctime_ns, inode_of(row.inode)),
                    states[row.state],
                    settling=bool(row.settling),
                    spooled=bool(row.spooled),
                )
                for row in connection.execute(query)
            }

    def candidates(self, inbox: str, *, also: Collection[Code] = ()) -> list[Candidate]:
        """The settled files of an inbox that were not read yet, in no order; also those that wait for `also`."""
        columns = (file.c.inbox, file.c.path, file.c.size, file.c.mtime_ns, file.c.priority)
        query = sa.select(*columns).where(
            file.c.inbox == inbox,
            file.c.current == 1,
            in_states({State.WAITING}),
            sa.or_(*(has_code(code) for code in (Code.BACKLOG, *also))),
            file.c.next_at.is_(None),
        )
        with self.engine.connect() as connection:
            return [Candidate(*row) for row in connection.execute(query)]

    def settled_under_other(self, inbox: str, recipe_hash: str, *, limit: int = JOBS_AT_ONCE) -> list[Job]:
        """Files of an inbox that ended by themselves under another recipe, and whose originals are still there."""
        query = sa.select(file).where(
            file.c.inbox == inbox,
            file.c.current == 1,
            file.c.recipe_hash != recipe_hash,
            in_states({State.DONE, State.SKIPPED, State.FAILED}),
            sa.not_(original_left()),
        )
        with self.engine.connect() as connection:
            return [job_of(row) for row in connection.execute(query.limit(limit)).mappings()]

    def spooled(self) -> tuple[int, int]:
        """Files whose copies lie in the spool, and their bytes."""
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(file.c.size), 0)).where(
            in_states(UNFINISHED), file.c.sha256.is_not(None)
        )
        with self.engine.connect() as connection:
            count, nbytes = connection.execute(query).one()
            return int(count), int(nbytes)

    def last_output(self, inbox: str, path: bytes) -> Output | None:
        """What the latest delivery of a file left in the outbox, by whatever version and recipe."""
        job = self._first(file.c.inbox == inbox, file.c.path == path, file.c.output_path.is_not(None))
        return None if job is None else job.output

    def ended_since(self, since: float) -> list[Job]:
        """Jobs that got their final state at `since` (seconds since the epoch) or later, earliest first."""
        query = sa.select(file).where(file.c.finished >= since).order_by(file.c.finished)
        with self.engine.connect() as connection:
            return [job_of(row) for row in connection.execute(query).mappings()]

    def turns(self) -> tuple[int | None, dict[str, int]]:
        """The lowest turn of all jobs in the queue or in work (None where there is none), and each inbox's highest."""
        with self.engine.connect() as connection:
            return turns(connection)

    def unfinished_ids(self) -> set[str]:
        """Ids of all jobs of which something is still to be expected: what they left on disk is theirs."""
        with self.engine.connect() as connection:
            return set(connection.execute(sa.select(file.c.id).where(in_states(OPEN))).scalars())

    def counts(self) -> dict[str, dict[State, int]]:
        """Current files by inbox and state, without those that somebody dismissed."""
        noted = (file.c.current == 1, file.c.dismissed == 0)
        query = sa.select(file.c.inbox, file.c.state, sa.func.count()).where(*noted)
        found: dict[str, dict[State, int]] = {}
        with self.engine.connect() as connection:
            for inbox, state, count in connection.execute(query.group_by(file.c.inbox, file.c.state)):
                found.setdefault(inbox, {})[State(state)] = count
        return found

    def unfinished(self) -> int:
        """Jobs of which something is still to be expected without a person."""
        query = sa.select(sa.func.count()).select_from(file).where(in_states(UNFINISHED))
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def demand(self) -> Demand:
        """What there is to do for a worker."""
        queued = sa.select(file.c.alone, sa.func.count()).where(in_states({State.QUEUED})).group_by(file.c.alone)
        due = sa.select(sa.func.min(file.c.next_at)).where(in_states({State.RETRYING, State.WAITING}))
        with self.engine.connect() as connection:
            count = {bool(alone): number for alone, number in connection.execute(queued)}
            return Demand(count.get(True, 0), count.get(False, 0), connection.execute(due).scalar_one())

    def busy_workers(self) -> frozenset[str]:
        """Those that have a job in work."""
        query = sa.select(file.c.worker).distinct().where(in_states({State.RUNNING}))
        with self.engine.connect() as connection:
            return frozenset(connection.execute(query).scalars())

    def is_active(self, job_id: str, generation: int) -> bool:
        """False as soon as somebody cancelled the job or a newer version took its place: stop working on it."""
        with self.engine.connect() as connection:
            return connection.execute(sa.select(file.c.id).where(is_active(job_id, generation))).first() is not None

    # --- before the queue

    def observe(self, job: Job, now: float, *, volume: str = "") -> bool:
        """Write a new version of a file, in the state the caller gives it; the version before it is no longer current.

        False where this very version is known under this recipe. An unfinished older version ends as cancelled;
        a file that had vanished and is back unchanged starts again.
        """
        return bool(self.observe_all([job], now, volume=volume))

    def observe_all(self, jobs: Iterable[Job], now: float, *, volume: str = "") -> list[Job]:
        """Observe many files, some hundreds to a transaction; those that are new."""
        fresh: list[Job] = []
        for chunk in unhurried(jobs):
            with writing(self.engine) as connection:
                fresh.extend(observe_all(connection, chunk, now, volume))
        return fresh

    def settle_all(self, inbox: str, files: Iterable[tuple[bytes, FileVersion]]) -> None:
        """Complete files may be read now, in this version; some hundreds to a transaction, in the order given."""
        reason = reason_text(Reason(Code.BACKLOG, Code.BACKLOG.meaning))
        self._update_waiting(inbox, ((path, {**version_columns(version), "reason": reason}) for path, version in files))

    def explain_all(self, inbox: str, reasons: Iterable[tuple[bytes, Reason]]) -> None:
        """Why each of these files still waits."""
        self._update_waiting(inbox, ((path, {"reason": reason_text(reason)}) for path, reason in reasons))

    def _update_waiting(self, inbox: str, changes: Iterable[tuple[bytes, dict[str, Any]]]) -> None:
        for chunk in unhurried(changes):
            with writing(self.engine) as connection:
                update_waiting(connection, inbox, chunk)

    def record_version(self, job_id: str, version: FileVersion) -> None:
        """Take in the stat that a file settled on, or that a mere touch gave it."""
        with writing(self.engine) as connection:
            connection.execute(sa.update(file).where(file.c.id == job_id).values(version_columns(version)))

    def set_waiting(self, job_id: str, reason: Reason) -> bool:
        """Let a file wait (again) for `reason`, from waiting, held or retrying."""
        leads = {State.WAITING, State.HELD, State.RETRYING}
        return self._update(job_id, leads, state=State.WAITING.value, reason=reason_text(reason), next_at=None)

    def hold(self, job_id: str, reason: Reason) -> bool:
        """Leave a waiting file to a person."""
        return self._update(job_id, {State.WAITING}, state=State.HELD.value, reason=reason_text(reason))

    def release(self, inbox: str) -> int:
        """Let every held file of an inbox go on; the number of files. Each has yet to be seen to be complete."""
        reason = Reason(Code.SETTLING, Code.SETTLING.meaning)
        query = sa.update(file).where(file.c.inbox == inbox, in_states({State.HELD}))
        with writing(self.engine) as connection:
            connection.execute(sa.update(backlog).where(backlog.c.inbox == inbox).values(verdict="process"))
            return connection.execute(query.values(state=State.WAITING.value, reason=reason_text(reason))).rowcount

    # --- in the worker

    def start(self, job_id: str, generation: int, worker: str, now: float) -> bool:
        """The worker takes the job up (again); False where it is cancelled, done, paused, or another generation's."""
        columns = (file.c.inbox, file.c.state, file.c.worker, file.c.started)
        with writing(self.engine) as connection:
            row = connection.execute(sa.select(*columns).where(is_active(job_id, generation))).first()
            if row is None:
                return False
            if row.state == State.QUEUED.value and is_paused(connection, row.inbox, now):
                # It was queued while the pause began.
                connection.execute(sa.update(file).where(file.c.id == job_id).values(parked()))
                return False
            if row.state != State.RUNNING.value or row.worker != worker:
                started = now if row.started is None else row.started
                values = {"state": State.RUNNING.value, "worker": worker, "reason": None, "started": started}
                connection.execute(sa.update(file).where(file.c.id == job_id).values(values))
            return True

    def record_pictures(self, job_id: str, pictures: Sequence[Picture]) -> bool:
        """Replace the pictures of an active job, where decoding told more than the header did."""
        return self._update(job_id, ACTIVE, pictures=pictures_text(pictures))

    def record_progress(
        self,
        job_id: str,
        index: int,
        *,
        passes_done: int,
        fraction: float,
        boot_id: str = "",
        plan: dict[str, Any] | None = None,
        plan_of: int | None = None,
    ) -> bool:
        """Where picture `index` stands; the caller throttles. A completed pass clears the blame for dead workers.

        `fraction` is the done share of the picture, 0 to 1. `plan` is that of the pass in work, with at least `tile`
        ([width, height] in pixels), `batch` and `device`; `plan_of` is the pass (0-based) that it is of,
        where that one is complete by now. `boot_id` names the boot whose scratch files hold the bytes.
        """

        def further(before: Picture) -> Picture:
            of = passes_done if plan_of is None else plan_of
            plans = before.plans if plan is None else (*before.plans[:of], plan)
            return replace(before, passes_done=passes_done, fraction=fraction, plans=plans)

        with writing(self.engine) as connection:
            return change_picture(connection, job_id, index, further, boot_id=boot_id)

    def keep_page(self, job_id: str, index: int, kept: Kept) -> bool:
        """Page `index` is finished, and stands in scratch; that clears the blame for dead workers."""
        with writing(self.engine) as connection:
            return change_picture(connection, job_id, index, lambda before: finished(before, kept))

    def band_completed(self, job_id: str) -> None:
        """A band of a long pass is kept: the job makes headway, so the workers that died are not its fault."""
        self._update(job_id, ACTIVE, deaths=0)

    def record_intent(self, job_id: str, intent: Intent) -> bool:
        """What the delivery is about to rename; written before it does."""
        return self._update(job_id, OPEN, intent=intent_text(intent))

    def record_delivered(
        self, job_id: str, output: Output, seconds: dict[str, float], now: float, *, best_effort: bool = False
    ) -> bool:
        """The result is in place: done. True also where it was recorded before, since a delivery may run twice."""
        delivered: dict[str, Any] = {
            "output_path": output.path,
            "output_sha256": output.sha256,
            "output_size": output.size,
            "output_mtime_ns": output.mtime_ns,
            "seconds": json.dumps(seconds),
            "best_effort": int(best_effort),
        }
        with writing(self.engine) as connection:
            if end(connection, job_id, State.DONE, None, now, **delivered):
                return True
            row = fetch(connection, job_id)
            return bool(row["state"] == State.DONE.value and row["output_sha256"] == output.sha256)

    def try_later(self, job_id: str, generation: int, state: State, reason: Reason, next_at: float) -> bool:
        """Trouble that may pass: retrying, or waiting for something this machine lacks; due again at `next_at`.

        The job lived to tell, so it need not run alone next time.
        """
        values = {
            "state": state.value,
            "reason": reason_text(reason),
            "next_at": next_at,
            "worker": None,
            "alone": 0,
            "attempts": file.c.attempts + 1,
        }
        with writing(self.engine) as connection:
            query = sa.update(file).where(is_active(job_id, generation)).values(values)
            return connection.execute(query).rowcount == 1

    # --- the end

    def conclude(
        self, job_id: str, state: State, reason: Reason | None, now: float, *, generation: int | None = None
    ) -> bool:
        """The way to every final state but done. False where the job had ended, or is another generation's."""
        with writing(self.engine) as connection:
            return end(connection, job_id, state, reason, now, generation=generation)

    def retry(self, job_id: str) -> bool:
        """A person's word: what waits to be retried is due now, what ended without a result is read again."""
        with writing(self.engine) as connection:
            row = fetch(connection, job_id)
            if row["next_at"] is not None:
                connection.execute(sa.update(file).where(file.c.id == job_id).values(next_at=0.0))
                return True
            return row["state"] != State.DONE.value and self._again(connection, row)

    def read_again(self, job_id: str) -> None:
        """The spooled copy of an active job is lost: the original is read once more, under the next generation."""
        with writing(self.engine) as connection:
            renew(connection, job_id, State.WAITING, Reason(Code.BACKLOG, Code.BACKLOG.meaning))

    def redo(self, job_id: str) -> bool:
        """Make a file again whatever became of it; the row keeps what it delivered until the new result replaces it."""
        with writing(self.engine) as connection:
            return self._again(connection, fetch(connection, job_id))

    @staticmethod
    def _again(connection: sa.Connection, row: sa.RowMapping) -> bool:
        if not row["current"] or not State(row["state"]).settled:
            return False
        renew(connection, row["id"], State.WAITING, Reason(Code.BACKLOG, Code.BACKLOG.meaning))
        return True

    def _first(self, *conditions: sa.ColumnElement[bool]) -> Job | None:
        query = sa.select(file).where(*conditions).order_by(file.c.finished.desc()).limit(1)
        with self.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else job_of(row)

    def _update(self, job_id: str, states: Collection[State], **values: Any) -> bool:
        with writing(self.engine) as connection:
            query = sa.update(file).where(file.c.id == job_id, in_states(states)).values(values)
            return connection.execute(query).rowcount == 1
