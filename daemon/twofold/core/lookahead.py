"""Which files of a backlog are read next, and in which order: a backlog costs no copies beyond a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from twofold.core.settings import Order

SPOOL_FILES = 256
SPOOL_BYTES = 20 * 2**30


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
