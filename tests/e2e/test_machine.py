"""The unit as shipped, under a real systemd: from `make install-service` to a result, and through trouble."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.machine import Machine, why_not
from tests.e2e.photos import drop, photo, pixels

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
]

CONFIG = """\
devices: cpu
recipes:
  double: {scale: 2, models: [auto]}
  slow: {scale: 2, models: ["sleep:20"]}
inboxes:
  photos: {path: /srv/photos/in, outbox: /srv/photos/out, recipe: double, settle: 0.2s}
  slow: {path: /srv/photos/slow, outbox: /srv/photos/out, recipe: slow, settle: 0.2s}
"""
NAS = "  nas: {path: /mnt/nas/photos/in, outbox: /mnt/nas/photos/out, recipe: double, settle: 0.2s, scan_every: 1s}\n"
IMPATIENT = """\
[Service]
WatchdogSec=30s
TimeoutAbortSec=2s
RestartSec=1s
ReadWritePaths=-/mnt/nas
"""
WAIT_S = 90.0
POLL_S = 0.3


def test_a_machine_from_install_to_result_and_through_trouble(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.install()
    machine.drop_in("impatient.conf", IMPATIENT)
    (machine.root / "mnt/nas/photos").mkdir(parents=True)
    with machine:
        install(machine)
        first_result(machine)
        reload(machine)
        share_that_comes_later(machine)
        frozen_worker(machine)
        frozen_supervisor(machine)
        stop_amid_work(machine)
        mistake_at_start(machine)


def install(machine: Machine) -> None:
    """What `make install-service` tells an owner to do."""
    machine.run("systemd-sysusers")
    machine.run("systemd-tmpfiles", "--create", "/usr/local/lib/tmpfiles.d/twofold.conf")
    (machine.root / "srv/photos").mkdir()
    folders = [f"/srv/photos/{name}" for name in ("in", "out", "slow")]
    machine.run("install", "-d", "-o", "twofold", "-g", "twofold", *folders)
    configure(machine, CONFIG)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--now", "twofold")  # returns at READY
    assert machine.unit("ActiveState") == "active"
    assert machine.unit("StatusText") == "idle"


def first_result(machine: Machine) -> None:
    drop(machine.root / "srv/photos/in", "first.png", photo("png", 64, 48, 1))
    result = delivered(machine, "srv/photos/out/first.png")
    assert pixels(result).shape == (96, 128, 3)
    found = result.stat()
    assert found.st_uid == int(machine.run("id", "-u", "twofold"))
    assert stat.S_IMODE(found.st_mode) == 0o664


def reload(machine: Machine) -> None:
    main = machine.unit("MainPID")
    configure(machine, CONFIG.replace("scale: 2, models: [auto]", "scale: 2, model: auto"))
    machine.run("systemctl", "reload", "twofold")
    until(machine, lambda: "configuration refused (1 mistake" in machine.unit("StatusText"))
    assert machine.unit("ActiveState") == "active"
    assert "'double.model'" in machine.journal() or "recipes.double.model" in machine.journal()
    configure(machine, CONFIG + NAS)
    machine.run("systemctl", "reload", "twofold")
    until(machine, lambda: "offline: nas" in machine.unit("StatusText"))
    assert machine.unit("ActiveState") == "active"
    assert machine.unit("MainPID") == main


def share_that_comes_later(machine: Machine) -> None:
    """A file system that is mounted while the service runs is seen inside of its sandbox, and can be written there."""
    machine.run("mount", "-t", "tmpfs", "nas", "/mnt/nas/photos")
    machine.run("install", "-d", "-o", "twofold", "/mnt/nas/photos/in", "/mnt/nas/photos/out")
    machine.run("cp", "/srv/photos/in/first.png", "/mnt/nas/photos/in/second.png")
    until(machine, lambda: "second.png" in machine.run("ls", "/mnt/nas/photos/out"))


def frozen_worker(machine: Machine) -> None:
    """It is killed and replaced; the service goes on."""
    before = machine.unit("MainPID")
    drop(machine.root / "srv/photos/slow", "slow.png", photo("png", 40, 30, 2))
    until(machine, lambda: "running: slow/slow.png" in machine.unit("StatusText"))
    worker = machine.run("pgrep", "-o", "-f", "twofold.service.worker")
    machine.run("kill", "-STOP", worker)
    until(machine, lambda: "worker.frozen" in machine.journal())
    until(machine, lambda: machine.run("pgrep", "-o", "-f", "twofold.service.worker", check=False) not in ("", worker))
    assert machine.unit("MainPID") == before


def frozen_supervisor(machine: Machine) -> None:
    """systemd ends it, and starts another; a file dropped meanwhile is made."""
    before = machine.unit("MainPID")
    machine.run("kill", "-STOP", before)
    drop(machine.root / "srv/photos/in", "third.png", photo("png", 50, 40, 3))
    until(machine, lambda: machine.unit("NRestarts") == "1" and machine.unit("ActiveState") == "active")
    assert machine.unit("MainPID") != before
    assert "Watchdog timeout" in machine.run("journalctl", "--no-pager", "-u", "twofold")


def stop_amid_work(machine: Machine) -> None:
    """At once for a person, and a success for systemd, though a batch of the worker would take much longer."""
    until(machine, lambda: "running: " in machine.unit("StatusText"))
    started_s = time.monotonic()
    machine.run("systemctl", "stop", "twofold")
    assert time.monotonic() - started_s < 40
    assert machine.unit("Result") == "success"
    assert machine.run("pgrep", "-f", "twofold", check=False) == ""
    os.unlink(machine.root / "srv/photos/slow/slow.png")
    machine.run("systemctl", "start", "twofold")
    delivered(machine, "srv/photos/out/third.png")
    machine.run("systemctl", "stop", "twofold")


def mistake_at_start(machine: Machine) -> None:
    """78 is not tried again: no restart mends it."""
    configure(machine, CONFIG.replace("scale: 2", "scale: none"))
    machine.run("systemctl", "start", "twofold", check=False)
    assert machine.unit("ActiveState") == "failed"
    assert machine.unit("ExecMainStatus") == "78"
    time.sleep(3)  # RestartSec is 1 s here
    assert machine.unit("NRestarts") == "0"


def configure(machine: Machine, text: str) -> None:
    (machine.root / "etc/twofold/twofold.yaml").write_text(text, encoding="utf-8")


def delivered(machine: Machine, path: str) -> Path:
    until(machine, lambda: (machine.root / path).exists())
    return machine.root / path


def until(machine: Machine, predicate: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not predicate():
        assert time.monotonic() < deadline_s, f"{machine.unit('StatusText')}\n{machine.journal()}"
        time.sleep(POLL_S)
