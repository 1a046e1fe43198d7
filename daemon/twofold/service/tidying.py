"""What jobs left behind that ended without a worker of their own: it is removed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping

from twofold.core.job import Job
from twofold.core.naming import temp_name
from twofold.core.settings import InboxSettings
from twofold.imaging.deliver import Outbox
from twofold.jobs.ledger import Ledger
from twofold.service.admission import remove_quietly
from twofold.service.paths import UPSCALE_PREFIX, StatePaths

UPSCALE_STALE_S = 24 * 3600.0


def tidy(paths: StatePaths, ledger: Ledger) -> None:
    """Remove private copies and scratch files of jobs that are over: one killed each worker, or was replaced."""
    # The names first: a job that is not open after its copy was seen has ended.
    found = [(folder, name) for folder in (paths.spool, paths.scratch) for name in os.listdir(folder)]
    live = ledger.unfinished_ids() if found else set()
    for folder, name in found:
        path = os.path.join(folder, name)
        if name.partition(".")[0] not in live and not (name.startswith(UPSCALE_PREFIX) and _is_fresh(path)):
            _remove(path)


def bury(job: Job, inboxes: Mapping[str, InboxSettings]) -> None:
    """Remove the temporary file of a job that killed its last worker: no other will take it up."""
    inbox = inboxes.get(job.inbox)
    if inbox is not None and job.reserved is not None:
        Outbox(inbox.outbox).discard(os.path.join(os.path.dirname(job.reserved), temp_name(job.id)))


def _is_fresh(path: str) -> bool:
    """True where an `upscale` may still be at work: it touches its folder with every band."""
    try:
        return time.time() - os.stat(path).st_mtime < UPSCALE_STALE_S
    except FileNotFoundError:
        return False


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        remove_quietly(path)
