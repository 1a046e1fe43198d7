"""Pauses: what waits, what goes on, and when."""

from __future__ import annotations

from tests.jobs.samples import NOW, Standing, enqueue, new_job
from twofold.core.codes import Code
from twofold.core.states import State
from twofold.jobs.pauses import ALL, Pause, Pauses

WORKER = "local/cpu"


def test_a_paused_job_waits_and_goes_on_under_a_new_generation(state: Standing) -> None:
    pauses = Pauses(state.engine)
    mine, other = enqueue(state, new_job()), enqueue(state, new_job(b"b.jpg", inbox="scans"))
    assert pauses.begin("photos", until=None, release_gpu=False, now=NOW) == 1
    job = state.ledger.get(mine)
    assert (job.state, job.reason and job.reason.code, job.generation) == (State.WAITING, Code.INBOX_PAUSED, 2)
    assert job.sha256 is not None  # its copy is kept
    assert state.ledger.get(other).state is State.QUEUED
    assert not state.ledger.start(mine, 1, WORKER, NOW)
    assert state.queue.requeue_due(NOW + 10) == []
    assert pauses.end("photos")
    assert not pauses.end("photos")
    assert state.queue.requeue_due(NOW + 10) == [mine]
    assert state.ledger.start(mine, 3, WORKER, NOW + 10)


def test_work_in_hand_is_finished_unless_the_device_is_wanted(state: Standing) -> None:
    pauses, job_id = Pauses(state.engine), enqueue(state, new_job())
    assert state.ledger.start(job_id, 1, WORKER, NOW)
    assert pauses.begin(ALL, until=None, release_gpu=False, now=NOW) == 0
    assert state.ledger.is_active(job_id, 1)
    assert pauses.begin(ALL, until=None, release_gpu=True, now=NOW) == 1
    assert not state.ledger.is_active(job_id, 1)


def test_a_job_queued_while_the_pause_began_is_not_started(state: Standing) -> None:
    pauses = Pauses(state.engine)
    pauses.begin("photos", until=NOW + 60, release_gpu=False, now=NOW)
    job_id = enqueue(state, new_job())
    assert not state.ledger.start(job_id, 1, WORKER, NOW + 1)
    assert state.ledger.get(job_id).state is State.WAITING
    assert state.ledger.demand() == (0, 0, None)


def test_a_pause_with_an_end_ends(state: Standing) -> None:
    pauses, job_id = Pauses(state.engine), enqueue(state, new_job())
    pauses.begin("photos", until=NOW + 60, release_gpu=False, now=NOW)
    assert pauses.standing(NOW + 59) == [Pause("photos", NOW + 60, release_gpu=False, since=NOW)]
    assert pauses.expire(NOW + 59) == []
    assert pauses.standing(NOW + 60) == []
    assert pauses.expire(NOW + 60) == ["photos"]
    assert state.queue.requeue_due(NOW + 60) == [job_id]


def test_an_inbox_stays_paused_while_all_are(state: Standing) -> None:
    pauses, job_id = Pauses(state.engine), enqueue(state, new_job())
    pauses.begin(ALL, until=None, release_gpu=False, now=NOW)
    pauses.begin("photos", until=NOW + 1, release_gpu=False, now=NOW)
    pauses.expire(NOW + 2)
    assert state.queue.requeue_due(NOW + 3) == []
    pauses.end(ALL)
    assert state.queue.requeue_due(NOW + 3) == [job_id]
