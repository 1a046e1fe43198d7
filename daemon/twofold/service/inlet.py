"""One inbox, looked at again and again: decisions of a sweep go into the ledger."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, replace

import structlog

from twofold.core.cadence import next_scan_s
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.ignore import IgnoreRules, rules_of
from twofold.core.job import FileVersion, Job, job_id
from twofold.core.lookahead import Candidate, in_order
from twofold.core.recipe import Recipe
from twofold.core.reconcile import Changed, Decision, Known, New, Settled, Touched, Vanished
from twofold.core.settings import InboxSettings
from twofold.core.settle import SettleTracker, Verdict
from twofold.core.states import InboxState, State
from twofold.intake.mounts import habits, mount_of, read_mounts, sync_marker
from twofold.intake.scan import ScanResult, seen_before
from twofold.intake.sweep import Sweep, sweep
from twofold.jobs.board import Board, InboxStanding
from twofold.jobs.ledger import Ledger
from twofold.service.first_look import FirstLook
from twofold.service.pulse import THREAD_BUDGET_S, Pulse

log = structlog.get_logger()

MAX_TOUCHED_REMADE = 20
"""More finished files than this with only their ctime changed, in one sweep, are an attribute storm and no drops."""

ROW_BUDGET_S = 0.02
"""What the watchdog allows for one row that a sweep writes; a first backlog may be a million."""

NAP_S = 0.5
"""How long a sleeping inlet may take to notice that the service stops."""


@dataclass(slots=True)
class InletState:
    """What the service tells about an inbox; replaced, never edited, so that other threads may read it."""

    state: InboxState = InboxState.OK
    reason: Reason | None = None
    sweeps: int = 0
    sweeps_s: float = 0.0
    moving: int = 0


class Inlet:
    """Sweeps one inbox on a thread of its own, so that a share that hangs stops nobody else."""

    def __init__(
        self,
        inbox: InboxSettings,
        recipe: Recipe,
        ledger: Ledger,
        board: Board,
        first_look: FirstLook,
        *,
        drain: bool,
    ) -> None:
        self.inbox = inbox
        self._recipe = recipe
        self._ledger = ledger
        self._board = board
        self._first_look = first_look
        self._drain = drain
        self._rules: IgnoreRules = rules_of(inbox.ignore, recipe)
        self._wake = threading.Event()
        root = os.path.realpath(inbox.path)
        self.habits = habits(mount_of(root, read_mounts()), synced=sync_marker(root) is not None)
        self._every_s = inbox.scan_every_s or self.habits.scan_every_s
        self._tracker = SettleTracker(self.habits.settle_s if inbox.settle_s is None else inbox.settle_s)
        # What the root was before a restart tells an unmounted share from an emptied folder.
        self._seen = seen_before(board.volumes().get(inbox.name, ""))
        self._verdicts: dict[bytes, Verdict] = {}
        self._pulse = Pulse(f"inbox {inbox.name}", THREAD_BUDGET_S, time.monotonic)  # nobody looks before `run`
        self.status = InletState()
        self.announcing = False

    def dirty(self) -> None:
        """Something may have happened: look soon. Never blocks."""
        self._wake.set()

    def run(self, stop: threading.Event, done: threading.Event, pulse: Pulse) -> None:
        """Sweep until `stop`; `done` is set after each sweep. `pulse` rests while the file system has the word."""
        self._pulse = pulse
        while not stop.is_set():
            self._wake.clear()
            cpu_s = time.thread_time()
            self.sweep_once(stop)
            done.set()
            self._sleep(time.monotonic(), time.thread_time() - cpu_s, stop)

    def sweep_once(self, stop: threading.Event) -> None:
        """One look: scan, settle, decide, record; a scan that ends after `stop` counts for nothing."""
        started_s = time.monotonic()
        known = self._ledger.known(self.inbox.name)
        with self._pulse.away():
            found = sweep(self.inbox.path, self._rules, self._tracker, known, previous=self._seen, clock=time.monotonic)
        if stop.is_set():
            return
        self._seen = found.found.seen
        if found.found.offline is None:
            rows = len(found.decisions) + len(found.verdicts)
            self._pulse.beat(budget_s=THREAD_BUDGET_S + rows * ROW_BUDGET_S)
            self._record(found, known)
            self._pulse.beat(budget_s=THREAD_BUDGET_S)
        self.announcing = True
        self._publish(found, time.monotonic() - started_s)
        with self._pulse.away():
            self._first_look.announce()
        self.announcing = False
        log.debug(
            "inbox.scanned",
            inbox=self.inbox.name,
            files=len(found.found.entries),
            ignored=sum(found.found.ignored.values()),
            seconds=round(time.monotonic() - started_s, 3),
        )

    def _sleep(self, ended_s: float, cost_s: float, stop: threading.Event) -> None:
        """Until the next sweep is due; an event brings it forward."""
        while not stop.is_set():
            self._pulse.beat()
            if self._first_look.released():
                self._wake.set()
            dirty = self._wake.is_set()
            due_s = next_scan_s(
                ended_s,
                cost_s=cost_s,
                dirty=dirty,
                due_s=self._tracker.next_due_s(ended_s),
                every_s=self._every_s,
                stretch=self.inbox.scan_every_s is None,
            )
            left_s = due_s - time.monotonic()
            if left_s <= 0:
                return
            (stop if dirty else self._wake).wait(min(left_s, NAP_S))

    def _record(self, found: Sweep, known: dict[bytes, Known]) -> None:
        touched = [decision for decision in found.decisions if isinstance(decision, Touched)]
        with self._pulse.away():
            gone = [decision for decision in touched if not self._result_stands(decision.path)]
        storm = len(gone) > MAX_TOUCHED_REMADE
        parked = self._observe(found.decisions, known)
        for path in parked & found.verdicts.keys():
            del found.verdicts[path]  # nobody waits for it to settle
        self._settle([decision for decision in found.decisions if isinstance(decision, Settled)])
        for decision in found.decisions:
            if isinstance(decision, Touched) and (storm or decision not in gone) and not self._left(decision.path):
                self._take_in(decision.path, decision.version)
            else:
                self._apply(decision)
        if storm:
            log.warning("inbox.touched", inbox=self.inbox.name, files=len(gone))
        self._first_look.recorded()
        self._explain(found.verdicts)

    def _observe(self, decisions: list[Decision], known: dict[bytes, Known]) -> set[bytes]:
        """Write the rows of new and changed files; a first backlog may be held, and held files stay so.

        Gives the files that are not to be enlarged as things stand.
        """
        with self._pulse.away():
            fate, code = self._first_look.fate([decision for decision in decisions if isinstance(decision, New)])
        held = {path for path, row in known.items() if row.state is State.HELD}
        jobs = []
        for decision in decisions:
            match decision:
                case New(path, version):
                    jobs.append(self._job(path, version, fate, code or Code.SETTLING))
                case Changed(path, version) if path in held:
                    jobs.append(self._job(path, version, State.HELD, Code.HELD_BACKLOG))
                case Changed(path, version):
                    jobs.append(self._job(path, version, State.WAITING, Code.SETTLING))
        for job in self._ledger.observe_all(jobs, time.time()):
            log.debug("file.observed", job=job.id, inbox=self.inbox.name, path=job.path, size=job.version.size)
        return {job.path for job in jobs if job.state is not State.WAITING}

    def _settle(self, decisions: list[Settled]) -> None:
        """In the inbox's order, so that whoever reads the first of many reads the right ones."""
        versions = {decision.path: decision.version for decision in decisions}
        files = [Candidate(self.inbox.name, path, version.size, version.mtime_ns) for path, version in versions.items()]
        order = in_order(files, self.inbox.order)
        self._ledger.settle_all(self.inbox.name, ((file.path, versions[file.path]) for file in order))

    def _apply(self, decision: Decision) -> None:
        match decision:
            case Touched(path, version):
                self._ledger.observe(self._job(path, version, State.WAITING, Code.BACKLOG), time.time())
            case Vanished(path):
                row = self._ledger.current(self.inbox.name, path)
                if row is not None and row.sha256 is None:
                    reason = Reason(Code.VANISHED, Code.VANISHED.meaning, Code.VANISHED.hint)
                    if self._ledger.conclude(row.id, State.VANISHED, reason, time.time()):
                        log.info("job.vanished", job=row.id, inbox=self.inbox.name, path=path)

    def _take_in(self, path: bytes, version: FileVersion) -> None:
        """Give the row of a file the stat that it has now."""
        row = self._ledger.current(self.inbox.name, path)
        if row is not None and row.version != version:
            self._ledger.record_version(row.id, version)

    def _job(self, path: bytes, version: FileVersion, state: State, code: Code) -> Job:
        digest = self._recipe.digest()
        return Job(
            id=job_id(self.inbox.name, path, version, digest),
            inbox=self.inbox.name,
            path=path,
            version=version,
            state=state,
            reason=Reason(code, code.meaning, code.hint),
            recipe=self._recipe,
            recipe_hash=digest,
            priority=self.inbox.priority,
            finished=time.time() if state is State.SKIPPED else None,
        )

    def _explain(self, verdicts: dict[bytes, Verdict]) -> None:
        """Tell why each unsettled file still waits; only what changed is written."""
        changed = {path: verdict for path, verdict in verdicts.items() if self._verdicts.get(path) is not verdict}
        self._ledger.explain_all(self.inbox.name, ((path, verdict.reason) for path, verdict in changed.items()))
        if self._drain:
            for path, verdict in verdicts.items():
                if verdict is Verdict.EMPTY:
                    self._skip_empty(path)
        self._verdicts = verdicts

    def _skip_empty(self, path: bytes) -> None:
        """Whoever drains waits for nobody to write into an empty file."""
        row = self._ledger.current(self.inbox.name, path)
        reason = Reason(Code.EMPTY, Code.EMPTY.meaning, Code.EMPTY.hint)
        if row is not None and row.state is State.WAITING:
            self._ledger.conclude(row.id, State.SKIPPED, reason, time.time())
            log.info("job.skipped", job=row.id, inbox=self.inbox.name, path=path, code=reason.code, text=reason.text)

    def _result_stands(self, path: bytes) -> bool:
        """True where the last result of this path lies where it was delivered, with its size."""
        row = self._ledger.current(self.inbox.name, path)
        if row is None or row.output is None:
            return False
        try:
            return os.stat(os.path.join(self.inbox.outbox, row.output.path)).st_size == row.output.size
        except OSError:
            return False

    def _left(self, path: bytes) -> bool:
        """True where the original was archived or deleted: what lies there now was dropped again, for its own turn."""
        row = self._ledger.current(self.inbox.name, path)
        return row is not None and row.after.get("original", {}).get("result") in ("archived", "deleted")

    def _publish(self, found: Sweep, seconds: float) -> None:
        before = self.status
        with self._pulse.away():
            state, reason = _inbox_state(found.found, self.inbox.path)
        good = state is not InboxState.OFFLINE
        moving = sum(not verdict.blocked for verdict in found.verdicts.values())
        sweeps, sweeps_s = before.sweeps + 1, before.sweeps_s + seconds
        self.status = replace(before, state=state, reason=reason, sweeps=sweeps, sweeps_s=sweeps_s, moving=moving)
        if state is not before.state and not good and reason is not None:
            log.warning("inbox.lost", inbox=self.inbox.name, code=reason.code.value, text=reason.text)
        elif before.state is InboxState.OFFLINE and good:
            log.info("inbox.recovered", inbox=self.inbox.name)
        self._board.record_inbox(
            InboxStanding(
                name=self.inbox.name,
                path=self.inbox.path,
                outbox=self.inbox.outbox,
                state=state,
                reason=reason,
                mode=self.habits.mode,
                scan_every_s=self._every_s,
                last_scan=time.time(),
                ignored=dict(found.found.ignored),
                volume="" if self._seen is None else json.dumps(self._seen.to_json()),
            )
        )


def _inbox_state(found: ScanResult, root: bytes) -> tuple[InboxState, Reason | None]:
    if found.offline is not None:
        return InboxState.OFFLINE, found.offline
    if found.problems:
        return InboxState.OK, found.problems[0]
    if not os.access(root, os.W_OK):
        return InboxState.READONLY, Reason(Code.INBOX_READONLY, Code.INBOX_READONLY.meaning)
    return InboxState.OK, None
