"""The catalogue over this installation's folders."""

from __future__ import annotations

import os

from twofold.models.catalogue import Catalogue, Places
from twofold.models.measure import measure_in_child
from twofold.service.paths import StatePaths


def open_catalogue(paths: StatePaths, config_dir: str) -> Catalogue:
    """Networks built in, in `models` under the state directory, and beside the configuration file."""
    return Catalogue(Places(config_dir or os.getcwd(), paths.models, paths.cards), measure_in_child)
