"""`models list` and `models show`: the networks that recipes can name."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.figures import bytes_text
from twofold.cli.options import ConfigOption, JsonOption
from twofold.cli.settings import load_settings
from twofold.telemetry.names import printable

if TYPE_CHECKING:
    from twofold.core.card import NetworkCard
    from twofold.core.errors import TwofoldError
    from twofold.models.catalogue import Catalogue

app = typer.Typer(help="Networks that recipes can name.", no_args_is_help=True)


@app.command("list", epilog="Example:\n\n  twofold models list --json | jq -r '.models[].name'")
def list_models(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the built-in networks and those in the state directory's models folder."""
    refused: list[tuple[str, TwofoldError]] = []
    cards = _catalogue(config).list_cards(lambda file, error: refused.append((file, error)))
    if as_json:
        print(json.dumps({"schema": 1, "models": [card_json(card) for card in cards]}))
        return
    for card in cards:
        print(f"{card.full_name}  {card.scale}x  {_architecture(card)}  {card.intended_use}".rstrip())
    for file, error in refused:
        print(f"{printable(file)}: {printable(error.reason.text)} ({error.code.value})", file=sys.stderr)


@app.command(epilog="Examples:\n\n  twofold models show twofold-photo-2x\n\n  twofold models show ./mine.safetensors")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name, name@version, or a .safetensors file.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of one network; a file of your own is measured first, which takes a while."""
    found = os.path.abspath(name) if os.path.isfile(name) else name
    card = _catalogue(config).resolve(found)
    if as_json:
        print(json.dumps({"schema": 1, "model": card_json(card)}))
        return
    for key, value in _rows(card):
        print(f"{key:<14} {value}")


def card_json(card: NetworkCard) -> dict[str, Any]:
    """The card, under the name that recipes use."""
    return card.to_json() | {"name": card.full_name}


def _catalogue(config: str | None) -> Catalogue:
    settings = load_settings(config, required=False)
    from twofold.models.catalogue import Catalogue, Places
    from twofold.models.measure import measure_in_child
    from twofold.service.paths import StatePaths

    paths = StatePaths(settings.state_dir, settings.scratch_dir)
    folder = os.path.dirname(settings.source) if settings.source else os.getcwd()
    return Catalogue(Places(folder, paths.models, paths.cards), measure_in_child)


def _architecture(card: NetworkCard) -> str:
    return card.architecture or card.backend


def _rows(card: NetworkCard) -> list[tuple[str, str]]:
    seams = "tiled equals whole" if card.exact else f"up to {card.tiling_error:.2%} off at seams"
    half = [name for name, able in (("float16", card.half), ("bfloat16", card.bfloat16)) if able]
    return [
        ("name", card.full_name),
        ("enlarges", f"{card.scale}x"),
        ("architecture", _architecture(card)),
        ("intended for", card.intended_use or "not stated"),
        ("license", card.license or "not stated"),
        ("file", printable(card.file) or "none"),
        ("sha256", card.sha256),
        ("weights", bytes_text(card.weight_bytes)),
        ("work", f"{card.mflop_per_px:.2f} MFLOP per source pixel"),
        ("memory", f"{card.live_bytes_per_px:.0f} bytes per source pixel (float32)"),
        ("halo", f"{card.halo_px} px, {seams}"),
        ("alignment", f"{card.alignment} px"),
        ("half precision", ", ".join(half) or "none"),
    ]
