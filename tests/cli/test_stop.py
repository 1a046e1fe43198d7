"""Ctrl-C and SIGTERM, sent to real processes."""

from __future__ import annotations

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
