"""Small networks of the real architectures, with weights that let every pixel's influence through."""

from __future__ import annotations

from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SPAN import SPAN

from twofold.core.card import NetworkCard
from twofold.engine.load import Network


def compact(scale: int = 2, seed: int = 0) -> torch.nn.Module:
    """Looks 4 px far (4 convolutions), alignment 1."""
    return strengthened(Compact(num_in_ch=3, num_out_ch=3, num_feat=4, num_conv=2, upscale=scale), seed)


def unshuffle(seed: int = 0) -> torch.nn.Module:
    """An ESRGAN that folds 2 x 2 pixels first, 2x, alignment 4."""
    return strengthened(ESRGAN(in_nc=12, out_nc=3, num_filters=4, num_blocks=1, scale=4, shuffle_factor=2), seed)


def span(seed: int = 0) -> torch.nn.Module:
    """A 2x SPAN, whose convolutions fuse themselves."""
    return strengthened(SPAN(num_in_ch=3, num_out_ch=3, feature_channels=4, upscale=2), seed)


def strengthened(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Positive weights whose kernels sum to about one: random ones fade out with distance and hide seams."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.rand(weight.shape, generator=generator) + 0.5)
            if weight.ndim == 4:
                weight /= weight[0].numel()
            else:
                weight *= 0.1
    return module.eval()


def saved(module: torch.nn.Module) -> bytes:
    """The network as a .safetensors file."""
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in module.state_dict().items()})


class Float64Upscaler:
    """A raster.Upscaler that computes and answers in float64, unclamped and unrounded."""

    def __init__(self, card: NetworkCard, network: Network) -> None:
        self.card = card
        self.peak_bytes: int | None = None
        self._network = network
        self._network.module.double()

    def with_card(self, card: NetworkCard) -> Float64Upscaler:
        return Float64Upscaler(card, self._network)

    def run(self, tiles: NDArray[Any], depth: int) -> NDArray[Any]:
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(tiles)).permute(0, 3, 1, 2)
            return self._network.forward(self._network.module, batch).permute(0, 2, 3, 1).numpy()
