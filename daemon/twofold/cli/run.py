"""`run`, `once` and `worker`: the service, its one-shot form, and a worker alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from twofold.cli.jobs import job_line
from twofold.cli.options import ConfigOption, JsonOption, VerboseOption
from twofold.cli.progress import Outcomes, watching
from twofold.cli.settings import load_settings
from twofold.cli.status import held_text
from twofold.cli.stop import StopSignals
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.states import State
from twofold.jobs.read import jobs_json, status_json
from twofold.service.paths import StatePaths
from twofold.telemetry.names import json_fields, printable

if TYPE_CHECKING:
    from twofold.core.settings import Settings
    from twofold.service.progress import Summary

LEFT_OVER = (State.WAITING, State.RETRYING)
MAX_LEFT_SHOWN = 10


def run(config: ConfigOption = None) -> None:
    """Watch the inboxes and enlarge what is dropped there, until stopped.

    Ctrl-C and SIGTERM end it cleanly: running work is kept and goes on at the next start.
    """
    settings = load_settings(config)
    import structlog

    from twofold.service.run import run_service
    from twofold.telemetry.logs import configure

    configure(sys.stderr)
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
    # A terminal shows the progress; a file or journal gets the line that explains each job.
    level = "info" if verbose or not sys.stderr.isatty() else "error"
    configure(sys.stderr, level=level)
    outcomes = Outcomes()
    with StopSignals() as signals, watching(outcomes, bars=bars, lines=not as_json) as watch:
        summary = run_service(settings, until_idle=True, watch=watch, stop=signals.event, log_level=level)
    if as_json:
        print(json.dumps(_once_json(summary, outcomes)))
    else:
        print("\n".join([*_once_text(summary, left_over(settings)), *held_lines(settings)]))
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


def left_over(settings: Settings) -> list[dict[str, Any]]:
    """The files that still wait or are to be tried again, as `jobs --json` shows them."""
    database = StatePaths(settings.state_dir, settings.scratch_dir).database
    return [job for state in LEFT_OVER for job in jobs_json(database, state)["jobs"]]


def held_lines(settings: Settings) -> list[str]:
    """One line for each inbox whose first backlog waits for a person's word."""
    database = StatePaths(settings.state_dir, settings.scratch_dir).database
    inboxes = [inbox for inbox in status_json(database)["inboxes"] if inbox["name"] in settings.inboxes]
    return [f"{printable(inbox['name'])}: {held_text(inbox)}" for inbox in inboxes if inbox["held"]]


def _once_text(summary: Summary, left: list[dict[str, Any]]) -> Iterator[str]:
    yield ", ".join(f"{count} {state}" for state, count in summary.counts.items() if count) or "nothing to do"
    for job in left[:MAX_LEFT_SHOWN]:
        yield job_line(job)
        if job["reason"] and job["reason"]["hint"]:
            yield f"  hint: {job['reason']['hint']}"
    if len(left) > MAX_LEFT_SHOWN:
        yield f"and {len(left) - MAX_LEFT_SHOWN} more: twofold jobs"


def _once_json(summary: Summary, outcomes: Outcomes) -> dict[str, object]:
    return {
        "schema": 1,
        "counts": summary.counts,
        "delivered": [json_fields("path", path) | json_fields("output", output) for path, output in outcomes.delivered],
        "failed": [json_fields("path", path) | {"reason": reason.to_json()} for path, reason in outcomes.failed],
    }
