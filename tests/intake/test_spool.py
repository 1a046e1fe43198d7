from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.intake.conftest import Folder, permissions_bind
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.job import FileVersion
from twofold.intake.original import version_of
from twofold.intake.spool import BUFFER_BYTES, Spooled, spool

NAME = b"sub/\xff\n.jpg"
LARGE = os.urandom(3 * BUFFER_BYTES + 17)


@dataclass
class OnBlock:
    """Not cancelled; does something to the world before block number `number` is read."""

    number: int
    act: Callable[[], object]
    seen: int = 0

    def __call__(self) -> bool:
        if self.seen == self.number:
            self.act()
        self.seen += 1
        return False


def copy(
    inbox: Folder,
    version: FileVersion | None = None,
    *,
    name: bytes = NAME,
    limit_bytes: int = 2**30,
    cancelled: Callable[[], bool] = lambda: False,
) -> Spooled:
    if version is None:
        version = version_of(os.lstat(inbox.at(name)))
    return spool(inbox.root, name, version, dest(inbox), limit_bytes=limit_bytes, cancelled=cancelled)


def dest(inbox: Folder) -> bytes:
    return os.path.join(inbox.outside, b"copy")


@contextmanager
def refused(inbox: Folder, code: Code, *, retryable: bool) -> Iterator[None]:
    """The body raises `code`, and leaves nothing in the spool."""
    with pytest.raises(TwofoldError) as caught:
        yield
    assert caught.value.code is code
    assert caught.value.retryable is retryable
    assert os.listdir(inbox.outside) == []


@pytest.mark.parametrize("content", [b"", b"x", LARGE[:BUFFER_BYTES], LARGE])
def test_the_copy_is_exact_private_and_hashed(inbox: Folder, content: bytes) -> None:
    path = inbox.put(NAME, content)
    before = os.lstat(path)
    spooled = copy(inbox)
    assert spooled == Spooled(hashlib.sha256(content).hexdigest(), len(content), version_of(before))
    with open(dest(inbox), "rb") as file:
        assert file.read() == content
    assert stat.S_IMODE(os.stat(dest(inbox)).st_mode) == 0o600
    assert os.listdir(inbox.outside) == [b"copy"]
    after = os.lstat(path)
    assert (version_of(after), after.st_atime_ns) == (version_of(before), before.st_atime_ns)


def test_a_leftover_of_a_killed_copy_is_written_over(inbox: Folder) -> None:
    inbox.put(NAME, b"short")
    with open(dest(inbox) + b".part", "wb") as file:
        file.write(LARGE)
    assert copy(inbox).size == 5
    assert os.stat(dest(inbox)).st_size == 5


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: os.truncate(path, 5), id="truncated"),
        pytest.param(lambda path: os.truncate(path, len(LARGE) + 1), id="grown"),
        pytest.param(lambda path: os.utime(path, ns=(1, 1)), id="dated back"),
        pytest.param(lambda path: os.rename(replacement(path), path), id="replaced"),
    ],
)
@pytest.mark.parametrize("block", [0, 1, 3])
def test_a_file_that_changes_while_it_is_read_is_not_taken(
    inbox: Folder, change: Callable[[bytes], object], block: int
) -> None:
    path = inbox.put(NAME, LARGE)
    with refused(inbox, Code.CHANGED, retryable=True):
        copy(inbox, cancelled=OnBlock(block, lambda: change(path)))


def replacement(path: bytes) -> bytes:
    """Another file of the same size and date, as `cp -p` makes it."""
    other = path + b".new"
    with open(other, "wb") as file:
        file.write(bytes(len(LARGE)))
    found = os.stat(path)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    return other


def test_a_file_that_is_not_the_version_that_settled_is_not_taken(inbox: Folder) -> None:
    version = version_of(os.lstat(inbox.put(NAME, b"one")))
    inbox.put(NAME, b"three")
    with refused(inbox, Code.CHANGED, retryable=True):
        copy(inbox, version)


def test_a_file_that_is_removed_vanishes(inbox: Folder) -> None:
    version = version_of(os.lstat(inbox.put(NAME, LARGE)))
    with refused(inbox, Code.VANISHED, retryable=False):
        copy(inbox, cancelled=OnBlock(2, lambda: os.unlink(inbox.at(NAME))))
    with refused(inbox, Code.VANISHED, retryable=False):
        copy(inbox, version)


@pytest.mark.parametrize("kind", ["symlink", "symlinked folder", "fifo", "folder", "socket"])
def test_what_took_a_files_place_is_never_read(inbox: Folder, kind: str) -> None:
    version = version_of(os.lstat(inbox.put(NAME)))
    os.unlink(inbox.at(NAME))
    elsewhere = os.path.join(os.path.dirname(inbox.root), b"elsewhere")
    Folder(elsewhere).put(os.path.basename(NAME))
    if kind == "symlink":
        os.symlink(os.path.join(elsewhere, os.path.basename(NAME)), inbox.at(NAME))
    elif kind == "symlinked folder":
        os.rmdir(inbox.at(b"sub"))
        os.symlink(elsewhere, inbox.at(b"sub"))
    elif kind == "fifo":
        os.mkfifo(inbox.at(NAME))
    elif kind == "folder":
        os.mkdir(inbox.at(NAME))
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.getcwdb()
            os.chdir(inbox.at(b"sub"))
            try:
                listener.bind(os.path.basename(NAME))
            finally:
                os.chdir(here)
    with refused(inbox, Code.VANISHED, retryable=False):
        copy(inbox, version)


@permissions_bind
def test_a_file_without_permission_is_unreadable(inbox: Folder) -> None:
    os.chmod(inbox.put(NAME), 0)
    with refused(inbox, Code.UNREADABLE, retryable=False):
        copy(inbox)


def test_a_file_over_the_limit_is_not_copied(inbox: Folder) -> None:
    inbox.put(NAME, b"12345")
    assert copy(inbox, limit_bytes=5).size == 5
    os.unlink(dest(inbox))
    with refused(inbox, Code.TOO_LARGE, retryable=False):
        copy(inbox, limit_bytes=4)


def test_a_copy_can_be_stopped_between_blocks(inbox: Folder) -> None:
    inbox.put(NAME, LARGE)
    with refused(inbox, Code.CANCELLED, retryable=True):
        copy(inbox, cancelled=lambda: True)


def test_a_full_spool_is_a_full_disk(inbox: Folder) -> None:
    inbox.put(NAME, LARGE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BUFFER_BYTES + 5, hard))
    try:
        with refused(inbox, Code.DISK_FULL, retryable=True):
            copy(inbox)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def test_a_spool_that_is_missing_is_no_fault_of_the_file(inbox: Folder) -> None:
    inbox.put(NAME)
    os.rmdir(inbox.outside)
    with pytest.raises(TwofoldError) as caught:
        copy(inbox)
    assert caught.value.code is Code.UNEXPECTED
    assert os.strerror(errno.ENOENT) in caught.value.reason.text
