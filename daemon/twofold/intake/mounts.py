"""What kind of file system a folder lies on, and what follows for how it is watched."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal

_DISKS = "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs jfs reiserfs nilfs2 tmpfs ramfs overlay ecryptfs"
_EXCHANGE = "vfat exfat msdos ntfs ntfs3 fuseblk hfs hfsplus apfs udf iso9660 squashfs erofs"
LOCAL_FILESYSTEMS = frozenset([*_DISKS.split(), *_EXCHANGE.split()])
"""Types on which every write passes through this kernel. All others are polled: a remote write makes no event."""

LOCAL_SETTLE_S = 2.0
NETWORK_SETTLE_S = 15.0
LOCAL_SCAN_EVERY_S = 60.0
NETWORK_SCAN_EVERY_S = 10.0

SYNC_MARKERS = (
    b".stfolder",
    b".stversions",
    b".SyncID",
    b".dropbox.cache",
    b".owncloudsync.log",
    b".nextcloudsync.log",
    b".tmp.drivedownload",
    b".SynologyWorkingDirectory",
)
"""Names that a synchronisation client leaves in the folders it owns."""

MAX_ANCESTORS = 64
_MOUNTINFO = "/proc/self/mountinfo"
_ESCAPE = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system: its type (`ext4`, `nfs4`, `fuse.rclone`), what is mounted, and where."""

    fstype: str
    source: str
    point: str

    @property
    def local(self) -> bool:
        return self.fstype in LOCAL_FILESYSTEMS


@dataclass(frozen=True, slots=True)
class Habits:
    """How a root is watched where the owner leaves it to us (`auto`); times are seconds."""

    mode: Literal["events", "polling"]
    settle_s: float
    scan_every_s: float


UNKNOWN = Mount("unknown", "", "/")


def read_mounts() -> tuple[Mount, ...]:
    """Every mount of this process's namespace, in the order of mounting; empty where /proc is missing."""
    try:
        with open(_MOUNTINFO, "rb") as file:
            return parse_mountinfo(file.read())
    except OSError:
        return ()


def parse_mountinfo(content: bytes) -> tuple[Mount, ...]:
    """The mounts in the text of /proc/self/mountinfo (proc(5)); lines of another shape are left out."""
    mounts = []
    for line in content.splitlines():
        head, separator, tail = line.partition(b" - ")
        left, right = head.split(b" "), tail.split(b" ")
        if separator and len(left) > 4 and len(right) > 1:
            mounts.append(Mount(os.fsdecode(right[0]), unescape(right[1]), unescape(left[4])))
    return tuple(mounts)


def mount_of(folder: bytes, mounts: tuple[Mount, ...]) -> Mount:
    """The mount that `folder` (a real path) lies on: the longest point above it, the last mounted among equals."""
    path = os.fsdecode(folder)
    best = UNKNOWN
    for mount in mounts:
        above = mount.point == "/" or path == mount.point or path.startswith(mount.point + "/")
        if above and len(mount.point) >= len(best.point):
            best = mount
    return best


def habits(mount: Mount, *, synced: bool) -> Habits:
    """Events and a slow scan on local disks; polling, and more patience, on shares and on whatever is not known."""
    if not mount.local:
        return Habits("polling", NETWORK_SETTLE_S, NETWORK_SCAN_EVERY_S)
    return Habits("events", NETWORK_SETTLE_S if synced else LOCAL_SETTLE_S, LOCAL_SCAN_EVERY_S)


def sync_marker(folder: bytes) -> bytes | None:
    """The path of the sign that `folder` (a real path), or a folder above it, is synchronised with other machines."""
    for _ in range(MAX_ANCESTORS):
        for name in SYNC_MARKERS:
            marker = os.path.join(folder, name)
            if os.path.lexists(marker):
                return marker
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return None


def unescape(text: bytes) -> str:
    """A path as the kernel and /etc/fstab write it."""
    # The kernel writes space, tab, newline and backslash as octal.
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), text))
