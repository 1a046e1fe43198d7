from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.job import FileVersion
from twofold.core.reconcile import (
    Changed,
    Decision,
    Known,
    New,
    Settled,
    Touched,
    Vanished,
    differences,
    reconcile,
)
from twofold.core.states import State

V = FileVersion(size=10, mtime_ns=5, ctime_ns=7, inode=3)
GREW = replace(V, size=11)
TOUCHED = replace(V, ctime_ns=8)
WAITING = Known(V, State.WAITING, settling=True)
BACKLOG = Known(V, State.WAITING)
DONE = Known(V, State.DONE, spooled=True)

PATHS = st.sampled_from([b"a", b"b", b"c", b"\xff\n"])
VERSIONS = st.builds(FileVersion, st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.integers(0, 1))
ROWS = st.builds(Known, VERSIONS, st.sampled_from(State), st.just(False), st.booleans()) | st.builds(
    Known, VERSIONS, st.just(State.WAITING), st.just(True)
)


def decide(
    entries: dict[bytes, FileVersion],
    known: dict[bytes, Known],
    settled: Collection[bytes] = (),
    *,
    trusted: bool = True,
) -> list[Decision]:
    return reconcile(entries, known, differences(entries, known), settled, trusted=trusted)


def test_an_unknown_file_is_new_and_may_settle_at_once() -> None:
    assert decide({b"a": V}, {}) == [New(b"a", V)]
    assert decide({b"a": V}, {}, {b"a"}) == [New(b"a", V), Settled(b"a", V)]


def test_a_settling_row_says_nothing_until_it_settles_in_its_latest_version() -> None:
    assert decide({b"a": GREW}, {b"a": WAITING}) == []
    assert decide({b"a": GREW}, {b"a": WAITING}, {b"a"}) == [Settled(b"a", GREW)]


@pytest.mark.parametrize("state", [state for state in State if state is not State.VANISHED])
def test_a_row_that_agrees_with_its_file_brings_nothing(state: State) -> None:
    assert decide({b"a": V}, {b"a": Known(V, state)}, {b"a"}) == []
    assert decide({b"a": replace(V, inode=99)}, {b"a": Known(V, state)}, {b"a"}) == []


@pytest.mark.parametrize("state", [state for state in State if state is not State.VANISHED])
def test_other_bytes_are_a_new_version(state: State) -> None:
    for version in (GREW, replace(V, mtime_ns=6, ctime_ns=8)):
        assert decide({b"a": version}, {b"a": Known(V, state, spooled=True)}) == [Changed(b"a", version)]


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.SKIPPED])
def test_a_touched_finished_file_is_looked_at_once_it_is_still(state: State) -> None:
    known = {b"a": Known(V, state, spooled=True)}
    assert decide({b"a": TOUCHED}, known) == []
    assert decide({b"a": TOUCHED}, known, {b"a"}) == [Touched(b"a", TOUCHED)]


def test_a_touched_file_that_was_not_read_yet_settles_again() -> None:
    assert decide({b"a": TOUCHED}, {b"a": BACKLOG}) == [Changed(b"a", TOUCHED)]


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.RETRYING, State.WAITING])
def test_touching_the_original_of_a_spooled_job_changes_nothing(state: State) -> None:
    assert decide({b"a": TOUCHED}, {b"a": Known(V, state, spooled=True)}, {b"a"}) == []


def test_a_file_that_returns_is_new() -> None:
    assert decide({b"a": V}, {b"a": Known(V, State.VANISHED)}) == [New(b"a", V)]


@pytest.mark.parametrize(
    ("row", "vanishes"),
    [
        (WAITING, True),
        (BACKLOG, True),
        (Known(V, State.QUEUED), True),
        (Known(V, State.HELD), True),
        (Known(V, State.RETRYING), True),
        (Known(V, State.QUEUED, spooled=True), False),
        (Known(V, State.WAITING, spooled=True), False),
        (Known(V, State.RUNNING, spooled=True), False),
        (DONE, False),
        (Known(V, State.FAILED), False),
        (Known(V, State.CANCELLED), False),
        (Known(V, State.VANISHED), False),
    ],
)
def test_only_a_file_that_was_still_needed_vanishes(row: Known, vanishes: bool) -> None:
    assert decide({}, {b"a": row}) == ([Vanished(b"a", V)] if vanishes else [])
    assert decide({}, {b"a": row}, trusted=False) == []


def applied(known: dict[bytes, Known], decisions: list[Decision]) -> dict[bytes, Known]:
    """What a ledger makes of the decisions."""
    rows = dict(known)
    for decision in decisions:
        match decision:
            case New(path, version) | Changed(path, version):
                rows[path] = Known(version, State.WAITING, settling=True)
            case Settled(path, version):
                rows[path] = Known(version, State.QUEUED, spooled=True)
            case Touched(path, version):
                rows[path] = replace(rows[path], version=version)
            case Vanished(path):
                rows[path] = replace(rows[path], state=State.VANISHED, settling=False)
    return rows


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(PATHS, VERSIONS), st.dictionaries(PATHS, ROWS), st.booleans())
def test_once_applied_the_same_scan_brings_nothing_more(
    entries: dict[bytes, FileVersion], known: dict[bytes, Known], trusted: bool
) -> None:
    decisions = decide(entries, known, set(entries), trusted=trusted)
    assert decide(entries, applied(known, decisions), set(entries), trusted=trusted) == []


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(PATHS, VERSIONS), st.dictionaries(PATHS, ROWS))
def test_nothing_is_read_that_did_not_settle_and_nothing_vanishes_that_is_there(
    entries: dict[bytes, FileVersion], known: dict[bytes, Known]
) -> None:
    decisions = decide(entries, known)
    assert not [decision for decision in decisions if isinstance(decision, Settled | Touched)]
    assert not [decision for decision in decisions if isinstance(decision, Vanished) and decision.path in entries]


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(PATHS, ROWS))
def test_an_empty_scan_that_is_not_trusted_decides_nothing(known: dict[bytes, Known]) -> None:
    assert decide({}, known, trusted=False) == []
