"""Progress as lines, for files, pipes and journals: what started, what ended, and long work now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from twofold.cli.progress import delivered_line, failed_line, inbox_line, job_note
from twofold.telemetry.names import display

if TYPE_CHECKING:
    from twofold.service.progress import ActiveJob, Snapshot

EVERY_S = 30.0
"""A job that takes longer is told of again after each such time."""


class Lines:
    """Prints snapshots; results go to standard output and trouble to standard error. `clock` is monotonic seconds."""

    def __init__(self, *, results_only: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._results_only = results_only
        self._clock = clock
        self._told_s: dict[str, float] = {}

    def show(self, snapshot: Snapshot) -> None:
        if not self._results_only:
            for news in snapshot.inboxes:
                print(inbox_line(news), file=sys.stderr, flush=True)
        for path, output in snapshot.delivered:
            print(delivered_line(path, output), flush=True)
        for path, reason in snapshot.failed:
            print(failed_line(path, reason), file=sys.stderr, flush=True)
        if not self._results_only:
            self._show_jobs(snapshot.active)

    def _show_jobs(self, active: tuple[ActiveJob, ...]) -> None:
        now_s = self._clock()
        self._told_s = {job.job_id: self._told_s[job.job_id] for job in active if job.job_id in self._told_s}
        for job in active:
            if job.job_id not in self._told_s:
                print(f"{display(job.path)}: started", flush=True)
            elif now_s - self._told_s[job.job_id] >= EVERY_S:
                print(f"{display(job.path)}: {job.fraction:.0%}, {job_note(job)}", flush=True)
            else:
                continue
            self._told_s[job.job_id] = now_s
