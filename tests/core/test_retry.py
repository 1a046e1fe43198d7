from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.retry import INTERVALS_S, MAX_ATTEMPTS, MAX_LONE_DEATHS, UNLIMITED, backoff_s, blame, decide
from twofold.core.states import State

jitters = st.floats(0, 1, exclude_max=True)


def test_intervals_grow_and_the_last_one_repeats():
    assert [backoff_s(attempts, 0.5) for attempts in range(1, 7)] == [10, 60, 300, 1800, 1800, 1800]


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 10**6), jitters)
def test_jitter_moves_an_interval_by_a_fifth_at_most(attempts, jitter):
    interval = INTERVALS_S[min(attempts, len(INTERVALS_S)) - 1]
    assert 0.8 * interval <= backoff_s(attempts, jitter) <= 1.2 * interval


@pytest.mark.parametrize("code", [Code.UNEXPECTED, Code.VERIFY_FAILED, Code.DELIVERY_FAILED, Code.OUT_OF_MEMORY])
def test_passing_trouble_is_retried_so_often_and_then_fails(code):
    reason = Reason(code, "what happened", "what to do")
    for attempts in range(1, MAX_ATTEMPTS):
        outcome = decide(reason, attempts, jitter=0.5)
        assert (outcome.state, outcome.reason) == (State.RETRYING, reason)
        assert outcome.after_s == backoff_s(attempts, 0.5)
    last = decide(reason, MAX_ATTEMPTS, jitter=0.5)
    assert (last.state, last.after_s, last.reason.code) == (State.FAILED, None, Code.RETRIES_EXHAUSTED)
    assert "what happened" in last.reason.text
    assert code.value in last.reason.text
    assert last.reason.hint == "what to do"


@pytest.mark.parametrize("code", sorted(UNLIMITED))
def test_trouble_of_the_surroundings_is_never_given_up(code):
    outcome = decide(Reason(code, ""), 10_000, jitter=0.5)
    # Memory is looked for as often as at first: a neighbour's pauses are short.
    assert outcome.after_s == INTERVALS_S[0 if code is Code.LOW_MEMORY else -1]
    assert outcome.state is (State.RETRYING if code is Code.READ_FAILED else State.WAITING)


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (Code.DAMAGED, State.FAILED),
        (Code.NOT_FINITE, State.FAILED),
        (Code.NEEDS_BACKGROUND, State.FAILED),
        (Code.KILLS_WORKER, State.FAILED),
        (Code.EMPTY, State.SKIPPED),
        (Code.ANIMATED, State.SKIPPED),
        (Code.ALREADY_LARGE, State.SKIPPED),
        (Code.OUTPUT_EXISTS, State.SKIPPED),
        (Code.CANCELLED, State.CANCELLED),
        (Code.VANISHED, State.VANISHED),
    ],
)
def test_the_rest_is_settled_at_once(code, state):
    reason = Reason(code, "text")
    outcome = decide(reason, 1, jitter=0.0)
    assert (outcome.state, outcome.reason, outcome.after_s) == (state, reason, None)


def test_an_error_may_know_better_than_its_code():
    assert decide(Reason(Code.CODEC_FAILED, ""), 1, jitter=0.0, retryable=True).state is State.RETRYING
    assert decide(Reason(Code.DELIVERY_FAILED, ""), 1, jitter=0.0, retryable=False).state is State.FAILED


@pytest.mark.parametrize("code", list(Code))
def test_a_time_is_given_exactly_where_the_job_goes_on(code):
    outcome = decide(Reason(code, ""), 1, jitter=0.5)
    assert (outcome.after_s is None) == outcome.state.settled


def test_the_third_lone_death_is_the_last():
    deaths = 0
    verdicts = []
    for _ in range(MAX_LONE_DEATHS):
        verdict = blame(deaths, active=1)
        deaths = verdict.deaths
        verdicts.append(verdict.failed)
    assert verdicts == [False, False, True]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(2, 16), max_size=20))
def test_jobs_that_die_in_company_run_alone_and_are_not_counted(companies):
    deaths = 0
    for active in companies:
        verdict = blame(deaths, active)
        assert (verdict.deaths, verdict.alone, verdict.failed) == (0, True, False)
        deaths = verdict.deaths
