"""A libnvidia-ml.so.1 of our own, whose answers a test writes into a file and changes as it likes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

COMPILER = shutil.which("cc")


def compiled(folder: Path, *without: str) -> Path:
    """The folder with the library in it, without these of its calls; the test is skipped where nothing compiles it."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    source = Path(__file__).with_name("nvml_stub.c")
    leave_out = [f"-D{name}" for name in without]
    command = [COMPILER, "-shared", "-fPIC", "-w", *leave_out, "-o", str(folder / "libnvidia-ml.so.1"), str(source)]
    subprocess.run(command, check=True, timeout=60)
    return folder


def finding(library: Path) -> dict[str, str]:
    """What a fresh process needs in its environment to find this library; one that is loaded cannot be unloaded."""
    return {"LD_LIBRARY_PATH": str(library), "FAKE_NVML_STATE": str(library / "state")}


def say(library: Path, state: dict[str, int]) -> None:
    """Answer so from now on, in processes that run as well (see nvml_stub.c for the names)."""
    fresh = library / "state.new"
    fresh.write_text("".join(f"{name} {value}\n" for name, value in state.items()))
    fresh.replace(library / "state")


def answering(library: Path, **state: int) -> dict[str, str]:
    """The environment of a fresh process that finds this library, answering as `state` says."""
    say(library, state)
    return finding(library)
