"""The workers: one process per device, alive only while there is work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

import structlog

from twofold.core.errors import TwofoldError
from twofold.core.job import Job
from twofold.core.pulse import Pace
from twofold.core.states import State
from twofold.device.inventory import Device
from twofold.device.lock import DeviceLock
from twofold.jobs.board import Board, DeviceStanding
from twofold.jobs.ledger import Ledger
from twofold.jobs.liveness import worker_ended
from twofold.jobs.pauses import Pauses
from twofold.jobs.queue import JobQueue
from twofold.service.admission import say_ended
from twofold.service.lifeline import Lifeline
from twofold.service.machine import Machine
from twofold.service.order import WorkerOrder
from twofold.service.pulse import Pulse, Watchdog
from twofold.service.sight import Sight

log = structlog.get_logger()

CPU_MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""glibc keeps a network's large layers from one tile to the next, instead of mapping and zeroing them each time."""

FIRST_BACKOFF_S = 1.0
LAST_BACKOFF_S = 60.0
HOPELESS_DEATHS = 5
STOP_TIMEOUT_S = 25.0
"""A worker reaches a checkpoint within a batch; after this it is killed, which costs no more than that batch."""


DRAIN_TICK_S = 0.5
START_BUDGET_S = 60.0
"""Until a worker's first sign: its libraries may come from a slow disk."""
TAKEN_LOOK_EVERY_S = 2.0
"""How soon a device is looked at again that another service uses."""

KILL_WAIT_S = 2.0
"""A killed process is gone at once, or it hangs in the kernel: then the watchdog stays unfed."""


@dataclass(slots=True)
class Post:
    """One device, and the worker on it, if any."""

    device: Device
    lock: DeviceLock | None = None
    taken: str = ""
    process: subprocess.Popen[bytes] | None = None
    lifeline: Lifeline | None = None
    pulse: Pulse | None = None
    frozen: bool = False
    alone: bool = False
    since: float = 0.0
    deaths_in_a_row: int = 0
    not_before_s: float = 0.0
    starts: int = 0
    deaths: int = 0

    @property
    def worker_id(self) -> str:
        return f"local/{self.device.id}"

    @property
    def name(self) -> str:
        """How the watchdog calls the worker."""
        return f"worker {self.device.id}"


