"""The ledger beside a dictionary: both agree in whatever order things happen, and active rows have workflows."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.jobs.samples import BACKLOG, NOW, Standing, new_job, open_ledger, picture
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.job import Job, Output
from twofold.core.states import State
from twofold.jobs.database import open_engine
from twofold.jobs.ledger import Ledger
from twofold.jobs.liveness import recover, worker_ended
from twofold.jobs.queue import JobQueue

PATHS = (b"a.jpg", b"A.JPG", b"b.jpg")
WORKERS = ("local/cpu", "local/cuda:0")
ACTIVE = {State.QUEUED, State.RUNNING}
OPEN = ACTIVE | {State.WAITING, State.RETRYING}
OUTPUT = Output(b"out.jpg", "cc", 1, 1)
ENDS = (State.FAILED, State.SKIPPED, State.CANCELLED, State.VANISHED)


class LedgerMachine(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = shutil.copy(self.template, self.folder.name)
        engine = open_engine(path)
        self.state = Standing(path, engine, Ledger(engine), JobQueue(engine))
        self.jobs: dict[bytes, Job] = {}
        self.model: dict[str, State] = {}
        self.worker: dict[str, str] = {}
        self.delivered: set[str] = set()
        self.versions = 0

    def teardown(self) -> None:
        self.state.close()
        self.folder.cleanup()

    def ids(self, *states: State) -> list[str]:
        return [job.id for job in self.jobs.values() if self.model[job.id] in states]

    @rule(path=st.sampled_from(PATHS))
    def observe(self, path: bytes) -> None:
        self.versions += 1
        job = new_job(path, mtime_ns=self.versions)
        assert self.state.ledger.observe(job, NOW)
        older = self.jobs.get(path)
        if older is not None and self.model[older.id] in OPEN:
            self.model[older.id] = State.CANCELLED
        self.jobs[path] = job
        self.model[job.id] = State.WAITING

    @precondition(lambda self: self.ids(State.WAITING))
    @rule(data=st.data())
    def enqueue(self, data: st.DataObject) -> None:
        job = self.state.ledger.get(data.draw(st.sampled_from(self.ids(State.WAITING))))
        answer = self.state.queue.enqueue(
            job.id, sha256="00", pictures=[picture()], outbox="/out", name=job.path, key=job.path.lower()
        )
        if answer == "queued":
            self.model[job.id] = State.QUEUED
        else:
            assert answer == "name_taken"
            assert job.path != b"b.jpg"

    @precondition(lambda self: self.ids(*ACTIVE))
    @rule(data=st.data(), worker=st.sampled_from(WORKERS))
    def start(self, data: st.DataObject, worker: str) -> None:
        job_id = data.draw(st.sampled_from(self.ids(*ACTIVE)))
        generation = self.state.ledger.get(job_id).generation
        assert not self.state.ledger.start(job_id, generation + 1, worker, NOW)
        assert self.state.ledger.start(job_id, generation, worker, NOW)
        self.model[job_id] = State.RUNNING
        self.worker[job_id] = worker

    @precondition(lambda self: self.ids(*ACTIVE))
    @rule(data=st.data(), state=st.sampled_from([State.RETRYING, State.WAITING]))
    def try_later(self, data: st.DataObject, state: State) -> None:
        job = self.state.ledger.get(data.draw(st.sampled_from(self.ids(*ACTIVE))))
        assert self.state.ledger.try_later(job.id, job.generation, state, Reason(Code.NO_DEVICE, "none"), NOW + 10)
        assert self.state.ledger.get(job.id).attempts == job.attempts + 1
        self.model[job.id] = state

    @rule()
    def requeue_due(self) -> None:
        due = set(self.state.queue.requeue_due(NOW + 10))
        assert set(self.ids(State.RETRYING)) <= due
        self.model |= dict.fromkeys(due, State.QUEUED)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), state=st.sampled_from(ENDS))
    def conclude(self, data: st.DataObject, state: State) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.model)))
        changed = self.state.ledger.conclude(job_id, state, BACKLOG, NOW)
        assert changed is (self.model[job_id] in OPEN)
        if changed:
            self.model[job_id] = state

    @precondition(lambda self: self.ids(*ACTIVE))
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.ids(*ACTIVE)))
        assert self.state.ledger.record_delivered(job_id, OUTPUT, {}, NOW)
        self.model[job_id] = State.DONE
        self.delivered.add(job_id)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), redo=st.booleans())
    def again(self, data: st.DataObject, redo: bool) -> None:
        job_id = data.draw(st.sampled_from(sorted(job.id for job in self.jobs.values())))
        waits = self.state.ledger.get(job_id).next_at is not None
        act = self.state.ledger.redo if redo else self.state.ledger.retry
        ended = self.model[job_id].settled and (redo or self.model[job_id] is not State.DONE)
        assert act(job_id) is (ended or (waits and not redo))
        if ended:
            self.model[job_id] = State.WAITING

    @rule(worker=st.sampled_from(WORKERS), died=st.booleans())
    def end_worker(self, worker: str, died: bool) -> None:
        mine = {i for i in self.model if self.model[i] is State.RUNNING and self.worker[i] == worker}
        resumed, failed = worker_ended(self.state.queue, worker, NOW, died=died)
        assert set(resumed) | set(failed) == mine
        assert not failed or died
        self.model |= dict.fromkeys(resumed, State.QUEUED) | dict.fromkeys(failed, State.FAILED)

    @rule()
    def restart(self) -> None:
        running = {i for i in self.model if self.model[i] is State.RUNNING}
        assert recover(self.state.queue) == len(running)
        self.model |= dict.fromkeys(running, State.QUEUED)

    @invariant()
    def both_agree(self) -> None:
        rows = self.rows("SELECT id, state, generation, current, alone, output_path FROM file")
        assert {row.id: row.state for row in rows} == self.model
        assert {row.id for row in rows if row.current} == {job.id for job in self.jobs.values()}
        assert {row.id for row in rows if row.output_path is not None} == self.delivered
        flows = {row.workflow_uuid: row for row in self.rows("SELECT * FROM workflow_status")}
        for row in rows:
            if row.state in ACTIVE:
                assert flows[f"{row.id}~{row.generation}"].queue_name == ("alone" if row.alone else "jobs")

    @invariant()
    def names_are_held_by_those_who_need_them(self) -> None:
        held = {row.job_id for row in self.rows("SELECT job_id FROM reservation")}
        assert {i for i in self.model if self.model[i] in ACTIVE} <= held
        assert all(self.model[i] in OPEN or i in self.delivered for i in held)

    def rows(self, query: str) -> list[Any]:
        with self.state.engine.connect() as connection:
            return list(connection.execute(sa.text(query)))


def test_the_ledger_and_a_dictionary_agree(tmp_path: Path) -> None:
    prepared = open_ledger(tmp_path)
    prepared.close()

    class Machine(LedgerMachine):
        template = Path(prepared.path)

    case = Machine.TestCase
    case.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
    case().runTest()
