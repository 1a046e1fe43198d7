"""What the next batch may add to a device's memory."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.memory import MIB, MemoryPolicy, MemoryReading, plan_budget

GIB = 1024 * MIB

kinds = st.sampled_from(["cpu", "cuda"])
allowances = st.integers(0, 64 * GIB)


def test_a_gpu_keeps_400_mib_or_three_hundredths_free():
    reading = MemoryReading(free_bytes=6 * GIB, total_bytes=8 * GIB)
    budget = plan_budget(reading, MemoryPolicy(), "cuda")
    assert budget.keep_free_bytes == 400 * MIB
    assert (budget.bytes, budget.capped_by) == (6 * GIB - 400 * MIB, "free")
    assert plan_budget(MemoryReading(70 * GIB, 80 * GIB), MemoryPolicy(), "cuda").keep_free_bytes == 80 * GIB * 3 // 100


def test_a_machine_keeps_256_mib_or_a_twentieth_free():
    assert plan_budget(MemoryReading(GIB, 4 * GIB), MemoryPolicy(), "cpu").keep_free_bytes == 256 * MIB
    assert plan_budget(MemoryReading(GIB, 16 * GIB), MemoryPolicy(), "cpu").keep_free_bytes == 16 * GIB // 20


def test_what_the_allocator_holds_unused_counts_but_for_fragmentation():
    policy = MemoryPolicy(keep_free_bytes=0, use_at_most=Fraction(1))
    reading = MemoryReading(GIB, 24 * GIB, reserved_bytes=3 * GIB, allocated_bytes=GIB)
    assert plan_budget(reading, policy, "cuda").bytes == GIB + 2 * GIB * 9 // 10


def test_the_cap_counts_what_we_hold_already():
    policy = MemoryPolicy(keep_free_bytes=GIB, use_at_most=Fraction(1, 2))
    budget = plan_budget(MemoryReading(20 * GIB, 24 * GIB, 2 * GIB, 2 * GIB), policy, "cuda")
    assert (budget.bytes, budget.capped_by) == (10 * GIB, "use_at_most")


readings = st.builds(MemoryReading, allowances, allowances, allowances, allowances)
policies = st.builds(
    MemoryPolicy,
    st.none() | st.integers(0, 4 * GIB),
    st.fractions(min_value=0, max_value=1, max_denominator=100),
)


@settings(deadline=None, max_examples=200)
@given(readings, policies, kinds, st.integers(0, GIB))
def test_a_budget_is_never_negative_and_grows_with_free_memory(reading, policy, kind, more):
    budget = plan_budget(reading, policy, kind)
    assert budget.bytes >= 0
    assert budget.bytes <= policy.use_at_most * reading.total_bytes
    freer = MemoryReading(
        reading.free_bytes + more, reading.total_bytes, reading.reserved_bytes, reading.allocated_bytes
    )
    assert plan_budget(freer, policy, kind).bytes >= budget.bytes


@given(readings, policies, kinds)
def test_the_allocator_is_stopped_where_others_share_begins(reading, policy, kind):
    budget = plan_budget(reading, policy, kind)
    cap_bytes = budget.reserve_at_most_bytes
    assert cap_bytes >= reading.allocated_bytes
    if cap_bytes > reading.allocated_bytes:
        assert reading.reserved_bytes + reading.free_bytes - cap_bytes >= budget.keep_free_bytes
