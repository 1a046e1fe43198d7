"""Services that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.manager import Manager
from tests.e2e.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[[str], Service]]:
    """Makes the test's service from its configuration; whatever still runs at the end is killed."""
    made: list[Service] = []

    def make(config: str) -> Service:
        made.append(Service(tmp_path, config))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Hears what the service tells its manager."""
    with Manager(tmp_path) as one:
        yield one
