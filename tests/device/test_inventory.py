"""Which devices are taken, and when none is better than the wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.device.host import HostProbe
from twofold.device.inventory import (
    Device,
    Inventory,
    choose_devices,
    list_devices,
    memory_probe,
    missing_devices,
    nvidia_on_bus,
    take_inventory,
)
from twofold.device.nvml import NvidiaDevice, NvidiaList, NvidiaProbe

CPU = Device("cpu", "cpu", "a processor", 1, "cpu")
FIRST = Device("GPU-aa", "cuda", "one", 2, "cuda:0")
SECOND = Device("GPU-bb", "cuda", "two", 3, "cuda:1")


def test_auto_takes_every_gpu_and_the_cpu_only_without_any() -> None:
    assert choose_devices("auto", Inventory(CPU, (FIRST, SECOND)), wait=True) == (FIRST, SECOND)
    assert choose_devices("auto", Inventory(CPU), wait=True) == (CPU,)


@pytest.mark.parametrize("wait", [True, False])
def test_a_gpu_box_never_turns_into_a_cpu_box(wait: bool) -> None:
    with pytest.raises(TwofoldError) as caught:
        choose_devices("auto", Inventory(CPU, trouble="NVML: Driver Not Loaded"), wait=wait)
    assert (caught.value.code, caught.value.retryable) == (Code.NO_DEVICE, wait)
    assert "Driver Not Loaded" in caught.value.reason.text


def test_names_are_ids_or_aliases_each_once() -> None:
    inventory = Inventory(CPU, (FIRST, SECOND))
    assert choose_devices("cpu", inventory, wait=True) == (CPU,)
    assert choose_devices(["cuda:1", "GPU-aa", "GPU-bb"], inventory, wait=True) == (SECOND, FIRST)


def test_of_a_list_those_that_are_there_go_on_and_the_others_are_named() -> None:
    inventory = Inventory(CPU, (FIRST,), trouble="GPU 1: GPU is lost.", hint="Look at it.")
    assert choose_devices(["cuda:0", "GPU-zz"], inventory, wait=True) == (FIRST,)
    assert missing_devices(["cuda:0", "GPU-zz"], inventory) == "There is no device GPU-zz. GPU 1: GPU is lost."
    assert missing_devices(["cuda:0"], inventory) == ""
    assert missing_devices("auto", inventory) == "GPU 1: GPU is lost."
    with pytest.raises(TwofoldError) as caught:
        choose_devices(["GPU-yy", "GPU-zz"], inventory, wait=True)
    assert caught.value.code is Code.NO_DEVICE
    assert caught.value.reason.hint == "Look at it."
    assert "GPU-yy, GPU-zz. GPU 1: GPU is lost." in caught.value.reason.text


def test_trouble_counts_only_where_the_hardware_is() -> None:
    broken = NvidiaList(trouble="NVML: Driver Not Loaded")
    assert take_inventory(HostProbe(), broken, on_bus=False).trouble == ""
    assert take_inventory(HostProbe(), broken, on_bus=True).trouble == broken.trouble


def test_devices_without_memory_of_their_own_have_the_machine_s() -> None:
    nvidia = NvidiaList((NvidiaDevice("GPU-x", "Orin", 0, (8, 7)), NvidiaDevice("GPU-y", "Big", 5, place=2)))
    found = take_inventory(HostProbe(), nvidia, on_bus=True)
    assert [(one.alias, one.total_bytes) for one in found.nvidia] == [("cuda:0", found.cpu.total_bytes), ("cuda:2", 5)]


def test_hardware_is_seen_on_the_bus(tmp_path: Path) -> None:
    def plug(slot: str, vendor: str, kind: str) -> None:
        folder = tmp_path / "bus/pci/devices" / slot
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(vendor + "\n")
        (folder / "class").write_text(kind + "\n")

    assert not nvidia_on_bus(str(tmp_path))
    plug("0000:00:02.0", "0x8086", "0x030000")
    plug("0000:01:00.1", "0x10de", "0x040300")  # the sound function of a graphics card
    assert not nvidia_on_bus(str(tmp_path))
    plug("0000:01:00.0", "0x10de", "0x030200")
    assert nvidia_on_bus(str(tmp_path))


def test_each_device_has_its_probe() -> None:
    assert isinstance(memory_probe(CPU), HostProbe)
    assert isinstance(memory_probe(FIRST), NvidiaProbe)


def test_this_machine_has_a_processor() -> None:
    cpu = list_devices().cpu
    assert (cpu.id, cpu.kind) == ("cpu", "cpu")
    assert cpu.name
    assert cpu.total_bytes > 0
