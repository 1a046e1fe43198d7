"""kill -9 between any two steps of an original's turn, and the start after it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MIN_KILLS = 2


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system, where this machine has one that anybody may write to."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("/dev/shm is no file system of its own")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


ALL = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("policy", "step"),
    [
        ("delete", 9),
        ("archive elsewhere", 12),
        pytest.param("delete", 1, marks=ALL),
        pytest.param("archive", 1, marks=ALL),
        pytest.param("archive elsewhere", 1, marks=ALL),
    ],
)
def test_no_kill_loses_an_original(policy: str, step: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    archive = tmp_path / "archive"
    if policy == "archive elsewhere":
        archive = request.getfixturevalue("elsewhere")
    command = [sys.executable, "-m", "tests.service.killed", tmp_path / "home", archive, policy.split()[0], str(step)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) >= MIN_KILLS
