"""From batches that were really run to what a network costs on a device, and how fast it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from twofold.core.card import NetworkCard
from twofold.core.cost import line_through, prior_cost
from twofold.core.experience import Experience
from twofold.core.geometry import Size
from twofold.core.memory import Budget, DeviceKind, DType
from twofold.core.pass_plan import choose_plan, tile_ladder_px
from twofold.core.rest import Rest

TYPICAL = Size(4000, 3000)
"""The picture whose rate stands for the network's: 12 megapixels, as most cameras and phones make."""

MIN_PX_PER_S = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One tile of `side_px` x `side_px`, run alone: its median time, and the most memory that it added (None: not
    known)."""

    side_px: int
    seconds: float
    bytes: int | None

    @property
    def pixels(self) -> int:
        return self.side_px**2

    @property
    def px_per_s(self) -> float:
        return self.pixels / self.seconds


@dataclass(frozen=True, slots=True)
class Cost:
    """Lines through the samples: bytes = fixed_bytes + bytes_per_px * px, seconds = overhead_s + px / px_per_s.

    The pixels are those of the window, halo included. The bytes are None where no memory was measured.
    """

    bytes_per_px: float | None
    fixed_bytes: int | None
    px_per_s: float
    overhead_s: float


def measurable_sides_px(card: NetworkCard, kind: DeviceKind, dtype: DType, budget: Budget) -> list[int]:
    """The steps of the tile ladder that are sure to fit the budget; the smallest is always among them."""
    sides = tile_ladder_px(card, kind)
    cost = prior_cost(card, kind, dtype)
    return sides[:1] + [side for side in sides[1:] if cost.need_bytes(side * side, 1) <= budget.bytes]


def fit(samples: Sequence[Sample]) -> Cost:
    """At least one sample is needed; with one, everything is laid on its pixels."""
    overhead_s, s_per_px = line_through((one.pixels, one.seconds) for one in samples)
    memory = [(one.pixels, float(one.bytes)) for one in samples if one.bytes is not None]
    fixed, per_px = line_through(memory) if memory else (None, None)
    return Cost(
        bytes_per_px=per_px,
        fixed_bytes=None if fixed is None else round(fixed),
        px_per_s=max(MIN_PX_PER_S, 1 / s_per_px if s_per_px > 0 else samples[-1].px_per_s),
        overhead_s=overhead_s,
    )


def experience_of(card: NetworkCard, samples: Sequence[Sample], kind: DeviceKind, dtype: DType) -> Experience:
    """What a worker may go on from: it begins with the largest size that was measured, not with a small one."""
    experience = Experience.of(prior_cost(card, kind, dtype))
    for sample in samples:
        experience = experience.after(sample.pixels, sample.seconds, sample.bytes)
    return experience


def picture_px_per_s(card: NetworkCard, cost: Cost, kind: DeviceKind, dtype: DType, budget: Budget) -> float:
    """Source pixels per second of a whole pass over a typical picture, as a worker would plan it under this budget.

    Raises TwofoldError(LOW_MEMORY).
    """
    known = replace(prior_cost(card, kind, dtype), px_per_s=cost.px_per_s, overhead_s=cost.overhead_s)
    plan = choose_plan(card, Rest(TYPICAL), known, budget, kind=kind, dtype=dtype)
    return TYPICAL.pixels / plan.seconds
