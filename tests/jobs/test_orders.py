"""A person's orders about single jobs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import sqlalchemy as sa

from tests.jobs.samples import BACKLOG, NOW, RECIPE, Standing, enqueue, new_job
from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError
from twofold.core.lookahead import BUMPED
from twofold.core.states import State
from twofold.jobs.orders import Orders

HELD = Reason(Code.HELD_BACKLOG, "many")


def in_queue(state: Standing) -> list[str]:
    """The workflows that wait, in the order in which a worker takes them."""
    with state.engine.connect() as connection:
        query = "SELECT workflow_uuid FROM workflow_status WHERE status = 'ENQUEUED' ORDER BY priority, created_at"
        return list(connection.execute(sa.text(query)).scalars())


def test_a_bumped_job_goes_first_and_the_last_bump_before_others(state: Standing) -> None:
    orders = Orders(state.queue)
    first, second, third = (enqueue(state, new_job(name)) for name in (b"1", b"2", b"3"))
    assert in_queue(state) == [f"{first}~1", f"{second}~1", f"{third}~1"]
    assert orders.bump(second)
    assert orders.bump(third)
    queue = [one for one in in_queue(state) if one not in (f"{second}~1", f"{third}~1")]  # these own nothing any more
    assert queue == [f"{third}~2", f"{second}~2", f"{first}~1"]
    assert not state.ledger.start(second, 1, "w", NOW)
    assert state.ledger.start(second, 2, "w", NOW)
    assert not orders.bump(second)  # it is in work


def test_a_bump_lets_a_held_file_go_and_waits_no_longer(state: Standing) -> None:
    orders = Orders(state.queue)
    held, late = new_job(b"held"), enqueue(state, new_job(b"late"))
    state.ledger.observe(held, NOW)
    state.ledger.hold(held.id, HELD)
    assert orders.bump(held.id)
    job = state.ledger.get(held.id)
    assert (job.state, job.priority) == (State.WAITING, BUMPED)
    state.ledger.start(late, 1, "w", NOW)
    state.ledger.try_later(late, 1, State.RETRYING, Reason(Code.DELIVERY_FAILED, ""), NOW + 999)
    assert orders.bump(late)
    assert state.queue.requeue_due(NOW) == [late]


def test_a_cancelled_job_is_nobodys_and_can_be_taken_up_again(state: Standing) -> None:
    orders, job_id = Orders(state.queue), enqueue(state, new_job())
    state.ledger.start(job_id, 1, "w", NOW)
    assert orders.cancel(job_id, NOW)
    assert not state.ledger.is_active(job_id, 1)
    assert not orders.cancel(job_id, NOW)
    assert state.ledger.retry(job_id)
    with pytest.raises(TwofoldError) as unknown:
        orders.cancel("nothing", NOW)
    assert unknown.value.code is Code.NOT_FOUND


def test_only_an_end_without_a_result_can_be_dismissed(state: Standing) -> None:
    orders, job = Orders(state.queue), new_job()
    state.ledger.observe(job, NOW)
    assert not orders.dismiss(job.id)
    state.ledger.conclude(job.id, State.FAILED, Reason(Code.DAMAGED, ""), NOW)
    assert orders.dismiss(job.id)
    assert not orders.dismiss(job.id)
    assert state.ledger.get(job.id).dismissed
    assert state.ledger.retry(job.id)
    assert not state.ledger.get(job.id).dismissed


def test_an_edited_recipe_is_for_files_that_were_not_read(state: Standing) -> None:
    orders, recipe = Orders(state.queue), replace(RECIPE, scale=Fraction(2))
    unread, read = new_job(b"unread"), enqueue(state, new_job(b"read"))
    state.ledger.observe(unread, NOW)
    assert state.ledger.set_waiting(unread.id, BACKLOG)
    assert orders.rebind("photos", recipe) == 1
    assert orders.rebind("photos", recipe) == 0
    assert (state.ledger.get(unread.id).recipe, state.ledger.get(unread.id).recipe_hash) == (recipe, recipe.digest())
    assert state.ledger.get(read).recipe_hash == RECIPE.digest()


def test_what_ended_under_another_recipe_is_found(state: Standing) -> None:
    job = new_job()
    state.ledger.observe(job, NOW)
    state.ledger.conclude(job.id, State.FAILED, Reason(Code.DAMAGED, ""), NOW)
    assert state.ledger.settled_under_other("photos", RECIPE.digest()) == []
    assert [one.id for one in state.ledger.settled_under_other("photos", "other")] == [job.id]
