"""What a batch of a network costs on a device: memory and time, as lines over its pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from twofold.core.card import NetworkCard
from twofold.core.memory import DeviceKind, DType

BYTES_PER_SAMPLE: dict[DType, int] = {"float32": 4, "float16": 2, "bfloat16": 2}
PEAK_PER_LIVE: dict[DeviceKind, float] = {"cuda": 3.0, "cpu": 1.6}
"""Allocator and workspace over live tensors: published figures on CUDA (facts/governor.md §7), measured on the CPU."""

PRIOR_MFLOP_PER_S: dict[DeviceKind, float] = {"cuda": 10e6, "cpu": 0.1e6}  # float32; halves run twice as fast on CUDA
PRIOR_MAX_PX_PER_S: dict[DeviceKind, float] = {"cuda": 200e6, "cpu": 20e6}  # copying alone bounds the lightest network
SLACK_BYTES: dict[DeviceKind, int] = {"cuda": 32 << 20, "cpu": 0}
"""At least so much beside the line: torch takes segments of 2 and 20 MiB, whatever a small tensor needs."""
PRIOR_OVERHEAD_S: dict[DeviceKind, float] = {"cuda": 0.003, "cpu": 0.01}


@dataclass(frozen=True, slots=True)
class CostModel:
    """need_bytes = base + max(slack_bytes, margin * base), base = fixed_bytes + bytes_per_px * tile_px * batch;
    seconds = overhead_s + tile_px * batch / px_per_s. `tile_px` counts window pixels, halo included."""

    bytes_per_px: float
    fixed_bytes: int = 0
    margin: float = 0.08
    slack_bytes: int = 0
    px_per_s: float = 1e6
    overhead_s: float = 0.01
    origin: Literal["prior", "calibrated"] = "prior"

    def need_bytes(self, tile_px: int, batch: int) -> int:
        base_bytes = self.fixed_bytes + self.bytes_per_px * tile_px * batch
        return int(base_bytes + max(self.slack_bytes, self.margin * base_bytes))

    def seconds(self, tile_px: int, batch: int) -> float:
        return self.overhead_s + tile_px * batch / self.px_per_s


def prior_cost(card: NetworkCard, kind: DeviceKind, dtype: DType) -> CostModel:
    """A cautious cost model from the card's liveness trace, before anything was measured (facts: 3 x live on CUDA)."""
    share = BYTES_PER_SAMPLE[dtype] / BYTES_PER_SAMPLE["float32"]
    px_per_s = PRIOR_MAX_PX_PER_S[kind]
    if card.mflop_per_px > 0:
        speedup = 1 / share if kind == "cuda" else 1.0
        px_per_s = min(px_per_s, PRIOR_MFLOP_PER_S[kind] * speedup / card.mflop_per_px)
    return CostModel(
        bytes_per_px=PEAK_PER_LIVE[kind] * card.live_bytes_per_px * share,
        fixed_bytes=int(card.weight_bytes * share),
        px_per_s=px_per_s,
        overhead_s=PRIOR_OVERHEAD_S[kind],
        slack_bytes=SLACK_BYTES[kind] if card.backend == "torch" else 0,
    )


def line_through(points: Iterable[tuple[int, float]]) -> tuple[float, float]:
    """Intercept and slope of the least squares line, neither below zero; through the origin where it cannot be told."""
    xs, ys = zip(*points, strict=True)
    count = len(xs)
    mean_x, mean_y = sum(xs) / count, sum(ys) / count
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
    intercept = mean_y - slope * mean_x
    if slope <= 0 or intercept < 0:
        return 0.0, sum(x * y for x, y in zip(xs, ys, strict=True)) / sum(x * x for x in xs)
    return intercept, slope
