"""Jobs as the service would write them, and a prepared ledger to put them in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction

import sqlalchemy as sa

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.geometry import Size
from twofold.core.job import FileVersion, Job, Picture, job_id
from twofold.core.passes import Chain, Pass
from twofold.core.picture import PictureHeader
from twofold.core.recipe import Recipe
from twofold.core.states import State
from twofold.jobs.database import open_engine, prepare_database
from twofold.jobs.ledger import Ledger
from twofold.jobs.queue import JobQueue

NOW = 1_800_000_000.0
WHY = "it is a JPEG of about quality 60"
RECIPE = Recipe("photo-4x", scale=Fraction(4), models=("net@1",))
SETTLING = Reason(Code.SETTLING, "still being written")
BACKLOG = Reason(Code.BACKLOG, Code.BACKLOG.meaning)


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that the supervisor holds on a ledger."""

    path: str
    engine: sa.Engine
    ledger: Ledger
    queue: JobQueue

    def close(self) -> None:
        self.queue.close()
        self.engine.dispose()


def open_ledger(folder: os.PathLike[str]) -> Standing:
    path = os.path.join(folder, "ledger.sqlite")
    prepare_database(path, NOW)
    engine = open_engine(path)
    return Standing(path, engine, Ledger(engine), JobQueue(engine))


def picture(width: int = 40, height: int = 30) -> Picture:
    size = Size(width, height)
    middle, large = size.times(2), size.times(4)
    passes = (Pass("net@1", "ab", 2, size, middle), Pass("net@1", "ab", 2, middle, large))
    return Picture(PictureHeader("jpeg", *size), Chain(size, passes, large), why=WHY)


def new_job(path: bytes = b"a.jpg", *, inbox: str = "photos", mtime_ns: int = 1, reason: Reason = BACKLOG) -> Job:
    version = FileVersion(size=1000, mtime_ns=mtime_ns, ctime_ns=mtime_ns, inode=7)
    digest = RECIPE.digest()
    return Job(
        job_id(inbox, path, version, digest), inbox, path, version, State.WAITING, reason, RECIPE, recipe_hash=digest
    )


def enqueue(state: Standing, job: Job) -> str:
    """Observe and enqueue a job; its id."""
    state.ledger.observe(job, NOW)
    answer = state.queue.enqueue(
        job.id, sha256="00" * 32, pictures=[picture()], outbox="/out", name=job.path, key=job.path.lower()
    )
    assert answer == "queued"
    return job.id
