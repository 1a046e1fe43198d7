"""The line that `systemctl status` shows."""

from __future__ import annotations

from twofold.core.codes import Code
from twofold.core.status_line import status_line


def test_an_idle_service_says_so() -> None:
    assert status_line({"done": 7, "skipped": 2}, [], [], {}) == "idle"


def test_it_names_what_runs_what_waits_and_what_is_away() -> None:
    line = status_line(
        {"running": 1, "queued": 2, "failed": 1, "done": 9},
        [("photos/a.jpg", 0.439)],
        ["nas"],
        {"inbox old": 130.0, "inbox older": 7300.0},
        ["configuration refused"],
        {"GPU-1": (Code.LOW_MEMORY, 65.0), "GPU-2": (Code.YIELDED, 0.0)},
    )
    assert line == (
        "configuration refused; 2 queued, 1 failed; running: photos/a.jpg 43 %; offline: nas; "
        "inbox old waits for its file system, 2 min so far; inbox older waits for its file system, 2 h 1 min so far; "
        "GPU-1 waits for memory, 1 min so far; GPU-2 is left to another program, 0 min so far"
    )


def test_a_crowd_is_counted() -> None:
    line = status_line({"running": 5}, [(f"p/{number}.jpg", 0.5) for number in range(5)], [], {})
    assert line == "running: p/0.jpg 50 %, p/1.jpg 50 %, p/2.jpg 50 %, 2 more"
