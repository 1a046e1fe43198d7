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
pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="making a cgroup needs root")]


def grainy(path: Path, width: int, height: int) -> None:
    """A photograph's kind of picture, made without ever being held whole."""
    shape = pyvips.Image.xyz(width, height)
    waves = (shape[0] * 0.21).sin() * 60 + (shape[1] * 0.13).cos() * 50 + 128
    noise = pyvips.Image.gaussnoise(width, height, mean=0, sigma=5)
    picture = (waves + noise).bandjoin([waves * 0.7 + noise, waves * 0.4 + 60]).cast("uchar")
    picture.copy(interpretation="srgb").write_to_file(str(path), Q=90)


def upscale(home: Path, cgroup: Cgroup, *options: str) -> list[dict[str, object]]:
    """The log of a command that enlarged picture.jpg four times, inside the cgroup; nothing was killed."""
    (home / "twofold.yaml").write_text("devices: cpu\nstate_dir: state\n")
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
    """One megapixel instead of 24, and a limit that torch itself fills by half: the same path in a minute."""
    grainy(tmp_path / "picture.jpg", 1200, 900)
    (tmp_path / "twofold.yaml").write_text("devices: cpu\nstate_dir: state\n")
    network = ("--model", "twofold-photo-2x")
    free = subprocess.run(
        [*PYTHON_TWOFOLD, "plan", "picture.jpg", "--scale", "4", *network, "--free", "8GiB", "--json"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    roomy = json.loads(free.stdout)["files"][0]["passes"][1]["tile"]
    with limited(600 * MIB) as cgroup:
        plans = upscale(tmp_path, cgroup, *network)
        assert cgroup.peak_bytes <= 600 * MIB
    width, height = plans[-1]["tile"]  # type: ignore[misc]  # a pair, in JSON
    assert width * height < roomy[0] * roomy[1]
    result = pyvips.Image.new_from_file(str(tmp_path / "out" / "picture.jpg"))
    assert (result.width, result.height) == (4800, 3600)
