"""Each ending is told once, also those that are written late."""

from __future__ import annotations

from tests.jobs.samples import NOW, Standing, enqueue, new_job
from twofold.core.states import State
from twofold.service.endings import OVERLAP_S, Endings


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def end(state: Standing, name: bytes, at: float) -> None:
    assert state.ledger.conclude(enqueue(state, new_job(name)), State.FAILED, None, at)


def names(endings: Endings) -> list[bytes]:
    return [job.path for job in endings.fresh()]


def test_each_is_told_once_however_late_it_is_written(state: Standing) -> None:
    end(state, b"before.jpg", NOW - 1)
    clock = Clock()
    endings = Endings(state.ledger, clock)
    assert names(endings) == []
    clock.now = NOW + 10
    end(state, b"second.jpg", NOW + 9)
    assert names(endings) == [b"second.jpg"]
    end(state, b"first.jpg", NOW + 8)  # stamped before, committed after
    end(state, b"same moment.jpg", NOW + 9)
    assert sorted(names(endings)) == [b"first.jpg", b"same moment.jpg"]
    assert names(endings) == []
    clock.now = NOW + 10 * OVERLAP_S
    end(state, b"much later.jpg", NOW + 9 * OVERLAP_S)
    assert names(endings) == [b"much later.jpg"]
    assert names(endings) == []


def test_a_clock_that_is_set_back_hides_nothing(state: Standing) -> None:
    clock = Clock()
    endings = Endings(state.ledger, clock)
    end(state, b"ahead.jpg", NOW + 3600)
    assert names(endings) == [b"ahead.jpg"]
    end(state, b"after the step.jpg", NOW + 1)
    assert names(endings) == [b"after the step.jpg"]


def test_a_job_that_ends_again_is_told_again(state: Standing) -> None:
    clock = Clock()
    endings = Endings(state.ledger, clock)
    end(state, b"a.jpg", NOW + 1)
    assert names(endings) == [b"a.jpg"]
    job_id = new_job(b"a.jpg").id
    assert state.ledger.retry(job_id)
    assert state.ledger.conclude(job_id, State.FAILED, None, NOW + 2)
    assert names(endings) == [b"a.jpg"]
