"""A neighbour that sizes itself from what is free, again and again, beside the real service on a simulated GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from simulator.device import CONTEXT_BYTES

from tests.e2e.photos import drop, photo, pixels
from tests.simulator import running
from tests.simulator.running import GIB, MIB, Simulated, apart, plain, tiny_network

CONFIG = """\
recipes:
  double: {scale: 2, models: [tiny]}
inboxes:
  in: {path: in, outbox: out, recipe: double, settle: 0.2s}
"""
TIMEOUT_S = 60
KEEP_FREE_BYTES = 400 * MIB
COST = replace(running.COST, bytes_per_px=30_000.0)
"""The smallest tile then takes a thirtieth of the GPU: it can be squeezed for a while."""

NOTHING_LEFT_BYTES = CONTEXT_BYTES + COST.weight_bytes
"""What a worker cannot give back but by its end."""

GROWN = 5
"""Batches after which the plan has grown to what there is."""

MAX_GRABS = 30


def test_it_gets_its_memory_within_one_batch(tmp_path: Path) -> None:
    """It takes all that is free after each batch. One batch later keep_free is free again, until we have nothing left.

    Of that batch, no segment is taken from what is kept free.
    """
    card = tiny_network(tmp_path, cost=COST)
    with Simulated(tmp_path, CONFIG, {"GPU-8": 8 * GIB}, COST) as one:
        gpu = one.gpus["GPU-8"]
        for folder in ("in", "out"):
            one.service.folder(folder)
        gpu.now.halt_at = GROWN
        drop(tmp_path / "in", "a.png", photo("png16", 900, 700, 1))
        one.service.start()
        one.wait_for_halt(gpu)
        got: list[tuple[int, int]] = []
        while not one.service.events("pass.waiting"):
            assert len(got) < MAX_GRABS, got
            more_bytes, before_bytes = gpu.grab(), gpu.held_bytes
            gpu.now.least_left_bytes = gpu.now.total_bytes
            one.go_on(gpu, halt_at=gpu.now.batches + 1)
            one.service.wait_for(lambda: gpu.now.halted or one.service.events("pass.waiting"), TIMEOUT_S)
            got.append((more_bytes, gpu.now.neighbour_bytes))
            if gpu.now.halted:
                assert gpu.free_bytes >= KEEP_FREE_BYTES
                assert gpu.now.least_left_bytes >= KEEP_FREE_BYTES
                assert gpu.held_bytes < before_bytes
        assert gpu.held_bytes == NOTHING_LEFT_BYTES
        assert all(more >= KEEP_FREE_BYTES for more, _held in got)
        gpu.occupy(0)
        one.go_on(gpu)
        one.service.wait_until({"a.png": ("done", None)}, TIMEOUT_S)
        assert apart(pixels(tmp_path / "out/a.png"), plain(card, pixels(tmp_path / "in/a.png"), 1, 16)) <= 1
        assert one.service.stop() == 0
