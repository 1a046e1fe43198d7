"""When a dropped file is complete: it has been still for long enough, and nobody is writing it.

Times are seconds on a monotonic clock, as the observer of the file saw them. A file's own times are only compared for
equality, so a writer whose clock is wrong, or who preserves old times, changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.job import FileVersion

HOLE_PATIENCE_S = 600.0
"""A still file with holes is believed after this long: some file systems store runs of zeros as holes (ZFS)."""

MIN_SAMPLES = 2


class Verdict(StrEnum):
    """What is known of one file that is not settled yet, or that it is."""

    MOVING = "moving"
    STILL = "still"
    EMPTY = "empty"
    PARTIAL_SIBLING = "partial_sibling"
    OPEN_FOR_WRITING = "open_for_writing"
    HOLES = "holes"
    SETTLED = "settled"

    @property
    def blocked(self) -> bool:
        """True where time alone will not settle the file: somebody has to write, close or rename something."""
        return self in _BLOCKED

    @property
    def reason(self) -> Reason:
        """Why the file still waits, for people."""
        return Reason(Code.SETTLING, _TEXTS[self], Code.SETTLING.hint)


_BLOCKED = frozenset({Verdict.EMPTY, Verdict.PARTIAL_SIBLING, Verdict.OPEN_FOR_WRITING, Verdict.HOLES})
_TEXTS = {
    Verdict.MOVING: "The file changed a moment ago.",
    Verdict.STILL: "The file is still; it has not been opened yet.",
    Verdict.EMPTY: "The file has no bytes yet.",
    Verdict.PARTIAL_SIBLING: "An unfinished download of the same name lies beside it.",
    Verdict.OPEN_FOR_WRITING: "Another program has the file open for writing.",
    Verdict.HOLES: "Parts of the file have not been written yet.",
    Verdict.SETTLED: "The file is complete.",
}


def same_stat(one: FileVersion, other: FileVersion) -> bool:
    """True where size, mtime and ctime agree; inode numbers are hints only (FUSE and CIFS renumber them)."""
    return (one.size, one.mtime_ns, one.ctime_ns) == (other.size, other.mtime_ns, other.ctime_ns)


@dataclass(frozen=True, slots=True)
class _Watched:
    version: FileVersion
    changed_at_s: float
    samples: int = 1
    judged: bool = False
    """True once the stat has been still for long enough: from then on time alone brings nothing new."""


class SettleTracker:
    """What was last seen of each file that is not settled; one entry per file, dropped by `keep_only`."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._watched: dict[bytes, _Watched] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def observe(self, path: bytes, version: FileVersion, now_s: float, *, partial_sibling: bool = False) -> Verdict:
        """Take one stat of a file into account. STILL asks for `confirm`, which needs the file to be opened."""
        seen = self._watched.get(path)
        if seen is None or not same_stat(seen.version, version):
            self._watched[path] = _Watched(version, now_s)
            return Verdict.MOVING
        samples = min(seen.samples + 1, MIN_SAMPLES)
        still = samples >= MIN_SAMPLES and now_s - seen.changed_at_s >= self._settle_s
        self._watched[path] = _Watched(version, seen.changed_at_s, samples, still)
        if not still:
            return Verdict.MOVING
        if version.size == 0:
            return Verdict.EMPTY
        return Verdict.PARTIAL_SIBLING if partial_sibling else Verdict.STILL

    def confirm(self, path: bytes, now_s: float, *, open_for_writing: bool | None, has_holes: bool | None) -> Verdict:
        """The verdict on a STILL file after it was opened; None where the file system could not tell."""
        if open_for_writing:
            return Verdict.OPEN_FOR_WRITING
        seen = self._watched.get(path)
        if seen is None:
            return Verdict.MOVING
        if has_holes and now_s - seen.changed_at_s < max(HOLE_PATIENCE_S, self._settle_s):
            return Verdict.HOLES
        return Verdict.SETTLED

    def keep_only(self, paths: Collection[bytes]) -> None:
        """Forget every file that is not among `paths`: it vanished, or the ledger has taken it over."""
        for path in self._watched.keys() - set(paths):
            del self._watched[path]

    def next_due_s(self, now_s: float) -> float | None:
        """The earliest time, at least `now_s`, at which another look can settle a file; None where time cannot."""
        due = [seen.changed_at_s + self._settle_s for seen in self._watched.values() if not seen.judged]
        return max(now_s, min(due)) if due else None
