"""A worker process: `python -m twofold.service.worker LIFELINE_FD`, its order on standard input."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import sys
import threading
import time
from functools import partial

import structlog

from twofold.core.errors import Interrupted
from twofold.core.holding import most_bytes
from twofold.core.job import Job
from twofold.core.pulse import Pace
from twofold.core.retry import Outcome
from twofold.core.states import State
from twofold.device.inventory import Device
from twofold.jobs.board import Board
from twofold.jobs.database import open_engine
from twofold.jobs.handover import Handover, Move
from twofold.jobs.ledger import Ledger
from twofold.jobs.queue import JobQueue
from twofold.jobs.workflow import Worker
from twofold.service.admission import remove_quietly, say_ended
from twofold.service.bell import Bell
from twofold.service.conduct import Conduct, follow
from twofold.service.costs import open_costs
from twofold.service.handler import Handler
from twofold.service.leaving import Leaving
from twofold.service.lifeline import say, start_beating
from twofold.service.lock import FileLock
from twofold.service.machine import Equipment
from twofold.service.networks import open_catalogue
from twofold.service.order import WorkerOrder
from twofold.service.paths import StatePaths
from twofold.service.pulse import Pulse
from twofold.service.tools import BATCH_BUDGET_S, open_tools
from twofold.telemetry.logs import configure

log = structlog.get_logger()

PR_SET_PDEATHSIG = 1
ORPHAN_GRACE_S = 10.0
LOOP_BUDGET_S = 120.0
"""The loop turns four times a second; starting and ending take longer."""


def main(equipment: Equipment | None = None) -> int:
    """Serve one device to the end; `equipment` is the real one's where it is not given."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    order = WorkerOrder.from_json(_first_line())
    configure(sys.stderr, json=order.log_json, level=order.log_level)
    lifeline_fd = int(sys.argv[-1])
    watchdog = start_beating(lifeline_fd, Pace(order.watchdog_s))
    loop = watchdog.register("loop", LOOP_BUDGET_S)
    stop = threading.Event()
    conduct = Conduct()
    signal.signal(signal.SIGTERM, Bell(stop).ring)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the supervisor decides
    threading.Thread(target=_outlive_nobody, args=(conduct, stop), daemon=True).start()
    paths = StatePaths(order.state, order.scratch)
    # A worker of a supervisor that was killed may still be reaching its checkpoint.
    FileLock(paths.worker_lock(order.device_id)).take(wait=True)
    if stop.is_set():
        return 0
    engine = open_engine(paths.database)
    ledger = Ledger(engine)
    equipment = equipment or Equipment()
    leaving = Leaving(stop, partial(say, lifeline_fd), partial(_fits_ever, order, equipment))
    pulse = watchdog.register("device", BATCH_BUDGET_S)
    worker = Worker(
        engine,
        f"local/{order.device_id}",
        _handler(order, paths, ledger, Board(engine), leaving, conduct, pulse, equipment),
        observer=lambda job_id, outcome, error: _ended(paths, ledger.get(job_id), outcome, error),
        jitter=random.random,
        passer=_passer(order, ledger),
    )
    why = worker.run(stop=stop, idle_exit_s=order.idle_exit_s, alone=order.alone, tick=loop.beat)
    leaving.farewell()
    if why == "stuck":
        os._exit(0)  # no thread of ours can be joined; the job goes on in the next worker
    return 0


def _first_line() -> str:
    """The order, read without a buffer: another thread waits for the end of the same input."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.decode()


def _handler(
    order: WorkerOrder,
    paths: StatePaths,
    ledger: Ledger,
    board: Board,
    leaving: Leaving,
    conduct: Conduct,
    pulse: Pulse,
    equipment: Equipment,
) -> Handler:
    def check() -> None:
        if leaving.stop.is_set():
            raise Interrupted

    device = _device(order)
    catalogue, costs = open_catalogue(paths, order.config_dir), open_costs(paths, device)
    tools = open_tools(
        device,
        order.policy,
        order.ram,
        order.limits,
        catalogue,
        costs,
        check,
        pulse,
        equipment,
        conduct,
        patient=not order.others,
    )
    return Handler(ledger, board, paths, order.outboxes, order.limits, tools, leaving)


def _passer(order: WorkerOrder, ledger: Ledger) -> Handover | None:
    if not order.others:
        return None
    return Handover(JobQueue(ledger.engine, register=False), order.device_id, order.others, _passed_on)


def _passed_on(job: Job, move: Move) -> None:
    seconds = {"seconds": move.done_s, "instead_s": move.instead_s}
    log.info(
        "job.assigned",
        job=job.id,
        inbox=job.inbox,
        path=job.path,
        device=move.device,
        **{key: None if value is None else round(value, 1) for key, value in seconds.items()},
    )


def _device(order: WorkerOrder) -> Device:
    return Device(order.device_id, order.device_kind, "", 0, capability=order.capability)


def _fits_ever(order: WorkerOrder, equipment: Equipment, need_bytes: int) -> bool:
    reading = equipment.probe(_device(order)).read()
    return need_bytes <= most_bytes(reading, order.policy, order.device_kind)


def _ended(paths: StatePaths, job: Job, outcome: Outcome, error: BaseException) -> None:
    """Tell what became of a job that was not delivered; one that is over leaves nothing behind."""
    if outcome.state in (State.RETRYING, State.WAITING):
        log.warning(
            "job.retried",
            job=job.id,
            inbox=job.inbox,
            path=job.path,
            code=outcome.reason.code,
            text=outcome.reason.text,
            next_at=job.next_at,
            exc_info=error.__cause__,
        )
    else:
        remove_quietly(paths.spooled(job.id))
        shutil.rmtree(os.path.join(paths.scratch, job.id), ignore_errors=True)
        say_ended(job, outcome.state, outcome.reason)


def _outlive_nobody(conduct: Conduct, stop: threading.Event) -> None:
    """Follow what the supervisor says; where it ends, reach a checkpoint, and leave whatever happens."""
    follow(0, conduct)
    stop.set()
    time.sleep(ORPHAN_GRACE_S)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
