"""kill -9: of everything at once, at random moments, and of the worker again and again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest

from tests.e2e.photos import drop, photo, pixels
from tests.e2e.service import Service, sums

JOBS = 20
KILL_WITHIN_S = (0.5, 9.0)
"""From the moment the service stands: its first seconds, the worker's start, and the middle of the work."""

DRAIN_TIMEOUT_S = 90
KILLS_TIMEOUT_S = 60
MAX_KILLS = 6
"""Three lone deaths are enough; the first ones may have had company."""

MANY = """\
recipes:
  double: {scale: 2, models: ["sleep:0.05"]}
inboxes:
  in: {path: in, outbox: out, recipe: double, settle: 0.2s}
"""
POISON = """\
recipes:
  slow: {scale: 2, models: ["sleep:60"]}
  quick: {scale: 2, models: [identity]}
inboxes:
  poison: {path: poison, outbox: out-poison, recipe: slow, settle: 0.2s}
  others: {path: others, outbox: out-others, recipe: quick, settle: 0.2s}
"""


@pytest.mark.parametrize(
    "kills", [3, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.timeout(900)])], ids=lambda kills: f"{kills}x"
)
def test_twenty_jobs_survive_kills_of_the_whole_tree(service: Callable[[str], Service], kills: int) -> None:
    one = service(MANY)
    inbox, outbox = one.folder("in"), one.folder("out")
    # Where there are many kills, a few files at a time: else all work is done after the first ones.
    late = [(f"{number:02}.png", photo("png", 90 + number, 70, number)) for number in range(JOBS)]
    moments = random.Random(20)
    at_once = -(-JOBS // kills)
    for _ in range(kills):
        for name, content in late[:at_once]:
            drop(inbox, name, content)
        del late[:at_once]
        one.start()
        time.sleep(moments.uniform(*KILL_WITHIN_S))
        one.kill_tree()
    before = sums(inbox)
    assert len(before) == JOBS
    one.start()
    one.wait_for(lambda: [state for state, _ in one.states().values()] == ["done"] * JOBS, DRAIN_TIMEOUT_S)
    assert one.stop() == 0

    assert sums(inbox) == before
    assert set(sums(outbox)) == set(before)
    for name in before:
        np.testing.assert_array_equal(pixels(outbox / name), pixels(inbox / name).repeat(2, axis=0).repeat(2, axis=1))
    delivered = [
        event["path"] for start in range(1, one.starts + 1) for event in one.events("job.delivered", start=start)
    ]
    assert len(delivered) == len(set(delivered)), "a job was delivered twice"
    assert one.left_over() == []


def test_a_job_that_kills_its_worker_fails_and_its_neighbours_are_done(service: Callable[[str], Service]) -> None:
    one = service(POISON)
    one.folder("out-poison"), one.folder("out-others")
    drop(one.folder("poison"), "poison.png", photo("png", 60, 50, 0))
    names = [f"{number}.jpg" for number in range(4)]
    for number, name in enumerate(names):
        drop(one.folder("others"), name, photo("jpeg", 80, 60, number))
    one.start()
    killed: set[int] = set()
    for _ in range(MAX_KILLS):
        one.wait_for(lambda: _poisoned(one, killed) is not None or _failed(one), KILLS_TIMEOUT_S)
        pid = _poisoned(one, killed)
        if _failed(one) or pid is None:
            break
        killed.add(pid)
        os.kill(pid, signal.SIGKILL)
    one.wait_until({"poison.png": ("failed", "kills_worker")} | dict.fromkeys(names, ("done", None)), KILLS_TIMEOUT_S)
    assert 3 <= len(killed) <= MAX_KILLS
    assert len(one.events("worker.died")) == len(killed)
    assert [event["path"] for event in one.events("job.failed")] == ["poison.png"]
    assert set(sums(one.home / "out-others")) == set(names)
    assert sums(one.home / "out-poison") == {}
    assert one.stop() == 0
    assert one.left_over() == []


def _failed(one: Service) -> bool:
    return one.states().get("poison.png", ("", None))[0] == "failed"


def _poisoned(one: Service, killed: set[int]) -> int | None:
    """The worker that runs the poison now, where it is not one that was killed before."""
    if one.states().get("poison.png", ("", None))[0] != "running":
        return None
    planned = [event for event in one.events("pass.planned") if event["model"] == "sleep:60@1"]
    if len(planned) <= len(killed):
        return None
    pid = one.worker_pid()
    return None if pid in killed else pid
