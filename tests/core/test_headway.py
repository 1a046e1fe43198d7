"""What is recorded of a job tells which tile it has come to."""

from __future__ import annotations

import pytest

from twofold.core.card import NetworkCard
from twofold.core.cost import CostModel
from twofold.core.geometry import Size
from twofold.core.headway import headway, work_px
from twofold.core.memory import Budget, MemoryReading
from twofold.core.pass_plan import PassPlan, choose_plan
from twofold.core.passes import Chain, Pass
from twofold.core.rest import Rest

CARD = NetworkCard("net", 1, "ab", 2, halo_px=8, live_bytes_per_px=100.0, mflop_per_px=1.0)
SMALL, MIDDLE, LARGE = Size(3000, 2000), Size(6000, 4000), Size(12000, 8000)
CHAIN = Chain(SMALL, (Pass("net@1", "ab", 2, SMALL, MIDDLE), Pass("net@1", "ab", 2, MIDDLE, LARGE)), LARGE)
PLENTY = Budget(2**40, MemoryReading(2**40, 2**40), 0, "free")


def plan(source: Size) -> PassPlan:
    return choose_plan(CARD, Rest(source), CostModel(100.0), PLENTY, kind="cpu", dtype="float32")


def test_before_the_first_plan_nothing_is_known_but_the_work() -> None:
    way = headway(CHAIN, 0, 0.0, None)
    assert (way.stage, way.passes, way.tiles, way.work_px) == ("preparing", 2, 0, SMALL.pixels * 5)


@pytest.mark.parametrize("index", [0, 1])
def test_every_finished_band_of_every_pass_is_told(index: int) -> None:
    """The fraction is rounded to four digits on its way through the ledger."""
    tiles = plan(CHAIN.passes[index].source).tiles
    assert tiles.rows > 3
    before_px = sum(step.source.pixels for step in CHAIN.passes[:index])
    for bands in range(tiles.rows):
        done_px = before_px + CHAIN.passes[index].source.width * tiles.done_px(bands)
        way = headway(CHAIN, index, round(done_px / work_px(CHAIN), 4), plan(CHAIN.passes[index].source))
        assert (way.stage, way.pass_index, way.tiles) == ("enlarging", index + 1, tiles.count)
        assert way.tiles_done == bands * tiles.columns


def test_after_the_last_pass_it_is_saved() -> None:
    way = headway(CHAIN, 2, 1.0, None)
    assert (way.stage, way.pass_index, way.px) == ("saving", 2, way.work_px)


def test_a_picture_that_needs_no_pass_has_no_work() -> None:
    assert headway(Chain(SMALL, (), SMALL, "copy"), 0, 0.0, None).work_px == 0