class Crew:
    """Starts a worker where a job is due, and settles what a dead one leaves. Used by one thread."""

    def __init__(
        self,
        devices: Sequence[Device],
        order: Callable[[Device, bool], WorkerOrder],
        ledger: Ledger,
        queue: JobQueue,
        board: Board,
        watchdog: Watchdog,
        pace: Pace,
        machine: Machine,
        *,
        bury: Callable[[Job], None],
        forward: bool,
    ) -> None:
        """`order` writes a worker's order (alone or not); `bury` removes what a job left that killed its workers.

        `forward` sends the workers' log through our own stderr.
        """
        self._posts: list[Post] = []
        self._sight = Sight(machine.probe)
        self._order = order
        self._ledger = ledger
        self._pauses = Pauses(queue.engine)
        self._queue = queue
        self._board = board
        self._watchdog = watchdog
        self._pace = pace
        self._machine = machine
        self.enlist(devices)
        self._bury = bury
        self._forward = forward

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices that workers are started on."""
        return tuple(post.device for post in self._posts)

    def enlist(self, devices: Sequence[Device]) -> None:
        """Take in those of the devices that are new."""
        known = {device.id for device in self.devices}
        self._posts += [Post(device, self._machine.lock(device)) for device in devices if device.id not in known]

    @property
    def worked(self) -> dict[str, tuple[int, int]]:
        """Workers that were started, and those that died, by device; any thread may ask."""
        return {post.device.id: (post.starts, post.deaths) for post in self._posts}

    @property
    def working(self) -> bool:
        return any(post.process is not None for post in self._posts)

    @property
    def hopeless(self) -> bool:
        """True where every device's workers die as soon as they start, or the device does not answer."""
        return all(post.deaths_in_a_row >= HOPELESS_DEATHS or self._sight.hopeless(post.device) for post in self._posts)

    def listen(self) -> None:
        """Feel the pulse of every worker; to be called before anybody judges it."""
        for post in self._posts:
            if post.lifeline is not None and post.pulse is not None and post.lifeline.felt():
                post.pulse.beat(budget_s=self._pace.worker_budget_s)

    def tend(self) -> bool:
        """Reap what ended, queue what is due, start what is needed; True where a worker came or went.

        A worker that gives no sign for too long is killed first: what it had in work goes on in the next one.
        """
        changed = False
        self._kill_frozen()
        for post in self._posts:
            if post.process is not None and post.process.poll() is not None:
                self._reap(post, died=post.process.returncode != 0)
                changed = True
        for name in self._pauses.expire(time.time()):
            log.info("pause.ended", inbox=name)
        demand = self._ledger.demand()
        if demand.next_at is not None and demand.next_at <= time.time() and self._queue.requeue_due(time.time()):
            demand = self._ledger.demand()
        alone, shared = demand.alone > 0 and not any(post.alone for post in self._posts), demand.shared > 0
        for post in self._posts:
            waits = post.process is None and time.monotonic() >= post.not_before_s
            if waits and (alone or shared) and self._ready(post):
                self._start(post, alone=alone)
                alone, changed = False, True
        self._release()
        return changed

    def _release(self) -> None:
        """Let the devices go at once where a pause asks for it and nothing else is to be done."""
        if not self.working or not any(pause.release_gpu for pause in self._pauses.standing(time.time())):
            return
        if not self._ledger.jobs({State.QUEUED, State.RUNNING}, limit=1):
            for post in self._posts:
                if post.process is not None:
                    post.process.terminate()  # at the next look it is reaped

    def publish(self) -> None:
        """Write what `status` shows of the devices."""
        for post in self._posts:
            reading = self._sight.read(post.device)
            worker = None
            if post.process is not None:
                worker = {"pid": post.process.pid, "state": "alone" if post.alone else "working", "since": post.since}
            device = post.device
            total_bytes, free_bytes = (reading.total_bytes, reading.free_bytes) if reading else (device.total_bytes, 0)
            standing = DeviceStanding(device.id, device.name, device.kind, total_bytes, free_bytes, worker)
            self._board.record_device(standing, time.time())

    def stop(self, tick: Callable[[], None]) -> None:
        """Ask every worker for a checkpoint, and wait for it; `tick` is called meanwhile, every DRAIN_TICK_S."""
        running = [post for post in self._posts if post.process is not None]
        for post in running:
            assert post.process is not None  # noqa: S101
            post.process.terminate()
        deadline_s = time.monotonic() + STOP_TIMEOUT_S
        for post in running:
            assert post.process is not None  # noqa: S101
            while post.process.poll() is None and time.monotonic() < deadline_s:
                tick()
                _wait(post.process, DRAIN_TICK_S)
            if post.process.poll() is None:
                post.process.kill()
                post.process.wait()
            self._reap(post, died=False)

    def _kill_frozen(self) -> None:
        frozen = self._watchdog.late(grace_s=self._pace.grace_s)
        for post in self._posts:
            if post.process is not None and post.name in frozen and not post.frozen and post.process.poll() is None:
                log.error("worker.frozen", device=post.device.id, pid=post.process.pid)
                post.frozen = True
                post.process.kill()
                _wait(post.process, KILL_WAIT_S)

    def _ready(self, post: Post) -> bool:
        """True where the device answers and no other service uses it; then it is ours until the worker ends."""
        if self._sight.read(post.device) is None:
            return False
        try:
            if post.lock is not None:
                post.lock.take()
        except TwofoldError as error:
            if error.reason.text != post.taken:
                post.taken = error.reason.text
                log.warning("device.taken", device=post.device.id, text=error.reason.text, hint=error.reason.hint)
            post.not_before_s = time.monotonic() + TAKEN_LOOK_EVERY_S
            return False
        post.taken = ""
        return True

    def _start(self, post: Post, *, alone: bool) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
        if post.device.kind == "cpu":
            environment = CPU_MALLOC | environment
        if post.device.kind == "cuda":
            # The worker sees this one GPU: NVML's order and CUDA's may differ, UUIDs do not.
            environment["CUDA_VISIBLE_DEVICES"] = post.device.visible
        lifeline = Lifeline()
        process = subprocess.Popen(
            [*self._machine.worker, str(lifeline.theirs)],
            stdin=subprocess.PIPE,
            pass_fds=(lifeline.theirs, *(post.lock.fds if post.lock is not None else ())),
            stderr=subprocess.PIPE if self._forward else None,
            env=environment,
        )
        lifeline.started()
        assert process.stdin is not None  # noqa: S101
        try:
            process.stdin.write(self._order(post.device, alone).to_json().encode() + b"\n")
            process.stdin.flush()  # stays open: its end tells the worker that we are gone
        except BrokenPipeError:
            pass  # it died already: the next look reaps it
        if process.stderr is not None:
            threading.Thread(target=_pass_on, args=(process.stderr,), daemon=True).start()
        post.process, post.alone, post.since = process, alone, time.time()
        post.starts += 1
        post.lifeline = lifeline
        post.pulse = self._watchdog.register(post.name, max(START_BUDGET_S, self._pace.worker_budget_s))
        log.info("worker.started", device=post.device.id, pid=process.pid, alone=alone)

    def _reap(self, post: Post, *, died: bool) -> None:
        process = post.process
        assert process is not None  # noqa: S101
        post.process, post.alone, post.frozen, post.pulse = None, False, False, None
        self._watchdog.forget(post.name)
        if post.lock is not None:
            post.lock.release()
        if post.lifeline is not None:
            post.lifeline.close()
            post.lifeline = None
        if process.stdin is not None:
            process.stdin.close()
        ended = worker_ended(self._queue, post.worker_id, time.time(), died=died)
        if died:
            post.deaths += 1
            post.deaths_in_a_row += 1
            backoff_s = min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (post.deaths_in_a_row - 1))
            # A worker that had jobs in work did start: the trouble is theirs, and the next one need not wait.
            post.not_before_s = 0.0 if ended.resumed or ended.failed else time.monotonic() + backoff_s
            if post.not_before_s == 0.0:
                post.deaths_in_a_row = 0
            log.warning(
                "worker.died",
                device=post.device.id,
                pid=process.pid,
                status=_status_text(process.returncode),
                jobs=list(ended.resumed + ended.failed),
            )
        else:
            post.deaths_in_a_row = 0
            log.info("worker.exited", device=post.device.id, pid=process.pid, status=process.returncode)
        for job_id in ended.failed:
            job = self._ledger.get(job_id)
            say_ended(job, State.FAILED, job.reason)
            self._bury(job)


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        pass  # the caller looks again


def _status_text(returncode: int) -> str:
    return signal.Signals(-returncode).name if returncode < 0 else f"exit {returncode}"


def _pass_on(stream: IO[bytes]) -> None:
    """Copy a worker's log lines to our own stderr, which progress bars may have wrapped."""
    for line in stream:
        sys.stderr.write(line.decode("utf-8", "backslashreplace"))
