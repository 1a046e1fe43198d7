"""The governor against an oracle and against other upscalers' rules, on simulated GPUs: no figure here is a device's.

    .venv/bin/python benchmarks/governor.py [--quick] [--json FILE] [--plot FILE.png]

Every cell is a device (4, 8, 24, 80 GB) with a network, a neighbour and a seed. The seed draws what the network truly
costs, noise, and what the neighbour does; the governor was never tuned on these seeds. Each policy runs the same
pictures of 12 and 24 megapixels, enlarged 4x, in virtual time, from knowing nothing. The oracle (simulator/oracle.py)
knows the true costs and all memory to come. Peers get our number formats and layout, and by default the network's own
halo, so that all results are as free of seams; `--own-overlap` leaves them their own, narrower one.

Cells in which not even the oracle can run one smallest tile are left out for all, and named.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import multiprocessing
import pathlib
import statistics
import sys
import time
from typing import Any, NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from simulator.bench import CAPABILITY, build_bench
from simulator.neighbours import NEIGHBOURS
from simulator.networks import DEVICES, NETWORKS
from simulator.oracle import Oracle, OracleOutcome
from simulator.outcome import Outcome
from simulator.peer_runs import PEERS, PeerRun
from simulator.runner import ChainRunner

from twofold.core.geometry import Size
from twofold.core.memory import MemoryPolicy, plan_budget
from twofold.device.governor import DeviceGovernor

OURS = "Twofold"
POLICIES = (OURS, *PEERS)
BOUNDLESS = "boundless"
"""The oracle that takes whatever fits."""
NAMES = ("step", "sine", "bursts", "leak", "greedy")
SEEDS = (1009, 2003, 3001)
"""Never used to tune anything: faults are looked for with others (--seeds)."""
PAIR = (Size(4000, 3000), Size(4000, 6000))  # 12 and 24 megapixels
SMALL_PAIR = (Size(1250, 800), Size(1250, 1600))  # 1 and 2, for a network that takes hours for the others
SMALL_PAIR_PX_PER_S = 0.1e6
PROCESSES = 2
CUT_OFF = 2.0  # times the oracle's time: peers that are not done by then are judged by what they did
GIVES_UP = 5.0  # times the oracle's time: jobs of ours that are not done by then have failed
GRACE_S = 600.0
POLICY = MemoryPolicy()


class Cell(NamedTuple):
    """One run of every policy."""

    device: int
    network: str
    neighbour: str
    seed: int
    own_overlap: bool

    @property
    def label(self) -> str:
        return f"{DEVICES[self.device].name}, {self.network}, {self.neighbour}, seed {self.seed}"


def workload(cell: Cell) -> tuple[Size, ...]:
    """The same pictures for every policy, neighbour and seed: about a minute's work or more."""
    kind, speed = NETWORKS[cell.network], DEVICES[cell.device].speed
    if kind.px_per_s * speed < SMALL_PAIR_PX_PER_S and kind.passes > 1:
        return SMALL_PAIR
    return PAIR * max(1, round(kind.pairs * min(speed, 1.0)))


def run_cell(cell: Cell) -> dict[str, Any]:
    """Each policy's figures, or {} for a cell in which nobody can run."""
    device_class, kind = DEVICES[cell.device], NETWORKS[cell.network]
    sources = workload(cell)

    def bench() -> Any:
        neighbour = NEIGHBOURS[cell.neighbour](device_class.total_bytes, cell.seed)
        return build_bench(kind, device_class, neighbour, seed=cell.seed)

    ours = bench()

    def ask(*, frugal: bool) -> OracleOutcome:
        neighbour = NEIGHBOURS[cell.neighbour](device_class.total_bytes, cell.seed)
        oracle = Oracle(kind, ours.cost, device_class.total_bytes, neighbour, POLICY, frugal=frugal)
        return oracle.run(sources, kind.passes)

    oracle, boundless = ask(frugal=True), ask(frugal=False)
    if not oracle.possible:
        return {}
    limit_s = GIVES_UP * oracle.seconds + GRACE_S
    governor = DeviceGovernor(
        ours.device,
        ours.allocator,
        POLICY,
        kind="cuda",
        device=device_class.name,
        clock=ours.clock,
        capability=CAPABILITY,
    )
    keep_free_bytes = plan_budget(ours.device.read(), POLICY, "cuda").keep_free_bytes
    runner = ChainRunner(ours, governor, POLICY, seed=cell.seed, limit_s=limit_s)
    outcomes = {OURS: runner.run(sources, kind.passes)}
    overlap_px = None if cell.own_overlap else kind.card.halo_px
    for name, run_pass in PEERS.items():
        peer = PeerRun(bench(), kind, keep_free_bytes, CUT_OFF * oracle.seconds, overlap_px)
        outcomes[name] = peer.run(run_pass, sources)
    return {
        "oracle": {"px_per_s": oracle.px_per_s, "seconds": oracle.seconds, "waited_s": oracle.waited_s},
        BOUNDLESS: {"share": boundless.px_per_s / oracle.px_per_s},
        **{name: figures(outcome, oracle.px_per_s, len(sources)) for name, outcome in outcomes.items()},
    }


