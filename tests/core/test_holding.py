"""When a worker may come again after it left: the laws of waiting, and of quarantine."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.holding import (
    FAULT_WINDOW_S,
    FIRST_PAUSE_S,
    LAST_PAUSE_S,
    LASTED_S,
    MAX_FAULTS,
    MAX_LONE_FAULTS,
    QUARANTINE_S,
    Shortage,
    most_bytes,
    quarantine,
    shortage,
)
from twofold.core.memory import DeviceKind, MemoryPolicy, MemoryReading, plan_budget
from twofold.core.retry import MAX_LONE_DEATHS

GIB = 1 << 30
WHY = Reason(Code.LOW_MEMORY, "too little", "")
POLICY = MemoryPolicy(use_at_most=Fraction(4, 5))
sizes = st.integers(0, 100 * GIB)


@given(sizes, sizes, sizes, st.sampled_from(["cuda", "cpu"]))
def test_an_empty_device_is_always_tried_again_and_more_free_memory_never_makes_it_wait(
    free: int, more: int, need: int, kind: DeviceKind
) -> None:
    total = free + more
    waiting = Shortage(WHY, need, 0.0, not_before_s=10.0)
    assert waiting.over(MemoryReading(total, total), POLICY, kind, 10.0)
    if waiting.over(MemoryReading(free, total), POLICY, kind, 10.0):
        assert waiting.over(MemoryReading(min(total, free + more // 2), total), POLICY, kind, 10.0)
    assert not waiting.over(MemoryReading(total, total), POLICY, kind, 9.9)


@given(sizes, sizes, st.fractions(0, 1))
def test_a_worker_comes_back_only_to_a_budget_that_covers_the_need(free: int, more: int, share: Fraction) -> None:
    reading = MemoryReading(free, free + more)
    need = int(share * most_bytes(reading, POLICY, "cpu"))
    if Shortage(WHY, need, 0.0, 0.0).over(reading, POLICY, "cpu", 0.0):
        assert plan_budget(reading, POLICY, "cpu").bytes >= need


def test_pauses_double_up_to_their_bound_and_tell_since_when() -> None:
    waiting, pauses = None, []
    for number in range(12):
        waiting = shortage(waiting, WHY, GIB, lasted_s=1.0, now=1000.0 + number, now_s=float(number))
        pauses.append(waiting.not_before_s - number)
    assert pauses[:4] == [FIRST_PAUSE_S, 2.0, 4.0, 8.0]
    assert pauses[-1] == LAST_PAUSE_S
    assert waiting is not None
    assert waiting.since == 1000.0
    again = shortage(waiting, WHY, GIB, lasted_s=LASTED_S, now=2000.0, now_s=50.0)
    assert (again.leaves, again.since, again.not_before_s) == (1, 2000.0, 50.0 + FIRST_PAUSE_S)


def test_a_device_that_keeps_failing_rests_and_the_only_one_gets_to_find_the_job_that_is_to_blame() -> None:
    faults = [float(number) for number in range(MAX_LONE_FAULTS)]
    assert quarantine(faults[: MAX_FAULTS - 1], "a fault", 0.0, 9.0, only=False) is None
    outage = quarantine(faults[:MAX_FAULTS], "a fault", 5.0, 9.0, only=False)
    assert outage is not None
    assert (outage.reason.code, outage.since, outage.until_s) == (Code.QUARANTINED, 5.0, 9.0 + QUARANTINE_S)
    assert "a fault" in outage.reason.text
    assert quarantine(faults[:-1], "a fault", 0.0, 9.0, only=True) is None
    assert quarantine(faults, "a fault", 0.0, 9.0, only=True) is not None
    assert quarantine(faults, "a fault", 0.0, FAULT_WINDOW_S + 9.0, only=True) is None
    # A job that faults everywhere: twice lone on the first device, and the third time on another one.
    assert MAX_FAULTS - 1 < MAX_LONE_DEATHS < MAX_LONE_FAULTS - 1
