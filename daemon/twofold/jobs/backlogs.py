"""The first look at each inbox: what was decided about the files that lay there, once and for all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from twofold.core.backlog import Verdict
from twofold.jobs.database import writing
from twofold.jobs.schema import backlog


@dataclass(frozen=True, slots=True)
class Backlog:
    """What became of a first backlog. `complete` is False while its rows are being written.

    `files` and `nbytes` are those that were found; `forecast` is what a sample of them said, where one was taken.
    """

    inbox: str
    verdict: Verdict
    complete: bool
    files: int
    nbytes: int
    forecast: dict[str, Any] | None
    decided: float


class Backlogs:
    """Reads and writes the decisions."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def get(self, inbox: str, path: bytes) -> Backlog | None:
        """None for an inbox that was never looked at, or whose folder is another now."""
        mine = sa.and_(backlog.c.inbox == inbox, backlog.c.path == path)
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(backlog).where(mine)).first()
        if row is None:
            return None
        forecast = None if row.forecast is None else json.loads(row.forecast)
        return Backlog(inbox, row.verdict, bool(row.complete), row.files, row.bytes, forecast, row.decided)

    def decide(self, inbox: str, path: bytes, verdict: Verdict, *, files: int, nbytes: int, now: float) -> None:
        """Record a verdict before any row is written by it, so that a kill in between changes nothing."""
        values = {
            "inbox": inbox,
            "path": path,
            "verdict": verdict,
            "complete": 0,
            "files": files,
            "bytes": nbytes,
            "forecast": None,
            "decided": now,
        }
        with writing(self.engine) as connection:
            connection.execute(sa.delete(backlog).where(backlog.c.inbox == inbox))
            connection.execute(sa.insert(backlog).values(values))

    def complete(self, inbox: str) -> None:
        """Every file of the first look has its row: from now on files are new."""
        self._update(inbox, complete=1)

    def record_forecast(self, inbox: str, forecast: dict[str, Any]) -> None:
        """What a sample says that the backlog will cost."""
        self._update(inbox, forecast=json.dumps(forecast))

    def _update(self, inbox: str, **values: Any) -> None:
        with writing(self.engine) as connection:
            connection.execute(sa.update(backlog).where(backlog.c.inbox == inbox).values(values))
