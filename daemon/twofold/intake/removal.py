"""Removing an original for good: looked at, set aside under a name of ours, looked at again, and only then unlinked.

A name can come to mean another file between a look and an unlink; a file that was set aside cannot. A kill may leave it
aside: whoever removes has recorded that first, and calls `restore` at the next start.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from twofold.core.aftercare import Sameness, compare
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.job import FileVersion
from twofold.core.naming import TEMP_PREFIX
from twofold.intake.original import is_open_for_writing, open_folder, open_in, sha256_of, sync_folder, version_of
from twofold.intake.rename import UNSUPPORTED, rename_at_once, rename_own

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})


@dataclass(frozen=True, slots=True)
class Original:
    """One original: its inbox's folder, its path there, and what the ledger knows of it."""

    root: bytes
    path: bytes
    version: FileVersion
    sha256: str
    job_id: str

    @property
    def aside(self) -> bytes:
        """Its name between being set aside and being unlinked; a scan leaves it alone."""
        return TEMP_PREFIX + self.job_id.encode() + b".gone"


def look(original: Original) -> Sameness | None:
    """How it compares with the version in the ledger now; None where it is gone, TOUCHED also while it is written."""
    try:
        with open_folder(original.root, original.path) as (folder, name), open_in(folder, name) as fd:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                return Sameness.CHANGED
            sameness = compare(version_of(found), original.version)
            return Sameness.TOUCHED if sameness is Sameness.SAME and is_open_for_writing(fd) else sameness
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise _unreadable(error) from error


def delete(original: Original, check: Callable[[], None]) -> None:
    """Remove it for good; `check` is called between blocks, and may raise.

    Raises TwofoldError: CHANGED, INBOX_READONLY, READ_FAILED.
    """
    with explained(original, Code.READ_FAILED), open_folder(original.root, original.path) as (folder, name):
        require_writable(folder)
        remove(folder, name, original, check)


def remove(folder: int, name: bytes, original: Original, check: Callable[[], None]) -> None:
    """Read it to its end, set it aside, see that it is the same, unlink it. Raises OSError, TwofoldError(CHANGED)."""
    seen = examine(folder, name, original, check)
    _set_aside(folder, name, original)
    try:
        if not same_file(os.stat(original.aside, dir_fd=folder, follow_symlinks=False), seen):
            raise changed()
        os.unlink(original.aside, dir_fd=folder)
    except (OSError, TwofoldError):
        _put_back(folder, name, original)
        raise
    sync_folder(folder)


def restore(original: Original) -> FileVersion | None:
    """Give an original that a kill left aside its name again: the version that now stands there; None: none was left.

    Raises TwofoldError(CHANGED) where another file has taken the name; then it stays aside.
    """
    try:
        with open_folder(original.root, original.path) as (folder, name):
            try:
                rename_own(folder, original.aside, folder, name)
            except FileExistsError:
                text = f"another file has its name, so it lies beside it as {os.fsdecode(original.aside)}"
                raise TwofoldError(Code.CHANGED, text, retryable=False) from None
            sync_folder(folder)
            return version_of(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise _unreadable(error) from error


def examine(folder: int, name: bytes, original: Original, check: Callable[[], None]) -> os.stat_result:
    """Read every byte: the stat of a file that is the original. Raises OSError, TwofoldError(CHANGED)."""
    with open_in(folder, name) as fd:
        seen = os.fstat(fd)
        if not is_original(seen, original) or sha256_of(fd, check) != original.sha256:
            raise changed()
        if not is_original(os.fstat(fd), original):
            raise changed()
        return seen


def require_writable(folder: int) -> None:
    """Raise PermissionError for a folder from which nothing can be removed: before a copy is made for nothing."""
    if not os.access(b".", os.W_OK | os.X_OK, dir_fd=folder):
        raise PermissionError(errno.EACCES, "the folder cannot be written")


def is_original(found: os.stat_result, original: Original) -> bool:
    return stat.S_ISREG(found.st_mode) and compare(version_of(found), original.version) is Sameness.SAME


def same_file(one: os.stat_result, other: os.stat_result) -> bool:
    """True where both are of one file, whose ctime a rename may have changed."""
    return (one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns) == (
        *(other.st_dev, other.st_ino, other.st_size, other.st_mtime_ns),
    )


def changed() -> TwofoldError:
    """It is looked at again: a scan says by then what became of it."""
    return TwofoldError(Code.CHANGED, "the file changed while its turn came", retryable=True)


@contextmanager
def explained(original: Original, otherwise: Code) -> Iterator[None]:
    """Turn the system's errors into ours; `otherwise` is the code of those that say nothing by themselves."""
    try:
        yield
    except OSError as error:
        text = f"the original cannot be moved: {error.strerror or error}"
        if error.errno in _FULL:
            raise TwofoldError(Code.DISK_FULL, text) from error
        # Root may do what permissions forbid, but not write to a read-only file system: access(2) knows both.
        folder = os.path.dirname(os.path.join(original.root, original.path))
        if error.errno in _FORBIDDEN and (otherwise is Code.READ_FAILED or not os.access(folder, os.W_OK | os.X_OK)):
            raise TwofoldError(Code.INBOX_READONLY, text, "Give the service write permission, then redo.") from error
        raise TwofoldError(otherwise, text) from error


def _set_aside(folder: int, name: bytes, original: Original) -> None:
    try:
        rename_at_once(folder, name, folder, original.aside)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        if _exists(folder, original.aside):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), original.aside) from None
        os.rename(name, original.aside, src_dir_fd=folder, dst_dir_fd=folder)  # nobody else makes such a name


def _put_back(folder: int, name: bytes, original: Original) -> None:
    try:
        rename_own(folder, original.aside, folder, name)
    except OSError as error:
        # To be met again, so that `restore` gets its turn.
        text = f"the original lies aside as {os.fsdecode(original.aside)}: {error.strerror or error}"
        raise TwofoldError(Code.READ_FAILED, text) from error
    sync_folder(folder)


def _exists(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unreadable(error: OSError) -> TwofoldError:
    return TwofoldError(Code.READ_FAILED, f"the original cannot be looked at: {error.strerror or error}")
