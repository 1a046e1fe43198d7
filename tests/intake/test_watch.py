from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.intake.conftest import Folder
from twofold.core.ignore import compile_rules
from twofold.intake.original import open_original
from twofold.intake.scan import scan
from twofold.intake.watch import FIRST_BACKOFF_S, LAST_BACKOFF_S, Watcher

PATIENCE_S = 10.0
QUIET_S = 0.5


@dataclass
class Wakeups:
    """The names that were called dirty."""

    names: list[str] = field(default_factory=list)
    changed: threading.Event = field(default_factory=threading.Event)

    def __call__(self, name: str) -> None:
        self.names.append(name)
        self.changed.set()

    def clear(self) -> None:
        """Wait until all is quiet, then forget."""
        while self.changed.is_set():
            self.changed.clear()
            time.sleep(QUIET_S)
        self.names.clear()


@pytest.fixture
def wakeups() -> Wakeups:
    return Wakeups()


@pytest.fixture
def watcher(inbox: Folder, wakeups: Wakeups) -> Iterator[Watcher]:
    with warnings.catch_warnings():  # the watcher silences watchdog for the whole process
        made = Watcher({"in": inbox.root}, wakeups)
        assert made.tend(0.0) == ["in"]
        wakeups.clear()
        yield made
        made.stop()


def until(condition: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


def test_starting_to_watch_is_itself_a_wakeup(inbox: Folder) -> None:
    wakeups = Wakeups()
    watcher = Watcher({"in": inbox.root}, wakeups)
    watcher.tend(0.0)
    watcher.stop()
    assert wakeups.names == ["in"]


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda inbox: inbox.put(b"b.jpg"), id="written"),
        pytest.param(lambda inbox: os.link(inbox.at(b"a.jpg"), inbox.at(b"b.jpg")), id="linked"),
        pytest.param(lambda inbox: os.rename(inbox.at(b"a.jpg"), inbox.at(b"b.jpg")), id="renamed"),
        pytest.param(lambda inbox: os.unlink(inbox.at(b"a.jpg")), id="removed"),
        pytest.param(lambda inbox: os.chmod(inbox.at(b"a.jpg"), 0o600), id="permitted"),
        pytest.param(lambda inbox: inbox.put(b"x/y/z/\xff.jpg"), id="deep"),
        pytest.param(lambda inbox: os.rename(inbox.outside, inbox.at(b"moved")), id="folder moved in"),
    ],
)
def test_what_happens_in_the_inbox_wakes(
    inbox: Folder, wakeups: Wakeups, watcher: Watcher, act: Callable[[Folder], object]
) -> None:
    inbox.put(b"a.jpg")
    assert wakeups.changed.wait(PATIENCE_S)
    wakeups.clear()
    act(inbox)
    assert wakeups.changed.wait(PATIENCE_S)
    assert set(wakeups.names) == {"in"}
    assert watcher.alive()


def test_our_own_reading_does_not_wake_us(inbox: Folder, wakeups: Wakeups, watcher: Watcher) -> None:
    inbox.put(b"sub/a.jpg")
    assert wakeups.changed.wait(PATIENCE_S)
    wakeups.clear()
    scan(inbox.root, compile_rules())
    with open_original(inbox.root, b"sub/a.jpg") as fd:
        os.read(fd, 10)
    time.sleep(QUIET_S)
    assert wakeups.names == []
    assert watcher.mode("in") == "events"


def test_a_root_behind_a_symlink_is_watched(inbox: Folder, wakeups: Wakeups) -> None:
    link = os.path.join(inbox.outside, b"link")
    os.symlink(inbox.root, link)
    watcher = Watcher({"link": link}, wakeups)
    watcher.tend(0.0)
    wakeups.clear()
    inbox.put(b"a.jpg")
    assert wakeups.changed.wait(PATIENCE_S)
    watcher.stop()


def test_a_root_that_is_replaced_is_watched_again(inbox: Folder, wakeups: Wakeups, watcher: Watcher) -> None:
    os.rename(inbox.root, inbox.root + b"-old")
    os.mkdir(inbox.root)
    assert not watcher.alive()
    assert watcher.mode("in") == "polling"
    assert watcher.tend(FIRST_BACKOFF_S) == ["in"]
    wakeups.clear()
    inbox.put(b"a.jpg")
    assert wakeups.changed.wait(PATIENCE_S)


def test_a_deleted_root_ends_the_watch_until_it_returns(inbox: Folder, watcher: Watcher) -> None:
    os.rmdir(inbox.root)
    assert until(lambda: not watcher.alive())
    assert watcher.tend(FIRST_BACKOFF_S) == []
    assert watcher.trouble("in")
    os.mkdir(inbox.root)
    assert watcher.tend(LAST_BACKOFF_S) == ["in"]
    assert watcher.trouble("in") == ""
    assert watcher.alive()


def test_a_missing_root_is_tried_less_and_less_often_and_stops_no_other(inbox: Folder, wakeups: Wakeups) -> None:
    watcher = Watcher({"gone": inbox.at(b"gone"), "in": inbox.root}, wakeups)
    assert watcher.tend(0.0) == ["in"]
    assert watcher.mode("gone") == "polling"
    os.mkdir(inbox.at(b"gone"))
    tried_s = [now_s for now_s in range(0, 5) if os.path.isdir(inbox.at(b"gone")) and watcher.tend(now_s)]
    assert tried_s == [1]
    watcher.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_raises_costs_one_thread_and_a_restart(inbox: Folder) -> None:
    calls: list[str] = []

    def broken(name: str) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise RuntimeError

    watcher = Watcher({"in": inbox.root}, broken)
    watcher.tend(0.0)
    inbox.put(b"a.jpg")
    assert until(lambda: not watcher.alive())
    assert watcher.tend(FIRST_BACKOFF_S) == ["in"]
    assert watcher.alive()
    watcher.stop()


def test_stopping_ends_every_thread(inbox: Folder, wakeups: Wakeups) -> None:
    before = threading.active_count()
    watcher = Watcher({"in": inbox.root}, wakeups)
    watcher.tend(0.0)
    assert threading.active_count() > before
    watcher.stop()
    assert until(lambda: threading.active_count() == before)
    assert not watcher.alive()
