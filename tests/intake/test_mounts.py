from __future__ import annotations

import os
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


def test_a_synced_folder_is_known_by_the_marker_in_it_or_above_it(tmp_path: Path) -> None:
    inner = tmp_path / "phone" / "camera"
    inner.mkdir(parents=True)
    assert sync_marker(os.fsencode(inner)) is None
    (tmp_path / "phone" / ".stfolder").mkdir()
    assert sync_marker(os.fsencode(inner)) == os.fsencode(tmp_path / "phone" / ".stfolder")
