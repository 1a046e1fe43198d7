"""Two processes and one GPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.device.lock import DeviceLock

SECONDS = 10.0
HOLD = """
import os, subprocess, sys
from twofold.device.lock import DeviceLock
lock = DeviceLock(sys.argv[1])
if len(sys.argv) > 3:
    os.setuid(int(sys.argv[3]))  # its interpreter may be closed to others
lock.take()
worker = subprocess.Popen(["sleep", "60"], pass_fds=lock.fds if sys.argv[2] == "worker" else ())
print(worker.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def device() -> str:
    """A name that no other test, of whichever working copy, has."""
    return f"GPU-{os.urandom(16).hex()}"


@contextmanager
def held(device: str, how: str, user: int | None = None) -> Iterator[tuple[int, int]]:
    """Another process that has the lock, and one that it started: their ids."""
    command = [sys.executable, "-c", HOLD, device, how, *([] if user is None else [str(user)])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        try:
            yield process.pid, worker
        finally:
            process.kill()
            _kill(worker)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the test did it


def refused(device: str) -> str:
    with pytest.raises(TwofoldError) as caught:
        DeviceLock(device).take()
    assert caught.value.code is Code.ALREADY_RUNNING
    return caught.value.reason.text


def taken_in_time(lock: DeviceLock) -> None:
    until_s = time.monotonic() + SECONDS
    while True:
        try:
            return lock.take()
        except TwofoldError:
            assert time.monotonic() < until_s
            time.sleep(0.02)


def test_a_second_process_is_refused_and_told_which_has_it(device: str) -> None:
    with held(device, "alone") as (holder, _worker):
        assert refused(device).startswith(f"Another Twofold, process {holder} of ")
        other = DeviceLock(device + "-other")
        other.take()
        other.release()


def test_a_kill_frees_it_and_so_does_its_release(device: str) -> None:
    lock = DeviceLock(device)
    with held(device, "alone") as (holder, _worker):
        os.kill(holder, signal.SIGKILL)
        taken_in_time(lock)
    lock.take()
    assert f"process {os.getpid()}" in refused(device)
    lock.release()
    again = DeviceLock(device)
    again.take()
    again.release()


def test_a_worker_holds_it_when_its_service_was_killed(device: str) -> None:
    lock = DeviceLock(device)
    with held(device, "worker") as (holder, worker):
        os.kill(holder, signal.SIGKILL)
        time.sleep(0.2)
        refused(device)
        os.kill(worker, signal.SIGKILL)
        taken_in_time(lock)
    lock.release()


@pytest.mark.root
def test_other_users_are_kept_apart_as_well(device: str) -> None:
    with held(device, "alone", user=65534) as (holder, _worker):
        assert refused(device) == f"Another Twofold, process {holder} of nobody, is using {device}."
