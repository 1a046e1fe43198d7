from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.card import NetworkCard
from twofold.core.cost import CostModel
from twofold.core.estimate import CHILD_BYTES, WHOLE_DECODE_BYTES, Estimate, Rasters, estimate, place
from twofold.core.formats import FORMATS
from twofold.core.geometry import Size
from twofold.core.memory import Budget, MemoryReading
from twofold.core.pass_plan import PassPlan, choose_plan
from twofold.core.passes import Chain, plan_chain
from twofold.core.picture import BUFFERED, PictureHeader
from twofold.core.recipe import Recipe, Target
from twofold.core.rest import Rest

MB = 10**6
CARD = NetworkCard("photo", 1, "0", 2, halo_px=8)
FAST = CostModel(bytes_per_px=10, px_per_s=1e9, overhead_s=0.0)
SLOW = CostModel(bytes_per_px=10, px_per_s=1e5, overhead_s=0.0)


def plans_of(chain: Chain, cost: CostModel, device: str = "cuda") -> list[PassPlan]:
    budget = Budget(2**36, MemoryReading(2**36, 2**36), 0, "free")
    kind = "cpu" if device == "cpu" else "cuda"
    return [
        replace(choose_plan(CARD, Rest(step.source), cost, budget, kind=kind, dtype="float32"), device=device)
        for step in chain.passes
    ]


def estimate_of(
    header: PictureHeader,
    *,
    scale: int = 4,
    cost: CostModel = FAST,
    device: str = "cuda:0",
    target: str = "png",
    rasters: Rasters = "memory",
) -> Estimate:
    chain = plan_chain(header.size, Recipe("r", Fraction(scale), models=("photo",)), lambda _: CARD)
    return estimate(header, chain, plans_of(chain, cost, device), FORMATS[target], rasters)


def test_a_megapixel_at_4x_by_hand():
    found = estimate_of(PictureHeader("png", 1000, 1000))
    # the result (16 MP x 3 x 8 bit) while a child reads it back
    assert found.ram_bytes == found.picture_bytes == 48 * MB + 48 * MB + CHILD_BYTES
    assert found.scratch_bytes == 0
    assert found.output_bytes == int(48 * MB * 0.8)
    assert found.disk_bytes == found.output_bytes
    # decode 1 MP; encode and read back 16 MP; both passes
    assert found.seconds == pytest.approx(0.04 + 16 * 0.14, rel=0.1)


def test_long_passes_move_their_rasters_to_scratch():
    header = PictureHeader("png", 1000, 1000)
    found = estimate_of(header, cost=SLOW)
    # 4 MP x 3 x 16 bit between the passes, 16 MP x 3 x 8 bit after the last
    assert found.scratch_bytes == 24 * MB + 48 * MB
    assert found.ram_bytes == 48 * MB + CHILD_BYTES  # read back
    assert found.seconds > 50


def test_on_scratch_nothing_in_memory_grows_with_the_picture():
    small, large = (
        estimate_of(PictureHeader("jpeg", side, side), rasters="scratch", target="jpeg") for side in (100, 8000)
    )
    assert small.ram_bytes == large.ram_bytes == CHILD_BYTES
    assert large.scratch_bytes == 2 * 3 * 16 * 64 * MB  # the result, and read back
    held = estimate_of(PictureHeader("jpeg", 8000, 8000), target="jpeg")
    assert held.ram_bytes == large.scratch_bytes + CHILD_BYTES
    assert held.seconds == large.seconds


def test_what_codecs_hold_no_scratch_replaces():
    plain = estimate_of(PictureHeader("jpeg", 1000, 1000), rasters="scratch", target="jpeg")
    header = PictureHeader("jpeg", 1000, 1000, signals={BUFFERED: 1.0})
    assert estimate_of(header, rasters="scratch", target="jpeg").ram_bytes == plain.ram_bytes + 6 * MB
    for format_ in ("webp", "avif", "gif"):
        header = PictureHeader(format_, 1000, 1000)
        assert estimate_of(header, rasters="scratch").ram_bytes == plain.ram_bytes + WHOLE_DECODE_BYTES * MB
    into_webp = estimate_of(PictureHeader("jpeg", 1000, 1000), rasters="scratch", target="webp")
    assert into_webp.ram_bytes == plain.ram_bytes + 16 * 6 * MB


def test_rasters_stay_in_memory_as_long_as_they_fit():
    header = PictureHeader("png", 1000, 1000)
    chain = plan_chain(header.size, Recipe("r", Fraction(4), models=("photo",)), lambda _: CARD)
    plans, needed_bytes = plans_of(chain, FAST), estimate_of(header).ram_bytes
    assert place(header, chain, plans, FORMATS["png"], needed_bytes).rasters == "memory"
    assert place(header, chain, plans, FORMATS["png"], needed_bytes - 1).rasters == "scratch"


def test_a_cpu_pays_for_its_tiles_in_ram():
    header = PictureHeader("png", 1000, 1000)
    dear = CostModel(bytes_per_px=10_000, px_per_s=1e9)
    found = estimate_of(header, cost=dear, device="cpu")
    assert found.ram_bytes > estimate_of(header, cost=dear).ram_bytes
    assert found.tile_bytes > 0 == estimate_of(header, cost=dear).tile_bytes
    assert found.picture_bytes == estimate_of(header, cost=dear).picture_bytes


@pytest.mark.parametrize(
    ("change", "output_share"), [({"channels": 1}, 1 / 3), ({"alpha": True}, 4 / 3), ({"depth": 16}, 2)]
)
def test_the_result_follows_channels_alpha_and_depth(change, output_share):
    plain = estimate_of(PictureHeader("png", 1000, 1000))
    other = estimate_of(replace(PictureHeader("png", 1000, 1000), **change))
    assert other.output_bytes == pytest.approx(plain.output_bytes * output_share)
    assert (other.ram_bytes < plain.ram_bytes) == (output_share < 1)


def test_sixteen_bits_into_jpeg_take_the_room_of_eight():
    deep = estimate_of(PictureHeader("png", 1000, 1000, depth=16), target="jpeg")
    assert deep.output_bytes == int(48 * MB * 0.4)


def test_a_profile_comes_along():
    plain, tagged = (estimate_of(PictureHeader("png", 100, 100, icc_bytes=size)) for size in (0, 5000))
    assert tagged.output_bytes == plain.output_bytes + 5000


def test_a_copy_takes_no_pass():
    recipe = Recipe("r", None, Target("long_side", Fraction(10)), "copy")
    header = PictureHeader("png", 1000, 1000)
    chain = plan_chain(header.size, recipe, lambda _: CARD)
    found = estimate(header, chain, [], FORMATS["png"])
    assert found.ram_bytes == 6 * MB + CHILD_BYTES
    assert found.scratch_bytes == 0


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 3000), st.integers(1, 3000), st.booleans(), st.sampled_from([8, 16]), st.sampled_from([FAST, SLOW])
)
def test_a_larger_picture_never_takes_less_disk_or_time(width, height, alpha, depth, cost):
    small = PictureHeader("png", width, height, alpha=alpha, depth=depth)
    large = replace(small, width=width + 500, height=height + 500)
    one, other = estimate_of(small, cost=cost), estimate_of(large, cost=cost)
    assert one.output_bytes <= other.output_bytes
    assert one.scratch_bytes <= other.scratch_bytes
    assert one.ram_bytes >= 2 * Size(width, height).pixels * (3 + alpha) * depth // 8
    assert other.seconds > 0
