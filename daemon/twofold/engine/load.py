"""From a .safetensors file to a network that is ready to run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import safetensors
import safetensors.torch
import spandrel
import torch
from spandrel.architectures.SPAN.__arch.span import Conv3XC
from torch import Tensor, nn

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError

RGB = 3
PROBE_SIDE_PX = 32
CONV3XC_SLOPE = 0.05
"""Slope of the LeakyReLU that spandrel's Conv3XC applies where `has_relu` is set."""
UNREADABLE = (
    safetensors.SafetensorError,
    spandrel.UnsupportedModelError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What safetensors and spandrel's architecture guesses raise on files that are not networks: any of these."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network on the CPU in float32, in evaluation mode, without gradients.

    `forward(module, x)` takes and returns (N, 3, H, W), values in 0..1 but not clamped; H and W are multiples of
    `alignment` and at least `minimum_px`.
    """

    module: nn.Module
    forward: Callable[[nn.Module, Tensor], Tensor]
    architecture: str
    scale: int
    alignment: int
    minimum_px: int
    half: bool
    bfloat16: bool

    def whole_px(self, side_px: int) -> int:
        """The smallest side that the network takes and that is at least `side_px`."""
        side_px = max(side_px, self.minimum_px, 1)
        return -(-side_px // self.alignment) * self.alignment


def read_verified(path: str, sha256: str = "") -> bytes:
    """The bytes of a network's file, read once, so that what is checked is what is loaded.

    Raises TwofoldError: MISSING_MODEL where it cannot be read, MODEL_CHANGED where `sha256` (hex) is given and differs.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise TwofoldError(Code.MISSING_MODEL, f"{path}: {error.strerror or error}") from error
    found = hashlib.sha256(data).hexdigest()
    if sha256 and found != sha256:
        raise TwofoldError(Code.MODEL_CHANGED, f"{path} has sha256 {found}, expected {sha256}.")
    return data


def load_network(data: bytes, name: str) -> Network:
    """Build the network that a .safetensors file holds; the architecture is found by spandrel.

    Raises TwofoldError(BAD_NETWORK), naming `name`, where it is not an RGB image network that can be tiled.
    """
    try:
        state = spandrel.canonicalize_state_dict(safetensors.torch.load(data))
        descriptor = spandrel.ModelLoader("cpu").load_from_state_dict(state)
        network = _network(descriptor)
        _check_output(network)
    except UNREADABLE as error:
        raise TwofoldError(Code.BAD_NETWORK, f"{name}: {str(error) or type(error).__name__}") from error
    return network


def _network(descriptor: spandrel.ModelDescriptor) -> Network:
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise TypeError("not a network from one image to one image")
    if (descriptor.input_channels, descriptor.output_channels) != (RGB, RGB):
        raise ValueError(f"{descriptor.input_channels} to {descriptor.output_channels} channels, not RGB to RGB")
    needs = descriptor.size_requirements
    if needs.square:
        raise ValueError("it takes square pictures only")
    # Half-precision files are cast up: a CPU has no fast half arithmetic, and CUDA casts down again by its own rule.
    module = descriptor.model.eval().float().requires_grad_(False)
    fuse(module)
    return Network(
        module=module,
        # The descriptor's own __call__ clamps and pads; its call function is what some architectures need around
        # the bare module (a residual, a tuple). It has no public name; tests/engine/test_load.py holds it.
        forward=descriptor._call_fn,
        architecture=descriptor.architecture.id,
        scale=descriptor.scale,
        alignment=needs.multiple_of,
        minimum_px=max(needs.minimum, 1),
        half=descriptor.supports_half,
        bfloat16=descriptor.supports_bfloat16,
    )


def fuse(module: nn.Module) -> None:
    """Put the fused form in place of re-parameterised convolutions, which would fuse themselves again on every call."""
    for name, child in list(module.named_children()):
        if isinstance(child, Conv3XC):
            child.update_params()
            fused: nn.Module = child.eval_conv
            setattr(module, name, nn.Sequential(fused, nn.LeakyReLU(CONV3XC_SLOPE)) if child.has_relu else fused)
        else:
            fuse(child)


def _check_output(network: Network) -> None:
    side_px = network.whole_px(PROBE_SIDE_PX)
    with torch.inference_mode():
        result = network.forward(network.module, torch.full((1, RGB, side_px, side_px), 0.5))
    expected = (1, RGB, side_px * network.scale, side_px * network.scale)
    if tuple(result.shape) != expected:
        raise ValueError(f"it gives {tuple(result.shape)} where {expected} is expected")
