"""The command line `twofold`: which commands there are, and how every one of them ends."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from twofold import __version__
from twofold.cli import config, explain, jobs, models, orders, plan, run, status, upscale
from twofold.cli.exits import ExitCode, exit_code, say_error
from twofold.core.errors import TwofoldError

app = typer.Typer(
    name="twofold",
    help="Drop pictures into a folder; they come back 2x, 4x, 8x larger in another.",
    epilog=(
        "Start here:\n\n"
        "  twofold upscale photo.jpg --scale 4     one picture, no configuration\n\n"
        "  twofold config init > twofold.yaml      then set path and outbox in it\n\n"
        "  twofold once                            enlarge what is there, then end\n\n"
        "  twofold run                             watch the inboxes until stopped"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"twofold {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the program itself."""


for module in (run, upscale, plan, status, jobs, explain, orders):
    module.register(app)
app.add_typer(config.app, name="config")
app.add_typer(models.app, name="models")


def main() -> None:
    """Run one command; leave with the exit code that scripts rely on."""
    try:
        try:
            app(prog_name="twofold")
        finally:
            sys.stdout.flush()  # here, where a closed pipe is still ours to handle
    except TwofoldError as error:
        say_error(error.reason)
        sys.exit(exit_code(error.code))
    except BrokenPipeError:
        # The reader (head, less) had enough. Python flushes once more at exit: into nothing, then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.UNEXPECTED)
