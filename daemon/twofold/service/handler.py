"""What a workflow does for a job: the ledger's rows on one side, making and delivery on the other."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from twofold.core.codes import Code
from twofold.core.errors import DeviceFault, LowMemory, TwofoldError
from twofold.core.formats import FORMATS
from twofold.core.headway import FRACTION_DIGITS
from twofold.core.job import Intent, Job, Kept, Output
from twofold.core.naming import wrong_extension
from twofold.core.pages import in_archive
from twofold.core.settings import Limits
from twofold.imaging.deliver import Outbox, Published, Temp
from twofold.jobs.board import Board
from twofold.jobs.ledger import Ledger
from twofold.service.admission import remove_quietly
from twofold.service.book import Book, Whole
from twofold.service.leaving import Leaving
from twofold.service.making import Progress, Tools
from twofold.service.order import Outbox as OutboxOrder
from twofold.service.paths import StatePaths

log = structlog.get_logger()

REPORT_EVERY_S = 1.0
"""Progress is written to the ledger no more often than this; finished passes and pages always."""


@dataclass(slots=True)
class InHand:
    """One job of this process: its pictures, and when its progress was last written."""

    job: Job
    book: Book
    told_s: float = 0.0
    passes_done: int = 0

    @property
    def copies(self) -> bool:
        """True where nothing is to be made: the source itself is the result."""
        return all(picture.chain.action == "copy" for picture in self.job.pictures)


@dataclass(slots=True)
class Handler:
    """Implements core.protocols.JobHandler over the ledger; methods run on DBOS's threads."""

    ledger: Ledger
    board: Board
    paths: StatePaths
    outboxes: dict[str, OutboxOrder]
    limits: Limits
    tools: Tools
    leaving: Leaving
    _in_hand: dict[str, InHand] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, job_id: str) -> dict[str, Any]:
        """Decode, and run the leading short passes; a job whose bytes were enlarged before costs no device work."""
        with self._holding(job_id) as held:
            chain = held.job.pictures[0].chain
            if held.job.intent is not None or held.copies or self._twin(held.job) is not None:
                return {"passes": len(chain.passes), "done": 0, "long": []}
            self._name(held.job)  # one that is taken is found out before any device work
            if held.job.bound:  # what it resumes from are its pages, so that no step is needed for a pass
                held.book.make()
                return {"passes": len(chain.passes), "done": len(chain.passes), "long": []}
            making = held.book.page(0)
            forecast = making.forecast()
            first_long = next((index for index, plan in enumerate(forecast) if plan.long), len(forecast))
            making.ensure(first_long)
            return {"passes": len(forecast), "done": first_long, "long": list(range(first_long, len(forecast)))}

    def run_pass(self, job_id: str, index: int) -> dict[str, Any]:
        """Run one long pass; what a dead worker left of it is kept."""
        with self._holding(job_id) as held:
            held.book.page(0).ensure(index + 1)
            return {"done": index + 1}

    def deliver(self, job_id: str) -> dict[str, Any]:
        """Finish, encode, verify, put into the outbox, commit; or end a delivery that was cut short."""
        with self._holding(job_id) as held:
            started_s = time.monotonic()
            outbox = Outbox(os.fsencode(self._outbox(held.job).path))
            ours = self.ledger.last_output(held.job.inbox, held.job.path)
            published = None
            if held.job.intent is not None:
                published = outbox.recover(held.job.intent, ours)
            if published is None:
                published = self._deliver(held, outbox, ours)
            self._conclude(held, published, time.monotonic() - started_s)
        self._let_go(job_id, delivered=True)
        return {"output": os.fsdecode(published.output.path), "sha256": published.output.sha256}

    def _deliver(self, held: InHand, outbox: Outbox, ours: Output | None) -> Published:
        job, twin = held.job, self._twin(held.job)
        if twin is not None and twin.output is not None and (twin.inbox, twin.output.path) == (job.inbox, job.reserved):
            # The same bytes were dropped again: their result stands.
            return Published(twin.output, best_effort=twin.best_effort)
        name = self._name(job)
        with outbox.staged(job.id, name) as temp:
            self._fill(held, temp, twin)
            self.tools.check()
            sealed = outbox.seal(temp, job.version.mtime_ns)
        intent = Intent(temp.path, name, sealed.sha256, sealed.size)
        if not self.ledger.record_intent(job.id, intent):
            outbox.discard(temp.path)
            raise TwofoldError(Code.CANCELLED, Code.CANCELLED.meaning)
        return outbox.publish(intent, ours)

    def _name(self, job: Job) -> bytes:
        """The name of the result. Raises TwofoldError(OUTPUT_EXISTS | OUTPUT_TAKEN) where it is somebody else's."""
        if job.reserved is None:
            raise TwofoldError(Code.UNEXPECTED, "the job has no name for its result")
        order, ours = self._outbox(job), self.ledger.last_output(job.inbox, job.path)
        try:
            return Outbox(os.fsencode(order.path)).choose_name(job.reserved, order.on_exists, ours)
        except TwofoldError as error:
            if error.code is Code.OUTPUT_EXISTS and order.on_exists == "fail":
                raise TwofoldError(Code.OUTPUT_TAKEN, error.reason.text) from error
            raise

    def _fill(self, held: InHand, temp: Temp, twin: Job | None) -> None:
        """Write the result's bytes: made, or copied where the very same were made or given before."""
        if twin is not None and twin.output is not None:
            source = os.path.join(os.fsencode(self._outbox(twin).path), twin.output.path)
        elif held.copies:
            source = os.fsencode(self.paths.spooled(held.job.id))
        else:
            held.book.write(temp.fd)
            return
        with open(source, "rb") as original, os.fdopen(os.dup(temp.fd), "wb") as copy:
            shutil.copyfileobj(original, copy)

    def _twin(self, job: Job) -> Job | None:
        """A job that delivered the same bytes by the same recipe, and whose result still stands untouched.

        Not for one that is made again: `redo` would only copy what it is to replace.
        """
        if job.sha256 is None or job.generation > 1:
            return None
        twin = self.ledger.find_done(job.sha256, job.recipe_hash)
        if twin is None or twin.output is None or twin.inbox not in self.outboxes:
            return None
        outbox = Outbox(os.fsencode(self._outbox(twin).path))
        return twin if outbox.stands(twin.output) else None

    def _conclude(self, held: InHand, published: Published, deliver_s: float) -> None:
        job, book = held.job, held.book
        seconds = {name: round(value, 3) for name, value in book.seconds.items()}
        within_s = 0.0 if job.bound else book.seconds.get("encode", 0) + book.seconds.get("verify", 0)
        seconds["deliver"] = round(deliver_s - within_s, 3)
        now = time.time()
        if not self.ledger.record_delivered(job.id, published.output, seconds, now, best_effort=published.best_effort):
            raise TwofoldError(Code.CANCELLED, Code.CANCELLED.meaning)
        picture, last = job.pictures[0], book.plan
        for (model, device), px_per_s in book.speeds.items():
            self.board.record_speed(model, device, px_per_s, now)
        log.info(
            "job.delivered",
            job=job.id,
            inbox=job.inbox,
            path=job.path,
            output=published.output.path,
            size=list(picture.header.size),
            out_size=list(picture.chain.final),
            pages=len(job.pictures),
            passes=[step.model for step in picture.chain.passes],
            tile=None if last is None else list(last.tiles.tile),
            batch=None if last is None else last.batch,
            device=None if last is None else last.device,
            seconds=seconds | {"total": round(now - (job.started or now), 3)},
            source_sha256=job.sha256,
            output_sha256=published.output.sha256,
            warnings=[*filter(None, [_wrong_extension(job)]), *book.warnings],
            best_effort=published.best_effort,
        )

    @contextmanager
    def _holding(self, job_id: str) -> Iterator[InHand]:
        """The job in hand, taken up where it is not; on any trouble it is put down, and its memory freed."""
        try:
            yield self._take_up(job_id)
        except BaseException as error:
            fault = error if isinstance(error, DeviceFault) else self.tools.fault_of(error)
            if fault is not None:
                self.leaving.at_once(fault)
            self._let_go(job_id, delivered=False)
            if isinstance(error, LowMemory):
                self.leaving.for_memory(error)
            if isinstance(error, TwofoldError) and error.code is Code.NO_DEVICE:
                self.leaving.at_once(DeviceFault(Code.DEVICE_LOST, error.reason.text))
            raise

    def _take_up(self, job_id: str) -> InHand:
        with self._lock:
            held = self._in_hand.get(job_id)
        if held is not None:
            held.job = self.ledger.get(job_id)
            return held
        job = self.ledger.get(job_id)
        held = InHand(job, self._book(job))
        with self._lock:
            self._in_hand[job_id] = held
        return held

    def _book(self, job: Job) -> Book:
        copy = self.paths.spooled(job.id)
        self._check_copy(job, copy)
        folder = os.path.join(self.paths.scratch, job.id)
        whole = Whole(job.id, copy, folder, job.recipe, job.pictures, self.limits, job.sha256 or "")
        return Book(self.tools, whole, partial(self._report, job.id), partial(self._keep, job.id))

    def _keep(self, job_id: str, place: int, kept: Kept) -> None:
        if not self.ledger.keep_page(job_id, place, kept):
            raise TwofoldError(Code.CANCELLED, Code.CANCELLED.meaning)

    def _check_copy(self, job: Job, copy: str) -> None:
        """The spooled copy is never fsynced: after a power cut it may be gone or hold zeros."""
        try:
            whole = os.stat(copy).st_size == job.version.size
        except FileNotFoundError:
            whole = False
        if not whole:
            self.ledger.read_again(job.id)
            raise TwofoldError(Code.CANCELLED, "the private copy is gone; the original is read again")

    def _report(self, job_id: str, place: int, progress: Progress) -> None:
        with self._lock:
            held = self._in_hand[job_id]
        now_s = time.monotonic()
        # Of a file of many pages, each of them is recorded when it is finished.
        same = held.job.bound or progress.passes_done == held.passes_done
        if same and now_s - held.told_s < REPORT_EVERY_S:
            return
        if progress.band_kept and held.job.deaths:
            self.ledger.band_completed(job_id)
        held.told_s, held.passes_done = now_s, progress.passes_done
        going_on = self.ledger.record_progress(
            job_id,
            place,
            passes_done=progress.passes_done,
            fraction=round(progress.fraction, FRACTION_DIGITS),
            boot_id=self.tools.boot_id,
            plan=None if progress.plan is None else progress.plan.to_json(),
            plan_of=progress.plan_of,
        )
        if not going_on:
            raise TwofoldError(Code.CANCELLED, Code.CANCELLED.meaning)

    def put_down(self, job_id: str) -> None:
        """Nobody will come for it: its memory is free for others."""
        self._let_go(job_id, delivered=False)

    def _let_go(self, job_id: str, *, delivered: bool) -> None:
        with self._lock:
            held = self._in_hand.pop(job_id, None)
        if held is None:
            return
        if delivered:
            held.book.remove()
            remove_quietly(self.paths.spooled(job_id))
        else:
            held.book.close()

    def _outbox(self, job: Job) -> OutboxOrder:
        try:
            return self.outboxes[job.inbox]
        except KeyError:
            raise TwofoldError(Code.OUTBOX_MISSING, f"the configuration has no inbox {job.inbox!r} any more") from None


def _wrong_extension(job: Job) -> str:
    """What is to be noted of a picture's name; an archive's says nothing of the pages."""
    picture = job.pictures[0]
    return "" if in_archive(picture) else wrong_extension(job.path, FORMATS[picture.header.format])
