"""The datagrams, and what of the manager's environment is heeded."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from twofold.service.heartbeat import Heartbeat

ADDRESS = "NOTIFY_SOCKET"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(0.2)
        yield channel


def heartbeat(manager: socket.socket, **environ: str) -> Heartbeat:
    return Heartbeat.from_environment({ADDRESS: manager.getsockname(), **environ})


def heard(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except TimeoutError:
            return found


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({"WATCHDOG_USEC": "4000000"}, 4.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}, 4.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_only_a_watchdog_that_is_meant_for_this_process_is_fed(
    manager: socket.socket, environ: dict[str, str], interval_s: float | None
) -> None:
    one = heartbeat(manager, **environ)
    one.feed()
    assert heard(manager) == ([] if interval_s is None else ["WATCHDOG=1"])
    assert one.pace.interval_s == (interval_s or 180.0)


def test_no_child_inherits_the_managers_variables(tmp_path: Path) -> None:
    environ = {ADDRESS: str(tmp_path / "x"), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    Heartbeat.from_environment(environ)
    assert environ == {"HOME": "/"}


def test_a_reload_is_told_in_one_datagram_with_its_time(manager: socket.socket) -> None:
    before_usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    heartbeat(manager).reloading()
    (datagram,) = heard(manager)
    said = dict(line.split("=", 1) for line in datagram.splitlines())
    assert said["RELOADING"] == "1"
    assert before_usec <= int(said["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_stop_asks_for_time(manager: socket.socket) -> None:
    one = heartbeat(manager)
    one.stopping()
    one.extend("stopping")
    assert heard(manager) == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=stopping"]


def test_a_manager_that_does_not_read_holds_nobody_up(manager: socket.socket) -> None:
    one = heartbeat(manager)
    started_s = time.monotonic()
    while time.monotonic() - started_s < 0.1:  # fill its queue
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
            try:
                channel.connect(manager.getsockname())
                channel.send(b"x")
            except BlockingIOError:
                break
    one.status("idle")
    assert time.monotonic() - started_s < 5


def test_without_a_manager_nothing_is_said() -> None:
    one = Heartbeat.from_environment({})
    one.ready("")
    one.feed()
    one.stopping()
