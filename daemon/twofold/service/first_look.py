"""The first look at an inbox: what lies there already is taken, held for a person's word, or left alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection

import structlog

from twofold.core.backlog import Verdict, grown_bytes, verdict
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.forecast import Forecast
from twofold.core.recipe import Recipe
from twofold.core.reconcile import New
from twofold.core.settings import InboxSettings
from twofold.core.states import State
from twofold.jobs.backlogs import Backlogs
from twofold.jobs.ledger import Ledger
from twofold.service.plan import sizes

log = structlog.get_logger()

Forecaster = Callable[[list[tuple[bytes, int]], Recipe], Forecast]
MAX_FORECAST_FILES = 100_000
"""More held files than this are forecast by the first so many: only their sizes are read, but of each."""

FATES: dict[Verdict, tuple[State, Code | None]] = {
    "process": (State.WAITING, None),
    "hold": (State.HELD, Code.HELD_BACKLOG),
    "ignore": (State.SKIPPED, Code.EXISTING),
}


class FirstLook:
    """Decides once for an inbox; the decision is in the ledger before any row is written by it."""

    def __init__(self, inbox: InboxSettings, recipe: Recipe, ledger: Ledger, forecaster: Forecaster) -> None:
        """`forecaster` says what files (paths with sizes) will cost by a recipe; it may raise TwofoldError."""
        self._inbox = inbox
        self._recipe = recipe
        self._ledger = ledger
        self._backlogs = Backlogs(ledger.engine)
        self._forecaster = forecaster
        self._announced = False
        self._held = False

    def fate(self, fresh: Collection[New]) -> tuple[State, Code | None]:
        """In which state files are recorded that a sweep found new; None leaves the reason to the caller."""
        name, path = self._inbox.name, self._inbox.path
        known = self._backlogs.get(name, path)
        if known is not None:
            return FATES["process" if known.complete else known.verdict]
        nbytes = sum(new.version.size for new in fresh)
        decided = verdict(
            self._inbox.existing,
            files=len(fresh),
            out_bytes=grown_bytes(nbytes, self._recipe),
            free_bytes=_free_bytes(self._inbox.outbox),
        )
        self._backlogs.decide(name, path, decided, files=len(fresh), nbytes=nbytes, now=time.time())
        return FATES[decided]

    def recorded(self) -> None:
        """The rows of a sweep are written: the first one is the last that is held or ignored."""
        known = self._backlogs.get(self._inbox.name, self._inbox.path)
        if known is not None and not known.complete:
            self._backlogs.complete(self._inbox.name)

    def released(self) -> bool:
        """True once after a person has let a held backlog go: its files are to be looked at now."""
        if not self._held:
            return False
        known = self._backlogs.get(self._inbox.name, self._inbox.path)
        self._held = known is not None and known.verdict == "hold"
        return not self._held

    def announce(self) -> None:
        """Say once in the life of a service what is held, and what it would cost."""
        name = self._inbox.name
        known = None if self._announced else self._backlogs.get(name, self._inbox.path)
        if known is None:
            return
        self._announced, self._held = True, known.verdict == "hold"
        if not self._held:
            return
        held = self._ledger.jobs({State.HELD}, inbox=name, limit=MAX_FORECAST_FILES)
        if not held:
            return
        try:
            made = self._forecaster(sizes(os.path.join(self._inbox.path, job.path) for job in held), self._recipe)
        except TwofoldError as error:
            log.warning("backlog.held", inbox=name, files=len(held), text=error.reason.text, hint=_hint(name))
            return
        self._backlogs.record_forecast(name, made.to_json())
        log.warning("backlog.held", inbox=name, **made.to_json(), hint=_hint(name))


def _hint(name: str) -> str:
    return f"Run 'twofold start {name}', or set existing: process."


def _free_bytes(folder: bytes) -> int | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
