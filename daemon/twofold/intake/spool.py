"""Copying one original into the spool while hashing it, and proving that it stood still meanwhile."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.job import FileVersion
from twofold.core.settle import same_stat
from twofold.intake.original import open_original, version_of

BUFFER_BYTES = 2**20
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# ELOOP, ENOTDIR, ENXIO: a symlink, a file or a socket has taken the place of a component.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


@dataclass(frozen=True, slots=True)
class Spooled:
    """The bytes that were read: their sha256 (hex), their number, and the file version that they are."""

    sha256: str
    size: int
    version: FileVersion


def spool(
    root: bytes,
    path: bytes,
    version: FileVersion,
    dest: bytes,
    *,
    limit_bytes: int,
    cancelled: Callable[[], bool],
) -> Spooled:
    """Copy `path` (relative to `root`) to `dest` (mode 0600), which appears complete or not at all.

    Nothing is fsynced: the spool can be made again from the original. Raises TwofoldError: CHANGED where the file is
    not `version` or does not stay it, VANISHED, UNREADABLE, READ_FAILED, DISK_FULL, TOO_LARGE (over `limit_bytes`),
    CANCELLED, and UNEXPECTED where the spool cannot be written.
    """
    if version.size > limit_bytes:
        raise TwofoldError(Code.TOO_LARGE, f"the file has {version.size} bytes, more than the limit of {limit_bytes}")
    part = dest + b".part"
    try:
        with open_original(root, path) as source:
            _check_is(source, version)
            digest = _copy(source, part, version.size, cancelled)
            # By name as well: another file may stand there by now, and the one that was read stood still.
            if not same_stat(version_of(os.lstat(os.path.join(root, path))), version):
                _changed()
            _check_is(source, version)
    except OSError as error:
        _discard(part)
        raise _read_error(error) from error
    except BaseException:
        _discard(part)
        raise
    try:
        os.rename(part, dest)
    except OSError as error:
        _discard(part)
        raise _write_error(error) from error
    return Spooled(digest, version.size, version)


def _copy(source: int, part: bytes, size: int, cancelled: Callable[[], bool]) -> str:
    """Copy exactly `size` bytes; returns their sha256 (hex). Raises OSError for reading, TwofoldError for all else."""
    digest = hashlib.sha256()
    os.posix_fadvise(source, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    target = _create(part)
    try:
        left = size
        while left:
            if cancelled():
                raise TwofoldError(Code.CANCELLED, "reading was stopped", retryable=True)
            block = os.read(source, min(left, BUFFER_BYTES))
            if not block:
                _changed()
            digest.update(block)
            _write(target, block)
            left -= len(block)
    finally:
        os.close(target)
    return digest.hexdigest()


def _create(part: bytes) -> int:
    try:
        # A leftover of a killed copy is written over; it is ours by its name and place.
        return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _write_error(error) from error


def _write(target: int, block: bytes) -> None:
    view = memoryview(block)
    try:
        while view:
            view = view[os.write(target, view) :]
    except OSError as error:
        raise _write_error(error) from error


def _check_is(source: int, version: FileVersion) -> None:
    found = os.fstat(source)
    if not stat.S_ISREG(found.st_mode):
        raise TwofoldError(Code.VANISHED, "something that is not a file has taken its place")
    if not same_stat(version_of(found), version):
        _changed()


def _changed() -> NoReturn:
    raise TwofoldError(Code.CHANGED, "the file changed while it was being read")


def _discard(part: bytes) -> None:
    try:
        os.unlink(part)
    except OSError:
        pass  # it was never created, or the disk that failed us fails again; the next copy writes over it


def _read_error(error: OSError) -> TwofoldError:
    text = error.strerror or str(error)
    if error.errno in _GONE:
        return TwofoldError(Code.VANISHED, "the file was removed before it was read")
    if error.errno in (errno.EACCES, errno.EPERM):
        return TwofoldError(Code.UNREADABLE, f"the file cannot be opened: {text}")
    return TwofoldError(Code.READ_FAILED, f"reading the file failed: {text}")


def _write_error(error: OSError) -> TwofoldError:
    if error.errno in _NO_SPACE:
        return TwofoldError(Code.DISK_FULL, f"no room in the spool: {error.strerror}")
    return TwofoldError(Code.UNEXPECTED, f"the spool cannot be written: {error.strerror or error}")
