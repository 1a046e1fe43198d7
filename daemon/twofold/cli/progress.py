"""Progress of `once` and `upscale`: bars on a terminal, lines elsewhere, nothing beside JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twofold.cli.figures import duration_text
from twofold.telemetry.names import display, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from twofold.core.errors import Reason
    from twofold.service.progress import ActiveJob, Snapshot

Watch = Callable[["Snapshot"], None]
MAX_NAME_CHARS = 36


@dataclass(slots=True)
class Outcomes:
    """Everything that ended while the command ran, in order: (path, output) and (path, reason)."""

    delivered: list[tuple[bytes, bytes]] = field(default_factory=list)
    failed: list[tuple[bytes, Reason]] = field(default_factory=list)

    def add(self, snapshot: Snapshot) -> None:
        self.delivered.extend(snapshot.delivered)
        self.failed.extend(snapshot.failed)


@contextmanager
def watching(outcomes: Outcomes, *, bars: bool, lines: bool) -> Iterator[Watch]:
    """Yield the function that takes snapshots: it keeps `outcomes`, and shows them as asked."""
    if not bars:
        yield lambda snapshot: _lines(outcomes, snapshot, lines)
        return
    with _progress() as progress:
        shown = Bars(progress)

        def watch(snapshot: Snapshot) -> None:
            outcomes.add(snapshot)
            shown.show(snapshot)

        yield watch


def delivered_line(path: bytes, output: bytes) -> str:
    return f"{display(path)} → {display(output)}"


def failed_line(path: bytes, reason: Reason) -> str:
    hint = f" {reason.hint}" if reason.hint else ""
    return f"{display(path)}: {printable(reason.text)} ({reason.code.value}){hint}"


def _lines(outcomes: Outcomes, snapshot: Snapshot, lines: bool) -> None:
    outcomes.add(snapshot)
    if lines:
        for path, output in snapshot.delivered:
            print(delivered_line(path, output), flush=True)
        for path, reason in snapshot.failed:
            print(failed_line(path, reason), file=sys.stderr, flush=True)


class Bars:
    """One bar for all pictures, and one under it for each job that a worker has in hand."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._total = progress.add_task("pictures", total=None, note="looking for files")
        self._jobs: dict[str, TaskID] = {}

    def show(self, snapshot: Snapshot) -> None:
        console = self._progress.console
        for path, output in snapshot.delivered:
            console.print(delivered_line(path, output), markup=False, highlight=False, soft_wrap=True)
        for path, reason in snapshot.failed:
            console.print(failed_line(path, reason), markup=False, highlight=False, soft_wrap=True, style="red")
        self._progress.update(
            self._total,
            total=snapshot.pictures_total or None,
            completed=snapshot.pictures_done,
            note=_total_note(snapshot),
        )
        self._show_jobs({job.job_id: job for job in snapshot.active})

    def _show_jobs(self, active: dict[str, ActiveJob]) -> None:
        for job_id in self._jobs.keys() - active.keys():
            self._progress.remove_task(self._jobs.pop(job_id))
        for job_id, job in active.items():
            if job_id not in self._jobs:
                self._jobs[job_id] = self._progress.add_task(_short(display(job.path)), total=1.0, note="")
            self._progress.update(self._jobs[job_id], completed=job.fraction, note=_job_note(job))


def _progress() -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    return Progress(
        TextColumn("  {task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False, style="dim"),
    )


def _total_note(snapshot: Snapshot) -> str:
    if not snapshot.pictures_total:
        return "looking for files"
    notes = [f"{snapshot.pictures_done} of {snapshot.pictures_total}"]
    if snapshot.px_per_s:
        notes.append(f"{snapshot.px_per_s / 1e6:.2f} MP/s")
    if snapshot.eta_s is not None:
        notes.append(f"{duration_text(snapshot.eta_s)} left")
    return ", ".join(notes)


def _job_note(job: ActiveJob) -> str:
    notes = [f"pass {job.pass_index} of {job.passes}"] if job.passes else []
    notes += [note for note in (job.model, f"tile {job.tile}" if job.tile else "", job.device) if note]
    return ", ".join(notes)


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARS else "…" + name[1 - MAX_NAME_CHARS :]
