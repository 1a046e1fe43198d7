"""`status`, `jobs` and `explain` tell what the ledger holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import twofold, write_config
from tests.jobs.samples import NOW, enqueue, new_job, open_ledger
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.states import InboxState, State
from twofold.jobs.board import Board, DeviceStanding, InboxStanding
from twofold.service.lock import FileLock
from twofold.service.paths import StatePaths

DAMAGED = Reason(Code.DAMAGED, "The picture is cut off.", "Copy it again.")
ODD_NAME = b"two\nlines\xff.jpg"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A configuration and a ledger with one queued, one failed and one oddly named waiting file."""
    write_config(tmp_path)
    (tmp_path / "state").mkdir()
    state = open_ledger(tmp_path / "state")
    enqueue(state, new_job(b"queued.jpg"))
    state.ledger.conclude(enqueue(state, new_job(b"failed.jpg")), State.FAILED, DAMAGED, NOW)
    state.ledger.observe(new_job(ODD_NAME), NOW)
    board = Board(state.engine)
    folder = os.fsencode(tmp_path)
    board.record_inbox(
        InboxStanding(
            "photos", folder + b"/in", folder + b"/out", InboxState.OK, None, "events", 60.0, NOW, {"hidden": 2}
        )
    )
    board.record_device(DeviceStanding("cpu", "A processor", "cpu", 2**34, 2**33), NOW)
    state.close()
    os.rename(tmp_path / "state" / "ledger.sqlite", StatePaths(str(tmp_path / "state"), "").database)
    return tmp_path


def answer(*arguments: str | bytes, cwd: Path) -> Any:
    ended = twofold(*arguments, "--json", cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_status(home: Path) -> None:
    shown = answer("status", cwd=home)
    assert shown["schema"] == 1
    assert shown["running"] is False
    assert shown["inboxes"][0]["counts"] == {"failed": 1, "queued": 1, "waiting": 1}
    text = twofold("status", cwd=home).stdout
    assert "not running" in text
    assert "photos: ok" in text
    assert "ignored: 2 by hidden" in text
    assert "cpu: A processor, 8.0 GiB free of 16 GiB, no worker" in text
    assert "photos/failed.jpg: The picture is cut off. (damaged)\n    hint: Copy it again." in text


def test_the_probe_tells_whether_a_service_runs(home: Path) -> None:
    stopped = twofold("status", "--check", cwd=home)
    assert (stopped.returncode, stopped.stdout.split(";")[0]) == (69, "not running")
    lock = FileLock(StatePaths(str(home / "state"), "").lock)
    lock.take()
    try:
        running = twofold("status", "--check", cwd=home)
    finally:
        lock.release()
    assert (running.returncode, running.stdout.split(";")[0]) == (0, "running")


def test_status_works_where_nothing_has_run(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert answer("status", cwd=tmp_path)["inboxes"] == []
    assert answer("jobs", cwd=tmp_path) == {"schema": 1, "jobs": []}
    assert "nothing to do" in twofold("status", cwd=tmp_path).stdout
    assert not (tmp_path / "state").exists()


def test_jobs_can_be_told_apart_by_state(home: Path) -> None:
    assert len(answer("jobs", cwd=home)["jobs"]) == 3
    (failed,) = answer("jobs", "--state", "failed", cwd=home)["jobs"]
    assert (failed["path"], failed["reason"]["code"]) == ("failed.jpg", "damaged")


def test_each_job_is_one_line_whatever_its_name(home: Path) -> None:
    lines = twofold("jobs", cwd=home).stdout.splitlines()
    assert len(lines) == 3
    assert any("photos/two\\nlines" in line for line in lines)
    assert any("40×30 → 160×120" in line for line in lines)


@pytest.mark.parametrize("form", ["relative", "absolute", "in its inbox", "id"])
def test_explain_understands_every_way_to_name_a_file(form: str, home: Path) -> None:
    job_id = new_job(b"failed.jpg").id
    path = {
        "relative": "in/failed.jpg",
        "absolute": str(home / "in" / "failed.jpg"),
        "in its inbox": "failed.jpg",
        "id": job_id,
    }[form]
    (job,) = answer("explain", path, cwd=home)["jobs"]
    assert job["id"] == job_id
    text = twofold("explain", path, cwd=home).stdout
    assert text.startswith("failed.jpg: failed\n  why: The picture is cut off. (damaged)\n  hint: Copy it again.\n")


def test_explain_takes_names_that_are_not_text(home: Path) -> None:
    (job,) = answer("explain", b"in/" + ODD_NAME, cwd=home)["jobs"]
    assert job["state"] == "waiting"
    assert len(twofold("explain", b"in/" + ODD_NAME, cwd=home).stdout.splitlines()[0]) > 0


def test_explain_names_the_rule_that_ignores_a_file(home: Path) -> None:
    (home / "in" / "link.jpg").symlink_to("/etc/hostname")
    for name, rule in (("notes.txt", "not_a_picture_name"), (".hidden.jpg", "hidden"), ("link.jpg", "symlink")):
        if rule != "symlink":
            (home / "in" / name).touch()
        told = answer("explain", f"in/{name}", cwd=home)
        assert (told["inbox"], told["ignored"], told["jobs"]) == ("photos", rule, [])


def test_explain_of_a_new_file_says_that_the_next_scan_finds_it(home: Path) -> None:
    (home / "in" / "new.jpg").touch()
    told = answer("explain", "in/new.jpg", cwd=home)
    assert (told["inbox"], told["ignored"]) == ("photos", None)
    assert "next scan" in told["text"]
