"""Three thousand files in a folder that is watched for the first time."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.e2e.photos import drop, photo
from tests.e2e.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONFIG = """\
recipes:
  main: {scale: 2, models: [identity]}
inboxes:
  photos: {path: in, outbox: out, recipe: main, settle: 0.2s}
  urgent: {path: urgent, outbox: out-urgent, recipe: main, settle: 0.2s, priority: 10}
"""
FILES = 3000
SEEN = 60
"""Results that are waited for: the order shows by then, and all 3,000 would take an hour here."""

HELD_TIMEOUT_S = 120
DONE_TIMEOUT_S = 300
SIDE_BY_SIDE = 16


def test_a_large_first_backlog_is_held_started_newest_first_and_overtaken(service: Callable[[str], Service]) -> None:
    one = service(CONFIG)
    folder, urgent = one.folder("in"), one.folder("urgent")
    one.folder("out"), one.folder("out-urgent")
    pictures = [photo("png", 24, 18, seed) for seed in range(8)]
    for number in range(FILES):
        path = folder / f"{number:04}.png"
        path.write_bytes(pictures[number % len(pictures)] + number.to_bytes(4, "big"))
        os.utime(path, (1e9 + number, 1e9 + number))
    one.start()
    one.wait_for(lambda: one.events("backlog.held"), HELD_TIMEOUT_S)
    assert one.events("backlog.held")[0]["files"] == FILES
    assert {state for state, _ in one.states().values()} == {"held"}

    released = one.command("start", "photos")
    assert released.stdout == "3,000 files released\n"
    one.wait_for(lambda: len(one.events("job.delivered")) >= SEEN, DONE_TIMEOUT_S)
    drop(urgent, "now.png", photo("png", 24, 18, 99))
    one.wait_for(lambda: one.jobs().get("now.png", {}).get("state") == "done", DONE_TIMEOUT_S)
    delivered = [event["path"] for event in one.events("job.delivered")]
    before_it = delivered.index("now.png")
    assert before_it < FILES / 2

    order = [int(name[:4]) for name in delivered if name != "now.png"]
    assert all(abs((FILES - 1 - place) - number) <= SIDE_BY_SIDE for place, number in enumerate(order[:SEEN])), order
    assert one.status()["queue"]["files"] == FILES - len(order)
