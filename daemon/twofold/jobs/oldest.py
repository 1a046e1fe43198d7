"""How long the oldest files have been waiting; standard library only, as all that reads for `status`."""

from __future__ import annotations

from contextlib import closing

from twofold.core.states import State
from twofold.jobs.read_only import open_read_only


def first_seen(path: str) -> dict[str, float]:
    """When the oldest waiting and the oldest queued file of a ledger were first seen (seconds since the epoch).

    A file that is made again keeps the time at which it was first seen. States without files are left out.
    """
    with closing(open_read_only(path)) as connection:
        rows = connection.execute(
            "SELECT state, min(created) FROM file WHERE state IN (?, ?) GROUP BY state",
            (State.WAITING.value, State.QUEUED.value),
        )
        return {state: float(created) for state, created in rows}
