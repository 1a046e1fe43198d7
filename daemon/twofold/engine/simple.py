"""Back ends without a network: identity repeats pixels, sleep does so slowly. Fault and scale tests run on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.core.card import NetworkCard

SAMPLES: dict[int, type[np.unsignedinteger[Any]]] = {8: np.uint8, 16: np.uint16}
DEFAULT_DELAY_S = 0.1
WIDEN = 257
"""65535 / 255: the factor between a full-range 8-bit sample and its 16-bit equal."""


class ReplicatingUpscaler:
    """Repeats every pixel `card.scale` times on both axes (see raster.Upscaler), lossless where the depth stays.

    Waits `delay_s` per tile first, by `sleep`.
    """

    def __init__(self, card: NetworkCard, delay_s: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self.card = card
        self.peak_bytes: int | None = None  # not worth measuring
        self._delay_s = delay_s
        self._sleep = sleep

    def run(self, tiles: NDArray[Any], depth: int) -> NDArray[Any]:
        """See raster.Upscaler.run."""
        if self._delay_s:
            self._sleep(self._delay_s * len(tiles))
        samples = to_depth(tiles, depth)
        return samples.repeat(self.card.scale, axis=1).repeat(self.card.scale, axis=2)


def to_depth(samples: NDArray[Any], depth: int) -> NDArray[Any]:
    """The same values in 8 or 16 bits a sample, rounded where bits are lost."""
    wanted = np.dtype(SAMPLES[depth])
    if samples.dtype == wanted:
        return samples
    if depth == 16:
        return samples.astype(np.uint16) * np.uint16(WIDEN)
    return ((samples.astype(np.uint32) + WIDEN // 2) // WIDEN).astype(np.uint8)
