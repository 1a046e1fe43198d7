"""A device is starved while pictures are in hand and none runs, and only then."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from twofold.service.turn import DeviceTurn


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_what_is_done_before_the_turn_keeps_the_device_waiting() -> None:
    clock = Clock()
    turn = DeviceTurn(clock)
    clock.now_s = 5  # nothing in hand: idle
    turn.take_up()
    clock.now_s = 7  # decoding
    with turn.held() as starved_s:
        assert starved_s == 2
        turn.take_up()
        clock.now_s = 11  # a second picture is decoded meanwhile
    clock.now_s = 11.5
    with turn.held() as starved_s:
        assert starved_s == 0.5
    turn.put_down()
    clock.now_s = 20  # the last one is encoded, and nobody comes
    turn.put_down()
    clock.now_s = 100
    turn.take_up()
    with turn.held() as starved_s:
        assert starved_s == 0


def test_a_device_is_idle_once_the_last_picture_is_put_down_and_no_other_runs() -> None:
    idle = []
    turn = DeviceTurn(on_idle=lambda: idle.append(True))
    turn.take_up()
    turn.take_up()
    with turn.held():
        pass
    turn.put_down()
    assert idle == []
    turn.put_down()
    assert idle == [True]
    turn.take_up()
    with turn.held():
        turn.put_down()
    assert idle == [True]


def test_one_at_a_time_and_waiting_for_a_turn_is_no_starvation() -> None:
    turn = DeviceTurn()
    together = threading.Barrier(4)
    running = []

    def picture(_number: int) -> float:
        turn.take_up()
        together.wait(10)
        with turn.held() as starved_s:
            running.append(len(running))
            assert running == [0]
            threading.Event().wait(0.05)
            running.clear()
        return starved_s

    with ThreadPoolExecutor(4) as pool:
        starved_s = sorted(pool.map(picture, range(4)))
    assert sum(starved_s[:3]) < 0.05  # the gaps between turns
