"""Pages of a file in the ledger: each keeps its own place, whatever the others do."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from tests.jobs.samples import NOW, Standing, new_job, picture
from twofold.core.job import Kept, Picture
from twofold.jobs import read
from twofold.jobs.schema import file

KEPT = Kept(offset=100, size=50, sha256="ab" * 32, format="jpeg")
PLAN = {"tile": [64, 64], "batch": 2, "device": "cpu", "why": "a long story"}


def _comic(state: Standing) -> tuple[str, list[Picture]]:
    """A job of three pages, one of them of a name that is no plain text."""
    names = ("1.jpg", 'the "second" ☂.jpg', "3.jpg")
    pages = [replace(picture(40 + place), page=place + 1, name=name) for place, name in enumerate(names)]
    job = new_job(b"a.cbz")
    state.ledger.observe(job, NOW)
    answer = state.queue.enqueue(job.id, sha256="00" * 32, pictures=pages, outbox="/out", name=job.path, key=job.path)
    assert answer == "queued"
    return job.id, pages


def test_a_finished_page_is_kept_and_clears_the_blame(state: Standing) -> None:
    job_id, pages = _comic(state)
    with state.engine.begin() as connection:
        connection.execute(sa.update(file).values(deaths=2))
    state.ledger.record_progress(job_id, 1, passes_done=0, fraction=0.2, plan=PLAN)
    assert state.ledger.get(job_id).deaths == 2
    assert state.ledger.keep_page(job_id, 1, KEPT)
    job = state.ledger.get(job_id)
    assert (job.deaths, job.pictures[0], job.pictures[2]) == (0, pages[0], pages[2])
    done = job.pictures[1]
    assert done == replace(pages[1], kept=KEPT, passes_done=2, fraction=1.0, plans=done.plans)
    assert done.plans == ({"tile": [64, 64], "batch": 2, "device": "cpu"},)
    assert state.ledger.keep_page(job_id, 1, KEPT)  # a page may be kept twice
    assert state.ledger.get(job_id) == job


def test_a_job_that_ended_keeps_no_page(state: Standing) -> None:
    job_id, _ = _comic(state)
    state.ledger.conclude(job_id, state.ledger.get(job_id).state.CANCELLED, None, NOW)
    assert not state.ledger.keep_page(job_id, 0, KEPT)


def test_jobs_and_the_queue_count_every_page(state: Standing) -> None:
    job_id, pages = _comic(state)
    whole_px = sum(step.result.pixels for page in pages for step in page.chain.passes)
    assert read.status_json(state.path)["queue"]["pixels"] == whole_px
    state.ledger.keep_page(job_id, 0, replace(KEPT, copied=True))
    left_px = sum(step.result.pixels for page in pages[1:] for step in page.chain.passes)
    assert read.status_json(state.path)["queue"]["pixels"] == left_px
    (job,) = read.jobs_json(state.path)["jobs"]
    shown = [(page["page"], page["name"], page["copied"], page["fraction"]) for page in job["pictures"]]
    assert shown == [(1, "1.jpg", True, 1.0), (2, 'the "second" ☂.jpg', None, 0.0), (3, "3.jpg", None, 0.0)]
