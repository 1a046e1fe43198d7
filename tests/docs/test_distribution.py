"""The wheel and the unit that people install."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.docs.source import ROOT


def test_the_wheel_installs_beside_python_daemon(tmp_path: Path) -> None:
    """python-daemon owns the import name `daemon`: our wheel must bring `twofold` and nothing else."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"twofold"}
    assert "twofold = twofold.cli.main:main" in entry_points
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_unit_is_valid(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = (ROOT / "systemd" / "twofold.service").read_text(encoding="utf-8")
    # verify wants the command to exist; everything else is checked as shipped.
    copy = tmp_path / "twofold.service"
    copy.write_text(unit.replace("/opt/twofold/.venv/bin/twofold", sys.executable), encoding="utf-8")
    verified = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_unit_does_not_start_again_what_a_restart_cannot_mend() -> None:
    unit = (ROOT / "systemd" / "twofold.service").read_text(encoding="utf-8")
    assert "\nType=notify\n" in unit
    assert "\nRestartPreventExitStatus=2 4 78\n" in unit
    assert "\nMemoryDenyWriteExecute" not in unit
    assert "\nPrivateDevices" not in unit
