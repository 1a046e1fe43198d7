"""Which files of a backlog are read next, and in which order: a backlog costs no copies beyond a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twofold.core.settings import Order

SPOOL_FILES = 256
SPOOL_BYTES = 20 * 2**30

BUMPED = 1001
"""A bumped job goes before every priority of the configuration, a later bump before an earlier one, up to HIGHEST."""

HIGHEST = 2047
_MIDDLE = 2**30
_LEVEL = 2**19


@dataclass(frozen=True, slots=True)
class Candidate:
    """A settled file that was not read yet; a higher `priority` goes first. `path` is relative to `inbox`."""

    inbox: str
    path: bytes
    size: int
    mtime_ns: int
    priority: int = 0


_KEYS: dict[Order, Callable[[Candidate], Any]] = {
    "newest": lambda file: -file.mtime_ns,
    "oldest": lambda file: file.mtime_ns,
    "smallest": lambda file: file.size,
    "name": lambda file: file.path,
}


def in_order(files: Iterable[Candidate], order: Order) -> list[Candidate]:
    """The files of one inbox in the order in which they are taken up; ties go by name."""
    key = _KEYS[order]
    return sorted(files, key=lambda file: (-file.priority, key(file), file.path))


def in_turn(lists: Sequence[Sequence[Candidate]], in_work: Mapping[str, int]) -> list[Candidate]:
    """The ordered files of several inboxes as one list: by priority, and inboxes of the same priority take turns.

    `in_work` says how many files of an inbox were taken up already: one that has none is served before one that has.
    """
    turns = [
        (-file.priority, in_work.get(file.inbox, 0) + turn, file) for files in lists for turn, file in enumerate(files)
    ]
    return [file for *_, file in sorted(turns, key=lambda entry: entry[:2])]


def turn_of(last: int | None, lowest: int | None) -> int:
    """The turn of the next job of an inbox (self-clocked fair queueing, Golestani 1994).

    `last` is the turn its job before got, `lowest` the lowest of all that are queued; None where there is none. So the
    jobs of one inbox keep their order, and a newcomer waits for no more than one job of every other inbox.
    """
    return max(0 if last is None else last + 1, lowest or 0)


def queue_number(priority: int, turn: int) -> int:
    """The place of a job in the queue, 1 to 2^31 - 1, smallest first; a higher `priority` (-HIGHEST to HIGHEST) always
    goes first, then the lower `turn`.
    """
    level = min(max(priority, -HIGHEST), HIGHEST)
    return _MIDDLE - level * _LEVEL + min(max(turn, 0), _LEVEL - 1)


def to_spool(
    files: Iterable[Candidate],
    *,
    spooled_files: int,
    spooled_bytes: int,
    max_files: int = SPOOL_FILES,
    max_bytes: int = SPOOL_BYTES,
) -> list[Candidate]:
    """The leading files that fit beside what is spooled already.

    The first file that does not fit ends the list, so that small files never starve a large one; a file larger than
    `max_bytes` passes when the spool is empty.
    """
    chosen = []
    for file in files:
        fits = spooled_bytes + file.size <= max_bytes or spooled_files == 0
        if not fits or spooled_files >= max_files:
            break
        chosen.append(file)
        spooled_files += 1
        spooled_bytes += file.size
    return chosen
