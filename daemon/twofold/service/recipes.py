"""What an edited recipe means for files that the ledger knows."""

from __future__ import annotations

import time

import structlog

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.job import Job, job_id
from twofold.core.recipe import Recipe
from twofold.core.settings import InboxSettings, Settings
from twofold.core.states import State
from twofold.jobs.ledger import JOBS_AT_ONCE, Ledger
from twofold.jobs.orders import Orders

log = structlog.get_logger()


def apply_recipe(inbox: InboxSettings, settings: Settings, ledger: Ledger, orders: Orders) -> None:
    """Give unread files the recipe their inbox has now; those that are over are made again only where the owner says
    `on_recipe_change: redo`.
    """
    recipe = settings.recipes[inbox.recipe]
    unread = orders.rebind(inbox.name, recipe)
    again = 0
    while settings.on_recipe_change == "redo":
        outdated = ledger.settled_under_other(inbox.name, recipe.digest())
        again += len(ledger.observe_all((renewed(job, recipe) for job in outdated), time.time()))
        if len(outdated) < JOBS_AT_ONCE:
            break
    if unread or again:
        log.info("recipe.changed", inbox=inbox.name, recipe=recipe.name, unread=unread, again=again)


def renewed(job: Job, recipe: Recipe) -> Job:
    """The same version of a file under another recipe, to be read anew."""
    digest = recipe.digest()
    return Job(
        id=job_id(job.inbox, job.path, job.version, digest),
        inbox=job.inbox,
        path=job.path,
        version=job.version,
        state=State.WAITING,
        reason=Reason(Code.BACKLOG, Code.BACKLOG.meaning),
        recipe=recipe,
        recipe_hash=digest,
        priority=job.priority,
    )
