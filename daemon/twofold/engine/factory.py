"""Opens the back end that a card names; torch is imported only for networks that need it."""

from __future__ import annotations

import os
import sys

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import DeviceFault, TwofoldError
from twofold.engine.simple import DEFAULT_DELAY_S, ReplicatingUpscaler
from twofold.raster import Upscaler


def open_upscaler(card: NetworkCard, device: str, threads: int | None = None) -> Upscaler:
    """A loaded network on `device` ("cpu", or a CUDA name: the one GPU that this process sees).

    `threads` defaults to the processors this process may use.
    Raises TwofoldError: MISSING_MODEL, MODEL_CHANGED, BAD_NETWORK, NO_DEVICE, OUT_OF_MEMORY.
    """
    if card.backend == "identity":
        return ReplicatingUpscaler(card)
    if card.backend == "sleep":
        return ReplicatingUpscaler(card, delay_s=float(card.name.partition(":")[2] or DEFAULT_DELAY_S))
    if card.backend != "torch":
        raise TwofoldError(Code.BAD_NETWORK, f"{card.full_name} wants the unknown back end {card.backend!r}.")
    # Threads that spin at each other cost up to three times the time as soon as anything else runs, and about 1 % where
    # nothing does (measured). OpenMP reads this once, when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Seconds and hundreds of megabytes: only where a network runs.
    from twofold.engine.torch_backend import open_torch

    return open_torch(card, device, threads)


def device_fault(error: BaseException) -> DeviceFault | None:
    """The fault of the device that an error of torch tells of; None for all others, and where no torch is loaded."""
    if "torch" not in sys.modules:
        return None
    from twofold.engine.device_errors import fault_of

    return fault_of(error)
