"""`plan`: what would be done to a picture, and what it would cost; runs nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from twofold.cli.figures import bytes_text, count_text, duration_text, pixels_text, size_text
from twofold.cli.options import ConfigOption, JsonOption, ModelOption, PagesOption, ScaleOption, recipe_from_options
from twofold.cli.settings import load_settings
from twofold.core.quantity import parse_size_bytes
from twofold.telemetry.names import printable


def _free_bytes(text: str) -> int:
    try:
        return parse_size_bytes(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}") from None


def plan(
    paths: Annotated[
        list[bytes] | None, typer.Argument(parser=os.fsencode, metavar="PATH", help="Pictures or folders.")
    ] = None,
    inbox: Annotated[str | None, typer.Option("--inbox", metavar="X", help="Everything in this inbox.")] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", metavar="R", help="A recipe of the configuration.")] = None,
    scale: ScaleOption = None,
    model: ModelOption = None,
    pages: PagesOption = "skip",
    free: Annotated[
        int | None,
        typer.Option("--free", metavar="SIZE", parser=_free_bytes, help="Plan for this much free device memory."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show passes, networks, sizes, tiles, memory, time and disk of pictures. Runs nothing.

    A folder gives totals too.
    """
    if bool(paths) == bool(inbox):
        raise typer.BadParameter("name pictures or folders, or an inbox with --inbox", param_hint="PATH")
    if recipe and (scale or model or pages != "skip"):
        raise typer.BadParameter("give either --recipe, or --scale, --model and --pages", param_hint="--recipe")
    settings = load_settings(config, required=bool(recipe or inbox))
    chosen = _known(inbox, settings.inboxes, "--inbox") if inbox else None
    if chosen is not None:
        recipe, paths = recipe or chosen.recipe, [chosen.path]
    wanted = _known(recipe, settings.recipes, "--recipe") if recipe else recipe_from_options(scale, model, pages)
    from twofold.service.plan import plan_paths

    planned = plan_paths(paths or [], wanted, settings, free_bytes=free, inbox=chosen)
    print(json.dumps(planned) if as_json else "\n".join(_text(planned)))


def register(app: typer.Typer) -> None:
    app.command(
        epilog=(
            "Examples:\n\n"
            "  twofold plan photo.jpg --scale 8             how an 8x would be made on this machine\n\n"
            "  twofold plan --inbox photos                  hours and gigabytes of a whole inbox\n\n"
            "  twofold plan photo.jpg --free 4GiB --json    on a device with 4 GiB free"
        )
    )(plan)


def _known(name: str, known: Any, option: str) -> Any:
    if name not in known:
        raise typer.BadParameter(f"no {name!r}; there is: {', '.join(known) or 'none'}", param_hint=option)
    return known[name]


def _text(planned: dict[str, Any]) -> Iterator[str]:
    for file in planned["files"]:
        path = printable(file["path"])
        if file["refused"] is not None:
            refused = file["refused"]
            yield f"{path}: {printable(refused['text'])} ({refused['code']})"
            if refused["hint"]:
                yield f"  hint: {refused['hint']}"
            continue
        several = f"{count_text(len(file['pages']), 'page')}, the first " if file["pages"] else ""
        yield f"{path}: {several}{size_text(file['size'])} → {size_text(file['out_size'])}"
        if file["why"] and file["passes"]:
            yield f"  {file['passes'][0]['model']} first: {file['why']}"
        yield from (_pass_text(number, item) for number, item in enumerate(file["passes"], start=1))
        yield f"  {_cost_text(file)}"
    totals = planned["totals"]
    if totals["files"] > 1:
        yield totals_text(totals)


def totals_text(totals: dict[str, Any]) -> str:
    """`40,112 files, about 9 d and 2.4 TiB of results, from a sample of 24`."""
    parts = [count_text(totals["files"], "file"), pixels_text(totals["pixels"])]
    rate = f" ({totals['rate']})" if "rate" in totals else ""
    parts += [f"about {duration_text(totals['seconds'])}{rate}", f"{bytes_text(totals['out_bytes'])} of results"]
    if totals["sampled"] < totals["files"]:
        parts.append(f"from a sample of {totals['sampled']}")
    if totals["refused"]:
        parts.append(f"{totals['refused']} of them refused")
    return ", ".join(parts)


def _pass_text(number: int, item: dict[str, Any]) -> str:
    sizes = f"{size_text(item['in'])} → {size_text(item['out'])}"
    tiles = f"{count_text(item['tiles'], 'tile')} of {size_text(item['tile'])}"
    shape = f"{tiles}, batch {item['batch']}, halo {item['halo']} px"
    cost = f"{bytes_text(item['vram_bytes'])}, about {duration_text(item['seconds'])} ({item['rate']})"
    return f"  pass {number}: {item['model']}  {sizes}  {shape}  {cost}"


def _cost_text(costs: dict[str, Any]) -> str:
    parts = [f"about {duration_text(costs['seconds'])} ({costs['rate']})"] if "seconds" in costs else []
    if "ram_bytes" in costs:
        parts.append(f"{bytes_text(costs['ram_bytes'])} memory")
    if "disk_bytes" in costs:
        parts.append(f"{bytes_text(costs['disk_bytes'])} disk")
    return ", ".join(parts)
