"""What is written of a job, and from which states."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.jobs.samples import BACKLOG, NOW, RECIPE, SETTLING, Standing, enqueue, new_job, picture
from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError
from twofold.core.job import FileVersion, Intent, Job, Output
from twofold.core.lookahead import Candidate
from twofold.core.reconcile import Known
from twofold.core.states import State
from twofold.jobs.board import Board
from twofold.jobs.database import open_engine
from twofold.jobs.liveness import recover, worker_ended
from twofold.jobs.queue import JobQueue
from twofold.jobs.row import job_of, row_of

WORKER = "local/cpu"
OUTPUT = Output(b"a.jpg", "cc" * 32, 5, 9)
NAMELESS = b"\xff\xfe new\nline.jpg"


def workflows(state: Standing) -> dict[str, str]:
    """Every workflow that DBOS has, and the queue it stands in."""
    with state.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT workflow_uuid, queue_name FROM workflow_status"))
        return {row.workflow_uuid: row.queue_name for row in rows}


def test_a_row_gives_the_job_back() -> None:
    job = replace(
        new_job(NAMELESS),
        version=FileVersion(2**62, 3, 4, 2**64 - 5),
        pictures=(replace(picture(), passes_done=1, fraction=0.5, plans=({"tile": [64, 64]},)),),
        reserved=NAMELESS,
        intent=Intent(b".twofold-\xfe.tmp", NAMELESS, "ab", 12),
        output=OUTPUT,
        alone=True,
        seconds={"make": 1.5},
    )
    assert job_of(row_of(job)) == job


def test_an_unknown_id_is_told_apart(state: Standing) -> None:
    with pytest.raises(TwofoldError) as caught:
        state.ledger.get("nothing")
    assert caught.value.code is Code.NOT_FOUND


def test_the_newest_version_is_the_current_one(state: Standing) -> None:
    first, second = new_job(mtime_ns=1), new_job(mtime_ns=2)
    assert state.ledger.observe(first, NOW, volume="v1")
    assert not state.ledger.observe(first, NOW + 1)
    assert state.ledger.observe(second, NOW + 2)
    current = state.ledger.current("photos", b"a.jpg")
    assert current is not None
    assert current.id == second.id
    older = state.ledger.get(first.id)
    assert older.reason is not None
    assert (older.state, older.reason.code, older.finished) == (State.CANCELLED, Code.CHANGED, NOW + 2)
    assert state.ledger.current("photos", b"b.jpg") is None


def test_a_finished_older_version_stays_what_it_was(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    state.ledger.record_delivered(job_id, OUTPUT, {}, NOW)
    state.ledger.observe(new_job(mtime_ns=2), NOW)
    assert state.ledger.get(job_id).state is State.DONE


def test_a_file_that_vanished_and_is_back_starts_again(state: Standing) -> None:
    job = new_job(reason=SETTLING)
    state.ledger.observe(job, NOW)
    assert state.ledger.conclude(job.id, State.VANISHED, None, NOW)
    assert state.ledger.observe(job, NOW)
    back = state.ledger.get(job.id)
    assert (back.state, back.reason, back.finished, back.generation) == (State.WAITING, SETTLING, None, 2)


def test_known_and_candidates_tell_what_a_scan_has_to_know(state: Standing) -> None:
    state.ledger.observe(new_job(b"settling.jpg", reason=SETTLING), NOW)
    state.ledger.observe(new_job(b"backlog.jpg"), NOW)
    state.ledger.observe(new_job(b"elsewhere.jpg", inbox="scans"), NOW)
    enqueue(state, new_job(b"queued.jpg"))
    version = new_job().version
    assert state.ledger.known("photos") == {
        b"settling.jpg": Known(version, State.WAITING, settling=True),
        b"backlog.jpg": Known(version, State.WAITING),
        b"queued.jpg": Known(version, State.QUEUED, spooled=True),
    }
    assert state.ledger.candidates("photos") == [Candidate("photos", b"backlog.jpg", 1000, 1)]
    assert state.ledger.counts() == {"photos": {State.WAITING: 2, State.QUEUED: 1}, "scans": {State.WAITING: 1}}
    assert state.ledger.unfinished() == 4
    assert [job.path for job in state.ledger.jobs({State.WAITING}, inbox="scans")] == [b"elsewhere.jpg"]
    assert len(state.ledger.jobs({State.WAITING}, limit=2)) == 2


def test_a_settled_file_takes_its_last_version_in(state: Standing) -> None:
    job, version = new_job(reason=SETTLING), FileVersion(5000, 8, 8, 7)
    state.ledger.observe(job, NOW)
    state.ledger.record_version(job.id, version)
    assert state.ledger.set_waiting(job.id, BACKLOG)
    assert state.ledger.known("photos")[b"a.jpg"] == Known(version, State.WAITING)


def test_a_held_backlog_waits_for_a_person(state: Standing) -> None:
    job = new_job()
    state.ledger.observe(job, NOW)
    assert state.ledger.hold(job.id, Reason(Code.HELD_BACKLOG, "many files"))
    assert state.ledger.unfinished() == 0
    assert state.ledger.release("scans") == 0
    assert state.ledger.release("photos") == 1
    assert state.ledger.get(job.id).reason == Reason(Code.SETTLING, Code.SETTLING.meaning)  # it may have changed since


def test_the_row_and_its_workflow_are_one(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    assert workflows(state) == {f"{job_id}~1": "jobs"}
    job = state.ledger.get(job_id)
    assert (job.state, job.sha256, job.reserved, job.pictures) == (State.QUEUED, "00" * 32, b"a.jpg", (picture(),))
    assert job.workflow_id in workflows(state)
    assert state.ledger.demand() == (0, 1, None)


def test_two_that_enqueue_one_job_at_once_enqueue_it_once(state: Standing) -> None:
    job = new_job()
    state.ledger.observe(job, NOW)
    start = threading.Barrier(2)
    answers = []

    def race() -> None:
        engine = open_engine(state.path)
        queue = JobQueue(engine)
        start.wait()
        answers.append(
            queue.enqueue(job.id, sha256="00", pictures=[picture()], outbox="/out", name=b"a.jpg", key=b"a.jpg")
        )
        queue.close()
        engine.dispose()

    racers = [threading.Thread(target=race) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert answers == ["queued", "queued"]
    assert workflows(state) == {f"{job.id}~1": "jobs"}
    assert state.ledger.get(job.id).generation == 1


def test_an_output_name_is_given_once_per_outbox(state: Standing) -> None:
    def ask(job: Job, outbox: str, name: bytes) -> str:
        state.ledger.observe(job, NOW)
        return state.queue.enqueue(
            job.id, sha256="00", pictures=[picture()], outbox=outbox, name=name, key=name.lower()
        )

    holder, other = new_job(b"a.jpg"), new_job(b"a.png")
    assert ask(holder, "/out", b"A.jpg") == "queued"
    assert ask(other, "/out", b"a.JPG") == "name_taken"
    assert state.ledger.get(other.id).state is State.WAITING
    assert ask(other, "/elsewhere", b"a.jpg") == "queued"
    # A newer version of the same file delivers under the same name.
    assert ask(new_job(b"a.jpg", mtime_ns=2), "/out", b"a.jpg") == "queued"


def test_a_name_is_free_again_unless_something_was_delivered_under_it(state: Standing) -> None:
    failed = enqueue(state, new_job())
    state.ledger.conclude(failed, State.FAILED, None, NOW)
    done = replace(new_job(b"A.JPG"), inbox="scans")
    enqueue(state, done)
    state.ledger.record_delivered(done.id, OUTPUT, {}, NOW)
    third = new_job(b"a.Jpg")
    state.ledger.observe(third, NOW)
    answer = state.queue.enqueue(third.id, sha256="1", pictures=[], outbox="/out", name=b"a.Jpg", key=b"a.jpg")
    assert answer == "name_taken"


def test_only_the_active_generation_is_worked_on(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    assert not state.ledger.start(job_id, 2, WORKER, NOW)
    assert state.ledger.start(job_id, 1, WORKER, NOW)
    assert state.ledger.start(job_id, 1, WORKER, NOW + 5)
    assert state.ledger.is_active(job_id, 1)
    job = state.ledger.get(job_id)
    assert (job.state, job.worker, job.started) == (State.RUNNING, WORKER, NOW)
    assert not state.ledger.conclude(job_id, State.FAILED, None, NOW, generation=2)
    assert state.ledger.conclude(job_id, State.CANCELLED, None, NOW)
    assert not state.ledger.is_active(job_id, 1)
    assert not state.ledger.start(job_id, 1, WORKER, NOW)
    assert not state.ledger.record_progress(job_id, 0, passes_done=1, fraction=0.5)
    assert not state.ledger.try_later(job_id, 1, State.RETRYING, BACKLOG, NOW)
    assert not state.ledger.record_delivered(job_id, OUTPUT, {}, NOW)


def test_progress_keeps_the_plan_in_force_for_each_pass(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    for passes_done, tile in ((0, 64), (0, 32), (1, 96)):
        plan = {"tile": [tile, tile], "batch": 1, "device": "cpu"}
        state.ledger.record_progress(job_id, 0, passes_done=passes_done, fraction=0.3, boot_id="b", plan=plan)
    state.ledger.record_progress(job_id, 0, passes_done=2, fraction=1.0, boot_id="c")
    job = state.ledger.get(job_id)
    assert [plan["tile"][0] for plan in job.pictures[0].plans] == [32, 96]
    assert (job.pictures[0].passes_done, job.pictures[0].fraction, job.boot_id) == (2, 1.0, "c")


def test_the_report_that_completes_a_pass_carries_that_passs_plan(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    for passes_done, plan_of, tile in ((0, 0, 64), (1, 0, 32), (1, 1, 96), (2, 1, 48)):
        plan = {"tile": [tile, tile], "batch": 1, "device": "cpu"}
        state.ledger.record_progress(job_id, 0, passes_done=passes_done, fraction=0.3, plan=plan, plan_of=plan_of)
    assert [plan["tile"][0] for plan in state.ledger.get(job_id).pictures[0].plans] == [32, 48]


def test_a_delivery_may_be_recorded_twice(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    assert state.ledger.record_intent(job_id, Intent(b"t", NAMELESS, "cc" * 32, 5))
    assert state.ledger.record_delivered(job_id, OUTPUT, {"make": 1.0}, NOW)
    assert state.ledger.record_delivered(job_id, OUTPUT, {"make": 2.0}, NOW + 1)
    job = state.ledger.get(job_id)
    assert (job.output, job.finished, job.seconds) == (OUTPUT, NOW, {"make": 1.0})
    found = state.ledger.find_done("00" * 32, RECIPE.digest())
    assert found is not None
    assert found.id == job_id
    assert state.ledger.find_done("00" * 32, "another recipe") is None


def test_retry_and_redo_read_the_original_again(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    assert not state.ledger.redo(job_id)
    state.ledger.conclude(job_id, State.FAILED, Reason(Code.DAMAGED, "cut off"), NOW)
    assert state.ledger.retry(job_id)
    job = state.ledger.get(job_id)
    assert (job.state, job.reason, job.sha256, job.generation) == (State.WAITING, BACKLOG, None, 2)
    enqueue(state, new_job())
    assert f"{job_id}~2" in workflows(state)
    state.ledger.record_delivered(job_id, OUTPUT, {}, NOW)
    assert not state.ledger.retry(job_id)
    assert state.ledger.redo(job_id)
    assert state.ledger.get(job_id).output == OUTPUT


def test_a_person_need_not_wait_for_the_next_attempt(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    state.ledger.try_later(job_id, 1, State.RETRYING, Reason(Code.READ_FAILED, "gone"), NOW + 1800)
    assert state.queue.requeue_due(NOW) == []
    assert state.ledger.retry(job_id)
    assert state.queue.requeue_due(NOW) == [job_id]
    assert workflows(state) == {f"{job_id}~1": "jobs", f"{job_id}~2": "jobs"}


def test_only_a_lone_death_is_blamed_and_headway_clears_it(state: Standing) -> None:
    one, two = enqueue(state, new_job(b"1.jpg")), enqueue(state, new_job(b"2.jpg"))
    for job_id in (one, two):
        state.ledger.start(job_id, 1, WORKER, NOW)
    assert worker_ended(state.queue, WORKER, NOW, died=True).resumed == (one, two)
    assert [(job.deaths, job.alone) for job in map(state.ledger.get, (one, two))] == [(0, True), (0, True)]
    assert set(workflows(state).values()) == {"alone"}
    assert state.ledger.demand() == (2, 0, None)
    for deaths in (1, 2):
        state.ledger.start(one, 1, WORKER, NOW)
        worker_ended(state.queue, WORKER, NOW, died=True)
        assert state.ledger.get(one).deaths == deaths
    lost = state.ledger.get(one).reason
    assert lost is not None
    assert lost.code is Code.WORKER_LOST
    state.ledger.start(one, 1, WORKER, NOW)
    state.ledger.band_completed(one)
    worker_ended(state.queue, WORKER, NOW, died=True)
    assert state.ledger.get(one).deaths == 1
    # Trouble that the worker survived: no reason to keep it apart any longer.
    state.ledger.start(one, 1, WORKER, NOW)
    state.ledger.try_later(one, 1, State.RETRYING, Reason(Code.DELIVERY_FAILED, "no"), NOW)
    state.queue.requeue_due(NOW)
    assert workflows(state)[f"{one}~2"] == "jobs"


def test_a_power_cut_blames_nobody(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    for _ in range(5):
        state.ledger.start(job_id, 1, WORKER, NOW)
        assert recover(state.queue) == 1
    job = state.ledger.get(job_id)
    assert (job.state, job.deaths, job.alone, job.generation) == (State.QUEUED, 0, False, 1)


@pytest.mark.parametrize("trouble", ["DELETE FROM workflow_status", "UPDATE workflow_status SET status = 'ERROR'"])
def test_a_row_without_a_live_workflow_gets_a_new_one(state: Standing, trouble: str) -> None:
    job_id = enqueue(state, new_job())
    with state.engine.begin() as connection:
        connection.execute(sa.text(trouble))
    recover(state.queue)
    assert workflows(state)[f"{job_id}~2"] == "jobs"
    assert state.ledger.get(job_id).generation == 2


def test_ended_workflows_are_forgotten_and_their_jobs_remembered(state: Standing) -> None:
    done, queued = enqueue(state, new_job(b"1.jpg")), enqueue(state, new_job(b"2.jpg"))
    state.ledger.record_delivered(done, OUTPUT, {}, NOW)
    with state.engine.begin() as connection:
        ended = sa.text("UPDATE workflow_status SET status = 'SUCCESS', completed_at = :ms WHERE workflow_uuid = :id")
        connection.execute(ended, {"ms": int(NOW * 1000), "id": f"{done}~1"})
    assert state.queue.prune(NOW + 60, older_s=3600) == 0
    assert state.queue.prune(NOW + 3601, older_s=3600) == 1
    assert workflows(state) == {f"{queued}~1": "jobs"}
    assert state.ledger.get(done).state is State.DONE


def test_a_speed_moves_slowly(state: Standing) -> None:
    board = Board(state.engine)
    for px_per_s in (100.0, 200.0):
        board.record_speed("net@1", "cpu", px_per_s, NOW)
    assert board.speeds() == {("net@1", "cpu"): pytest.approx(130.0)}


def test_many_files_at_once_are_observed_as_one_by_one(state: Standing) -> None:
    old, same, fresh = new_job(b"changed"), new_job(b"same"), new_job(b"fresh")
    gone = new_job(b"gone")
    for job in (old, same, gone):
        state.ledger.observe(job, NOW)
    state.ledger.conclude(gone.id, State.VANISHED, BACKLOG, NOW)
    changed = new_job(b"changed", mtime_ns=9)
    observed = state.ledger.observe_all([changed, same, fresh, gone], NOW + 1)
    assert {job.path for job in observed} == {b"changed", b"fresh", b"gone"}
    assert state.ledger.get(old.id).state is State.CANCELLED
    assert {job.path for job in state.ledger.jobs({State.WAITING})} == {b"changed", b"same", b"fresh", b"gone"}
    assert state.ledger.observe_all([changed, same, fresh, gone], NOW + 2) == []


def test_a_large_folder_lets_other_writers_in(state: Standing) -> None:
    jobs = [new_job(b"%d.jpg" % number) for number in range(6000)]
    board, waits = Board(state.engine), []
    observing = threading.Thread(target=state.ledger.observe_all, args=(jobs, NOW))
    observing.start()
    while observing.is_alive():
        started_s = time.monotonic()
        board.record_speed("net@1", "cpu", 1.0, NOW)
        waits.append(time.monotonic() - started_s)
        time.sleep(0.01)
    observing.join()
    assert len(waits) > 3
    assert max(waits) < 10  # it starved until SQLite gave up, after 30 s
    assert state.ledger.unfinished() == 6000
    settled = [(job.path, job.version) for job in jobs]
    state.ledger.settle_all("photos", settled)
    assert len(state.ledger.candidates("photos")) == 6000
