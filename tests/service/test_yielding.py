"""Devices that are left to others while they use them (yield_to)."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.device.stub import compiled, finding, say
from tests.e2e.photos import drop, photo
from tests.e2e.service import Service
from tests.service.pretend import GIB, Gpu
from tests.service.test_waiting import CONFIG, SETTLED_S, Start, waiting

LEAVE_WITHIN_S = 5.0
BACK_AFTER_S = 2.0
TIGHT_BYTES = 408 << 20
"""Free, of which 400 MiB stay so: enough for tiles of some 200 x 200 px, one at a time."""

RULE = "yield_to: {{processes: [blender], action: {action}, come_back_after: 2s}}\n"


def batches_run(one: Service) -> float:
    """The done share of the one job."""
    return float(one.jobs()["a.png"]["pictures"][0]["fraction"])


def worker(one: Service) -> psutil.Process:
    one.wait_for(lambda: one.events("pass.planned") and one.worker_pid(), SETTLED_S)
    pid = one.worker_pid()
    assert pid is not None
    return psutil.Process(pid)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("tile_s", [0.2, 60.0], ids=["at its checkpoint", "killed within a long batch"])
def test_a_worker_leaves_for_a_neighbour_within_five_seconds_and_comes_back(service_on: Start, tile_s: float) -> None:
    one, gpus = service_on(RULE.format(action="leave") + CONFIG, GPU_a=Gpu(tile_s=tile_s, free_bytes=TIGHT_BYTES))
    one.folder("out")
    drop(one.folder("in"), "a.png", photo("png", 900, 700, 1))
    one.start()
    process = worker(one)
    gpus.change("GPU-a", programs=("Blender",))
    process.wait(LEAVE_WITHIN_S)
    one.wait_for(lambda: waiting(one), SETTLED_S)
    assert waiting(one)["code"] == "yielded"
    assert "Blender" in waiting(one)["text"]

    gpus.change("GPU-a", programs=(), tile_s=0.0)
    gone_s = time.monotonic()
    one.wait_until({"a.png": ("done", None)}, SETTLED_S)
    assert time.monotonic() - gone_s >= BACK_AFTER_S
    assert one.events("worker.died") == []
    assert [event["device"] for event in one.events("device.regained")] == ["GPU-a"]
    assert one.jobs()["a.png"]["attempts"] == 0
    assert one.stop() == 0
    assert one.left_over() == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_that_is_to_pause_stays_and_runs_no_batch(service_on: Start) -> None:
    one, gpus = service_on(RULE.format(action="pause") + CONFIG, GPU_a=Gpu(tile_s=0.2, free_bytes=TIGHT_BYTES))
    one.folder("out")
    drop(one.folder("in"), "a.png", photo("png", 1800, 1400, 1))
    one.start()
    process = worker(one)
    gpus.change("GPU-a", programs=("blender",))
    one.wait_for(lambda: waiting(one), SETTLED_S)
    time.sleep(1.0)  # the batch that was running may end
    before = batches_run(one)
    time.sleep(3.0)
    assert batches_run(one) == before < 1.0
    assert process.is_running()
    assert [device["worker"]["state"] for device in one.status()["devices"]] == ["paused"]

    gpus.change("GPU-a", programs=(), tile_s=0.0)
    one.wait_until({"a.png": ("done", None)}, SETTLED_S)
    assert len(one.events("worker.started")) == 1
    assert one.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_that_is_to_shrink_goes_on_with_the_smallest_tiles(service_on: Start) -> None:
    one, gpus = service_on(RULE.format(action="shrink") + CONFIG, GPU_a=Gpu(tile_s=0.1, free_bytes=TIGHT_BYTES))
    one.folder("out")
    drop(one.folder("in"), "a.png", photo("png", 1800, 1400, 1))
    one.start()
    process = worker(one)
    usual = one.events("pass.planned")[0]["need_bytes"]
    gpus.change("GPU-a", programs=("blender",))
    one.wait_for(lambda: [event for event in one.events("pass.replanned") if event["need_bytes"] < usual], SETTLED_S)
    # The worker is told first; what `status` reads is written at the crew's next look.
    one.wait_for(lambda: [device["worker"]["state"] for device in one.status()["devices"]] == ["small"], SETTLED_S)
    assert not waiting(one)
    assert process.is_running()
    gpus.change("GPU-a", tile_s=0.0)
    one.wait_until({"a.png": ("done", None)}, SETTLED_S)
    assert one.stop() == 0


ON_NVML = """\
yield_to: {any_other: {memory: 500MiB}, come_back_after: 2s}
recipes:
  double: {scale: 2, models: ["sleep:0.2"]}
inboxes:
  in: {path: in, outbox: out, recipe: double, settle: 0.2s}
"""


@pytest.mark.slow
def test_a_service_on_nvml_leaves_for_a_real_process_within_five_seconds_and_comes_back(tmp_path: Path) -> None:
    """The one device is the stub's; who is on it are processes of this machine."""
    (tmp_path / "nvml").mkdir()
    library = compiled(tmp_path / "nvml")
    device = {"devices": 1, "total": 8 * GIB, "free": TIGHT_BYTES}
    say(library, device)
    one = Service(tmp_path, ON_NVML, devices="auto", **finding(library))
    neighbour = subprocess.Popen(["sleep", "300"])
    try:
        one.folder("out")
        drop(one.folder("in"), "a.png", photo("png", 1000, 700, 1))
        one.start()
        process = worker(one)
        ours = {"compute_pid.0.0": process.pid, "compute_used.0.0": GIB // 4}
        theirs = {"compute_pid.0.1": neighbour.pid, "compute_used.0.1": GIB}
        say(library, device | ours | {"compute_pids.0": 1})
        one.wait_for(lambda: batches_run(one) > 0, SETTLED_S)
        say(library, device | ours | theirs | {"compute_pids.0": 2})
        process.wait(LEAVE_WITHIN_S)
        one.wait_for(lambda: waiting(one, "GPU-0").get("code") == "yielded", SETTLED_S)
        assert str(neighbour.pid) in waiting(one, "GPU-0")["text"]
        say(library, device | {"free": 8 * GIB})
        one.wait_until({"a.png": ("done", None)}, SETTLED_S)
        assert one.events("worker.died") == []
        assert one.stop() == 0
    finally:
        neighbour.kill()
        neighbour.wait()
        one.end()
