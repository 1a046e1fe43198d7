"""A network at work on the simulated device: no pixels, but every allocation and every second."""

from __future__ import annotations

import random

from simulator.allocator import Block, CachingAllocator
from simulator.clock import VirtualClock
from simulator.device import SimulatedDevice
from simulator.networks import SPIKE, SPIKE_RATE, TIME_NOISE, TrueCost
from twofold.core.card import NetworkCard

WEIGHT_PIECE_BYTES = 1 << 20
LAYERS = 4  # tensors of a layer's size that are live together
FLUSH_S = 0.02  # giving the cache back waits for the device
EARLY_WORKSPACE = 0.5  # of the widest layer's: what an earlier layer wants


class SimulatedUpscaler:
    """Holds its weights from the start; each batch allocates and frees as a network would.

    `peak_bytes` is what the last batch added at its widest over what was allocated before it.
    """

    def __init__(
        self,
        card: NetworkCard,
        cost: TrueCost,
        device: SimulatedDevice,
        allocator: CachingAllocator,
        clock: VirtualClock,
        *,
        seed: int,
    ) -> None:
        self.card = card
        self.peak_bytes: int | None = None
        self._cost = cost
        self._device = device
        self._allocator = allocator
        self._clock = clock
        self._settled: tuple[int, float, int] | None = None
        self._draws = random.Random(f"batches/{seed}")
        pieces = -(-cost.weight_bytes // WEIGHT_PIECE_BYTES)
        self._weights = [allocator.allocate(WEIGHT_PIECE_BYTES) for _ in range(pieces)]

    def run(self, batch_px: int) -> float:
        """One batch of so many window pixels; its seconds. Raises torch.OutOfMemoryError, holding nothing of it."""
        spike = SPIKE if self._draws.random() < SPIKE_RATE else 0.0
        noise = max(0.5, self._draws.gauss(1.0, TIME_NOISE))
        return self.batch(batch_px, spike=spike, seconds=self._cost.seconds(batch_px) * noise)

    def batch(self, batch_px: int, *, spike: float, seconds: float) -> float:
        """As `run`, with no chance in it: a workspace larger by `spike` of the bytes, and `seconds` if not slowed."""
        started_s = self._clock()
        shape = (batch_px, spike, self._allocator.segments)
        if shape == self._settled:  # the batch before found all it needed in the cache, and so does this one
            self._pass(seconds)
            return self._clock() - started_s
        self._settled = None
        retries = self._allocator.retries
        before_bytes = self._allocator.allocated_bytes
        self._allocator.reset_peaks()
        held: list[Block] = []
        try:
            self._layers(held, batch_px, spike, seconds)
        finally:
            for block in held:
                self._allocator.free(block)
            self._clock.sleep(FLUSH_S * (self._allocator.retries - retries))
        self.peak_bytes = self._allocator.peak_allocated_bytes - before_bytes
        if shape[2] == self._allocator.segments:
            self._settled = shape
        return self._clock() - started_s

    def _layers(self, held: list[Block], batch_px: int, spike: float, seconds: float) -> None:
        """An early layer, the widest one, and the way out; what is allocated stands in `held`."""
        widest_bytes = self._cost.widest_bytes(batch_px) + int(spike * self._cost.bytes_per_px * batch_px)
        layer_bytes = int(self._cost.live_bytes_per_px * batch_px / LAYERS)
        workspace_bytes = max(0, widest_bytes - LAYERS * layer_bytes)
        take = self._allocator.allocate
        held.extend(take(layer_bytes) for _ in range(LAYERS - 1))
        self._pass(seconds / 4)
        self._allocator.free(take(int(workspace_bytes * EARLY_WORKSPACE)))
        self._allocator.free(held.pop(0))
        held.append(take(layer_bytes))
        self._pass(seconds / 4)
        held.append(take(layer_bytes))
        workspace = take(workspace_bytes)
        self._pass(seconds / 2)
        self._allocator.free(workspace)

    def _pass(self, seconds: float) -> None:
        self._clock.sleep(seconds * self._device.slowdown)
