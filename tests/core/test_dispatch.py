"""Jobs go where they are done first: the laws of one decision, and what many of them come to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.dispatch import WORTH_S, Lane, better

GOLDEN = 1.619
"""Nobody who takes jobs as they come can promise less over the best on two machines (Cho and Sahni, 1980)."""

seconds = st.floats(0, 1e5, allow_nan=False)
lanes = st.builds(Lane, st.sampled_from("abcdef"), seconds, st.none() | seconds)


@given(lanes, st.lists(lanes))
def test_a_job_moves_only_to_where_it_is_done_sooner_and_nowhere_sooner_still(mine: Lane, others: list[Lane]) -> None:
    found = better(mine, others)
    if found is not None:
        assert found in others
        assert found.done_s + WORTH_S < mine.done_s
        assert found.done_s == min(lane.done_s for lane in others)
    elif mine.job_s is not None:
        assert all(lane.done_s + WORTH_S >= mine.done_s for lane in others)


@given(seconds, seconds, st.lists(lanes))
def test_an_idle_device_keeps_what_no_other_runs_faster(before_s: float, job_s: float, others: list[Lane]) -> None:
    slower = [lane for lane in others if lane.job_s is None or lane.job_s >= job_s]
    assert better(Lane("me", 0.0, job_s), slower) is None
    assert better(Lane("me", before_s, None), others) is None


def makespan_s(work: Sequence[float], speeds: Sequence[float], *, dispatch: bool) -> float:
    """Two workers pull jobs one at a time; a job that is declined waits in the other's lane."""
    free_s = [0.0] * len(speeds)
    lane: list[list[float]] = [[] for _ in speeds]
    shared = list(work)
    ended_s = 0.0
    while shared or any(lane):
        who = min((one for one in range(len(speeds)) if lane[one] or shared), key=lambda one: (free_s[one], one))
        if lane[who]:
            job = lane[who].pop(0)
        else:
            job = shared.pop(0)
            ahead = [max(0.0, free_s[one] - free_s[who]) + sum(lane[one]) / speeds[one] for one in range(len(speeds))]
            known = [Lane(str(one), ahead[one], job / speeds[one]) for one in range(len(speeds))]
            chosen = better(known[who], [other for other in known if other is not known[who]]) if dispatch else None
            if chosen is not None:
                lane[int(chosen.device)].append(job)
                continue
        free_s[who] += job / speeds[who]
        ended_s = max(ended_s, free_s[who])
    return ended_s


def best_s(work: Sequence[float], speeds: Sequence[float]) -> float:
    """The shortest possible, by trying everything."""
    return min(
        max(sum(job for job, at in zip(work, where, strict=True) if at == one) / speeds[one] for one in (0, 1))
        for where in product((0, 1), repeat=len(work))
    )


@settings(max_examples=200)
@given(st.lists(st.floats(1, 500), min_size=1, max_size=8), st.floats(1, 20))
def test_two_devices_together_are_never_far_from_the_best_possible(work: list[float], faster: float) -> None:
    speeds = (1.0, faster)
    # What a declined job costs at most is WORTH_S for each.
    assert makespan_s(work, speeds, dispatch=True) <= GOLDEN * best_s(work, speeds) + len(work) * WORTH_S


def test_a_slow_device_does_not_hold_up_the_end() -> None:
    work, speeds = [100.0] * 5, (1.0, 10.0)
    assert best_s(work, speeds) == 50.0
    assert makespan_s(work, speeds, dispatch=True) == 50.0
    assert makespan_s(work, speeds, dispatch=False) == 100.0
