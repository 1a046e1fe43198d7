"""config.example.yaml and the schema say the same."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twofold.config.example import example_yaml
from twofold.config.loader import load
from twofold.config.locations import Surroundings
from twofold.config.schema import Config

ROOT = Path(__file__).parents[2]
DEFINITIONS: dict[str, Any] = {"Config": Config.model_json_schema(), **Config.model_json_schema()["$defs"]}


def keys() -> Iterator[tuple[str, dict[str, Any]]]:
    for section in DEFINITIONS.values():
        yield from section["properties"].items()


def test_the_file_is_the_one_the_schema_makes() -> None:
    """If this fails: twofold config init --force config.example.yaml"""
    assert (ROOT / "config.example.yaml").read_text(encoding="utf-8") == example_yaml()


@pytest.mark.parametrize("key", sorted({key for key, _ in keys()}))
def test_every_key_is_shown(key: str) -> None:
    assert re.search(rf"(?<![\w.]){key}: ", example_yaml().replace(":\n", ": \n"))


def test_every_key_is_described() -> None:
    assert all(len(schema.get("description", "")) > 10 for _, schema in keys())


@pytest.mark.parametrize("everything", [False, True], ids=["as it is", "every default uncommented"])
def test_the_example_loads(machine: Surroundings, everything: bool) -> None:
    text = example_yaml().replace("/srv/photos", machine.cwd)
    plain = Path(machine.cwd, "plain.yaml")
    plain.write_text(text)
    shown = Path(machine.cwd, "shown.yaml")
    shown.write_text(re.sub(r"^( *)#(?!target)(\w+: )", r"\1\2", text, flags=re.MULTILINE) if everything else text)
    assert shown.read_text().count("#settle") == (0 if everything else 1)
    settings = load(os.fspath(shown), machine)
    reference = load(os.fspath(plain), machine)
    assert settings.inboxes == reference.inboxes
    assert settings.recipes == reference.recipes
    assert (settings.vram, settings.ram_use_at_most, settings.limits) == (
        reference.vram,
        reference.ram_use_at_most,
        reference.limits,
    )
    assert settings.state_dir == reference.state_dir
    assert settings.recipes["photo-4x"].scale == 4
    assert settings.inboxes["photos"].path == os.fsencode(os.path.join(machine.cwd, "in"))


def test_lines_fit_a_screen() -> None:
    assert max(map(len, example_yaml().splitlines())) <= 120
