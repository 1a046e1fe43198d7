"""`status`, `jobs` and `explain` beside a service that writes, and before there is one."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.jobs.samples import NOW, WHY, Standing, enqueue, new_job
from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError
from twofold.core.job import Output
from twofold.core.states import InboxState, State
from twofold.jobs.backlogs import Backlogs
from twofold.jobs.board import Board, DeviceStanding, InboxStanding
from twofold.jobs.database import writing
from twofold.jobs.orders import Orders
from twofold.jobs.pauses import ALL, Pauses
from twofold.jobs.read import find, jobs_json, status_json

NOBODY = 65534
PHOTOS = InboxStanding(
    "photos", b"/srv/in", b"/srv/out", InboxState.OK, mode="inotify", scan_every_s=60.0, ignored={"hidden": 3}
)


def test_before_the_first_start_everything_is_empty(tmp_path: Path) -> None:
    for path in (tmp_path / "none.sqlite", tmp_path / "new.sqlite"):
        assert status_json(str(path)) == {
            "schema": 1,
            "inboxes": [],
            "devices": [],
            "queue": {"files": 0, "pixels": 0, "eta_s": 0, "out_bytes": 0},
        }
        assert jobs_json(str(path)) == {"schema": 1, "jobs": []}
        assert find(str(path), b"a.jpg") == []
        (tmp_path / "new.sqlite").touch()


def test_a_ledger_that_cannot_be_read_says_why(state: Standing, tmp_path: Path) -> None:
    with writing(state.engine) as connection:
        connection.execute(sa.text("UPDATE meta SET value = '999' WHERE key = 'schema_version'"))
    with pytest.raises(TwofoldError) as newer:
        status_json(state.path)
    assert newer.value.code is Code.STATE_NEWER
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"no database" * 1000)
    with pytest.raises(TwofoldError) as damaged:
        jobs_json(str(garbage))
    assert damaged.value.code is Code.STATE_DAMAGED


def test_status_while_a_writer_writes(state: Standing) -> None:
    board = Board(state.engine)
    board.record_inbox(InboxStanding("gone", b"/x", b"/y", InboxState.OFFLINE))
    board.record_inbox(InboxStanding("photos", b"/srv/in", b"/srv/out", InboxState.OFFLINE, volume="v"))
    board.record_inbox(PHOTOS)
    board.keep_inboxes({"photos"})
    worker = {"pid": 7, "state": "busy", "since": "2027-01-15T08:00:00Z"}
    waiting = (Reason(Code.LOW_MEMORY, "too little", "free some"), NOW)
    board.record_device(DeviceStanding("cpu", "A processor", "cpu", 100, 50, worker, waiting), NOW)
    board.record_device(DeviceStanding("cuda:9", "gone", "cuda", 1, 1), NOW)
    board.keep_devices({"cpu"})
    board.record_speed("net@1", "cpu", 1000.0, NOW)
    enqueue(state, new_job())
    state.ledger.observe(new_job(b"later.jpg"), NOW)
    with writing(state.engine) as connection:
        connection.execute(sa.text("UPDATE file SET state = 'failed'"))
        # What is not committed is not told.
        told = status_json(state.path)
    assert told == {
        "schema": 1,
        "inboxes": [
            {
                "name": "photos",
                "state": "ok",
                "reason": None,
                "paused_until": None,
                "held": None,
                "mode": "inotify",
                "scan_every_s": 60.0,
                "counts": {"queued": 1, "waiting": 1},
                "dismissed": 0,
                "ignored": {"hidden": 3},
            }
        ],
        "devices": [
            {
                "id": "cpu",
                "name": "A processor",
                "total_bytes": 100,
                "free_bytes": 50,
                "worker": worker,
                "waiting": {
                    "code": "low_memory",
                    "text": "too little",
                    "hint": "free some",
                    "since": "2027-01-15T08:00:00Z",
                },
            }
        ],
        # The file that was not read yet counts like the one that was.
        "queue": {"files": 2, "pixels": 48000, "eta_s": 12, "out_bytes": 32000},
    }


def test_an_inbox_is_paused_or_held_as_soon_as_it_is_said(state: Standing) -> None:
    board, pauses, backlogs = Board(state.engine), Pauses(state.engine), Backlogs(state.engine)
    board.record_inbox(PHOTOS)
    backlogs.decide("photos", b"/srv/in", "hold", files=1, nbytes=9, now=NOW)
    backlogs.record_forecast("photos", {"files": 1, "seconds": 7.0})
    state.ledger.observe(new_job(), NOW)
    state.ledger.hold(new_job().id, Reason(Code.HELD_BACKLOG, ""))
    (held,) = status_json(state.path)["inboxes"]
    assert (held["state"], held["reason"]["code"]) == ("held", "held_backlog")
    assert held["held"] == {"files": 1, "forecast": {"files": 1, "seconds": 7.0}}
    pauses.begin("photos", until=4e9, release_gpu=False, now=NOW)
    pauses.begin(ALL, until=1.0, release_gpu=False, now=0)  # over
    (paused,) = status_json(state.path)["inboxes"]
    assert (paused["state"], paused["paused_until"]) == ("paused", "2096-10-02T07:06:40Z")
    pauses.begin(ALL, until=None, release_gpu=False, now=NOW)
    (forever,) = status_json(state.path)["inboxes"]
    assert (forever["state"], forever["paused_until"]) == ("paused", None)
    board.record_inbox(replace(PHOTOS, state=InboxState.OFFLINE))
    assert status_json(state.path)["inboxes"][0]["state"] == "offline"


def test_what_is_dismissed_is_counted_apart(state: Standing) -> None:
    Board(state.engine).record_inbox(PHOTOS)
    state.ledger.observe(new_job(), NOW)
    state.ledger.conclude(new_job().id, State.FAILED, Reason(Code.DAMAGED, ""), NOW)
    assert status_json(state.path)["inboxes"][0]["counts"] == {"failed": 1}
    assert Orders(state.queue).dismiss(new_job().id)
    (told,) = status_json(state.path)["inboxes"]
    assert (told["counts"], told["dismissed"]) == ({}, 1)


def test_an_older_ledger_says_what_to_do(state: Standing) -> None:
    with writing(state.engine) as connection:
        connection.execute(sa.text("UPDATE meta SET value = '1' WHERE key = 'schema_version'"))
    with pytest.raises(TwofoldError) as older:
        status_json(state.path)
    assert older.value.code is Code.STATE_OLDER


def test_jobs_in_the_shape_that_others_script_against(state: Standing) -> None:
    odd = b"sub/\xff.jpg"
    job_id = enqueue(state, new_job(odd))
    state.ledger.start(job_id, 1, "local/cpu", NOW)
    plan = {"tile": [64, 48], "batch": 2, "device": "cpu", "why": "it fits"}
    state.ledger.record_progress(job_id, 0, passes_done=0, fraction=0.25, plan=plan)
    (told,) = jobs_json(state.path, State.RUNNING)["jobs"]
    assert told == {
        "id": job_id,
        "inbox": "photos",
        "path": "sub/\N{REPLACEMENT CHARACTER}.jpg",
        "path_b64": base64.b64encode(odd).decode(),
        "state": "running",
        "reason": None,
        "recipe": "photo-4x",
        "pictures": [
            {
                "width": 40,
                "height": 30,
                "out_width": 160,
                "out_height": 120,
                "passes": [
                    {"model": "net@1", "scale": 2, "tile": [64, 48], "batch": 2, "device": "cpu"},
                    {"model": "net@1", "scale": 2, "tile": None, "batch": None, "device": None},
                ],
                "pass": 0,
                "fraction": 0.25,
                "why": WHY,
            }
        ],
        "attempts": 0,
        "next_at": None,
        "output": None,
        "sha256": "00" * 32,
        "created": "2027-01-15T08:00:00Z",
        "finished": None,
        "priority": 0,
        "dismissed": False,
        "after": None,
    }
    json.dumps(told)
    assert jobs_json(state.path, State.DONE)["jobs"] == []


def test_jobs_that_ended_and_jobs_that_wait(state: Standing) -> None:
    done, retrying = enqueue(state, new_job(b"1.jpg")), enqueue(state, new_job(b"2.jpg"))
    state.ledger.record_delivered(done, Output(b"1.jpg", "cc", 5, 9), {}, NOW + 61)
    reason = Reason(Code.READ_FAILED, "gone", "look")
    state.ledger.try_later(retrying, 1, State.RETRYING, reason, NOW + 10)
    first, second = jobs_json(state.path)["jobs"]
    assert (first["id"], first["attempts"], first["next_at"]) == (retrying, 1, "2027-01-15T08:00:10Z")
    assert first["reason"] == {"code": "read_failed", "text": "gone", "hint": "look"}
    assert (second["id"], second["output"], second["finished"]) == (done, "1.jpg", "2027-01-15T08:01:01Z")
    assert "path_b64" not in second


def test_what_is_to_come_is_counted_from_plans(state: Standing) -> None:
    board = Board(state.engine)
    job_id = enqueue(state, new_job())
    assert status_json(state.path)["queue"]["eta_s"] is None
    board.record_speed("net@1", "cpu", 1000.0, NOW)
    # Two passes: 40x30 to 80x60, then to 160x120.
    queue = {"files": 1, "pixels": 4800 + 19200, "eta_s": 6, "out_bytes": 16 * 1000}
    assert status_json(state.path)["queue"] == queue
    state.ledger.record_progress(job_id, 0, passes_done=1, fraction=0.2)
    assert status_json(state.path)["queue"] == queue | {"pixels": 19200, "eta_s": 5}
    state.ledger.record_delivered(job_id, Output(b"a.jpg", "cc", 5, 9), {}, NOW)
    state.ledger.observe(new_job(b"unplanned.jpg"), NOW)
    assert status_json(state.path)["queue"] == queue  # one of the same size as the last that was done


def test_nothing_is_guessed_of_a_backlog_that_resembles_nothing(state: Standing) -> None:
    state.ledger.observe(new_job(b"unplanned.jpg"), NOW)
    assert status_json(state.path)["queue"] == {"files": 1, "pixels": 0, "eta_s": None, "out_bytes": 0}


def test_a_job_is_found_by_whatever_a_person_has_at_hand(state: Standing) -> None:
    Board(state.engine).record_inbox(PHOTOS)
    older = enqueue(state, new_job(b"sub/a.jpg"))
    state.ledger.record_delivered(older, Output(b"sub/a-2.jpg", "cc", 5, 9), {}, NOW)
    newer = new_job(b"sub/a.jpg", mtime_ns=2)
    state.ledger.observe(newer, NOW + 1)
    for name, ids in {
        older.encode(): [older],
        b"sub/a.jpg": [newer.id, older],
        b"/srv/in/sub/a.jpg": [newer.id, older],
        b"/srv/out/sub/a-2.jpg": [older],
        b"/srv/input/sub/a.jpg": [],
        b"\xff": [],
    }.items():
        assert [job["id"] for job in find(state.path, name)] == ids


def test_reading_imports_nothing_slow(state: Standing) -> None:
    program = (
        "import sys; from twofold.jobs import read; read.status_json(sys.argv[1]);"
        "print(sorted({'sqlalchemy', 'dbos', 'typer', 'pydantic', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, state.path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.root
@pytest.mark.parametrize("running", [True, False])
def test_a_user_who_may_not_write_can_read(tmp_path: Path, state: Standing, running: bool) -> None:
    job_id = enqueue(state, new_job())
    if not running:
        state.close()
        assert not (tmp_path / "ledger.sqlite-wal").exists()
    program = (
        f"import os; from twofold.jobs import read; os.chdir({str(tmp_path)!r}); os.setuid({NOBODY});"
        "print(read.jobs_json('ledger.sqlite')['jobs'][0]['id'])"
    )
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (job_id, "")


def test_rows_of_before_networks_were_chosen_are_read(state: Standing) -> None:
    """A ledger of the first version says nothing of why."""
    job_id = enqueue(state, new_job())
    with writing(state.engine) as connection:
        connection.execute(sa.text("UPDATE file SET pictures = json_remove(pictures, '$[0].why')"))
    (told,) = jobs_json(state.path, State.QUEUED)["jobs"]
    assert told["pictures"][0]["why"] == ""
    assert state.ledger.get(job_id).pictures[0].why == ""
