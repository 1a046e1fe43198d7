"""Delivery: a verified temporary file becomes the result, once, over nobody else's file, and stays after a power cut.

The caller's order: `staged`, encode, verify, `seal`, `choose_name`, record the Intent, `publish`, record the Output.
Every step may be killed and run again; `recover` finishes a recorded Intent. Originals are never touched here.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.job import Intent, Output
from twofold.core.naming import TEMP_PREFIX, TEMP_SUFFIX, suffixed_names, temp_name
from twofold.core.recipe import OnExists

_CHUNK_BYTES = 2**20
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EIO, errno.ENOTCONN, errno.ESTALE, errno.EHOSTDOWN, errno.ENODEV})
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_LINKS = _UNSUPPORTED | {errno.EPERM, errno.EMLINK, errno.EACCES}
_REFUSED_BY_SHARES = frozenset({errno.EPERM, errno.EACCES, errno.EROFS}) | _UNSUPPORTED


@dataclass(frozen=True, slots=True)
class Temp:
    """An unfinished result; `path` is relative to the outbox.

    Whoever opened it closes `fd`, before it is published: some shares do not rename an open file.
    """

    fd: int
    path: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A temporary file whose bytes are on the disk: their sha256 (hex) and size; `warnings` of a share's refusals."""

    sha256: str
    size: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """A delivered result; `best_effort` where the file system could not promise no-clobber or durability."""

    output: Output
    best_effort: bool


