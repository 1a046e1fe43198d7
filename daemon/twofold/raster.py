"""Pixels of one stage: numpy only, between core and everything that touches pixels."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.core.card import NetworkCard

Samples = NDArray[Any]  # (H, W, C) uint8 or uint16


class Upscaler(Protocol):
    """A loaded network on a device."""

    @property
    def card(self) -> NetworkCard: ...

    @property
    def peak_bytes(self) -> int | None:
        """What the last run added to the device's memory at its widest; None where that is not known."""

    def run(self, tiles: NDArray[Any], depth: int) -> NDArray[Any]:
        """Enlarge a batch.

        Takes (N, H, W, C) uint8 or uint16, C 1 or 3, full range; H and W satisfy the card's alignment and minimum.
        Returns (N, H*scale, W*scale, C) uint8 (`depth` 8) or uint16 (`depth` 16), rounded once.
        Raises OutOfDeviceMemory, TwofoldError(NOT_FINITE).
        """


def full_range(dtype: np.dtype[Any]) -> int:
    """255 for uint8, 65535 for uint16."""
    return int(np.iinfo(dtype).max)
