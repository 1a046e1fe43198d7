"""What a plan costs, what may be spent, and which plan to take."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.core.tiles import TilePlan

DType = Literal["float32", "float16", "bfloat16"]
DeviceKind = Literal["cuda", "cpu"]


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """One reading of a device's memory, in bytes.

    `reserved_bytes` and `allocated_bytes` are the caching allocator's of our own worker (0 where there is none).
    On the CPU, `total_bytes` is the machine's or the cgroup's limit and `free_bytes` what may still be taken from it.
    """

    free_bytes: int
    total_bytes: int
    reserved_bytes: int = 0
    allocated_bytes: int = 0


@dataclass(frozen=True, slots=True)
class MemoryPolicy:
    """The owner's limits: bytes left to others (None: automatic) and the share of the total this service may use."""

    keep_free_bytes: int | None = None
    use_at_most: Fraction = Fraction(4, 5)


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes the next batch may add, and the figures it came from (for the log line and `explain`)."""

    bytes: int
    reading: MemoryReading
    keep_free_bytes: int
    capped_by: Literal["free", "use_at_most"]


@dataclass(frozen=True, slots=True)
class CostModel:
    """need_bytes = (fixed_bytes + bytes_per_px * tile_px * batch) * (1 + margin);
    seconds = overhead_s + tile_px * batch / px_per_s. `tile_px` counts window pixels, halo included."""

    bytes_per_px: float
    fixed_bytes: int = 0
    margin: float = 0.08
    px_per_s: float = 1e6
    overhead_s: float = 0.01
    origin: Literal["prior", "calibrated"] = "prior"

    def need_bytes(self, tile_px: int, batch: int) -> int:
        return int((self.fixed_bytes + self.bytes_per_px * tile_px * batch) * (1 + self.margin))

    def seconds(self, tile_px: int, batch: int) -> float:
        return self.overhead_s + tile_px * batch / self.px_per_s


@dataclass(frozen=True, slots=True)
class PassPlan:
    """How one pass runs: tiles, batch, dtype, and why; `seconds` is the prediction for the whole pass."""

    tiles: TilePlan
    batch: int
    dtype: DType
    need_bytes: int
    budget_bytes: int
    seconds: float
    why: str
    device: str = "cpu"
    figures: dict[str, Any] = field(default_factory=dict)


def plan_budget(reading: MemoryReading, policy: MemoryPolicy, kind: DeviceKind) -> Budget:
    """avail = free + 0.9 * (reserved - allocated), minus keep_free, under use_at_most; never negative."""
    raise NotImplementedError


def prior_cost(card: NetworkCard, kind: DeviceKind, dtype: DType) -> CostModel:
    """A cautious cost model from the card's liveness trace, before anything was measured (facts: 3 x live on CUDA)."""
    raise NotImplementedError


def choose_plan(
    card: NetworkCard,
    source: Size,
    cost: CostModel,
    budget: Budget,
    *,
    kind: DeviceKind,
    dtype: DType,
    ceiling_px: int | None = None,
) -> PassPlan:
    """The smallest plan within 5 % of the best useful pixels per second among those that fit the budget.

    `ceiling_px` bounds tile_px * batch (remembered from an out-of-memory). Raises TwofoldError(LOW_MEMORY) where not even
    one smallest tile fits.
    """
    raise NotImplementedError
