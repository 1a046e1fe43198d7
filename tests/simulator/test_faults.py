"""Simulated GPUs that fail in the middle of a pass, under the real supervisor and with true pixels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.photos import drop, photo, pixels
from tests.simulator.running import GIB, Simulated, apart, plain, tiny_network

CONFIG = """\
recipes:
  double: {scale: 2, models: [tiny]}
inboxes:
  in: {path: in, outbox: out, recipe: double, settle: 0.2s}
"""
TIMEOUT_S = 100
LONG_PX_PER_S = 20e3
JOBS = 8


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_a_fault_ends_the_worker_and_the_job_goes_on_at_its_band(tmp_path: Path) -> None:
    card = tiny_network(tmp_path, believed_px_per_s=LONG_PX_PER_S)
    with Simulated(tmp_path, CONFIG, {"GPU-8": 8 * GIB}) as one:
        gpu = one.gpus["GPU-8"]
        for folder in ("in", "out"):
            one.service.folder(folder)
        gpu.now.halt_at = 1
        drop(tmp_path / "in", "a.png", photo("png16", 480, 360, 1))
        one.service.start()
        one.wait_for_halt(gpu)
        first = one.plans("a.png")[0]
        gpu.now.fault_at = 1 + -(-first["tiles"] // first["batch"]) // 2
        one.go_on(gpu)
        one.service.wait_until({"a.png": ("done", None)}, TIMEOUT_S)

        died = one.service.events("worker.died")
        assert [event["jobs"] for event in died] == [[one.service.jobs()["a.png"]["id"]]]
        assert [event["code"] for event in one.service.events("worker.faulted")] == ["device_failed"]
        resumed = [plan["resumed_band"] for plan in one.plans("a.png") if plan["event"] == "pass.planned"]
        assert resumed[0] == 0 < resumed[1]
        assert len(resumed) == 2
        assert one.service.jobs()["a.png"]["attempts"] == 0, "not the job's fault"
        assert apart(pixels(tmp_path / "out/a.png"), plain(card, pixels(tmp_path / "in/a.png"), 1, 16)) <= 1
        assert one.service.left_over() == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_gpus_share_the_work_and_one_ends_it_when_the_other_is_lost(tmp_path: Path) -> None:
    card = tiny_network(tmp_path)
    with Simulated(tmp_path, CONFIG, {"GPU-fast": 24 * GIB, "GPU-slow": 8 * GIB}) as one:
        fast, slow = one.gpus.values()
        slow.now.px_per_s = fast.now.px_per_s / 8
        for folder in ("in", "out"):
            one.service.folder(folder)
        names = [f"{number}.png" for number in range(JOBS)]
        for number, name in enumerate(names):
            drop(tmp_path / "in", name, photo("png16", 200, 150 + number, number))
        fast.now.halt_at = slow.now.halt_at_load = 1
        one.service.start()
        one.wait_for_halt(fast)
        one.wait_for_halt(slow)  # both have jobs in work
        fast.now.lost = 1
        one.go_on(fast)
        one.go_on(slow)
        one.service.wait_until(dict.fromkeys(names, ("done", None)), TIMEOUT_S)

        delivered = one.service.events("job.delivered")
        assert sorted(event["path"] for event in delivered) == names, "nothing lost, nothing twice"
        assert "GPU-slow" in {event["device"] for event in delivered}
        assert one.service.events("device.excluded")[0]["device"] == "GPU-fast"
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
        assert {job["attempts"] for job in one.service.jobs().values()} == {0}
        for name in names:
            source = pixels(tmp_path / "in" / name)
            assert apart(pixels(tmp_path / "out" / name), plain(card, source, 1, 16)) <= 1
        assert one.service.left_over() == []
