"""Runs chains of passes in virtual time, as engine/run.py runs them on pixels."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

from simulator.bench import Bench
from simulator.canvas import Canvas
from simulator.outcome import Outcome
from twofold.core.batches import Batches
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size
from twofold.core.memory import MemoryPolicy, plan_budget
from twofold.core.pass_plan import PassPlan
from twofold.core.protocols import Governor
from twofold.core.retry import decide
from twofold.engine.memory_errors import is_out_of_memory
from twofold.engine.run import LOOK_AGAIN_S, PATIENCE_S


class ChainRunner:
    """Runs jobs one after another under a governor; `outcome` holds what came of them so far."""

    def __init__(self, bench: Bench, governor: Governor, policy: MemoryPolicy, *, seed: int, limit_s: float) -> None:
        self.outcome = Outcome()
        self._bench = bench
        self._governor = governor
        self._keep_free_bytes = plan_budget(bench.device.read(), policy, "cuda").keep_free_bytes
        self._limit_s = limit_s
        self._attempts = 0
        self._whole: tuple[PassPlan, int] | None = None  # the plan that made the last whole band, and the next band
        self._draws = random.Random(f"runner/{seed}")

    def run(
        self,
        sources: Sequence[Size],
        passes: int,
        *,
        on_pass: Callable[[int, PassPlan], None] = lambda index, plan: None,
    ) -> Outcome:
        """Each source through all its passes; `on_pass` gets each pass's index and its first plan."""
        for source in sources:
            size = source
            for index in range(passes):
                if not self._pass(size, partial(on_pass, index)):
                    self.outcome.failed_jobs += 1
                    break
                self.outcome.source_px += size.pixels
                size = size.times(self._bench.upscaler.card.scale)
        self.outcome.seconds = self._bench.clock()
        return self.outcome

    def _pass(self, size: Size, on_plan: Callable[[PassPlan], None]) -> bool:
        """One pass to its end, put off and taken up again where memory is low; False where time ran out."""
        card = self._bench.upscaler.card
        batches: Batches | None = None
        canvas = Canvas(size)
        self._whole = None
        long = False
        while self._bench.clock() < self._limit_s:
            try:
                if batches is None:
                    plan = self._governor.plan(card, size, patient=True)
                    on_plan(plan)
                    batches, long = Batches(plan), plan.long
                    canvas = self._canvas(plan, canvas)
                if batches.done:
                    canvas.finish()
                    self._count(canvas)
                    return True
                self._batch(batches, canvas)
            except TwofoldError as error:
                if error.code is not Code.LOW_MEMORY:
                    raise
                self._put_off(error)
                batches = self._taken_up(canvas) if long else None
        self.outcome.source_px += canvas.done_px * size.width
        return False

    def _batch(self, batches: Batches, canvas: Canvas) -> None:
        """The next batch, or a smaller plan where it finds no memory."""
        card = self._bench.upscaler.card
        self._change(batches, self._steered(batches))
        tiles, plan = batches.take(), batches.plan
        batch_px = len(tiles) * plan.tiles.tile.pixels
        seconds = self._run(batch_px)
        if seconds is None:
            smaller = self._governor.replan(card, plan, batches.rest)
            if smaller.batch_px >= plan.batch_px:
                self._bench.clock.sleep(LOOK_AGAIN_S)
            self._change(batches, smaller)
            return
        self._attempts = 0
        self._governor.completed(
            card, plan, batch_px=batch_px, seconds=seconds, peak_bytes=self._bench.upscaler.peak_bytes
        )
        for _, tile in tiles:
            for part in batches.missing(tile):
                canvas.write(part)
        for index in batches.completed():
            canvas.band_done(plan.tiles.band_end_px(index))
            self._whole = plan, index + 1

    def _taken_up(self, canvas: Canvas) -> Batches | None:
        """A long pass goes on below its last whole band; a short one leaves nothing behind and begins anew."""
        if self._whole is None:
            return None
        canvas.begin_again()
        return Batches(*self._whole)

    def _steered(self, batches: Batches) -> PassPlan:
        """The governor's word; where nothing fits, after a little patience."""
        clock = self._bench.clock
        patient_until_s = clock() + PATIENCE_S
        while True:
            try:
                return self._governor.steer(self._bench.upscaler.card, batches.plan, batches.rest)
            except TwofoldError as error:
                if error.code is not Code.LOW_MEMORY or clock() >= patient_until_s:
                    raise
            clock.sleep(LOOK_AGAIN_S)
            self.outcome.waited_s += LOOK_AGAIN_S

    def _run(self, batch_px: int) -> float | None:
        """Its seconds, or None where the device ran out of memory."""
        neighbour_bytes = self._bench.device.neighbour_bytes
        self.outcome.batches += 1
        try:
            return self._bench.upscaler.run(batch_px)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        finally:
            self.outcome.breaches += self._bench.least_free_bytes(neighbour_bytes) < self._keep_free_bytes
        self.outcome.oom_batches += 1
        self._bench.allocator.release()  # as engine/torch_backend.py does
        return None

    def _change(self, batches: Batches, plan: PassPlan) -> None:
        if plan is batches.plan:
            return
        self.outcome.plan_changes += 1
        batches.change(plan)

    def _put_off(self, error: TwofoldError) -> None:
        """What the ledger does with a job that memory is too low for."""
        self.outcome.low_memory += 1
        self._attempts += 1
        seconds = decide(error.reason, self._attempts, jitter=self._draws.random()).after_s or 0.0
        self.outcome.waited_s += seconds
        self._bench.clock.sleep(seconds)

    def _canvas(self, plan: PassPlan, before: Canvas) -> Canvas:
        """A canvas for the pass; what stood on the one before is done again."""
        self.outcome.redone_px += before.done_px * before.whole.width
        return Canvas(plan.tiles.whole)

    def _count(self, canvas: Canvas) -> None:
        self.outcome.lost_px += canvas.lost_px
        self.outcome.doubled_px += canvas.doubled_px
        self.outcome.redone_px += canvas.redone_px
