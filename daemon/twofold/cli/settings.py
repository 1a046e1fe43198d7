"""The configuration as commands get it; the loader is imported only when one asks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twofold.config.locations import Surroundings
    from twofold.core.settings import Settings
    from twofold.service.paths import StatePaths


def load_settings(config: str | None, *, required: bool = True) -> Settings:
    """Read the file named, or the first that is found; without one the defaults do unless it is `required`.

    Raises TwofoldError(BAD_CONFIG) with every mistake.
    """
    from twofold.config.loader import load

    return load(config, surroundings(), required=required)


def state_paths(config: str | None) -> StatePaths:
    """Where the ledger is, without checking the whole configuration: `status` and `jobs` have to be quick."""
    from twofold.config.loader import find_state_dir
    from twofold.service.paths import StatePaths

    state_dir = find_state_dir(config, surroundings())
    return StatePaths(state_dir, scratch=state_dir)


def surroundings() -> Surroundings:
    """What this process was started with."""
    from twofold.config.locations import Surroundings

    home = os.environ.get("HOME") or os.path.expanduser("~")
    return Surroundings(environ=os.environ, uid=os.getuid(), home=home, cwd=os.getcwd())
