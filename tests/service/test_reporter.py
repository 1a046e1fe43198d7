"""What a run tells of itself: speeds that are true, and inboxes in trouble."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.jobs.samples import NOW, Standing, enqueue, new_job
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.states import InboxState
from twofold.jobs.board import Board, InboxStanding
from twofold.jobs.pauses import Pauses
from twofold.service.inlet import InletState
from twofold.service.progress import Reporter
from twofold.service.speed import Speedometer

OFFLINE = Reason(Code.INBOX_OFFLINE, "The inbox cannot be listed: No such file or directory.")


def reporter(state: Standing) -> Reporter:
    return Reporter(state.ledger, state.path, {}, now=NOW)


def test_a_speed_counts_every_pixel_once() -> None:
    speed = Speedometer()
    speed.look(0, {"a": 0}, {})
    speed.look(1, {"a": 500, "b": 100}, {})
    speed.look(2, {"b": 300}, {"a": 1000})
    assert (speed.total(), speed.of("b"), speed.of("a")) == (650, 200, None)
    speed.look(4, {}, {"b": 1000, "never seen": 300})
    assert speed.total() == 2300 / 4


def test_what_was_done_before_is_no_speed_of_now() -> None:
    speed = Speedometer()
    speed.look(0, {}, {})
    speed.look(1, {"resumed": 900}, {}, {"resumed"})
    speed.look(2, {}, {"resumed": 1000})
    assert speed.total() == 100 / 2


def test_an_inbox_in_trouble_is_told_once_and_so_is_its_recovery(state: Standing) -> None:
    one = reporter(state)
    assert one.snapshot({"photos": InletState(sweeps=1)}).inboxes == ()
    lost = {"photos": InletState(InboxState.OFFLINE, OFFLINE, sweeps=2)}
    assert one.snapshot(lost).inboxes == (("photos", InboxState.OFFLINE, OFFLINE),)
    assert one.snapshot(lost).inboxes == ()
    assert one.snapshot({"photos": InletState(sweeps=3)}).inboxes == (("photos", InboxState.OK, None),)


def test_a_paused_inbox_is_told_and_a_read_only_one_is_not(state: Standing) -> None:
    readonly = Reason(Code.INBOX_READONLY, Code.INBOX_READONLY.meaning)
    board = Board(state.engine)
    for name in ("photos", "scans"):
        board.record_inbox(InboxStanding(name, b"/in", b"/out", InboxState.OK))
    Pauses(state.engine).begin("photos", until=None, release_gpu=False, now=NOW)
    standing = {"photos": InletState(sweeps=1), "scans": InletState(InboxState.READONLY, readonly, sweeps=1)}
    (news,) = reporter(state).snapshot(standing).inboxes
    paused = Code.INBOX_PAUSED
    assert news == ("photos", InboxState.PAUSED, Reason(paused, paused.meaning, paused.hint))


def test_a_running_job_says_where_it_is(state: Standing) -> None:
    one = reporter(state)
    job_id = enqueue(state, new_job())
    state.ledger.start(job_id, 1, "local/cpu", NOW + 1)
    (job,) = one.snapshot().active
    assert (job.headway.stage, job.headway.passes) == ("preparing", 2)
    state.ledger.record_progress(job_id, 0, passes_done=1, fraction=0.2)
    (job,) = one.snapshot().active
    assert (job.headway.stage, job.headway.pass_index, job.fraction) == ("enlarging", 2, 0.2)
    assert job.eta_s is None
    assert replace(job, px_per_s=120.0).eta_s == pytest.approx((1200 + 4800) * 0.8 / 120)
