"""`calibrate`: what each network costs on each device, and how fast it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.figures import bytes_text
from twofold.cli.options import ConfigOption, JsonOption
from twofold.cli.settings import load_settings
from twofold.cli.stop import StopSignals

if TYPE_CHECKING:
    from twofold.service.calibrate import Calibration, Step, Watch

DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="D", help="cpu, cuda:N or a UUID; without it, those of the configuration."),
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="M", help="A network or a .safetensors file; may be repeated."),
]


def calibrate(
    device: DeviceOption = None,
    model: ModelsOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what networks cost and how fast they are here; 'plan' and 'status' then tell times by it.

    Without --model it takes the networks of the inboxes' recipes, else the built-in ones. It takes up to a minute for
    each network and device. A device that a worker is using just now is refused (4).
    """
    settings = load_settings(config, required=False)
    from twofold.service.calibrate import calibrate as run

    bars = sys.stderr.isatty() and not as_json
    with StopSignals() as signals, _watching(bars=bars) as watch:
        found = run(settings, device=device, models=model or (), watch=watch, stop=signals.event)
    if as_json:
        print(json.dumps({"schema": 1, "calibrations": [_json(one) for one in found]}))
    else:
        print("\n".join(line for one in found for line in _text(one)))
    raise typer.Exit(signals.exit_code(otherwise=0))


def register(app: typer.Typer) -> None:
    app.command(
        epilog=("Examples:\n\n  twofold calibrate\n\n  twofold calibrate --device cpu --model twofold-photo-2x --json")
    )(calibrate)


@contextmanager
def _watching(*, bars: bool) -> Iterator[Watch]:
    if not bars:
        yield lambda step, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("  {task.description}", markup=False), BarColumn(bar_width=24)
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("loading", total=None)

        def watch(step: Step, done: int, total: int) -> None:
            what = f"{step.pair} of {step.pairs}: {step.model} on {step.device}"
            progress.update(task, description=what, completed=done, total=total)

        yield watch


def _text(one: Calibration) -> Iterator[str]:
    cost = one.cost
    yield f"{one.model} on {one.device} ({one.dtype}): {_rate(one.picture_px_per_s)} over a 12 MP picture"
    if cost.bytes_per_px is not None:
        yield f"  memory    {cost.bytes_per_px:.0f} bytes a pixel and {bytes_text(cost.fixed_bytes or 0)}"
    overhead = f", and {cost.overhead_s * 1000:.1f} ms a tile" if cost.overhead_s else ""
    yield f"  speed     {_rate(cost.px_per_s)}{overhead}"
    for sample in one.samples:
        memory = "" if sample.bytes is None else f", {bytes_text(sample.bytes)}"
        yield f"  {sample.side_px:>4} px   {sample.seconds * 1000:.1f} ms, {_rate(sample.px_per_s)}{memory}"


def _rate(px_per_s: float) -> str:
    return f"{px_per_s / 1e6:.3g} MP/s"


def _json(one: Calibration) -> dict[str, Any]:
    return {
        "device": one.device,
        "model": one.model,
        "dtype": one.dtype,
        "bytes_per_px": one.cost.bytes_per_px,
        "fixed_bytes": one.cost.fixed_bytes,
        "px_per_s": one.cost.px_per_s,
        "overhead_s": one.cost.overhead_s,
        "picture_px_per_s": one.picture_px_per_s,
        "samples": [
            {
                "tile": [sample.side_px, sample.side_px],
                "batch": 1,
                "seconds": sample.seconds,
                "px_per_s": sample.px_per_s,
                "bytes": sample.bytes,
            }
            for sample in one.samples
        ],
    }
