"""Devices that fail: their workers end at once, jobs go on where they can, and one that keeps failing rests."""

from __future__ import annotations

import pytest

from tests.e2e.photos import drop, photo
from tests.service.pretend import Gpu
from tests.service.test_waiting import CONFIG, SETTLED_S, Start, delivered, waiting


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_device_that_keeps_failing_is_left_alone_and_the_other_does_its_jobs(service_on: Start) -> None:
    one, _ = service_on(CONFIG, GPU_a=Gpu(fault="device_failed"), GPU_b=Gpu(tile_s=0.3))
    one.folder("out")
    names = [f"{number}.png" for number in range(12)]
    for number, name in enumerate(names):
        drop(one.folder("in"), name, photo("png", 200, 100 + number, number))
    one.start()
    one.wait_for(lambda: waiting(one).get("code") == "quarantined", SETTLED_S)
    one.wait_until(dict.fromkeys(names, ("done", None)), SETTLED_S)
    assert {event["device"] for event in delivered(one, len(names))} == {"GPU-b"}
    assert {event["code"] for event in one.events("worker.faulted")} == {"device_failed"}
    assert [(event["device"], event["code"]) for event in one.events("device.excluded")] == [("GPU-a", "quarantined")]
    assert one.stop() == 0
    assert one.left_over() == []


@pytest.mark.slow
def test_a_job_of_a_lost_device_is_taken_up_by_another_and_the_device_used_again_when_it_answers(
    service_on: Start,
) -> None:
    one, gpus = service_on(CONFIG, GPU_a=Gpu(tile_s=120))
    one.folder("out")
    drop(one.folder("in"), "a.png", photo("png", 200, 100, 1))
    gpus.write({**gpus.read(), "GPU-b": Gpu(free_bytes=0)})
    one.start()
    one.wait_for(lambda: [event["device"] for event in one.events("pass.planned")] == ["GPU-a"], SETTLED_S)
    gpus.change("GPU-b", free_bytes=8 << 30)
    gpus.change("GPU-a", lost=True)
    one.wait_until({"a.png": ("done", None)}, SETTLED_S)
    assert [event["device"] for event in delivered(one, 1)] == ["GPU-b"]
    assert one.jobs()["a.png"]["attempts"] == 0
    # The worker may have met it before the watcher did, whose third look in vain it takes.
    one.wait_for(lambda: waiting(one).get("code") == "device_lost", SETTLED_S)
    assert [(event["device"], event["code"]) for event in one.events("device.excluded")] == [("GPU-a", "device_lost")]

    gpus.change("GPU-a", lost=False, tile_s=0.0)
    one.wait_for(lambda: one.events("device.readmitted"), SETTLED_S)
    one.wait_for(lambda: not waiting(one), SETTLED_S)
    assert one.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_any_device_left_the_owner_decides(service_on: Start) -> None:
    one, _ = service_on(CONFIG, GPU_a=Gpu(lost=True))
    one.folder("out")
    drop(one.folder("in"), "a.png", photo("png", 200, 100, 1))
    one.start()
    one.wait_for(lambda: waiting(one).get("code") == "device_lost", SETTLED_S)
    assert one.states()["a.png"][0] in ("waiting", "queued")
    assert one.stop() == 0

    one.configure("on_no_device: exit\n" + CONFIG)
    one.start()
    assert one.running.wait(SETTLED_S) == 69
