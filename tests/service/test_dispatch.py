"""Two devices of different speed: jobs go where they are done first, and every one is done once."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.e2e.photos import drop, photo
from tests.service.pretend import Gpu
from tests.service.test_waiting import CONFIG, SETTLED_S, Start, delivered
from twofold.jobs.board import Board
from twofold.jobs.database import open_engine

SIZES = [(600, 500), (590, 500), (580, 500), (570, 500), (560, 500), (550, 500)]
PX_PER_S = {"GPU-fast": 150_000.0, "GPU-slow": 15_000.0}
"""On the slow device each picture takes longer than all of them on the fast one."""

ROUND_S = 8.0
"""Decoding, encoding, and what the queue takes to notice, for the whole run; generous, as the machine is shared."""


@pytest.mark.slow
def test_a_slow_device_leaves_jobs_that_the_fast_one_has_done_sooner(service_on: Start) -> None:
    one, _ = service_on(
        CONFIG, **{name.replace("-", "_"): Gpu(px_per_s=px_per_s) for name, px_per_s in PX_PER_S.items()}
    )
    inbox = one.folder("in")
    one.folder("out")
    # The ledger, and what earlier passes measured.
    one.start()
    assert one.stop() == 0
    engine = open_engine(one.database)
    for name, px_per_s in PX_PER_S.items():
        Board(engine).record_speed("sleep:0@1", name, px_per_s, 0.0)
    engine.dispose()
    names = [f"{number}.png" for number in range(len(SIZES))]
    for number, (name, size) in enumerate(zip(names, SIZES, strict=True)):
        drop(inbox, name, photo("png", *size, number))
    one.start()
    one.wait_until(dict.fromkeys(names, ("done", None)), SETTLED_S)
    done = delivered(one, len(names))
    assert sorted(event["path"] for event in done) == names
    assert {event["device"] for event in done} == {"GPU-fast"}
    moves = one.events("job.assigned")
    assert {event["device"] for event in moves} == {"GPU-fast"}
    assert all(event["seconds"] < event["instead_s"] for event in moves)
    assert all(job["attempts"] == 0 for job in one.jobs().values())
    began = datetime.fromisoformat(min(event["time"] for event in one.events("pass.planned")))
    ended = datetime.fromisoformat(max(event["time"] for event in done))
    best_s = sum(width * height for width, height in SIZES) / PX_PER_S["GPU-fast"]
    assert (ended - began).total_seconds() <= best_s + ROUND_S
    assert one.stop() == 0
    assert one.left_over() == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_can_never_fit_on_one_device_goes_to_a_larger_one(service_on: Start) -> None:
    one, _ = service_on(
        "vram: {keep_free: 500MiB}\n" + CONFIG,
        GPU_a=Gpu(total_bytes=500 << 20, free_bytes=500 << 20),
        GPU_b=Gpu(),
    )
    one.folder("out")
    names = [f"{number}.png" for number in range(4)]
    for number, name in enumerate(names):
        drop(one.folder("in"), name, photo("png", 200, 100 + number, number))
    one.start()
    one.wait_until(dict.fromkeys(names, ("done", None)), SETTLED_S)
    assert {event["device"] for event in delivered(one, len(names))} == {"GPU-b"}
    assert one.events("job.failed") == []
    assert one.stop() == 0
