"""`status`: the whole service at a glance, read from the ledger; works beside a running service and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.exits import ExitCode
from twofold.cli.figures import bytes_text, count_text, duration_text, pixels_text
from twofold.cli.jobs import place
from twofold.cli.options import ConfigOption, EveryOption, JsonOption
from twofold.cli.settings import state_paths
from twofold.core.states import InboxState, State
from twofold.jobs.read import jobs_json, status_json
from twofold.service.lock import is_locked
from twofold.telemetry.names import printable

if TYPE_CHECKING:
    from twofold.service.paths import StatePaths

MAX_FAILURES_SHOWN = 5
DEFAULT_EVERY_S = 2.0


def status(
    config: ConfigOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="For health probes: one line; 0 where the service runs, else 69.")
    ] = False,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it, until q or Ctrl-C.")] = False,
    every: EveryOption = None,
) -> None:
    """Show inboxes, queue, devices and the last failures."""
    paths = state_paths(config)
    if watch and check:
        raise typer.BadParameter("it answers once: leave --watch out", param_hint="--check")
    if watch:
        _watch(paths, every or DEFAULT_EVERY_S, as_json=as_json)
        return
    running = _show(paths, check=check, as_json=as_json)
    if check and not running:
        raise typer.Exit(ExitCode.NO_DEVICE)


def _watch(paths: StatePaths, every_s: float, *, as_json: bool) -> None:
    from twofold.cli.live import watch_status  # rich is heavy, and nothing else here needs it

    def read() -> dict[str, Any]:
        shown = status_json(paths.database)
        return {**shown, "running": is_locked(paths.lock), "queue_text": _queue_text(shown["queue"])}

    def plain() -> None:
        _show(paths, check=False, as_json=as_json)
        print(end="" if as_json else "\n")

    watch_status(every_s, read=read, database=paths.database, plain=plain, draw=not as_json)


def _show(paths: StatePaths, *, check: bool, as_json: bool) -> bool:
    """Print it once; True where the service runs."""
    running = is_locked(paths.lock)
    shown = {**status_json(paths.database), "running": running}
    if as_json:
        print(json.dumps(shown))
    elif check:
        print(f"{'running' if running else 'not running'}; {_queue_text(shown['queue'])}")
    else:
        failed = [job for job in jobs_json(paths.database, State.FAILED)["jobs"] if not job["dismissed"]]
        print("\n".join(_text(shown, failed)))
    return running


def register(app: typer.Typer) -> None:
    app.command(
        epilog=(
            "Examples:\n\n"
            "  twofold status\n\n"
            "  twofold status --watch                       until q is pressed\n\n"
            "  twofold status --check                       in a health probe\n\n"
            "  twofold status --json | jq .queue.eta_s"
        )
    )(status)


def _text(shown: dict[str, Any], failed: list[dict[str, Any]]) -> Iterator[str]:
    yield f"Twofold is {'running' if shown['running'] else 'not running'}."
    yield from _section("Inboxes", [line for inbox in shown["inboxes"] for line in _inbox_lines(inbox)])
    yield from _section("Devices", [line for device in shown["devices"] for line in _device_lines(device)])
    yield from _section("Queue", [_queue_text(shown["queue"])])
    yield from _section("Failed", [line for job in failed[:MAX_FAILURES_SHOWN] for line in _failure_lines(job)])
    if len(failed) > MAX_FAILURES_SHOWN:
        yield f"  and {len(failed) - MAX_FAILURES_SHOWN} more: twofold jobs --state failed"


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _inbox_lines(inbox: dict[str, Any]) -> Iterator[str]:
    counts = ", ".join(f"{count} {state}" for state, count in inbox["counts"].items() if count) or "no files yet"
    yield f"{printable(inbox['name'])}: {inbox['state']}, {counts}"
    yield f"  {inbox['mode']}, scanned every {duration_text(inbox['scan_every_s'])}".replace("  , ", "  ")
    reason = inbox["reason"]
    if inbox["paused_until"]:
        yield f"  paused until {inbox['paused_until']}"
    elif inbox["held"] and inbox["state"] == InboxState.HELD:
        yield f"  {held_text(inbox)}"
    elif reason:
        yield f"  {printable(reason['text'])} ({reason['code']}) {reason['hint']}".rstrip()
    if inbox["ignored"]:
        yield "  ignored: " + ", ".join(f"{count} by {printable(rule)}" for rule, count in inbox["ignored"].items())


def held_text(inbox: dict[str, Any]) -> str:
    """`40,112 files held, about 9 d and 2.4 TiB at this recipe: twofold start photos`."""
    held = inbox["held"]
    cost = ""
    if held["forecast"]:
        made = held["forecast"]
        cost = f", about {duration_text(made['seconds'])} and {bytes_text(made['out_bytes'])} at this recipe"
    return f"{count_text(held['files'], 'file')} held{cost}: twofold start {printable(inbox['name'])}"


def _device_lines(device: dict[str, Any]) -> Iterator[str]:
    memory = f"{bytes_text(device['free_bytes'])} free of {bytes_text(device['total_bytes'])}"
    worker = device["worker"]
    doing = "no worker" if worker is None else f"worker {worker.get('pid', '')} {worker.get('state', '')}".rstrip()
    yield f"{device['id']}: {printable(device['name'])}, {memory}, {doing}"
    waiting = device["waiting"]
    if waiting:
        yield f"  waits since {waiting['since']}: {printable(waiting['text'])} ({waiting['code']})"
        if waiting["hint"]:
            yield f"  hint: {waiting['hint']}"


def _queue_text(queue: dict[str, Any]) -> str:
    if not queue["files"]:
        return "nothing to do"
    parts = [f"{count_text(queue['files'], 'file')} to do"]
    if queue["pixels"]:
        parts.append(pixels_text(queue["pixels"]))
    if queue["out_bytes"]:
        parts.append(f"{bytes_text(queue['out_bytes'])} to write")
    parts.append("time not known yet" if queue["eta_s"] is None else f"about {duration_text(queue['eta_s'])}")
    return ", ".join(parts)


def _failure_lines(job: dict[str, Any]) -> Iterator[str]:
    reason = job["reason"] or {"text": "", "code": "", "hint": ""}
    yield f"{job['id']}  {place(job)}: {printable(reason['text'])} ({reason['code']})"
    if reason["hint"]:
        yield f"  hint: {printable(reason['hint'])}"
