"""To whom a device is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.neighbours import Neighbour, Neighbours, YieldRule, yield_to

GIB = 1 << 30
PLEX = Neighbour(40, "Plex Transcoder", GIB, busy_percent=20)
XORG = Neighbour(42, "Xorg", 100, "graphics", busy_percent=1)
WORKER = Neighbour(50, "python3", 8 * GIB, busy_percent=95, twofold=True)
STRANGER = Neighbour(60, None, 3 * GIB)
ALL = Neighbours((PLEX, XORG, WORKER, STRANGER), busy_percent=97)


def who(rule: YieldRule, neighbours: Neighbours, **more: object) -> tuple[int, str] | None:
    found = yield_to(rule, neighbours, **more)  # type: ignore[arg-type]  # passed on as given
    return None if found is None else (found.pid, found.why)


def test_without_a_rule_nobody_is_yielded_to() -> None:
    assert not YieldRule().asks
    assert who(YieldRule(), ALL) is None


def test_a_name_is_enough_and_its_case_does_not_matter() -> None:
    rule = YieldRule(frozenset({"PLEX transcoder", "ollama"}))
    assert who(rule, ALL) == (40, "Plex Transcoder (40) is on the device, and yield_to names it.")
    assert who(rule, Neighbours((XORG, WORKER, STRANGER))) is None


def test_memory_and_time_have_to_be_more_than_the_rule_says() -> None:
    assert who(YieldRule(used_bytes=GIB), Neighbours((PLEX, XORG))) is None
    assert who(YieldRule(used_bytes=GIB // 2), Neighbours((PLEX, XORG))) == (
        40,
        "Plex Transcoder (40) uses 1.0 GiB of the device, more than 512 MiB.",
    )
    assert who(YieldRule(busy_percent=20), Neighbours((PLEX, XORG))) is None
    assert who(YieldRule(busy_percent=19), Neighbours((PLEX, XORG))) == (
        40,
        "Plex Transcoder (40) keeps the device busy for 20 %, more than 19 %.",
    )


def test_the_heaviest_is_the_one_that_is_named() -> None:
    assert who(YieldRule(used_bytes=2 * GIB), ALL, own={50}) == (
        60,
        "a process (60) uses 3.0 GiB of the device, more than 2.0 GiB.",
    )


def test_what_is_not_told_is_not_held_against_anybody() -> None:
    silent = Neighbours((Neighbour(9), Neighbour(10, "x")))
    assert who(YieldRule(frozenset({"y"}), used_bytes=0, busy_percent=0), silent) is None


def test_our_workers_are_no_neighbours_and_another_twofold_is_one_only_by_name() -> None:
    rule = YieldRule(used_bytes=4 * GIB)
    assert who(rule, Neighbours((WORKER,)), own={50}) is None
    assert who(rule, Neighbours((WORKER,))) is None
    assert who(YieldRule(frozenset({"python3"})), Neighbours((WORKER,))) is not None


def test_in_a_container_those_who_came_with_our_worker_are_ours() -> None:
    rule = YieldRule(used_bytes=GIB)
    there = Neighbour(1000, None, GIB)
    ours = Neighbour(1001, None, 9 * GIB)
    seen = Neighbours((there, ours), foreign_pids=True)
    assert who(rule, seen, own={7}, before={1000}) is None
    assert who(rule, seen, own=(), before={1000}) is not None


def test_in_a_container_somebody_who_came_at_the_same_time_is_not_missed() -> None:
    rule = YieldRule(used_bytes=GIB)
    small, large = Neighbour(1001, None, 2), Neighbour(1002, None, 2 * GIB)
    assert yield_to(rule, Neighbours((large, small), foreign_pids=True), own={7}, before=()) is not None


def test_a_busy_device_is_left_alone_where_nobody_tells_who_keeps_it_busy() -> None:
    rule = YieldRule(busy_percent=50)
    assert who(rule, Neighbours(busy_percent=51)) == (0, "The device is busy for 51 %, more than 50 %, and not by us.")
    assert who(rule, Neighbours(busy_percent=50)) is None
    assert who(rule, Neighbours(busy_percent=51), own={50}) is None  # that may be us
    assert who(rule, Neighbours((PLEX,), busy_percent=51)) is None  # it told its own share


PROCESSES = st.lists(
    st.builds(
        Neighbour,
        pid=st.integers(1, 30),
        name=st.none() | st.sampled_from(["a", "b"]),
        used_bytes=st.none() | st.integers(0, 5),
        busy_percent=st.none() | st.integers(0, 100),
    ),
    unique_by=lambda one: one.pid,
    max_size=6,
)


@given(PROCESSES, st.sets(st.integers(1, 30)), st.integers(0, 5), st.integers(0, 5))
def test_a_laxer_rule_yields_to_nobody_new(found: list[Neighbour], own: set[int], one: int, other: int) -> None:
    strict, lax = sorted((one, other))
    seen = Neighbours(tuple(found))
    if yield_to(YieldRule(used_bytes=strict), seen, own=own) is None:
        assert yield_to(YieldRule(used_bytes=lax), seen, own=own) is None
    yielded = yield_to(YieldRule(frozenset("a"), strict, 50), seen, own=own)
    assert yielded is None or (yielded.pid not in own and yielded.why)


@pytest.mark.parametrize(
    ("rule", "asks"),
    [(YieldRule(used_bytes=0), True), (YieldRule(busy_percent=0), True), (YieldRule(frozenset({"x"})), True)],
)
def test_any_part_of_a_rule_asks(rule: YieldRule, asks: bool) -> None:
    assert rule.asks is asks
