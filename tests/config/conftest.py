"""A machine of one's own: home, working folder and environment are arguments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twofold.config.locations import Surroundings

UID = 1000


@pytest.fixture
def machine(tmp_path: Path) -> Surroundings:
    home, cwd = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    cwd.mkdir()
    return Surroundings(environ={}, uid=UID, home=os.fspath(home), cwd=os.fspath(cwd))
