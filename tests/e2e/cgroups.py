"""A cgroup of the test's own, with a limit on memory; version 1 or 2, whichever has the controller."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")
REMOVAL_TRIES, REMOVAL_WAIT_S = 50, 0.2


@dataclass(frozen=True)
class Cgroup:
    folder: Path
    unified: bool

    def enter(self) -> None:
        """Move the calling process: for `preexec_fn`."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def killed(self) -> int:
        """How many processes the kernel killed in it for want of memory."""
        name = "memory.events" if self.unified else "memory.oom_control"
        fields = dict(line.split() for line in (self.folder / name).read_text().splitlines())
        return int(fields["oom_kill"])

    @property
    def peak_bytes(self) -> int:
        """The most that was charged at once, page cache included."""
        name = "memory.peak" if self.unified else "memory.max_usage_in_bytes"
        return int((self.folder / name).read_text())


@contextmanager
def limited(limit_bytes: int) -> Iterator[Cgroup]:
    """Below the cgroup of the tests; where none can be made there, the test is skipped and says why."""
    above, unified = _own()
    folder = above / f"twofold-test-{os.getpid()}"
    try:
        folder.mkdir()
        cgroup = Cgroup(folder, unified)
        (folder / ("memory.max" if unified else "memory.limit_in_bytes")).write_text(str(limit_bytes))
        assert cgroup.killed == 0
    except OSError as error:
        with suppress(OSError):
            folder.rmdir()
        pytest.skip(f"no cgroup with a memory limit can be made here: {error}")
    try:
        yield cgroup
    finally:
        _remove(folder)


def _own() -> tuple[Path, bool]:
    """Where this process is in the hierarchy that has the memory controller, and whether it is version 2."""
    lines: Sequence[str] = Path("/proc/self/cgroup").read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return ROOT / "memory" / path.lstrip("/"), False
    path = next((line.split(":", 2)[2] for line in lines if line.startswith("0::")), "/")
    return ROOT / path.lstrip("/"), True


def _remove(folder: Path) -> None:
    """A cgroup can be removed once its last process is gone."""
    for _ in range(REMOVAL_TRIES):
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(REMOVAL_WAIT_S)
