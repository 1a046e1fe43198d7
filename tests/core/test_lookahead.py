from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.cadence import MIN_GAP_S, next_scan_s
from twofold.core.lookahead import BUMPED, HIGHEST, Candidate, in_order, in_turn, queue_number, to_spool, turn_of
from twofold.core.settings import Order

FILES = st.lists(
    st.builds(
        Candidate, st.just("in"), st.binary(max_size=3), st.integers(0, 50), st.integers(0, 9), st.integers(-1, 1)
    ),
    max_size=12,
)


def file(path: bytes, size: int = 1, mtime_ns: int = 0, priority: int = 0) -> Candidate:
    return Candidate("in", path, size, mtime_ns, priority)


@pytest.mark.parametrize(
    ("order", "paths"),
    [("newest", b"cba"), ("oldest", b"abc"), ("smallest", b"bca"), ("name", b"abc")],
)
def test_the_owner_chooses_the_order(order: Order, paths: bytes) -> None:
    files = [file(b"a", 9, 1), file(b"b", 2, 2), file(b"c", 5, 3)]
    assert b"".join(one.path for one in in_order(files, order)) == paths


def test_priority_goes_before_order() -> None:
    assert in_order([file(b"a"), file(b"b", priority=1)], "name")[0].path == b"b"


def test_the_spool_takes_what_fits() -> None:
    files = [file(b"a", 60), file(b"b", 40), file(b"c", 1)]
    assert to_spool(files, spooled_files=0, spooled_bytes=0, max_bytes=100) == files[:2]
    assert to_spool(files, spooled_files=3, spooled_bytes=0, max_files=4) == files[:1]


def test_a_file_larger_than_the_spool_passes_alone() -> None:
    giant = file(b"giant", 500)
    assert to_spool([giant, file(b"b")], spooled_files=0, spooled_bytes=0, max_bytes=100) == [giant]
    assert to_spool([giant, file(b"b")], spooled_files=1, spooled_bytes=1, max_bytes=100) == []


@settings(deadline=None, max_examples=200)
@given(FILES, st.integers(0, 3), st.integers(1, 5), st.integers(1, 100))
def test_the_bounds_hold_and_the_front_is_never_starved(
    files: list[Candidate], spooled_files: int, max_files: int, max_bytes: int
) -> None:
    chosen = to_spool(
        files, spooled_files=spooled_files, spooled_bytes=spooled_files, max_files=max_files, max_bytes=max_bytes
    )
    total = spooled_files + sum(one.size for one in chosen)
    assert chosen == files[: len(chosen)]
    assert len(chosen) + spooled_files <= max(max_files, spooled_files)
    assert total <= max_bytes or len(chosen) + spooled_files <= 1 or not chosen
    if files and spooled_files == 0:
        assert chosen


def test_an_idle_root_is_scanned_periodically() -> None:
    assert next_scan_s(100.0, cost_s=0.1, dirty=False, due_s=None, every_s=60.0) == 160.0


def test_a_costly_scan_comes_less_often_unless_the_owner_said_how_often() -> None:
    assert next_scan_s(0.0, cost_s=0.1, dirty=False, due_s=None, every_s=10.0) == 20.0
    assert next_scan_s(0.0, cost_s=0.1, dirty=False, due_s=None, every_s=10.0, stretch=False) == 10.0


def test_an_event_or_a_settling_file_brings_the_scan_forward_within_bounds() -> None:
    assert next_scan_s(100.0, cost_s=0.0, dirty=True, due_s=None, every_s=60.0) == 100.0 + MIN_GAP_S
    assert next_scan_s(100.0, cost_s=0.1, dirty=True, due_s=None, every_s=60.0) == 101.0
    assert next_scan_s(100.0, cost_s=0.0, dirty=False, due_s=102.0, every_s=60.0) == 102.0
    assert next_scan_s(100.0, cost_s=0.0, dirty=False, due_s=900.0, every_s=60.0) == 160.0


def test_inboxes_take_turns_and_priority_goes_first() -> None:
    large = [Candidate("large", b"%d" % number, 1, 0) for number in range(4)]
    small = [Candidate("small", b"a", 1, 0)]
    urgent = [Candidate("urgent", b"u", 1, 0, priority=1)]
    turns = in_turn([large, small, urgent], {})
    assert [file.inbox for file in turns] == ["urgent", "large", "small", "large", "large", "large"]
    # What an inbox has in work already counts.
    assert in_turn([large, small], {"large": 200})[0].inbox == "small"


@given(st.lists(FILES, max_size=4), st.integers(0, 300))
def test_taking_turns_loses_nobody_and_keeps_each_inbox_in_order(lists: list[list[Candidate]], busy: int) -> None:
    named = [
        [Candidate(str(index), file.path, file.size, file.mtime_ns, file.priority) for file in in_order(files, "name")]
        for index, files in enumerate(lists)
    ]
    turns = in_turn(named, {"0": busy})
    for index, files in enumerate(named):
        assert [file for file in turns if file.inbox == str(index)] == files


@given(st.integers(-HIGHEST, HIGHEST), st.integers(-HIGHEST, HIGHEST), st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_queue_number_is_legal_and_priority_always_wins(one: int, other: int, turn: int, later: int) -> None:
    first, second = queue_number(one, turn), queue_number(other, later)
    assert 1 <= first < 2**31
    if one > other:
        assert first < second
    elif one == other and turn < later:
        assert first <= second
    assert queue_number(BUMPED, 10**9) < queue_number(1000, 0)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=60))
def test_turns_keep_the_order_of_an_inbox_and_let_no_newcomer_wait_long(steps: list[tuple[int, bool]]) -> None:
    queue: list[tuple[int, int, int]] = []  # turn, arrival, inbox
    last: dict[int, int] = {}
    for arrival, (inbox, served) in enumerate(steps):
        if served and queue:
            queue.remove(min(queue))
            continue
        queued = [turn for turn, _, owner in queue if owner == inbox]
        mine = turn_of(last.get(inbox) if queued else None, min((turn for turn, *_ in queue), default=None))
        assert all(mine > turn for turn in queued)
        if not queued:
            # No other inbox has more than one job that goes before the newcomer.
            for other in {owner for *_, owner in queue}:
                assert sum(turn <= mine for turn, _, owner in queue if owner == other) <= 1
        last[inbox] = mine
        queue.append((mine, arrival, inbox))
