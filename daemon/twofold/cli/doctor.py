"""`doctor`: the machine and the installation, line by line, and what to do about them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from twofold.cli.exits import ExitCode
from twofold.cli.options import ConfigOption, JsonOption
from twofold.cli.settings import load_settings, surroundings
from twofold.core.checkup.check import Check, Level
from twofold.telemetry.names import printable

if TYPE_CHECKING:
    from twofold.config.mistake import ConfigError
    from twofold.core.checkup.state import MistakeFacts
    from twofold.core.settings import Settings

DEVICE_AREAS = frozenset({"torch", "driver", "nvml", "device", "devices", "network"})
NAME_WIDTH = 28


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look at the machine, the folders and the installation, and say what to do about them.

    Each line is ok, a warning, or a problem. It changes nothing: in outboxes, state and scratch folders it makes a
    small file of its own and removes it. It works while a service runs; run it as the service's user.

    Ends with 0 where nothing is a problem; 78 where the configuration is; else 69 where a device or a network that is
    to be used is; else 1.
    """
    from twofold.config.mistake import ConfigError

    mistakes: Sequence[MistakeFacts] = ()
    try:
        settings = load_settings(config, required=False)
    except ConfigError as error:
        settings, mistakes = _without_configuration(config), _mistakes(error)
    from twofold.service.doctor import examine

    checks = []
    for check in examine(settings, mistakes):
        checks.append(check)
        if not as_json:
            print(_text(check), flush=True)
    problems = [check for check in checks if check.level is Level.PROBLEM]
    if as_json:
        print(json.dumps({"schema": 1, "checks": [check.to_json() for check in checks], "ok": not problems}))
    else:
        print(_summary(checks))
    raise typer.Exit(exit_of(checks))


def register(app: typer.Typer) -> None:
    app.command(
        epilog=(
            "Examples:\n\n"
            "  twofold doctor\n\n"
            "  sudo -u twofold twofold doctor -c /etc/twofold/twofold.yaml     with the service's own rights\n\n"
            "  twofold doctor --json | jq '.checks[] | select(.level != \"ok\")'"
        )
    )(doctor)


def exit_of(checks: Sequence[Check]) -> ExitCode:
    """The exit code for what was found."""
    areas = {check.area for check in checks if check.level is Level.PROBLEM}
    if "configuration" in areas:
        return ExitCode.BAD_CONFIG
    if areas & DEVICE_AREAS:
        return ExitCode.NO_DEVICE
    return ExitCode.UNEXPECTED if areas else ExitCode.OK


def _without_configuration(config: str | None) -> Settings:
    """Defaults over the state directory that the bad configuration names, where it can be read as far as that."""
    from twofold.config.loader import find_state_dir
    from twofold.config.locations import state_dir
    from twofold.config.mistake import ConfigError
    from twofold.core.settings import Settings

    try:
        state = find_state_dir(config, surroundings())
    except ConfigError:
        state = state_dir(None, os.getcwd(), surroundings())
    return Settings(state_dir=state, scratch_dir=os.path.join(state, "scratch"), recipes={})


def _mistakes(error: ConfigError) -> list[MistakeFacts]:
    from twofold.core.checkup.state import MistakeFacts

    found = []
    for one in error.mistakes:
        place = one.origin if one.line is None else f"{one.origin}:{one.line}"
        found.append(MistakeFacts(place, f"{one.key}: {one.text}" if one.key else one.text, one.suggestion))
    return found


def _text(check: Check) -> str:
    line = f"{check.level.value:<8} {printable(check.name):<{NAME_WIDTH}} {printable(check.text)}"
    if check.level is Level.OK or not check.hint:
        return line.rstrip()
    return f"{line.rstrip()}\n{'':<8} {'':<{NAME_WIDTH}} hint: {printable(check.hint)}"


def _summary(checks: Sequence[Check]) -> str:
    counts = {level: sum(check.level is level for check in checks) for level in Level}
    parts = []
    for level in (Level.PROBLEM, Level.WARNING):
        count = counts[level]
        parts.append(f"{count or 'no'} {level.value}{'' if count == 1 else 's'}")
    return ", ".join(parts)
