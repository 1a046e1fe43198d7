"""Plans from free memory, steps down after running out of it, and what is learnt."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.device.one_device import CARD, GIB, PHOTO, TIGHT_BYTES, Device, grown, made, rest
from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Rect
from twofold.core.memory import AllocatorFigures, DeviceKind
from twofold.core.pass_plan import LONG_BATCH_S, TILE_LADDER_PX, PassPlan
from twofold.core.rest import Rest
from twofold.device.cost_store import CostStore
from twofold.device.governor import CEILING_LIFETIME_S, GROW_AFTER_S, LOOK_UP_EVERY_S


def batch_px(plan: PassPlan) -> int:
    return plan.batch_px


def test_every_plan_reads_the_memory_anew() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    wide = governor.plan(CARD, PHOTO)
    device.room_bytes = GIB
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
    for _ in range(300):
        smaller = governor.replan(card, plan, rest(plan))
        if batch_px(smaller) == batch_px(plan):
            break
        assert batch_px(smaller) < batch_px(plan)
        if plan.batch > 1:
            assert batch_px(smaller) <= batch_px(plan) // 2
        plan = smaller
    governor.smallest = True
    assert batch_px(plan) <= batch_px(governor.plan(card, PHOTO)), "the smallest one comes again"


def test_what_ran_out_of_memory_is_remembered_for_a_while() -> None:
    device = Device(4 * GIB)
    governor = device.governor()
    first = governor.plan(CARD, PHOTO)
    smaller = governor.replan(CARD, first, rest(first))
    assert batch_px(governor.plan(CARD, PHOTO)) == batch_px(smaller)
    device.now_s += CEILING_LIFETIME_S - 1
    assert batch_px(governor.plan(CARD, PHOTO)) == batch_px(smaller)
    device.now_s += 2
    assert governor.plan(CARD, PHOTO).tiles == first.tiles


def test_it_is_remembered_for_that_much_memory_and_that_network_only() -> None:
    device = Device(4 * GIB)
    governor = device.governor()
    first = governor.plan(CARD, PHOTO)
    smaller = governor.replan(CARD, first, rest(first))
    other = NetworkCard("other", 1, "b" * 64, 2, halo_px=10, half=True, live_bytes_per_px=500.0, mflop_per_px=1.0)
    assert batch_px(governor.plan(other, PHOTO)) == batch_px(first)
    device.room_bytes = 3 * GIB
    assert batch_px(governor.plan(CARD, PHOTO)) <= batch_px(smaller)
    device.room_bytes = 20 * GIB
    assert batch_px(governor.plan(CARD, PHOTO)) >= batch_px(first)


def test_a_plan_remembers_how_often_it_stepped_down_also_on_disk() -> None:
    governor = Device(4 * GIB).governor()
    first = governor.plan(CARD, PHOTO)
    once = governor.replan(CARD, first, rest(first))
    twice = governor.replan(CARD, once, rest(once))
    assert (first.oom_steps, twice.oom_steps, PassPlan.from_json(twice.to_json()).oom_steps) == (0, 2, 2)
    old_row = {key: value for key, value in twice.to_json().items() if key != "oom_steps"}
    assert PassPlan.from_json(old_row).oom_steps == 0


def test_a_replan_steps_down_even_if_memory_became_free() -> None:
    device = Device(2 * GIB)
    governor = device.governor()
    first = governor.plan(CARD, PHOTO)
    device.room_bytes = 20 * GIB
    assert batch_px(governor.replan(CARD, first, rest(first))) < batch_px(first)


@given(st.floats(1e3, 1e8))
def test_on_a_cpu_the_measured_speed_changes_no_tiles(px_per_s: float) -> None:
    device = Device(20 * GIB)
    governor = device.governor("cpu")
    before = governor.plan(CARD, PHOTO)
    px = before.tiles.tile.pixels
    for _ in range(5):
        governor.completed(CARD, before, batch_px=px, seconds=px / px_per_s, peak_bytes=None)
    after = governor.plan(CARD, PHOTO)
    largest_px = TILE_LADDER_PX["cpu"][-1] ** 2  # where that is too long, the best is another one
    if governor.cost(CARD).seconds(largest_px, 1) <= LONG_BATCH_S["cpu"]:
        assert after.tiles == before.tiles


def test_measured_batches_correct_the_predicted_time() -> None:
    device = Device(20 * GIB)
    governor = device.governor("cpu")
    plan = governor.plan(CARD, PHOTO)
    assert plan.dtype == "float32"
    tile_px = plan.tiles.tile.pixels
    for _ in range(30):
        governor.completed(CARD, plan, batch_px=tile_px, seconds=tile_px / 12345, peak_bytes=None)
    again = governor.plan(CARD, PHOTO)
    window_px = again.tiles.tile.pixels * again.tiles.count
    assert again.seconds == pytest.approx(window_px / 12345, rel=0.2)


# --- over time


def test_an_unmeasured_network_begins_small_and_grows_by_what_went_well() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    wanted = governor.plan(CARD, PHOTO)
    first = governor.steer(CARD, wanted, rest(wanted))
    assert first.batch_px <= 256 * 256 < wanted.batch_px
    sizes = [first.batch_px]
    plan = first
    for _ in range(10):
        made(governor, plan)
        device.now_s += 0.1
        plan = governor.steer(CARD, plan, rest(plan))
        sizes.append(plan.batch_px)
    assert sizes == sorted(sizes)
    assert all(after <= 4 * before for before, after in pairwise(sizes))
    assert plan.figures["cost_origin"] == "calibrated"
    assert plan.batch_px > 4 * first.batch_px


def test_a_plan_that_fits_stays_the_very_same() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    device.now_s += 1
    assert governor.steer(CARD, plan, rest(plan)) is plan


def test_less_free_memory_means_a_smaller_plan_at_once_and_more_a_larger_one_after_a_while() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    device.room_bytes, device.now_s = TIGHT_BYTES, device.now_s + 1
    tight = governor.steer(CARD, plan, rest(plan))
    assert tight.need_bytes <= tight.budget_bytes < TIGHT_BYTES
    assert device.held.reserved_bytes == tight.need_bytes
    device.room_bytes, device.now_s = 20 * GIB, device.now_s + GROW_AFTER_S / 2
    assert governor.steer(CARD, tight, rest(tight)) is tight, "not before batches went well"
    made(governor, tight, 8)
    device.now_s += 0.1
    assert governor.steer(CARD, tight, rest(tight)) is tight, "not so soon after it was tight"
    device.now_s += GROW_AFTER_S
    device.now_s += 0.1
    assert governor.steer(CARD, tight, rest(tight)).batch_px > tight.batch_px


def test_it_does_not_grow_for_the_last_tile() -> None:
    device = Device(TIGHT_BYTES)
    governor = device.governor()
    plan = grown(device, governor)
    device.room_bytes = 20 * GIB
    device.now_s += 10
    row = plan.tiles.rows - 1
    last = plan.tiles.row(row)[-1].owned
    rows_below = Rect(0, last.y0, *plan.tiles.whole)
    assert governor.steer(CARD, plan, Rest(PHOTO, last, rows_below, planned=True, row=row)) is plan
    device.now_s += 1
    assert governor.steer(CARD, plan, rest(plan)) is not plan


def test_the_cache_is_given_back_before_a_plan_shrinks() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    # Others took everything but what this process has cached.
    device.held = AllocatorFigures(plan.need_bytes + 780 * 2**20, 0)
    device.room_bytes, device.now_s = device.held.reserved_bytes, device.now_s + 1
    assert governor.steer(CARD, plan, rest(plan)) is plan
    assert device.held.reserved_bytes == plan.need_bytes


def test_a_retry_of_the_allocator_is_a_warning() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    device.held = replace(device.held, retries=1)
    device.now_s += 1
    smaller = governor.steer(CARD, plan, rest(plan))
    assert smaller.batch_px < plan.batch_px
    device.now_s += 1
    assert governor.steer(CARD, smaller, rest(smaller)) is smaller, "the same retry warns once"


def test_where_nothing_fits_it_says_so_and_goes_on_when_it_does() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    device.room_bytes, device.now_s = 0, device.now_s + 1
    with pytest.raises(TwofoldError) as caught:
        governor.steer(CARD, plan, rest(plan))
    assert caught.value.code is Code.LOW_MEMORY
    device.room_bytes, device.now_s = 20 * GIB, device.now_s + 0.1
    assert governor.steer(CARD, plan, rest(plan)) is plan


def test_the_allocator_is_stopped_before_others_share() -> None:
    device = Device(6 * GIB, total_bytes=8 * GIB)
    device.governor().plan(CARD, PHOTO)
    assert device.limit_bytes == 6 * GIB - 400 * 2**20


def test_a_peak_above_the_belief_makes_the_plan_smaller_where_others_lack_it() -> None:
    device = Device(1000 << 20)
    governor = device.governor()
    plan = grown(device, governor)
    made(governor, plan, k=2 * 800)
    device.now_s += 1
    assert governor.steer(CARD, plan, rest(plan)) is plan, "it ran in what is held"
    device.held, device.now_s = AllocatorFigures(1600 * plan.batch_px), device.now_s + 1
    smaller = governor.steer(CARD, plan, rest(plan))
    assert smaller.batch_px < plan.batch_px
    assert smaller.figures["margin"] > 0.5


def test_the_smallest_plan_can_be_asked_for() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    governor.smallest, device.now_s = True, device.now_s + 1
    smallest = governor.steer(CARD, plan, rest(plan))
    assert smallest.batch_px <= 128 * 128
    governor.smallest, device.now_s = False, device.now_s + 10
    assert governor.steer(CARD, smallest, rest(smallest)).batch_px > smallest.batch_px


@given(
    st.lists(st.tuples(st.integers(0, 20 * GIB), st.floats(0.01, 3.0)), min_size=1, max_size=40),
    st.floats(100, 20_000),
)
def test_whatever_memory_does_the_plan_in_force_fits(looks: list[tuple[int, float]], k: float) -> None:
    """And it changes no oftener than every other look, but for what grows while a network is measured."""
    device = Device(20 * GIB)
    governor = device.governor()
    plan = governor.plan(CARD, PHOTO)
    for free_bytes, later_s in looks:
        device.room_bytes, device.now_s = free_bytes, device.now_s + LOOK_UP_EVERY_S + later_s
        try:
            plan = governor.steer(CARD, plan, rest(plan))
        except TwofoldError as error:
            if error.code is not Code.LOW_MEMORY:
                raise
            continue
        assert device.held.reserved_bytes >= plan.need_bytes, "nobody can take it during the batch"
        assert device.free_bytes >= device.total_bytes * 3 // 100
        assert device.held.reserved_bytes <= device.total_bytes * 4 // 5
        made(governor, plan, k=k)


def test_plans_grow_no_oftener_than_memory_was_tight_for_long_enough() -> None:
    """A neighbour that comes and goes ten times a second costs one step down, not twenty changes a second."""
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    changes = 0
    for look in range(600):
        device.now_s += 0.1
        device.room_bytes = TIGHT_BYTES if look % 2 else 20 * GIB
        steered = governor.steer(CARD, plan, rest(plan))
        changes += steered is not plan
        plan = steered
        made(governor, plan)
    assert changes <= 2 * 60 / GROW_AFTER_S


# --- from one process to the next


def test_what_was_learnt_is_carried_over_and_confirmed(tmp_path: Path) -> None:
    store = CostStore(f"{tmp_path}/costs/GPU-1.json", "driver 1")
    device = Device(20 * GIB)
    before = grown(device, device.governor(costs=store))
    again = device.governor(costs=CostStore(f"{tmp_path}/costs/GPU-1.json", "driver 1"))
    plan = again.plan(CARD, PHOTO)
    assert plan.figures["cost_origin"] == "calibrated"
    assert again.steer(CARD, plan, rest(plan)) is plan, "nothing has to be tried out again"
    assert before.batch_px <= plan.batch_px <= 4 * before.batch_px
    made(again, plan, k=1600)  # a new driver's algorithm: what was carried over is dropped
    assert again.cost(CARD).bytes_per_px == pytest.approx(1600)
    other = device.governor(costs=CostStore(f"{tmp_path}/costs/GPU-1.json", "driver 2"))
    assert other.plan(CARD, PHOTO).figures["cost_origin"] == "prior"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 9}', '{"schema": 1, "scope": "s", "records": {"SHA/float16": {"peaks": 3}}}']
)
def test_a_damaged_record_is_measured_again(text: str, tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    file.write_text(text.replace("SHA", CARD.sha256))
    device = Device(20 * GIB)
    governor = device.governor(costs=CostStore(str(file), "s"))
    assert governor.plan(CARD, PHOTO).figures["cost_origin"] == "prior"
    grown(device, governor)
    assert device.governor(costs=CostStore(str(file), "s")).plan(CARD, PHOTO).figures["cost_origin"] == "calibrated"


def test_a_folder_that_cannot_be_written_costs_nothing_but_measuring_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    device = Device(20 * GIB)
    grown(device, device.governor(costs=CostStore(f"{tmp_path}/file/costs.json", "s")))
