"""The catalogue over this installation's folders."""

from __future__ import annotations

import os
from collections.abc import Callable

from twofold.models.catalogue import Catalogue, Places
from twofold.models.measure import measure_in_child
from twofold.service.paths import StatePaths


def open_catalogue(paths: StatePaths, config_dir: str, cancelled: Callable[[], bool] = lambda: False) -> Catalogue:
    """Networks built in, in `models` under the state directory, and beside the configuration file.

    `cancelled` ends a measurement that is under way.
    """
    places = Places(config_dir or os.getcwd(), paths.models, paths.cards)
    return Catalogue(places, lambda path: measure_in_child(path, cancelled))
