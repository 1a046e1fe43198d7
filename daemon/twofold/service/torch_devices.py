"""Devices on machines where CUDA works and NVML does not: some Jetsons, odd containers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from twofold.core.checkup.devices import TorchFacts
from twofold.device.inventory import Device, Inventory, list_devices
from twofold.service.census import TorchCensus

BY_NUMBER = "cuda:"


def find_devices(wanted: str | Sequence[str], inventory: Callable[[], Inventory] = list_devices) -> Inventory:
    """The inventory for these names of `devices:`.

    Where NVML is what is missing, and a device is named by its number, a process of its own asks torch, which takes
    seconds and, for that time, a CUDA context. `auto` never does: it would cost every machine without a GPU as much.
    """
    found = inventory()
    if not torch_may_know(wanted, found):
        return found
    with TorchCensus() as census:
        return with_torch(found, census.facts())


def torch_may_know(wanted: str | Sequence[str], inventory: Inventory) -> bool:
    """True where a device is named by its number, and NVML is what is missing."""
    names = [wanted] if isinstance(wanted, str) else wanted
    return inventory.cuda_may_work and any(name.startswith(BY_NUMBER) for name in names)


def with_torch(inventory: Inventory, torch: TorchFacts) -> Inventory:
    """With what torch can compute on; such a device is known by its number alone, which CUDA gives it."""
    devices = tuple(
        Device(f"{BY_NUMBER}{number}", "cuda", one.name, one.total_bytes, capability=one.capability)
        for number, one in enumerate(torch.devices)
        if not one.trouble
    )
    troubles = [one.trouble for one in torch.devices if one.trouble] or ([torch.trouble] if torch.trouble else [])
    trouble = " ".join([inventory.trouble, *(f"torch: {text}." for text in troubles)]).strip()
    return replace(inventory, nvidia=devices, trouble="" if devices else trouble)
