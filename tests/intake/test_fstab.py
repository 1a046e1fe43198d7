"""Shares that should be there, and what inotify has left."""

from __future__ import annotations

import os
from pathlib import Path

from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

from twofold.intake.fstab import read_fstab, unmounted_above
from twofold.intake.inotify import read_inotify
from twofold.intake.look import try_files
from twofold.intake.mounts import Mount

FSTAB = r"""
# a comment /mnt/comment
UUID=1-2 / ext4 defaults 0 1
nas:/photos /mnt/nas nfs4 _netdev 0 0
nas:/other  /mnt/my\040share nfs4 defaults 0 0
nas:/late   /mnt/late nfs4 noauto,users 0 0
swap none swap sw 0 0
broken line
"""


def test_a_share_that_is_not_mounted_is_named(tmp_path: Path) -> None:
    (tmp_path / "fstab").write_text(FSTAB)
    points = read_fstab(str(tmp_path / "fstab"))
    assert points == ("/", "/mnt/nas", "/mnt/my share")
    root = (Mount("ext4", "/dev/sda", "/"),)
    assert unmounted_above(b"/mnt/nas/in", points, root) == "/mnt/nas"
    assert unmounted_above(b"/mnt/nas", points, root) == "/mnt/nas"
    assert unmounted_above(b"/mnt/nasty", points, root) == ""
    assert unmounted_above(b"/srv", points, root) == ""
    assert unmounted_above(b"/mnt/nas/in", points, (*root, Mount("nfs4", "nas:/photos", "/mnt/nas"))) == ""


def test_no_fstab_names_nothing(tmp_path: Path) -> None:
    assert read_fstab(str(tmp_path / "fstab")) == ()


def test_watches_of_this_user_are_counted(tmp_path: Path) -> None:
    for name in ("a", "a/b", "c"):
        (tmp_path / name).mkdir()
    before = read_inotify([os.fsencode(tmp_path)])
    assert (before.folders, before.inboxes, before.counted) == (4, 1, True)
    observer = Observer()
    observer.schedule(FileSystemEventHandler(), str(tmp_path), recursive=True)
    observer.start()
    try:
        during = read_inotify([])
    finally:
        observer.stop()
        observer.join(10)
    assert during.used_watches >= 4
    assert during.used_instances >= 1


def test_files_that_cannot_be_opened_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / ".hidden").write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "folder").mkdir()
    assert try_files(os.fsencode(tmp_path)) == (1, 0)
