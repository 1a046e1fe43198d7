"""Real workers in real processes, killed for real."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.jobs.samples import NOW, Standing, enqueue, new_job
from tests.jobs.worker_process import serve
from twofold.core.codes import Code
from twofold.core.states import State
from twofold.jobs.liveness import recover, worker_ended
from twofold.jobs.orders import Orders

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0
WORKER = "local/cpu"


class Script:
    """The folder that a scripted worker obeys and writes its log to."""

    def __init__(self, folder: Path, ledger_path: str) -> None:
        self.folder = folder
        self.folder.mkdir()
        self._ledger_path = ledger_path

    def say(self, name: str, text: str = "") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def lines(self, job_id: str) -> list[str]:
        """What happened to a job, without its id."""
        log = self.folder / "log"
        text = log.read_text() if log.exists() else ""
        return [line.replace(job_id, "").replace("  ", " ").strip() for line in text.splitlines() if job_id in line]

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.jobs.worker_process", self._ledger_path, WORKER, str(self.folder)]
        return subprocess.Popen(
            [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def drain(self, *, alone: bool = False) -> None:
        """A worker that lives until it finds nothing more to do; in this process, which saves its start."""
        assert serve(self._ledger_path, WORKER, self.folder, threading.Event(), alone=alone) == "idle"

    def wait_for(self, job_id: str, line: str) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while line not in self.lines(job_id):
            assert time.monotonic() < deadline_s, self.lines(job_id)
            time.sleep(0.02)


@pytest.fixture
def script(state: Standing, tmp_path: Path) -> Script:
    return Script(tmp_path / "script", state.path)


def test_a_job_is_made_and_delivered(state: Standing, script: Script) -> None:
    job_id = enqueue(state, new_job())
    script.say(f"{job_id}.long", "1")
    script.drain()
    assert script.lines(job_id) == [
        "begin make",
        "end make",
        "begin pass1",
        "end pass1",
        "begin deliver",
        "end deliver",
    ]
    job = state.ledger.get(job_id)
    assert (job.state, job.worker, job.finished, job.seconds) == (State.DONE, None, NOW + 60, {"make": 0.5})
    assert job.output is not None
    assert job.output.path == b"a.jpg"
    assert state.ledger.unfinished() == 0


def test_a_job_that_is_taken_away_between_two_steps_is_put_down(state: Standing, script: Script) -> None:
    job_id = enqueue(state, new_job())
    script.say(f"{job_id}.long", "0")
    hang = script.say(f"{job_id}.make.hang")
    worker = threading.Thread(target=script.drain)
    worker.start()
    script.wait_for(job_id, "begin make")
    assert Orders(state.queue).cancel(job_id, NOW)
    hang.unlink()
    worker.join(DEADLINE_S)
    assert script.lines(job_id) == ["begin make", "end make", "put_down"]
    assert state.ledger.get(job_id).state is State.CANCELLED


def test_kill_nine_in_a_pass_repeats_that_pass_only(state: Standing, script: Script) -> None:
    job_id = enqueue(state, new_job())
    script.say(f"{job_id}.long", "0 1")
    hang = script.say(f"{job_id}.pass1.hang")
    with script.start() as process:
        script.wait_for(job_id, "begin pass1")
        process.kill()
    assert state.ledger.get(job_id).state is State.RUNNING
    # The whole tree died, and the new supervisor blames nobody.
    assert recover(state.queue) == 1
    hang.unlink()
    script.drain()
    assert script.lines(job_id) == [
        *("begin make", "end make", "begin pass0", "end pass0", "begin pass1"),
        *("begin pass1", "end pass1", "begin deliver", "end deliver"),
    ]
    job = state.ledger.get(job_id)
    assert (job.state, job.deaths, job.generation, job.alone) == (State.DONE, 0, 1, False)


def test_the_next_worker_of_the_same_id_recovers_by_itself(state: Standing, script: Script) -> None:
    job_id = enqueue(state, new_job())
    hang = script.say(f"{job_id}.deliver.hang")
    with script.start() as process:
        script.wait_for(job_id, "begin deliver")
        process.kill()
    hang.unlink()
    script.drain()
    assert script.lines(job_id).count("begin make") == 1
    assert state.ledger.get(job_id).state is State.DONE


def test_sigterm_stops_at_a_checkpoint_and_nothing_is_recorded_as_failed(state: Standing, script: Script) -> None:
    job_id = enqueue(state, new_job())
    hang = script.say(f"{job_id}.deliver.hang")
    with script.start() as process:
        script.wait_for(job_id, "begin deliver")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (out.strip(), err, process.returncode) == ("stopped", "", 0)
    ended = worker_ended(state.queue, WORKER, NOW, died=False)
    assert ended.resumed == (job_id,)
    job = state.ledger.get(job_id)
    assert (job.state, job.deaths, job.alone, job.attempts) == (State.QUEUED, 0, False, 0)
    hang.unlink()
    script.drain()
    assert script.lines(job_id) == ["begin make", "end make", "begin deliver", "begin deliver", "end deliver"]


def test_transient_trouble_is_tried_again_when_it_is_due(state: Standing, script: Script) -> None:
    job_id = enqueue(state, new_job())
    script.say(f"{job_id}.deliver.raise", "delivery_failed")
    script.drain()
    job = state.ledger.get(job_id)
    assert (job.state, job.attempts, job.next_at) == (State.RETRYING, 1, NOW + 10)
    assert job.reason is not None
    assert job.reason.code is Code.DELIVERY_FAILED
    assert script.lines(job_id)[-1] == "ended retrying delivery_failed NoneType"
    assert state.ledger.demand().next_at == NOW + 10
    assert state.queue.requeue_due(NOW + 9) == []
    assert state.queue.requeue_due(NOW + 10) == [job_id]
    assert state.queue.requeue_due(NOW + 10) == []
    script.drain()
    job = state.ledger.get(job_id)
    assert (job.state, job.generation, job.attempts, job.reason) == (State.DONE, 2, 1, None)


def test_every_error_becomes_the_jobs_outcome(state: Standing, script: Script) -> None:
    codes = {b"damaged.jpg": "damaged", b"big.jpg": "already_large", b"model.jpg": "missing_model", b"bug.jpg": "boom"}
    ids = {path: enqueue(state, new_job(path)) for path in codes}
    for path, code in codes.items():
        script.say(f"{ids[path]}.make.raise", code)
    script.drain()
    jobs = {path: state.ledger.get(job_id) for path, job_id in ids.items()}
    assert {path: job.state for path, job in jobs.items()} == {
        b"damaged.jpg": State.FAILED,
        b"big.jpg": State.SKIPPED,
        b"model.jpg": State.WAITING,
        b"bug.jpg": State.RETRYING,
    }
    bug = jobs[b"bug.jpg"].reason
    assert bug is not None
    assert (bug.code, bug.text) == (Code.UNEXPECTED, "ZeroDivisionError: boom")
    assert script.lines(ids[b"bug.jpg"])[-1] == "ended retrying unexpected ZeroDivisionError"
    # What waits for a missing network is due again by itself.
    assert jobs[b"model.jpg"].next_at is not None
    assert set(state.queue.requeue_due(NOW + 60)) == {ids[b"model.jpg"], ids[b"bug.jpg"]}


def test_a_job_cancelled_or_superseded_in_the_queue_costs_no_work(state: Standing, script: Script) -> None:
    cancelled = enqueue(state, new_job(b"x.jpg"))
    older, newer = enqueue(state, new_job(b"y.jpg")), new_job(b"y.jpg", mtime_ns=2)
    state.ledger.conclude(cancelled, State.CANCELLED, None, NOW)
    enqueue(state, newer)
    script.drain()
    assert (script.lines(cancelled), script.lines(older)) == ([], [])
    assert state.ledger.get(older).state is State.CANCELLED
    assert state.ledger.get(newer.id).state is State.DONE


def test_a_job_that_kills_its_worker_fails_after_three_lone_deaths_and_its_neighbours_are_done(
    state: Standing, script: Script
) -> None:
    killer = enqueue(state, new_job(b"killer.jpg"))
    neighbours = [enqueue(state, new_job(b"n%d.jpg" % number)) for number in range(2)]
    script.say(f"{killer}.make.die")
    deaths = 0
    while state.ledger.get(killer).state is not State.FAILED:
        with script.start(*(["alone"] if state.ledger.demand().alone else [])) as process:
            assert process.wait(DEADLINE_S) == -signal.SIGKILL
        deaths += 1
        failed = worker_ended(state.queue, WORKER, NOW, died=True).failed
    assert failed == (killer,)
    assert deaths in (3, 4)  # 4 where the first was shared with a neighbour, and counted for nobody
    script.drain(alone=True)
    script.drain()
    job = state.ledger.get(killer)
    assert (job.state, job.deaths) == (State.FAILED, 3)
    assert job.reason is not None
    assert job.reason.code is Code.KILLS_WORKER
    assert {(j.state, j.deaths) for j in map(state.ledger.get, neighbours)} == {(State.DONE, 0)}


def test_workers_of_other_devices_keep_what_they_have(state: Standing, script: Script) -> None:
    job_id = enqueue(state, new_job())
    hang = script.say(f"{job_id}.make.hang")
    with script.start() as process:
        script.wait_for(job_id, "begin make")
        assert worker_ended(state.queue, "local/cuda:0", NOW, died=True) == ((), ())
        hang.unlink()
        process.communicate(timeout=DEADLINE_S)
    assert script.lines(job_id).count("begin make") == 1
    assert state.ledger.get(job_id).state is State.DONE


def test_a_job_that_does_not_stop_goes_on_in_the_next_worker(state: Standing, script: Script) -> None:
    job_id = enqueue(state, new_job())
    hang, deaf = script.say(f"{job_id}.make.hang"), script.say(f"{job_id}.deaf")
    with script.start() as process:
        script.wait_for(job_id, "begin make")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=DEADLINE_S)[0].strip() == "stuck"
    hang.unlink()
    deaf.unlink()
    assert worker_ended(state.queue, WORKER, NOW, died=False).resumed == (job_id,)
    script.drain()
    assert state.ledger.get(job_id).state is State.DONE
