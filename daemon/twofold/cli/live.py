"""`status --watch`: the whole service on one screen, drawn anew every few seconds."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from types import FrameType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from twofold.cli.figures import bytes_text, size_text, speed_text
from twofold.cli.jobs import place
from twofold.cli.pages import done_px, fraction, pass_text
from twofold.cli.status import held_text
from twofold.core.states import InboxState, State
from twofold.jobs.read import jobs_json
from twofold.service.speed import Speedometer
from twofold.telemetry.names import printable

SHOWN_JOBS = 5
"""Running jobs, last results and failures: so many of each fit a screen of usual height."""

LATEST_JOBS = 50
"""So many are looked at for those to show: a person may have dismissed some."""

BAR_CHARS = 20
QUIT_KEYS = frozenset("qQ\x04")
INBOX_STYLES = {InboxState.OK.value: "green", InboxState.OFFLINE.value: "red"}


def watch_status(
    every_s: float, *, read: Callable[[], dict[str, Any]], database: str, plain: Callable[[], None], draw: bool
) -> None:
    """Show the service until q or Ctrl-C: drawn, or by `plain` at each interval where there is no terminal to draw on.

    `read()` gives the object of `status --json`, with the queue's line as `queue_text`.
    """
    console = Console()
    try:
        with _interrupted_by_sigterm():
            if draw and console.is_terminal and not console.is_dumb_terminal:
                _draw(console, every_s, View(read, database))
            else:
                _repeat(every_s, plain)
    except KeyboardInterrupt:
        pass  # the way to end it


def _draw(console: Console, every_s: float, view: View) -> None:
    with _single_keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(view.look(), refresh=True)
            if _quits(keys, every_s):
                return


def _repeat(every_s: float, plain: Callable[[], None]) -> None:
    while True:
        plain()
        sys.stdout.flush()
        time.sleep(every_s)


@dataclass(slots=True)
class View:
    """What is drawn, and the speeds that only a second look can tell."""

    read: Callable[[], dict[str, Any]]
    database: str
    _speed: Speedometer = field(default_factory=Speedometer)
    _first: bool = True

    def look(self) -> RenderableType:
        """Read everything, and lay it out."""
        shown = self.read()
        running = jobs_json(self.database, State.RUNNING)["jobs"]
        done = {job["id"]: done_px(job) for job in running}
        self._speed.look(time.monotonic(), done, {}, done if self._first else ())
        self._first = False
        return Group(*self._parts(shown, running))

    def _parts(self, shown: dict[str, Any], running: list[dict[str, Any]]) -> Iterator[RenderableType]:
        yield _head(shown["running"])
        yield from _section("Inboxes", _inboxes(shown["inboxes"]))
        yield from _section("Devices", _devices(shown["devices"]))
        yield from _section("Running", self._running(running))
        yield from _section("Queue", [[_long(shown["queue_text"])]])
        for title, state in (("Last results", State.DONE), ("Failed", State.FAILED)):
            latest = jobs_json(self.database, state, limit=LATEST_JOBS)["jobs"]
            yield from _section(title, _ended([job for job in latest if not job["dismissed"]][:SHOWN_JOBS]))

    def _running(self, jobs: list[dict[str, Any]]) -> list[list[RenderableType]]:
        rows: list[list[RenderableType]] = []
        for job in jobs[:SHOWN_JOBS]:
            share = fraction(job)
            px_per_s = self._speed.of(job["id"])
            speed = "" if px_per_s is None else speed_text(px_per_s)
            rows.append([_long(place(job)), _bar(share), Text(f"{share:.0%}"), Text(pass_text(job)), Text(speed)])
        if len(jobs) > SHOWN_JOBS:
            rows.append([Text(f"and {len(jobs) - SHOWN_JOBS} more")])
        return rows


def _head(running: bool) -> RenderableType:
    head = Table.grid(expand=True)
    head.add_column()
    head.add_column(justify="right")
    state = Text("running", "green") if running else Text("not running", "red")
    head.add_row(Text("Twofold is ").append_text(state), Text(f"{time.strftime('%H:%M:%S')}, q ends", "dim"))
    return head


def _section(title: str, rows: list[list[RenderableType]]) -> Iterator[RenderableType]:
    if not rows:
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    for cells in zip_longest(*rows):
        # Where the screen is too narrow, the columns that may wrap are made smaller; their texts are cut instead.
        table.add_column(no_wrap=not any(isinstance(cell, Text) and cell.no_wrap for cell in cells))
    for row in rows:
        table.add_row(*row)
    yield Text()
    yield Text(title, "bold")
    yield table


def _long(text: str, style: str = "") -> Text:
    """A text that is cut where there is no room for it."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _inboxes(inboxes: list[dict[str, Any]]) -> list[list[RenderableType]]:
    rows: list[list[RenderableType]] = []
    for inbox in inboxes:
        state = inbox["state"]
        counts = ", ".join(f"{count} {name}" for name, count in inbox["counts"].items() if count) or "no files yet"
        told = printable(inbox["reason"]["text"]) if inbox["reason"] else ""
        if inbox["paused_until"]:
            told = f"until {inbox['paused_until']}"
        elif inbox["held"] and state == InboxState.HELD:
            told = held_text(inbox)
        style = INBOX_STYLES.get(state, "yellow")
        rows.append([Text(printable(inbox["name"])), Text(state, style), _long(counts), _long(told, "dim")])
    return rows


