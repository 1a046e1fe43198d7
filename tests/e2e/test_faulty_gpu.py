"""A service on GPUs that fail in every way that NVML knows; they are the stub's, and nothing is computed on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.device.stub import compiled, finding, say
from tests.e2e.photos import drop, photo
from tests.e2e.service import Service
from twofold.core.faults import FAULTS, NO_ANSWER, Act

GIB = 1 << 30
DONE_TIMEOUT_S = 60
SERVICE = """
from twofold.cli.main import main
from twofold.device.question import driver
driver.patience_s = 0.5  # that of a test, not of a person
main()
"""
CONFIG = """\
recipes:
  main: {scale: 2, models: [identity]}
inboxes:
  photos: {path: in, outbox: out, recipe: main, settle: 0.2s}
"""
FATAL = [fault for fault in FAULTS if fault.value > 0 and fault.act not in (Act.ABSENT, Act.OTHERWISE)]
HANGS = len(FATAL) + 1
FACTS = {"devices": HANGS + 1, "total": 24 * GIB, "free": 20 * GIB}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "nvml").mkdir()
    library = compiled(tmp_path / "nvml")
    run = (sys.executable, "-c", SERVICE, "run")
    one = Service(tmp_path, CONFIG, devices="auto", run=run, **finding(library))
    one.folder("in")
    one.folder("out")
    yield one
    say(library, {})  # nothing hangs any more
    one.end()


def test_every_fault_is_told_once_costs_only_its_device_and_passes(service: Service) -> None:
    """GPU 0 is well, each of the others meets a fault of its own, and the last one does not answer at all."""
    library, faults = service.home / "nvml", {f"GPU-{number}": fault for number, fault in enumerate(FATAL, 1)}
    faults[f"GPU-{HANGS}"] = NO_ANSWER
    say(library, FACTS)
    service.start()
    service.wait_for(lambda: len(service.status()["devices"]) == HANGS + 1, DONE_TIMEOUT_S)

    # An invalid argument of the second call means that the first is asked: what it says there is no fault.
    broken = {
        f"{('handle', 'info2')[index % 2 and fault.value != 2]}.{index}": fault.value
        for index, fault in enumerate(FATAL, 1)
    }
    say(library, {**FACTS, **broken, f"hang.handle.{HANGS}": 1})
    drop(service.folder("in"), "a.png", photo("png", 24, 18, 1))
    service.wait_until({"a.png": ("done", None)}, DONE_TIMEOUT_S)
    service.wait_for(lambda: len(service.events("device.failed")) >= len(faults), DONE_TIMEOUT_S)
    assert [event["device"] for event in service.events("worker.started")] == ["GPU-0"]

    say(library, FACTS)
    service.wait_for(lambda: len(service.events("device.recovered")) >= len(faults), DONE_TIMEOUT_S)
    told = service.events("device.failed")
    assert {event["device"]: event["text"] for event in told} == {
        uuid: f"{uuid}: {fault.text}" + (f" (NVML: {fault.name})." if fault.value > 0 else ".")
        for uuid, fault in faults.items()
    }
    assert {event["device"]: event["hint"] for event in told} == {uuid: fault.hint for uuid, fault in faults.items()}
    assert len(told) == len(faults)
    assert sorted(event["device"] for event in service.events("device.recovered")) == sorted(faults)
    assert service.events("service.stumbled") == []
    assert service.stop() == 0


def test_a_worker_gets_its_gpu_by_uuid_and_jobs_wait_while_all_are_lost(service: Service) -> None:
    library, two = service.home / "nvml", {**FACTS, "devices": 2, "number.0": 7, "number.1": 3}
    service.configure(CONFIG.replace("identity", "sleep:0.2"))
    say(library, two)
    service.start()
    say(library, {**two, "init": 999, "free": GIB})
    drop(service.folder("in"), "a.png", photo("png", 24, 18, 1))
    service.wait_for(lambda: len(service.events("device.failed")) == 2, DONE_TIMEOUT_S)
    service.wait_until({"a.png": ("queued", None)}, DONE_TIMEOUT_S)
    assert all("recreate the container" in event["hint"] for event in service.events("device.failed"))
    assert service.events("worker.started") == []

    say(library, {**two, "free.0": 5 * GIB})
    service.wait_for(lambda: service.worker_pid(), DONE_TIMEOUT_S)
    started = {event["device"]: event["pid"] for event in service.events("worker.started")}
    for uuid, pid in started.items():
        assert psutil.Process(pid).environ()["CUDA_VISIBLE_DEVICES"] == uuid
    assert started.keys() == {"GPU-7", "GPU-3"}
    service.wait_until({"a.png": ("done", None)}, DONE_TIMEOUT_S)
    free = {device["id"]: device["free_bytes"] for device in service.status()["devices"]}
    assert free == {"GPU-7": 5 * GIB, "GPU-3": 20 * GIB}
    assert not any("torch" in line for line in _mapped(service.running.pid))
    assert service.stop() == 0


def _mapped(pid: int) -> list[str]:
    """The libraries that a process has loaded."""
    return [os.path.basename(one.path) for one in psutil.Process(pid).memory_maps()]
