"""What an owner orders, through the real commands, with a service that runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.photos import drop, photo
from tests.e2e.service import Service, parsed

DONE_TIMEOUT_S = 60
FILES = 16
SIDE_BY_SIDE = 4
LONG = (900, 900)
"""At a third of a second for each tile, a picture that is in work for a while."""
CONFIG = """\
on_recipe_change: CHANGE
recipes:
  main: {scale: SCALE, models: [NETWORK]}
inboxes:
  in: {path: in, outbox: out, recipe: main, settle: 0.2s, existing: EXISTING, order: oldest}
  other: {path: other, outbox: out-other, recipe: main, settle: 0.2s, priority: 5, existing: process}
"""


def config(existing: str = "process", scale: str = "2", network: str = "identity", change: str = "keep") -> str:
    text = CONFIG.replace("EXISTING", existing).replace("SCALE", scale).replace("CHANGE", change)
    return text.replace("NETWORK", network)


def opened(service: Callable[[str], Service], text: str) -> tuple[Service, Path]:
    one = service(text)
    for name in ("out", "other", "out-other"):
        one.folder(name)
    return one, one.folder("in")


def said(one: Service, *arguments: str) -> str:
    done = one.command(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def states(one: Service) -> set[str]:
    return {job["state"] for job in one.jobs().values()}


def inbox(one: Service, name: str = "in") -> dict[str, Any]:
    return next(entry for entry in one.status()["inboxes"] if entry["name"] == name)


def delivered(one: Service) -> list[str]:
    return [event["path"] for event in one.events("job.delivered")]


def test_a_held_backlog_is_announced_started_and_taken_in_order(service: Callable[[str], Service]) -> None:
    one, folder = opened(service, config("hold"))
    for number in range(FILES):
        path = folder / f"{number:02}.png"
        drop(folder, path.name, photo("png", 24, 18, number))
        os.utime(path, (1e9 + number, 1e9 + number))
    one.start()
    one.wait_for(lambda: one.events("backlog.held"), DONE_TIMEOUT_S)
    (told,) = one.events("backlog.held")
    assert told["files"] == FILES
    assert told["pixels"] == FILES * 48 * 36
    assert told["out_bytes"] > 0
    assert inbox(one)["state"] == "held"
    assert f"{FILES} files held" in said(one, "status")
    assert "twofold start in" in said(one, "status")

    # What comes later is no backlog.
    drop(folder, "later.png", photo("png", 24, 18, 99))
    one.wait_until({"later.png": ("done", None)}, DONE_TIMEOUT_S)
    assert one.states()["00.png"] == ("held", "held_backlog")

    assert said(one, "start", "in") == f"{FILES} files released\n"
    one.wait_for(lambda: states(one) == {"done"}, DONE_TIMEOUT_S)
    order = [int(name[:2]) for name in delivered(one)[1:]]
    # Several are read side by side: the first of them may change places.
    assert all(abs(number - place) <= SIDE_BY_SIDE for place, number in enumerate(order)), order
    assert said(one, "start", "in") == "nothing is held in in\n"
    assert inbox(one)["state"] == "ok"


@pytest.mark.slow
def test_once_says_what_it_holds_and_what_lay_there_before_can_be_ignored(service: Callable[[str], Service]) -> None:
    one, folder = opened(service, config("hold"))
    drop(folder, "a.png", photo("png", 24, 18, 1))
    done = one.command("once")
    assert done.returncode == 0, done.stderr
    assert "in: 1 file held, about" in done.stdout
    assert "twofold start in" in done.stdout

    said(one, "start", "in")
    assert one.command("once").returncode == 0
    assert one.states() == {"a.png": ("done", None)}


@pytest.mark.slow
def test_what_lay_there_before_can_be_left_alone(service: Callable[[str], Service]) -> None:
    one, folder = opened(service, config("ignore"))
    drop(folder, "old.png", photo("png", 24, 18, 1))
    one.command("once")
    assert one.states() == {"old.png": ("skipped", "existing")}
    drop(folder, "new.png", photo("png", 24, 18, 2))
    one.command("once")
    assert one.states()["new.png"] == ("done", None)
    assert one.states()["old.png"] == ("skipped", "existing")
    said(one, "redo", str(folder / "old.png"))
    one.command("once")
    assert one.states()["old.png"] == ("done", None)


@pytest.mark.slow
def test_pause_survives_restarts_and_resume_goes_on(service: Callable[[str], Service]) -> None:
    one, folder = opened(service, config())
    assert "for 3 h 00 min" in said(one, "pause", "--inbox", "in", "--for", "3h")
    drop(folder, "a.png", photo("png", 24, 18, 1))
    drop(one.folder("other"), "b.png", photo("png", 24, 18, 2))
    assert one.command("once").returncode == 0  # it ends: nothing is runnable but what is not paused
    assert one.states() == {"b.png": ("done", None), "a.png": ("waiting", "backlog")}
    one.start()
    assert inbox(one)["state"] == "paused"
    assert inbox(one)["paused_until"] is not None
    assert inbox(one, "other")["state"] == "ok"
    one.stop()
    one.start()
    assert inbox(one)["state"] == "paused"
    assert said(one, "resume") == "all inboxes resumed\n"
    one.wait_until({"a.png": ("done", None)}, DONE_TIMEOUT_S)
    assert said(one, "resume", "--inbox", "in") == "nothing was paused\n"


@pytest.mark.slow
def test_release_frees_the_device_and_the_work_goes_on(service: Callable[[str], Service]) -> None:
    one, folder = opened(service, config(network='"sleep:0.3"'))
    drop(folder, "long.png", photo("png", *LONG, 1))
    one.start()
    one.wait_until({"long.png": ("running", None)}, DONE_TIMEOUT_S)
    said(one, "pause", "--release-gpu")
    one.wait_for(lambda: one.worker_pid() is None, DONE_TIMEOUT_S)
    assert one.states()["long.png"] == ("waiting", "inbox_paused")
    said(one, "resume")
    one.wait_for(lambda: one.worker_pid() is not None, DONE_TIMEOUT_S)
    one.wait_until({"long.png": ("done", None)}, DONE_TIMEOUT_S)


def test_a_job_can_be_cancelled_taken_up_again_dismissed_and_bumped(service: Callable[[str], Service]) -> None:
    one, folder = opened(service, config(network='"sleep:0.3"'))
    drop(folder, "long.png", photo("png", *LONG, 1))
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"nothing" * 20)
    one.start()
    one.wait_until({"long.png": ("running", None)}, DONE_TIMEOUT_S)
    one.wait_for(lambda: one.states()["bad.png"][0] == "failed", DONE_TIMEOUT_S)
    ids = {path: job["id"] for path, job in one.jobs().items()}
    for name in ("x.png", "y.png"):
        drop(folder, name, photo("png", 24, 18, 5))
    assert said(one, "cancel", ids["long.png"]) == f"{ids['long.png']} cancelled\n"
    one.wait_until({"long.png": ("cancelled", "cancelled"), "x.png": ("done", None)}, DONE_TIMEOUT_S)
    assert said(one, "cancel", ids["long.png"]) == f"{ids['long.png']} has ended already\n"
    assert one.command("cancel", "nothing").returncode == 2
    assert "bad.png" in said(one, "status")
    said(one, "dismiss", ids["bad.png"])
    assert "bad.png" not in said(one, "status")
    assert inbox(one)["dismissed"] == 1
    assert said(one, "bump", ids["long.png"]) == f"{ids['long.png']} is in work or over\n"
    assert said(one, "retry", ids["long.png"]) == f"{ids['long.png']}\n"
    one.wait_until({"long.png": ("running", None)}, DONE_TIMEOUT_S)


def test_redo_says_what_it_costs_and_an_edited_recipe_redoes_only_where_asked(
    service: Callable[[str], Service],
) -> None:
    one, folder = opened(service, config())
    for number in range(3):
        drop(folder, f"{number}.png", photo("png", 24, 18, number))
    one.command("once")
    first = {path: job["finished"] for path, job in one.jobs().items()}

    one.configure(config(scale="4"))
    assert not [event for event in _once(one) if event["event"] == "job.delivered"]
    dry = one.answer("redo", "--inbox", "in", "--dry-run")
    assert (len(dry["jobs"]), dry["totals"]["files"], dry["totals"]["pixels"]) == (3, 3, 3 * 96 * 72)
    assert {path: job["finished"] for path, job in one.jobs().items()} == first
    (folder / "1.png").unlink()
    done = one.command("redo", "--inbox", "in")
    assert "to be made again: 2 files" in done.stdout
    assert "1.png is not there any more" in done.stderr
    assert {event["path"] for event in _once(one) if event["event"] == "job.delivered"} == {"0.png", "2.png"}
    assert one.jobs()["0.png"]["pictures"][0]["out_width"] == 96
    assert sorted(os.listdir(one.folder("out"))) == ["0.png", "1.png", "2.png"]  # each result took its old one's place

    one.configure(config(scale="3", change="redo"))
    assert {event["path"] for event in _once(one) if event["event"] == "job.delivered"} >= {"0.png", "2.png"}
    assert one.jobs()["0.png"]["pictures"][0]["out_width"] == 72
    assert not [event for event in _once(one) if event["event"] == "job.delivered"]


def test_orders_with_mistakes_say_what_is_wrong(service: Callable[[str], Service]) -> None:
    one, folder = opened(service, config())
    for arguments, text in (
        (("start", "nowhere"), "The configuration has: in, other."),
        (("pause", "--inbox", "nowhere"), "no inbox"),
        (("pause", "--for", "soon"), "must be a duration"),
        (("redo",), "name sources or results"),
        (("redo", str(folder / "none.png")), "no source or result"),
        (("retry",), "--all"),
    ):
        done = one.command(*arguments)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert text in done.stderr, (arguments, done.stderr)


def _once(one: Service) -> list[dict[str, Any]]:
    done = one.command("once")
    assert done.returncode == 0, done.stderr
    return parsed(done.stderr)
