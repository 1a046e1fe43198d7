"""The watchdog is fed while everybody makes progress, and at no other time."""

from __future__ import annotations

import os

import pytest

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.pulse import Pace
from twofold.service.leaving import LastWords
from twofold.service.lifeline import CHUNK_BYTES, Lifeline, say
from twofold.service.pulse import Watchdog


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Fed:
    """Counts, and so stands for, the manager."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fed() -> Fed:
    return Fed()


@pytest.fixture
def watchdog(clock: Clock, fed: Fed) -> Watchdog:
    return Watchdog(fed, Pace(60), every_s=30, clock=clock)


def pass_time(watchdog: Watchdog, clock: Clock, seconds: int) -> None:
    for _ in range(seconds):
        clock.now_s += 1
        watchdog.tend()


def test_it_is_fed_at_once_and_then_at_half_the_interval(watchdog: Watchdog, clock: Clock, fed: Fed) -> None:
    watchdog.tend()
    assert fed.times == 1
    pass_time(watchdog, clock, 29)
    assert fed.times == 1
    pass_time(watchdog, clock, 1)
    assert fed.times == 2


def test_one_late_part_silences_it_until_it_beats_again(watchdog: Watchdog, clock: Clock, fed: Fed) -> None:
    slow, quick = watchdog.register("slow", 10), watchdog.register("quick", 10)
    watchdog.tend()
    for _ in range(120):
        quick.beat()
        pass_time(watchdog, clock, 1)
    assert watchdog.late() == ("slow",)
    assert fed.times == 1
    slow.beat()
    watchdog.tend()
    assert fed.times == 2


def test_a_part_that_has_ended_is_not_waited_for(watchdog: Watchdog, clock: Clock, fed: Fed) -> None:
    watchdog.register("ended", 10)
    pass_time(watchdog, clock, 20)
    assert watchdog.late() == ("ended",)
    watchdog.forget("ended")
    pass_time(watchdog, clock, 30)
    assert fed.times == 2


def test_a_part_on_a_dead_share_silences_nothing(watchdog: Watchdog, clock: Clock, fed: Fed) -> None:
    inbox = watchdog.register("inbox nas", 10)
    with inbox.away():
        pass_time(watchdog, clock, 300)
        assert fed.times == 10
        assert watchdog.absent() == {"inbox nas": 300.0}
    assert watchdog.absent() == {}
    pass_time(watchdog, clock, 11)
    assert watchdog.late() == ("inbox nas",)


def test_a_part_is_measured_only_at_work(watchdog: Watchdog, clock: Clock) -> None:
    device = watchdog.register("device", 10)
    device.rest()
    pass_time(watchdog, clock, 100)
    with device.at_work():
        assert watchdog.late() == ()
        pass_time(watchdog, clock, 11)
        assert watchdog.late() == ("device",)
    assert watchdog.late() == ()


def test_after_a_frozen_machine_nobody_is_late_at_once(watchdog: Watchdog, clock: Clock) -> None:
    watchdog.register("worker", 10)
    watchdog.tend()
    clock.now_s += 3600
    watchdog.tend()
    assert watchdog.late(grace_s=10) == ()
    pass_time(watchdog, clock, 20)
    assert watchdog.late() == ("worker",)


def test_a_lifeline_tells_signs_from_silence_and_survives_both_ends() -> None:
    lifeline = Lifeline()
    theirs = os.dup(lifeline.theirs)
    lifeline.started()
    assert not lifeline.felt()
    os.write(theirs, b"...")
    assert lifeline.felt()
    assert not lifeline.felt()
    os.close(theirs)
    assert not lifeline.felt()
    lifeline.close()


def test_last_words_are_heard_among_signs_and_after_them() -> None:
    words = LastWords(Reason(Code.LOW_MEMORY, "a { and a . do no harm", "hint"), 7)
    for before, after in ((b"", b""), (b"...", b".."), (b"." * CHUNK_BYTES, b".")):
        lifeline = Lifeline()
        theirs = os.dup(lifeline.theirs)
        lifeline.started()
        os.write(theirs, before)
        say(theirs, words.to_bytes())
        os.write(theirs, after)
        os.close(theirs)
        assert LastWords.from_bytes(lifeline.last_words()) == words
        lifeline.close()


@pytest.mark.parametrize("line", [b"", b"{", b"{}", b"[1]", b'{"reason": {"code": "none", "text": ""}}'])
def test_half_words_are_none(line: bytes) -> None:
    assert LastWords.from_bytes(line) is None
