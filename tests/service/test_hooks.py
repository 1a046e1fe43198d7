"""Hooks are real programs: they get JSON, have a time, and leave nothing behind."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from twofold.service.hooks import GRACE_S, MAX_OUTPUT_BYTES, HookResult, run_hook

PAYLOAD = {"schema": 1, "path": "grüße\n.jpg", "pictures": ["x" * 300_000]}  # more than a pipe holds


def run(program: str, *, timeout_s: float = 20, stop: threading.Event | None = None) -> HookResult:
    result = run_hook(
        "on_done", (sys.executable, "-c", program), PAYLOAD, timeout_s=timeout_s, stop=stop or threading.Event()
    )
    assert result is not None
    return result


def test_it_gets_json_on_its_standard_input_and_nothing_else(tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = (
        f"import os, sys; open({str(told)!r}, 'w').write(sys.stdin.read());"
        "print(os.getcwd(), os.environ['TWOFOLD_HOOK'], os.getpgrp() == os.getpid(),"
        "sorted(os.listdir('/proc/self/fd')))"
    )
    result = run(program)
    assert (result.status, result.trouble) == (0, "")
    assert json.loads(told.read_text()) == PAYLOAD
    assert result.output == "/ on_done True ['0', '1', '2', '3']"  # 3 is listdir's own


def test_one_that_reads_nothing_is_no_trouble() -> None:
    assert run("pass").status == 0


@pytest.mark.parametrize(
    ("program", "status", "trouble"),
    [
        ("import sys; sys.exit('no such printer')", 1, "it ended with status 1"),
        ("import os; os.kill(os.getpid(), 9)", -9, "it was ended by signal 9"),
    ],
)
def test_its_failure_is_told(program: str, status: int, trouble: str) -> None:
    result = run(program)
    assert (result.status, result.trouble) == (status, trouble)
    assert "no such printer" in result.output or status < 0


@pytest.mark.parametrize("argv", [("/nonexistent/hook",), ("/etc/hostname",), ("bad\0name",)])
def test_one_that_cannot_be_started_is_told(argv: tuple[str, ...]) -> None:
    result = run_hook("on_done", argv, PAYLOAD, timeout_s=5, stop=threading.Event())
    assert result is not None
    assert result.status is None
    assert result.trouble.startswith("it could not be started: ")


def test_what_it_writes_is_kept_up_to_a_bound_and_never_stops_it() -> None:
    result = run("print('x' * 10_000_000)")
    assert (result.status, result.output) == (0, "x" * MAX_OUTPUT_BYTES)


FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
program = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", program])
open({0!r}, "w").write(str(child.pid))
time.sleep(60)
"""


def test_one_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    told = tmp_path / "child"
    result = run(FAMILY.format(str(told)), timeout_s=1)
    assert (result.status, result.trouble) == (-9, "it took longer than 1 s, and was ended")
    assert 1 <= result.seconds < 1 + GRACE_S + 2
    assert not _alive(int(told.read_text()))


def test_one_that_can_end_itself_is_asked_first(tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = (
        "import signal, sys, time\n"
        f"def end(*_): open({str(told)!r}, 'w').write('tidied'); sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, end); time.sleep(60)"
    )
    result = run(program, timeout_s=1)
    assert (result.status, told.read_text()) == (3, "tidied")
    assert "took longer" in result.trouble


def test_what_it_leaves_running_is_not_waited_for() -> None:
    program = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)']); print('on')"
    )
    result = run(program)
    assert (result.status, result.output) == (0, "on")
    assert result.seconds < 2.5


def test_a_service_that_stops_does_not_wait_for_it() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    started_s = time.monotonic()
    assert run_hook("on_done", ("sleep", "60"), PAYLOAD, timeout_s=60, stop=stop) is None
    assert time.monotonic() - started_s < GRACE_S + 1


def test_no_descriptor_leaks() -> None:
    run("pass")
    before = len(os.listdir("/proc/self/fd"))
    run("pass")
    run_hook("on_done", ("/nonexistent/hook",), PAYLOAD, timeout_s=5, stop=threading.Event())
    assert len(os.listdir("/proc/self/fd")) == before


def _alive(pid: int) -> bool:
    deadline_s = time.monotonic() + 3
    while time.monotonic() < deadline_s:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return False
        except psutil.NoSuchProcess:
            return False
        time.sleep(0.05)
    return True
