"""Large pictures in little memory: in a cgroup whose limit the pixels alone exceed, they are made all the same."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import pyvips

from tests.e2e.cgroups import Cgroup, limited
from tests.e2e.service import PYTHON_TWOFOLD

MIB = 1 << 20
ROOMY_PX = 288 * 320  # the smaller of the tiles that such a picture gets where memory is plenty
TILES_BYTES = 40 * MIB  # the largest tile of the photo network takes 63
pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="making a cgroup needs root")]


def grainy(path: Path, width: int, height: int) -> None:
    """A photograph's kind of picture, made without ever being held whole."""
    shape = pyvips.Image.xyz(width, height)
    waves = (shape[0] * 0.21).sin() * 60 + (shape[1] * 0.13).cos() * 50 + 128
    noise = pyvips.Image.gaussnoise(width, height, mean=0, sigma=5)
    picture = (waves + noise).bandjoin([waves * 0.7 + noise, waves * 0.4 + 60]).cast("uchar")
    picture.copy(interpretation="srgb").write_to_file(str(path), Q=90)


def upscale(home: Path, cgroup: Cgroup, *options: str, ram: str = "50%") -> list[dict[str, object]]:
    """The log of a command that enlarged picture.jpg four times, inside the cgroup; nothing was killed."""
    (home / "twofold.yaml").write_text(f"devices: cpu\nstate_dir: state\nram: {{use_at_most: {ram}}}\n")
    done = subprocess.run(
        [*PYTHON_TWOFOLD, "upscale", "picture.jpg", "-o", "out", "--scale", "4", "-v", *options],
        cwd=home,
        capture_output=True,
        text=True,
        preexec_fn=cgroup.enter,
    )
    assert (done.returncode, cgroup.killed) == (0, 0), done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert list((home / "state" / "scratch").iterdir()) == []
    return [line for line in lines if line["event"] in ("pass.planned", "pass.replanned")]


@pytest.mark.timeout(900)
def test_24_megapixels_become_384_in_1500_megabytes(tmp_path: Path) -> None:
    """In memory files the rasters alone take 1.7 GB, and the result while it is read back 2.3 GB."""
    grainy(tmp_path / "picture.jpg", 6000, 4000)
    with limited(1500 * MIB) as cgroup:
        upscale(tmp_path, cgroup, "--model", "identity")
        assert cgroup.peak_bytes <= 1500 * MIB
    result = pyvips.Image.new_from_file(str(tmp_path / "out" / "picture.jpg"), access="sequential")
    assert (result.width, result.height) == (24000, 16000)


@pytest.mark.timeout(900)
def test_a_real_network_takes_smaller_tiles_where_memory_is_short(tmp_path: Path) -> None:
    """One megapixel instead of 24: the same path in a minute, in the same cgroup, of which only a part may be used."""
    network = ("--model", "twofold-photo-2x")
    grainy(tmp_path / "picture.jpg", 60, 40)
    with limited(1500 * MIB) as cgroup:
        [*_, last] = upscale(tmp_path, cgroup, *network)
    held_bytes = int(last["allocated_bytes"])  # type: ignore[call-overload]  # a number, in JSON
    grainy(tmp_path / "picture.jpg", 1200, 900)
    share = -(-100 * (held_bytes + TILES_BYTES) // (1500 * MIB))
    (tmp_path / "out" / "picture.jpg").unlink()
    with limited(1500 * MIB) as cgroup:
        tight = upscale(tmp_path, cgroup, *network, ram=f"{share}%")
        assert cgroup.peak_bytes <= 1500 * MIB
    assert all(area(plan) < ROOMY_PX for plan in tight)
    result = pyvips.Image.new_from_file(str(tmp_path / "out" / "picture.jpg"))
    assert (result.width, result.height) == (4800, 3600)


def area(plan: dict[str, object]) -> int:
    width, height = plan["tile"]  # type: ignore[misc]  # a pair, in JSON
    return int(width * height)
