"""What the disk says about the configured folders: their identities, and whether they exist."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from twofold.core.overlap import Folder, Role
from twofold.core.settings import Settings

MOUNT_TABLE = "/proc/self/mountinfo"
MAX_MOUNT_TABLE_BYTES = 4 << 20

_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table: `root` is the folder of file system `device` that appears at `point`."""

    device: bytes
    root: bytes
    point: bytes


def parse_mounts(table: bytes) -> tuple[Mount, ...]:
    """The mounts of a Linux mountinfo table; lines of another form are passed over."""
    fields = (line.split(b" ") for line in table.splitlines())
    return tuple(Mount(parts[2], _plain(parts[3]), _plain(parts[4])) for parts in fields if len(parts) > 5)


def read_mounts() -> tuple[Mount, ...]:
    """This process's mounts; none where the system has no such table."""
    try:
        with open(MOUNT_TABLE, "rb") as table:
            return parse_mounts(table.read(MAX_MOUNT_TABLE_BYTES))
    except OSError:
        return ()


def read_folders(settings: Settings, mounts: tuple[Mount, ...]) -> list[Folder]:
    """All folders of the settings with their identities, as `core.overlap` compares them."""
    folders = []
    for inbox in settings.inboxes.values():
        folders.append(_folder("inbox", inbox.name, inbox.path, mounts))
        folders.append(_folder("outbox", inbox.name, inbox.outbox, mounts))
        if inbox.originals.archive:
            folders.append(_folder("archive", inbox.name, inbox.originals.archive, mounts))
    folders.append(_folder("state", "", os.fsencode(settings.state_dir), mounts))
    folders.append(_folder("spool", "", os.fsencode(os.path.join(settings.state_dir, "spool")), mounts))
    folders.append(_folder("scratch", "", os.fsencode(settings.scratch_dir), mounts))
    return folders


def missing_folders(settings: Settings) -> Iterator[tuple[str, str]]:
    """Key and path of every folder of an inbox that is none now; a share may simply not be mounted yet."""
    for inbox in settings.inboxes.values():
        folders = (("path", inbox.path), ("outbox", inbox.outbox), ("originals.archive", inbox.originals.archive))
        for key, path in folders:
            if path and not os.path.isdir(path):
                yield f"inboxes.{inbox.name}.{key}", os.fsdecode(path)


def _folder(role: Role, inbox: str, path: bytes, mounts: tuple[Mount, ...]) -> Folder:
    real = os.path.realpath(path)
    above = frozenset(identity for parent in _parents(real) for identity in _on_disk(parent))
    place = _place(real, mounts)
    if place is None:
        return Folder(role, inbox, os.fsdecode(path), frozenset(_on_disk(real)), above)
    device, inner = place
    return Folder(
        role,
        inbox,
        os.fsdecode(path),
        frozenset([*_on_disk(real), ("place", device, inner)]),
        above | {("place", device, parent) for parent in _parents(inner)},
    )


def _on_disk(path: bytes) -> Iterator[Hashable]:
    yield ("path", path)
    try:
        status = os.stat(path)
    except OSError:
        return  # not there yet, or not to be seen: its path has to do
    yield ("inode", status.st_dev, status.st_ino)


def _place(path: bytes, mounts: tuple[Mount, ...]) -> tuple[bytes, bytes] | None:
    """File system and path inside it: a folder bound to a second place has the same parents in both."""
    covering = [mount for mount in mounts if path == mount.point or path.startswith(mount.point.rstrip(b"/") + b"/")]
    if not covering:
        return None
    # Of several mounts at one point the last one is on top.
    mount = max(enumerate(covering), key=lambda item: (len(item[1].point), item[0]))[1]
    return mount.device, os.path.normpath(os.path.join(mount.root, os.path.relpath(path, mount.point)))


def _parents(path: bytes) -> Iterator[bytes]:
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent


def _plain(field: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), field)
