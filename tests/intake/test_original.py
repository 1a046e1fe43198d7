from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.intake.conftest import Folder, Writer, start_writer
from twofold.intake.original import has_holes, is_open_for_writing, open_original, version_of


def test_a_file_is_opened_for_reading_only(inbox: Folder) -> None:
    inbox.put(b"sub/\xff.jpg", b"bytes")
    with open_original(inbox.root, b"sub/\xff.jpg") as fd:
        assert os.read(fd, 10) == b"bytes"
        with pytest.raises(OSError):
            os.write(fd, b"x")


def test_reading_leaves_the_access_time_alone(inbox: Folder) -> None:
    path = inbox.put(b"a.jpg", b"bytes")
    os.utime(path, ns=(1, 10**18))
    with open_original(inbox.root, b"a.jpg") as fd:
        os.read(fd, 10)
    assert os.stat(path).st_atime_ns == 1


@pytest.mark.parametrize("path", [b"../x", b"a/../x", b"/etc/passwd", b"", b"a//b", b"."])
def test_only_plain_relative_paths_are_opened(inbox: Folder, path: bytes) -> None:
    with pytest.raises(ValueError), open_original(inbox.root, path):
        pass


@pytest.mark.parametrize("path", [b"link.jpg", b"folder/x.jpg"])
def test_a_symlink_is_never_followed(inbox: Folder, path: bytes) -> None:
    Folder(inbox.outside).put(b"x.jpg")
    os.symlink(os.path.join(inbox.outside, b"x.jpg"), inbox.at(b"link.jpg"))
    os.symlink(inbox.outside, inbox.at(b"folder"))
    with pytest.raises(OSError), open_original(inbox.root, path):
        pass


def test_no_descriptor_leaks(inbox: Folder) -> None:
    inbox.put(b"a/b/c.jpg")
    before = len(os.listdir("/proc/self/fd"))
    for path in (b"a/b/c.jpg", b"a/b/none.jpg", b"a/none/c.jpg"):
        try:
            with open_original(inbox.root, path):
                pass
        except FileNotFoundError:
            continue
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_writer_in_another_process_is_noticed(inbox: Folder, writers: list[Writer]) -> None:
    path = inbox.put(b"a.jpg")
    writer = start_writer(path, writers)
    with open_original(inbox.root, b"a.jpg") as fd:
        assert is_open_for_writing(fd) is True
        writer.close()
        assert is_open_for_writing(fd) is False
        # The lease was given back: a writer need not wait for us.
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def test_a_writer_that_comes_during_a_probe_neither_fails_nor_ends_us(inbox: Folder) -> None:
    """The kernel tells the holder of a lease about the writer by a signal that would end a process by default."""
    path = os.fsdecode(inbox.put(b"a.jpg"))
    code = "import os, sys, time\nfor _ in range(3000): os.close(os.open(sys.argv[1], os.O_WRONLY)); time.sleep(5e-5)"
    answers = set()
    with subprocess.Popen([sys.executable, "-c", code, path]) as writer, open_original(inbox.root, b"a.jpg") as fd:
        while writer.poll() is None:
            answers.add(is_open_for_writing(fd))
    assert writer.returncode == 0
    assert False in answers
    assert None not in answers


@pytest.mark.skipif(os.geteuid() == 0, reason="/etc/passwd belongs to root")
def test_a_file_of_somebody_else_cannot_be_probed() -> None:
    with open("/etc/passwd", "rb") as file:
        assert is_open_for_writing(file.fileno()) is None


def test_a_preallocated_file_has_holes_until_its_last_byte(inbox: Folder) -> None:
    path = inbox.put(b"a.jpg", b"")
    with open(path, "r+b") as file:
        file.truncate(1 << 20)
        with open_original(inbox.root, b"a.jpg") as fd:
            assert has_holes(fd, 1 << 20) is True
            file.write(b"x" * (1 << 19))
            file.flush()
            assert has_holes(fd, 1 << 20) is True
            file.write(b"x" * (1 << 19))
            file.flush()
            assert has_holes(fd, 1 << 20) is False


def test_an_empty_file_has_no_holes(inbox: Folder) -> None:
    inbox.put(b"a.jpg", b"")
    with open_original(inbox.root, b"a.jpg") as fd:
        assert has_holes(fd, 0) is False


def test_a_version_fits_into_a_signed_column(inbox: Folder) -> None:
    found = os.stat(inbox.put(b"a.jpg"))
    values = list(found)
    values[1] = 2**64 - 5  # st_ino, as some network file systems make them
    assert 0 <= version_of(os.stat_result(values)).inode < 2**63
