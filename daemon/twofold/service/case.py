"""One end in hand: the job, its inbox, and what came of the end so far."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from twofold.core.aftercare import Act, End
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.job import Job
from twofold.core.settings import InboxSettings
from twofold.core.states import State
from twofold.imaging.deliver import Outbox
from twofold.intake.mounts import mount_of, read_mounts
from twofold.intake.scan import seen_before
from twofold.jobs.board import Board
from twofold.jobs.owing import LEAVING

WAITING = "waiting"
COPYING = "copying"
"""The recorded intent of a copy into the outbox."""

_NOT_OVER = frozenset({WAITING, COPYING, LEAVING})


@dataclass(slots=True)
class Case:
    """`after` is written to the ledger as it grows: the outcome of each act by its name, each with a `result`."""

    job: Job
    inbox: InboxSettings
    end: End = field(default_factory=lambda: End(State.DONE))
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.inbox.outbox)

    def result(self, act: Act) -> str:
        """The word for what came of an act; empty where nothing did yet."""
        return str(self.after.get(act, {}).get("result", ""))

    def is_over(self, act: Act) -> bool:
        """True where an act has its outcome, and is not done again."""
        return act in self.after and not waits(self.after[act])


def waits(outcome: dict[str, Any]) -> bool:
    """True of an outcome that is none yet."""
    return outcome["result"] in _NOT_OVER


def require_inbox(case: Case, board: Board) -> None:
    """Raise TwofoldError(INBOX_OFFLINE) where a missing file says nothing: the folder is not what was last scanned."""
    root, seen = case.inbox.path, seen_before(board.volumes().get(case.inbox.name, ""))
    if seen is None or not os.path.isdir(root) or seen.mount != mount_of(os.path.realpath(root), read_mounts()):
        raise TwofoldError(Code.INBOX_OFFLINE, f"{os.fsdecode(root)} is not what it was at the last scan")
