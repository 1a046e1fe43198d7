"""From a settled file to a queued job: spool, probe, plan, name, enqueue. Nothing that cannot end well gets further."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import structlog

from twofold.core.backlog import kept_free
from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError
from twofold.core.estimate import estimate
from twofold.core.formats import Format, becoming
from twofold.core.job import Job
from twofold.core.lookahead import SPOOL_BYTES, SPOOL_FILES, Candidate, in_order, in_turn, to_spool, turn_of
from twofold.core.naming import reservation_key, suffixed_names
from twofold.core.recipe import Recipe
from twofold.core.retry import WAITING, decide
from twofold.core.settings import InboxSettings, Limits
from twofold.core.states import State
from twofold.core.template import PLAIN, NameFacts, date_of, place_among_rivals, templated_name
from twofold.intake.spool import spool
from twofold.jobs.ledger import Ledger
from twofold.jobs.pauses import ALL, Pauses
from twofold.jobs.queue import JobQueue
from twofold.models.catalogue import Catalogue
from twofold.service.draft import draft
from twofold.service.paths import StatePaths

log = structlog.get_logger()

AT_ONCE = 4
"""Files read and probed side by side: each costs a child process, and a share answers slowly."""

READY_PER_THREAD = 2
"""Files handed to the pool for each of its threads, so that none waits for the next step."""

RECHECK_S = 30.0
"""Files that wait for a network, a folder or space are looked at again this often."""

CLOSE_TIMEOUT_S = 10.0

RECHECKED = frozenset({*WAITING, Code.READ_FAILED})


class Admission:
    """Takes settled files up, in order, within the bounds of the look-ahead; one that is slow holds up no other."""

    def __init__(
        self,
        inboxes: Mapping[str, InboxSettings],
        limits: Limits,
        paths: StatePaths,
        ledger: Ledger,
        queue: JobQueue,
        catalogue: Catalogue,
        *,
        stop: threading.Event,
    ) -> None:
        """`stop` cuts short whatever is being read when the service ends."""
        self._inboxes = inboxes
        self._limits = limits
        self._paths = paths
        self._ledger = ledger
        self._pauses = Pauses(ledger.engine)
        self._queue = queue
        self._catalogue = catalogue
        self._stop = stop
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="admission")
        self._last_turns: dict[str, int] = {}
        self._in_hand: dict[tuple[str, bytes], tuple[Candidate, Future[None]]] = {}

    @property
    def idle(self) -> bool:
        """True where no file is being looked at."""
        return all(future.done() for _, future in list(self._in_hand.values()))

    def step(self, done: Callable[[], None], *, recheck: bool) -> None:
        """Take up what there is room for. `recheck` includes files that wait for something they lacked.

        `done` is called, from another thread, whenever a file has been dealt with: it is time for the next step.
        """
        for key, (_, future) in list(self._in_hand.items()):
            if future.done():
                del self._in_hand[key]
                future.result()
        chosen = self._choose(recheck=recheck)[: AT_ONCE * READY_PER_THREAD - len(self._in_hand)]
        lowest = self._lowest_turn() if chosen else None
        for file in chosen:
            # Given here, in order: which of them is read first is chance.
            turn = self._last_turns[file.inbox] = turn_of(self._last_turns.get(file.inbox), lowest)
            future = self._pool.submit(self._admit, file, turn)
            self._in_hand[file.inbox, file.path] = file, future
            future.add_done_callback(lambda _: done())

    def close(self) -> None:
        """Wait for the files in hand, which `stop` has cut short; one on a share that hangs is left behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait((future for _, future in self._in_hand.values()), CLOSE_TIMEOUT_S)

    def _choose(self, *, recheck: bool) -> list[Candidate]:
        paused = {pause.inbox for pause in self._pauses.standing(time.time())}
        ready: list[list[Candidate]] = []
        for inbox in self._inboxes.values():
            if paused & {inbox.name, ALL}:
                continue
            found = self._ledger.candidates(inbox.name, also=RECHECKED if recheck else frozenset())
            fresh = [file for file in found if (file.inbox, file.path) not in self._in_hand]
            ready.append(in_order(fresh, inbox.order)[:SPOOL_FILES])
        if not any(ready):
            return []
        turns = in_turn(ready, self._in_work())
        files, nbytes = self._ledger.spooled()
        held = [file for file, _ in self._in_hand.values()]
        held_bytes = sum(file.size for file in held)
        return to_spool(turns, spooled_files=files + len(held), spooled_bytes=nbytes + held_bytes)

    def _in_work(self) -> Counter[str]:
        """How many files of each inbox wait for a worker, or are being taken up."""
        queued = {name: states.get(State.QUEUED, 0) for name, states in self._ledger.counts().items()}
        return Counter(queued) + Counter(inbox for inbox, _ in self._in_hand)

    def _lowest_turn(self) -> int | None:
        """The lowest turn in the queue; where that is empty, turns begin anew."""
        lowest, last = self._ledger.turns()
        if lowest is None and not self._in_hand:
            self._last_turns.clear()
        for name, turn in last.items():
            self._last_turns[name] = max(turn, self._last_turns.get(name, 0))
        return lowest

    def _admit(self, file: Candidate, turn: int) -> None:
        job = self._ledger.current(file.inbox, file.path)
        if job is None or job.state is not State.WAITING:
            return
        try:
            self._take_up(self._inboxes[file.inbox], job, turn)
        except TwofoldError as error:
            if not self._stop.is_set():
                self._refuse(job, error)

    def _take_up(self, inbox: InboxSettings, job: Job, turn: int) -> None:
        started_s = time.monotonic()
        copy = self._paths.spooled(job.id)
        spooled = spool(
            inbox.path,
            job.path,
            job.version,
            os.fsencode(copy),
            limit_bytes=SPOOL_BYTES,
            cancelled=self._stop.is_set,
        )
        log.debug(
            "file.spooled",
            job=job.id,
            inbox=job.inbox,
            path=job.path,
            sha256=spooled.sha256,
            seconds=round(time.monotonic() - started_s, 3),
        )
        made = draft(copy, job.path, job.recipe, self._limits, self._catalogue, own_results=inbox.own_results)
        each = zip(made.pictures, made.savings, strict=True)
        _check_room(inbox, sum(estimate(one.header, one.chain, (), how.format).output_bytes for one, how in each))
        if made.left_out:
            log.warning("page.copied", job=job.id, inbox=job.inbox, path=job.path, pages=made.left_out)
        job = replace(job, sha256=spooled.sha256, pictures=made.pictures)
        self._enqueue(inbox, job, made.recipe, made.target, turn)

    def _enqueue(self, inbox: InboxSettings, job: Job, recipe: Recipe, target: Format, turn: int) -> None:
        for name in self._names(inbox, job, target):
            answer = self._queue.enqueue(
                job.id,
                sha256=job.sha256 or "",
                pictures=job.pictures,
                outbox=os.fsdecode(os.path.realpath(inbox.outbox)),
                name=name,
                key=reservation_key(name),
                recipe=recipe,
                turn=turn,
            )
            if answer == "queued":
                log.info(
                    "job.queued",
                    job=job.id,
                    inbox=job.inbox,
                    path=job.path,
                    recipe=recipe.name,
                    output=name,
                    models=list(recipe.models),
                    why=job.pictures[0].why,
                )
            if answer != "name_taken":
                return
        raise TwofoldError(Code.OUTPUT_EXISTS, f"no name is free for the result of {os.fsdecode(job.path)}")

    def _names(self, inbox: InboxSettings, job: Job, target: Format) -> Iterator[bytes]:
        """Names to try, in order: another source may have taken the first (a.jpg beside a.png, A.jpg on SMB)."""
        picture = job.pictures[0]
        facts = NameFacts(
            factor=Fraction(picture.chain.final.long_side, picture.chain.source.long_side),
            size=picture.chain.final,
            models=tuple(step.model for step in picture.chain.passes),
            date=date_of(picture.header.taken, job.version.mtime_ns),
        )
        name = templated_name(job.path, inbox.result_name, facts, target)
        before = 0
        if inbox.result_name == PLAIN:  # else names tell pictures apart by more than their stems
            before = place_among_rivals(
                job.path,
                target,
                becoming(target, job.recipe.save_as),
                lambda rival: os.path.lexists(os.path.join(inbox.path, rival)),
            )
        return islice(suffixed_names(name), before, None)

    def _refuse(self, job: Job, error: TwofoldError) -> None:
        """A file that goes no further: it waits for what it lacks, or it has its outcome."""
        remove_quietly(self._paths.spooled(job.id))
        if error.code is Code.CHANGED:
            self._ledger.set_waiting(job.id, Reason(Code.SETTLING, error.reason.text))
            return
        outcome = decide(error.reason, 1, jitter=random.random(), retryable=error.retryable)  # noqa: S311  no secret
        if outcome.after_s is not None:
            if job.reason is None or job.reason.code is not error.code:
                log.warning(
                    "job.postponed",
                    job=job.id,
                    inbox=job.inbox,
                    path=job.path,
                    code=error.code,
                    text=error.reason.text,
                    hint=error.reason.hint,
                )
            self._ledger.set_waiting(job.id, outcome.reason)
        elif self._ledger.conclude(job.id, outcome.state, outcome.reason, time.time()):
            say_ended(job, outcome.state, outcome.reason)