def figures(outcome: Outcome, oracle_px_per_s: float, jobs: int) -> dict[str, Any]:
    return {"share": outcome.px_per_s / oracle_px_per_s, "jobs": jobs, **dataclasses.asdict(outcome)}


def run_grid(cells: list[Cell]) -> dict[Cell, dict[str, Any]]:
    """All cells, two at a time; progress on stderr."""
    results: dict[Cell, dict[str, Any]] = {}
    with multiprocessing.Pool(PROCESSES) as pool:
        # The long ones first, so that both processes end together.
        order = sorted(cells, key=lambda cell: (cell.network != "compact-2x", cell.device))
        for done, (cell, result) in enumerate(zip(order, pool.imap(run_cell, order), strict=True), start=1):
            results[cell] = result
            if sys.stderr.isatty():
                print(f"\r{done}/{len(order)}", end="", file=sys.stderr, flush=True)
    return {cell: results[cell] for cell in cells}


def table(results: dict[Cell, dict[str, Any]]) -> str:
    """One line for each policy, and the worst cells of ours."""
    ran = {cell: result for cell, result in results.items() if result}
    lines = [
        f"{'policy':10} {'mean':>6} {'median':>6} {'worst':>6} {'OOM':>7} {'failed jobs':>14}"
        f" {'lost':>5} {'doubled':>7} {'breaches':>9} {'put off':>8} {'redone':>7}"
    ]
    for name in POLICIES:
        found = [result[name] for result in ran.values()]
        shares = [one["share"] for one in found]
        batches = sum(one["batches"] for one in found)
        sums = {
            key: sum(one[key] for one in found)
            for key in ("oom_batches", "failed_jobs", "jobs", "lost_px", "doubled_px", "breaches", "redone_px")
        }
        waited = sum(one["waited_s"] for one in found) / sum(one["seconds"] for one in found)
        redone = sums["redone_px"] / max(1, sum(one["source_px"] for one in found))
        mine = name == OURS
        lines.append(
            f"{name:10} {statistics.mean(shares):6.1%} {statistics.median(shares):6.1%} {min(shares):6.1%}"
            f" {sums['oom_batches'] / batches:7.3%} {sums['failed_jobs']:6} of {sums['jobs']:4}"
            f" {sums['lost_px'] if mine else '-':>5} {sums['doubled_px'] if mine else '-':>7}"
            f" {sums['breaches'] / batches:9.3%} {waited:8.1%} {redone if mine else 0:7.2%}"
        )
    lines += ["", f"the worst cells of {OURS}:"]
    for cell, result in sorted(ran.items(), key=lambda item: item[1][OURS]["share"])[:8]:
        beside = ", ".join(f"{name} {result[name]['share']:.0%}" for name in PEERS)
        waited = f"the oracle waited {result['oracle']['waited_s']:.0f} s of {result['oracle']['seconds']:.0f}"
        lines.append(f"  {result[OURS]['share']:6.1%}  {cell.label}; {beside}; {waited}")
    faster = sum(max(result[name]["share"] for name in PEERS) > result[OURS]["share"] for result in ran.values())
    lines.append(f"{len(ran)} cells; in {faster} of them some peer is faster")
    fastest = statistics.mean(result[BOUNDLESS]["share"] for result in ran.values())
    ours = statistics.mean(result[OURS]["share"] / result[BOUNDLESS]["share"] for result in ran.values())
    lines.append(f"an oracle that takes whatever fits: {fastest:.1%} of this one; {OURS}: {ours:.1%} of that one")
    left_out = [cell.label for cell in results if not results[cell]]
    lines += ["left out, for nothing fits for anybody: " + "; ".join(left_out)] if left_out else []
    return "\n".join(lines)


