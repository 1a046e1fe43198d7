"""From what a scan found and what the ledger knows to what has to be recorded.

The scan is the truth about files, the ledger about work. A decision may be applied twice: it is drawn anew from the
same facts until the ledger has taken it in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from twofold.core.job import FileVersion
from twofold.core.settle import same_stat
from twofold.core.states import State


@dataclass(frozen=True, slots=True)
class Known:
    """The newest row of a path: its version and state, whether it waits to settle, whether its bytes were spooled."""

    version: FileVersion
    state: State
    settling: bool = False
    spooled: bool = False


@dataclass(frozen=True, slots=True)
class New:
    """A file that the ledger does not know: a row in `waiting: settling`."""

    path: bytes
    version: FileVersion


@dataclass(frozen=True, slots=True)
class Changed:
    """Other bytes stand under a known name: a new version in `waiting: settling`."""

    path: bytes
    version: FileVersion


@dataclass(frozen=True, slots=True)
class Settled:
    """The file is complete in this version: it may be spooled."""

    path: bytes
    version: FileVersion


@dataclass(frozen=True, slots=True)
class Touched:
    """Only the ctime of a finished file changed: it is made again if its bytes differ or its output is gone.

    The row has to take this version in, or the same decision comes again.
    """

    path: bytes
    version: FileVersion


@dataclass(frozen=True, slots=True)
class Vanished:
    """A file went away before it was read. The row may have been spooled since: check that where it is applied."""

    path: bytes
    version: FileVersion


Decision = New | Changed | Settled | Touched | Vanished


class Difference(Enum):
    """How a file that was found differs from its row."""

    NEW = auto()
    SETTLING = auto()
    CHANGED = auto()
    TOUCHED = auto()


_READ_LATER = frozenset({State.WAITING, State.QUEUED, State.RETRYING, State.HELD})
"""States in which a row that was not spooled still needs its original."""

_FINISHED = frozenset({State.DONE, State.FAILED, State.SKIPPED})


def differences(entries: Mapping[bytes, FileVersion], known: Mapping[bytes, Known]) -> dict[bytes, Difference]:
    """The files that need a look; those whose row agrees with them are left out."""
    found = {}
    for path, version in entries.items():
        row = known.get(path)
        if row is not None and row.version == version and not row.settling and row.state is not State.VANISHED:
            continue  # nearly every file of an old inbox ends here
        difference = _difference(version, row)
        if difference is not None:
            found[path] = difference
    return found


def reconcile(
    entries: Mapping[bytes, FileVersion],
    known: Mapping[bytes, Known],
    found: Mapping[bytes, Difference],
    settled: Collection[bytes],
    *,
    trusted: bool,
) -> list[Decision]:
    """The decisions of one scan, in the order in which they have to be applied.

    `found` comes from `differences`, `settled` names the files among them that the settle tracker believes. A scan that
    is not `trusted` (it failed, stopped half-way, or met another file system) says nothing about missing files.
    """
    decisions: list[Decision] = []
    for path, difference in found.items():
        version = entries[path]
        if difference is Difference.NEW:
            decisions.append(New(path, version))
        elif difference is Difference.CHANGED:
            decisions.append(Changed(path, version))
        if path in settled:
            decisions.append(Touched(path, version) if difference is Difference.TOUCHED else Settled(path, version))
    if trusted:
        decisions.extend(
            Vanished(path, row.version)
            for path, row in known.items()
            if path not in entries and not row.spooled and row.state in _READ_LATER
        )
    return decisions


def _difference(version: FileVersion, row: Known | None) -> Difference | None:
    if row is None or row.state is State.VANISHED:
        return Difference.NEW
    if row.settling:
        return Difference.SETTLING
    if same_stat(version, row.version):
        return None
    same_data = (version.size, version.mtime_ns) == (row.version.size, row.version.mtime_ns)
    if not same_data:
        return Difference.CHANGED
    if row.state in _FINISHED:
        return Difference.TOUCHED
    # Nothing was read of it yet, so waiting until it is still again costs nothing; a spooled job has its own copy.
    return Difference.CHANGED if not row.spooled and row.state in _READ_LATER else None
