from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from twofold.intake.mounts import (
    LOCAL_SETTLE_S,
    NETWORK_SETTLE_S,
    UNKNOWN,
    Mount,
    habits,
    mount_of,
    parse_mountinfo,
    read_mounts,
    sync_marker,
)

MOUNTINFO = rb"""22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 0:50 / /mnt/my\040share rw,relatime shared:7 master:1 - cifs //nas/my\040photos rw,vers=3.1.1
41 27 0:51 / /mnt/nas rw - autofs systemd-1 rw
42 27 0:52 / /mnt/nas rw - nfs4 nas:/photos rw
a line of another shape
"""
MOUNTS = parse_mountinfo(MOUNTINFO)


@pytest.mark.parametrize(
    ("folder", "fstype"),
    [
        (b"/srv/in", "ext4"),
        (b"/mnt/my share", "cifs"),
        (b"/mnt/my share/deep/\xff", "cifs"),
        (b"/mnt/my shared", "ext4"),
        (b"/mnt/nas/in", "nfs4"),
        (b"/", "ext4"),
    ],
)
def test_the_longest_and_last_mount_above_a_folder_counts(folder: bytes, fstype: str) -> None:
    assert mount_of(folder, MOUNTS).fstype == fstype


def test_escaped_names_are_read() -> None:
    assert Mount("cifs", "//nas/my photos", "/mnt/my share") in MOUNTS
    assert len(MOUNTS) == 5


def test_without_a_mount_table_nothing_is_known() -> None:
    assert mount_of(b"/srv", ()) == UNKNOWN


def test_this_machine_has_a_root_mount() -> None:
    assert mount_of(b"/", read_mounts()).point == "/"
    assert mount_of(b"/proc", read_mounts()).fstype == "proc"


@pytest.mark.parametrize(
    "fstype", ["nfs4", "cifs", "smb3", "fuse.rclone", "fuse.sshfs", "9p", "virtiofs", "new", "unknown"]
)
def test_what_is_not_known_to_be_local_is_polled(fstype: str) -> None:
    chosen = habits(Mount(fstype, "x", "/"), synced=False)
    assert chosen.mode == "polling"
    assert chosen.settle_s == NETWORK_SETTLE_S


def test_local_disks_have_events_and_synced_folders_more_patience() -> None:
    disk = Mount("ext4", "/dev/sda1", "/")
    assert habits(disk, synced=False).mode == "events"
    assert habits(disk, synced=False).settle_s == LOCAL_SETTLE_S
    assert habits(disk, synced=True).settle_s == NETWORK_SETTLE_S
    assert habits(disk, synced=True).scan_every_s > habits(Mount("nfs4", "x", "/"), synced=False).scan_every_s


@pytest.mark.parametrize(
    "sign",
    [
        "phone/.stfolder/",
        "phone/camera/.stversions/",
        ".sync/ID",
        "phone/.sync_0d8d87f03b87.db",
        "phone/camera/._sync_0d8d87f03b87.db",
        ".owncloudsync.log",
        "phone/.dropbox",
        ".dropbox.cache/",
        "phone/.SynologyWorkingDirectory/",
        ".seafile-data/",
        ".tmp.driveupload/",
        "phone/.849C9593-D756-4E56-8D6E-42412F2A707B",
        "phone/.IMG_1.jpg.icloud",
        ".debris/",
    ],
)
def test_a_synced_folder_is_known_by_the_sign_in_it_or_above_it(tmp_path: Path, sign: str) -> None:
    inner = tmp_path / "phone" / "camera"
    inner.mkdir(parents=True)
    assert sync_marker(os.fsencode(inner)) is None
    path = tmp_path / sign
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if sign.endswith("/") else path.touch()
    found = sync_marker(os.fsencode(inner))
    assert found is not None
    assert os.path.samefile(found, path)
    assert sync_marker(os.fsencode(tmp_path.parent)) is None


@pytest.mark.parametrize("name", ["Dropbox", "OneDrive", "OneDrive - Some Company", "Google Drive", "nextcloud"])
def test_a_synced_folder_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    inner = tmp_path / name / "camera"
    inner.mkdir(parents=True)
    assert sync_marker(os.fsencode(inner)) == os.fsencode(tmp_path / name)


@pytest.mark.parametrize("name", [".dropbox/", ".sync/", ".sync_conflicts", "my dropbox/", "sync.db", "OneDriver/"])
def test_what_only_looks_a_little_like_a_sign_is_none(tmp_path: Path, name: str) -> None:
    """`~/.dropbox` is in the home of everybody who has the client, and holds nothing that is synchronised."""
    inner = tmp_path / "camera"
    inner.mkdir()
    (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    assert sync_marker(os.fsencode(inner)) is None


@pytest.mark.root
def test_signs_beyond_the_mount_point_say_nothing(tmp_path: Path) -> None:
    (tmp_path / ".stfolder").mkdir()
    inner = tmp_path / "disk"
    inner.mkdir()
    assert sync_marker(os.fsencode(inner)) is not None
    subprocess.run(["mount", "-t", "tmpfs", "none", inner], check=True)
    try:
        (inner / "camera").mkdir()
        assert sync_marker(os.fsencode(inner / "camera")) is None
    finally:
        subprocess.run(["umount", inner], check=True)
