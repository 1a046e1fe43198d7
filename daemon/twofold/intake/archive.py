"""Moving an original into an archive: by one rename where both lie on one file system, else by a verified copy."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.naming import suffixed_names, temp_name
from twofold.intake.original import BUFFER_BYTES, open_folder, open_in, sha256_of, sync_folder
from twofold.intake.removal import Original, changed, explained, is_original, remove, require_writable, same_file
from twofold.intake.rename import UNSUPPORTED, rename_at_once, rename_own

_COPY_INSTEAD = UNSUPPORTED | {errno.EXDEV}
_PERMISSIONS = 0o777


def archive(original: Original, root: bytes, check: Callable[[], None]) -> bytes:
    """Move it below `root`, under its own path or, where another file has that, a numbered one; its path there.

    Where the archive holds the very bytes under that name already, the original is only removed. `check` is called
    between blocks, and may raise. Raises TwofoldError: ARCHIVE_MISSING, ARCHIVE_FAILED, DISK_FULL, CHANGED,
    INBOX_READONLY.
    """
    if not os.path.isdir(root):
        # It is never made: on a share that is not mounted, originals would go under the mount.
        raise TwofoldError(Code.ARCHIVE_MISSING, f"the archive {os.fsdecode(root)} cannot be reached")
    with (
        explained(original, Code.ARCHIVE_FAILED),
        open_folder(original.root, original.path) as (source, name),
        open_folder(root, original.path, make=True) as (target, _),
        _copy_when_needed(source, name, target, original, check) as copied,
    ):
        require_writable(source)
        for path in suffixed_names(original.path):
            last = os.path.basename(path)
            if _holds(target, last, original, check):
                _make_durable(target, last)
                break
            try:
                if _moved(source, name, target, last, original):
                    return path
                rename_own(target, copied(), target, last)
            except FileExistsError:
                continue
            sync_folder(target)
            break
        else:
            raise TwofoldError(Code.ARCHIVE_FAILED, "no name is free in the archive")
        remove(source, name, original, check)
        return path


def find_archived(original: Original, root: bytes, check: Callable[[], None]) -> bytes | None:
    """Where an original lies that left its inbox before that was recorded; None where the archive does not hold it."""
    try:
        with open_folder(root, original.path) as (target, _):
            for path in suffixed_names(original.path):
                last = os.path.basename(path)
                if _holds(target, last, original, check):
                    return path
                os.stat(last, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        pass  # the names end here
    except OSError as error:
        raise TwofoldError(Code.ARCHIVE_FAILED, f"the archive cannot be read: {error.strerror}") from error
    return None


def _moved(source: int, name: bytes, target: int, last: bytes, original: Original) -> bool:
    """Rename the original itself; False where that cannot be done, so that it has to be copied.

    Raises FileExistsError, OSError, TwofoldError(CHANGED).
    """
    seen = os.stat(name, dir_fd=source, follow_symlinks=False)
    if not is_original(seen, original):
        raise changed()
    try:
        rename_at_once(source, name, target, last)
    except OSError as error:
        if error.errno in _COPY_INSTEAD:
            return False
        raise
    if not same_file(os.stat(last, dir_fd=target, follow_symlinks=False), seen):
        rename_own(target, last, source, name)  # another file had taken its name
        raise changed()
    sync_folder(target)
    sync_folder(source)
    return True


@contextmanager
def _copy_when_needed(
    source: int, name: bytes, target: int, original: Original, check: Callable[[], None]
) -> Iterator[Callable[[], bytes]]:
    """A function that makes the copy, under a name of ours, when it is first called; what is left of it is removed."""
    temp = temp_name(original.job_id)
    made = False

    def copied() -> bytes:
        nonlocal made
        if not made:
            with suppress(FileNotFoundError):
                os.unlink(temp, dir_fd=target)
            made = True
            _copy(source, name, target, temp, original, check)
        return temp

    try:
        yield copied
    finally:
        if made:
            with suppress(FileNotFoundError):
                os.unlink(temp, dir_fd=target)


def _copy(source: int, name: bytes, target: int, temp: bytes, original: Original, check: Callable[[], None]) -> None:
    """Copy bytes, mode and times onto the disk, and read them back. Raises OSError, TwofoldError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open_in(source, name) as fd:
        found = os.fstat(fd)
        if not is_original(found, original):
            raise changed()
        copy = os.open(temp, flags, 0o600, dir_fd=target)
        try:
            digest = hashlib.sha256()
            while block := os.read(fd, BUFFER_BYTES):
                check()
                digest.update(block)
                _write(copy, block)
            with suppress(PermissionError):  # a share has owners and modes of its own
                os.fchmod(copy, found.st_mode & _PERMISSIONS)
            with suppress(PermissionError):
                os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
            os.fsync(copy)
            # What is read back should come from the disk, where the system allows it.
            os.posix_fadvise(copy, 0, 0, os.POSIX_FADV_DONTNEED)
            same = digest.hexdigest() == original.sha256
            if same and sha256_of(copy, check) != original.sha256:
                raise TwofoldError(Code.ARCHIVE_FAILED, "the copy in the archive did not read back as it was written")
        finally:
            os.close(copy)
    if not same:
        raise changed()


def _write(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]


def _holds(folder: int, name: bytes, original: Original, check: Callable[[], None]) -> bool:
    """True where a regular file of this name has the original's bytes."""
    try:
        with open_in(folder, name) as fd:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_size != original.version.size:
                return False
            return sha256_of(fd, check) == original.sha256
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EACCES):
            return False
        raise


def _make_durable(folder: int, name: bytes) -> None:
    with open_in(folder, name) as fd:
        os.fsync(fd)
    sync_folder(folder)
