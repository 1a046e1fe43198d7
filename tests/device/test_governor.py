"""Plans from free memory, steps down after running out of it, and what is learnt."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size
from twofold.core.memory import CostModel, DeviceKind, MemoryPolicy, MemoryReading, PassPlan
from twofold.device.governor import CEILING_LIFETIME_S, DeviceGovernor
from twofold.device.pace import Pace

GIB = 1 << 30
PHOTO = Size(4000, 3000)
CARD = NetworkCard("net", 1, "a" * 64, 2, halo_px=10, half=True, live_bytes_per_px=500.0, mflop_per_px=1.0)


@dataclass
class Device:
    """A device's memory and the time, both set by the test."""

    free_bytes: int
    total_bytes: int = 24 * GIB
    now_s: float = 1000.0
    readings: int = 0

    def read(self) -> MemoryReading:
        self.readings += 1
        return MemoryReading(self.free_bytes, self.total_bytes)

    def clock(self) -> float:
        return self.now_s

    def governor(self, kind: DeviceKind = "cuda") -> DeviceGovernor:
        policy = MemoryPolicy(use_at_most=Fraction(4, 5))
        return DeviceGovernor(self, policy, kind=kind, device="GPU-1", clock=self.clock, capability=(8, 9))


def batch_px(plan: PassPlan) -> int:
    return plan.tiles.tile.pixels * plan.batch


def test_every_plan_reads_the_memory_anew() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    wide = governor.plan(CARD, PHOTO)
    device.free_bytes = GIB
    tight = governor.plan(CARD, PHOTO)
    assert device.readings == 2
    assert tight.need_bytes <= tight.budget_bytes < GIB
    assert batch_px(tight) <= batch_px(wide)
    assert (wide.device, wide.dtype) == ("GPU-1", "float16")


def test_nothing_free_is_low_memory() -> None:
    with pytest.raises(TwofoldError) as caught:
        Device(0).governor().plan(CARD, PHOTO)
    assert caught.value.code is Code.LOW_MEMORY
    assert caught.value.retryable


@given(st.integers(4 * GIB, 20 * GIB), st.sampled_from(["cuda", "cpu"]), st.integers(0, 200))
def test_replans_shrink_until_there_is_nothing_smaller(free_bytes: int, kind: DeviceKind, halo_px: int) -> None:
    card = NetworkCard("net", 1, "a" * 64, 2, halo_px=halo_px, half=True, live_bytes_per_px=500.0, mflop_per_px=1.0)
    governor = Device(free_bytes).governor(kind)
    plan = governor.plan(card, PHOTO)
    for _ in range(100):
        try:
            smaller = governor.replan(card, plan)
        except TwofoldError as error:
            refusal = error.code
            break
        assert batch_px(smaller) < batch_px(plan)
        if plan.batch > 1:
            assert batch_px(smaller) <= batch_px(plan) // 2
        plan = smaller
    assert refusal is Code.LOW_MEMORY


def test_what_ran_out_of_memory_is_remembered_for_a_while() -> None:
    device = Device(4 * GIB)
    governor = device.governor()
    first = governor.plan(CARD, PHOTO)
    smaller = governor.replan(CARD, first)
    assert batch_px(governor.plan(CARD, PHOTO)) == batch_px(smaller)
    device.now_s += CEILING_LIFETIME_S - 1
    assert batch_px(governor.plan(CARD, PHOTO)) == batch_px(smaller)
    device.now_s += 2
    assert governor.plan(CARD, PHOTO) == first


def test_it_is_remembered_for_that_much_memory_and_that_network_only() -> None:
    device = Device(4 * GIB)
    governor = device.governor()
    first = governor.plan(CARD, PHOTO)
    smaller = governor.replan(CARD, first)
    other = NetworkCard("other", 1, "b" * 64, 2, halo_px=10, half=True, live_bytes_per_px=500.0, mflop_per_px=1.0)
    assert batch_px(governor.plan(other, PHOTO)) == batch_px(first)
    device.free_bytes = 3 * GIB
    assert batch_px(governor.plan(CARD, PHOTO)) <= batch_px(smaller)
    device.free_bytes = 20 * GIB
    assert batch_px(governor.plan(CARD, PHOTO)) >= batch_px(first)


def test_a_plan_remembers_how_often_it_stepped_down_also_on_disk() -> None:
    governor = Device(4 * GIB).governor()
    first = governor.plan(CARD, PHOTO)
    twice = governor.replan(CARD, governor.replan(CARD, first))
    assert (first.oom_steps, twice.oom_steps, PassPlan.from_json(twice.to_json()).oom_steps) == (0, 2, 2)
    old_row = {key: value for key, value in twice.to_json().items() if key != "oom_steps"}
    assert PassPlan.from_json(old_row).oom_steps == 0


def test_a_replan_steps_down_even_if_memory_became_free() -> None:
    device = Device(2 * GIB)
    governor = device.governor()
    first = governor.plan(CARD, PHOTO)
    device.free_bytes = 20 * GIB
    assert batch_px(governor.replan(CARD, first)) < batch_px(first)


def test_measured_batches_correct_the_predicted_time() -> None:
    device = Device(20 * GIB)
    governor = device.governor("cpu")
    plan = governor.plan(CARD, PHOTO)
    assert plan.dtype == "float32"
    tile_px = plan.tiles.tile.pixels
    for _ in range(30):
        governor.completed(CARD, plan, batch_px=tile_px, seconds=tile_px / 12345)
    again = governor.plan(CARD, PHOTO)
    window_px = again.tiles.tile.pixels * again.tiles.count
    assert again.seconds == pytest.approx(window_px / 12345, rel=0.2)


@given(st.floats(1e-4, 1.0), st.floats(1e3, 1e8), st.lists(st.integers(10_000, 4_000_000), min_size=8, max_size=40))
def test_pace_finds_the_line(overhead_s: float, px_per_s: float, batches: list[int]) -> None:
    pace = Pace.of(CostModel(bytes_per_px=1))
    for px in [*batches, 10_000, 4_000_000]:
        pace = pace.after(px, overhead_s + px / px_per_s)
    # Where overhead is most of the mean time it is capped at half of it; the prediction at the mean still holds.
    mean_px, mean_s = pace.px / pace.weight, pace.s / pace.weight
    assert pace.overhead_s + mean_px / pace.px_per_s == pytest.approx(mean_s, rel=1e-6)
    if overhead_s < mean_s / 3:
        assert pace.overhead_s == pytest.approx(overhead_s, rel=0.01, abs=mean_s * 1e-6)


@given(st.lists(st.tuples(st.integers(-5, 10**7), st.floats(-1, 100)), max_size=30))
def test_pace_stays_sane_whatever_it_is_told(batches: list[tuple[int, float]]) -> None:
    pace = Pace.of(CostModel(bytes_per_px=1))
    for px, seconds in batches:
        pace = pace.after(px, seconds)
        assert pace.overhead_s >= 0
        assert pace.px_per_s >= 1
