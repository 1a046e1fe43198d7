"""What the governor makes of memory that others take while a batch runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.device.one_device import CARD, GIB, PHOTO, TIGHT_BYTES, Device, grown, rest
from twofold.core.errors import LowMemory
from twofold.core.memory import AllocatorFigures


def test_what_others_took_meanwhile_says_nothing_of_the_cost() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    before = governor.cost(CARD)
    device.room_bytes = GIB
    smaller = governor.replan(CARD, plan, rest(plan))
    assert smaller.batch_px < plan.batch_px
    assert governor.cost(CARD) == before
    device.room_bytes = 20 * GIB
    assert governor.plan(CARD, PHOTO).batch_px >= plan.batch_px, "no ceiling either"


def test_the_flush_before_a_refusal_is_no_second_warning() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    device.held = replace(device.held, retries=1)  # the allocator flushes, tries again, and only then gives up
    smaller = governor.replan(CARD, plan, rest(plan))
    device.now_s += 1
    assert governor.steer(CARD, smaller, rest(smaller)) is smaller


def test_blocks_that_hold_nothing_go_back_where_others_lack_their_share() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    device.room_bytes, device.now_s = 10 * GIB, device.now_s + 1
    device.held = AllocatorFigures(reserved_bytes=10 * GIB)
    assert governor.steer(CARD, plan, rest(plan)) is plan
    assert device.held.reserved_bytes == plan.need_bytes


def test_out_of_memory_because_others_took_all_ends_in_waiting_for_the_smallest_tile() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    plan = grown(device, governor)
    device.room_bytes, device.now_s = 0, device.now_s + 1
    smallest = governor.replan(CARD, plan, rest(plan))
    assert smallest.batch_px <= 128 * 128
    with pytest.raises(LowMemory):
        governor.steer(CARD, smallest, rest(smallest))
    device.room_bytes, device.now_s = 20 * GIB, device.now_s + 1
    assert governor.steer(CARD, smallest, rest(smallest)) is smallest


def test_where_the_smallest_tile_was_refused_it_comes_again_and_no_ceiling_lies_below_it() -> None:
    device = Device(20 * GIB)
    governor = device.governor()
    grown(device, governor)
    governor.smallest, device.now_s = True, device.now_s + 1
    smallest = governor.plan(CARD, PHOTO)
    governor.smallest = False
    device.room_bytes, device.held = TIGHT_BYTES, AllocatorFigures(retries=1)  # it flushed, tried again, and gave up
    again = governor.replan(CARD, smallest, rest(smallest))
    assert (again.tiles, again.oom_steps) == (smallest.tiles, smallest.oom_steps + 1)
    assert governor.steer(CARD, again, rest(again)) is again
    device.held = replace(device.held, retries=2)  # the next batch had to flush too, and went well
    assert governor.steer(CARD, again, rest(again)) is again
