"""A worker passes a job on to another device that is done with it sooner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from twofold.core.dispatch import Lane, better
from twofold.core.headway import work_px
from twofold.core.job import Job
from twofold.core.states import State
from twofold.jobs.board import Board
from twofold.jobs.database import writing
from twofold.jobs.queue import LOCAL, JobQueue, lane_of
from twofold.jobs.row import job_of
from twofold.jobs.schema import device, file
from twofold.jobs.transition import fetch, in_states, is_active

SHORTEST_S: Final = 5.0
"""A job that takes less is not worth a look at all the others."""


class Move(NamedTuple):
    """A job that was passed on: to which device, done there in how many seconds, and in how many here (None: never)."""

    device: str
    done_s: float | None
    instead_s: float | None


class Handover:
    """One worker's; `others` are the ids of the other devices of this service."""

    def __init__(self, queue: JobQueue, mine: str, others: Sequence[str], told: Callable[[Job, Move], None]) -> None:
        """`told` hears of every job that was passed on."""
        self._queue = queue
        self._told = told
        self._mine = mine
        self._others = tuple(others)
        self._board = Board(queue.engine)

    def sooner(self, job: Job, generation: int) -> bool:
        """Pass on a job that was not begun, where another device is done with it sooner (see core.dispatch)."""
        if job.alone or job.worker is not None or not job.pictures or _begun(job):
            return False
        speeds = self._board.speeds()
        own_s = _seconds(job, self._mine, speeds)
        if own_s is None or own_s < SHORTEST_S:
            return False
        ready = self._ready()
        lanes = {name: self._lane(job, name, speeds) for name in (self._mine, *ready)}
        mine = lanes.pop(self._mine)
        chosen = better(mine, lanes.values())
        if chosen is None:
            return False
        return self._pass_on(job, generation, Move(chosen.device, chosen.done_s, mine.done_s))

    def larger(self, job: Job, generation: int) -> bool:
        """Pass on a job that can never fit on this device to the next larger one, where there is one."""
        sizes = self._ready()
        with self._queue.engine.connect() as connection:
            query = sa.select(device.c.total_bytes).where(device.c.id == self._mine)
            own_bytes = connection.execute(query).scalar() or 0
        larger = sorted((size, name) for name, size in sizes.items() if size > own_bytes)
        if job.alone or not larger:
            return False
        return self._pass_on(job, generation, Move(larger[0][1], None, None))

    def _ready(self) -> dict[str, int]:
        """The other devices on which nothing waits, and the size of each in bytes."""
        with self._queue.engine.connect() as connection:
            query = sa.select(device.c.id, device.c.total_bytes).where(
                device.c.id.in_(self._others), device.c.waiting.is_(None)
            )
            return {row.id: row.total_bytes for row in connection.execute(query)}

    def _lane(self, job: Job, name: str, speeds: dict[tuple[str, str], float]) -> Lane:
        before_s = 0.0
        with self._queue.engine.connect() as connection:
            taken = (file.c.worker == LOCAL + name, in_states({State.QUEUED, State.RUNNING}), file.c.id != job.id)
            rows = connection.execute(sa.select(file).where(*taken)).mappings().all()
        for row in rows:
            seconds = _seconds(job_of(row), name, speeds)
            if seconds is None:
                return Lane(name, 0.0, None)
            before_s += seconds
        return Lane(name, before_s, _seconds(job, name, speeds))

    def _pass_on(self, job: Job, generation: int, move: Move) -> bool:
        """Into the device's own queue; False where somebody else has changed the job meanwhile."""
        with writing(self._queue.engine) as connection:
            if connection.execute(sa.select(file.c.id).where(is_active(job.id, generation))).first() is None:
                return False
            row = fetch(connection, job.id)
            lane, worker = lane_of(move.device), LOCAL + move.device
            self._queue.put(connection, row, generation=generation + 1, turn=row["turn"], queue=lane, worker=worker)
        self._told(job, move)
        return True


def _begun(job: Job) -> bool:
    return any(picture.passes_done or picture.kept for picture in job.pictures)


def _seconds(job: Job, name: str, speeds: dict[tuple[str, str], float]) -> float | None:
    """What is left of a job takes so long on this device; None where one of its networks was never measured there."""
    seconds = 0.0
    for picture in job.pictures:
        done_px = picture.fraction * work_px(picture.chain)
        for step in picture.chain.passes:
            left_px = max(0.0, step.source.pixels - done_px)
            done_px = max(0.0, done_px - step.source.pixels)
            px_per_s = speeds.get((step.model, name))
            if px_per_s is None:
                return None
            seconds += left_px / px_per_s
    return seconds
