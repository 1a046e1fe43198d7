"""What ended since the service started, added up for counters: by inbox, by stage and by device, never by file."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from twofold.core.job import Job
from twofold.core.states import State

STAGES = ("decode", "passes", "finish", "encode", "verify", "deliver")
BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


@dataclass(slots=True)
class Histogram:
    """How often a duration fell into each bucket (the last one is open), and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, how many are at most so long), as Prometheus wants buckets."""
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        return [(bound, float(sum(self.counts[: index + 1]))) for index, bound in enumerate(bounds)]


@dataclass(slots=True)
class Totals:
    """Figures that only grow. Keys are label values: inbox names, states, stages, device ids."""

    jobs: Counter[tuple[str, str]] = field(default_factory=Counter)
    source_px: Counter[str] = field(default_factory=Counter)
    result_px: Counter[str] = field(default_factory=Counter)
    written_bytes: Counter[str] = field(default_factory=Counter)
    stages: dict[str, Histogram] = field(default_factory=lambda: {stage: Histogram() for stage in STAGES})
    busy_s: dict[str, float] = field(default_factory=dict)
    starved_s: dict[str, float] = field(default_factory=dict)
    oom_steps: Counter[str] = field(default_factory=Counter)

    def add(self, job: Job) -> None:
        """Take in a job that has its final state; the caller gives each ending once."""
        self.jobs[job.inbox, job.state.value] += 1
        plans = [plan for picture in job.pictures for plan in picture.plans]
        for plan in plans:
            self.oom_steps[plan.get("device", "")] += plan.get("oom_steps", 0)
        if job.state is not State.DONE:
            return
        for picture in job.pictures:
            self.source_px[job.inbox] += picture.chain.source.pixels
            self.result_px[job.inbox] += picture.chain.final.pixels
        self.written_bytes[job.inbox] += 0 if job.output is None else job.output.size
        for stage in STAGES:
            if stage in job.seconds:
                self.stages[stage].observe(job.seconds[stage])
        if plans:
            device = plans[-1].get("device", "")
            self.busy_s[device] = self.busy_s.get(device, 0.0) + job.seconds.get("passes", 0.0)
            self.starved_s[device] = self.starved_s.get(device, 0.0) + job.seconds.get("starved", 0.0)
