"""`models list`, `show`, `verify` and `convert`: the networks that recipes can name."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.exits import ExitCode
from twofold.cli.figures import bytes_text
from twofold.cli.options import ConfigOption, JsonOption
from twofold.cli.settings import load_settings
from twofold.telemetry.names import printable

if TYPE_CHECKING:
    from twofold.core.card import NetworkCard
    from twofold.core.errors import Reason, TwofoldError
    from twofold.core.settings import Settings
    from twofold.models.catalogue import Catalogue
    from twofold.service.paths import StatePaths

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


@app.command(
    epilog="Examples:\n\n  twofold models verify\n\n  twofold models verify twofold-photo-2x ./mine.safetensors"
)
def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="All networks, if none is named.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that network files are what their cards say: read each whole, load it, and measure it anew.

    Takes some seconds a network. Exit code 69 where one is not.
    """
    catalogue = _catalogue(config)
    refused: list[tuple[str, TwofoldError]] = []
    if names:
        wanted = [os.path.abspath(name) if os.path.isfile(name) else name for name in names]
    else:
        wanted = [card.full_name for card in catalogue.list_cards(lambda file, error: refused.append((file, error)))]
    checked: list[tuple[str, Reason | None]] = [(file, error.reason) for file, error in refused]
    for name in wanted:
        checked.append((name, _fault(catalogue, name)))
        if not as_json:
            print(_verdict(*checked[-1]))
    if as_json:
        models = [
            {"name": name, "ok": reason is None, "reason": None if reason is None else reason.to_json()}
            for name, reason in checked
        ]
        print(json.dumps({"schema": 1, "models": models}))
    elif refused:
        print("\n".join(_verdict(file, error.reason) for file, error in refused))
    if any(reason is not None for _, reason in checked):
        raise typer.Exit(ExitCode.NO_DEVICE)


@app.command(epilog="Example:\n\n  twofold models convert 2x_mine.pth     then, in a recipe: models: [2x_mine]")
def convert(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .pth or .pt checkpoint of one network.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; else the models folder.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rewrite a .pth checkpoint as .safetensors, and put it where recipes find it by name.

    Only tensors are read, and no code in the file is run. Never writes over a file.
    """
    from twofold.models.measure import convert_in_child

    settings = load_settings(config, required=False)
    target = output
    if target is None:
        paths = _paths(settings)
        paths.create()
        stem = os.path.splitext(os.path.basename(file))[0]
        target = os.path.join(paths.models, f"{stem}.safetensors")
    card = convert_in_child(os.path.abspath(file), os.path.abspath(target))
    if as_json:
        print(json.dumps({"schema": 1, "model": card_json(card)}))
        return
    print(f"{printable(target)}: {_architecture(card)}, {card.scale}x, {bytes_text(card.weight_bytes)} of weights")
    if output is None:
        print(f"In a recipe: models: [{printable(card.name)}]")


def card_json(card: NetworkCard) -> dict[str, Any]:
    """The card, under the name that recipes use."""
    return card.to_json() | {"name": card.full_name}


def _catalogue(config: str | None) -> Catalogue:
    settings = load_settings(config, required=False)
    from twofold.models.catalogue import Catalogue, Places
    from twofold.models.measure import measure_in_child

    paths = _paths(settings)
    folder = os.path.dirname(settings.source) if settings.source else os.getcwd()
    return Catalogue(Places(folder, paths.models, paths.cards), measure_in_child)


def _paths(settings: Settings) -> StatePaths:
    from twofold.service.paths import StatePaths

    return StatePaths(settings.state_dir, settings.scratch_dir)


def _fault(catalogue: Catalogue, name: str) -> Reason | None:
    """Why a network is not what its card says, or None."""
    from twofold.core.codes import Code
    from twofold.core.errors import Reason, TwofoldError
    from twofold.models.measure import measure_in_child

    try:
        card = catalogue.resolve(name)
        if not card.file:
            return None  # identity and sleep have no file
        found = measure_in_child(card.file)
    except TwofoldError as error:
        return error.reason
    facts = ("sha256", "architecture", "scale", "halo_px", "exact", "alignment", "mflop_per_px")
    wrong = [fact for fact in facts if getattr(card, fact) != getattr(found, fact)]
    if not wrong:
        return None
    text = ", ".join(f"{fact} is {getattr(found, fact)}, not {getattr(card, fact)}" for fact in wrong)
    return Reason(Code.MODEL_CHANGED, f"measured anew, {text}", Code.MODEL_CHANGED.hint)


def _verdict(name: str, reason: Reason | None) -> str:
    return (
        f"{printable(name)}: ok" if reason is None else f"{printable(name)}: {printable(reason.text)} ({reason.code})"
    )


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
