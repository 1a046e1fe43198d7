"""`upscale`: enlarge pictures where they lie, without inbox, configuration or ledger."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.exits import ExitCode
from twofold.cli.options import (
    ConfigOption,
    JsonOption,
    ModelOption,
    PagesOption,
    PathsArgument,
    ScaleOption,
    VerboseOption,
    recipe_from_options,
)
from twofold.cli.progress import Outcomes, choose_show, failed_line, watching
from twofold.cli.settings import load_settings
from twofold.cli.stop import StopSignals
from twofold.telemetry.names import display, json_fields, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twofold.service.upscale import UpscaleResult


def upscale(
    paths: PathsArgument,
    out: Annotated[
        bytes | None,
        typer.Option("--out", "-o", parser=os.fsencode, metavar="DIR", help="Folder for the results."),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Go down into folders.")] = False,
    scale: ScaleOption = None,
    model: ModelOption = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Also draw NAME-compare.png beside each result: up to three parts of the picture, "
            "enlarged by Lanczos on the left, the result on the right.",
        ),
    ] = False,
    pages: PagesOption = "skip",
    config: ConfigOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Enlarge pictures now. Results lie beside their sources, or in the folder given with -o.

    Originals are never changed. Ends with 3 if any picture failed.
    """
    recipe = recipe_from_options(scale, model, pages)
    settings = load_settings(config, required=False)
    from twofold.service.upscale import upscale as upscale_paths
    from twofold.telemetry.logs import configure

    outcomes = Outcomes()
    with StopSignals() as signals, watching(outcomes, choose_show(as_json=as_json, verbose=verbose)) as watch:
        configure(sys.stderr, level="info" if verbose else "error")  # bars have taken the stream over by now
        results = upscale_paths(
            paths,
            out_dir=out,
            recursive=recursive,
            recipe=recipe,
            settings=settings,
            compare=compare,
            watch=watch,
            stop=signals.event,
        )
    if as_json:
        print(json.dumps({"schema": 1, "files": [_result_json(result) for result in results]}))
    else:
        _say_unseen(results, outcomes)
        _say_more(results)
    failed = any(result.reason is not None for result in results)
    raise typer.Exit(signals.exit_code(otherwise=ExitCode.FILES_FAILED if failed else ExitCode.OK))


def register(app: typer.Typer) -> None:
    app.command(
        epilog=(
            "Examples:\n\n"
            "  twofold upscale photo.jpg                    makes photo-2x.jpg beside it\n\n"
            "  twofold upscale *.png --scale 4 -o large     several, into another folder\n\n"
            "  twofold upscale photo.jpg --compare          also makes photo-2x-compare.png, to see what was gained\n\n"
            "  twofold upscale -r album -o album-8x --scale 8\n\n"
            "  twofold upscale comic.cbz --pages all        every page, into one comic-2x.cbz\n\n"
            "  twofold upscale scan.tif --model denoise-1x.safetensors --model twofold-photo-2x"
        )
    )(upscale)


def _say_unseen(results: Sequence[UpscaleResult], outcomes: Outcomes) -> None:
    """A path refused before any work began (no such file) never reached the progress view."""
    seen = {path for path, _reason in outcomes.failed}
    for result in results:
        if result.reason is not None and result.path not in seen:
            print(failed_line(result.path, result.reason), file=sys.stderr)


def _say_more(results: Sequence[UpscaleResult]) -> None:
    """What is to be known of results that are there."""
    for result in results:
        for note in result.notes:
            print(f"{display(result.path)}: {printable(note)}", file=sys.stderr)
        if result.comparison is not None:
            print(f"{display(result.path)} compared: {display(result.comparison)}")


def _result_json(result: UpscaleResult) -> dict[str, object]:
    fields: dict[str, object] = {**json_fields("path", os.path.abspath(result.path))}
    for key, path in (("output", result.output), ("comparison", result.comparison)):
        fields |= {key: None} if path is None else json_fields(key, path)
    reason = None if result.reason is None else result.reason.to_json()
    return fields | {"reason": reason, "notes": list(result.notes)}
