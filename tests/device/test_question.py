"""Questions that are answered, fail, or hang."""

from __future__ import annotations

import threading
import time

import pytest

from twofold.device.question import NoAnswer, Questioner

PATIENCE_S = 0.2
SECONDS = 5.0


def hangs(until: threading.Event) -> str:
    until.wait(SECONDS)
    return "late"


def wrong() -> str:
    raise ValueError("no")


def test_the_answer_or_the_error_is_the_asker_s() -> None:
    asker = Questioner(PATIENCE_S)
    assert asker.ask("a", lambda: 7) == 7
    with pytest.raises(ValueError, match="no"):
        asker.ask("a", wrong)


def test_one_thread_serves_questions_one_after_the_other() -> None:
    asker = Questioner(SECONDS)
    threads = {asker.ask("a", threading.get_ident) for _ in range(50)}
    # The thread tells its answer a moment before it is free again.
    assert len(threads) <= 2


def test_a_subject_that_hangs_is_mute_at_no_cost_until_it_answers_and_the_others_are_not() -> None:
    asker, end = Questioner(PATIENCE_S), threading.Event()
    with pytest.raises(NoAnswer):
        asker.ask("bad", lambda: hangs(end))
    threads, started_s = threading.active_count(), time.monotonic()
    for _ in range(100):
        with pytest.raises(NoAnswer):
            asker.ask("bad", lambda: "never asked")
    assert time.monotonic() - started_s < PATIENCE_S
    assert asker.ask("good", lambda: 1) == 1
    assert threading.active_count() <= threads + 1
    end.set()
    until_s = time.monotonic() + SECONDS
    while True:
        try:
            assert asker.ask("bad", lambda: "back") == "back"
            break
        except NoAnswer:
            assert time.monotonic() < until_s
            time.sleep(0.01)


def test_threads_that_hang_are_bounded() -> None:
    asker, end = Questioner(0.02, max_unanswered=3), threading.Event()
    before = threading.active_count()
    for number in range(10):
        with pytest.raises(NoAnswer):
            asker.ask(f"gpu {number}", lambda: hangs(end))
    assert threading.active_count() <= before + 3
    with pytest.raises(NoAnswer):
        asker.ask("good", lambda: 1)
    end.set()


def test_two_threads_may_ask_about_one_subject() -> None:
    asker, end, answers = Questioner(SECONDS), threading.Event(), []
    slow = threading.Thread(target=lambda: answers.append(asker.ask("a", lambda: hangs(end))))
    slow.start()
    assert asker.ask("a", lambda: "quick") == "quick"
    end.set()
    slow.join(SECONDS)
    assert answers == ["late"]
