"""Runs a network with torch, on the CPU or on CUDA."""

from __future__ import annotations

import copy
import gc
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import OutOfDeviceMemory, TwofoldError
from twofold.core.memory import DType
from twofold.core.precision import working_dtype
from twofold.engine.device_errors import fault_of
from twofold.engine.load import RGB, Network, load_network, read_verified
from twofold.engine.memory_errors import is_out_of_memory
from twofold.raster import full_range

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
SAMPLES = {8: torch.uint8, 16: torch.uint16}
PROBE_SIDE_PX = 64

Answer = TypeVar("Answer")


class TorchUpscaler:
    """A network on a device (see raster.Upscaler). `dtype` is the number format it settled on.

    The same tiles in the same batch give the same bytes: algorithms are deterministic, TF32 is off, and the
    thread count is fixed when it is opened.
    """

    def __init__(self, card: NetworkCard, network: Network, device: torch.device, dtype: DType) -> None:
        self.card = card
        self.dtype = dtype
        self.peak_bytes: int | None = None
        self._network = network
        self._device = device
        self._modules: dict[DType, torch.nn.Module] = {}
        if dtype != "float32" and not self._guarded(self._finite_on_probe):
            # Some cards (GTX 16xx) give NaN in half precision; asked once, so that it does not cost each batch twice.
            self._modules.clear()
            self.dtype = "float32"

    def run(self, tiles: NDArray[Any], depth: int) -> NDArray[Any]:
        """See raster.Upscaler.run; grey goes in three times and comes back as the mean."""
        if self._device.type != "cuda":
            return self._guarded(lambda: self._run(tiles, depth))
        before_bytes = torch.cuda.memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        result = self._guarded(lambda: self._run(tiles, depth))
        self.peak_bytes = torch.cuda.max_memory_allocated(self._device) - before_bytes
        return result

    def _guarded(self, work: Callable[[], Answer]) -> Answer:
        """The answer of `work`; a refusal of memory becomes OutOfDeviceMemory, once what it held is given back.

        Raises DeviceFault where the device failed: this process must end.
        """
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if (fault := fault_of(error)) is not None:
                raise fault from error
            if not is_out_of_memory(error):
                raise
            text = str(error)
        # Outside the except block: until here the error's traceback held the failed batch's tensors alive.
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        raise OutOfDeviceMemory(Code.OUT_OF_MEMORY, text)

    def _run(self, tiles: NDArray[Any], depth: int) -> NDArray[Any]:
        with torch.inference_mode():
            pixels = self._to_device(tiles)
            result = self._forward(pixels, self.dtype)
            if result is None and self.dtype != "float32":
                result = self._forward(pixels, "float32")
            if result is None:
                raise TwofoldError(Code.NOT_FINITE, f"{self.card.full_name} gave values that are not numbers.")
            return _to_samples(result, channels=tiles.shape[3], depth=depth)

    def _to_device(self, tiles: NDArray[Any]) -> Tensor:
        """(N, 3, H, W) float32 in 0..1, channels last."""
        raw = torch.from_numpy(np.ascontiguousarray(tiles)).to(self._device)
        # The permuted view already lies channels-last; scaled in float32, since 65535 is beyond float16.
        return raw.permute(0, 3, 1, 2).to(torch.float32).div_(full_range(tiles.dtype)).expand(-1, RGB, -1, -1)

    def _forward(self, pixels: Tensor, dtype: DType) -> Tensor | None:
        """The network's answer in float32, or None where a value in it is not finite."""
        batch = pixels.to(DTYPES[dtype]).contiguous(memory_format=torch.channels_last)
        result = self._network.forward(self._module(dtype), batch)
        # One reduction and no mask: NaN and infinities both show in the extremes.
        low, high = torch.aminmax(result)
        return result.float() if bool(torch.isfinite(low) & torch.isfinite(high)) else None

    def _module(self, dtype: DType) -> torch.nn.Module:
        if dtype not in self._modules:
            module = copy.deepcopy(self._network.module).to(self._device, DTYPES[dtype])
            self._modules[dtype] = module.to(memory_format=torch.channels_last)
        return self._modules[dtype]

    def _finite_on_probe(self) -> bool:
        side_px = self._network.whole_px(PROBE_SIDE_PX)
        with torch.inference_mode():
            ramp = torch.linspace(0, 1, side_px, device=self._device).expand(1, RGB, side_px, side_px)
            return self._forward(ramp, self.dtype) is not None


def _to_samples(result: Tensor, *, channels: int, depth: int) -> NDArray[Any]:
    """(N, H, W, C) samples of `depth` bits, rounded once, on the host."""
    if channels == 1:
        result = result.mean(dim=1, keepdim=True)
    samples = SAMPLES[depth]
    full = torch.iinfo(samples).max
    result = result.clamp_(0, 1).mul_(full).round_().to(samples)
    return result.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def open_torch(card: NetworkCard, device: str, threads: int | None = None) -> TorchUpscaler:
    """Load the card's file, checked against its sha256, onto `device` ("cpu" or anything else for CUDA).

    A worker sees one GPU only (CUDA_VISIBLE_DEVICES holds its UUID), so every CUDA name means that one.
    `threads` defaults to the processors this process may use. Raises TwofoldError: MISSING_MODEL, MODEL_CHANGED,
    BAD_NETWORK, NO_DEVICE, OUT_OF_MEMORY.
    """
    network = load_network(read_verified(card.file, card.sha256), card.full_name)
    if device == "cpu":
        torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
        return TorchUpscaler(card, network, torch.device("cpu"), "float32")
    if not torch.cuda.is_available():
        raise TwofoldError(Code.NO_DEVICE, f"torch cannot use {device}.")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]  # torch adds it at run time
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    found = torch.device("cuda", 0)
    return TorchUpscaler(card, network, found, working_dtype(card, "cuda", torch.cuda.get_device_capability(found)))
