"""Options that several commands share."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Annotated, cast, get_args

import typer

from twofold.core.quantity import parse_duration_s
from twofold.core.recipe import Pages, Recipe

DEFAULT_SCALE = Fraction(2)
SHORTEST_EVERY_S = 0.2

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Configuration to use. Without it: $TWOFOLD_CONFIG, ./twofold.yaml, ~/.config/twofold/, /etc/twofold/.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log in place of progress bars.")]


def _scale(text: str) -> Fraction:
    try:
        scale = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(f"{text!r} is not a number, such as 4 or 2.5") from None
    if scale <= 1:
        raise typer.BadParameter("the scale has to be larger than 1")
    return scale


def _pages(text: str) -> str:
    if text not in get_args(Pages):
        raise typer.BadParameter(f"{text!r} is none of {', '.join(get_args(Pages))}")
    return text


def _every_s(text: str) -> float:
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if seconds < SHORTEST_EVERY_S:
        raise typer.BadParameter(f"must be at least {SHORTEST_EVERY_S} s")
    return seconds


EveryOption = Annotated[
    float | None,
    typer.Option("--every", metavar="TIME", parser=_every_s, help="With --watch: how often to look.  [default: 2s]"),
]
ScaleOption = Annotated[
    Fraction | None,
    typer.Option("--scale", metavar="N", parser=_scale, help="How much larger: any number above 1.  [default: 2]"),
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="M", help="Network of a pass; repeat it for the passes that follow."),
]
PagesOption = Annotated[
    str,
    typer.Option(
        "--pages",
        metavar="WHICH",
        parser=_pages,
        help="Of files of several pages or frames (TIFF, animations, comic archives): skip, first or all.",
    ),
]
PathsArgument = Annotated[
    list[bytes], typer.Argument(parser=os.fsencode, metavar="PATH", help="Pictures or folders.", show_default=False)
]


def recipe_from_options(scale: Fraction | None, models: list[str] | None, pages: str = "skip") -> Recipe:
    """The recipe of a command that was given none of the configuration's."""
    wanted = cast(Pages, pages)
    return Recipe("command line", scale=scale or DEFAULT_SCALE, models=tuple(models or ("auto",)), pages=wanted)
