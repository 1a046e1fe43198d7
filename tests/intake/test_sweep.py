"""The whole of intake but the ledger: files come, change and go; decisions follow."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

import pytest

from tests.intake.conftest import Clock, Folder, Writer, permissions_bind, start_writer
from twofold.core.ignore import compile_rules
from twofold.core.reconcile import Changed, Decision, Known, New, Settled, Touched, Vanished
from twofold.core.settle import SettleTracker, Verdict
from twofold.core.states import State
from twofold.intake.scan import RootSeen
from twofold.intake.sweep import Sweep, sweep

SETTLE_S = 2.0
RULES = compile_rules()


@dataclass
class Ledger:
    """Remembers what the decisions say, as the real one does; a settled file is done at once."""

    rows: dict[bytes, Known] = field(default_factory=dict)

    def apply(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            match decision:
                case New(path, version) | Changed(path, version):
                    self.rows[path] = Known(version, State.WAITING, settling=True)
                case Settled(path, version):
                    self.rows[path] = Known(version, State.DONE, spooled=True)
                case Touched(path, version):
                    self.rows[path] = replace(self.rows[path], version=version)
                case Vanished(path):
                    self.rows[path] = replace(self.rows[path], state=State.VANISHED, settling=False)


@dataclass
class Service:
    """What the service does with one root."""

    inbox: Folder
    clock: Clock
    ledger: Ledger = field(default_factory=Ledger)
    tracker: SettleTracker = field(default_factory=lambda: SettleTracker(SETTLE_S))
    seen: RootSeen | None = None

    def look(self, after_s: float = 0.0) -> Sweep:
        self.clock.now_s += after_s
        result = sweep(self.inbox.root, RULES, self.tracker, self.ledger.rows, previous=self.seen, clock=self.clock)
        self.seen = result.found.seen
        self.ledger.apply(result.decisions)
        return result

    def decisions(self, after_s: float = 0.0) -> list[tuple[type[Decision], bytes]]:
        return [(type(decision), decision.path) for decision in self.look(after_s).decisions]


@pytest.fixture
def service(inbox: Folder, clock: Clock) -> Service:
    return Service(inbox, clock)


def test_a_dropped_file_is_recorded_at_once_and_settles_once(service: Service) -> None:
    service.inbox.put(b"a.jpg")
    assert service.decisions() == [(New, b"a.jpg")]
    assert service.decisions(1.9) == []
    assert service.tracker.next_due_s(service.clock()) == pytest.approx(2.0)
    assert service.decisions(0.1) == [(Settled, b"a.jpg")]
    assert service.decisions(100.0) == []
    assert len(service.tracker) == 0


def test_a_file_that_grows_settles_in_its_last_version(service: Service) -> None:
    service.look()
    for size in range(1, 6):
        path = service.inbox.put(b"a.jpg", b"x" * size)
        assert (Settled, b"a.jpg") not in service.decisions(SETTLE_S)
    assert service.decisions(SETTLE_S) == [(Settled, b"a.jpg")]
    assert service.ledger.rows[b"a.jpg"].version.size == os.stat(path).st_size


def test_a_stalled_writer_is_waited_for(service: Service, writers: list[Writer]) -> None:
    writer = start_writer(service.inbox.put(b"a.jpg"), writers)
    writer.write("more")
    service.look()
    assert service.look(SETTLE_S).verdicts == {b"a.jpg": Verdict.OPEN_FOR_WRITING}
    assert service.tracker.next_due_s(service.clock()) is None
    assert service.look(1000.0).verdicts == {b"a.jpg": Verdict.OPEN_FOR_WRITING}
    writer.close()
    assert service.decisions(0.1) == [(Settled, b"a.jpg")]


def test_a_preallocated_file_is_waited_for(service: Service) -> None:
    path = service.inbox.put(b"a.jpg", b"")
    os.truncate(path, 1 << 20)
    service.look()
    assert service.look(SETTLE_S).verdicts == {b"a.jpg": Verdict.HOLES}


def test_an_empty_file_is_waited_for(service: Service) -> None:
    service.inbox.put(b"a.jpg", b"")
    service.look()
    assert service.look(SETTLE_S).verdicts == {b"a.jpg": Verdict.EMPTY}
    service.inbox.put(b"a.jpg", b"bytes")
    service.look(1.0)
    assert service.decisions(SETTLE_S) == [(Settled, b"a.jpg")]


def test_a_download_is_waited_for_until_its_marker_goes(service: Service) -> None:
    service.inbox.put(b"a.jpg")
    marker = service.inbox.put(b"a.jpg.aria2")
    service.look()
    assert service.look(SETTLE_S).verdicts == {b"a.jpg": Verdict.PARTIAL_SIBLING}
    os.unlink(marker)
    assert service.decisions(0.1) == [(Settled, b"a.jpg")]


def test_a_file_renamed_into_place_is_found(service: Service) -> None:
    hidden = service.inbox.put(b".upload.jpg")
    assert service.decisions() == []
    os.rename(hidden, service.inbox.at(b"a.jpg"))
    assert service.decisions(1.0) == [(New, b"a.jpg")]


def test_a_folder_of_files_moved_in_is_found(service: Service) -> None:
    service.look()
    Folder(service.inbox.outside).put(b"album/deep/a.jpg")
    os.rename(os.path.join(service.inbox.outside, b"album"), service.inbox.at(b"album"))
    assert service.decisions(1.0) == [(New, b"album/deep/a.jpg")]


def settled(service: Service, name: bytes = b"a.jpg") -> bytes:
    path = service.inbox.put(name)
    service.look()
    assert service.decisions(SETTLE_S) == [(Settled, name)]
    return path


def test_other_bytes_under_a_done_name_are_a_new_version(service: Service) -> None:
    settled(service)
    service.inbox.put(b"a.jpg", b"other bytes")
    assert service.decisions(1.0) == [(Changed, b"a.jpg")]
    assert service.decisions(SETTLE_S) == [(Settled, b"a.jpg")]


def test_a_storm_of_attributes_ends_in_one_look(service: Service) -> None:
    path = settled(service)
    for mode in (0o600, 0o640, 0o600, 0o640):
        os.chmod(path, mode)
        assert service.decisions(1.0) == []
    assert service.decisions(SETTLE_S) == [(Touched, b"a.jpg")]
    assert service.decisions(100.0) == []


def test_a_file_that_goes_before_it_was_read_vanishes_and_may_return(service: Service) -> None:
    path = service.inbox.put(b"a.jpg")
    service.look()
    os.unlink(path)
    assert service.decisions(1.0) == [(Vanished, b"a.jpg")]
    assert service.decisions(1.0) == []
    service.inbox.put(b"a.jpg")
    assert service.decisions(1.0) == [(New, b"a.jpg")]


def test_a_done_file_may_go(service: Service) -> None:
    os.unlink(settled(service))
    assert service.decisions(1.0) == []


def test_an_offline_root_decides_nothing_and_goes_on_where_it_was(service: Service) -> None:
    service.inbox.put(b"a.jpg")
    service.look()
    away = service.inbox.root + b"-away"
    os.rename(service.inbox.root, away)
    gone = service.look(1.0)
    assert gone.found.offline is not None
    assert gone.decisions == []
    os.rename(away, service.inbox.root)
    assert service.decisions(1.0) == [(Settled, b"a.jpg")]


def test_a_restart_forgets_only_how_long_a_file_was_still(service: Service) -> None:
    service.inbox.put(b"a.jpg")
    service.look()
    restarted = Service(service.inbox, service.clock, service.ledger)
    assert restarted.decisions(SETTLE_S) == []
    assert restarted.decisions(SETTLE_S) == [(Settled, b"a.jpg")]


@permissions_bind
def test_a_file_that_may_not_be_read_settles_so_that_reading_it_gives_the_reason(service: Service) -> None:
    os.chmod(service.inbox.put(b"a.jpg"), 0)
    service.look()
    assert service.decisions(SETTLE_S) == [(Settled, b"a.jpg")]
