"""What a service and its workers need to run on the simulated GPUs of a folder."""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import dataclass

from simulator.allocator import CachingAllocator
from simulator.bench import CAPABILITY
from simulator.clock import RealClock
from simulator.shared_gpu import SUFFIX, SharedGpu
from simulator.upscaler import SimulatedUpscaler
from twofold.core.card import NetworkCard
from twofold.core.memory import AllocatorFigures
from twofold.core.neighbours import Neighbours
from twofold.device.inventory import Device, Inventory
from twofold.raster import Upscaler
from twofold.service.machine import Equipment, Machine

CPU = Device("cpu", "cpu", "no processor that anybody asked for", 8 << 30)


def machine_of(folder: str) -> Machine:
    """What the watcher asks; `folder` holds a file for each GPU (see shared_gpu)."""
    gpus = _Gpus(folder)
    return Machine(
        inventory=gpus.inventory,
        probe=gpus.open,
        neighbours=Others,
        worker=(sys.executable, "-m", "simulator.worker", folder),
        lock=lambda device: None,  # tests beside each other have GPUs of the same names
    )


def equipment_of(folder: str) -> Equipment:
    """What a worker reaches its GPU by."""
    gpus = _Gpus(folder)
    allocators: dict[str, SharedAllocator] = {}

    def allocator(device: Device) -> SharedAllocator:
        return allocators.setdefault(device.id, SharedAllocator(gpus.open(device)))

    def upscaler(card: NetworkCard, device_id: str, threads: int | None) -> Upscaler:
        return allocators[device_id].load(card)

    return Equipment(probe=gpus.open, allocator=allocator, upscaler=upscaler)


@dataclass(frozen=True, slots=True)
class Others:
    """A NeighbourProbe (core.protocols) that knows of nobody: what a neighbour holds shows in free memory alone."""

    device: Device

    def read(self) -> Neighbours:
        return Neighbours()


class SharedAllocator:
    """Our process's caching allocator on a shared GPU; as CudaAllocator, nothing before the first network is loaded."""

    def __init__(self, gpu: SharedGpu) -> None:
        self._gpu = gpu
        self._caching: CachingAllocator | None = None

    def figures(self) -> AllocatorFigures:
        return AllocatorFigures() if self._caching is None else self._caching.figures()

    def limit(self, reserved_bytes: int) -> None:
        if self._caching is not None:
            self._caching.limit(reserved_bytes)

    def release(self) -> None:
        if self._caching is not None:
            self._caching.release()

    def claim(self, unused_bytes: int) -> bool:
        return self._caching is None or self._caching.claim(unused_bytes)

    def load(self, card: NetworkCard) -> Upscaler:
        """A network on the GPU; opens the context where there is none yet."""
        from simulator.true_pixels import TruePixels  # torch: only where a network runs

        if self._caching is None:
            self._gpu.enter()
            self._caching = CachingAllocator(self._gpu)
        self._gpu.begin_load()
        gpu, caching = self._gpu, self._caching

        def load() -> SimulatedUpscaler:
            return SimulatedUpscaler(card, gpu.cost, gpu, caching, RealClock(), seed=gpu.now.batches)

        return TruePixels(card, load, caching, gpu)


@dataclass(frozen=True, slots=True)
class _Gpus:
    folder: str

    def open(self, device: Device) -> SharedGpu:
        return SharedGpu(os.path.join(self.folder, device.id + SUFFIX))

    def inventory(self) -> Inventory:
        gpus = [SharedGpu(path) for path in sorted(glob.glob(os.path.join(self.folder, "*" + SUFFIX)))]
        return Inventory(
            CPU,
            tuple(
                Device(gpu.name, "cuda", f"simulated {gpu.name}", gpu.now.total_bytes, f"cuda:{index}", CAPABILITY)
                for index, gpu in enumerate(gpus)
            ),
        )
