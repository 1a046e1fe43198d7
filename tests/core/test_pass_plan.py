from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.cost import CostModel, prior_cost
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size
from twofold.core.memory import MIB, Budget, DeviceKind, MemoryPolicy, MemoryReading, plan_budget
from twofold.core.pass_plan import BATCHES, LONG_BATCH_S, TILE_LADDER_PX, PassPlan, choose_plan
from twofold.core.rest import Rest
from twofold.core.tiles import plan_tiles

GIB = 1024 * MIB

kinds = st.sampled_from(["cpu", "cuda"])
cards = st.builds(
    NetworkCard,
    name=st.just("net"),
    version=st.just(1),
    sha256=st.just("0"),
    scale=st.sampled_from([1, 2, 4]),
    halo_px=st.integers(0, 70),
    alignment=st.sampled_from([1, 2, 4, 8, 48, 64]),
    minimum_px=st.sampled_from([1, 16, 100]),
    live_bytes_per_px=st.floats(12, 40_000),
    mflop_per_px=st.floats(0, 50),
)
costs = st.builds(
    CostModel,
    bytes_per_px=st.floats(10, 40_000),
    fixed_bytes=st.integers(0, 2 * GIB),
    px_per_s=st.floats(1e3, 1e8),
    overhead_s=st.floats(0, 0.5),
)
sources = st.builds(Size, st.integers(1, 6000), st.integers(1, 6000))
allowances = st.integers(0, 64 * GIB)


def budget_of(size_bytes: int) -> Budget:
    return Budget(size_bytes, MemoryReading(size_bytes, 64 * GIB), 0, "free")


def plan_or_none(
    card: NetworkCard,
    source: Size,
    cost: CostModel,
    budget_bytes: int,
    kind: DeviceKind,
    ceiling_px: int | None = None,
) -> PassPlan | None:
    try:
        return choose_plan(
            card, Rest(source), cost, budget_of(budget_bytes), kind=kind, dtype="float32", ceiling_px=ceiling_px
        )
    except TwofoldError as error:
        if error.code is not Code.LOW_MEMORY:
            raise
        return None


