"""What follows the ends of jobs, in order, on a thread of its own: notes, copies, originals, hooks."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from twofold.core.aftercare import Act, End, due
from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError
from twofold.core.job import Job
from twofold.core.retry import backoff_s
from twofold.core.settings import Settings
from twofold.jobs.board import Board
from twofold.jobs.ledger import Ledger
from twofold.jobs.owing import LEAVING, Owed, Owing
from twofold.service.case import WAITING, Case, waits
from twofold.service.companions import copy_companions
from twofold.service.notes import clear_note, correct_note, is_stale
from twofold.service.originals import SyncSigns, restore_original, take_turn
from twofold.service.pulse import Pulse
from twofold.service.telling import tell_of_idle, tell_of_job
from twofold.service.unprocessed import copy_unprocessed

log = structlog.get_logger()

DRAIN_POLL_S = 0.2
BUSY_POLL_S = 1.0
IDLE_POLL_S = 2.0
"""How often the ledger is asked; a question that finds nothing reads one index, and writes nothing."""

NOTES_EVERY_S = 60.0
"""How often standing notes are compared with what a person did: a file removed, a job dismissed."""


@dataclass(frozen=True, slots=True)
class Later:
    """Something that has to wait: how often it was tried, and the monotonic second from which it may be again."""

    attempts: int
    due_s: float


class Aftercare:
    """Does what ends ask for. Each act can be killed and done again; trouble that may pass is met again later.

    Nothing here can fail a job: whatever happens, its end stands.
    """

    def __init__(
        self, settings: Settings, ledger: Ledger, board: Board, database: str, *, quiet: Callable[[], bool], drain: bool
    ) -> None:
        """`quiet` tells whether no file is in work or about to be."""
        self.settings = settings
        self._ledger = ledger
        self._owing = Owing(ledger.engine)
        self._board = board
        self._database = database
        self._quiet = quiet
        self._drain = drain
        self._stop = threading.Event()
        self._signs = SyncSigns()
        self._later: dict[str, Later] = {}
        self._told: set[tuple[str, Act, Code]] = set()
        self._ended: Counter[str] = Counter()
        self._since = time.time()
        self._notes_due_s = 0.0
        self._busy = False

    def run(self, stop: threading.Event, pulse: Pulse) -> None:
        """Work until `stop`. Shares and hooks take the time that they take: no budget holds for them."""
        self._stop = stop
        while not stop.is_set():
            with pulse.away():
                did = self._step()
            stop.wait(DRAIN_POLL_S if self._drain else BUSY_POLL_S if did else IDLE_POLL_S)

    def recover(self) -> None:
        """Before any scan: originals that a kill left under a hidden name get their own back."""
        for job in self._owing.leaving():
            inbox = self.settings.inboxes.get(job.inbox)
            if inbox is not None:
                try:
                    restore_original(Case(job, inbox), self._ledger)
                except TwofoldError as error:
                    self._say("aftercare.postponed", job, Act.ORIGINAL, error.reason)

    def settled(self, *, quiet: bool) -> bool:
        """True where nothing is owed but what has to wait. `quiet`: the hook of an idle service is to have run too."""
        # First the ledger, then the flag: what is in hand now was owed before.
        if self._some_due() or self._busy:
            return False
        return not (quiet and self._ended and self.settings.hooks.on_idle)

    # --- one look

    def _step(self) -> bool:
        self._busy = True
        try:
            did = self._care_for_all()
            if time.monotonic() >= self._notes_due_s:
                self._notes_due_s = time.monotonic() + NOTES_EVERY_S
                self._compare_notes()
            if self._ended and not self._stop.is_set():
                self._tell_if_idle()
            return did
        finally:
            self._busy = False

    def _care_for_all(self) -> bool:
        did = False
        plain: list[Job] = []
        seen: set[str] = set()
        for job_id in self._owed_ids():
            if self._stop.is_set():
                return did
            seen.add(job_id)
            before = self._later.get(job_id)
            if before is not None and time.monotonic() < before.due_s:
                continue
            attempts = 1 if before is None else before.attempts + 1
            # Set before the work: what nobody foresaw must not be met again at once, before all others.
            wait_s = backoff_s(attempts, random.random())  # noqa: S311  no secret
            self._later[job_id] = Later(attempts, time.monotonic() + wait_s)
            owed = self._owing.get(job_id)
            if owed is None or self._care_for(owed, plain):
                self._later.pop(job_id, None)
            if owed is not None and before is None and not owed.job.dismissed:
                self._ended[owed.job.state.value] += 1
            did = True
        self._owing.settle(plain)
        self._later = {job_id: later for job_id, later in self._later.items() if job_id in seen}
        return did

    def _owed_ids(self) -> Iterator[str]:
        beyond: tuple[float, str] | None = None
        while page := self._owing.ids(beyond):
            yield from (job_id for _, job_id in page)
            beyond = page[-1]

    def _care_for(self, owed: Owed, plain: list[Job]) -> bool:
        """Do all that one end asks for; False where something has to wait. If nothing came of it, it joins `plain`."""
        job, inbox = owed.job, self.settings.inboxes.get(owed.job.inbox)
        if inbox is None:
            plain.append(job)  # the configuration does not know it any more, so it asks for nothing
            return True
        end = End(job.state, None if job.reason is None else job.reason.code, owed.current, job.dismissed)
        case = Case(job, inbox, end, dict(job.after))
        for act in due(end, inbox, self.settings.hooks):
            # A note is made true each time: that costs little, and a dismissal changes it.
            if act is not Act.NOTE and case.is_over(act):
                continue
            before = case.after.get(act)
            if not self._do(act, case):
                return False
            if case.after.get(act) != before and not self._owing.record(job, case.after, settled=False):
                return True
        if any(waits(outcome) for outcome in case.after.values()):
            return False
        if case.after:
            self._owing.record(job, case.after, settled=True)
        else:
            plain.append(job)
        return True

    def _do(self, act: Act, case: Case) -> bool:
        """One act; its outcome goes into the case. False where the service stops, or the job goes on anew."""
        try:
            outcome = self._outcome(act, case)
        except TwofoldError as error:
            if error.code is Code.CANCELLED:
                return False
            case.after[act] = self._trouble(act, case, error)
            return True
        self._told = {told for told in self._told if told[:2] != (case.inbox.name, act)}
        if outcome is None:
            case.after.pop(act, None)
        else:
            case.after[act] = outcome
        return True

    def _outcome(self, act: Act, case: Case) -> dict[str, Any] | None:
        match act:
            case Act.NOTE:
                return correct_note(case)
            case Act.COPY:
                return copy_unprocessed(case, self._ledger, self._owing, self._board, self._check)
            case Act.COMPANIONS:
                return copy_companions(case)
            case Act.ORIGINAL:
                return take_turn(case, self._ledger, self._owing, self._board, self._signs, self._check)
            case Act.HOOK:
                return self._hook(case)

    def _trouble(self, act: Act, case: Case, error: TwofoldError) -> dict[str, Any]:
        reason = error.reason
        if not error.retryable:
            self._say("aftercare.refused", case.job, act, reason)
            return {"result": "refused", "reason": reason.to_json()}
        told = (case.inbox.name, act, reason.code)
        if told not in self._told:
            self._told.add(told)
            self._say("aftercare.postponed", case.job, act, reason)
        # An original that may lie aside is looked for until it is known not to.
        result = LEAVING if case.result(act) == LEAVING else WAITING
        return {"result": result, "reason": reason.to_json()}

    def _say(self, event: str, job: Job, act: Act, reason: Reason) -> None:
        facts = {"job": job.id, "inbox": job.inbox, "path": job.path, "what": act.value}
        facts |= {"code": reason.code.value, "text": reason.text, "hint": reason.hint}
        if event == "aftercare.refused":
            log.warning("aftercare.refused", **facts)
        else:
            log.warning("aftercare.postponed", **facts)

    def _check(self) -> None:
        """Called between blocks of long work. Raises TwofoldError(CANCELLED) where the service stops."""
        if self._stop.is_set():
            raise TwofoldError(Code.CANCELLED, "the service stops")

    def _compare_notes(self) -> None:
        for job in self._owing.noted():
            inbox = self.settings.inboxes.get(job.inbox)
            if self._stop.is_set() or inbox is None:
                continue
            case = Case(job, inbox, after=dict(job.after))
            try:
                if is_stale(case, self._board):
                    clear_note(case)
                    case.after.pop(Act.NOTE, None)
                    self._owing.record(job, case.after, settled=True)
            except TwofoldError:
                continue  # a share that is away: the note is looked at again

    # --- hooks

    def _hook(self, case: Case) -> dict[str, Any]:
        """Tell the owner's program of one end. Raises TwofoldError(CANCELLED) where the service stops meanwhile."""
        told = tell_of_job(case.job, case.inbox, self.settings.hooks, self._database, self._stop)
        if told is None:
            raise TwofoldError(Code.CANCELLED, "the service stops")
        return told

    def _tell_if_idle(self) -> None:
        """Where nothing is in work any more, tell what ended since the last time."""
        hooks = self.settings.hooks
        if hooks.on_idle:
            if not self._quiet() or self._some_due():
                return
            if not tell_of_idle(self._ended, self._since, hooks, self._stop):
                return
        self._ended, self._since = Counter(), time.time()

    def _some_due(self) -> bool:
        return any(job_id not in self._later for job_id in self._owed_ids())
