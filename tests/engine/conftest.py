from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.engine import networks
from tests.engine.networks import Float64Upscaler
from twofold.core.card import NetworkCard
from twofold.engine.inspect import measure_card
from twofold.engine.load import load_network


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Many tiny convolutions lose more time by sharing than they gain."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def network_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("networks")
    modules = {
        "compact": networks.compact(),
        "compact1": networks.compact(scale=1),
        "compact4": networks.compact(scale=4),
        "unshuffle": networks.unshuffle(),
        "span": networks.span(),
    }
    for name, module in modules.items():
        (folder / f"{name}.safetensors").write_bytes(networks.saved(module))
    return {name: folder / f"{name}.safetensors" for name in modules}


@pytest.fixture(scope="session")
def cards(network_files: dict[str, Path]) -> dict[str, NetworkCard]:
    return {name: measure_card(str(path)) for name, path in network_files.items()}


@pytest.fixture(scope="session")
def exact_upscalers(cards: dict[str, NetworkCard]) -> dict[str, Float64Upscaler]:
    return {
        name: Float64Upscaler(cards[name], load_network(Path(cards[name].file).read_bytes(), name))
        for name in ("compact", "unshuffle")
    }
