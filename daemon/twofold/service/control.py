"""What a person may tell the ledger from the command line, whether or not a service runs."""

from __future__ import annotations

import time

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.settings import Settings
from twofold.core.states import State
from twofold.jobs.database import open_engine, prepare_database
from twofold.jobs.ledger import Ledger
from twofold.service.paths import StatePaths

RETRIED_STATES = frozenset({State.FAILED, State.RETRYING})


def retry(settings: Settings, ids: list[str] | None) -> list[str]:
    """Let jobs be tried again, by id, or (None) all that failed or are to be tried again later; the ids that were.

    Raises TwofoldError(NOT_FOUND) for an id that no job has.
    """
    paths = StatePaths(settings.state_dir, settings.scratch_dir)
    paths.create()
    prepare_database(paths.database, time.time())
    engine = open_engine(paths.database)
    try:
        ledger = Ledger(engine)
        chosen = [job.id for job in ledger.jobs(RETRIED_STATES)] if ids is None else ids
        retried = [job_id for job_id in chosen if ledger.retry(job_id)]
    finally:
        engine.dispose()
    if ids is not None and not retried:
        raise TwofoldError(
            Code.NOT_FOUND, "none of these jobs can be tried again", "See 'twofold jobs --state failed'."
        )
    return retried
