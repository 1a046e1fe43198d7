"""What a run looks like at one moment, for progress bars and the STATUS line."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twofold.core.errors import Reason
from twofold.core.job import Job
from twofold.core.settings import InboxSettings
from twofold.core.states import State
from twofold.core.status_line import status_line
from twofold.jobs import read
from twofold.jobs.ledger import Ledger
from twofold.telemetry.names import display

ETA_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A job that a worker has in hand; `fraction` (0-1) is the done share of all its work.

    `pass_index` (1-based) of `passes` is the pass in work.
    """

    job_id: str
    inbox: str
    path: bytes
    pass_index: int
    passes: int
    fraction: float
    model: str = ""
    tile: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Figures of one moment; `delivered` and `failed` hold only what is new since the last snapshot."""

    counts: dict[str, int] = field(default_factory=dict)
    pictures_total: int = 0
    pictures_done: int = 0
    active: tuple[ActiveJob, ...] = ()
    px_per_s: float | None = None
    eta_s: float | None = None
    delivered: tuple[tuple[bytes, bytes], ...] = ()
    failed: tuple[tuple[bytes, Reason], ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended: files by state, and the exit code it deserves (0, or 3 if any failed or is still retrying)."""

    counts: dict[str, int]
    exit_code: int


class Reporter:
    """Reads the ledger for snapshots; remembers what it has told."""

    def __init__(self, ledger: Ledger, database: str, inboxes: Mapping[str, InboxSettings], *, now: float) -> None:
        self._ledger = ledger
        self._database = database
        self._inboxes = inboxes
        self._since = now
        self._told: set[str] = set()  # ended at `_since` exactly
        self._eta_s: float | None = None
        self._eta_due_s = 0.0
        self._delivered = 0
        self._failed = 0

    def snapshot(self) -> Snapshot:
        """Figures of now, and what ended since the last call."""
        counts = self._counts()
        ended = self._newly_ended()
        done = [job for job in ended if job.state is State.DONE]
        failed = [job for job in ended if job.state is State.FAILED]
        self._delivered += len(done)
        self._failed += len(failed)
        active = self._ledger.jobs({State.RUNNING})
        open_files = sum(counts.get(state.value, 0) for state in (State.WAITING, State.QUEUED, State.RUNNING))
        return Snapshot(
            counts=counts,
            pictures_total=self._delivered + self._failed + open_files,
            pictures_done=self._delivered + self._failed,
            active=tuple(_active(job) for job in active),
            eta_s=self._eta() if open_files else None,
            delivered=tuple((job.path, self._output(job)) for job in done),
            failed=tuple((job.path, job.reason) for job in failed if job.reason is not None),
        )

    def summary(self) -> Summary:
        counts = self._counts()
        bad = counts.get(State.FAILED.value, 0) or counts.get(State.RETRYING.value, 0)
        return Summary(counts, 3 if bad else 0)

    def line(self, offline: Sequence[str], absent_s: Mapping[str, float], notes: Sequence[str]) -> str:
        """One line for `systemctl status`; the arguments are those of `core.status_line`."""
        active = [_active(job) for job in self._ledger.jobs({State.RUNNING})]
        running = [(f"{job.inbox}/{display(job.path)}", job.fraction) for job in active]
        return status_line(self._counts(), running, offline, absent_s, notes)

    def _newly_ended(self) -> list[Job]:
        found = self._ledger.ended_since(self._since)
        fresh = [job for job in found if job.id not in self._told]
        if fresh:
            self._since = fresh[-1].finished or self._since
            self._told = {job.id for job in found if job.finished == self._since}
        return fresh

    def _eta(self) -> float | None:
        """Seconds that the queue will take; it changes slowly, and costs a look at every open job."""
        if time.monotonic() >= self._eta_due_s:
            self._eta_due_s = time.monotonic() + ETA_EVERY_S
            self._eta_s = read.status_json(self._database)["queue"]["eta_s"]
        return self._eta_s

    def _counts(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for states in self._ledger.counts().values():
            for state, count in states.items():
                total[state.value] = total.get(state.value, 0) + count
        return total

    def _output(self, job: Job) -> bytes:
        inbox = self._inboxes.get(job.inbox)
        name = b"" if job.output is None else job.output.path
        return name if inbox is None else os.path.join(inbox.outbox, name)


def _active(job: Job) -> ActiveJob:
    picture = job.pictures[0] if job.pictures else None
    if picture is None:
        return ActiveJob(job.id, job.inbox, job.path, 0, 0, 0.0)
    passes = picture.chain.passes
    index = min(picture.passes_done, len(passes) - 1)
    plan = picture.plans[-1] if picture.plans else {}
    tile = "x".join(str(side) for side in plan.get("tile", ()))
    model = passes[index].model if passes else ""
    return ActiveJob(
        job.id, job.inbox, job.path, index + 1, len(passes), picture.fraction, model, tile, plan.get("device", "")
    )
