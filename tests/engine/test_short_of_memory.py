"""The processor's memory running out for real: the kernel refuses, torch says so, smaller tiles make the picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.engine.short_of_memory import enlarge
from twofold.engine.memory_errors import is_out_of_memory

ROOM_BYTES = 40 << 20  # the first plan's tile takes some 65 MB


def test_what_the_kernel_refuses_is_made_with_smaller_tiles(tmp_path: Path) -> None:
    y, x = np.mgrid[0:300, 0:380]
    grain = np.random.default_rng(1).integers(0, 900, (300, 380, 3))
    np.save(tmp_path / "source.npy", ((x + y)[:, :, None] * 40 % 60000 + grain).astype(np.uint16))
    whole = enlarge(tmp_path, 0)
    command = [sys.executable, "-m", "tests.engine.short_of_memory", str(tmp_path), str(ROOM_BYTES)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert whole == {"oom_steps": 0, "tiles": [[380, 300]]}
    assert found["oom_steps"] >= 1
    areas = [width * height for width, height in found["tiles"]]
    assert areas == sorted(areas, reverse=True)
    assert areas[-1] < areas[0]
    alike, meant = (np.load(tmp_path / f"result-{room}.npy").astype(int) for room in (ROOM_BYTES, 0))
    assert np.abs(alike - meant).max() <= 1
    assert np.ptp(meant) > 20000


@pytest.mark.parametrize(
    ("text", "memory"),
    [
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 21888000 bytes.", True),
        ("could not create a primitive", True),
        ("could not create a primitive descriptor for a convolution forward propagation primitive", False),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_which_errors_of_the_processor_mean_that_memory_ran_out(text: str, memory: bool) -> None:
    assert is_out_of_memory(RuntimeError(text)) is memory
