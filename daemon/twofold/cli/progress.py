"""Progress of `once` and `upscale`: bars on a terminal, lines elsewhere, nothing beside JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from twofold.cli.figures import duration_text, speed_text
from twofold.telemetry.names import display, printable

if TYPE_CHECKING:
    from twofold.core.errors import Reason
    from twofold.service.progress import ActiveJob, InboxNews, Snapshot

Watch = Callable[["Snapshot"], None]
Show = Literal["bars", "lines", "results", "nothing"]
UNMOVING_TERMINALS = ("dumb", "unknown")


@dataclass(slots=True)
class Outcomes:
    """Everything that ended while the command ran, in order: (path, output) and (path, reason)."""

    delivered: list[tuple[bytes, bytes]] = field(default_factory=list)
    failed: list[tuple[bytes, Reason]] = field(default_factory=list)

    def add(self, snapshot: Snapshot) -> None:
        self.delivered.extend(snapshot.delivered)
        self.failed.extend(snapshot.failed)


def choose_show(*, as_json: bool, verbose: bool) -> Show:
    """What fits the output: JSON stands alone, and the log of --verbose tells what lines would."""
    if as_json:
        return "nothing"
    if verbose:
        return "results"
    return "bars" if sys.stdout.isatty() and os.environ.get("TERM") not in UNMOVING_TERMINALS else "lines"


@contextmanager
def watching(outcomes: Outcomes, show: Show) -> Iterator[Watch]:
    """Yield the function that takes snapshots: it keeps `outcomes`, and shows them as asked."""
    if show == "bars":
        from twofold.cli.bars import open_bars

        with open_bars() as bars:
            yield _both(outcomes, bars.show)
    elif show == "nothing":
        yield outcomes.add
    else:
        from twofold.cli.lines import Lines

        yield _both(outcomes, Lines(results_only=show == "results").show)


def delivered_line(path: bytes, output: bytes) -> str:
    return f"{display(path)} → {display(output)}"


def failed_line(path: bytes, reason: Reason) -> str:
    return f"{display(path)}: {_reason_text(reason)}"


def inbox_line(news: InboxNews) -> str:
    """`inbox photos: offline: The inbox cannot be listed. (inbox_offline) Mount the share.`"""
    told = f"inbox {printable(news.inbox)}: {news.state}"
    return told if news.reason is None else f"{told}: {_reason_text(news.reason)}"


def job_note(job: ActiveJob) -> str:
    """`page 3 of 24, pass 1 of 2, tile 12 of 40, 0.51 MP/s, 1 min 05 s left`, as far as each is known."""
    way = job.headway
    page = [f"page {way.page} of {way.pages}"] if way.pages > 1 else []
    if way.stage != "enlarging":
        return ", ".join([*page, way.stage])
    notes = [*page, f"pass {way.pass_index} of {way.passes}"]
    if way.tiles:
        notes.append(f"tile {way.tiles_done} of {way.tiles}")
    return ", ".join([*notes, *_pace(job.px_per_s, job.eta_s)])


def total_note(snapshot: Snapshot) -> str:
    if not snapshot.pictures_total:
        return "looking for files"
    done = f"{snapshot.pictures_done} of {snapshot.pictures_total}"
    return ", ".join([done, *_pace(snapshot.px_per_s, snapshot.eta_s)])


def _pace(px_per_s: float | None, eta_s: float | None) -> Iterator[str]:
    if px_per_s:
        yield speed_text(px_per_s)
    if eta_s is not None:
        yield f"{duration_text(eta_s)} left"


def _reason_text(reason: Reason) -> str:
    hint = f" {reason.hint}" if reason.hint else ""
    return f"{printable(reason.text)} ({reason.code.value}){hint}"


def _both(outcomes: Outcomes, show: Watch) -> Watch:
    def watch(snapshot: Snapshot) -> None:
        outcomes.add(snapshot)
        show(snapshot)

    return watch
