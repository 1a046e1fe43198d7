"""The section `metrics`: an address, a file, both or none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from twofold.config.loader import load
from twofold.config.locations import Surroundings
from twofold.config.mistake import ConfigError
from twofold.core.settings import MetricsSettings


def loaded(machine: Surroundings, metrics: str, **environ: str) -> MetricsSettings:
    path = Path(machine.cwd, "twofold.yaml")
    path.write_text(f"inboxes: {{photos: {{path: in, outbox: out}}}}\n{metrics}\n")
    return load(os.fspath(path), replace(machine, environ=environ)).metrics


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ('":9108"', ("127.0.0.1", 9108)),
        ("9108", ("127.0.0.1", 9108)),
        ("127.0.0.1:9108", ("127.0.0.1", 9108)),
        ('"0.0.0.0:0"', ("0.0.0.0", 0)),
        ('"[::1]:9108"', ("::1", 9108)),
        ("box.lan:9108", ("box.lan", 9108)),
        ("null", None),
    ],
)
def test_addresses(machine: Surroundings, written: str, address: tuple[str, int] | None) -> None:
    assert loaded(machine, f"metrics: {{listen: {written}}}").listen == address


@pytest.mark.parametrize("written", ['":65536"', "127.0.0.1", "[1, 2]", '""', "-1", '"::1:9108"', '"null"', ""])
def test_what_is_no_address_is_refused(machine: Surroundings, written: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(machine, f"metrics:\n  listen: {written}")
    assert [mistake.key for mistake in caught.value.mistakes] == ["metrics.listen"]


def test_it_is_off_by_default_and_null_says_so(machine: Surroundings) -> None:
    for text in ("", "metrics: {}", "metrics: {listen: null, textfile: null}"):
        assert not loaded(machine, text).wanted


def test_a_file_lies_beside_the_configuration(machine: Surroundings) -> None:
    both = loaded(machine, "metrics: {textfile: twofold.prom}", TWOFOLD__METRICS__LISTEN=":9108")
    assert both == MetricsSettings(("127.0.0.1", 9108), os.path.join(machine.cwd, "twofold.prom"))
    assert both.wanted
