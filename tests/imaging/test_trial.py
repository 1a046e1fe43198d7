"""A trial leaves nothing, and notices what is refused."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from twofold.core.checkup.folders import Trial
from twofold.imaging.abilities import read_sandbox
from twofold.imaging.trial import STALE_S, try_folder

NOW = time.time()


def test_a_local_disk_refuses_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(b"x")
    assert try_folder(os.fsencode(tmp_path), NOW) == Trial()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jpg"]


def test_a_folder_that_is_not_there_is_trouble(tmp_path: Path) -> None:
    found = try_folder(os.fsencode(tmp_path / "gone"), NOW)
    assert found.trouble
    assert not found.full


def test_a_folder_without_the_right_to_write(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere; tests/cli/test_doctor_mounts.py has a read-only mount")
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert try_folder(os.fsencode(tmp_path), NOW).trouble == "Permission denied"
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_what_a_killed_doctor_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    left = [tmp_path / ".twofold-doctor-0123456789ab.tmp", tmp_path / ".twofold-doctor-0123456789ab-renamed.tmp"]
    others = [tmp_path / ".twofold-0123456789ab.tmp", tmp_path / "doctor-1.tmp"]
    for path in (*left, *others):
        path.touch()
    try_folder(os.fsencode(tmp_path), NOW)
    assert all(path.exists() for path in (*left, *others))
    try_folder(os.fsencode(tmp_path), NOW + 2 * STALE_S)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_the_kernel_says_what_it_offers() -> None:
    found = read_sandbox()
    assert found.landlock >= 0
    assert found.seccomp == os.path.exists("/proc/sys/kernel/seccomp/actions_avail")
