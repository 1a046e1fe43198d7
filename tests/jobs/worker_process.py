"""A worker process with a fake handler: `python -m tests.jobs.worker_process LEDGER WORKER SCRIPT [alone]`.

SCRIPT is a folder. The handler appends a line to SCRIPT/log for every step it begins and ends, and obeys files there:
`<id>.long` (passes that are steps of their own), `<id>.<step>.hang` (wait until the worker is stopped, or for ever with
`<id>.deaf`), `<id>.<step>.die` (SIGKILL the own process) and `<id>.<step>.raise` (a code, raised once: the file is
removed; "boom": an unknown error).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.jobs.samples import NOW
from twofold.core.codes import Code
from twofold.core.errors import Interrupted, TwofoldError
from twofold.core.job import Output
from twofold.core.retry import Outcome
from twofold.jobs.database import open_engine
from twofold.jobs.ledger import Ledger
from twofold.jobs.workflow import Worker, WorkerExit
from twofold.service.bell import Bell

STOP_TIMEOUT_S = 2.0


class ScriptedHandler:
    def __init__(self, ledger: Ledger, folder: Path, stop: threading.Event) -> None:
        self._ledger = ledger
        self._folder = folder
        self._stop = stop

    def make(self, job_id: str) -> dict[str, Any]:
        self._do(job_id, "make")
        long = self._folder / f"{job_id}.long"
        return {"passes": 2, "done": 0, "long": [int(k) for k in long.read_text().split()] if long.exists() else []}

    def run_pass(self, job_id: str, index: int) -> dict[str, Any]:
        self._do(job_id, f"pass{index}")
        self._ledger.record_progress(job_id, 0, passes_done=index + 1, fraction=(index + 1) / 2)
        return {"done": index + 1}

    def deliver(self, job_id: str) -> dict[str, Any]:
        self._do(job_id, "deliver")
        job = self._ledger.get(job_id)
        self._ledger.record_delivered(job_id, Output(job.path, "cc" * 32, 5, 9), {"make": 0.5}, NOW + 60)
        return {}

    def put_down(self, job_id: str) -> None:
        self._note(f"put_down {job_id}")

    def _do(self, job_id: str, step: str) -> None:
        self._note(f"begin {job_id} {step}")
        if (self._folder / f"{job_id}.{step}.die").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        trouble = self._folder / f"{job_id}.{step}.raise"
        if trouble.exists():
            code = trouble.read_text()
            trouble.unlink()
            if code == "boom":
                raise ZeroDivisionError("boom")
            raise TwofoldError(Code(code), "as the script says")
        while (self._folder / f"{job_id}.{step}.hang").exists():
            if self._stop.is_set() and not (self._folder / f"{job_id}.deaf").exists():
                raise Interrupted
            time.sleep(0.02)
        self._note(f"end {job_id} {step}")

    def _note(self, line: str) -> None:
        with (self._folder / "log").open("a") as log:
            log.write(line + "\n")


def serve(path: str, worker_id: str, folder: Path, stop: threading.Event, *, alone: bool) -> WorkerExit:
    """One worker from its start to its end, in this process."""
    engine = open_engine(path)

    def observe(job_id: str, outcome: Outcome, error: BaseException) -> None:
        with (folder / "log").open("a") as log:
            log.write(f"ended {job_id} {outcome.state} {outcome.reason.code} {type(error.__cause__).__name__}\n")

    handler = ScriptedHandler(Ledger(engine), folder, stop)
    worker = Worker(engine, worker_id, handler, observer=observe, jitter=lambda: 0.5, clock=lambda: NOW)
    try:
        return worker.run(stop=stop, idle_exit_s=0, alone=alone, stop_timeout_s=STOP_TIMEOUT_S)
    finally:
        engine.dispose()


def main() -> int:
    path, worker_id, folder = sys.argv[1:4]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, Bell(stop).ring)
    ended = serve(path, worker_id, Path(folder), stop, alone="alone" in sys.argv)
    print(ended, flush=True)
    if ended == "stuck":
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
