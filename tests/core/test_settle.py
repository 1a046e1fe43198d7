from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.codes import Code
from twofold.core.job import FileVersion
from twofold.core.settle import HOLE_PATIENCE_S, SettleTracker, Verdict

SETTLE_S = 2.0
V = FileVersion(size=10, mtime_ns=5, ctime_ns=7, inode=3)
STEPS = st.lists(st.floats(min_value=0.01, max_value=5.0), min_size=1, max_size=30)


def confirm(tracker: SettleTracker, now_s: float) -> Verdict:
    return tracker.confirm(b"a", now_s, open_for_writing=False, has_holes=False)


def still_tracker(version: FileVersion = V) -> SettleTracker:
    tracker = SettleTracker(SETTLE_S)
    tracker.observe(b"a", version, 0.0)
    return tracker


def test_a_file_is_still_after_the_window_and_not_before() -> None:
    tracker = still_tracker()
    assert tracker.observe(b"a", V, 1.9) is Verdict.MOVING
    assert tracker.observe(b"a", V, 2.0) is Verdict.STILL
    assert confirm(tracker, 2.0) is Verdict.SETTLED


@pytest.mark.parametrize("change", [{"size": 11}, {"mtime_ns": 6}, {"ctime_ns": 8}])
def test_any_change_starts_the_window_again(change: dict[str, int]) -> None:
    tracker = still_tracker()
    assert tracker.observe(b"a", replace(V, **change), 2.0) is Verdict.MOVING
    assert tracker.observe(b"a", replace(V, **change), 3.9) is Verdict.MOVING
    assert tracker.observe(b"a", replace(V, **change), 4.0) is Verdict.STILL


def test_a_renumbered_inode_is_no_change() -> None:
    assert still_tracker().observe(b"a", replace(V, inode=99), 2.0) is Verdict.STILL


def test_no_window_still_needs_two_samples() -> None:
    tracker = SettleTracker(0.0)
    assert tracker.observe(b"a", V, 1.0) is Verdict.MOVING
    assert tracker.observe(b"a", V, 1.0) is Verdict.STILL


def test_an_empty_file_is_blocked_until_it_has_bytes() -> None:
    tracker = still_tracker(replace(V, size=0))
    assert tracker.observe(b"a", replace(V, size=0), 100.0) is Verdict.EMPTY
    assert tracker.observe(b"a", V, 101.0) is Verdict.MOVING
    assert tracker.observe(b"a", V, 103.0) is Verdict.STILL


def test_a_partial_sibling_blocks_and_its_end_frees() -> None:
    tracker = still_tracker()
    assert tracker.observe(b"a", V, 50.0, partial_sibling=True) is Verdict.PARTIAL_SIBLING
    assert tracker.observe(b"a", V, 51.0) is Verdict.STILL


def test_a_writer_blocks_for_as_long_as_it_likes() -> None:
    tracker = still_tracker()
    tracker.observe(b"a", V, 5000.0)
    assert tracker.confirm(b"a", 5000.0, open_for_writing=True, has_holes=False) is Verdict.OPEN_FOR_WRITING
    assert confirm(tracker, 5001.0) is Verdict.SETTLED


def test_holes_block_but_not_for_ever() -> None:
    tracker = still_tracker()
    for now_s, verdict in (
        (2.0, Verdict.HOLES),
        (HOLE_PATIENCE_S - 1, Verdict.HOLES),
        (HOLE_PATIENCE_S, Verdict.SETTLED),
    ):
        assert tracker.observe(b"a", V, now_s) is Verdict.STILL
        assert tracker.confirm(b"a", now_s, open_for_writing=None, has_holes=True) is verdict


def test_a_file_system_that_cannot_tell_is_believed() -> None:
    tracker = still_tracker()
    tracker.observe(b"a", V, 2.0)
    assert tracker.confirm(b"a", 2.0, open_for_writing=None, has_holes=None) is Verdict.SETTLED


def test_only_moving_files_ask_for_another_look() -> None:
    tracker = SettleTracker(SETTLE_S)
    assert tracker.next_due_s(0.0) is None
    tracker.observe(b"a", V, 1.0)
    tracker.observe(b"empty", replace(V, size=0), 1.5)
    assert tracker.next_due_s(1.5) == 3.0
    assert tracker.next_due_s(9.0) == 9.0
    tracker.observe(b"a", V, 3.0)
    assert tracker.next_due_s(3.0) == 3.5
    tracker.observe(b"empty", replace(V, size=0), 3.5)
    assert tracker.next_due_s(3.5) is None


def test_forgotten_files_take_no_room_and_start_again() -> None:
    tracker = still_tracker()
    tracker.observe(b"b", V, 0.0)
    tracker.keep_only({b"b"})
    assert len(tracker) == 1
    assert tracker.observe(b"a", V, 100.0) is Verdict.MOVING


def test_every_verdict_has_words_for_people() -> None:
    for verdict in Verdict:
        assert verdict.reason.code is Code.SETTLING
        assert verdict.reason.text.endswith(".")
    assert {verdict for verdict in Verdict if verdict.blocked}.isdisjoint(
        {Verdict.MOVING, Verdict.STILL, Verdict.SETTLED}
    )


@settings(deadline=None, max_examples=150)
@given(STEPS, st.floats(min_value=0.5, max_value=3.0))
def test_a_file_that_keeps_changing_never_settles(steps: list[float], settle_s: float) -> None:
    tracker, now_s = SettleTracker(settle_s), 0.0
    for count, step in enumerate(steps):
        now_s += step
        assert tracker.observe(b"a", replace(V, size=count + 1), now_s) is Verdict.MOVING


@settings(deadline=None, max_examples=150)
@given(STEPS, STEPS, st.floats(min_value=0.0, max_value=3.0), st.integers(-(2**60), 2**60))
def test_a_file_that_stops_settles_at_the_first_look_after_the_window(
    moving: list[float], resting: list[float], settle_s: float, skew_ns: int
) -> None:
    tracker, now_s = SettleTracker(settle_s), 0.0
    for count, step in enumerate(moving):
        now_s += step
        last = replace(V, size=count + 1, mtime_ns=skew_ns - count)
        tracker.observe(b"a", last, now_s)
    stopped_s = now_s
    for step in resting:
        now_s += step
        still = tracker.observe(b"a", last, now_s) is Verdict.STILL
        assert still == (now_s - stopped_s >= settle_s)


@settings(deadline=None, max_examples=150)
@given(STEPS, st.floats(min_value=0.0, max_value=3.0))
def test_whoever_looks_when_due_looks_in_time_and_only_once_more(steps: list[float], settle_s: float) -> None:
    tracker, now_s = SettleTracker(settle_s), 0.0
    for count, step in enumerate(steps):
        now_s += step
        tracker.observe(b"a", replace(V, size=count + 1), now_s)
        due_s = tracker.next_due_s(now_s)
        assert due_s is not None
        assert due_s >= now_s
    last = replace(V, size=len(steps))
    assert tracker.observe(b"a", last, due_s + 1e-6) is Verdict.STILL
    assert tracker.next_due_s(due_s) is None
