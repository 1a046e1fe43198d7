"""Compact's forward and backward pass by Winograd convolution: training on a CPU in less than half the time.

Equal to the plain network up to rounding (tests/training/test_winograd.py); the kernel in winograd.cpp is compiled at
first use, which needs a C++ compiler and ninja. Without them, and on a GPU, the plain network trains, slower.
"""

import functools
import pathlib
import shutil
import types
from typing import Any

import torch
from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import cpp_extension

LANES = 8
TILE = 4
SOURCE = pathlib.Path(__file__).with_name("winograd.cpp")
# G of F(4, 3), applied to both sides of a kernel at once: (36, 9).
_SIDE = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
SPREAD = torch.kron(torch.tensor(_SIDE), torch.tensor(_SIDE)) / 24**2


def available() -> bool:
    """Whether the kernel can be compiled here."""
    return bool(shutil.which("ninja") and (shutil.which("c++") or shutil.which("g++")))


@functools.cache
def kernel() -> types.ModuleType:
    """The compiled tile transforms; torch keeps them for the next process."""
    flags = ["-O3", "-march=native", "-ffast-math", "-Wno-psabi"]
    return cpp_extension.load("twofold_winograd", [str(SOURCE)], extra_cflags=flags)


def transformed(weight: Tensor) -> Tensor:
    """A kernel (O, I, 3, 3) in the transformed domain, (36, I, O)."""
    out_channels, in_channels = weight.shape[:2]
    flat = weight.permute(2, 3, 1, 0).reshape(9, in_channels * out_channels)
    return (SPREAD @ flat).view(36, in_channels, out_channels)


class Convolution(torch.autograd.Function):
    """`conv2d(x, weight, bias, padding=1)` of a channels-last (N, C, H, W); C a multiple of 8, H and W of 4."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        n, _, height, width = x.shape
        windows = kernel().windows(x.permute(0, 2, 3, 1).contiguous())
        ctx.save_for_backward(windows, weight)
        y: Tensor = kernel().assemble(windows.bmm(transformed(weight)), bias, n, height, width)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]  # *args there
        windows, weight = ctx.saved_tensors
        out_channels, in_channels = weight.shape[:2]
        n, _, height, width = gradient.shape
        last = gradient.permute(0, 2, 3, 1).contiguous()
        turned = transformed(weight.flip(2, 3).transpose(0, 1))
        back = kernel().assemble(kernel().windows(last).bmm(turned), last.new_zeros(in_channels), n, height, width)
        product = windows.transpose(1, 2).bmm(kernel().spread(last)).view(36, in_channels * out_channels)
        of_weight = (SPREAD.T @ product).view(3, 3, in_channels, out_channels).permute(3, 2, 0, 1)
        return back.permute(0, 3, 1, 2), of_weight, last.sum((0, 1, 2))


class Rectifier(torch.autograd.Function):
    """PReLU of a channels-last (N, C, H, W)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        last = x.permute(0, 2, 3, 1).contiguous()
        ctx.save_for_backward(last, slope)
        y: Tensor = kernel().prelu(last, slope)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # *args there
        last, slope = ctx.saved_tensors
        back, of_slope = kernel().prelu_backward(last, gradient.permute(0, 2, 3, 1).contiguous(), slope)
        return back.permute(0, 3, 1, 2), of_slope


def enlarge(network: SRVGGNetCompact, x: Tensor) -> Tensor:
    """What `network(x)` gives, for (N, 3, H, W) with H and W multiples of 4 and features a multiple of 8."""
    out = x
    for layer in network.body:
        if isinstance(layer, nn.PReLU):
            out = Rectifier.apply(out, layer.weight)  # type: ignore[no-untyped-call]  # torch ships it unannotated
        elif layer.in_channels % LANES or layer.out_channels % LANES:
            out = layer(out)  # the first and the last: three and twelve channels
        else:
            out = Convolution.apply(out, layer.weight, layer.bias)  # type: ignore[no-untyped-call]
    return network.upsampler(out) + functional.interpolate(x, scale_factor=network.upscale, mode="nearest")
