"""Which number format a network runs in on a device."""

from __future__ import annotations

from twofold.core.card import NetworkCard
from twofold.core.memory import DeviceKind, DType

BFLOAT16_CAPABILITY = (8, 0)
"""First CUDA compute capability with native bfloat16 (Ampere)."""


def working_dtype(card: NetworkCard, kind: DeviceKind, capability: tuple[int, int] | None = None) -> DType:
    """The fastest format that the network and the device both allow.

    Always float32 on a CPU: half precision there is emulated, about fifty times slower (facts/models.md E).
    `capability` is the CUDA compute capability (major, minor), None where it is not known.
    """
    if kind == "cpu" or card.backend != "torch":
        return "float32"
    if card.half:
        return "float16"
    if card.bfloat16 and capability is not None and capability >= BFLOAT16_CAPABILITY:
        return "bfloat16"
    return "float32"
