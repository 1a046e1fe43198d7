"""A picture whose format needs an extra waits until that is installed, in the environment of the service itself."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.source import ROOT
from tests.e2e.photos import drop, photo, pixels
from tests.e2e.service import Service
from tests.imaging.pictures import gradient
from tests.imaging.sources import heic

CONFIG = """\
recipes: {main: {scale: 2, models: [identity]}}
inboxes: {in: {path: in, outbox: out, recipe: main, settle: 0.2s}}
"""
EXTRA = "pillow_heif"
NOTICED_S = 45.0
"""A waiting file is asked again after ten seconds, then after a minute."""


class Environment:
    """A virtual environment of its own with every installed package but those of the extra."""

    def __init__(self, folder: Path) -> None:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self._packages = folder / "lib" / version / "site-packages"
        self._packages.mkdir(parents=True)
        (folder / "bin").mkdir()
        self.python = folder / "bin" / "python"
        self.python.symlink_to(os.path.realpath(sys.executable))
        (folder / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
        (self._packages / "source.pth").write_text(f"{ROOT / 'daemon'}\n")
        self._link(lambda name: EXTRA not in name and not name.endswith(".pth"))

    def install_the_extra(self) -> None:
        self._link(lambda name: EXTRA in name)

    def _link(self, wanted: Callable[[str], bool]) -> None:
        for package in Path(sysconfig.get_path("purelib")).iterdir():
            if wanted(package.name):
                (self._packages / package.name).symlink_to(package)


@pytest.mark.slow
def test_a_waiting_heic_goes_on_once_its_extra_is_there(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env")
    one = Service(tmp_path, CONFIG, run=(str(environment.python), "-m", "twofold", "run"))
    inbox, outbox = one.folder("in"), one.folder("out")
    try:
        one.start()
        drop(inbox, "phone.heic", heic("RGB", gradient(3, 8, width=40, height=30)))
        drop(inbox, "photo.png", photo("png", 40, 30, 1))
        one.wait_until({"phone.heic": ("waiting", "missing_extra"), "photo.png": ("done", None)}, NOTICED_S)
        assert "pip install 'twofold[heic]'" in one.jobs()["phone.heic"]["reason"]["text"]
        assert [path.name for path in outbox.iterdir()] == ["photo.png"]
        environment.install_the_extra()
        one.wait_until({"phone.heic": ("done", None)}, 2 * NOTICED_S)
        assert one.starts == 1
        assert pixels(outbox / "phone.jpg").shape == (60, 80, 3)
    finally:
        one.end()
