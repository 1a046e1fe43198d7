"""A whole service on simulated GPUs, with a network small enough to run for real."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from simulator.networks import TrueCost
from simulator.shared_gpu import NEVER, SharedGpu

from tests.docs.source import ROOT
from tests.e2e.service import Service
from tests.engine import networks
from twofold.core.card import NetworkCard
from twofold.engine.inspect import measure_card
from twofold.engine.load import load_network, read_verified
from twofold.engine.torch_backend import TorchUpscaler
from twofold.models.catalogue import MEASURED_BY

GIB = 1 << 30
MIB = 1 << 20

HALT_TIMEOUT_S = 100.0

BYTES_PER_PX = 180_000.0
"""A hundred times what such networks take: pictures of a few thousand pixels then fill a GPU of 8 GB."""

COST = TrueCost(
    bytes_per_px=BYTES_PER_PX,
    live_bytes_per_px=BYTES_PER_PX / 2,
    fixed_bytes=64 * MIB,
    weight_bytes=8 * MIB,
    px_per_s=400e3,
    overhead_s=0.002,
    seed="",
)

LIVE_PER_PEAK = 1 / 2.5
"""Within the published ratios of live to taken bytes (facts/governor.md §7): the prior is a fifth too high."""


def tiny_network(
    home: Path, *names: str, cost: TrueCost = COST, believed_px_per_s: float = COST.px_per_s
) -> NetworkCard:
    """Puts a network (2x, looks 4 px far) beside the configuration, under each name, and a card that is true to `cost`.

    `believed_px_per_s` is its speed as thought of at first: a pass that is expected to last is kept band by band.
    The same bytes are the same network by any name: what is learnt of one holds for all.
    """
    paths = [home / f"{name}.safetensors" for name in names or ("tiny",)]
    for path in paths:
        path.write_bytes(networks.saved(networks.compact()))
    card = replace(
        measure_card(str(paths[0])),
        live_bytes_per_px=2 * cost.bytes_per_px * LIVE_PER_PEAK,  # in float32; it runs in halves
        weight_bytes=2 * cost.weight_bytes,
        mflop_per_px=2 * 10e6 / believed_px_per_s,
    )
    kept = home / "state" / "cards" / f"{card.sha256}.{MEASURED_BY}.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps(card.to_json()))
    return card


class Simulated:
    """A service of this configuration on GPUs of these sizes, whose files lie in `home`; to be started. Ends with it.

    `gpus` are the same ones that the service sees: the test is their neighbour.
    """

    def __init__(self, home: Path, config: str, sizes: dict[str, int], cost: TrueCost = COST) -> None:
        self.gpus = {name: SharedGpu.create(str(home), name, size, cost) for name, size in sizes.items()}
        self._command = (sys.executable, "-m", "simulator.service", str(home))
        self.service = Service(home, config, devices="auto", run=(*self._command, "run"), PYTHONPATH=str(ROOT))

    def __enter__(self) -> Simulated:
        return self

    def __exit__(self, *error: object) -> None:
        self.service.end()

    def plans(self, path: str) -> list[dict[str, Any]]:
        """The lines `pass.planned` and `pass.replanned` of a file's job, in order."""
        job, wanted = self.service.jobs()[path]["id"], ("pass.planned", "pass.replanned")
        return [event for event in self.service.events() if event["event"] in wanted and event["job"] == job]

    def wait_for_halt(self, gpu: SharedGpu) -> None:
        """Until the device stands still, as the test said (`halt_at`)."""
        self.service.wait_for(lambda: gpu.now.halted, HALT_TIMEOUT_S)

    def go_on(self, gpu: SharedGpu, *, halt_at: int = NEVER, halt_at_load: int = NEVER) -> None:
        """Let a device that stands still go on, to stand still there."""
        gpu.now.halt_at, gpu.now.halt_at_load = halt_at, halt_at_load
        self.service.wait_for(
            lambda: not gpu.now.halted or gpu.now.batches >= halt_at or gpu.now.loads >= halt_at_load, HALT_TIMEOUT_S
        )


def plain(card: NetworkCard, source: NDArray[Any], passes: int, depth: int) -> NDArray[Any]:
    """What the CPU makes of the whole picture at once, pass by pass, 16 bits between."""
    upscaler = TorchUpscaler(card, load_network(read_verified(card.file), "tiny"), torch.device("cpu"), "float32")
    pixels = source
    for index in range(passes):
        pixels = upscaler.run(pixels[np.newaxis], depth if index == passes - 1 else 16)[0]
    return pixels


def apart(one: NDArray[Any], other: NDArray[Any]) -> int:
    """The largest difference between two pictures, in steps of their depth."""
    assert one.shape == other.shape
    assert one.dtype == other.dtype
    return int(np.abs(one.astype(np.int64) - other.astype(np.int64)).max())


def batch_px(plan: dict[str, Any]) -> int:
    width, height = plan["tile"]
    return int(width * height * plan["batch"])
