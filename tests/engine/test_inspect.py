"""Cards, as measured and as printed for the catalogue."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.engine import networks
from twofold.core.card import NetworkCard
from twofold.engine.inspect import LiveBytes, main


def test_a_card_counts_work_and_memory(cards: dict[str, NetworkCard], network_files: dict[str, Path]) -> None:
    card = cards["compact"]
    # 3 -> 4 -> 4 -> 4 -> 12 channels, nine taps each, a multiplication and an addition per tap.
    assert card.mflop_per_px == pytest.approx(2 * 9 * (3 * 4 + 4 * 4 + 4 * 4 + 4 * 12) / 1e6, abs=1e-4)
    # At least the picture, its enlargement and what is added to it; at most every tensor at once.
    assert 4 * (3 + 12 + 12) <= card.live_bytes_per_px <= 4 * (3 + 4 * 6 + 12 * 3)
    assert card.sha256 == hashlib.sha256(network_files["compact"].read_bytes()).hexdigest()
    assert card.weight_bytes == 4 * sum(weight.numel() for weight in networks.compact().parameters())
    assert (card.half, card.bfloat16, card.architecture, card.full_name) == (True, True, "Compact", "compact@1")


def test_live_bytes_are_those_alive_together() -> None:
    linear = torch.nn.Linear(2, 2)
    with torch.no_grad(), LiveBytes(linear) as live:
        first = torch.zeros(1000)
        second = first + 1
        del first
        third = second.view(10, 100) + 1
        del second
        linear.weight.t()
    assert live.peak == 2 * 4000
    assert third.shape == (10, 100)


def test_the_command_prints_what_was_measured(cards: dict[str, NetworkCard]) -> None:
    command = [sys.executable, "-m", "twofold.engine.inspect", cards["compact"].file]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=100)
    assert NetworkCard.from_json(json.loads(printed.stdout)) == cards["compact"]
    assert printed.stderr == b""


def test_the_command_prints_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "no.safetensors"
    path.write_bytes(b"nothing")
    assert main([str(path)]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "bad_network"
