"""What becomes of a job after trouble: which state, when again, and who is to blame for a dead worker."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.states import State

INTERVALS_S = (10.0, 60.0, 300.0, 1800.0)  # the last one repeats
JITTER = 0.2  # of an interval, either way: a thousand jobs that failed together do not come back together
MAX_ATTEMPTS = 8  # about two and a half hours of trying
MAX_LONE_DEATHS = 3

# Somebody else's trouble, whole inboxes at a time: such jobs are never given up.
UNLIMITED = frozenset(
    {
        Code.MISSING_MODEL,
        Code.MODEL_CHANGED,
        Code.MISSING_EXTRA,
        Code.NO_DEVICE,
        Code.DISK_FULL,
        Code.OUTBOX_MISSING,
        Code.LOW_MEMORY,
        Code.READ_FAILED,
        Code.INBOX_OFFLINE,
    }
)
# Of these, the ones that lack something here rather than met an error: they wait.
WAITING = UNLIMITED - {Code.READ_FAILED}
SKIPPED = frozenset(
    {
        Code.EMPTY,
        Code.ANIMATED,
        Code.NO_PAGES,
        Code.ALREADY_LARGE,
        Code.OUTPUT_EXISTS,
        Code.OWN_RESULT,
        Code.UNCHANGED,
        Code.RECIPE_KEPT,
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state and reason a job gets; `after_s` is the time until the next attempt, None where there is none."""

    state: State
    reason: Reason
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Blame:
    """What a worker's death leaves on one of its jobs; `deaths` counts those that it died alone."""

    deaths: int
    alone: bool
    failed: bool


def backoff_s(attempts: int, jitter: float) -> float:
    """Seconds until the next attempt after `attempts` (>= 1) failed ones; `jitter` is a random number in [0, 1)."""
    interval_s = INTERVALS_S[min(max(attempts, 1), len(INTERVALS_S)) - 1]
    return interval_s * (1 - JITTER + 2 * JITTER * jitter)


def decide(reason: Reason, attempts: int, *, jitter: float, retryable: bool | None = None) -> Outcome:
    """What follows after `attempts` (>= 1, this one included) ended in `reason`.

    `retryable` is the error's own word, where it differs from its code's. `jitter` is a random number in [0, 1).
    """
    code = reason.code
    if code is Code.CANCELLED:
        return Outcome(State.CANCELLED, reason)
    if code is Code.VANISHED:
        return Outcome(State.VANISHED, reason)
    if code in SKIPPED:
        return Outcome(State.SKIPPED, reason)
    if not (code.retryable if retryable is None else retryable):
        return Outcome(State.FAILED, reason)
    if code in UNLIMITED:
        # A neighbour's pauses are short: who looks for one every half an hour never sees it.
        asked = 1 if code is Code.LOW_MEMORY else attempts
        return Outcome(State.WAITING if code in WAITING else State.RETRYING, reason, backoff_s(asked, jitter))
    if attempts < MAX_ATTEMPTS:
        return Outcome(State.RETRYING, reason, backoff_s(attempts, jitter))
    text = f"{code}, {attempts} times in a row: {reason.text}"
    return Outcome(State.FAILED, Reason(Code.RETRIES_EXHAUSTED, text, reason.hint or Code.RETRIES_EXHAUSTED.hint))


def blame(deaths: int, active: int) -> Blame:
    """Judge one job after its worker died with `active` (>= 1) jobs running, this one among them.

    `deaths` are its lone deaths so far (reset by whoever sees a pass or a band complete). With several active nobody
    knows whose fault it was: each is run alone next, and only a job that dies alone is counted.
    """
    if active == 1:
        deaths += 1
    return Blame(deaths, alone=True, failed=deaths >= MAX_LONE_DEATHS)
