"""A ledger with ended jobs, real folders, and the thread that cares for what follows; no service around it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.jobs.samples import NOW, Standing, new_job, open_ledger, picture
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.job import Job, Output
from twofold.core.recipe import Recipe
from twofold.core.settings import Hooks, InboxSettings, Originals, Settings
from twofold.core.states import InboxState, State
from twofold.intake.mounts import mount_of, read_mounts
from twofold.intake.original import version_of
from twofold.intake.scan import RootSeen
from twofold.jobs import read
from twofold.jobs.board import Board, InboxStanding
from twofold.jobs.database import open_engine
from twofold.jobs.ledger import Ledger
from twofold.jobs.queue import JobQueue
from twofold.service.aftercare import Aftercare
from twofold.service.pulse import Pulse

SOURCE = b"the original " * 4000
RESULT = b"the result " * 9000
SETTLED_TIMEOUT_S = 20.0


class World:
    """Inbox `photos` in `home`, under settings of the test's choice; a new one on the same folder is a restart."""

    def __init__(
        self,
        home: Path,
        *,
        hooks: Hooks | None = None,
        archive: Path | None = None,
        template: Path | None = None,
        **keys: Any,
    ) -> None:
        """`template` is an empty ledger, to be copied where there is none yet: making one takes its time."""
        self.home = home
        for name in ("in", "out", "archive"):
            (home / name).mkdir(parents=True, exist_ok=True)
        self.archive = archive or home / "archive"
        if keys.get("originals") == Originals("archive"):
            keys["originals"] = Originals("archive", os.fsencode(self.archive))
        inbox = InboxSettings("photos", os.fsencode(home / "in"), os.fsencode(home / "out"), "r", **keys)
        self.settings = Settings(str(home), str(home), {"r": Recipe("r")}, {"photos": inbox}, hooks=hooks or Hooks())
        self.state: Standing = open_ledger(home) if template is None else _copied(template, home)
        self.board = Board(self.state.engine)
        self.quiet = False

    def close(self) -> None:
        self.state.close()

    def see_inbox(self) -> None:
        """What the first good scan records."""
        inbox = self.settings.inboxes["photos"]
        seen = RootSeen(mount_of(os.path.realpath(inbox.path), read_mounts()), empty=False)
        volume = json.dumps(seen.to_json())
        self.board.record_inbox(InboxStanding("photos", inbox.path, inbox.outbox, InboxState.OK, volume=volume))

    # --- files and jobs

    def source(self, name: str) -> Path:
        return self.home / "in" / name

    def drop(self, name: str, content: bytes = SOURCE, *, result: str = "") -> Job:
        """Put a file into the inbox, and have it observed and queued; `result` is the name that is reserved for it."""
        path = self.source(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        job = replace(new_job(os.fsencode(name)), version=version_of(os.stat(path)))
        job = replace(job, id=f"{hashlib.sha256(name.encode()).hexdigest()[:12]}")
        self.state.ledger.observe(job, NOW)
        answer = self.state.queue.enqueue(
            job.id,
            sha256=hashlib.sha256(content).hexdigest(),
            pictures=[picture()],
            outbox=str(self.home / "out"),
            name=os.fsencode(result or name),
            key=os.fsencode(result or name).lower(),
        )
        assert answer == "queued"
        return job

    def deliver(self, job: Job, *, best_effort: bool = False) -> Job:
        """The job is done, and its result stands."""
        path = self.home / "out" / os.fsdecode(job.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(RESULT)
        output = Output(job.path, hashlib.sha256(RESULT).hexdigest(), len(RESULT), os.stat(path).st_mtime_ns)
        assert self.state.ledger.record_delivered(job.id, output, {}, NOW + 1, best_effort=best_effort)
        return job

    def end(self, job: Job, state: State, code: Code) -> Job:
        assert self.state.ledger.conclude(job.id, state, Reason(code, code.meaning, code.hint), NOW + 1)
        return job

    def after(self, job: Job) -> dict[str, Any]:
        """What `jobs --json` says followed; empty where nothing did."""
        (told,) = read.find(self.state.path, job.id.encode())[:1]
        return told["after"] or {}

    def files(self, folder: str | Path) -> dict[str, bytes]:
        """Every file below a folder of the world, hidden ones too."""
        root = self.home / folder
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    # --- the thread

    def aftercare(self) -> Aftercare:
        return Aftercare(
            self.settings, self.state.ledger, self.board, self.state.path, quiet=lambda: self.quiet, drain=True
        )

    def care(self, *, quiet: bool = False) -> None:
        """Run until nothing is owed that need not wait."""
        with self.caring() as aftercare:
            deadline_s = time.monotonic() + SETTLED_TIMEOUT_S
            while not aftercare.settled(quiet=quiet):
                assert time.monotonic() < deadline_s, "still owed"
                time.sleep(0.02)

    @contextmanager
    def caring(self) -> Iterator[Aftercare]:
        aftercare, stop = self.aftercare(), threading.Event()
        aftercare.recover()
        thread = threading.Thread(target=aftercare.run, args=(stop, Pulse("test", 60, time.monotonic)))
        thread.start()
        try:
            yield aftercare
        finally:
            stop.set()
            thread.join(SETTLED_TIMEOUT_S)
            assert not thread.is_alive()


def _copied(template: Path, home: Path) -> Standing:
    path = home / template.name
    if not path.exists():
        shutil.copy(template, path)
    engine = open_engine(str(path))
    return Standing(str(path), engine, Ledger(engine), JobQueue(engine))
