"""A prepared ledger for each test, and services on pretended GPUs that end with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.service import Service
from tests.jobs.samples import Standing, open_ledger
from tests.service.pretend import Gpu, Gpus, pretended


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Standing]:
    standing = open_ledger(tmp_path)
    yield standing
    standing.close()


@pytest.fixture
def service_on(tmp_path: Path) -> Iterator[Callable[..., tuple[Service, Gpus]]]:
    """Makes the test's service from its configuration and GPUs (`GPU_a` is called GPU-a), to be started."""
    made: list[Service] = []

    def make(config: str, **gpus: Gpu) -> tuple[Service, Gpus]:
        service, state = pretended(tmp_path, config, {name.replace("_", "-"): one for name, one in gpus.items()})
        made.append(service)
        return service, state

    yield make
    for one in made:
        one.end()
