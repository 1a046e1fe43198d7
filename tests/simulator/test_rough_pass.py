"""One pass while a neighbour comes and goes inside its batches: whatever runs out of memory, every pixel is right."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from simulator.allocator import CachingAllocator
from simulator.bench import CAPABILITY
from simulator.shared_gpu import SharedGpu
from simulator.true_pixels import TruePixels
from simulator.upscaler import SimulatedUpscaler

from tests.e2e.photos import scene
from tests.engine.fakes import CountingArray
from tests.simulator.running import COST, GIB, apart, plain, tiny_network
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size
from twofold.core.memory import MemoryPolicy
from twofold.core.pass_plan import PassPlan
from twofold.device.governor import DeviceGovernor
from twofold.engine.run import Watch, run_pass

SOURCE = Size(400, 300)
MAX_ATTEMPTS = 50
GRABS, SETTLES = 0.25, 0.35
"""How often a neighbour takes all that is free, or changes its mind; there are three moments in a batch."""
MOST_BYTES = 5 * GIB


@dataclass
class Bustle:
    """Time that passes when it is slept through, here and inside of batches; a neighbour changes its mind each time."""

    gpu: SharedGpu
    draws: random.Random
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        mood = self.draws.random()
        if mood < GRABS:
            self.gpu.grab()
        elif mood < GRABS + SETTLES:
            self.gpu.occupy(int(self.draws.uniform(0, MOST_BYTES)))


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 9))])
def test_every_pixel_is_right_whatever_a_neighbour_does(seed: int, tmp_path: Path) -> None:
    """Out of memory at any allocation, caches flushed, plans changed, and the pass given up and taken up again."""
    card = tiny_network(tmp_path)
    gpu = SharedGpu.create(str(tmp_path), "GPU-8", 8 * GIB, COST)
    gpu.now.refuse_at = 3 + seed % 3  # once for certain, whatever the neighbour does
    gpu.enter()
    allocator, bustle = CachingAllocator(gpu), Bustle(gpu, random.Random(seed))
    upscaler = TruePixels(
        card, lambda: SimulatedUpscaler(card, gpu.cost, gpu, allocator, bustle, seed=seed), allocator, gpu
    )
    governor = DeviceGovernor(
        gpu, allocator, MemoryPolicy(None, Fraction(4, 5)), kind="cuda", device="GPU-8", clock=bustle,
        capability=CAPABILITY,
    )  # fmt: skip
    source = np.rint(scene(*SOURCE, seed) * 65535).astype(np.uint16)
    result = CountingArray.zeros_counted((2 * SOURCE.height, 2 * SOURCE.width, 3))
    done: list[tuple[int, PassPlan]] = []
    for _ in range(MAX_ATTEMPTS):
        row, plan = done[-1] if done else (-1, _plan(governor, upscaler, bustle))
        watch = Watch(lambda row, plan: done.append((row, plan)), clock=bustle, sleep=bustle.sleep)
        try:
            run_pass(upscaler, source, result, plan, governor, depth=16, first_row=row + 1, watch=watch)
        except TwofoldError as error:
            if error.code is not Code.LOW_MEMORY:
                raise
            bustle.sleep(10)
        else:
            break
    assert gpu.now.refused > 0
    assert apart(np.asarray(result), plain(card, source, 1, 16)) <= 1
    assert result.writes.min() > 0
    assert allocator.allocated_bytes == COST.weight_bytes, "a batch that failed holds nothing"


def _plan(governor: DeviceGovernor, upscaler: TruePixels, bustle: Bustle) -> PassPlan:
    for _ in range(MAX_ATTEMPTS):
        try:
            return governor.plan(upscaler.card, SOURCE)
        except TwofoldError as error:
            if error.code is not Code.LOW_MEMORY:
                raise
            bustle.sleep(1)
    raise AssertionError("never enough memory")
