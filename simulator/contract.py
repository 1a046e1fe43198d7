"""Stands in until the daemon has these."""
from __future__ import annotations

from itertools import chain, islice
from typing import Any, NamedTuple

from twofold.core.memory import PassPlan, tile_ladder_px, plan_budget
from twofold.core.protocols import MemoryProbe, MemoryReading
from twofold.device.governor import DeviceGovernor

Governor = Any


class AllocatorFigures(NamedTuple):
    reserved_bytes: int
    allocated_bytes: int
    retries: int


class Batches:
    def __init__(self, plan: PassPlan, first_row: int = 0):
        self.plan = plan
        self.done_px = plan.tiles.row(first_row - 1)[0].owned.y1 if first_row else 0
        self._pending = self._below()
        self._batch = ()
        self.band_start = True

    def _below(self):
        for index in range(self.plan.tiles.rows):
            band = self.plan.tiles.row(index)
            if band[0].owned.y1 > self.done_px:
                yield from ((index, tile) for tile in band)

    def take(self):
        self._batch = tuple(islice(self._pending, self.plan.batch))
        return self._batch

    def completed(self):
        done = []
        for index, tile in self._batch:
            self.band_start = False
            if tile.owned.x1 == self.plan.tiles.whole.width:
                done.append(index)
                self.done_px = tile.owned.y1
                self.band_start = True
        self._batch = ()
        return tuple(done)

    def change(self, plan):
        if plan.tiles == self.plan.tiles:
            self._pending = chain(self._batch, self._pending)
            self.plan = plan
        else:
            self.plan = plan
            self._pending = self._below()
            self.band_start = True
        self._batch = ()


class StandIn:
    """The old governor with steer."""
    def __init__(self, bench, policy):
        self.b = bench
        class P:
            def read(s):
                r = bench.device.read(); f = bench.allocator.figures()
                return MemoryReading(r.free_bytes, r.total_bytes, f.reserved_bytes, f.allocated_bytes)
        self.probe, self.policy = P(), policy
        self.g = DeviceGovernor(P(), policy, kind="cuda", device="sim", clock=bench.clock, capability=(8, 9))
    def plan(self, card, source):
        p = self.g.plan(card, source); self._limit(p); return p
    def _limit(self, plan):
        r = self.probe.read(); k = plan_budget(r, self.policy, "cuda").keep_free_bytes
        self.b.allocator.limit(max(0, r.reserved_bytes + r.free_bytes - k))
    def steer(self, card, plan, *, band_start):
        b = plan_budget(self.probe.read(), self.policy, "cuda")
        if plan.need_bytes > b.bytes:
            self.b.allocator.release()
            plan = self.g.plan(card, plan.tiles.source)
        elif band_start:
            new = self.g.plan(card, plan.tiles.source)
            if new.seconds < plan.seconds * 0.9: plan = new
        self._limit(plan)
        return plan
    def replan(self, card, plan):
        p = self.g.replan(card, plan); self._limit(p); return p
    def completed(self, card, plan, *, batch_px, seconds, peak_bytes):
        self.g.completed(card, plan, batch_px=batch_px, seconds=seconds)
