"""What a person may tell the ledger from the command line, whether or not a service runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.forecast import Forecast
from twofold.core.job import Job
from twofold.core.settings import InboxSettings, Settings
from twofold.core.states import State
from twofold.jobs import read
from twofold.jobs.database import open_engine, prepare_database
from twofold.jobs.ledger import Ledger
from twofold.jobs.orders import Orders
from twofold.jobs.pauses import Pauses
from twofold.jobs.queue import JobQueue
from twofold.service.networks import open_catalogue
from twofold.service.paths import StatePaths
from twofold.service.plan import forecast, open_planner, sizes
from twofold.service.recipes import renewed

RETRIED_STATES = frozenset({State.FAILED, State.RETRYING})
MADE_AGAIN = frozenset({State.DONE, State.SKIPPED, State.FAILED, State.CANCELLED})
MAX_REDONE = 1_000_000


@dataclass(frozen=True, slots=True)
class Desk:
    """The ledger as an owner's commands use it."""

    ledger: Ledger
    orders: Orders
    pauses: Pauses


@dataclass(frozen=True, slots=True)
class Redone:
    """What `redo` means: the jobs that are made again, sources that are gone, and what it will cost."""

    ids: list[str]
    gone: list[bytes]
    cost: Forecast


@contextmanager
def desk(settings: Settings) -> Iterator[Desk]:
    """Open the ledger for orders; made or migrated where it is not there yet."""
    paths = StatePaths(settings.state_dir, settings.scratch_dir)
    paths.create()
    prepare_database(paths.database, time.time())
    engine = open_engine(paths.database)
    queue = JobQueue(engine)
    try:
        yield Desk(Ledger(engine), Orders(queue), Pauses(engine))
    finally:
        queue.close()
        engine.dispose()


def retry(settings: Settings, ids: list[str] | None) -> list[str]:
    """Let jobs be tried again, by id, or (None) all that failed or are to be tried again later; the ids that were.

    Raises TwofoldError(NOT_FOUND) for an id that no job has.
    """
    with desk(settings) as open_desk:
        ledger = open_desk.ledger
        failed = [] if ids else ledger.jobs(RETRIED_STATES, limit=MAX_REDONE)
        chosen = [job.id for job in failed if not job.dismissed] if ids is None else ids
        retried = [job_id for job_id in chosen if ledger.retry(job_id)]
    if ids is not None and not retried:
        raise TwofoldError(
            Code.NOT_FOUND, "none of these jobs can be tried again", "See 'twofold jobs --state failed'."
        )
    return retried


def redo(settings: Settings, paths: Sequence[bytes], inbox: str | None, *, dry_run: bool) -> Redone:
    """Make files again by the recipe that their inbox has now: those named (sources or results), or all of an inbox.

    With `dry_run` nothing is changed. Raises TwofoldError(NOT_FOUND) for a path that is no job, of no inbox or still in
    work.
    """
    with desk(settings) as open_desk:
        jobs = _chosen(open_desk.ledger, settings, paths, inbox)
        sized = [(job, sizes([_source(job, settings)])) for job in jobs]
        there = [(job, found[0][1]) for job, found in sized if found]
        gone = [_source(job, settings) for job, found in sized if not found]
        cost = _cost(settings, there)
        ids = [job.id for job, _ in there]
        if not dry_run:
            ids = [_again(open_desk.ledger, job, settings) for job, _ in there]
    return Redone(ids, gone, cost)


def known_inbox(settings: Settings, name: str) -> InboxSettings:
    """Raises TwofoldError(BAD_USAGE) for a name that the configuration does not have."""
    try:
        return settings.inboxes[name]
    except KeyError:
        there = ", ".join(settings.inboxes) or "none"
        raise TwofoldError(Code.BAD_USAGE, f"there is no inbox {name!r}", f"The configuration has: {there}.") from None


def _chosen(ledger: Ledger, settings: Settings, paths: Sequence[bytes], inbox: str | None) -> list[Job]:
    if inbox is not None:
        return ledger.jobs(MADE_AGAIN, inbox=known_inbox(settings, inbox).name, limit=MAX_REDONE)
    database = StatePaths(settings.state_dir, settings.scratch_dir).database
    jobs = []
    for path in paths:
        found = read.find(database, os.path.abspath(path)) or read.find(database, path)
        job = ledger.get(found[0]["id"]) if found else None
        if job is None or job.inbox not in settings.inboxes:
            raise TwofoldError(Code.NOT_FOUND, f"{os.fsdecode(path)} is no source or result of an inbox")
        if job.state not in MADE_AGAIN:
            raise TwofoldError(Code.NOT_FOUND, f"{os.fsdecode(path)} is {job.state.value}: nothing is to be made again")
        jobs.append(job)
    return jobs


def _source(job: Job, settings: Settings) -> bytes:
    return os.path.join(settings.inboxes[job.inbox].path, job.path)


def _cost(settings: Settings, there: Sequence[tuple[Job, int]]) -> Forecast:
    """One forecast for each recipe that is concerned, added up."""
    catalogue = open_catalogue(
        StatePaths(settings.state_dir, settings.scratch_dir), os.path.dirname(settings.source or "")
    )
    total = Forecast(0, 0, 0, 0, 0.0, 0)
    for name in dict.fromkeys(settings.inboxes[job.inbox].recipe for job, _ in there):
        files = [(_source(job, settings), size) for job, size in there if settings.inboxes[job.inbox].recipe == name]
        total += forecast(open_planner(settings, settings.recipes[name], catalogue), files)
    return total


def _again(ledger: Ledger, job: Job, settings: Settings) -> str:
    recipe = settings.recipes[settings.inboxes[job.inbox].recipe]
    if job.recipe_hash == recipe.digest():
        ledger.redo(job.id)
        return job.id
    fresh = renewed(job, recipe)
    if not ledger.observe(fresh, time.time()):
        ledger.redo(fresh.id)  # it was made by this recipe before
    return fresh.id
