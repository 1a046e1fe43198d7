"""Originals leave their inbox: deleted, moved, copied; whole somewhere at every moment, and never another file."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.intake.conftest import Folder, Writer, start_writer
from twofold.core.aftercare import Sameness
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.intake.archive import archive, find_archived
from twofold.intake.original import version_of
from twofold.intake.removal import Original, delete, look, restore

PATH = b"2024/summer/IMG \xff.jpg"
BYTES = b"an original " * 5000
OTHER = b"something else"


def nothing() -> None:
    """The check of work that nobody stops."""


@pytest.fixture
def original(inbox: Folder) -> Original:
    full = inbox.put(PATH, BYTES)
    os.utime(full, ns=(10**18, 10**18 + 7))
    os.chmod(full, 0o640)
    return Original(inbox.root, PATH, version_of(os.stat(full)), hashlib.sha256(BYTES).hexdigest(), "job234")


@pytest.fixture
def elsewhere() -> Iterator[bytes]:
    """A folder on another file system, where this machine has one that anybody may write to."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev:
        pytest.skip("/dev/shm is no file system of its own")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield os.fsencode(folder)


@pytest.fixture(params=["same file system", "another file system"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    if request.param == "another file system":
        return bytes(request.getfixturevalue("elsewhere"))
    (tmp_path / "archive").mkdir()
    return os.fsencode(tmp_path / "archive")


def test_a_deleted_original_is_gone_and_its_folder_stays(inbox: Folder, original: Original) -> None:
    delete(original, nothing)
    assert look(original) is None
    assert os.listdir(os.path.dirname(inbox.at(PATH))) == []


def test_an_archived_original_keeps_bytes_times_and_mode(inbox: Folder, original: Original, place: bytes) -> None:
    assert archive(original, place, nothing) == PATH
    moved = os.path.join(place, PATH)
    found = os.stat(moved)
    assert Path(os.fsdecode(moved)).read_bytes() == BYTES
    assert (found.st_mtime_ns, stat.S_IMODE(found.st_mode)) == (10**18 + 7, 0o640)
    assert os.listdir(os.path.dirname(inbox.at(PATH))) == []
    assert os.listdir(os.path.dirname(moved)) == [os.path.basename(PATH)]
    assert find_archived(original, place, nothing) == PATH


@pytest.mark.parametrize("other", [OTHER, BYTES.swapcase()], ids=["of another size", "of the same size"])
def test_a_name_that_is_taken_in_the_archive_gets_a_number(original: Original, place: bytes, other: bytes) -> None:
    Folder(place).put(PATH, other)
    assert archive(original, place, nothing) == b"2024/summer/IMG \xff-2.jpg"
    assert Path(os.fsdecode(os.path.join(place, PATH))).read_bytes() == other
    assert Path(os.fsdecode(os.path.join(place, b"2024/summer/IMG \xff-2.jpg"))).read_bytes() == BYTES
    assert find_archived(original, place, nothing) == b"2024/summer/IMG \xff-2.jpg"


def test_the_same_bytes_are_kept_once(inbox: Folder, original: Original, place: bytes) -> None:
    """They lie there where a kill came between the copy and the removal, or where a file was dropped again."""
    Folder(place).put(PATH, BYTES)
    assert archive(original, place, nothing) == PATH
    assert os.listdir(os.path.dirname(inbox.at(PATH))) == []
    assert os.listdir(os.path.dirname(os.path.join(place, PATH))) == [os.path.basename(PATH)]


def test_an_archive_that_is_not_there_is_never_made(original: Original, tmp_path: Path) -> None:
    with pytest.raises(TwofoldError) as caught:
        archive(original, os.fsencode(tmp_path / "share"), nothing)
    assert (caught.value.code, caught.value.retryable) == (Code.ARCHIVE_MISSING, True)
    assert not (tmp_path / "share").exists()
    assert look(original) is Sameness.SAME


@pytest.mark.parametrize("act", ["delete", "archive"])
@pytest.mark.parametrize("change", ["bytes", "times", "replaced", "bytes under the old times"])
def test_a_file_that_is_another_by_now_stays(
    inbox: Folder, original: Original, tmp_path: Path, act: str, change: str
) -> None:
    full = inbox.at(PATH)
    if change == "replaced":
        os.rename(inbox.put(b"new.jpg", OTHER), full)
    elif change == "times":
        os.utime(full)
    else:
        Path(os.fsdecode(full)).write_bytes(OTHER if change == "bytes" else BYTES.swapcase())
        if change != "bytes":
            os.utime(full, ns=(10**18, 10**18 + 7))  # only the ctime tells
    before = Path(os.fsdecode(full)).read_bytes()
    assert look(original) in (Sameness.CHANGED, Sameness.TOUCHED)
    with pytest.raises(TwofoldError) as caught:
        _act(act, original, tmp_path)
    assert caught.value.code is Code.CHANGED
    assert Path(os.fsdecode(full)).read_bytes() == before
    assert os.listdir(os.path.dirname(full)) == [os.path.basename(PATH)]


def test_bytes_that_are_not_those_of_the_result_stay(original: Original, elsewhere: bytes) -> None:
    """No stat tells: the content is read again before a removal for good."""
    other = Original(original.root, original.path, original.version, "00" * 32, original.job_id)
    for act in (lambda: delete(other, nothing), lambda: archive(other, elsewhere, nothing)):
        with pytest.raises(TwofoldError) as caught:
            act()
        assert caught.value.code is Code.CHANGED
        assert look(original) is Sameness.SAME
    assert os.listdir(os.path.join(elsewhere, os.path.dirname(PATH))) == []


def test_a_file_that_takes_the_name_at_the_last_moment_is_not_removed(inbox: Folder, original: Original) -> None:
    """Another upload comes while the bytes are read: what is set aside then is not what was read, and goes back."""
    fresh = inbox.put(b"fresh", BYTES)
    os.utime(fresh, ns=(10**18, 10**18 + 7))

    def replace() -> None:
        if os.path.lexists(fresh):
            os.rename(fresh, inbox.at(PATH))

    with pytest.raises(TwofoldError) as caught:
        delete(original, replace)
    assert (caught.value.code, caught.value.retryable) == (Code.CHANGED, True)
    assert os.listdir(os.path.dirname(inbox.at(PATH))) == [os.path.basename(PATH)]


RACE = """
import os, sys
from tests.intake.test_removal import BYTES, _act, nothing
from twofold.core.errors import TwofoldError
from twofold.intake.original import version_of
from twofold.intake.removal import Original
from pathlib import Path
act, root, path, digest = sys.argv[1:]
full = os.path.join(root, path)
armed = True
def replace(event, args):
    global armed
    if armed and event == "ctypes.dlsym":  # the rename is the next thing that happens
        armed = False
        os.rename(os.path.join(root, "fresh"), full)
sys.addaudithook(replace)
original = Original(os.fsencode(root), os.fsencode(path), version_of(os.stat(full)), digest, "job234")
try:
    _act(act, original, Path(root).parent)
except TwofoldError as error:
    assert not armed
    print(error.code, error.retryable)
"""


@pytest.mark.parametrize("act", ["delete", "archive"])
def test_a_file_that_takes_the_name_after_the_last_look_goes_back(
    inbox: Folder, original: Original, tmp_path: Path, act: str
) -> None:
    os.utime(inbox.put(b"fresh", OTHER), ns=(10**18, 10**18 + 7))
    arguments = [act, os.fsdecode(inbox.root), os.fsdecode(PATH), original.sha256]
    done = subprocess.run([sys.executable, "-c", RACE, *arguments], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("changed True\n", "")
    assert Path(os.fsdecode(inbox.at(PATH))).read_bytes() == OTHER
    assert os.listdir(os.path.dirname(inbox.at(PATH))) == [os.path.basename(PATH)]
    assert [path for path in tmp_path.glob("archive/**/*") if path.is_file()] == []


def test_no_folder_is_reached_through_a_symlink(inbox: Folder, original: Original, tmp_path: Path) -> None:
    os.rename(inbox.at(b"2024"), os.path.join(inbox.outside, b"2024"))
    os.symlink(os.path.join(inbox.outside, b"2024"), inbox.at(b"2024"))
    assert look(original) is None
    for act in ("delete", "archive"):
        with pytest.raises(TwofoldError):
            _act(act, original, tmp_path)
    assert os.path.exists(os.path.join(inbox.outside, PATH))


def test_nothing_is_put_into_an_archive_through_a_symlink(inbox: Folder, original: Original, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "2024").symlink_to(os.fsdecode(inbox.outside))
    with pytest.raises(TwofoldError) as caught:
        archive(original, os.fsencode(tmp_path / "archive"), nothing)
    assert caught.value.code is Code.ARCHIVE_FAILED
    assert look(original) is Sameness.SAME
    assert os.listdir(inbox.outside) == []


def test_a_file_that_is_written_waits(inbox: Folder, original: Original, writers: list[Writer]) -> None:
    writer = start_writer(inbox.at(PATH), writers)
    assert look(original) in (Sameness.TOUCHED, Sameness.CHANGED)
    writer.close()


def test_an_original_that_was_left_aside_is_restored_and_never_over_another(inbox: Folder, original: Original) -> None:
    full = inbox.at(PATH)
    aside = os.path.join(os.path.dirname(full), original.aside)
    assert restore(original) is None
    os.rename(full, aside)
    version = restore(original)
    assert version is not None
    assert (version.size, version.mtime_ns) == (original.version.size, original.version.mtime_ns)
    os.rename(full, aside)
    inbox.put(PATH, OTHER)
    with pytest.raises(TwofoldError):
        restore(original)
    assert Path(os.fsdecode(aside)).read_bytes() == BYTES


def test_a_copy_that_is_stopped_leaves_nothing(original: Original, elsewhere: bytes) -> None:
    def stop() -> None:
        raise TwofoldError(Code.CANCELLED, "the service stops")

    with pytest.raises(TwofoldError):
        archive(original, elsewhere, stop)
    assert look(original) is Sameness.SAME
    assert os.listdir(os.path.join(elsewhere, os.path.dirname(PATH))) == []


@pytest.mark.root
@pytest.mark.parametrize("act", ["delete", "archive"])
def test_an_inbox_that_cannot_be_written_keeps_its_originals(
    inbox: Folder, original: Original, tmp_path: Path, act: str, read_only: Callable[[bytes], None]
) -> None:
    read_only(inbox.root)
    with pytest.raises(TwofoldError) as caught:
        _act(act, original, tmp_path)
    assert (caught.value.code, caught.value.retryable) == (Code.INBOX_READONLY, False)
    assert look(original) is Sameness.SAME
    assert [path for path in tmp_path.glob("archive/**/*") if path.is_file()] == []


@pytest.fixture
def read_only() -> Iterator[Callable[[bytes], None]]:
    """Bind a folder onto itself, read-only; undone at the end."""
    bound: list[bytes] = []

    def bind(folder: bytes) -> None:
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        bound.append(folder)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)

    yield bind
    for folder in bound:
        subprocess.run(["umount", folder], check=True)


def _act(act: str, original: Original, tmp_path: Path) -> None:
    if act == "delete":
        delete(original, nothing)
    else:
        (tmp_path / "archive").mkdir(exist_ok=True)
        archive(original, os.fsencode(tmp_path / "archive"), nothing)