def _check_room(inbox: InboxSettings, needed_bytes: int) -> None:
    """Refuse before hours of work what has no outbox, or more than the room there beside what is to stay free."""
    try:
        found = os.statvfs(inbox.outbox)
    except OSError as error:
        text = f"the outbox {os.fsdecode(inbox.outbox)} cannot be reached: {error.strerror}"
        raise TwofoldError(Code.OUTBOX_MISSING, text) from error
    free_bytes = found.f_bavail * found.f_frsize
    keep_bytes = kept_free(inbox.outbox_keep_free_bytes, found.f_blocks * found.f_frsize)
    if needed_bytes + keep_bytes > free_bytes:
        where = os.fsdecode(inbox.outbox)
        text = (
            f"the result may take {needed_bytes} bytes, and {where} has {free_bytes} free, of which {keep_bytes} stay"
        )
        raise TwofoldError(Code.DISK_FULL, text)


def say_ended(job: Job, state: State, reason: Reason | None) -> None:
    """The one canonical line of a job that ended without a result."""
    facts = {"job": job.id, "inbox": job.inbox, "path": job.path}
    if reason is not None:
        facts |= {"code": reason.code.value, "text": reason.text, "hint": reason.hint}
    match state:
        case State.SKIPPED:
            log.info("job.skipped", **facts)
        case State.VANISHED:
            log.info("job.vanished", **facts)
        case State.CANCELLED:
            log.info("job.cancelled", **facts)
        case _:
            log.error("job.failed", **facts, attempts=job.attempts + 1)


def remove_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it was never made, or the next copy writes over it
