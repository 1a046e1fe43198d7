"""`run`, `once` and `worker`: the service, its one-shot form, and a worker alone."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

from twofold.cli.options import ConfigOption, JsonOption, VerboseOption
from twofold.cli.progress import Outcomes, watching
from twofold.cli.settings import load_settings
from twofold.cli.stop import StopSignals
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.telemetry.names import json_fields

if TYPE_CHECKING:
    from twofold.service.progress import Summary


def run(config: ConfigOption = None) -> None:
    """Watch the inboxes and enlarge what is dropped there, until stopped.

    Ctrl-C and SIGTERM end it cleanly: running work is kept and goes on at the next start.
    """
    settings = load_settings(config)
    import structlog

    from twofold.service.run import run_service
    from twofold.telemetry.logs import configure

    configure(sys.stdout)
    log = structlog.get_logger()
    log.info("config.loaded", source=settings.source, inboxes=list(settings.inboxes), recipes=list(settings.recipes))
    with StopSignals() as signals:
        run_service(settings, stop=signals.event)
    raise typer.Exit(signals.exit_code(otherwise=0))


def once(config: ConfigOption = None, as_json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Enlarge everything that lies in the inboxes, and end.

    Ends with 3 if any file failed or is still to be tried again.
    """
    settings = load_settings(config)
    from twofold.service.run import run_service
    from twofold.telemetry.logs import configure

    bars = sys.stdout.isatty() and not (as_json or verbose)
    configure(sys.stderr, level="info" if verbose else "error")
    outcomes = Outcomes()
    with StopSignals() as signals, watching(outcomes, bars=bars, lines=not as_json) as watch:
        summary = run_service(settings, until_idle=True, watch=watch, stop=signals.event)
    print(json.dumps(_once_json(summary, outcomes)) if as_json else _once_text(summary))
    raise typer.Exit(signals.exit_code(otherwise=summary.exit_code))


def worker(config: ConfigOption = None) -> None:
    """Work for a service on another machine; this needs a PostgreSQL database."""
    load_settings(config)
    raise TwofoldError(Code.NEEDS_POSTGRESQL, "a worker alone needs a PostgreSQL database")


def register(app: typer.Typer) -> None:
    app.command(
        epilog=(
            "Examples:\n\n"
            "  twofold run -c /etc/twofold/twofold.yaml     in the foreground, as systemd starts it\n\n"
            "  TWOFOLD__DEVICES=cpu twofold run             override one key for one run"
        )
    )(run)
    app.command(
        epilog=(
            "Examples:\n\n"
            "  twofold once                                 with the configuration that is found\n\n"
            "  twofold once -c demo/twofold.yaml --json     for scripts"
        )
    )(once)
    app.command()(worker)


def _once_text(summary: Summary) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in summary.counts.items() if count)
    return counts or "nothing to do"


def _once_json(summary: Summary, outcomes: Outcomes) -> dict[str, object]:
    return {
        "schema": 1,
        "counts": summary.counts,
        "delivered": [json_fields("path", path) | json_fields("output", output) for path, output in outcomes.delivered],
        "failed": [json_fields("path", path) | {"reason": reason.to_json()} for path, reason in outcomes.failed],
    }
