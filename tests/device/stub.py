"""A libnvidia-ml.so.1 of our own, whose answers a test writes into a file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

COMPILER = shutil.which("cc")


def compiled(folder: Path) -> Path:
    """The folder with the library in it; the test is skipped where nothing can compile it."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    source = Path(__file__).with_name("nvml_stub.c")
    command = [COMPILER, "-shared", "-fPIC", "-w", "-o", str(folder / "libnvidia-ml.so.1"), str(source)]
    subprocess.run(command, check=True, timeout=60)
    return folder


def answering(library: Path, **state: int) -> dict[str, str]:
    """The environment of a fresh process that finds this library (it cannot be unloaded), answering as `state` says."""
    file = library / "state"
    file.write_text("".join(f"{name} {value}\n" for name, value in state.items()))
    return {"LD_LIBRARY_PATH": str(library), "FAKE_NVML_STATE": str(file)}
