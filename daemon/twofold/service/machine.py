"""Where a service meets its devices; tests and the simulator put devices of their own in their place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from twofold.core.card import NetworkCard
from twofold.core.protocols import Allocator, MemoryProbe, NeighbourProbe
from twofold.device.heap import HostHeap
from twofold.device.host import HostProbe
from twofold.device.inventory import Device, Inventory, list_devices, memory_probe, neighbour_probe
from twofold.device.lock import DeviceLock
from twofold.engine.cuda_allocator import CudaAllocator
from twofold.engine.cuda_probe import CudaProbe
from twofold.engine.factory import open_upscaler
from twofold.raster import Upscaler
from twofold.service.worker_probe import WorkerProbe

WORKER = (sys.executable, "-m", "twofold.service.worker")


def device_lock(device: Device) -> DeviceLock | None:
    """Processors are shared by the kernel."""
    return None if device.kind == "cpu" else DeviceLock(device.id)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the watcher asks about devices, and the command of a worker on one (its lifeline's number is added last).

    `worker` is a process of its own: what stands in for a device calls `service.worker.main` with its own `Equipment`.
    `lock` keeps two services off one device; None where they may share it.
    """

    inventory: Callable[[], Inventory] = list_devices
    probe: Callable[[Device], MemoryProbe] = memory_probe
    neighbours: Callable[[Device], NeighbourProbe] = neighbour_probe
    worker: tuple[str, ...] = WORKER
    lock: Callable[[Device], DeviceLock | None] = device_lock


def _probe_of_worker(device: Device) -> MemoryProbe:
    probe = memory_probe(device, lasting=True)
    return probe if device.kind == "cpu" else WorkerProbe(device.id, probe, CudaProbe(HostProbe()))


def _allocator(device: Device) -> Allocator:
    return HostHeap() if device.kind == "cpu" else CudaAllocator()


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a worker reaches its device by.

    `upscaler` opens a network (see engine.factory.open_upscaler), once in a process, on the thread that has the device.
    """

    probe: Callable[[Device], MemoryProbe] = _probe_of_worker
    allocator: Callable[[Device], Allocator] = _allocator
    upscaler: Callable[[NetworkCard, str, int | None], Upscaler] = open_upscaler
