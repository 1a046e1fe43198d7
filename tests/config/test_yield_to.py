"""The section `yield_to`: to whom a device is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twofold.config.loader import load
from twofold.config.locations import Surroundings
from twofold.config.mistake import ConfigError
from twofold.core.neighbours import YieldRule
from twofold.core.settings import YieldSettings


def loaded(machine: Surroundings, written: str) -> YieldSettings:
    path = Path(machine.cwd, "twofold.yaml")
    path.write_text(f"inboxes: {{photos: {{path: in, outbox: out}}}}\n{written}\n")
    return load(os.fspath(path), machine).yield_to


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", YieldSettings()),
        (
            "yield_to: {processes: [blender, Plex Media Server]}",
            YieldSettings(YieldRule(frozenset({"blender", "Plex Media Server"}))),
        ),
        (
            "yield_to: {any_other: {memory: 500MiB, utilisation: 30%}, action: pause, come_back_after: 2min}",
            YieldSettings(YieldRule(frozenset(), 500 << 20, 30), "pause", 120.0),
        ),
        (
            "yield_to: {any_other: {memory: 1GiB}, action: shrink}",
            YieldSettings(YieldRule(used_bytes=1 << 30), "shrink"),
        ),
    ],
)
def test_rules(machine: Surroundings, written: str, expected: YieldSettings) -> None:
    found = loaded(machine, written)
    assert found == expected
    assert found.rule.asks == bool(written)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("{processes: blender}", "yield_to.processes"),
        ("{any_other: {memory: lots}}", "yield_to.any_other.memory"),
        ("{any_other: {utilisation: 300%}}", "yield_to.any_other.utilisation"),
        ("{action: kill}", "yield_to.action"),
        ("{come_back_after: never}", "yield_to.come_back_after"),
    ],
)
def test_mistakes(machine: Surroundings, written: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(machine, f"yield_to: {written}")
    assert [mistake.key for mistake in caught.value.mistakes] == [key]
