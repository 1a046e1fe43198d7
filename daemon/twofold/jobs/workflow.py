"""The worker's side of the queue: DBOS runs a job as the steps make, one per long pass, deliver."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import sqlalchemy as sa
from dbos import DBOS, DBOSPortableJSONSerializer

from twofold.core.codes import Code
from twofold.core.errors import Interrupted, TwofoldError
from twofold.core.job import Job
from twofold.core.protocols import JobHandler
from twofold.core.retry import Outcome, decide
from twofold.jobs.ledger import Ledger
from twofold.jobs.queue import (
    ALONE_QUEUE,
    APPLICATION,
    APPLICATION_VERSION,
    LOCAL,
    POLL_S,
    SHARED_QUEUE,
    WORKFLOW,
    lane_of,
)

# A job that is waiting is claimed well within this time; a worker that ends sooner would be started again at once.
SHORTEST_IDLE_S: Final = 4 * POLL_S
STOP_TIMEOUT_S: Final = 20.0
DRAIN_POLL_S: Final = 0.05
LOG_REPEAT_S: Final = 60.0
NOTIFICATION_POLL_S: Final = 1.0  # unused here, but its thread is joined at the end

WorkerExit = Literal["idle", "stopped", "stuck"]


class Passer(Protocol):
    """Passes jobs on to other devices; True where it did."""

    def sooner(self, job: Job, generation: int) -> bool: ...

    def larger(self, job: Job, generation: int) -> bool: ...


# Told of every job that ended other than by delivery: its id, what became of it, and the error behind it.
Observer = Callable[[str, Outcome, BaseException], None]


@dataclass(slots=True)
class _Activity:
    """How many workflows this process runs, and since when there is none."""

    running: int = 0
    idle_since_s: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def changed(self, by: int) -> None:
        with self.lock:
            self.running += by
            self.idle_since_s = time.monotonic()

    def idle_s(self) -> float:
        with self.lock:
            return 0.0 if self.running else time.monotonic() - self.idle_since_s


class Worker:
    """Runs the jobs of one device until there are none left or it is told to stop."""

    def __init__(
        self,
        engine: sa.Engine,
        worker_id: str,
        handler: JobHandler,
        *,
        observer: Observer,
        jitter: Callable[[], float],
        passer: Passer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`worker_id` names the device ("local/cuda:0"): the next worker of that id takes up what this one leaves.

        `passer` passes jobs on to other devices, where there are some; then this one has a queue of its own as well.
        `jitter` gives random numbers in [0, 1), `clock` seconds since the epoch.
        """
        self._engine = engine
        self._ledger = Ledger(engine)
        self._worker_id = worker_id
        self._handler = handler
        self._observer = observer
        self._jitter = jitter
        self._passer = passer
        self._claiming = threading.Lock()
        self._clock = clock
        self._closing = threading.Event()
        self._activity = _Activity()

    def run(
        self,
        *,
        stop: threading.Event,
        idle_exit_s: float,
        alone: bool = False,
        stop_timeout_s: float = STOP_TIMEOUT_S,
        tick: Callable[[], None] = lambda: None,
    ) -> WorkerExit:
        """Serve the queue; `alone` serves, one at a time, the jobs that must have a worker to themselves.

        Returns "idle" after `idle_exit_s` without work, "stopped" once `stop` is set and every job has reached a
        checkpoint, and "stuck" where one did not in time (the caller should leave the process at once;
        like after a kill, the job goes on in the next worker). `tick` is called every POLL_S.
        """
        lane = lane_of(self._worker_id.removeprefix(LOCAL))
        self._launch([ALONE_QUEUE] if alone else [SHARED_QUEUE, lane] if self._passer is not None else [SHARED_QUEUE])
        try:
            idle_exit_s = max(idle_exit_s, SHORTEST_IDLE_S)
            while not stop.wait(POLL_S):
                tick()
                if self._activity.idle_s() >= idle_exit_s:
                    return "idle"
            self._closing.set()
            return "stopped" if self._drained(stop_timeout_s) else "stuck"
        finally:
            # Whatever is claimed from here on stays unfinished, for the next worker.
            self._closing.set()
            DBOS.destroy(destroy_registry=True)

    def _launch(self, queues: list[str]) -> None:
        _quieten(logging.getLogger("dbos"))
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_engine": self._engine,
                "executor_id": self._worker_id,
                "application_version": APPLICATION_VERSION,
                "serializer": DBOSPortableJSONSerializer(),
                "run_migrations": False,  # the owner of the state directory has made the tables
                "notification_listener_polling_interval_sec": NOTIFICATION_POLL_S,
                "log_level": "WARNING",
            }
        )

        # Blame is ours (liveness.py); a limit of DBOS would count power cuts and neighbours too.
        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        def upscale_v1(job_id: str, generation: int) -> None:
            self._activity.changed(1)
            try:
                self._run(job_id, generation)
            finally:
                self._activity.changed(-1)

        DBOS.listen_queues(queues)
        DBOS.launch()

    def _run(self, job_id: str, generation: int) -> None:
        """The steps of a job; the recorded answer of the first decides the rest, so a replay goes the same way."""

        begun = False

        def step(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
            nonlocal begun
            told = DBOS.run_step({"name": name}, self._attempt, job_id, generation, work)
            answer: dict[str, Any] | None = told["answer"]
            if begun and told.get("gone"):
                self._handler.put_down(job_id)
            begun = True
            return answer

        made = step("make", lambda: self._handler.make(job_id))
        if made is None:
            return
        for index in made["long"]:
            if step("pass", lambda index=index: self._handler.run_pass(job_id, index)) is None:  # type: ignore[misc]
                return
        step("deliver", lambda: self._handler.deliver(job_id))

    def _attempt(self, job_id: str, generation: int, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do one step; {"answer": None} where the job ends here, with "gone" where it is
        another's by now. Trouble becomes the job's outcome, not DBOS's.

        Only Interrupted gets through, and being no Exception it makes DBOS leave the workflow unfinished.
        """
        if self._closing.is_set():
            raise Interrupted
        if not self._claim(job_id, generation):
            return {"answer": None, "gone": True}
        try:
            return {"answer": work()}
        except TwofoldError as error:
            self._settle(job_id, generation, error)
        except Exception as error:  # noqa: BLE001 - the worker's one broad catch: a job must not end without a reason
            unexpected = TwofoldError(Code.UNEXPECTED, f"{type(error).__name__}: {error}")
            unexpected.__cause__ = error
            self._settle(job_id, generation, unexpected)
        return {"answer": None}

    def _claim(self, job_id: str, generation: int) -> bool:
        """Take the job up (again); False where it is not ours to do, or another device does it sooner."""
        with self._claiming:  # what this worker has in work is counted when it judges the next
            if self._passer is not None and self._passer.sooner(self._ledger.get(job_id), generation):
                return False
            return self._ledger.start(job_id, generation, self._worker_id, self._clock())

    def _settle(self, job_id: str, generation: int, error: TwofoldError) -> None:
        """Give a job the outcome that its error decides; nothing where somebody else gave it one meanwhile."""
        passer = self._passer if error.code is Code.NEVER_FITS else None
        if passer is not None and passer.larger(self._ledger.get(job_id), generation):
            return
        now = self._clock()
        attempts = self._ledger.get(job_id).attempts + 1
        outcome = decide(error.reason, attempts, jitter=self._jitter(), retryable=error.retryable)
        if outcome.after_s is None:
            written = self._ledger.conclude(job_id, outcome.state, outcome.reason, now, generation=generation)
        else:
            due = now + outcome.after_s
            written = self._ledger.try_later(job_id, generation, outcome.state, outcome.reason, due)
        if written:
            self._observer(job_id, outcome, error)

    def _drained(self, timeout_s: float) -> bool:
        """Wait until every running job has reached a checkpoint; False where one does not."""
        deadline_s = time.monotonic() + timeout_s
        while self._activity.running:
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(DRAIN_POLL_S)
        return True


class _OncePerMinute(logging.Filter):
    """Drops a message that was let through less than LOG_REPEAT_S ago: DBOS repeats itself while a database is away."""

    def __init__(self) -> None:
        super().__init__()
        self._last_s: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, now_s = (record.pathname, record.lineno), time.monotonic()
        if now_s - self._last_s.get(place, -LOG_REPEAT_S) < LOG_REPEAT_S:
            return False
        self._last_s[place] = now_s
        return True


def _quieten(logger: logging.Logger) -> None:
    """Send what DBOS says to our own log, without its console handler and its repetitions."""
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.addFilter(_OncePerMinute())
