"""Real folders, real writers and a clock that tests turn by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SLOW_WRITER = Path(__file__).with_name("slow_writer.py")


@dataclass
class Clock:
    """Monotonic seconds that pass only when a test says so."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Folder:
    """An inbox on disk, spoken of in bytes."""

    root: bytes
    outside: bytes = field(default=b"")

    def at(self, path: bytes) -> bytes:
        return os.path.join(self.root, path)

    def put(self, path: bytes, content: bytes = b"picture") -> bytes:
        full = self.at(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(content)
        return full


@dataclass
class Writer:
    """Another process that has a file open for writing."""

    process: subprocess.Popen[str]

    def write(self, text: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "written\n"

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(tmp_path: Path) -> Folder:
    (tmp_path / "in").mkdir()
    (tmp_path / "outside").mkdir()
    return Folder(os.fsencode(tmp_path / "in"), os.fsencode(tmp_path / "outside"))


@pytest.fixture
def writers() -> Iterator[list[Writer]]:
    started: list[Writer] = []
    yield started
    for writer in started:
        with writer.process:
            writer.process.kill()


def start_writer(path: bytes, writers: list[Writer]) -> Writer:
    process = subprocess.Popen(
        [sys.executable, str(SLOW_WRITER), os.fsdecode(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    writers.append(Writer(process))
    return writers[-1]


def _overrides_permissions() -> bool:
    """True where this process may read what its mode forbids (CAP_DAC_OVERRIDE, as root has it)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & 0b10)


permissions_bind = pytest.mark.skipif(_overrides_permissions(), reason="permissions do not bind root")
