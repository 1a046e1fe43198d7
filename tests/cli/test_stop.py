"""Ctrl-C, SIGTERM and SIGHUP, sent to real processes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import environment

PROGRAM = """
import sys, time
from twofold.cli.stop import StopSignals

stubborn = "stubborn" in sys.argv
with StopSignals() as signals:
    print("ready", flush=True)
    signals.event.wait(30)
    print("stopping", flush=True)
    if stubborn:
        time.sleep(30)
sys.exit(signals.exit_code(otherwise=0))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_first_signal_stops_cleanly(number: signal.Signals, status: int, tmp_path: Path) -> None:
    process = start(tmp_path)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == status
    assert stdout == "stopping\n"
    assert ("Ctrl-C again" in stderr) == (number == signal.SIGINT)


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    process = start(tmp_path, "stubborn")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode in (130, -signal.SIGINT)


RELOADING = """
from twofold.cli.stop import StopSignals

with StopSignals(reload=True) as signals:
    print("ready", flush=True)
    for _ in range(100):
        if signals.event.wait(0.1) or signals.hangup.is_set():
            break
    with open("seen", "w") as seen:
        print("stop" if signals.event.is_set() else "reload" if signals.hangup.is_set() else "nothing", file=seen)
"""


def test_sighup_asks_for_a_reload(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", RELOADING], cwd=tmp_path, env=environment(tmp_path), stdout=-1)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert (tmp_path / "seen").read_text() == "reload\n"


def test_a_terminal_that_is_closed_ends_the_service_as_ever(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(sys.executable, [sys.executable, "-c", RELOADING], environment(tmp_path))
    assert os.read(terminal, 100) == b"ready\r\n"
    os.close(terminal)
    os.waitpid(pid, 0)
    assert (tmp_path / "seen").read_text() == "stop\n"


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process