def every_plan(card: NetworkCard, source: Size, cost: CostModel, kind: DeviceKind) -> list[tuple[int, float, int]]:
    """(need_bytes, seconds, batch_px) of each tile and batch, counted tile by tile."""
    square = []
    for side in TILE_LADDER_PX[kind]:
        tile_px = -(-side // card.alignment) * card.alignment
        overlap_px = -(-2 * card.halo_px // card.alignment) * card.alignment
        if tile_px < card.minimum_px or tile_px < 2 * overlap_px:
            continue  # too small for the network, or less than half of it useful
        try:
            plan = plan_tiles(
                source,
                tile_px=tile_px,
                halo_px=card.halo_px,
                alignment=card.alignment,
                scale=card.scale,
                minimum_px=card.minimum_px,
            )
        except ValueError:
            continue
        if plan not in square:
            square.append(plan)
    mixed = {one.tile: one for one in square}
    for one, other in pairwise(square):
        for tile in (Size(one.tile.width, other.tile.height), Size(other.tile.width, one.tile.height)):
            mixed[tile] = replace(one, tile=tile)
    found = []
    for plan in mixed.values():
        px = plan.tile.pixels
        elements_per_px = max(card.live_bytes_per_px / 4, card.channels_out * card.scale**2)
        for batch in BATCHES[kind]:
            if batch > plan.count or px * batch * elements_per_px >= 2**31:
                continue
            batches = [min(batch, plan.count - done) for done in range(0, plan.count, batch)]
            found.append((cost.need_bytes(px, batch), sum(cost.seconds(px, one) for one in batches), px * batch))
    return found


def short_ones(plans: list[tuple[int, float, int]], cost: CostModel, kind: DeviceKind) -> list[tuple[int, float, int]]:
    """Those whose batches are short; where there is none, the smallest."""
    short = [one for one in plans if cost.seconds(one[2], 1) <= LONG_BATCH_S[kind]]
    return short or sorted(plans)[:1]


@settings(deadline=None, max_examples=150)
@given(cards, sources, costs, allowances, kinds)
def test_the_smallest_plan_within_five_percent_of_the_best_is_taken(card, source, cost, budget_bytes, kind):
    fitting = short_ones([one for one in every_plan(card, source, cost, kind) if one[0] <= budget_bytes], cost, kind)
    plan = plan_or_none(card, source, cost, budget_bytes, kind)
    if plan is None:
        assert not fitting
        return
    assert plan.need_bytes <= budget_bytes == plan.budget_bytes
    assert plan.need_bytes == cost.need_bytes(plan.tiles.tile.pixels, plan.batch)
    if fitting:  # always, but where the halo is too wide for the ladder
        best_s = min(seconds for _, seconds, _ in fitting)
        assert plan.seconds <= best_s / 0.95 * (1 + 1e-9)
        assert plan.need_bytes <= min(need for need, seconds, _ in fitting if seconds * 0.95 <= best_s * (1 - 1e-9))


@settings(deadline=None, max_examples=150)
@given(cards, sources, costs, allowances, allowances, kinds)
def test_more_memory_never_makes_a_slower_plan(card, source, cost, one, other, kind):
    less = plan_or_none(card, source, cost, min(one, other), kind)
    more = plan_or_none(card, source, cost, max(one, other), kind)
    if less is not None:
        assert more is not None
        assert more.seconds <= less.seconds


@settings(deadline=None, max_examples=100)
@given(cards, sources, costs, kinds)
def test_stepping_down_below_each_plan_comes_to_an_end(card, source, cost, kind):
    """What a governor does after running out of memory, again and again."""
    plan = plan_or_none(card, source, cost, 64 * GIB, kind)
    steps = 0
    while plan is not None:
        ceiling_px = plan.tiles.tile.pixels * plan.batch - 1
        plan = plan_or_none(card, source, cost, 64 * GIB, kind, ceiling_px)
        assert plan is None or plan.tiles.tile.pixels * plan.batch <= ceiling_px
        steps += 1
    assert steps <= 3 * len(TILE_LADDER_PX[kind]) * len(BATCHES[kind])


@settings(deadline=None, max_examples=50)
@given(cards, sources, costs, allowances, kinds)
def test_the_same_question_has_the_same_answer(card, source, cost, budget_bytes, kind):
    first = plan_or_none(card, source, cost, budget_bytes, kind)
    assert plan_or_none(card, source, cost, budget_bytes, kind) == first
    if first is not None and kind == "cpu":
        assert first.batch == 1


def test_low_memory_says_how_much_is_needed_and_how_much_is_there():
    card = NetworkCard("photo", 1, "0", 2, live_bytes_per_px=10_000)
    reading = MemoryReading(450 * MIB, 8 * GIB)
    cost = prior_cost(card, "cuda", "float32")
    with pytest.raises(TwofoldError) as caught:
        choose_plan(
            card,
            Rest(Size(960, 960)),
            cost,
            plan_budget(reading, MemoryPolicy(), "cuda"),
            kind="cuda",
            dtype="float32",
        )
    assert caught.value.code is Code.LOW_MEMORY
    assert caught.value.retryable
    assert str(caught.value) == (
        "the smallest tile of photo@1, 96 x 96 px, needs 296 MiB, and 50 MiB may be used"
        " (450 MiB free, 400 MiB kept for others)"
    )


def test_a_ceiling_below_every_tile_says_so():
    card = NetworkCard("photo", 1, "0", 2)
    with pytest.raises(TwofoldError, match="is above the 7000 px at which the device ran out of memory"):
        choose_plan(
            card,
            Rest(Size(500, 500)),
            prior_cost(card, "cpu", "float32"),
            budget_of(GIB),
            kind="cpu",
            dtype="float32",
            ceiling_px=7000,
        )


@pytest.mark.parametrize("halo_px", [7, 10, 18, 24])
def test_a_cpu_takes_middling_tiles_however_much_memory_there_is(halo_px):
    card = NetworkCard("photo", 1, "0", 2, halo_px=halo_px, live_bytes_per_px=524, mflop_per_px=1.2)
    plan = plan_or_none(card, Size(4000, 3000), prior_cost(card, "cpu", "float32"), 64 * GIB, "cpu")
    assert plan is not None
    assert all(192 <= side <= 384 for side in plan.tiles.tile)


def test_the_largest_tiles_share_a_batch_where_calls_are_dear():
    card = NetworkCard("photo", 1, "0", 2, halo_px=4)
    cost = CostModel(bytes_per_px=1000, px_per_s=1e9, overhead_s=0.1)
    plan = plan_or_none(card, Size(12_000, 12_000), cost, 64 * GIB, "cuda")
    assert plan is not None
    assert plan.batch > 1
    assert plan.tiles.tile.long_side > 1024


def test_a_halo_wider_than_the_ladder_still_has_a_plan():
    card = NetworkCard("global", 1, "0", 2, halo_px=700, exact=False, alignment=16)
    plan = plan_or_none(card, Size(9000, 9000), prior_cost(card, "cuda", "float32"), 64 * GIB, "cuda")
    assert plan is not None
    assert plan.tiles.halo_px == 700


def test_a_plan_explains_itself_and_survives_json():
    card = NetworkCard("photo", 1, "0", 2, halo_px=18, live_bytes_per_px=524, mflop_per_px=1.2)
    budget = plan_budget(MemoryReading(8 * GIB, 16 * GIB), MemoryPolicy(None, Fraction(1, 4)), "cpu")
    plan = choose_plan(
        card, Rest(Size(4001, 2999)), prior_cost(card, "cpu", "float32"), budget, kind="cpu", dtype="float32"
    )
    assert plan.device == "cpu"
    assert plan.long
    assert plan.why.startswith(f"tiles of {plan.tiles.tile.width} x {plan.tiles.tile.height} px, batch 1: ")
    assert plan.why.endswith("of a budget of 4.0 GiB (capped by use_at_most, 16.0 GiB in all)")
    data = json.loads(json.dumps(plan.to_json()))
    assert data["tile"] == list(plan.tiles.tile)
    assert data["tiles"] == plan.tiles.count
    again = PassPlan.from_json(data)
    assert again.tiles == plan.tiles
    assert again.to_json() == data
    assert json.dumps(plan.figures)
