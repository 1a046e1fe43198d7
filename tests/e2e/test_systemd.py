"""`run` as systemd sees it: progress proved, SIGHUP and SIGTERM in the middle of the work."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.manager import Manager
from tests.e2e.photos import drop, photo
from tests.e2e.service import Service

CONFIG = """\
recipes:
  quick: {scale: 2, models: [identity]}
  slow: {scale: 2, models: ["sleep:2"]}
inboxes:
  quick: {path: quick, outbox: out-quick, recipe: quick, settle: 0.2s}
  slow: {path: slow, outbox: out-slow, recipe: slow, settle: 0.2s}
"""
OTHER_CONFIG = CONFIG.replace("  quick: {path: quick", "  fresh: {path: fresh")
BAD_CONFIG = CONFIG.replace("scale: 2, models: [identity]", "scale: 0.5, modells: [identity]")
WAIT_S = 40

WATCHDOG_S = 9.0
"""A worker is late after 3 s and killed after 4.5 s of silence; all is well is said every 4.5 s."""

FREEZE_AFTER_S = 1.0
"""After one feeding, so that the next is due when the worker is late and not yet killed."""

MANY_TILES = (440, 440)
"""Four tiles: the service is asked for everything while they are made."""


@pytest.mark.slow
def test_a_frozen_worker_silences_the_watchdog_until_it_is_killed(
    service: Callable[[str], Service], manager: Manager
) -> None:
    one = service(CONFIG)
    start(one, manager, WATCHDOG_USEC=str(round(WATCHDOG_S * 1e6)))
    drop(one.folder("slow"), "long.png", photo("png", *MANY_TILES, 1))
    one.wait_for(lambda: one.events("pass.planned"), WAIT_S)
    worker = one.worker_pid()
    assert worker is not None
    fed = len(manager.heard("WATCHDOG=1"))
    one.wait_for(lambda: len(manager.heard("WATCHDOG=1")) > fed, WAIT_S)
    time.sleep(FREEZE_AFTER_S)
    os.kill(worker, signal.SIGSTOP)

    one.wait_for(lambda: one.events("worker.frozen"), WAIT_S)
    fed = len(manager.heard("WATCHDOG=1"))
    (withheld,), (frozen,) = one.events("watchdog.withheld"), one.events("worker.frozen")
    assert withheld["parts"] == ["worker cpu"]
    assert frozen["pid"] == worker
    one.wait_for(lambda: len(manager.heard("WATCHDOG=1")) > fed, WAIT_S)
    times_s = [datagram.time_s for datagram in manager.heard("WATCHDOG=1")]
    assert not [at_s for at_s in times_s if when(withheld) <= at_s < when(frozen)]
    gaps_s = [after - before for before, after in itertools.pairwise(times_s)]
    assert min(gaps_s) > WATCHDOG_S / 2 - 0.5
    assert WATCHDOG_S / 2 + 0.3 < gaps_s[-1] < WATCHDOG_S, "it was due while the worker was frozen"

    one.wait_for(lambda: len(one.events("worker.started")) == 2, WAIT_S)
    assert [event["status"] for event in one.events("worker.died")] == ["SIGKILL"]
    assert one.stop() == 0
    assert manager.words() == ["READY=1", "STOPPING=1"]


def test_sighup_takes_a_good_configuration_refuses_a_bad_one_and_sigterm_asks_for_time(
    service: Callable[[str], Service], manager: Manager
) -> None:
    one = service(CONFIG)
    one.folder("fresh")
    start(one, manager)
    drop(one.folder("slow"), "long.png", photo("png", *MANY_TILES, 1))
    one.wait_for(lambda: one.events("pass.planned"), WAIT_S)
    worker = one.worker_pid()

    one.configure(BAD_CONFIG)
    reload(one, manager, 1)
    refused = " ".join(event["text"] for event in one.events("config.refused"))
    assert "scale" in refused
    assert "modells" in refused
    assert "configuration refused (2 mistakes" in manager.status()
    (one.home / "twofold.yaml").write_text(CONFIG + "state_dir: elsewhere\ndevices: cpu\n", encoding="utf-8")
    reload(one, manager, 2)
    assert "state_dir cannot change while the service runs" in one.events("config.refused")[-1]["text"]
    one.configure(CONFIG)
    reload(one, manager, 3)
    assert [event["changed"] for event in one.events("config.reloaded")] == [False]
    assert one.worker_pid() == worker, "nothing has changed: the work was to be left alone"

    one.configure(OTHER_CONFIG)
    reload(one, manager, 4)
    assert [event["changed"] for event in one.events("config.reloaded")] == [False, True]
    drop(one.folder("fresh"), "new.png", photo("png", 40, 30, 2))
    one.wait_for(lambda: "new.png" in [event["path"] for event in one.events("job.queued")], WAIT_S)
    assert [inbox["name"] for inbox in one.status()["inboxes"]] == ["fresh", "slow"]
    assert not one.events("job.failed")
    one.wait_for(lambda: one.states()["long.png"][0] == "running", WAIT_S)
    one.wait_for(lambda: "running: slow/long.png" in manager.status(), WAIT_S)

    assert one.stop() == 0
    assert one.states()["long.png"][0] == "queued"
    assert manager.words() == ["READY=1", *["RELOADING=1", "READY=1"] * 4, "STOPPING=1"]
    stopping, *extensions = [*manager.heard("STOPPING=1"), *manager.heard("EXTEND_TIMEOUT_USEC=")]
    assert extensions
    assert all(stopping.time_s <= extension.time_s for extension in extensions)


def start(one: Service, manager: Manager, **environment: str) -> None:
    for name in ("quick", "slow", "out-quick", "out-slow"):
        one.folder(name)
    one.start(NOTIFY_SOCKET=manager.address, **environment)
    one.wait_for(lambda: manager.heard("READY=1"), WAIT_S)


def reload(one: Service, manager: Manager, number: int) -> None:
    """SIGHUP, and wait until the manager would see the service as running again."""
    one.running.send_signal(signal.SIGHUP)
    one.wait_for(lambda: len(manager.heard("READY=1")) == number + 1, WAIT_S)
    (asked,) = manager.heard("RELOADING=1")[number - 1 :]
    assert any(line.startswith("MONOTONIC_USEC=") for line in asked.lines)


def when(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()