def draw(results: dict[Cell, dict[str, Any]], path: str) -> None:
    """Shares of the oracle's throughput as a heat map: a panel for each policy, networks down, devices and neighbours
    across; F marks failed jobs, o out-of-memories."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    columns = sorted({(cell.device, NAMES.index(cell.neighbour)) for cell in results})
    rows = [name for name in NETWORKS if any(cell.network == name for cell in results)]
    figure, axes = pyplot.subplots(len(POLICIES), 1, figsize=(max(8, 0.62 * len(columns) + 2), 2.6 * len(POLICIES)))
    for axis, policy in zip(axes, POLICIES, strict=True):
        grid = [[_square(results, policy, row, *column) for column in columns] for row in rows]
        shares = [[square[0] for square in line] for line in grid]
        image = axis.imshow(shares, cmap="RdYlGn", vmin=0.4, vmax=1.05, aspect="auto")
        for y, line in enumerate(grid):
            for x, (share, mark) in enumerate(line):
                axis.text(x, y, f"{share:.0%}{mark}" if share == share else "-", ha="center", va="center", fontsize=7)
        axis.set_yticks(range(len(rows)), rows, fontsize=8)
        axis.set_xticks(range(len(columns)), [NAMES[neighbour] for _, neighbour in columns], fontsize=7, rotation=45)
        for x in range(1, len(columns)):
            if columns[x][0] != columns[x - 1][0]:
                axis.axvline(x - 0.5, color="black", linewidth=2)
        axis.set_title(policy, fontsize=10, loc="left")
        for device in sorted({device for device, _ in columns}):
            at = [x for x, column in enumerate(columns) if column[0] == device]
            axis.text(statistics.mean(at), -0.62, DEVICES[device].name, ha="center", va="bottom", fontsize=9)
        figure.colorbar(image, ax=axis, pad=0.01)
    figure.suptitle("Share of an oracle's throughput, simulated (F: jobs failed, o: out of memory)", fontsize=11)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _square(
    results: dict[Cell, dict[str, Any]], policy: str, network: str, device: int, neighbour: int
) -> tuple[float, str]:
    """The mean share over the seeds, and its mark."""
    found = [
        result[policy]
        for cell, result in results.items()
        if result and (cell.network, cell.device, cell.neighbour) == (network, device, NAMES[neighbour])
    ]
    if not found:
        return float("nan"), ""
    failed, oom = (any(one[key] for one in found) for key in ("failed_jobs", "oom_batches"))
    return statistics.mean(one["share"] for one in found), ("F" if failed else "") + ("o" if oom else "")


def cells(options: argparse.Namespace) -> list[Cell]:
    devices = [index for index, one in enumerate(DEVICES) if not options.quick or one.name in ("8 GB", "24 GB")]
    networks = ("span-2x", "rrdb-2x") if options.quick else tuple(NETWORKS)
    seeds = options.seeds[:1] if options.quick else options.seeds
    grid = itertools.product(devices, networks, options.neighbours, seeds)
    return [Cell(*point, options.own_overlap) for point in grid]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the grid")
    parser.add_argument("--own-overlap", action="store_true", help="peers with their own overlap: faster, with seams")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--neighbours", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--json", metavar="FILE", help="every figure of every cell")
    parser.add_argument("--plot", metavar="FILE.png", help="needs matplotlib: pip install --group bench")
    options = parser.parse_args()
    started_s = time.monotonic()
    results = run_grid(cells(options))
    print(table(results))
    print(f"{time.monotonic() - started_s:.0f} s")
    if options.json:
        rows = [{**cell._asdict(), "device": DEVICES[cell.device].name, **result} for cell, result in results.items()]
        pathlib.Path(options.json).write_text(json.dumps({"schema": 1, "cells": rows}, indent=1), encoding="utf-8")
    if options.plot:
        draw(results, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
