from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.intake.conftest import Folder, permissions_bind
from twofold.core.codes import Code
from twofold.core.ignore import compile_rules
from twofold.intake.mounts import Mount
from twofold.intake.original import version_of
from twofold.intake.scan import MAX_DEPTH, RootSeen, scan, why_ignored

RULES = compile_rules()
DISK = Mount("ext4", "/dev/sda1", "/")
SHARE = Mount("nfs4", "nas:/photos", "/")


@contextmanager
def closed(path: bytes) -> Iterator[None]:
    os.chmod(path, 0)
    try:
        yield
    finally:
        os.chmod(path, 0o700)


def test_regular_files_are_found_with_their_versions(inbox: Folder) -> None:
    names = [b"a.jpg", b"deep/er/b.png", b"#Chapter 12/c.jpg", b"\xff\xfe.jpg", b"two\nlines.jpg", b"d/a.jpg"]
    paths = {name: inbox.put(name, name) for name in names}
    result = scan(inbox.root, RULES)
    assert result.entries == {name: version_of(os.lstat(path)) for name, path in paths.items()}
    assert result.complete
    assert result.trusted
    assert result.offline is None
    assert not result.ignored


def test_ignored_names_are_counted_by_rule_and_not_entered(inbox: Folder) -> None:
    for name in (b"@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", b"x/.stversions/a.jpg", b"notes.txt", b"x/more.TXT", b"ok.jpg"):
        inbox.put(name)
    result = scan(inbox.root, RULES)
    assert set(result.entries) == {b"ok.jpg"}
    assert result.ignored == {"synology_eadir": 1, "hidden": 1, "not_a_picture_name": 2}


def test_nothing_is_reached_through_a_symlink_and_nothing_but_files_is_taken(inbox: Folder) -> None:
    secret = os.path.join(inbox.outside, b"secret.jpg")
    with open(secret, "wb") as file:
        file.write(b"secret")
    os.symlink(secret, inbox.at(b"link.jpg"))
    os.symlink(inbox.outside, inbox.at(b"folder"))
    os.symlink(b".", inbox.at(b"loop"))
    os.mkfifo(inbox.at(b"fifo.jpg"))
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwdb()
        os.chdir(inbox.root)  # a socket's address holds 108 bytes
        try:
            listener.bind(b"socket.jpg")
        finally:
            os.chdir(here)
        result = scan(inbox.root, RULES)
    assert result.entries == {}
    assert result.ignored == {"symlink": 3, "special_file": 2}
    assert result.trusted


def test_the_root_itself_may_be_a_symlink(inbox: Folder) -> None:
    inbox.put(b"a.jpg")
    link = os.path.join(inbox.outside, b"link")
    os.symlink(inbox.root, link)
    assert set(scan(link, RULES).entries) == {b"a.jpg"}


def test_a_partial_download_marks_its_sibling_as_unfinished(inbox: Folder) -> None:
    for name in (b"a.jpg", b"a.jpg.aria2", b"b.jpg", b"sub/c.jpg", b"sub/c.jpg.PART"):
        inbox.put(name)
    assert scan(inbox.root, RULES).unfinished == {b"a.jpg", b"sub/c.jpg"}


@permissions_bind
def test_an_unreadable_folder_is_reported_and_stops_nothing_else(inbox: Folder) -> None:
    inbox.put(b"a.jpg")
    inbox.put(b"closed/b.jpg")
    inbox.put(b"z/c.jpg")
    with closed(inbox.at(b"closed")):
        result = scan(inbox.root, RULES)
    assert set(result.entries) == {b"a.jpg", b"z/c.jpg"}
    assert not result.complete
    assert not result.trusted
    assert result.offline is None
    assert [problem.code for problem in result.problems] == [Code.UNREADABLE]
    assert result.problems[0].text.startswith("closed cannot be listed")


@permissions_bind
def test_a_root_that_cannot_be_listed_is_offline(inbox: Folder) -> None:
    with closed(inbox.root):
        result = scan(inbox.root, RULES)
    assert result.offline is not None


def test_a_tree_deeper_than_the_bound_is_reported(inbox: Folder) -> None:
    inbox.put(b"/".join([b"d"] * (MAX_DEPTH + 5)) + b"/a.jpg")
    inbox.put(b"b.jpg")
    result = scan(inbox.root, RULES)
    assert set(result.entries) == {b"b.jpg"}
    assert not result.trusted


@pytest.mark.parametrize("name", [b"missing", b"a.jpg"])
def test_a_root_that_is_no_folder_is_offline_and_keeps_what_was_seen(inbox: Folder, name: bytes) -> None:
    inbox.put(b"a.jpg")
    before = RootSeen(SHARE, empty=False)
    result = scan(inbox.at(name), RULES, before)
    assert result.offline is not None
    assert result.offline.code is Code.INBOX_OFFLINE
    assert result.seen is before
    assert not result.trusted


