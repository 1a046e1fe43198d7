"""Who else works on a device, and to whom its owner wants it left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from twofold.core.quantity import about_bytes

Kind = Literal["compute", "graphics"]


@dataclass(frozen=True, slots=True)
class YieldRule:
    """To whom a device is left: to programs of these names, and to any that uses more memory or more of the time.

    Names are compared without regard to case. None: not asked for.
    """

    names: frozenset[str] = frozenset()
    used_bytes: int | None = None
    busy_percent: int | None = None

    @property
    def asks(self) -> bool:
        """False where nobody is yielded to, and no process list has to be read."""
        return bool(self.names) or self.used_bytes is not None or self.busy_percent is not None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A process on a device, as its driver tells it; None is what the driver or the kernel does not tell.

    `busy_percent` is its share of the device's time. `twofold`: it is a Twofold, ours or another one.
    `why` is a sentence, and only in the answer of `yield_to`. Process 0 stands for whoever keeps the device busy.
    """

    pid: int
    name: str | None = None
    used_bytes: int | None = None
    kind: Kind = "compute"
    busy_percent: int | None = None
    twofold: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """One look at a device; our own workers are among the processes.

    `busy_percent` is the whole device's. `foreign_pids`: the numbers are of another namespace (the host's, seen from a
    container), and cannot be compared with those of our own processes. `trouble` says why there is no list.
    """

    processes: tuple[Neighbour, ...] = ()
    busy_percent: int | None = None
    foreign_pids: bool = False
    trouble: str = ""

    @property
    def pids(self) -> frozenset[int]:
        return frozenset(one.pid for one in self.processes)


def yield_to(
    rule: YieldRule,
    neighbours: Neighbours,
    *,
    own: Collection[int] = (),
    before: Collection[int] | None = None,
) -> Neighbour | None:
    """The neighbour to whom the device is left, the heaviest where there are several; None: it is ours to use.

    `own` are the process ids of our workers on this device, as we know them. `before` are the driver's process ids at
    the last look at which no worker of ours was there (None: there was none): they tell who is ours where ids are
    foreign.

    Another Twofold is yielded to only by name: both size their work from what is free, and two that fled from each
    other would never work.
    """
    others = _others(neighbours, own, before)
    wanted = [replace(one, why=why) for one in others if (why := _why(rule, one))]
    if wanted:
        return max(wanted, key=lambda one: (one.used_bytes or 0, one.busy_percent or 0, one.pid))
    return None if own else _unnamed(rule, neighbours, others)


def _others(neighbours: Neighbours, own: Collection[int], before: Collection[int] | None) -> Sequence[Neighbour]:
    if not neighbours.foreign_pids:
        return [one for one in neighbours.processes if one.pid not in own]
    # As many of those that came since are ours as we have workers. Where more came, the smallest are taken for ours: if
    # that is wrong we leave once too often, and the next look without a worker puts it right.
    came = [one for one in neighbours.processes if one.pid not in (before or ())]
    ours = {one.pid for one in sorted(came, key=lambda one: one.used_bytes or 0)[: len(own)]}
    return [one for one in neighbours.processes if one.pid not in ours]


def _why(rule: YieldRule, one: Neighbour) -> str:
    """Empty where the rule does not mean this process."""
    who = f"{one.name or 'a process'} ({one.pid})"
    if one.name is not None and one.name.casefold() in {name.casefold() for name in rule.names}:
        return f"{who} is on the device, and yield_to names it."
    if one.twofold:
        return ""
    if rule.used_bytes is not None and one.used_bytes is not None and one.used_bytes > rule.used_bytes:
        return f"{who} uses {about_bytes(one.used_bytes)} of the device, more than {about_bytes(rule.used_bytes)}."
    if rule.busy_percent is not None and one.busy_percent is not None and one.busy_percent > rule.busy_percent:
        return f"{who} keeps the device busy for {one.busy_percent} %, more than {rule.busy_percent} %."
    return ""


def _unnamed(rule: YieldRule, neighbours: Neighbours, others: Sequence[Neighbour]) -> Neighbour | None:
    """While no worker of ours is there, all of a device's business is others', even where nobody tells whose."""
    busy_percent = neighbours.busy_percent
    if rule.busy_percent is None or busy_percent is None or busy_percent <= rule.busy_percent:
        return None
    if any(one.busy_percent is not None or one.twofold for one in others):
        return None  # each was asked for its own share
    why = f"The device is busy for {busy_percent} %, more than {rule.busy_percent} %, and not by us."
    return Neighbour(0, busy_percent=busy_percent, why=why)
