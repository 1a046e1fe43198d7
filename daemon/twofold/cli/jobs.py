"""`jobs`: the files of the ledger, one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from twofold.cli.options import ConfigOption, JsonOption
from twofold.cli.pages import fraction, pass_text, sizes_text
from twofold.cli.settings import state_paths
from twofold.core.states import State
from twofold.jobs.read import jobs_json
from twofold.telemetry.names import printable


def jobs(
    state: Annotated[State | None, typer.Option("--state", help="Only files in this state.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List files: those in work first, then the latest."""
    listed = jobs_json(state_paths(config).database, state)
    if as_json:
        print(json.dumps(listed))
        return
    for job in listed["jobs"]:
        print(job_line(job))


def register(app: typer.Typer) -> None:
    app.command(
        epilog=(
            "Examples:\n\n"
            "  twofold jobs --state failed\n\n"
            "  twofold jobs --json | jq -r '.jobs[] | select(.state == \"done\") | .output'"
        )
    )(jobs)


def job_line(job: dict[str, Any]) -> str:
    """One job on one line."""
    return "  ".join([job["id"], f"{job['state']:<9}", place(job), *_details(job)])


def place(job: dict[str, Any]) -> str:
    """Inbox and path in one; outside inboxes the path is absolute."""
    return printable(f"{job['inbox']}/{job['path']}" if job["inbox"] else job["path"])


def _details(job: dict[str, Any]) -> Iterator[str]:
    if job["pictures"]:
        yield sizes_text(job)
        if job["state"] == State.RUNNING:
            yield f"{pass_text(job)}, {fraction(job):.0%}"
    if job["reason"]:
        yield f"{printable(job['reason']['text'])} ({job['reason']['code']})"
    if job["next_at"]:
        yield f"again at {job['next_at']}"
