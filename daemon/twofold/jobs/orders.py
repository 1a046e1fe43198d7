"""What a person orders about single jobs: cancel, bump, dismiss; and what an edited recipe does to files."""

from __future__ import annotations

import json
from typing import Any, Final

import sqlalchemy as sa

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.lookahead import BUMPED, HIGHEST
from twofold.core.recipe import Recipe
from twofold.core.states import State
from twofold.jobs.database import writing
from twofold.jobs.queue import JobQueue
from twofold.jobs.row import reason_text
from twofold.jobs.schema import file
from twofold.jobs.transition import OPEN, end, fetch, in_states

_DISMISSIBLE: Final = frozenset({State.FAILED, State.SKIPPED, State.CANCELLED, State.VANISHED})
_NOT_READ: Final = frozenset({State.WAITING, State.HELD})


class Orders:
    """Each order is one short transaction; False where the job's state leaves nothing to order."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._engine = queue.engine

    def cancel(self, job_id: str, now: float) -> bool:
        """End a job that has no result yet; a worker that has it in hand finds out at its next report.

        Raises TwofoldError(NOT_FOUND).
        """
        with writing(self._engine) as connection:
            fetch(connection, job_id)
            reason = Reason(Code.CANCELLED, Code.CANCELLED.meaning, Code.CANCELLED.hint)
            return end(connection, job_id, State.CANCELLED, reason, now)

    def bump(self, job_id: str) -> bool:
        """Let a job go before all others. A held one is let go, one that waits to be retried is due now.

        Raises TwofoldError(NOT_FOUND).
        """
        with writing(self._engine) as connection:
            row = fetch(connection, job_id)
            state = State(row["state"])
            if state not in OPEN or state is State.RUNNING:
                return False
            highest = connection.execute(sa.select(sa.func.max(file.c.priority)).where(in_states(OPEN))).scalar_one()
            values: dict[str, Any] = {"priority": min(max(highest + 1, BUMPED), HIGHEST)}
            if state is State.HELD:
                reason = Reason(Code.BACKLOG, Code.BACKLOG.meaning)
                values |= {"state": State.WAITING.value, "reason": reason_text(reason)}
            elif row["next_at"] is not None:
                values["next_at"] = 0.0
            connection.execute(sa.update(file).where(file.c.id == job_id).values(values))
            if state is State.QUEUED:
                # The workflow that stands in the queue finds that it owns nothing any more.
                self._queue.put(connection, fetch(connection, job_id), generation=row["generation"] + 1)
            return True

    def dismiss(self, job_id: str) -> bool:
        """Take note of an end without a result: it is counted as trouble no more. Raises TwofoldError(NOT_FOUND)."""
        with writing(self._engine) as connection:
            fetch(connection, job_id)
            mine = (file.c.id == job_id, in_states(_DISMISSIBLE), file.c.dismissed == 0)
            # What followed the end (a note beside the results) is looked at again.
            query = sa.update(file).where(*mine).values(dismissed=1, owed=1)
            return connection.execute(query).rowcount == 1

    def rebind(self, inbox: str, recipe: Recipe) -> int:
        """Give the files of an inbox that were not read yet the recipe that it has now; their number."""
        digest = recipe.digest()
        unread = (file.c.inbox == inbox, in_states(_NOT_READ), file.c.sha256.is_(None), file.c.recipe_hash != digest)
        with writing(self._engine) as connection:
            values = {"recipe": json.dumps(recipe.to_json()), "recipe_hash": digest}
            return connection.execute(sa.update(file).where(*unread).values(values)).rowcount
