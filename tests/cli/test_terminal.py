"""Bars and the live view, on a pseudo-terminal as on a real one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import environment, twofold, write_config
from tests.cli.terminal import on_terminal
from tests.e2e.photos import drop, photo
from tests.jobs.samples import NOW, enqueue, new_job, open_ledger
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.job import Output
from twofold.core.states import InboxState, State
from twofold.jobs.board import Board, DeviceStanding, InboxStanding
from twofold.service.paths import StatePaths

GONE = Reason(Code.INBOX_OFFLINE, "It is not there.", "Mount it.")
DAMAGED = Reason(Code.DAMAGED, "The picture is cut off.", "Copy it again.")
OTHER_SCREEN, FIRST_SCREEN = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A ledger as a service leaves it: a running, a queued, a done and a failed job, and an inbox that is gone."""
    write_config(tmp_path)
    (tmp_path / "state").mkdir()
    state = open_ledger(tmp_path / "state")
    running = enqueue(state, new_job(b"running\n.jpg"))
    state.ledger.start(running, 1, "local/cpu", NOW)
    state.ledger.record_progress(running, 0, passes_done=1, fraction=0.37)
    enqueue(state, new_job(b"queued.jpg"))
    done = enqueue(state, new_job(b"done.jpg"))
    state.ledger.record_delivered(done, Output(b"done.jpg", "cc" * 32, 5, 9), {}, NOW)
    state.ledger.conclude(enqueue(state, new_job(b"failed.jpg")), State.FAILED, DAMAGED, NOW)
    board = Board(state.engine)
    folder = os.fsencode(tmp_path)
    board.record_inbox(InboxStanding("photos", folder + b"/in", folder + b"/out", InboxState.OFFLINE, GONE))
    board.record_device(DeviceStanding("cpu", "A processor", "cpu", 2**34, 2**33), NOW)
    state.close()
    os.rename(tmp_path / "state" / "ledger.sqlite", StatePaths(str(tmp_path / "state"), "").database)
    return tmp_path


def test_bars_on_a_terminal(tmp_path: Path) -> None:
    drop(tmp_path, "photo.png", photo("png", 300, 200, 1))
    drop(tmp_path, "letter.png", b"Dear Sir or Madam,\n")
    arguments = ("photo.png", "letter.png", "--model", "sleep:0.15", "--scale", "4")
    with on_terminal("upscale", *arguments, cwd=tmp_path) as terminal:
        status = terminal.end()
    assert status == 3
    for said in ("photo.png", "━", "pass 2 of 2, tile ", " MP/s", " left", "of 2", "saving"):
        assert said in terminal.written
    assert "letter.png: The content is not a picture of a known format. (not_a_picture)" in terminal.written
    assert f"photo.png → {tmp_path}/photo-4x.png" in terminal.written.replace("\r\n", "")


def test_the_live_view_ends_with_q(home: Path) -> None:
    with on_terminal("status", "--watch", "--every", "0.3s", cwd=home) as terminal:
        terminal.wait_for("q ends")
        terminal.wait_for("Failed")
        terminal.wait_for("q ends", times=3)  # drawn anew by itself
        terminal.press("q")
        assert terminal.end() == 0
    view = terminal.written
    for said in ("not running", "photos", "offline", "It is not there.", "A processor", "8.0 GiB of 16 GiB used"):
        assert said in view
    for said in ("photos/running\\n.jpg", "37%", "pass 2 of 2", "photos/done.jpg", "160×120", "photos/failed.jpg"):
        assert said in view
    assert view.index(OTHER_SCREEN) < view.index(FIRST_SCREEN)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_live_view_and_leave_the_terminal_as_it_was(home: Path, number: signal.Signals) -> None:
    with on_terminal("status", "--watch", "--every", "1h", cwd=home) as terminal:
        terminal.wait_for("q ends")
        terminal.signal(number)
        assert terminal.end() == 0
    assert FIRST_SCREEN in terminal.written
    assert "Traceback" not in terminal.written


def test_without_a_terminal_it_is_printed_each_time(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "twofold", "status", "--watch", "--every", "0.2s"],
        cwd=home,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = 0
    for line in process.stdout:
        told += line.startswith("Twofold is not running.")
        if told == 2:
            break
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert "\x1b" not in rest


def test_an_answer_for_a_probe_is_given_once(home: Path) -> None:
    assert twofold("status", "--watch", "--check", cwd=home).returncode == 2
    assert twofold("status", "--watch", "--every", "0", cwd=home).returncode == 2
