"""One simulated machine: device, allocator, clock, and a network loaded on it."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.allocator import CachingAllocator
from simulator.clock import VirtualClock
from simulator.device import SimulatedDevice
from simulator.neighbours import Neighbour
from simulator.networks import DeviceClass, SimulatedKind, TrueCost, draw_cost
from simulator.upscaler import SimulatedUpscaler

CAPABILITY = (8, 9)
"""CUDA compute capability of the simulated cards: bfloat16 is native."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that a policy runs on."""

    clock: VirtualClock
    device: SimulatedDevice
    allocator: CachingAllocator
    upscaler: SimulatedUpscaler
    cost: TrueCost

    def least_free_bytes(self, neighbour_bytes: int) -> int:
        """What the last batch left free at its widest, had the neighbour held so much all the time."""
        held_bytes = self.allocator.peak_reserved_bytes + self.device.context_bytes
        return self.device.total_bytes - held_bytes - neighbour_bytes


def build_bench(
    kind: SimulatedKind, device_class: DeviceClass, neighbour: Neighbour, *, seed: int, spill: bool = False
) -> Bench:
    """A fresh machine at time 0; the same seed gives the same costs, noise and spikes."""
    clock = VirtualClock()
    device = SimulatedDevice(device_class.total_bytes, neighbour, clock, spill=spill)
    allocator = CachingAllocator(device)
    cost = draw_cost(kind, device_class, seed)
    return Bench(
        clock, device, allocator, SimulatedUpscaler(kind.card, cost, device, allocator, clock, seed=seed), cost
    )
