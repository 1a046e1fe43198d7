"""The built wheel on a machine without any network: the networks are inside it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.docs.source import ROOT
from tests.e2e.photos import drop, photo, pixels

# As root a process may give up the network of its own accord; not everywhere can others.
pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="unshare --net needs root")]


def installed(tmp_path: Path) -> Path:
    """A fresh environment with the wheel in it; what the wheel depends on is lent by this one, the source is not."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    (packages,) = home.glob("lib/python*/site-packages")
    # The .pth files of a lent folder do not count, so an editable install in it stays out of sight.
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(["unshare", "--net", *pip], check=True, capture_output=True)
    return home / "bin"


@pytest.mark.timeout(300)
def test_the_wheel_enlarges_with_no_network(tmp_path: Path) -> None:
    binaries = installed(tmp_path)
    state = str(tmp_path / "state")
    environment = {"HOME": str(tmp_path), "STATE_DIRECTORY": state, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        offline = ["unshare", "--net", *command]
        return subprocess.run(offline, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    where = run(str(binaries / "python"), "-c", "import twofold; print(twofold.__file__)")
    assert where.stdout.startswith(str(tmp_path)), where.stderr
    drop(tmp_path, "photo.jpg", photo("jpeg", 64, 48, 1))
    done = run(str(binaries / "twofold"), "upscale", "photo.jpg", "-o", "out", "--scale", "4")
    assert done.returncode == 0, done.stderr
    assert pixels(tmp_path / "out" / "photo.jpg").shape == (192, 256, 3)
    listed = run(str(binaries / "twofold"), "models", "list")
    for name in ("twofold-photo-2x@", "twofold-web-2x@", "twofold-art-2x@"):
        assert name in listed.stdout
