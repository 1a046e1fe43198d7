"""Why a device gets no worker although there is work: for how long, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.memory import DeviceKind, MemoryPolicy, MemoryReading, plan_budget
from twofold.core.retry import MAX_LONE_DEATHS

FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 60.0
"""Between two workers that leave for want of memory: what they are told free may not be what they can get."""

LASTED_S = 60.0
"""A worker that stayed for so long got on: the next pause is short again."""

OVERHEAD_BYTES: dict[DeviceKind, int] = {"cuda": 512 << 20, "cpu": 0}
"""What a fresh worker takes before its first batch, and its batch then lacks: on CUDA the context (290-670 MB)."""

FAULT_WINDOW_S = 600.0
MAX_FAULTS = 3
"""Within the window; one less than what fails a job that faults wherever it runs, so that others get to try it."""

MAX_LONE_FAULTS = MAX_LONE_DEATHS + 2
"""Of the only device: enough to find out whether it is a job's fault (one in company, then its lone ones)."""

QUARANTINE_S = 600.0


@dataclass(frozen=True, slots=True)
class Shortage:
    """A worker left because not even one smallest tile fitted.

    `need_bytes` is what that tile adds, `since` is in epoch seconds, `not_before_s` on the monotonic clock; `leaves`
    counts such ends in a row.
    """

    reason: Reason
    need_bytes: int
    since: float
    not_before_s: float
    leaves: int = 1

    def over(self, reading: MemoryReading, policy: MemoryPolicy, kind: DeviceKind, now_s: float) -> bool:
        """True where a worker may try again. The empty device always has room: the rest of the want is only a guess."""
        if now_s < self.not_before_s:
            return False
        wanted_bytes = self.need_bytes + OVERHEAD_BYTES[kind]
        return plan_budget(reading, policy, kind).bytes >= min(wanted_bytes, most_bytes(reading, policy, kind))


def shortage(
    before: Shortage | None, reason: Reason, need_bytes: int, *, lasted_s: float, now: float, now_s: float
) -> Shortage:
    """After a worker that lived for `lasted_s` left; `before` is why the one before it did, if it did."""
    leaves = 1 if before is None or lasted_s >= LASTED_S else before.leaves + 1
    since = now if before is None or leaves == 1 else before.since
    return Shortage(reason, need_bytes, since, now_s + min(LAST_PAUSE_S, FIRST_PAUSE_S * 2 ** (leaves - 1)), leaves)


def most_bytes(reading: MemoryReading, policy: MemoryPolicy, kind: DeviceKind) -> int:
    """What a batch could ever add here: the budget of the device with nobody on it."""
    return plan_budget(MemoryReading(reading.total_bytes, reading.total_bytes), policy, kind).bytes


@dataclass(frozen=True, slots=True)
class Yielded:
    """A device that is left to somebody; `seen_s` (monotonic) is when the neighbour was last there."""

    reason: Reason
    since: float
    seen_s: float


@dataclass(frozen=True, slots=True)
class Outage:
    """A device that is out: lost until it answers again, or (`until_s`, monotonic) in quarantine."""

    reason: Reason
    since: float
    until_s: float | None = None


def quarantine(faults_s: Sequence[float], last: str, now: float, now_s: float, *, only: bool) -> Outage | None:
    """What the faults of a device (monotonic seconds; `last` is the text of the last one) come to.

    `only`: no other device could take its jobs.
    """
    recent = sum(1 for fault_s in faults_s if now_s - fault_s <= FAULT_WINDOW_S)
    if recent < (MAX_LONE_FAULTS if only else MAX_FAULTS):
        return None
    text = (
        f"{recent} workers failed on the device within {FAULT_WINDOW_S / 60:g} minutes (the last one: {last});"
        f" it rests for {QUARANTINE_S / 60:g}"
    )
    return Outage(Reason(Code.QUARANTINED, text, Code.QUARANTINED.hint), now, now_s + QUARANTINE_S)
