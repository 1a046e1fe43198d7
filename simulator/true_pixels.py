"""Networks that run on the CPU, pixel for pixel, while their memory and their time are a simulated GPU's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simulator.allocator import CachingAllocator
from simulator.shared_gpu import SharedGpu
from simulator.upscaler import SimulatedUpscaler
from twofold.core.card import NetworkCard
from twofold.core.errors import OutOfDeviceMemory
from twofold.engine.load import Network, load_network, read_verified
from twofold.engine.torch_backend import TorchUpscaler

FAULT = "CUDA error: an illegal memory access was encountered"
LOST = "CUDA error: GPU is lost"


class TruePixels:
    """A raster.Upscaler whose every batch costs, inside the engine's own handling, what it would on the simulated GPU.

    `load` puts the network on the device, at the first batch as the engine does. Networks without a file repeat pixels.
    """

    def __init__(
        self, card: NetworkCard, load: Callable[[], SimulatedUpscaler], allocator: CachingAllocator, gpu: SharedGpu
    ) -> None:
        self.card = card
        self.peak_bytes: int | None = None
        self._load = load
        self._loaded: SimulatedUpscaler | None = None
        self._allocator = allocator
        self._gpu = gpu
        self._broken = False
        torch.set_num_threads(1)  # one sum order, and many small convolutions lose more by sharing than they gain
        network = _network(card)
        charged = replace(network, forward=self._charging(network))
        self._pixels = TorchUpscaler(card, charged, torch.device("cpu"), "float32")

    def run(self, tiles: NDArray[Any], depth: int) -> NDArray[Any]:
        """See raster.Upscaler.run."""
        try:
            result = self._pixels.run(tiles, depth)
        except OutOfDeviceMemory:
            self._gpu.now.refused += 1
            self._allocator.release()  # as the engine does on a GPU
            raise
        finally:
            self._gpu.halt()
        self.peak_bytes = None if self._loaded is None else self._loaded.peak_bytes
        return result

    def _charging(self, network: Network) -> Callable[[nn.Module, Tensor], Tensor]:
        def forward(module: nn.Module, batch: Tensor) -> Tensor:
            number, now = self._gpu.begin_batch(), self._gpu.now
            if now.lost:
                raise RuntimeError(LOST)
            self._broken |= number == now.fault_at
            if self._broken:  # every later call in the process fails as well
                raise RuntimeError(FAULT)
            if number == now.refuse_at:
                raise torch.OutOfMemoryError("CUDA out of memory. As the test says.")
            self._loaded = self._loaded or self._load()
            self._loaded.run(batch.shape[0] * batch.shape[2] * batch.shape[3])
            return network.forward(module, batch)

        return forward


def _network(card: NetworkCard) -> Network:
    if card.backend == "torch":
        return load_network(read_verified(card.file, card.sha256), card.full_name)
    repeating = nn.Upsample(scale_factor=card.scale)
    return Network(repeating, lambda module, batch: module(batch), "", card.scale, 1, 1, half=False, bfloat16=False)
