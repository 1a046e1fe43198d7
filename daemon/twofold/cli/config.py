"""`config check`, `config init` and `config schema`: the configuration."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.exits import ExitCode
from twofold.cli.options import ConfigOption, JsonOption
from twofold.cli.settings import load_settings
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.telemetry.names import printable

if TYPE_CHECKING:
    from twofold.config.mistake import ConfigError
    from twofold.core.settings import Settings

app = typer.Typer(help="The configuration file.", no_args_is_help=True)


@app.command(epilog="Examples:\n\n  twofold config check\n\n  twofold config check -c new.yaml --json")
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Report every mistake with its line, or what the configuration amounts to; exit 78 where there is a mistake."""
    from twofold.config.folders import missing_folders
    from twofold.config.mistake import ConfigError

    try:
        settings = load_settings(config)
    except ConfigError as error:
        _say_mistakes(error, as_json)
        raise typer.Exit(ExitCode.BAD_CONFIG) from None
    warnings = [f"{key}: {path} is not there yet." for key, path in missing_folders(settings)]
    if not settings.inboxes:
        warnings.append("There is no inbox, so nothing is watched.")
    if as_json:
        print(json.dumps({"schema": 1, "ok": True, "mistakes": [], "warnings": warnings, **_summary(settings)}))
        return
    print(f"ok: {printable(settings.source or 'the environment')}")
    for key, value in _summary(settings).items():
        if key != "source":
            print(f"{key.replace('_', ' '):<10} {printable(value if isinstance(value, str) else ', '.join(value))}")
    for warning in warnings:
        print(f"warning: {printable(warning)}", file=sys.stderr)


@app.command(epilog="Examples:\n\n  twofold config init twofold.yaml\n\n  twofold config init > twofold.yaml")
def init(
    path: Annotated[str | None, typer.Argument(metavar="[PATH]", help="The file to write; without it, print.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented configuration to start from; a file that is there stays as it is."""
    from twofold.config.example import example_yaml

    if path is None or path == "-":
        print(example_yaml(), end="")
        return
    try:
        with open(path, "w" if force else "x", encoding="utf-8") as file:
            file.write(example_yaml())
    except FileExistsError:
        raise TwofoldError(
            Code.BAD_USAGE, f"{printable(path)} is there already.", "Name another file, or add --force to replace it."
        ) from None
    except OSError as error:
        text = f"{printable(path)} cannot be written: {error.strerror}."
        raise TwofoldError(Code.BAD_USAGE, text, "Name another file.") from None
    print(f"Wrote {printable(path)}.")
    print(f"Set the inbox's path and outbox, then run: twofold config check -c {printable(path)}")


@app.command(epilog="Example:\n\n  twofold config schema > twofold.schema.json")
def schema() -> None:
    """Print the JSON schema, for editors that complete and check YAML."""
    from twofold.config.schema import Config

    print(json.dumps(Config.model_json_schema(), indent=2))


def _say_mistakes(error: ConfigError, as_json: bool) -> None:
    if as_json:
        mistakes = [mistake.to_json() for mistake in error.mistakes]
        print(json.dumps({"schema": 1, "ok": False, "mistakes": mistakes, "warnings": []}))
        return
    for mistake in error.mistakes:
        print(mistake, file=sys.stderr)
    count = len(error.mistakes)
    print(f"{count} mistake{'' if count == 1 else 's'}", file=sys.stderr)


def _summary(settings: Settings) -> dict[str, Any]:
    devices = settings.devices
    return {
        "source": settings.source,
        "state_dir": settings.state_dir,
        "devices": "auto" if devices is None else [device.id for device in devices],
        "recipes": list(settings.recipes),
        "inboxes": list(settings.inboxes),
    }
