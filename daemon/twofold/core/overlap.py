"""Whether folders that are read and folders that are written can feed each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

Role = Literal["inbox", "outbox", "archive", "state", "spool", "scratch"]
ROLE_KEYS: dict[Role, str] = {
    "inbox": "path",
    "outbox": "outbox",
    "archive": "originals.archive",
    "state": "state_dir",
    "spool": "state_dir",
    "scratch": "scratch_dir",
}


@dataclass(frozen=True, slots=True)
class Folder:
    """One configured folder and every identity it is known by.

    `identities` are those of the folder itself (real path; device and inode; place in its file system), `above` those
    of all folders that it lies in. Two folders are the same where they share one identity. `inbox` is the inbox's
    name, empty for the program's own folders; `path` is for people.
    """

    role: Role
    inbox: str
    path: str
    identities: frozenset[Hashable]
    above: frozenset[Hashable]

    @property
    def label(self) -> str:
        key = ROLE_KEYS[self.role]
        return f"inboxes.{self.inbox}.{key} ({self.path})" if self.inbox else f"{key} ({self.path})"

    def same(self, other: Folder) -> bool:
        return not self.identities.isdisjoint(other.identities)

    def inside(self, other: Folder) -> bool:
        return not self.above.isdisjoint(other.identities)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two folders that may not stand together; `text` names both, `folder` is the one to correct."""

    folder: Folder
    text: str


def overlaps(folders: list[Folder]) -> Iterator[Overlap]:
    """Every pair that would feed itself, and every cycle of inboxes.

    Refused: an inbox that is, or lies inside, another inbox; an inbox and an outbox inside each other; an inbox that
    is its own outbox; an archive of originals and an inbox or outbox inside each other; any of these in the scratch
    or spool directory, which are cleared; the state or scratch directory in any of these.

    Allowed: the outbox of one inbox being another inbox (a chain), as long as it does not lead back; outboxes that
    are the same or inside each other, and archives likewise, since nothing is ever read from them and no file there is
    overwritten by another's.
    """
    for first, second in combinations(folders, 2):
        text = _conflict(second, first) or _conflict(first, second)
        if text:
            yield Overlap(second, text)
    yield from _cycles(folders)


def _conflict(a: Folder, b: Folder) -> str:
    """Why `a` may not be, or lie in, `b`; empty where it may, or does neither."""
    same = a.same(b)
    if not (same or a.inside(b)) or _may(a, b, same):
        return ""
    return f"{a.label} {'is the same folder as' if same else 'lies inside'} {b.label}."


def _may(a: Folder, b: Folder, same: bool) -> bool:
    if {a.role, b.role} <= {"state", "spool", "scratch"} or a.role == b.role in ("outbox", "archive"):
        return True
    if a.role == "spool" and not same:
        return True  # it lies where the state directory lies, which is asked about by itself
    if b.role == "state" and not same:
        return True  # only scratch and spool, below the state directory, are cleared
    # One inbox's outbox may be another inbox; whether that leads back is a question of the whole graph.
    return same and {a.role, b.role} == {"inbox", "outbox"} and a.inbox != b.inbox


def _cycles(folders: list[Folder]) -> Iterator[Overlap]:
    """Each cycle A -> B -> ... -> A of different inboxes once."""
    inboxes = {folder.inbox: folder for folder in folders if folder.role == "inbox"}
    outboxes = {folder.inbox: folder for folder in folders if folder.role == "outbox"}
    follows = {
        name: [other for other, inbox in inboxes.items() if other != name and outbox.same(inbox)]
        for name, outbox in outboxes.items()
    }
    reported: set[frozenset[str]] = set()
    for start in follows:
        cycle = _way_back(start, follows)
        if cycle and frozenset(cycle) not in reported:
            reported.add(frozenset(cycle))
            way = ", ".join(f"{outboxes[name].label} feeds inbox {after}" for name, after in _steps(cycle))
            yield Overlap(outboxes[cycle[-1]], f"The inboxes feed each other in a circle: {way}.")


def _way_back(start: str, follows: dict[str, list[str]]) -> tuple[str, ...]:
    """The shortest way from `start` back to itself, or nothing."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    while ways:  # every inbox is entered once, so this ends
        way = ways.pop(0)
        for after in follows.get(way[-1], ()):
            if after == start:
                return way
            if after not in seen:
                seen.add(after)
                ways.append((*way, after))
    return ()


def _steps(cycle: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return zip(cycle, (*cycle[1:], cycle[0]), strict=True)
