"""inotify as this user has it: the kernel's limits, what is in use, and what the inboxes would need."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Sequence

from twofold.core.checkup.machine import InotifyFacts

LIMITS = "/proc/sys/fs/inotify"
MAX_FOLDERS = 2_000_000
COUNT_S = 10.0
"""Folders are counted no longer than this."""


def read_inotify(roots: Sequence[bytes]) -> InotifyFacts:
    """`roots` are the inboxes that are watched by events."""
    watches, instances = _in_use()
    folders, counted = _count_folders(roots)
    return InotifyFacts(
        max_watches=_limit("max_user_watches"),
        max_instances=_limit("max_user_instances"),
        used_watches=watches,
        used_instances=instances,
        folders=folders,
        inboxes=len(roots),
        counted=counted,
    )


def _limit(name: str) -> int | None:
    try:
        with open(os.path.join(LIMITS, name), encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _in_use() -> tuple[int, int]:
    """Watches and instances of this user's processes, as far as they can be seen."""
    watches = instances = 0
    for descriptor in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) != "anon_inode:inotify" or os.lstat(descriptor).st_uid != os.getuid():
                continue
            with open(descriptor.replace("/fd/", "/fdinfo/"), encoding="ascii") as info:
                watches += sum(line.startswith("inotify ") for line in info)
        except OSError:
            continue  # it ended, or is another user's
        instances += 1
    return watches, instances


def _count_folders(roots: Sequence[bytes]) -> tuple[int, bool]:
    """Folders in and below the roots; False where the count was cut short."""
    deadline_s = time.monotonic() + COUNT_S
    count = 0
    for root in roots:
        for _ in os.walk(root):
            count += 1
            if count >= MAX_FOLDERS or time.monotonic() > deadline_s:
                return count, False
    return count, True