def test_an_unmounted_share_is_offline_until_it_returns(inbox: Folder) -> None:
    inbox.put(b"a.jpg")
    mounted = scan(inbox.root, RULES, mounts=lambda: (SHARE,))
    os.unlink(inbox.at(b"a.jpg"))
    gone = scan(inbox.root, RULES, mounted.seen, mounts=lambda: (DISK,))
    assert gone.offline is not None
    assert "nas:/photos" in gone.offline.text
    still_gone = scan(inbox.root, RULES, gone.seen, mounts=lambda: (DISK,))
    assert still_gone.offline is not None
    back = scan(inbox.root, RULES, still_gone.seen, mounts=lambda: (SHARE,))
    assert back.offline is None
    assert back.trusted


@pytest.mark.root
def test_a_file_system_that_is_really_unmounted_is_offline_until_it_returns(inbox: Folder) -> None:
    root = os.fsdecode(inbox.root)
    mount, unmount = ["mount", "-t", "tmpfs", "twofold-test", root], ["umount", root]
    subprocess.run(mount, check=True)
    try:
        inbox.put(b"a.jpg")
        mounted = scan(inbox.root, RULES)
        assert mounted.trusted
    finally:
        subprocess.run(unmount, check=True)
    gone = scan(inbox.root, RULES, mounted.seen)
    assert gone.offline is not None
    subprocess.run(mount, check=True)
    try:
        back = scan(inbox.root, RULES, gone.seen)
        assert back.offline is None
        assert back.trusted
    finally:
        subprocess.run(unmount, check=True)


def test_a_folder_that_was_really_emptied_is_believed(inbox: Folder) -> None:
    before = RootSeen(SHARE, empty=False)
    result = scan(inbox.root, RULES, before, mounts=lambda: (SHARE,))
    assert result.trusted
    assert result.entries == {}


def test_an_empty_root_without_a_past_is_not_believed(inbox: Folder) -> None:
    """After a restart the share may not be mounted yet: what the ledger waits for has not vanished."""
    first = scan(inbox.root, RULES, mounts=lambda: (DISK,))
    assert first.offline is None
    assert not first.trusted
    assert first.seen is None
    inbox.put(b"a.jpg")
    assert scan(inbox.root, RULES, first.seen, mounts=lambda: (DISK,)).trusted


def test_what_was_seen_survives_a_restart() -> None:
    seen = RootSeen(Mount("cifs", "//nas/\udcff", "/mnt/\udcff"), empty=False)
    assert RootSeen.from_json(json.loads(json.dumps(seen.to_json()))) == seen


def test_a_root_with_too_many_names_is_not_believed(inbox: Folder) -> None:
    for name in (b"a.jpg", b"b/c.jpg", b"b/d.jpg", b"e/f.jpg"):
        inbox.put(name)
    assert scan(inbox.root, RULES, max_names=6).trusted
    short = scan(inbox.root, RULES, max_names=5)
    assert not short.trusted
    assert len(short.entries) < 4
    assert "too many names" in short.problems[0].text


def test_files_on_another_mount_are_believed_and_missing_ones_only_at_the_next_scan(inbox: Folder) -> None:
    inbox.put(b"a.jpg")
    first = scan(inbox.root, RULES, RootSeen(SHARE, empty=False), mounts=lambda: (DISK,))
    assert set(first.entries) == {b"a.jpg"}
    assert not first.trusted
    assert scan(inbox.root, RULES, first.seen, mounts=lambda: (DISK,)).trusted


def test_an_inbox_that_was_always_empty_may_be_mounted_empty(inbox: Folder) -> None:
    result = scan(inbox.root, RULES, RootSeen(DISK, empty=True), mounts=lambda: (SHARE,))
    assert result.offline is None


def test_ten_thousand_files_are_found(inbox: Folder) -> None:
    for folder in range(20):
        os.mkdir(inbox.at(b"%d" % folder))
        for index in range(500):
            os.close(os.open(inbox.at(b"%d/%d.jpg" % (folder, index)), os.O_CREAT))
    assert len(scan(inbox.root, RULES).entries) == 10_000


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (b"a.jpg", None),
        (b"link.jpg", "symlink"),
        (b"folder/x.jpg", "symlink"),
        (b"fifo.jpg", "special_file"),
        (b"notes.txt", "not_a_picture_name"),
        (b"gone/@eaDir/x.jpg", "synology_eadir"),
    ],
)
def test_one_path_can_be_explained(inbox: Folder, path: bytes, rule: str | None) -> None:
    inbox.put(b"a.jpg")
    os.symlink(b"a.jpg", inbox.at(b"link.jpg"))
    os.symlink(inbox.outside, inbox.at(b"folder"))
    os.mkfifo(inbox.at(b"fifo.jpg"))
    found = why_ignored(inbox.root, path, RULES)
    assert (found.name if found else None) == rule
