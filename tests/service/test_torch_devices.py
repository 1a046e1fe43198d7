"""Devices that only torch sees; there is none here, so that its words are made up."""

from __future__ import annotations

import pytest

from twofold.core.checkup.devices import SeenDevice, TorchFacts
from twofold.device.inventory import Device, Inventory, choose_devices, memory_probe, missing_devices
from twofold.device.nvml import NvidiaProbe
from twofold.service.torch_devices import find_devices, torch_may_know, with_torch

CPU = Device("cpu", "cpu", "a processor", 1, "cpu")
NOTHING = Inventory(CPU, cuda_may_work=True)
ORIN = SeenDevice("GPU-x", "Orin", (8, 7), 30)
BROKEN = SeenDevice("GPU-y", "Old", (3, 5), 2, trouble="no kernel image")


def test_a_device_is_known_by_its_number_and_the_process_sees_it_alone() -> None:
    found = with_torch(NOTHING, TorchFacts("2.13", devices=(BROKEN, ORIN)))
    (device,) = choose_devices(["cuda:1"], found, wait=False)
    assert device == Device("cuda:1", "cuda", "Orin", 30, "", (8, 7))
    assert device.visible == "1"
    assert Device("GPU-x", "cuda", "", 0).visible == "GPU-x"
    assert missing_devices(["cuda:0", "cuda:1"], found) == "There is no device cuda:0."


def test_nobody_but_a_worker_asks_for_its_memory() -> None:
    device = Device("cuda:0", "cuda", "Orin", 30)
    assert memory_probe(device).read().free_bytes == 30
    assert isinstance(memory_probe(device, lasting=True), NvidiaProbe)


def test_why_torch_sees_none_is_told() -> None:
    found = with_torch(NOTHING, TorchFacts(trouble="no CUDA"))
    assert missing_devices(["cuda:0"], found) == "There is no device cuda:0. torch: no CUDA."


@pytest.mark.parametrize(
    ("wanted", "inventory", "asks"),
    [
        (["cuda:0"], NOTHING, True),
        ("cuda:0", NOTHING, True),
        ("auto", NOTHING, False),
        (["GPU-x", "cpu"], NOTHING, False),
        (["cuda:0"], Inventory(CPU), False),
    ],
)
def test_torch_is_asked_only_where_it_may_know_better(
    wanted: str | list[str], inventory: Inventory, asks: bool
) -> None:
    assert torch_may_know(wanted, inventory) is asks
    if not asks:
        assert find_devices(wanted, lambda: inventory) is inventory
