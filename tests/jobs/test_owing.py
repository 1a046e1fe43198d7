"""What is owed after an end, and what came of it."""

from __future__ import annotations

import sqlalchemy as sa

from tests.jobs.samples import NOW, Standing, enqueue, new_job
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.job import Output
from twofold.core.states import State
from twofold.jobs import owing as module
from twofold.jobs.owing import LEAVING, Owing

OUTPUT = Output(b"a.jpg", "cc", 1, 1)


def test_every_end_is_owed_in_order_until_it_is_settled(state: Standing) -> None:
    owing = Owing(state.engine)
    late, early = enqueue(state, new_job(b"late.jpg")), enqueue(state, new_job(b"early.jpg"))
    assert owing.ids() == []
    state.ledger.record_delivered(late, OUTPUT, {}, NOW + 9)
    state.ledger.conclude(early, State.FAILED, Reason(Code.DAMAGED, "x"), NOW + 5)
    assert [job_id for _, job_id in owing.ids()] == [early, late]
    assert owing.ids(owing.ids()[0]) == owing.ids()[1:]
    assert owing.ids(owing.ids()[-1]) == []
    first = owing.get(early)
    assert first is not None
    assert (first.job.state, first.current) == (State.FAILED, True)
    owing.settle([first.job])
    assert owing.get(early) is None
    assert [job_id for _, job_id in owing.ids()] == [late]


def test_what_followed_is_recorded_bit_by_bit(state: Standing) -> None:
    owing = Owing(state.engine)
    job_id = enqueue(state, new_job())
    state.ledger.record_delivered(job_id, OUTPUT, {}, NOW)
    job = state.ledger.get(job_id)
    assert owing.record(job, {"original": {"result": LEAVING}}, settled=False)
    assert [leaving.id for leaving in owing.leaving()] == [job_id]
    assert owing.get(job_id) is not None
    assert owing.record(job, {"original": {"result": "deleted"}}, settled=True)
    assert (owing.get(job_id), owing.leaving()) == (None, [])
    assert state.ledger.get(job_id).after == {"original": {"result": "deleted"}}


def test_nothing_is_recorded_of_a_job_that_goes_on_anew(state: Standing) -> None:
    owing = Owing(state.engine)
    job_id = enqueue(state, new_job())
    state.ledger.record_delivered(job_id, OUTPUT, {}, NOW)
    job = state.ledger.get(job_id)
    assert state.ledger.redo(job_id)
    assert owing.get(job_id) is None
    assert not owing.record(job, {"note": {"result": "removed"}}, settled=True)
    assert state.ledger.get(job_id).after == {}


def test_asking_costs_one_look_at_an_index_however_many_jobs_there_are(state: Standing) -> None:
    query = sa.select(module.file.c.id).where(module._IS_OWED).order_by(module.file.c.finished).limit(1)
    with state.engine.connect() as connection:
        text = str(query.compile(state.engine, compile_kwargs={"literal_binds": True}))
        plan = " ".join(row[3] for row in connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}")))
    assert "file_owed" in plan


def test_an_edited_recipe_says_nothing_of_files_whose_originals_left(state: Standing) -> None:
    owing = Owing(state.engine)
    kept, left = enqueue(state, new_job(b"kept.jpg")), enqueue(state, new_job(b"left.jpg"))
    for job_id in (kept, left):
        state.ledger.record_delivered(job_id, OUTPUT, {}, NOW)
    owing.record(state.ledger.get(left), {"original": {"result": "archived", "path": "/old/left.jpg"}}, settled=True)
    assert [job.id for job in state.ledger.settled_under_other("photos", "another recipe")] == [kept]
