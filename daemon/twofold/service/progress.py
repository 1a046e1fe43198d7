"""What a run looks like at one moment, for progress bars and the STATUS line."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.headway import Headway, headway_of, work_px
from twofold.core.job import Job
from twofold.core.settings import InboxSettings
from twofold.core.states import InboxState, State
from twofold.core.status_line import status_line
from twofold.jobs import read
from twofold.jobs.ledger import Ledger
from twofold.service.endings import Endings
from twofold.service.speed import Speedometer
from twofold.telemetry.names import display

if TYPE_CHECKING:
    from twofold.service.inlet import InletState

STATUS_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A job that a worker has in hand; `fraction` (0-1) is the done share of all its work."""

    job_id: str
    inbox: str
    path: bytes
    fraction: float = 0.0
    headway: Headway = field(default_factory=Headway)
    px_per_s: float | None = None

    @property
    def eta_s(self) -> float | None:
        """Seconds until its last pass ends, at its own speed."""
        return (self.headway.work_px - self.headway.px) / self.px_per_s if self.px_per_s else None


class InboxNews(NamedTuple):
    """An inbox is in trouble, or no more (state `ok`, no reason)."""

    inbox: str
    state: InboxState
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Figures of one moment; `delivered`, `failed` and `inboxes` hold only what is new since the last snapshot.

    `px_per_s` is how fast pixels of passes (see core.headway) come to be done, over the last minute.
    """

    counts: dict[str, int] = field(default_factory=dict)
    pictures_total: int = 0
    pictures_done: int = 0
    active: tuple[ActiveJob, ...] = ()
    px_per_s: float | None = None
    eta_s: float | None = None
    delivered: tuple[tuple[bytes, bytes], ...] = ()
    failed: tuple[tuple[bytes, Reason], ...] = ()
    inboxes: tuple[InboxNews, ...] = ()


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
        self._endings = Endings(ledger)
        self._speed = Speedometer()
        self._inbox_told: dict[str, tuple[InboxState, Code | None]] = {}
        self._last_status: dict[str, Any] = {}
        self._status_due_s = 0.0
        self._delivered = 0
        self._failed = 0

    def snapshot(self, inboxes: Mapping[str, InletState] | None = None) -> Snapshot:
        """Figures of now, and what ended since the last call; `inboxes` are those that were scanned, by name."""
        counts, status = self._counts(), self._status()
        ended = self._endings.fresh()
        done = [job for job in ended if job.state is State.DONE]
        failed = [job for job in ended if job.state is State.FAILED]
        self._delivered += len(done)
        self._failed += len(failed)
        active = [(job, headway_of(job.pictures)) for job in self._ledger.jobs({State.RUNNING})]
        self._speed.look(
            time.monotonic(),
            {job.id: way.px for job, way in active},
            {job.id: _worked_px(job) for job in done},
            {job.id for job, _ in active if job.started is not None and job.started < self._since},
        )
        open_files = sum(counts.get(state.value, 0) for state in (State.WAITING, State.QUEUED, State.RUNNING))
        return Snapshot(
            counts=counts,
            pictures_total=self._delivered + self._failed + open_files,
            pictures_done=self._delivered + self._failed,
            active=tuple(
                ActiveJob(job.id, job.inbox, job.path, way.fraction, way, self._speed.of(job.id)) for job, way in active
            ),
            px_per_s=self._speed.total(),
            eta_s=status["queue"]["eta_s"] if open_files else None,
            delivered=tuple((job.path, self._output(job)) for job in done),
            failed=tuple((job.path, job.reason) for job in failed if job.reason is not None),
            inboxes=tuple(self._inbox_news(inboxes or {}, status["inboxes"])),
        )

    def summary(self) -> Summary:
        counts = self._counts()
        bad = counts.get(State.FAILED.value, 0) or counts.get(State.RETRYING.value, 0)
        return Summary(counts, 3 if bad else 0)

    def line(
        self,
        offline: Sequence[str],
        absent_s: Mapping[str, float],
        notes: Sequence[str],
        held: Mapping[str, tuple[Code, float]],
    ) -> str:
        """One line for `systemctl status`; the arguments are those of `core.status_line`."""
        active = self._ledger.jobs({State.RUNNING})
        running = [(f"{job.inbox}/{display(job.path)}", headway_of(job.pictures).fraction) for job in active]
        return status_line(self._counts(), running, offline, absent_s, notes, held)

    def _status(self) -> dict[str, Any]:
        """What `status` tells: how long the queue will take, who is paused. It costs a look at every open job."""
        if time.monotonic() >= self._status_due_s:
            self._status_due_s = time.monotonic() + STATUS_EVERY_S
            self._last_status = read.status_json(self._database)
        return self._last_status

    def _inbox_news(self, inboxes: Mapping[str, InletState], shown: list[dict[str, Any]]) -> Iterator[InboxNews]:
        paused = {inbox["name"] for inbox in shown if inbox["state"] == InboxState.PAUSED}
        for name, standing in inboxes.items():
            news = _news(name, standing, paused=name in paused)
            told = news.state, news.reason.code if news.reason else None
            if self._inbox_told.get(name, (InboxState.OK, None)) != told:
                self._inbox_told[name] = told
                yield news

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


def _worked_px(job: Job) -> float:
    """The pixels that a job's passes did; none where its result was copied from one that was there."""
    return float(sum(work_px(picture.chain) for picture in job.pictures)) if job.seconds.get("passes") else 0.0


def _news(inbox: str, standing: InletState, *, paused: bool) -> InboxNews:
    """Where an inbox stands by its last scan or a person's order. That its originals have to stay is no trouble."""
    state, reason = standing.state, standing.reason
    if paused and state is not InboxState.OFFLINE:
        code = Code.INBOX_PAUSED
        return InboxNews(inbox, InboxState.PAUSED, Reason(code, code.meaning, code.hint))
    if state is InboxState.READONLY:
        return InboxNews(inbox, InboxState.OK, None)
    return InboxNews(inbox, state, reason)
