"""Opening an original: for reading only, never through a symlink, never outside its root."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twofold.core.job import FileVersion

_INODE_MASK = 2**63 - 1
"""Inode numbers may use 64 bits, SQLite keeps 63 of them; as a hint they are as good."""

BUFFER_BYTES = 2**20

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
    with open_folder(root, path) as (folder, name), open_in(folder, name) as fd:
        yield fd


@contextmanager
def open_folder(root: bytes, path: bytes, *, make: bool = False) -> Iterator[tuple[int, bytes]]:
    """A descriptor (O_PATH) on the folder that holds `path` (relative to `root`), and the last part of the path.

    `make` makes the folders below `root` that are missing. Raises OSError as `open_original` does.
    """
    *folders, name = path.split(b"/")
    if any(part in (b"", b".", b"..") for part in (*folders, name)):
        raise ValueError(f"not a plain relative path: {path!r}")
    parent = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            if make:
                _make(folder, parent)
            inner = os.open(folder, _FOLDER, dir_fd=parent)
            os.close(parent)
            parent = inner
        yield parent, name
    finally:
        os.close(parent)


@contextmanager
def open_in(folder: int, name: bytes) -> Iterator[int]:
    """A descriptor for reading on the file `name` in an open folder, which no symlink is followed for."""
    try:
        fd = os.open(name, _FILE | os.O_NOATIME, dir_fd=folder)
    except PermissionError:
        fd = os.open(name, _FILE, dir_fd=folder)  # only a file's owner may leave its atime alone
    try:
        yield fd
    finally:
        os.close(fd)


def sync_folder(folder: int) -> None:
    """Put the names of an open folder (O_PATH) onto the disk, where its file system can."""
    try:
        fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    except PermissionError:
        return  # a drop folder: write, but do not list
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def sha256_of(fd: int, check: Callable[[], None]) -> str:
    """The sha256 (hex) of a file from its first byte; `check` is called between blocks, and may raise."""
    digest = hashlib.sha256()
    offset = 0
    while block := os.pread(fd, BUFFER_BYTES, offset):
        check()
        digest.update(block)
        offset += len(block)
    return digest.hexdigest()


def _make(folder: bytes, parent: int) -> None:
    try:
        os.mkdir(folder, dir_fd=parent)
    except FileExistsError:
        return
    sync_folder(parent)


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
