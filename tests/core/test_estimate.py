from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.card import NetworkCard
from twofold.core.cost import CostModel
from twofold.core.estimate import Estimate, estimate
from twofold.core.formats import FORMATS
from twofold.core.geometry import Size
from twofold.core.memory import Budget, MemoryReading
from twofold.core.pass_plan import PassPlan, choose_plan
from twofold.core.passes import Chain, plan_chain
from twofold.core.picture import PictureHeader
from twofold.core.recipe import Recipe, Target

MB = 10**6
CARD = NetworkCard("photo", 1, "0", 2, halo_px=8)
FAST = CostModel(bytes_per_px=10, px_per_s=1e9, overhead_s=0.0)
SLOW = CostModel(bytes_per_px=10, px_per_s=1e5, overhead_s=0.0)


def plans_of(chain: Chain, cost: CostModel, device: str = "cuda") -> list[PassPlan]:
    budget = Budget(2**36, MemoryReading(2**36, 2**36), 0, "free")
    kind = "cpu" if device == "cpu" else "cuda"
    return [
        replace(choose_plan(CARD, step.source, cost, budget, kind=kind, dtype="float32"), device=device)
        for step in chain.passes
    ]


def estimate_of(
    header: PictureHeader, *, scale: int = 4, cost: CostModel = FAST, device: str = "cuda:0", target: str = "png"
) -> Estimate:
    chain = plan_chain(header.size, Recipe("r", Fraction(scale), models=("photo",)), lambda _: CARD)
    return estimate(header, chain, plans_of(chain, cost, device), FORMATS[target])


def test_a_megapixel_at_4x_by_hand():
    found = estimate_of(PictureHeader("png", 1000, 1000))
    # the last raster (16 MP x 3 x 16 bit) while it becomes the result (16 MP x 3 x 8 bit)
    assert found.ram_bytes == 96 * MB + 48 * MB
    assert found.scratch_bytes == 0
    assert found.output_bytes == int(48 * MB * 0.8)
    assert found.disk_bytes == found.output_bytes
    # decode 1 MP; encode and read back 16 MP; both passes
    assert found.seconds == pytest.approx(0.04 + 16 * 0.14, rel=0.1)


def test_long_passes_move_their_rasters_to_scratch():
    header = PictureHeader("png", 1000, 1000)
    found = estimate_of(header, cost=SLOW)
    assert found.scratch_bytes == 24 * MB + 96 * MB
    assert found.ram_bytes == 2 * 48 * MB
    assert found.seconds > 50


def test_a_cpu_pays_for_its_tiles_in_ram():
    header = PictureHeader("png", 1000, 1000)
    dear = CostModel(bytes_per_px=10_000, px_per_s=1e9)
    assert estimate_of(header, cost=dear, device="cpu").ram_bytes > estimate_of(header, cost=dear).ram_bytes


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
    assert found.ram_bytes == 6 * MB
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
