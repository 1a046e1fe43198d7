"""`once` after `once`: nothing is done twice, and nothing is redone by surprise."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.photos import drop, photo
from tests.e2e.service import Service, parsed, sums

CONFIG = """\
recipes:
  main: {scale: SCALE, models: [identity]}
inboxes:
  in: {path: in, outbox: out, recipe: main, settle: 0.2s}
"""
IDLE_ONCE_S = 10
"""A `once` that finds nothing; most of it is the start of Python on a busy machine."""

KEPT = ("kept.png", "written.png", "copied.png", "moved.png")


def test_once_does_what_is_new_and_nothing_else(service: Callable[[str], Service]) -> None:
    one = service(CONFIG.replace("SCALE", "4"))
    inbox, outbox = one.folder("in"), one.folder("out")
    for number, name in enumerate(KEPT):
        drop(inbox, name, photo("png", 70 + number, 50, number))
    first = _once(one)
    assert _paths(first, "job.delivered") == set(KEPT)
    made, stats = sums(outbox), _stats(outbox)

    # Again: no worker, and the results are the very same files.
    started_s = time.monotonic()
    again = _once(one)
    assert time.monotonic() - started_s < IDLE_ONCE_S
    assert {event["event"] for event in again} == {"service.started", "service.stopped"}
    assert _stats(outbox) == stats

    # Results are deleted and their sources dropped again, in three ways; a done file comes under a new name as well.
    for name in KEPT[1:]:
        (outbox / name).unlink()
    elsewhere = one.folder("elsewhere")
    for name in KEPT[1:]:
        shutil.copy2(inbox / name, elsewhere / name)
    (inbox / "written.png").write_bytes((elsewhere / "written.png").read_bytes())
    shutil.copy2(elsewhere / "copied.png", inbox / "copied.png")
    os.replace(elsewhere / "moved.png", inbox / "moved.png")
    shutil.copy(inbox / "kept.png", inbox / "a new name.png")
    third = _once(one)
    assert _paths(third, "job.delivered") == {"written.png", "copied.png", "moved.png", "a new name.png"}
    renamed = _job(one, "a new name.png")
    assert not [event for event in third if event["event"] == "pass.planned" and event["job"] == renamed]
    assert sums(outbox) == made | {"a new name.png": made["kept.png"]}
    assert _stats(outbox)["kept.png"] == stats["kept.png"]

    # An edited recipe is for new files only.
    one.configure(CONFIG.replace("SCALE", "2"))
    stats = _stats(outbox)
    drop(inbox, "after the edit.png", photo("png", 33, 20, 9))
    fourth = _once(one)
    assert _paths(fourth, "job.delivered") == {"after the edit.png"}
    assert {name: stat for name, stat in _stats(outbox).items() if name in stats} == stats
    (picture,) = one.jobs()["after the edit.png"]["pictures"]
    assert (picture["out_width"], picture["out_height"]) == (66, 40)
    assert one.left_over() == []


def test_once_skips_an_empty_file_and_ends_with_3_where_one_failed(service: Callable[[str], Service]) -> None:
    one = service(CONFIG.replace("SCALE", "2"))
    inbox = one.folder("in")
    one.folder("out")
    drop(inbox, "empty.jpg", b"")
    drop(inbox, "letter.jpg", b"Dear Sir or Madam,\n")
    done = one.command("once")
    assert done.returncode == 3, done.stderr
    assert one.states() == {"empty.jpg": ("skipped", "empty"), "letter.jpg": ("failed", "not_a_picture")}
    assert "letter.jpg" in done.stdout + done.stderr


def test_scratch_of_an_upscale_at_work_is_left_alone(service: Callable[[str], Service]) -> None:
    one = service(CONFIG.replace("SCALE", "2"))
    one.folder("in")
    for name in ("upscale-at-work", "upscale-killed-long-ago", "nobodys"):
        one.folder(f"state/scratch/{name}")
    os.utime(one.home / "state/scratch/upscale-killed-long-ago", (0, 0))
    _once(one)
    assert [path.name for path in one.left_over()] == ["upscale-at-work"]


def _once(one: Service) -> list[dict[str, object]]:
    done = one.command("once", "--verbose")
    assert done.returncode == 0, done.stderr
    return parsed(done.stderr)


def _paths(events: list[dict[str, object]], name: str) -> set[object]:
    return {event["path"] for event in events if event["event"] == name}


def _job(one: Service, path: str) -> str:
    return str(one.jobs()[path]["id"])


def _stats(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and modification time of each file."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}
