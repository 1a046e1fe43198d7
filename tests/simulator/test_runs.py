"""The daemon's own governor at work on simulated devices, from first to last pixel."""

from __future__ import annotations

from typing import Any

import pytest
from simulator.bench import CAPABILITY, Bench, build_bench
from simulator.neighbours import NEIGHBOURS, Neighbour, Settable
from simulator.networks import DEVICES, NETWORKS
from simulator.oracle import Oracle
from simulator.outcome import Outcome
from simulator.peer_runs import PEERS, PeerRun
from simulator.runner import ChainRunner

from twofold.core.geometry import Size
from twofold.core.memory import MemoryPolicy
from twofold.core.pass_plan import PassPlan
from twofold.device.governor import DeviceGovernor

GIB = 1 << 30
POLICY = MemoryPolicy()
PHOTO = Size(4000, 3000)
SEED = 5
FOUR, EIGHT, TWENTY_FOUR, EIGHTY = DEVICES


def governor(bench: Bench) -> DeviceGovernor:
    return DeviceGovernor(
        bench.device,
        bench.allocator,
        POLICY,
        kind="cuda",
        device="simulated",
        clock=bench.clock,
        capability=CAPABILITY,
    )


def ours(bench: Bench, sources: list[Size], passes: int, **more: Any) -> Outcome:
    return ChainRunner(bench, governor(bench), POLICY, seed=SEED, limit_s=1e5).run(sources, passes, **more)


def whole(outcome: Outcome) -> bool:
    return (outcome.failed_jobs, outcome.lost_px, outcome.doubled_px) == (0, 0, 0)


@pytest.mark.parametrize("neighbour", ["none", "step", "sine", "bursts", "leak", "greedy"])
def test_nothing_is_lost_or_doubled_whoever_else_is_there(neighbour: str) -> None:
    kind = NETWORKS["span-2x"]
    bench = build_bench(kind, EIGHT, NEIGHBOURS[neighbour](EIGHT.total_bytes, SEED), seed=SEED)
    outcome = ours(bench, [PHOTO], 2)
    assert whole(outcome)
    assert outcome.source_px == 5 * PHOTO.pixels


def test_alone_it_comes_near_the_oracle() -> None:
    kind = NETWORKS["rrdb-2x"]
    bench = build_bench(kind, TWENTY_FOUR, NEIGHBOURS["none"](TWENTY_FOUR.total_bytes, SEED), seed=SEED)
    neighbour = NEIGHBOURS["none"](TWENTY_FOUR.total_bytes, SEED)
    best = Oracle(kind, bench.cost, TWENTY_FOUR.total_bytes, neighbour, POLICY, frugal=False).run([PHOTO] * 2, 2)
    outcome = ours(bench, [PHOTO] * 2, 2)
    assert 0.8 < outcome.px_per_s / best.px_per_s < 1.0
    assert (outcome.oom_batches, outcome.breaches, outcome.low_memory) == (0, 0, 0)


def test_each_pass_takes_what_is_free_when_it_begins() -> None:
    """5 GB of 8 are taken between the first pass and the second, and given back before the third."""
    neighbour = Settable()
    bench = build_bench(NETWORKS["rrdb-2x"], EIGHT, neighbour, seed=SEED)
    plans: list[PassPlan] = []

    runner = ChainRunner(bench, governor(bench), POLICY, seed=SEED, limit_s=1e5)
    small = Size(1000, 750)
    runner.run([small], 1)  # so that what the network costs is known
    size = small
    for index in range(3):
        neighbour.bytes = 5 * GIB if index == 1 else 0
        runner.run([size], 1, on_pass=lambda _, plan: plans.append(plan))
        size = size.times(2)
    first, second, third = plans
    assert second.need_bytes <= second.budget_bytes <= EIGHT.total_bytes - 5 * GIB
    assert first.budget_bytes > second.budget_bytes < third.budget_bytes
    assert second.batch_px <= third.batch_px
    assert whole(runner.outcome)


@pytest.mark.parametrize("neighbour", ["none", "step"])
def test_a_device_that_spills_is_never_made_to(neighbour: str) -> None:
    """There the driver refuses nothing; the governor's limit does."""
    kind = NETWORKS["span-2x"]
    bench = build_bench(kind, FOUR, NEIGHBOURS[neighbour](FOUR.total_bytes, SEED), seed=SEED, spill=True)
    outcome = ours(bench, [PHOTO], 1)
    assert whole(outcome)
    assert outcome.breaches == 0
    naive = build_bench(kind, FOUR, NEIGHBOURS[neighbour](FOUR.total_bytes, SEED), seed=SEED, spill=True)
    assert naive.upscaler.run(1500 * 1500) > 5 * naive.cost.seconds(1500 * 1500)


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> Outcome:
        neighbour: Neighbour = NEIGHBOURS["bursts"](EIGHT.total_bytes, SEED)
        return ours(build_bench(NETWORKS["rrdb-4x"], EIGHT, neighbour, seed=SEED), [Size(1500, 1000)], 1)

    assert run() == run()


@pytest.mark.parametrize("name", PEERS)
def test_peers_do_their_work_where_there_is_room(name: str) -> None:
    kind = NETWORKS["compact-2x"]
    bench = build_bench(kind, EIGHTY, NEIGHBOURS["none"](EIGHTY.total_bytes, SEED), seed=SEED)
    outcome = PeerRun(bench, kind, GIB, 1e5).run(PEERS[name], [PHOTO])
    assert (outcome.failed_jobs, outcome.oom_batches, outcome.source_px) == (0, 0, 5 * PHOTO.pixels)


@pytest.mark.parametrize(("name", "tries"), [("chaiNNer", 7), ("ComfyUI", 3), ("ncnn", 1)])
def test_peers_give_up_after_their_own_number_of_tries(name: str, tries: int) -> None:
    """Not a byte is free: 1024 px halved down to 16, 512 halved down to 128, and none."""
    kind = NETWORKS["rrdb-4x"]
    neighbour = Settable()
    bench = build_bench(kind, EIGHT, neighbour, seed=SEED)
    neighbour.bytes = EIGHT.total_bytes
    outcome = PeerRun(bench, kind, GIB, 1e5).run(PEERS[name], [PHOTO])
    assert (outcome.failed_jobs, outcome.oom_batches, outcome.source_px) == (1, tries, 0)
