"""One walk over a root: every regular file with its version, and a count of what the rules leave alone."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.ignore import SPECIAL_FILE, SYMLINK, IgnoreRules, Kind, Rule, decide, guarded_name
from twofold.core.job import FileVersion
from twofold.intake.mounts import Mount, mount_of, read_mounts
from twofold.intake.original import version_of

MAX_ENTRIES = 1_000_000
MAX_DEPTH = 64
MAX_PROBLEMS = 100
"""More than this many problems of one scan are counted, not kept."""


@dataclass(frozen=True, slots=True)
class RootSeen:
    """What a root was at its last good scan: the file system it lies on, and whether anything lay in it."""

    mount: Mount
    empty: bool


@dataclass(slots=True)
class ScanResult:
    """What one scan found; paths are bytes relative to the root.

    `ignored` counts names by rule (an ignored folder counts once, and is not entered). `unfinished` are files beside
    which a partial download of the same name lies. `complete` is False where part of the tree could not be listed.
    `trusted` says that a missing file is really gone. `offline` says why the root could not be taken for the inbox.
    """

    seen: RootSeen | None
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
) -> ScanResult:
    """Walk `root`. Nothing is raised: trouble with the root is `offline`, trouble below it is a problem.

    `previous` is the `seen` of the last good scan. A root that has become empty on another mount than before is a share
    that was unmounted; a root on another mount that holds files is believed, but not what is missing from it.
    """
    try:
        children = _list(root)
        mount = mount_of(os.path.realpath(root), mounts())
    except OSError as error:
        return _offline(previous, f"The inbox cannot be listed: {error.strerror or error}.")
    moved = previous is not None and previous.mount != mount
    if moved and previous is not None and not previous.empty and not children:
        return _offline(
            previous, f"The inbox is empty and no longer on {previous.mount.source or previous.mount.fstype}."
        )
    result = ScanResult(RootSeen(mount, empty=not children))
    _walk(root, children, rules, result)
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


def _list(folder: bytes) -> list[os.DirEntry[bytes]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _walk(root: bytes, children: list[os.DirEntry[bytes]], rules: IgnoreRules, result: ScanResult) -> None:
    """Take in `children` and all folders below them, depth first."""
    pending: list[tuple[bytes, int]] = []
    _take_in(b"", children, 1, rules, result, pending)
    while pending:
        prefix, depth = pending.pop()
        if depth > MAX_DEPTH:
            _problem(result, prefix, f"is more than {MAX_DEPTH} folders deep")
        elif len(result.entries) >= MAX_ENTRIES:
            _problem(result, prefix, f"was not looked at: the inbox holds more than {MAX_ENTRIES} files")
        else:
            try:
                inner = _list(os.path.join(root, prefix))
            except (FileNotFoundError, NotADirectoryError):
                continue  # removed since its parent was listed
            except OSError as error:
                _problem(result, prefix, f"cannot be listed: {error.strerror or error}")
                continue
            _take_in(prefix, inner, depth, rules, result, pending)


def _take_in(
    prefix: bytes,
    children: list[os.DirEntry[bytes]],
    depth: int,
    rules: IgnoreRules,
    result: ScanResult,
    pending: list[tuple[bytes, int]],
) -> None:
    """Sort one folder's children; `prefix` is empty or ends with a slash."""
    for child in children:
        name = child.name
        try:
            if child.is_dir(follow_symlinks=False):
                if rule := rules.decide_name(name, Kind.FOLDER):
                    result.ignored[rule.name] += 1
                else:
                    pending.append((prefix + name + b"/", depth + 1))
            elif rule := _file_rule(child, rules):
                result.ignored[rule.name] += 1
                if (guarded := guarded_name(name)) is not None:
                    result.unfinished.add(prefix + guarded)
            else:
                result.entries[prefix + name] = version_of(child.stat(follow_symlinks=False))
        except FileNotFoundError:
            continue  # removed since its folder was listed
        except OSError as error:
            _problem(result, prefix + name, f"cannot be looked at: {error.strerror or error}")


def _file_rule(child: os.DirEntry[bytes], rules: IgnoreRules) -> Rule | None:
    if child.is_symlink():
        return SYMLINK
    if not child.is_file(follow_symlinks=False):
        return SPECIAL_FILE
    return rules.decide_name(child.name, Kind.FILE)


def _problem(result: ScanResult, path: bytes, text: str) -> None:
    result.complete = False
    if len(result.problems) < MAX_PROBLEMS:
        shown = os.fsdecode(path.rstrip(b"/"))
        result.problems.append(Reason(Code.UNREADABLE, f"{shown} {text}.", "Give the service read permission."))
