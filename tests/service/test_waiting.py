"""A device that is short of memory: its worker leaves, waits visibly, and comes back; others go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.e2e.photos import drop, photo, pixels
from tests.e2e.service import Service
from tests.service.pretend import GIB, Gpu, Gpus

SETTLED_S = 100
"""A worker takes ten seconds to start on a machine that is busy with other tests."""

CONFIG = """\
recipes:
  double: {scale: 2, models: ["sleep:0"]}
inboxes:
  in: {path: in, outbox: out, recipe: double, settle: 0.2s}
"""
Start = Callable[..., tuple[Service, Gpus]]


def waiting(one: Service, device: str = "GPU-a") -> dict[str, Any]:
    """What `status` says a device waits for; empty where it does not."""
    return next((each["waiting"] or {} for each in one.status()["devices"] if each["id"] == device), {})


def delivered(one: Service, jobs: int) -> list[dict[str, Any]]:
    """The lines of so many results, which are written a moment after the ledger has them."""
    one.wait_for(lambda: len(one.events("job.delivered")) >= jobs, SETTLED_S)
    return one.events("job.delivered")


def test_a_worker_that_finds_no_room_leaves_waits_visibly_and_comes_back(service_on: Start) -> None:
    one, gpus = service_on(CONFIG, GPU_a=Gpu(free_bytes=100 << 20))
    inbox, outbox = one.folder("in"), one.folder("out")
    drop(inbox, "a.png", photo("png", 300, 200, 1))
    one.start()
    one.wait_for(lambda: waiting(one), SETTLED_S)
    told = waiting(one)
    assert told["code"] == "low_memory"
    assert "smallest tile" in told["text"]
    assert told["since"].endswith("Z")
    assert one.states() == {"a.png": ("queued", None)}
    assert one.worker_pid() is None
    assert [event["need_bytes"] > 0 for event in one.events("worker.left")] == [True]
    shown = one.command("status").stdout
    assert f"waits since {told['since']}" in shown
    assert "hint: Free memory on the device" in shown

    gpus.change("GPU-a", free_bytes=8 * GIB)
    one.wait_until({"a.png": ("done", None)}, SETTLED_S)
    np.testing.assert_array_equal(pixels(outbox / "a.png"), pixels(inbox / "a.png").repeat(2, axis=0).repeat(2, axis=1))
    one.wait_for(lambda: not waiting(one), SETTLED_S)
    job = one.jobs()["a.png"]
    assert job["attempts"] == 0
    assert one.events("worker.died") == []
    assert one.stop() == 0
    assert one.left_over() == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_picture_that_can_never_fit_fails_at_once_with_the_reason(service_on: Start) -> None:
    one, _ = service_on(CONFIG, GPU_a=Gpu(total_bytes=500 << 20, free_bytes=500 << 20))
    one.configure("vram: {keep_free: 500MiB}\n" + CONFIG)
    one.folder("out")
    drop(one.folder("in"), "a.png", photo("png", 300, 200, 1))
    one.start()
    one.wait_until({"a.png": ("failed", "never_fits")}, SETTLED_S)
    assert one.stop() == 0
    assert one.left_over() == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_where_one_device_waits_the_others_go_on(service_on: Start) -> None:
    one, _ = service_on(CONFIG, GPU_a=Gpu(free_bytes=0, tile_s=0.05), GPU_b=Gpu(tile_s=0.05))
    one.folder("out")
    names = [f"{number}.png" for number in range(6)]
    for number, name in enumerate(names):
        drop(one.folder("in"), name, photo("png", 200, 100 + number, number))
    one.start()
    one.wait_until(dict.fromkeys(names, ("done", None)), SETTLED_S)
    assert {event["device"] for event in delivered(one, len(names))} == {"GPU-b"}
    assert [job["attempts"] for job in one.jobs().values()] == [0] * len(names)
    assert one.stop() == 0
