"""Opening an original: for reading only, never through a symlink, never outside its root."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from twofold.core.job import FileVersion

_INODE_MASK = 2**63 - 1
"""Inode numbers may use 64 bits, SQLite keeps 63 of them; as a hint they are as good."""

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO that took the file's place must not hang.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def version_of(stat: os.stat_result) -> FileVersion:
    """What tells this version of a file from the next."""
    return FileVersion(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & _INODE_MASK)


@contextmanager
def open_original(root: bytes, path: bytes) -> Iterator[int]:
    """A descriptor on the file `path` (relative) below `root`; only `root` itself may be reached through symlinks.

    Raises OSError: ELOOP or ENOTDIR where a component is a symlink, ENXIO for a socket. The caller checks what it got.
    """
    *folders, name = path.split(b"/")
    if any(part in (b"", b".", b"..") for part in (*folders, name)):
        raise ValueError(f"not a plain relative path: {path!r}")
    parent = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner = os.open(folder, _FOLDER, dir_fd=parent)
            os.close(parent)
            parent = inner
        try:
            fd = os.open(name, _FILE | os.O_NOATIME, dir_fd=parent)
        except PermissionError:
            fd = os.open(name, _FILE, dir_fd=parent)  # only a file's owner may leave its atime alone
    finally:
        os.close(parent)
    try:
        yield fd
    finally:
        os.close(fd)


def is_open_for_writing(fd: int) -> bool | None:
    """Whether any process of this machine has the file open for writing; None where the kernel will not say.

    A read lease is refused while there is a writer. It needs the file's owner or CAP_LEASE, and a local file system.
    """
    try:
        # A writer that comes in the instant we hold the lease makes the kernel signal us. SIGIO would end the process;
        # SIGURG is ignored by default.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def has_holes(fd: int, size: int) -> bool | None:
    """Whether some of the first `size` bytes were never written (preallocated); None where the file system cannot say.

    Moves the descriptor's offset.
    """
    if size == 0:
        return False
    try:
        return os.lseek(fd, 0, os.SEEK_HOLE) < size
    except OSError:
        return None
