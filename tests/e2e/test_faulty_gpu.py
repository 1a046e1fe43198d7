"""Services on GPUs that fail in every way that NVML knows; they are the stub's, and nothing is computed on them."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.device.stub import compiled, finding, say
from tests.e2e.photos import drop, photo, pixels
from tests.e2e.service import Service
from twofold.core.faults import FAULTS, NO_ANSWER, Act

MIB, GIB = 1 << 20, 1 << 30
KEPT_FREE = 400 * MIB
"""By itself, on a GPU of 4 GiB (core.memory.KEEP_FREE_BYTES)."""
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
# GPUs that no test beside this one has, since a service keeps others off them.
FIRST = secrets.randbelow(10**6) * 1000
UUIDS = [f"GPU-{FIRST + place}" for place in range(HANGS + 1)]
FACTS = {"devices": len(UUIDS), "total": 24 * GIB, "free": 20 * GIB}
FACTS |= {f"number.{place}": FIRST + place for place in range(len(UUIDS))}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def services(library: Path, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    """Two, neither of them started, which find the same GPUs."""
    both = _service(tmp_path / "a", library), _service(tmp_path / "b", library)
    yield both
    say(library, {})  # nothing hangs any more
    for one in both:
        one.end()


@pytest.fixture
def service(services: tuple[Service, Service]) -> Service:
    return services[0]


def _service(home: Path, library: Path) -> Service:
    home.mkdir()
    run = (sys.executable, "-c", SERVICE, "run")
    one = Service(home, CONFIG, devices="auto", run=run, **finding(library))
    one.folder("in")
    one.folder("out")
    return one


def test_every_fault_is_told_once_costs_only_its_device_and_passes(service: Service, library: Path) -> None:
    """The first GPU is well, each of the others meets a fault of its own, and the last one does not answer at all."""
    faults = dict(zip(UUIDS[1:], [*FATAL, NO_ANSWER], strict=True))
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
    assert [event["device"] for event in service.events("worker.started")] == UUIDS[:1]

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


def test_a_worker_gets_its_gpu_by_uuid_and_jobs_wait_while_all_are_lost(service: Service, library: Path) -> None:
    two = {**FACTS, "devices": 2, "number.0": FIRST + 1, "number.1": FIRST}  # as CUDA might not count them
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
    assert started.keys() == set(UUIDS[:2])
    service.wait_until({"a.png": ("done", None)}, DONE_TIMEOUT_S)
    free = {device["id"]: device["free_bytes"] for device in service.status()["devices"]}
    assert free == {UUIDS[1]: 5 * GIB, UUIDS[0]: 20 * GIB}
    assert not any("torch" in line for line in _mapped(service.running.pid))
    assert service.stop() == 0


def test_a_pass_shrinks_when_memory_falls_and_loses_no_pixel(service: Service, library: Path) -> None:
    one_gpu = {**FACTS, "devices": 1, "total": 4 * GIB}
    service.configure(CONFIG.replace("identity", "sleep:0.4"))
    say(library, {**one_gpu, "free": KEPT_FREE + 80 * MIB})
    service.start()
    drop(service.folder("in"), "a.png", photo("png", 1200, 900, 1))
    service.wait_for(lambda: service.events("pass.planned"), DONE_TIMEOUT_S)
    say(library, {**one_gpu, "free": KEPT_FREE + 24 * MIB})
    service.wait_for(lambda: service.events("pass.replanned"), DONE_TIMEOUT_S)
    say(library, one_gpu)
    service.wait_until({"a.png": ("done", None)}, DONE_TIMEOUT_S)
    (planned,), replanned = service.events("pass.planned"), service.events("pass.replanned")
    assert planned["budget_bytes"] == 80 * MIB
    assert planned["need_bytes"] <= 80 * MIB
    assert replanned[0]["budget_bytes"] == 24 * MIB
    assert replanned[0]["need_bytes"] <= 24 * MIB
    source = pixels(service.home / "in/a.png")
    assert np.array_equal(pixels(service.home / "out/a.png"), source.repeat(2, axis=0).repeat(2, axis=1))
    assert service.stop() == 0


@pytest.mark.slow
def test_two_services_do_not_work_on_one_gpu_at_a_time(services: tuple[Service, Service], library: Path) -> None:
    first, second = services
    say(library, {**FACTS, "devices": 1})
    first.start()
    drop(first.folder("in"), "a.png", photo("png", 24, 18, 1))
    first.wait_until({"a.png": ("done", None)}, DONE_TIMEOUT_S)

    second.start()
    drop(second.folder("in"), "b.png", photo("png", 24, 18, 2))
    second.wait_for(lambda: second.events("device.taken"), DONE_TIMEOUT_S)
    (told,) = second.events("device.taken")
    assert told["text"].startswith(f"Another Twofold, process {first.running.pid} ")
    assert told["text"].endswith(f"is using {UUIDS[0]}.")
    second.wait_until({"b.png": ("queued", None)}, DONE_TIMEOUT_S)
    assert second.events("worker.started") == []
    assert first.stop() == 0
    second.wait_until({"b.png": ("done", None)}, DONE_TIMEOUT_S)
    assert len(second.events("device.taken")) == 1
    assert second.stop() == 0


def _mapped(pid: int) -> list[str]:
    """The libraries that a process has loaded."""
    return [os.path.basename(one.path) for one in psutil.Process(pid).memory_maps()]
