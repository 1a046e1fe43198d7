"""Progress as bars, for terminals: one for all pictures, and one under it for each job in hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Column

from twofold.cli.progress import delivered_line, failed_line, inbox_line, job_note, total_note
from twofold.telemetry.names import display

if TYPE_CHECKING:
    from rich.progress import TaskID

    from twofold.service.progress import ActiveJob, Snapshot

WIDE_CHARS = 110
"""From this width of the terminal on, bars and names need not be short."""

BAR_CHARS = {True: 24, False: 10}
NAME_CHARS = {True: 36, False: 20}


@contextmanager
def open_bars() -> Iterator[Bars]:
    """Bars on standard output, taken away at the end."""
    console = Console()
    wide = console.width >= WIDE_CHARS
    progress = Progress(
        TextColumn("  {task.description}", markup=False, table_column=_short_column()),
        BarColumn(BAR_CHARS[wide]),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False, style="dim", table_column=_short_column()),
        console=console,
        transient=True,
    )
    with progress:
        yield Bars(progress, NAME_CHARS[wide])


class Bars:
    """Shows snapshots; what ended scrolls by above the bars."""

    def __init__(self, progress: Progress, name_chars: int) -> None:
        self._progress = progress
        self._name_chars = name_chars
        self._total = progress.add_task("pictures", total=None, note="looking for files")
        self._jobs: dict[str, TaskID] = {}

    def show(self, snapshot: Snapshot) -> None:
        for news in snapshot.inboxes:
            self._say(inbox_line(news), "yellow")
        for path, output in snapshot.delivered:
            self._say(delivered_line(path, output))
        for path, reason in snapshot.failed:
            self._say(failed_line(path, reason), "red")
        self._progress.update(
            self._total,
            total=snapshot.pictures_total or None,
            completed=snapshot.pictures_done + sum(job.fraction for job in snapshot.active),
            note=total_note(snapshot),
        )
        self._show_jobs({job.job_id: job for job in snapshot.active})

    def _show_jobs(self, active: dict[str, ActiveJob]) -> None:
        for job_id in self._jobs.keys() - active.keys():
            self._progress.remove_task(self._jobs.pop(job_id))
        for job_id, job in active.items():
            if job_id not in self._jobs:
                self._jobs[job_id] = self._progress.add_task(self._name(job), total=1.0, note=job_note(job))
            self._progress.update(self._jobs[job_id], completed=job.fraction, note=job_note(job))

    def _say(self, line: str, style: str | None = None) -> None:
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True, style=style)

    def _name(self, job: ActiveJob) -> str:
        name = display(job.path)
        return name if len(name) <= self._name_chars else "…" + name[1 - self._name_chars :]


def _short_column() -> Column:
    """On a narrow terminal a text is cut, and never goes on in a second line."""
    return Column(no_wrap=True, overflow="ellipsis")
