"""What follows an end, with real files and a real ledger."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.jobs.samples import open_ledger
from tests.service.world import RESULT, SOURCE, World
from twofold.core.codes import Code
from twofold.core.note import MARK
from twofold.core.settings import Hooks, Originals
from twofold.core.states import State
from twofold.jobs.database import writing
from twofold.jobs.orders import Orders

MakeWorld = Callable[..., World]
DELETE, ARCHIVE = Originals("delete"), Originals("archive")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger."""
    state = open_ledger(tmp_path_factory.mktemp("template"))
    state.close()
    return Path(state.path)


@pytest.fixture
def world(tmp_path: Path, template: Path) -> Iterator[MakeWorld]:
    """Makes the test's world; a second call on the same folder is a restart under other settings."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        for one in made:
            one.close()
        made[:] = [World(tmp_path, template=template, **settings)]
        made[0].see_inbox()
        return made[0]

    yield make
    for one in made:
        one.close()


def owed(world: World) -> int:
    with world.state.engine.connect() as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM file WHERE owed = 1")).scalar_one())


# --- originals


def test_originals_are_kept_where_nothing_else_is_asked_for(world: MakeWorld) -> None:
    one = world()
    job = one.deliver(one.drop("a.jpg"))
    one.care()
    assert one.files("in") == {"a.jpg": SOURCE}
    assert (one.after(job), owed(one)) == ({}, 0)


@pytest.mark.parametrize("policy", [DELETE, ARCHIVE])
def test_an_original_leaves_after_its_result(world: MakeWorld, policy: Originals) -> None:
    one = world(originals=policy)
    jobs = [one.deliver(one.drop(name)) for name in ("a.jpg", "sub/b.jpg")]
    one.care()
    assert one.files("in") == {}
    assert one.files("out") == {"a.jpg": RESULT, "sub/b.jpg": RESULT}
    if policy is ARCHIVE:
        assert one.files("archive") == {"a.jpg": SOURCE, "sub/b.jpg": SOURCE}
        assert one.after(jobs[1])["original"] == {"result": "archived", "path": str(one.archive / "sub/b.jpg")}
    else:
        assert one.after(jobs[1])["original"] == {"result": "deleted"}
    assert (one.home / "in" / "sub").is_dir()
    assert owed(one) == 0


def _result_changed(one: World) -> None:
    (one.home / "out" / "a.jpg").write_bytes(RESULT.swapcase())


def _result_gone(one: World) -> None:
    (one.home / "out" / "a.jpg").unlink()


def _original_changed(one: World) -> None:
    one.source("a.jpg").write_bytes(SOURCE + b"!")


def _synced(one: World) -> None:
    (one.home / ".stfolder").mkdir()


def _synced_below(one: World) -> None:
    (one.home / "in" / ".sync_0d8d87f03b87.db").touch()


@pytest.mark.parametrize("policy", [DELETE, ARCHIVE])
@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (_result_changed, Code.RESULT_GONE),
        (_result_gone, Code.RESULT_GONE),
        (_original_changed, Code.CHANGED),
        (_synced, Code.SYNCED_FOLDER),
        (_synced_below, Code.SYNCED_FOLDER),
    ],
)
def test_an_original_stays_and_the_reason_is_told(
    world: MakeWorld, policy: Originals, happens: Callable[[World], None], code: Code
) -> None:
    one = world(originals=policy)
    job = one.deliver(one.drop("a.jpg"))
    happens(one)
    before = one.files("in")
    one.care()
    assert one.files("in") == before
    assert one.files("archive") == {}
    told = one.after(job)["original"]
    assert (told["result"], told["reason"]["code"], owed(one)) == ("refused", code.value, 0)
    assert told["reason"]["hint"]


def test_a_best_effort_delivery_keeps_its_original(world: MakeWorld) -> None:
    one = world(originals=DELETE)
    job = one.deliver(one.drop("a.jpg"), best_effort=True)
    one.care()
    assert one.after(job)["original"]["reason"]["code"] == "best_effort"
    assert one.files("in") == {"a.jpg": SOURCE}


def test_the_owner_may_say_that_a_synced_folder_is_meant(world: MakeWorld) -> None:
    one = world(originals=Originals("delete", synced_ok=True))
    _synced(one)
    one.deliver(one.drop("a.jpg"))
    one.care()
    assert one.files("in") == {}


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.FAILED, Code.DAMAGED), (State.SKIPPED, Code.ANIMATED), (State.CANCELLED, Code.CANCELLED)],
)
def test_only_done_files_lose_their_originals(world: MakeWorld, state: State, code: Code) -> None:
    one = world(originals=DELETE, unprocessed="copy")
    one.end(one.drop("a.jpg"), state, code)
    one.care()
    assert one.files("in") == {"a.jpg": SOURCE}


def test_an_archive_that_is_away_is_waited_for(world: MakeWorld) -> None:
    one = world(originals=ARCHIVE)
    one.archive.rmdir()
    job = one.deliver(one.drop("a.jpg"))
    one.care()
    assert one.after(job)["original"]["reason"]["code"] == "archive_missing"
    assert (one.after(job)["original"]["result"], owed(one)) == ("waiting", 1)
    again = world(originals=ARCHIVE)  # makes the folder
    again.care()
    assert again.files("archive") == {"a.jpg": SOURCE}
    assert owed(again) == 0


def test_an_inbox_that_is_not_the_one_that_was_scanned_says_nothing(world: MakeWorld) -> None:
    """A share that was unmounted since: its files are not gone."""
    one = world(originals=DELETE)
    job = one.deliver(one.drop("a.jpg"))
    shutil.move(one.home / "in", one.home / "unmounted")
    one.care()
    told = one.after(job)["original"]
    assert (told["result"], told["reason"]["code"], owed(one)) == ("waiting", "inbox_offline", 1)


def test_an_original_that_somebody_moved_is_not_looked_for(world: MakeWorld) -> None:
    one = world(originals=DELETE)
    job = one.deliver(one.drop("a.jpg"))
    one.source("a.jpg").rename(one.home / "mine.jpg")
    one.care()
    assert (one.after(job)["original"], owed(one)) == ({"result": "gone"}, 0)


def test_one_file_in_trouble_holds_up_no_other(world: MakeWorld) -> None:
    one = world(originals=ARCHIVE)
    stuck, free = one.drop("stuck/a.jpg"), one.drop("free/a.jpg")
    (one.archive / "stuck").write_text("a file where a folder has to be")
    for job in (stuck, free):
        one.deliver(job)
    one.care()
    assert one.after(stuck)["original"]["reason"]["code"] == "archive_failed"
    assert one.after(free)["original"]["result"] == "archived"


# --- notes


@pytest.mark.parametrize(("notes", "written"), [("always", True), ("auto", False), ("never", False)])
def test_a_failure_is_told_beside_the_results(world: MakeWorld, notes: str, written: bool) -> None:
    """auto: this outbox is on a local disk."""
    one = world(failure_notes=notes)
    job = one.end(one.drop("sub/a.jpg"), State.FAILED, Code.DAMAGED)
    one.care()
    assert list(one.files("out")) == (["sub/a.jpg.failed.txt"] if written else [])
    if written:
        text = one.files("out")["sub/a.jpg.failed.txt"]
        assert text.startswith(MARK)
        assert b"damaged" in text
        assert job.id.encode() in text
        assert one.after(job)["note"] == {"result": "written", "path": "sub/a.jpg.failed.txt"}


def _redone(one: World, job_id: str) -> None:
    assert one.state.ledger.retry(job_id)
    one.state.queue.enqueue(job_id, sha256="00" * 32, pictures=[], outbox="/out", name=b"a.jpg", key=b"a.jpg")
    one.deliver(one.state.ledger.get(job_id))


def _dismissed(one: World, job_id: str) -> None:
    assert Orders(one.state.queue).dismiss(job_id)


def _removed(one: World, job_id: str) -> None:
    one.source("a.jpg").unlink()


def _cancelled(one: World, job_id: str) -> None:
    assert one.state.ledger.retry(job_id)
    one.end(one.state.ledger.get(job_id), State.CANCELLED, Code.CANCELLED)


@pytest.mark.parametrize("happens", [_redone, _dismissed, _removed, _cancelled])
def test_a_note_goes_when_it_is_no_longer_true(world: MakeWorld, happens: Callable[[World, str], None]) -> None:
    one = world(failure_notes="always")
    job = one.end(one.drop("a.jpg"), State.FAILED, Code.DAMAGED)
    one.care()
    assert "a.jpg.failed.txt" in one.files("out")
    happens(one, job.id)
    world(failure_notes="never").care()  # also one that would not be written now
    assert "a.jpg.failed.txt" not in one.files("out")


def test_a_note_stays_while_its_inbox_is_away(world: MakeWorld) -> None:
    one = world(failure_notes="always")
    one.end(one.drop("a.jpg"), State.FAILED, Code.DAMAGED)
    one.care()
    shutil.move(one.home / "in", one.home / "unmounted")
    one.care()
    assert "a.jpg.failed.txt" in one.files("out")


def test_somebody_elses_text_is_left_alone(world: MakeWorld) -> None:
    one = world(failure_notes="always")
    (one.home / "out" / "a.jpg.failed.txt").write_text("mine")
    job = one.end(one.drop("a.jpg"), State.FAILED, Code.DAMAGED)
    one.care()
    assert one.after(job)["note"]["reason"]["code"] == "output_exists"
    assert one.files("out") == {"a.jpg.failed.txt": b"mine"}


# --- copies


def test_a_skipped_picture_is_copied_if_asked_for(world: MakeWorld) -> None:
    one = world(unprocessed="copy")
    animated = one.end(one.drop("sub/a.gif"), State.SKIPPED, Code.ANIMATED)
    one.end(one.drop("empty.jpg", b""), State.SKIPPED, Code.EMPTY)
    one.end(one.drop("bad.jpg"), State.FAILED, Code.DAMAGED)
    os.utime(one.source("sub/a.gif"))
    one.care()
    assert one.files("out") == {}, "its bytes are others by now, so it will be looked at again"
    again = one.end(one.drop("sub/b.gif"), State.SKIPPED, Code.ANIMATED)
    one.care()
    assert one.files("out") == {"sub/b.gif": SOURCE}
    assert (one.home / "out/sub/b.gif").stat().st_mtime_ns == one.source("sub/b.gif").stat().st_mtime_ns
    assert one.after(again)["copy"] == {"result": "copied", "path": "sub/b.gif"}
    assert one.after(animated)["copy"]["reason"]["code"] == "changed"
    row = one.state.ledger.get(again.id)
    assert (row.state, row.output is not None) == (State.SKIPPED, True)
    assert owed(one) == 0


def test_a_copy_replaces_nobodys_file(world: MakeWorld) -> None:
    one = world(unprocessed="copy")
    (one.home / "out" / "a.gif").write_bytes(b"mine")
    job = one.end(one.drop("a.gif"), State.SKIPPED, Code.ANIMATED)
    one.care()
    assert one.files("out") == {"a.gif": b"mine"}
    assert one.after(job)["copy"]["reason"]["code"] == "output_exists"


def test_a_copy_takes_no_name_that_is_another_results(world: MakeWorld) -> None:
    one = world(unprocessed="copy")
    one.drop("sub/x.png", result="sub/X.gif")  # queued: a GIF with a wrong name, say
    one.end(one.drop("sub/x.gif", result="elsewhere.gif"), State.SKIPPED, Code.ANIMATED)
    one.care()
    assert one.files("out") == {"sub/x-2.gif": SOURCE}


# --- hooks


def hook(one_file: Path) -> tuple[str, ...]:
    return ("/bin/sh", "-c", f"cat >> {one_file}; echo >> {one_file}")


def test_hooks_are_told_of_ends_in_order(world: MakeWorld, tmp_path: Path) -> None:
    told = tmp_path / "told"
    one = world(hooks=Hooks(on_done=hook(told), on_failed=hook(told), on_idle=hook(told)), originals=ARCHIVE)
    one.deliver(one.drop("a.jpg"))
    failed = one.end(one.drop("b.jpg"), State.FAILED, Code.DAMAGED)
    one.end(one.drop("c.jpg"), State.SKIPPED, Code.EMPTY)
    one.quiet = True
    one.care(quiet=True)
    lines = [json.loads(line) for line in told.read_text().splitlines() if line]
    assert {line["hook"]: line.get("path") for line in lines} == {
        "on_done": "a.jpg",
        "on_failed": "b.jpg",
        "on_idle": None,
    }
    done = next(line for line in lines if line["hook"] == "on_done")
    assert (done["schema"], done["state"], done["output"]) == (1, "done", "a.jpg")
    assert (done["input_path"], done["output_path"]) == (str(one.source("a.jpg")), str(one.home / "out" / "a.jpg"))
    assert done["after"]["original"]["path"] == str(one.archive / "a.jpg")
    assert next(line for line in lines if line["hook"] == "on_failed")["output_path"] is None
    assert lines[-1]["counts"] == {"done": 1, "failed": 1, "skipped": 1}
    outcome = one.after(failed)["hook"]
    assert (outcome["result"], outcome["hook"], outcome["status"]) == ("ran", "on_failed", 0)
    one.care(quiet=True)
    assert len([line for line in told.read_text().splitlines() if line]) == 3, "each is told once"


def test_a_hook_that_fails_changes_nothing_else(world: MakeWorld) -> None:
    one = world(hooks=Hooks(on_done=("/nonexistent",)), originals=ARCHIVE)
    job = one.deliver(one.drop("a.jpg"))
    one.care()
    told = one.after(job)
    assert (told["hook"]["result"], told["hook"]["reason"]["code"]) == ("failed", "hook_failed")
    assert told["original"]["result"] == "archived"
    assert (one.state.ledger.get(job.id).state, owed(one)) == (State.DONE, 0)


def test_a_hook_that_was_cut_short_by_the_end_of_the_service_runs_again(world: MakeWorld, tmp_path: Path) -> None:
    started = tmp_path / "started"
    one = world(hooks=Hooks(on_done=("/bin/sh", "-c", f"echo x >> {started}; sleep 60")))
    job = one.deliver(one.drop("a.jpg"))
    with one.caring():
        while not started.exists():
            pass
    assert (one.after(job), owed(one)) == ({}, 1)
    told = tmp_path / "told"
    world(hooks=Hooks(on_done=hook(told))).care()
    assert told.exists()


def test_an_older_version_has_its_hook_and_nothing_else(world: MakeWorld, tmp_path: Path) -> None:
    told = tmp_path / "told"
    one = world(hooks=Hooks(on_done=hook(told)), originals=DELETE)
    job = one.deliver(one.drop("a.jpg"))
    with writing(one.state.engine) as connection:
        connection.execute(sa.text("UPDATE file SET current = 0"))
    one.care()
    assert list(one.after(job)) == ["hook"]
    assert one.files("in") == {"a.jpg": SOURCE}


def test_what_an_inbox_owes_that_is_not_configured_any_more_is_let_go(world: MakeWorld) -> None:
    one = world(originals=DELETE)
    one.deliver(one.drop("a.jpg"))
    with writing(one.state.engine) as connection:
        connection.execute(sa.text("UPDATE file SET inbox = 'old'"))
    one.care()
    assert (owed(one), one.files("in")) == (0, {"a.jpg": SOURCE})
