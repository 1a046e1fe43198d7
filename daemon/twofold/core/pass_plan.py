"""How one pass runs: the tiles, batch and number format that are chosen for what may be spent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

from twofold.core.card import NetworkCard
from twofold.core.cost import BYTES_PER_SAMPLE, CostModel
from twofold.core.errors import LowMemory
from twofold.core.geometry import Rect, Size
from twofold.core.memory import Budget, DeviceKind, DType
from twofold.core.quantity import about_bytes
from twofold.core.rest import Rest
from twofold.core.tiles import TilePlan, plan_tiles

# fmt: off
TILE_LADDER_PX: dict[DeviceKind, tuple[int, ...]] = {
    # In steps of a tenth or so: what a tile is smaller than what would fit, its halo costs.
    "cuda": (
        96, 112, 128, 144, 160, 176, 192, 224, 256, 288, 320, 352, 384, 416, 448, 512, 576, 640, 704, 768, 832, 896,
        1024, 1152, 1280, 1408, 1536, 1792, 2048, 2560, 3072, 4096,
    ),
    # Layers of larger tiles outgrow what malloc keeps, and half as much time again goes into zeroing fresh pages
    # (measured: 608 px a third slower than 384 px, halo counted).
    "cpu": (96, 128, 160, 192, 256, 320, 384),
}
# fmt: on
BATCHES: dict[DeviceKind, tuple[int, ...]] = {"cuda": (1, 2, 4, 8, 16), "cpu": (1,)}  # batching gains nothing on a CPU
MAX_ELEMENTS = 2**31 - 1  # of one tensor: kernels index with 32 bits
GOOD_ENOUGH_PERCENT = 95  # of the best speed; among such plans the smallest is taken
WORTH_PERCENT = 3  # of gain, before a running pass is given another plan
LONG_BATCH_S: dict[DeviceKind, float] = {"cuda": 2.0, "cpu": 10.0}
"""Between batches a worker hears that it is to stop, to leave or to shrink: none is planned longer. Wide on a CPU:
a busy machine must not change the tiles, and with them the last bit of a result."""

LONG_PASS_S = 5.0  # from here on a pass is a step of its own, on scratch files that survive a killed worker


@dataclass(frozen=True, slots=True)
class PassPlan:
    """How one pass runs: tiles, batch, dtype, and why; `seconds` is the prediction for all its tiles.

    `oom_steps` counts how often the pass ran out of memory and stepped down before it came to this plan.
    """

    tiles: TilePlan
    batch: int
    dtype: DType
    need_bytes: int
    budget_bytes: int
    seconds: float
    why: str
    device: str = "cpu"
    figures: dict[str, Any] = field(default_factory=dict)
    oom_steps: int = 0

    @property
    def batch_px(self) -> int:
        """Window pixels of a full batch, halo included."""
        return self.tiles.tile.pixels * self.batch

    @property
    def long(self) -> bool:
        """True where the pass is worth a step of its own."""
        return self.seconds >= LONG_PASS_S

    def at_rate(self, px_per_s: float) -> PassPlan:
        """The same plan, its time predicted from the source pixels per second that such passes really made."""
        return replace(self, seconds=self.tiles.source.pixels / px_per_s)

    def to_json(self) -> dict[str, Any]:
        """The plan for the log line and the job's record; `from_json` makes the same tiles of it again."""
        return {
            "source": list(self.tiles.source),
            "whole": list(self.tiles.whole),
            "tile": list(self.tiles.tile),
            "halo": self.tiles.halo_px,
            "alignment": self.tiles.alignment,
            "scale": self.tiles.scale,
            "region": list(self.tiles.region),
            "tiles": self.tiles.count,
            "batch": self.batch,
            "dtype": self.dtype,
            "need_bytes": self.need_bytes,
            "budget_bytes": self.budget_bytes,
            "seconds": round(self.seconds, 3),
            "device": self.device,
            "why": self.why,
            "oom_steps": self.oom_steps,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PassPlan:
        """The plan in force as it was recorded; its figures are not kept. Older versions recorded less."""
        tiles = TilePlan(
            Size(*data["source"]),
            Size(*data["whole"]),
            Size(*data["tile"]),
            data["halo"],
            data["alignment"],
            data["scale"],
            Rect(*data.get("region", (0, 0, *data["whole"]))),
        )
        return cls(
            tiles,
            data["batch"],
            data["dtype"],
            data["need_bytes"],
            data["budget_bytes"],
            data["seconds"],
            data["why"],
            data["device"],
            oom_steps=data.get("oom_steps", 0),
        )


def choose_plan(
    card: NetworkCard,
    rest: Rest,
    cost: CostModel,
    budget: Budget,
    *,
    kind: DeviceKind,
    dtype: DType,
    ceiling_px: int | None = None,
    good_enough_percent: int = GOOD_ENOUGH_PERCENT,
) -> PassPlan:
    """The smallest plan within 5 % of the best useful pixels per second among those that fit the budget.

    `good_enough_percent` of the best speed are asked for: with 0 the plan is the one that needs least. Plans with
    batches of more than LONG_BATCH_S are taken only where there are no others. `ceiling_px` bounds tile_px * batch
    (remembered from an out-of-memory, or not proven yet). Where a band is in work, the plan is for what is left of it,
    unless doing some of it again by a plan for all rows is faster.
    Raises TwofoldError(LOW_MEMORY) where not even one smallest tile fits.
    """
    bounds = _Bounds(budget, kind, dtype, ceiling_px, good_enough_percent)
    on = _choose(card, rest.source, rest.region, cost, bounds)
    if rest.again is None:
        return on
    anew = _choose(card, rest.source, rest.again, cost, bounds)
    if not good_enough_percent:
        return min(on, anew, key=lambda plan: plan.need_bytes)
    return on if on.seconds <= _again_s(anew, rest) else anew


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a plan has to keep to (see choose_plan)."""

    budget: Budget
    kind: DeviceKind
    dtype: DType
    ceiling_px: int | None
    good_enough_percent: int


def _choose(card: NetworkCard, source: Size, region: Rect | None, cost: CostModel, bounds: _Bounds) -> PassPlan:
    """The best plan for one region. Raises LowMemory."""
    budget, kind, ceiling_px = bounds.budget, bounds.kind, bounds.ceiling_px
    candidates = sorted(_candidates(cost, kind, _cuts(card, source, region, kind)), key=_Candidate.order)
    possible = [
        one
        for one in candidates
        if one.need_bytes <= budget.bytes
        and (ceiling_px is None or one.batch_px <= ceiling_px)
        and one.batch_px * _elements_per_px(card) <= MAX_ELEMENTS
    ]
    if not possible:
        raise _low_memory(card, candidates[0], budget, ceiling_px)
    possible = [one for one in possible if one.batch_s <= LONG_BATCH_S[kind]] or possible[:1]
    best_s = min(one.seconds for one in possible)
    chosen = next(one for one in possible if one.seconds * bounds.good_enough_percent <= best_s * 100)
    return PassPlan(
        tiles=chosen.tiles,
        batch=chosen.batch,
        dtype=bounds.dtype,
        need_bytes=chosen.need_bytes,
        budget_bytes=budget.bytes,
        seconds=chosen.seconds,
        why=_why(chosen, best_s, budget),
        device=kind,
        figures={
            "free_bytes": budget.reading.free_bytes,
            "total_bytes": budget.reading.total_bytes,
            "reserved_bytes": budget.reading.reserved_bytes,
            "allocated_bytes": budget.reading.allocated_bytes,
            "keep_free_bytes": budget.keep_free_bytes,
            "capped_by": budget.capped_by,
            "bytes_per_px": cost.bytes_per_px,
            "px_per_s": cost.px_per_s,
            "margin": round(cost.margin, 3),
            "cost_origin": cost.origin,
            "best_s": best_s,
            "ceiling_px": ceiling_px,
        },
    )


def worth_changing(plan: PassPlan, better: PassPlan, cost: CostModel, rest: Rest) -> bool:
    """True where `better` saves enough of what the plan in force would do next, by what is known of the cost now."""
    tiles = plan.tiles
    if rest.row is not None and rest.region is not None:
        count = sum(tile.owned.x1 > rest.region.x0 for tile in tiles.row(rest.row))
    else:
        top_px = 0 if rest.region is None else rest.region.y0
        count = sum(tiles.band_end_px(index) > top_px for index in range(tiles.rows)) * tiles.columns
    better_s = better.seconds if better.tiles.region == rest.region else _again_s(better, rest)
    return _seconds(cost, tiles.tile.pixels, count, plan.batch) * 100 >= better_s * (100 + WORTH_PERCENT)


def _again_s(anew: PassPlan, rest: Rest) -> float:
    """How long a plan for all rows takes for the region that comes first, with what it does again beside it."""
    assert rest.region is not None  # noqa: S101  so it is where there is anything to do again
    region, tiles = rest.region, anew.tiles
    count, row, end_px = 0, 0, region.y0
    while end_px < region.y1:
        owned = [tile.owned for tile in tiles.row(row)]
        row, end_px = row + 1, owned[0].y1
        count += sum(one.x1 > region.x0 or end_px > region.y1 for one in owned)
    below_px = (end_px - region.y1) * tiles.whole.width  # that comes first with them
    return anew.seconds * (count / tiles.count - below_px / tiles.region.size.pixels)


@dataclass(frozen=True, slots=True)
class _Candidate:
    tiles: TilePlan
    batch: int
    need_bytes: int
    seconds: float
    batch_s: float

    @property
    def batch_px(self) -> int:
        return self.tiles.tile.pixels * self.batch

    def order(self) -> tuple[int, float, int, int]:
        """Smallest first; the later figures only make the choice among equals the same every time."""
        return self.need_bytes, self.seconds, self.batch, self.tiles.tile.width


def _candidates(cost: CostModel, kind: DeviceKind, cuts: Iterable[tuple[TilePlan, int]]) -> Iterator[_Candidate]:
    """Every cut with every batch that it can fill; at least one."""
    for tiles, count in cuts:
        for batch in BATCHES[kind]:
            if batch <= count:
                need_bytes = cost.need_bytes(tiles.tile.pixels, batch)
                batch_s = cost.seconds(tiles.tile.pixels, batch)
                yield _Candidate(tiles, batch, need_bytes, _seconds(cost, tiles.tile.pixels, count, batch), batch_s)


@lru_cache(maxsize=32)  # the passes that are at work; a plan is chosen before every batch
def _cuts(card: NetworkCard, source: Size, region: Rect | None, kind: DeviceKind) -> tuple[tuple[TilePlan, int], ...]:
    """The ways to cut a region of the picture, and how many tiles each makes."""
    square: list[TilePlan] = []
    for tile_px in tile_ladder_px(card, kind):
        tiles = plan_tiles(
            source,
            tile_px=tile_px,
            halo_px=card.halo_px,
            alignment=card.alignment,
            scale=card.scale,
            minimum_px=card.minimum_px,
            region=region,
        )
        if not square or tiles.tile != square[-1].tile:
            square.append(tiles)
    cuts = {one.tile: one for one in square}
    for smaller, larger in pairwise(square):
        # A step wider or higher than they are high or wide: halfway between two square ones.
        wide, high = Size(larger.tile.width, smaller.tile.height), Size(smaller.tile.width, larger.tile.height)
        cuts |= {tile: replace(smaller, tile=tile) for tile in (wide, high) if tile not in cuts}
    return tuple((tiles, tiles.count) for tiles in cuts.values())


def tile_ladder_px(card: NetworkCard, kind: DeviceKind) -> list[int]:
    """Tile sides for this network, ascending: on its alignment, and at least half of each side useful.

    Where the halo is too wide for the whole ladder, the smallest such tile is its only step.
    """
    halves_px = 2 * _round_up(2 * card.halo_px, card.alignment)
    smallest_px = max(halves_px, _round_up(card.minimum_px, card.alignment))
    steps = {_round_up(side_px, card.alignment) for side_px in TILE_LADDER_PX[kind]}
    return sorted(step for step in steps if step >= smallest_px) or [smallest_px]


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _seconds(cost: CostModel, tile_px: int, count: int, batch: int) -> float:
    """All batches of so many tiles; the last one may be smaller."""
    full, rest = divmod(count, batch)
    seconds = full * cost.seconds(tile_px, batch)
    return seconds + cost.seconds(tile_px, rest) if rest else seconds


def _elements_per_px(card: NetworkCard) -> float:
    """What the largest tensor of the network holds per input pixel; where it was not measured, all that is live."""
    widest = card.widest_elements_per_px or card.live_bytes_per_px / BYTES_PER_SAMPLE["float32"]
    return max(widest, card.channels_out * card.scale**2)


def _why(chosen: _Candidate, best_s: float, budget: Budget) -> str:
    tile, pixels = chosen.tiles.tile, chosen.tiles.region.size.pixels
    speed = f"{pixels / chosen.seconds / 1e6:.3g} MP/s"
    if chosen.seconds > best_s:
        speed += f" of {pixels / best_s / 1e6:.3g} at best"
    return (
        f"tiles of {tile.width} x {tile.height} px, batch {chosen.batch}: {speed},"
        f" for {about_bytes(chosen.need_bytes)} of a budget of {about_bytes(budget.bytes)} ({_origin(budget)})"
    )


def _origin(budget: Budget) -> str:
    if budget.capped_by == "use_at_most":
        return f"capped by use_at_most, {about_bytes(budget.reading.total_bytes)} in all"
    return f"{about_bytes(budget.reading.free_bytes)} free, {about_bytes(budget.keep_free_bytes)} kept for others"


def _low_memory(card: NetworkCard, smallest: _Candidate, budget: Budget, ceiling_px: int | None) -> LowMemory:
    tile = smallest.tiles.tile
    text = f"the smallest tile of {card.full_name}, {tile.width} x {tile.height} px,"
    if smallest.need_bytes > budget.bytes:
        text += f" needs {about_bytes(smallest.need_bytes)}, and {about_bytes(budget.bytes)} may be used"
    else:
        text += f" is above the {ceiling_px} px at which the device ran out of memory"
    return LowMemory(f"{text} ({_origin(budget)})", smallest.need_bytes)