def _devices(devices: list[dict[str, Any]]) -> list[list[RenderableType]]:
    rows: list[list[RenderableType]] = []
    for device in devices:
        used_bytes, total_bytes = device["total_bytes"] - device["free_bytes"], device["total_bytes"]
        worker, waiting = device["worker"], device["waiting"]
        rows.append(
            [
                _long(printable(device["name"])),
                _bar(used_bytes / total_bytes if total_bytes else 0.0),
                Text(f"{bytes_text(used_bytes)} of {bytes_text(total_bytes)} used"),
                Text("no worker" if worker is None else f"worker {worker['pid']} {worker['state']}", "dim"),
                _long("" if waiting is None else f"waits: {printable(waiting['text'])}", "yellow"),
            ]
        )
    return rows


def _ended(jobs: list[dict[str, Any]]) -> list[list[RenderableType]]:
    rows: list[list[RenderableType]] = []
    for job in jobs:
        told = f"{printable(job['reason']['text'])} ({job['reason']['code']})" if job["reason"] else ""
        for picture in job["pictures"][:1] if job["output"] else ():
            told = size_text([picture["out_width"], picture["out_height"]])
            told = f"{len(job['pictures'])} pages, the first {told}" if len(job["pictures"]) > 1 else told
        finished = datetime.fromisoformat(job["finished"]).astimezone().strftime("%Y-%m-%d %H:%M")
        rows.append([Text(finished, "dim"), _long(place(job)), _long(told)])
    return rows


def _bar(share: float) -> ProgressBar:
    return ProgressBar(total=1.0, completed=min(max(share, 0.0), 1.0), width=BAR_CHARS)


@contextmanager
def _single_keys() -> Iterator[int | None]:
    """Standard input key by key, without echo; None where it is no terminal. What was set before is set again."""
    fd = sys.stdin.fileno()
    if not os.isatty(fd):
        yield None
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield fd
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _quits(keys: int | None, within_s: float) -> bool:
    """Wait out the interval; True as soon as one of QUIT_KEYS is pressed."""
    until_s = time.monotonic() + within_s
    while (left_s := until_s - time.monotonic()) > 0:
        if keys is None:
            time.sleep(left_s)
        elif select.select([keys], [], [], left_s)[0]:
            pressed = os.read(keys, 1)
            if not pressed or pressed.decode("latin-1") in QUIT_KEYS:
                return True
    return False


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the view as Ctrl-C does, so that the terminal is left as it was."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
