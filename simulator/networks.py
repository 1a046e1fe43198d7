"""Five networks: the cards that planning sees, and what they truly cost, drawn from published figures.

Live bytes, weights and MFLOP are traced with the daemon's own tracer (`engine/inspect.py`) on spandrel's architectures
with random weights. Speeds and memory at the widest are those of the-database/traiNNer-redux' benchmarks (RTX 4090,
AMP, batch 1, 480 x 640 px; facts/governor.md §4.2); nothing was measured by us.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial

from twofold.core.card import NetworkCard

MIB = 1 << 20
GIB = 1 << 30
HALF_BYTES_SHARE = 0.5  # of the float32 figures on a card
APPROXIMATE_HALO_PX = 48  # as engine.halo gives networks that look further than 64 px

SHAPE_NOISE = 0.03  # of the bytes, either way: each shape of a batch has its own algorithms
SPIKE_RATE = 0.02
SPIKE = 0.15  # of the bytes: a batch whose workspace is larger this once
TIME_NOISE = 0.03  # standard deviation
MAX_FIXED_BYTES = 128 * MIB  # handles and workspaces of cuBLAS and cuDNN, whatever the tile


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """A size of card, and its speed against the RTX 4090 of the published figures."""

    name: str
    total_bytes: int
    speed: float


DEVICES = (
    # 3060 laptop, x4plus: 0.148 MP/s against 1.48 (facts §4.2); a 4-GB card has 2/3 of its memory bandwidth.
    DeviceClass("4 GB", 4 * GIB, 0.07),
    # A 4060 has 0.18 of the 4090's arithmetic and 0.27 of its bandwidth; its published TensorRT figures lie above both.
    DeviceClass("8 GB", 8 * GIB, 0.2),
    DeviceClass("24 GB", 24 * GIB, 1.0),
    # An A100 80 GB has twice the bandwidth, which bounds these networks in eager mode.
    DeviceClass("80 GB", 80 * GIB, 2.0),
)


@dataclass(frozen=True, slots=True)
class SimulatedKind:
    """A network as published: its card, source pixels per second, launch overhead, and widest over live bytes.

    `parameters` is what chaiNNer's rule looks at. `passes` make 4x; `pairs` of pictures keep a 24-GB card busy for
    about a minute.
    """

    card: NetworkCard
    px_per_s: float
    overhead_s: float
    peak_per_live: tuple[float, float]
    parameters: int
    passes: int
    pairs: int


_card = partial(NetworkCard, version=1, channels_in=3, channels_out=3)

NETWORKS = {
    "compact-2x": SimulatedKind(
        _card(
            "compact-2x",
            sha256="c2" * 32,
            scale=2,
            architecture="Compact",
            halo_px=18,
            half=True,
            bfloat16=True,
            live_bytes_per_px=524.0,
            widest_elements_per_px=64,
            weight_bytes=2_402_608,
            mflop_per_px=1.197,
        ),
        px_per_s=75.7e6,
        overhead_s=0.0015,
        peak_per_live=(1.25, 2.24),
        parameters=600_652,
        passes=2,
        pairs=25,
    ),
    "span-2x": SimulatedKind(
        _card(
            "span-2x",
            sha256="5a" * 32,
            scale=2,
            architecture="SPAN",
            halo_px=21,
            half=True,
            bfloat16=True,
            live_bytes_per_px=3864.0,
            widest_elements_per_px=192,
            weight_bytes=1_642_800,
            mflop_per_px=0.819,
        ),
        # Published unfused: 2156 B/px over 1932 live; the upper end is a guess.
        px_per_s=24.8e6,
        overhead_s=0.002,
        peak_per_live=(1.12, 1.6),
        parameters=2_236_728,
        passes=2,
        pairs=8,
    ),
    "rrdb-2x": SimulatedKind(
        _card(
            "rrdb-2x",
            sha256="d2" * 32,
            scale=2,
            architecture="ESRGAN",
            halo_px=APPROXIMATE_HALO_PX,
            exact=False,
            alignment=2,
            minimum_px=2,
            half=True,
            bfloat16=True,
            live_bytes_per_px=2072.0,
            widest_elements_per_px=256,
            weight_bytes=66_812_684,
            mflop_per_px=8.966,
        ),
        px_per_s=7.6e6,
        overhead_s=0.010,
        peak_per_live=(2.16, 3.15),
        parameters=16_703_171,
        passes=2,
        pairs=3,
    ),
    "rrdb-4x": SimulatedKind(
        _card(
            "rrdb-4x",
            sha256="d4" * 32,
            scale=4,
            architecture="ESRGAN",
            halo_px=APPROXIMATE_HALO_PX,
            exact=False,
            half=True,
            bfloat16=True,
            live_bytes_per_px=8204.0,
            widest_elements_per_px=1024,
            weight_bytes=66_791_948,
            mflop_per_px=35.854,
        ),
        px_per_s=1.48e6,
        overhead_s=0.010,
        peak_per_live=(2.06, 3.06),
        parameters=16_697_987,
        passes=1,
        pairs=3,
    ),
    "window-2x": SimulatedKind(
        _card(
            "window-2x",
            sha256="50" * 32,
            scale=2,
            architecture="SwinIR",
            halo_px=APPROXIMATE_HALO_PX,
            exact=False,
            alignment=8,
            minimum_px=16,
            bfloat16=True,
            live_bytes_per_px=10308.0,
            widest_elements_per_px=540,
            weight_bytes=67_063_964,
            mflop_per_px=24.929,
        ),
        # SwinIR-M: 8940 B/px over 5154 live; HAT-S: 34169 over 18914.
        px_per_s=0.22e6,
        overhead_s=0.014,
        peak_per_live=(1.6, 2.2),
        parameters=11_752_487,
        passes=2,
        pairs=1,
    ),
}


@dataclass(frozen=True, slots=True)
class TrueCost:
    """What a batch really takes: bytes of memory at its widest beside the weights, and seconds."""

    bytes_per_px: float
    live_bytes_per_px: float
    fixed_bytes: int
    weight_bytes: int
    px_per_s: float
    overhead_s: float
    seed: str

    def widest_bytes(self, batch_px: int) -> int:
        """Of a batch of `batch_px` window pixels, without a spike; the same for the same pixels."""
        noise = random.Random(f"{self.seed}/{batch_px}").uniform(-SHAPE_NOISE, SHAPE_NOISE)
        return int(self.fixed_bytes + self.bytes_per_px * batch_px * (1 + noise))

    def seconds(self, batch_px: int) -> float:
        """Of such a batch on average."""
        return self.overhead_s + batch_px / self.px_per_s


def draw_cost(kind: SimulatedKind, device: DeviceClass, seed: int) -> TrueCost:
    """What this network costs on this device: its place in the published ranges is drawn from `seed`."""
    name = f"{kind.card.name}/{device.name}/{seed}"
    draws = random.Random(f"cost/{name}")
    live = kind.card.live_bytes_per_px * HALF_BYTES_SHARE
    return TrueCost(
        bytes_per_px=live * draws.uniform(*kind.peak_per_live),
        live_bytes_per_px=live,
        fixed_bytes=int(draws.uniform(8 * MIB, MAX_FIXED_BYTES)),
        weight_bytes=int(kind.card.weight_bytes * HALF_BYTES_SHARE),
        px_per_s=kind.px_per_s * device.speed * draws.uniform(0.8, 1.2),
        overhead_s=kind.overhead_s * draws.uniform(0.7, 1.5),
        seed=name,
    )