@dataclass(frozen=True, slots=True)
class Outbox:
    """A folder of results, by its absolute path; names are relative to it."""

    root: bytes

    def open_temp(self, job_id: str, final: bytes) -> Temp:
        """A new empty file beside `final`; its folders are made, and an older one of the same job is replaced.

        Its mode is 0666 less the umask. Raises TwofoldError(OUTBOX_MISSING, DISK_FULL, DELIVERY_FAILED).
        """
        folder, _, _ = final.rpartition(b"/")
        path = _joined(folder, temp_name(job_id))
        with self.explained("create", path):
            self._make_folders(folder)
            with suppress(FileNotFoundError):
                os.unlink(self._absolute(path))
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return Temp(os.open(self._absolute(path), flags, 0o666), path)

    @contextmanager
    def staged(self, job_id: str, final: bytes) -> Iterator[Temp]:
        """A file as `open_temp` gives it, to be filled and sealed within; it is gone where that fails."""
        temp = self.open_temp(job_id, final)
        try:
            yield temp
        except BaseException:
            os.close(temp.fd)
            self.discard(temp.path)
            raise
        os.close(temp.fd)

    def seal(self, temp: Temp, mtime_ns: int | None = None) -> Sealed:
        """Put the bytes onto the disk for good. `mtime_ns` is the source's: libraries sort by it where EXIF is silent.

        A failed fsync is never tried again on the same file: the kernel has dropped the pages by then.
        Raises TwofoldError(DISK_FULL, DELIVERY_FAILED).
        """
        warnings: list[str] = []
        with self.explained("write", temp.path):
            if mtime_ns is not None:
                try:
                    os.utime(temp.fd, ns=(mtime_ns, mtime_ns))
                except OSError as error:
                    if error.errno not in _REFUSED_BY_SHARES:
                        raise
                    warnings.append(f"the outbox keeps no modification times: {error.strerror}")
            os.fsync(temp.fd)
            return Sealed(_sha256(temp.fd), os.fstat(temp.fd).st_size, tuple(warnings))

    def choose_name(self, wanted: bytes, on_exists: OnExists, ours: Output | None = None) -> bytes:
        """The name to deliver under. `ours` is what this file's last delivery left.

        Raises TwofoldError(OUTPUT_EXISTS) where a foreign file has the name and the policy is not `suffix`.
        """
        names = suffixed_names(wanted) if on_exists == "suffix" else (wanted,)
        with self.explained("look at", wanted):
            for name in names:
                if not os.path.lexists(self._absolute(name)):
                    return name
                if on_exists == "overwrite_own" and self._is_ours(name, ours):
                    return name
        raise _exists(wanted)

    def publish(self, intent: Intent, ours: Output | None = None) -> Published:
        """Rename the temporary file to its final name and put the folder onto the disk.

        A file that has the name already is replaced only where it is `ours`, byte for byte.
        Raises TwofoldError(OUTPUT_EXISTS, OUTBOX_MISSING, DISK_FULL, DELIVERY_FAILED).
        """
        temp, final = self._absolute(intent.temp), self._absolute(intent.final)
        with self.explained("rename", intent.final):
            try:
                if self._is_ours(intent.final, ours):
                    os.rename(temp, final)
                    clean = True
                else:
                    clean = rename_without_clobbering(temp, final)
            except OSError as error:
                # A network share may have done it and lost the answer.
                if not self._holds(intent.final, intent.sha256, intent.size):
                    if error.errno == errno.EEXIST:
                        raise _exists(intent.final) from None
                    raise
                with suppress(FileNotFoundError):
                    os.unlink(temp)
                clean = True
            return self._settled(intent, clean)

    def recover(self, intent: Intent, ours: Output | None = None) -> Published | None:
        """Finish a delivery that was cut short after its Intent was recorded; None: make the result again."""
        if self._holds(intent.final, intent.sha256, intent.size):
            with self.explained("recover", intent.final):
                with suppress(FileNotFoundError):
                    os.unlink(self._absolute(intent.temp))
                return self._settled(intent, clean=True)
        if self._holds(intent.temp, intent.sha256, intent.size):
            return self.publish(intent, ours)
        return None

    def stands(self, output: Output) -> bool:
        """True where a delivered result still has its name and every byte."""
        with self.explained("look at", output.path):
            return self._holds(output.path, output.sha256, output.size)

    def discard(self, path: bytes) -> None:
        """Remove a temporary file, if it is there; only names that Twofold gives are removed."""
        if _temp_job(os.path.basename(path)) is not None:
            with suppress(OSError):
                os.unlink(self._absolute(path))

    def sweep(self, live: Collection[str]) -> list[bytes]:
        """Remove the temporary files of jobs that are not `live`; returns their paths relative to the outbox."""
        removed = []
        for folder, _, names in os.walk(self.root):
            for name in names:
                job_id = _temp_job(name)
                if job_id is None or job_id in live:
                    continue
                with suppress(OSError):
                    os.unlink(os.path.join(folder, name))
                    removed.append(os.path.relpath(os.path.join(folder, name), self.root))
        return removed

    def _settled(self, intent: Intent, clean: bool) -> Published:
        """The folder on the disk, and what now stands under the final name."""
        final = self._absolute(intent.final)
        durable = sync_folder(os.path.dirname(final))
        status = os.stat(final, follow_symlinks=False)
        output = Output(intent.final, intent.sha256, intent.size, status.st_mtime_ns)
        return Published(output, best_effort=not (clean and durable))

    def _make_folders(self, folder: bytes) -> None:
        if not os.path.isdir(self.root):
            raise TwofoldError(Code.OUTBOX_MISSING, f"The outbox {os.fsdecode(self.root)!r} is not there.")
        path = self.root
        for part in folder.split(b"/") if folder else ():
            above, path = path, os.path.join(path, part)
            try:
                os.mkdir(path)
            except FileExistsError:
                continue
            sync_folder(above)

    def _is_ours(self, path: bytes, ours: Output | None) -> bool:
        return ours is not None and ours.path == path and self._holds(path, ours.sha256, ours.size)

    def _holds(self, path: bytes, sha256: str, size: int) -> bool:
        """True where a regular file has exactly these bytes."""
        try:
            fd = os.open(self._absolute(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EACCES):
                return False
            raise
        try:
            status = os.fstat(fd)
            return stat.S_ISREG(status.st_mode) and status.st_size == size and _sha256(fd) == sha256
        finally:
            os.close(fd)

    @contextmanager
    def explained(self, what: str, path: bytes) -> Iterator[None]:
        """Turn the system's errors into ours; all of them may pass by themselves."""
        try:
            yield
        except OSError as error:
            code = Code.DISK_FULL if error.errno in _FULL else Code.DELIVERY_FAILED
            if error.errno in _GONE and not os.path.isdir(self.root):
                code = Code.OUTBOX_MISSING
            text = f"Could not {what} {os.fsdecode(path)!r} in the outbox: {error.strerror}."
            raise TwofoldError(code, text) from error

    def _absolute(self, path: bytes) -> bytes:
        return os.path.join(self.root, path)


def sync_folder(path: bytes) -> bool:
    """Put a folder's names onto the disk; False where the file system cannot promise it. An I/O error is raised."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return False  # a drop folder: write, but do not list
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    finally:
        os.close(fd)
    return True


def rename_without_clobbering(temp: bytes, final: bytes) -> bool:
    """Rename, never over a file: by one system call, else by link and unlink, else (False) checked just before.

    Raises FileExistsError.
    """
    try:
        _renameat2(temp, final)
        return True
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    try:
        os.link(temp, final, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        os.unlink(temp)
        return True
    if os.path.lexists(final):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), final)
    os.rename(temp, final)
    return False


def _renameat2(temp: bytes, final: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if libc.renameat2(_AT_FDCWD, temp, _AT_FDCWD, final, _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), final)


def _exists(path: bytes) -> TwofoldError:
    return TwofoldError(Code.OUTPUT_EXISTS, f"The outbox holds another file named {os.fsdecode(path)!r}.")


def _temp_job(name: bytes) -> str | None:
    """The job whose temporary file has this name, or None."""
    if not name.startswith(TEMP_PREFIX) or not name.endswith(TEMP_SUFFIX):
        return None
    return name[len(TEMP_PREFIX) : -len(TEMP_SUFFIX)].decode("utf-8", "surrogateescape") or None


def _sha256(fd: int) -> str:
    digest = hashlib.sha256()
    offset = 0
    while chunk := os.pread(fd, _CHUNK_BYTES, offset):
        digest.update(chunk)
        offset += len(chunk)
    return digest.hexdigest()


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
