"""Which of several devices a job goes to: where it is done first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WORTH_S = 2.0
"""A job goes to another device only where it is done so much sooner: a move costs a moment, and speeds vary."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One device as one job sees it: `before_s` of work that it has already taken, `job_s` for this one.

    `job_s` is None where the device cannot run it, or nobody knows yet how fast.
    """

    device: str
    before_s: float
    job_s: float | None

    @property
    def done_s(self) -> float:
        """Seconds from now until the job would be done here."""
        return float("inf") if self.job_s is None else self.before_s + self.job_s


def better(mine: Lane, others: Iterable[Lane]) -> Lane | None:
    """The lane in which the job is done first, where that is not `mine`; None: it stays.

    Workers pull, and each asks this of a job that it has just pulled: a slow device that declines what a faster one has
    done sooner all the same is free for the next job. A device that was never measured with these networks takes what
    it pulls, which measures it.
    """
    if mine.job_s is None:
        return None
    best = min(others, key=lambda lane: (lane.done_s, lane.device), default=mine)
    return best if best.done_s + WORTH_S < mine.done_s else None
