"""A whole service on devices that stand in for real ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.e2e.photos import drop, photo, pixels
from tests.e2e.service import Service
from tests.service.pretend import Gpu, Gpus

CONFIG = """\
recipes:
  double: {scale: 2, models: [identity]}
inboxes:
  in: {path: in, outbox: out, recipe: double, settle: 0.2s}
"""


def test_a_service_runs_on_devices_that_are_handed_to_it(service_on: Callable[..., tuple[Service, Gpus]]) -> None:
    one, _ = service_on(CONFIG, GPU_a=Gpu())
    inbox, outbox = one.folder("in"), one.folder("out")
    drop(inbox, "a.png", photo("png", 90, 70, 1))
    one.start()
    one.wait_until({"a.png": ("done", None)}, 30)
    assert [device["id"] for device in one.status()["devices"]] == ["GPU-a"]
    assert [event["device"] for event in one.events("job.delivered")] == ["GPU-a"]
    np.testing.assert_array_equal(pixels(outbox / "a.png"), pixels(inbox / "a.png").repeat(2, axis=0).repeat(2, axis=1))
    assert one.stop() == 0
