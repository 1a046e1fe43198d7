"""The wheel that people install."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

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
