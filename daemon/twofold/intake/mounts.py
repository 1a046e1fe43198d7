"""What kind of file system a folder lies on, and what follows for how it is watched."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import islice
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
    *(b".stfolder", b".stversions", b".stignore"),  # Syncthing
    *(b".sync/ID", b".SyncID", b".SyncArchive"),  # Resilio; a folder `.sync` alone may be anybody's
    *(b".owncloudsync.log", b".nextcloudsync.log", b".csync_journal.db", b".ocdata", b".ncdata"),
    *(b".dropbox.cache", b".SynologyWorkingDirectory", b".seafile-data"),
    *(b".tmp.drivedownload", b".tmp.driveupload", b".849C9593-D756-4E56-8D6E-42412F2A707B"),  # Google, OneDrive
    *(b".debris", b".megaignore"),  # MEGA
)
"""Names that a synchronisation client leaves in the folders it owns."""

SYNC_PATTERNS = re.compile(rb"\._?sync_.*\.db|\..*\.icloud")
"""The journals of ownCloud and Nextcloud, and the files that iCloud has not fetched."""

SYNC_FOLDERS = re.compile(
    rb"dropbox|nextcloud|owncloud|seafile|synologydrive|cloudstation|onedrive( -.*)?|google ?drive|my drive|"
    rb"icloud drive|mobile documents|com~apple~clouddocs",
    re.IGNORECASE,
)
"""Names that clients give to the folders themselves; some leave no other sign."""

MAX_ANCESTORS = 64
MAX_LISTED = 100_000
"""A journal behind so many other names is not found; the names above are looked up one by one."""

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
    """The path of the sign that `folder` (a real path) is synchronised with other machines; None where there is none.

    It is looked for in the folder and in those above it on the same file system.
    """
    for _ in range(MAX_ANCESTORS):
        marker = _marker_in(folder)
        parent = os.path.dirname(folder)
        if marker is not None or parent == folder or os.path.ismount(folder):
            return marker
        folder = parent
    return None


def _marker_in(folder: bytes) -> bytes | None:
    if SYNC_FOLDERS.fullmatch(os.path.basename(folder)):
        return folder
    for name in SYNC_MARKERS:
        marker = os.path.join(folder, name)
        if os.path.lexists(marker):
            return marker
    # A folder of this name is the client's own, in the home of everybody who has it.
    if os.path.isfile(os.path.join(folder, b".dropbox")):
        return os.path.join(folder, b".dropbox")
    try:
        with os.scandir(folder) as entries:
            found = (entry.path for entry in islice(entries, MAX_LISTED) if SYNC_PATTERNS.fullmatch(entry.name))
            return next(found, None)
    except OSError:
        return None  # it may be passed through, but not listed


def unescape(text: bytes) -> str:
    """A path as the kernel and /etc/fstab write it."""
    # The kernel writes space, tab, newline and backslash as octal.
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), text))
