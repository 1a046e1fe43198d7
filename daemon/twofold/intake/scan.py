"""One walk over a root: every regular file with its version, and a count of what the rules leave alone."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.ignore import SPECIAL_FILE, SYMLINK, IgnoreRules, Kind, Rule, decide, guarded_name
from twofold.core.job import FileVersion
from twofold.intake.mounts import Mount, mount_of, read_mounts
from twofold.intake.original import version_of

MAX_NAMES = 1_000_000
"""Files, folders and ignored names of one root together."""

MAX_DEPTH = 64
PERMISSION = "Give the service read permission, or ignore the folder."
MAX_PROBLEMS = 100
"""The problems of one scan beyond this number are not kept."""


@dataclass(frozen=True, slots=True)
class RootSeen:
    """What a root was at its last good scan: the file system it lies on, and whether anything lay in it.

    Kept across restarts (`to_json`), it tells a share that is not mounted yet from one that was emptied.
    """

    mount: Mount
    empty: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RootSeen:
        return cls(Mount(**data["mount"]), data["empty"])


def seen_before(volume: str) -> RootSeen | None:
    """What was kept of the last good scan as JSON text; None where there was none."""
    return RootSeen.from_json(json.loads(volume)) if volume else None


@dataclass(slots=True)
class ScanResult:
    """What one scan found; paths are bytes relative to the root.

    `ignored` counts names by rule (an ignored folder counts once, and is not entered). `unfinished` are files beside
    which a partial download of the same name lies. `complete` is False where part of the tree could not be listed.
    `trusted` says that a missing file is really gone. `offline` says why the root could not be taken for the inbox.
    """

    seen: RootSeen | None = None
    entries: dict[bytes, FileVersion] = field(default_factory=dict)
    unfinished: set[bytes] = field(default_factory=set)
    ignored: Counter[str] = field(default_factory=Counter)
    problems: list[Reason] = field(default_factory=list)
    complete: bool = True
    trusted: bool = False
    offline: Reason | None = None


def scan(
    root: bytes,
    rules: IgnoreRules,
    previous: RootSeen | None = None,
    *,
    mounts: Callable[[], tuple[Mount, ...]] = read_mounts,
    max_names: int = MAX_NAMES,
) -> ScanResult:
    """Walk `root`. Nothing is raised: trouble with the root is `offline`, trouble below it is a problem.

    `previous` is the `seen` of the last good scan. A root that has become empty on another mount than before is a share
    that was unmounted; a root on another mount that holds files is believed, but not what is missing from it. An empty
    root of which nothing is known from before is not believed either: the share may not be mounted yet.
    """
    walk = _Walk(root, rules, max_names)
    try:
        children = walk.children_of(b"")
        mount = mount_of(os.path.realpath(root), mounts())
    except OSError as error:
        return _offline(previous, f"The inbox cannot be listed: {error.strerror or error}.")
    moved = previous is not None and previous.mount != mount
    if moved and previous is not None and not previous.empty and not children:
        return _offline(
            previous, f"The inbox is empty and no longer on {previous.mount.source or previous.mount.fstype}."
        )
    walk.take_all(children)
    result = walk.result
    if children or previous is not None:
        result.seen = RootSeen(mount, empty=not children)
        result.trusted = result.complete and not moved
    return result


def why_ignored(root: bytes, path: bytes, rules: IgnoreRules) -> Rule | None:
    """The rule that keeps the file `path` (relative) from being picked up, by its name or by what it is now."""
    parts = path.split(b"/")
    for depth in range(1, len(parts) + 1):
        try:
            mode = os.lstat(os.path.join(root, *parts[:depth])).st_mode
        except OSError:
            break
        if stat.S_ISLNK(mode):
            return SYMLINK
        if depth == len(parts) and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return SPECIAL_FILE
    return decide(path, rules)


def _offline(previous: RootSeen | None, text: str) -> ScanResult:
    reason = Reason(Code.INBOX_OFFLINE, text, Code.INBOX_OFFLINE.hint)
    return ScanResult(previous, complete=False, offline=reason)


class _Walk:
    """One walk while it lasts: what it found, and the folders it has still to enter."""

    def __init__(self, root: bytes, rules: IgnoreRules, max_names: int) -> None:
        self.result = ScanResult()
        self._root = root
        self._rules = rules
        self._names_left = max_names
        self._pending: list[tuple[bytes, int]] = []

    def children_of(self, prefix: bytes) -> list[os.DirEntry[bytes]]:
        """The children of one folder. Raises OSError."""
        with os.scandir(os.path.join(self._root, prefix)) as entries:
            return list(islice(entries, self._names_left + 1))

    def take_all(self, children: Iterable[os.DirEntry[bytes]]) -> None:
        """Take in the root's `children` and all folders below them, depth first."""
        self._take(b"", 0, children)
        while self._pending:
            prefix, depth = self._pending.pop()
            if depth > MAX_DEPTH:
                self._problem(prefix, f"is more than {MAX_DEPTH} folders deep")
                continue
            try:
                inner = self.children_of(prefix)
            except (FileNotFoundError, NotADirectoryError):
                continue  # removed since its parent was listed
            except OSError as error:
                self._problem(prefix, f"cannot be listed: {error.strerror or error}", PERMISSION)
                continue
            self._take(prefix, depth, inner)

    def _take(self, prefix: bytes, depth: int, children: Iterable[os.DirEntry[bytes]]) -> None:
        """Sort one folder's children; `prefix` is empty or ends with a slash."""
        result = self.result
        for child in children:
            name = child.name
            if self._names_left == 0:
                self._problem(prefix + name, "and more was left out: the inbox holds too many names")
                self._pending.clear()
                return
            self._names_left -= 1
            try:
                if child.is_dir(follow_symlinks=False):
                    if rule := self._rules.decide_name(name, Kind.FOLDER):
                        result.ignored[rule.name] += 1
                    else:
                        self._pending.append((prefix + name + b"/", depth + 1))
                elif rule := _file_rule(child, self._rules):
                    result.ignored[rule.name] += 1
                    if (guarded := guarded_name(name)) is not None:
                        result.unfinished.add(prefix + guarded)
                else:
                    result.entries[prefix + name] = version_of(child.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue  # removed since its folder was listed
            except OSError as error:
                self._problem(prefix + name, f"cannot be looked at: {error.strerror or error}", PERMISSION)

    def _problem(self, path: bytes, text: str, hint: str = "") -> None:
        self.result.complete = False
        if len(self.result.problems) < MAX_PROBLEMS:
            shown = os.fsdecode(path.rstrip(b"/"))
            self.result.problems.append(Reason(Code.UNREADABLE, f"{shown} {text}.", hint))


def _file_rule(child: os.DirEntry[bytes], rules: IgnoreRules) -> Rule | None:
    if child.is_symlink():
        return SYMLINK
    if not child.is_file(follow_symlinks=False):
        return SPECIAL_FILE
    return rules.decide_name(child.name, Kind.FILE)
