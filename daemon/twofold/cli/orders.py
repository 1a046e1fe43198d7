"""An owner's orders: start, pause, resume, retry, redo, cancel, dismiss, bump."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.figures import count_text, duration_text
from twofold.cli.options import ConfigOption, JsonOption
from twofold.cli.plan import totals_text
from twofold.cli.settings import load_settings
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.quantity import parse_duration_s
from twofold.telemetry.names import display

if TYPE_CHECKING:
    from twofold.service.control import Desk

IdsArgument = Annotated[
    list[str], typer.Argument(metavar="ID", help="Job ids, as 'jobs' shows them.", show_default=False)
]
InboxOption = Annotated[str | None, typer.Option("--inbox", metavar="X", help="Only this inbox.  [default: all]")]


def _duration_s(text: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}") from None


def start(inbox: Annotated[str, typer.Argument(metavar="INBOX")], config: ConfigOption = None) -> None:
    """Release a held backlog: everything that lay in an inbox when it was first seen."""
    settings = load_settings(config)
    from twofold.service.control import desk, known_inbox

    known_inbox(settings, inbox)
    with desk(settings) as open_desk:
        released = open_desk.ledger.release(inbox)
    print(f"{count_text(released, 'file')} released" if released else f"nothing is held in {inbox}")


def pause(
    inbox: InboxOption = None,
    duration_s: Annotated[
        float | None,
        typer.Option("--for", metavar="TIME", parser=_duration_s, help="Resume by itself after 30min, 3h, 2d, …"),
    ] = None,
    release_gpu: Annotated[
        bool,
        typer.Option("--release-gpu", help="Put down what is in work, too, and free the device's memory at once."),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Take up no more work, until 'resume'. It survives restarts. Inboxes are still looked through."""
    settings = load_settings(config)
    from twofold.jobs.pauses import ALL
    from twofold.service.control import desk, known_inbox

    name = ALL if inbox is None else known_inbox(settings, inbox).name
    now = time.time()
    until = None if duration_s is None else now + duration_s
    with desk(settings) as open_desk:
        open_desk.pauses.begin(name, until=until, release_gpu=release_gpu, now=now)
    end = "until 'twofold resume'" if duration_s is None else f"for {duration_text(duration_s)}"
    work = "work in hand is put down" if release_gpu else "work in hand is finished first"
    print(f"{'all inboxes are' if inbox is None else f'{inbox} is'} paused {end}; {work}")


def resume(inbox: InboxOption = None, config: ConfigOption = None) -> None:
    """End a pause: of one inbox, or every one."""
    settings = load_settings(config)
    from twofold.jobs.pauses import ALL
    from twofold.service.control import desk, known_inbox

    name = ALL if inbox is None else known_inbox(settings, inbox).name
    with desk(settings) as open_desk:
        ended = open_desk.pauses.end(name)
        still = {one.inbox for one in open_desk.pauses.standing(time.time())}
    print(f"{inbox or 'all inboxes'} resumed" if ended else "nothing was paused")
    if ALL in still:
        print("all inboxes are still paused: twofold resume", file=sys.stderr)


def retry(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Job ids, as 'jobs' shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that failed or wait to be tried again.")] = False,
    config: ConfigOption = None,
) -> None:
    """Take up jobs again that failed or were cancelled."""
    if bool(ids) == everything:
        raise typer.BadParameter("name jobs by their id, or give --all", param_hint="ID")
    settings = load_settings(config)
    from twofold.service.control import retry as retry_jobs

    retried = retry_jobs(settings, ids or None)
    for job_id in retried:
        print(job_id)
    if not retried:
        print("nothing to retry")


def redo(
    paths: Annotated[
        list[bytes] | None,
        typer.Argument(parser=os.fsencode, metavar="PATH", help="Sources or results, or job ids."),
    ] = None,
    inbox: Annotated[str | None, typer.Option("--inbox", metavar="X", help="Everything that is over there.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many files, hours and gigabytes.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make files again, by the recipe that their inbox has now; the results take the places of the old ones."""
    if bool(paths) == bool(inbox):
        raise typer.BadParameter("name sources or results, or an inbox with --inbox", param_hint="PATH")
    settings = load_settings(config)
    from twofold.service.control import redo as redo_jobs

    made = redo_jobs(settings, paths or [], inbox, dry_run=dry_run)
    totals: dict[str, Any] = {**made.cost.to_json(), "refused": 0}
    if as_json:
        gone = [display(path) for path in made.gone]
        print(json.dumps({"schema": 1, "dry_run": dry_run, "jobs": made.ids, "gone": gone, "totals": totals}))
        return
    for path in made.gone:
        print(f"{display(path)} is not there any more: its result stays as it is", file=sys.stderr)
    if made.ids:
        print(f"{'would make again' if dry_run else 'to be made again'}: {totals_text(totals)}")
    else:
        print("nothing to make again")


def cancel(ids: IdsArgument, config: ConfigOption = None) -> None:
    """Give jobs up. Originals stay as they are, and 'retry' takes a job up again."""
    _each(
        ids, config, "cancelled", "has ended already", lambda open_desk, one: open_desk.orders.cancel(one, time.time())
    )


def dismiss(ids: IdsArgument, config: ConfigOption = None) -> None:
    """Take note of jobs that failed or were skipped: 'status' counts them as trouble no more."""
    _each(ids, config, "dismissed", "is nothing to be dismissed", lambda open_desk, one: open_desk.orders.dismiss(one))


def bump(ids: IdsArgument, config: ConfigOption = None) -> None:
    """Let jobs go before all others, the last one named first."""
    _each(ids, config, "bumped", "is in work or over", lambda open_desk, one: open_desk.orders.bump(one))


def register(app: typer.Typer) -> None:
    epilogs: dict[Callable[..., None], str] = {
        start: "Example:\n\n  twofold start photos",
        pause: (
            "Examples:\n\n"
            "  twofold pause --for 3h --release-gpu         while you play\n\n"
            "  twofold pause --inbox scans                  until 'twofold resume --inbox scans'"
        ),
        resume: "Examples:\n\n  twofold resume\n\n  twofold resume --inbox scans",
        retry: (
            "Examples:\n\n"
            "  twofold retry 4k2lmyt3ouqa\n\n"
            "  twofold retry --all                          after the cause was mended"
        ),
        redo: (
            "Examples:\n\n"
            "  twofold redo --inbox photos --dry-run        how many files, hours and gigabytes\n\n"
            "  twofold redo /srv/photos/in/a.jpg            a source, or its result"
        ),
        cancel: "Example:\n\n  twofold cancel 4k2lmyt3ouqa",
        dismiss: "Example:\n\n  twofold dismiss 4k2lmyt3ouqa",
        bump: "Example:\n\n  twofold bump 4k2lmyt3ouqa",
    }
    for command, epilog in epilogs.items():
        app.command(epilog=epilog)(command)


def _each(ids: list[str], config: str | None, done: str, not_done: str, order: Callable[[Desk, str], bool]) -> None:
    """Give one order for each job; every id is tried, and an unknown one is an error at the end."""
    settings = load_settings(config)
    from twofold.service.control import desk

    unknown = []
    with desk(settings) as open_desk:
        for job_id in ids:
            try:
                print(f"{job_id} {done if order(open_desk, job_id) else not_done}")
            except TwofoldError as error:
                if error.code is not Code.NOT_FOUND:
                    raise
                unknown.append(job_id)
    if unknown:
        raise TwofoldError(Code.NOT_FOUND, f"no job has the id {', '.join(unknown)}")
