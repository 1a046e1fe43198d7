"""A prepared ledger for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.samples import Standing, open_ledger


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Standing]:
    standing = open_ledger(tmp_path)
    yield standing
    standing.close()
