"""The owner of one device's memory budget: reads, decides, remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from twofold.core.card import NetworkCard
from twofold.core.cost import CostModel, prior_cost
from twofold.core.errors import LowMemory
from twofold.core.experience import GOOD_ENOUGH_TO_GROW, Experience
from twofold.core.geometry import Size
from twofold.core.memory import AllocatorFigures, Budget, DeviceKind, DType, MemoryPolicy, plan_budget
from twofold.core.pass_plan import GOOD_ENOUGH_PERCENT, PassPlan, choose_plan, worth_changing
from twofold.core.precision import working_dtype
from twofold.core.protocols import Allocator, MemoryProbe
from twofold.core.rest import Rest
from twofold.device.cost_store import CostStore, record_key

CEILING_LIFETIME_S = 120.0
BUDGET_BUCKET_BYTES = 256 << 20
MAX_CEILINGS = 64

LOOK_UP_EVERY_S = 0.05
"""Reading memory takes microseconds and comes before every batch; comparing all plans takes milliseconds."""
GROW_AFTER_S = 1.0
"""After memory was tight, no plan grows for so long: neighbours come in bursts."""
GIVING_WAY_PERCENT = 100
"""Of the best speed, where a plan has to be smaller: it goes down only as far as it must. Who takes all that is given
up would else have everything within seconds."""
MAX_CLAIMS = 4
"""How often a plan is made smaller at one go because others were faster."""
GROW_WITHIN_PERCENT = 90
"""A plan grows only to where this share of the budget suffices: growing to the edge means shrinking again soon."""
KEEP_EVERY_S = 30.0

Network = tuple[str, DType]  # sha256 and number format: what costs and ceilings depend on


@dataclass(frozen=True, slots=True)
class Ceiling:
    """`batch_px` and more ran out of memory under a budget in this bucket; forgotten at `until_s`."""

    network: Network
    bucket: int
    batch_px: int
    until_s: float


class DeviceGovernor:
    """Plans the passes of one device (see core.protocols.Governor) from its free memory, read anew before every batch.

    `device` is the name that plans carry; `clock` is monotonic seconds; `costs` keeps what was learnt.
    While `smallest` is set, it takes the plan that needs least.
    """

    def __init__(
        self,
        probe: MemoryProbe,
        allocator: Allocator,
        policy: MemoryPolicy,
        *,
        kind: DeviceKind,
        device: str,
        clock: Callable[[], float],
        capability: tuple[int, int] | None = None,
        costs: CostStore | None = None,
    ) -> None:
        self.smallest = False
        self._probe = probe
        self._allocator = allocator
        self._policy = policy
        self._kind = kind
        self._device = device
        self._clock = clock
        self._capability = capability
        self._costs = costs
        self._ceilings: tuple[Ceiling, ...] = ()
        self._learnt: dict[Network, Experience] = {}
        self._kept: dict[Network, tuple[float, int]] = {}  # when it was written, and the largest batch by then
        self._looked_up_s = float("-inf")
        self._read: Budget | None = None  # what the batch that runs was allowed
        self._tight_at_s = float("-inf")
        self._figures = AllocatorFigures()
        self._retries = 0  # that were heeded

    def plan(self, card: NetworkCard, source: Size, *, patient: bool = False) -> PassPlan:
        """See core.protocols.Governor.plan."""
        budget = self._budget()
        try:
            return self._choose(card, Rest(source), budget, None)
        except LowMemory:
            if not patient:
                raise
            return self._smallest(card, Rest(source), budget, None)

    def steer(self, card: NetworkCard, plan: PassPlan, rest: Rest) -> PassPlan:
        """See core.protocols.Governor.steer. A network that was never measured begins with small batches."""
        key, budget = self._key(card), self._budget()
        if self._retried():
            if not self._least(card, plan, rest, budget):
                self._remember(key, budget, _below(plan))
            self._tight(key)
        need_bytes = self.cost(card).need_bytes(plan.tiles.tile.pixels, plan.batch)
        if not budget.short and budget.reading.unused_bytes >= plan.need_bytes:
            need_bytes = 0  # it runs in what is held already, and nobody lacks anything
        elif need_bytes > budget.bytes or budget.hoards:
            self._allocator.release()
            budget = self._budget()
        ceiling_px = self._ceiling_px(card, budget, self._provable_px(card))
        if need_bytes > budget.bytes:
            self._tight(key)
        elif rest.planned and (ceiling_px is None or plan.batch_px <= ceiling_px):
            better = self._larger(card, plan, rest, budget, ceiling_px)
            return self._claimed(card, better or plan, rest, ceiling_px)
        share = GIVING_WAY_PERCENT if rest.planned else GOOD_ENOUGH_PERCENT
        smaller = replace(self._choose(card, rest, budget, ceiling_px, share), oom_steps=plan.oom_steps)
        return self._claimed(card, smaller, rest, ceiling_px)

    def replan(self, card: NetworkCard, plan: PassPlan, rest: Rest) -> PassPlan:
        """See core.protocols.Governor.replan: half the batch, and where it is one, the next smaller tile."""
        key, below_px = self._key(card), _below(plan)
        before, budget = self._read, self._budget()
        self._retried()  # the flush before this refusal is no second warning
        if self._least(card, plan, rest, budget):
            self._tight(key)
            return replace(plan, oom_steps=plan.oom_steps + 1)
        need_bytes = self.cost(card).need_bytes(plan.tiles.tile.pixels, plan.batch)
        if before is None or need_bytes <= budget.bytes:
            # Else others took the memory while the batch ran: that says nothing about what it costs.
            self._remember(key, budget, below_px)
            asked_bytes = budget.bytes if before is None else min(before.bytes, budget.bytes)
            self._learnt[key] = self._experience(card).out_of_memory(plan.batch_px, asked_bytes)
        self._tight(key)
        try:
            smaller = self._claimed(card, self._choose(card, rest, budget, below_px), rest, below_px)
        except LowMemory:
            # Others took it all: the smallest tiles, and whoever steers the pass waits for the memory to come back.
            smaller = self._smallest(card, rest, budget, below_px)
        return replace(smaller, oom_steps=plan.oom_steps + 1)

    def completed(
        self, card: NetworkCard, plan: PassPlan, *, batch_px: int, seconds: float, peak_bytes: int | None
    ) -> None:
        """See core.protocols.Governor.completed."""
        key = self._key(card)
        self._learnt[key] = self._experience(card).after(batch_px, seconds, peak_bytes)
        self._keep(key)

    def cost(self, card: NetworkCard) -> CostModel:
        """What a batch of this network costs here, as far as is known by now.

        On a CPU a network's overhead keeps its share: its tiles then hang on memory alone, and the noise of a measured
        speed changes no bytes of a result.
        """
        known = self._experience(card)
        if self._kind == "cuda" or card.backend != "torch":
            return known.cost
        share_px = known.prior.overhead_s * known.prior.px_per_s
        return replace(known.cost, overhead_s=share_px / known.cost.px_per_s)

    def _larger(
        self, card: NetworkCard, plan: PassPlan, rest: Rest, budget: Budget, ceiling_px: int | None
    ) -> PassPlan | None:
        """A plan that is worth changing to; while `smallest` is set, one that needs less."""
        now_s = self._clock()
        if now_s - self._looked_up_s < LOOK_UP_EVERY_S or not (self.smallest or self._may_grow(self._key(card))):
            return None
        self._looked_up_s = now_s
        better = replace(self._choose(card, rest, budget, ceiling_px), oom_steps=plan.oom_steps)
        if self.smallest:
            return better if better.need_bytes < plan.need_bytes else None
        roomy = better.need_bytes * 100 <= budget.bytes * GROW_WITHIN_PERCENT and better.batch_px > plan.batch_px
        return better if roomy and worth_changing(plan, better, self.cost(card), rest) else None

    def _claimed(self, card: NetworkCard, plan: PassPlan, rest: Rest, ceiling_px: int | None) -> PassPlan:
        """The plan, once its memory is held; a smaller one where others took it first. Raises LowMemory."""
        for _ in range(MAX_CLAIMS):
            if self._allocator.figures().unused_bytes >= plan.need_bytes:
                return plan
            if self._allocator.claim(plan.need_bytes):
                return plan
            budget = self._budget()
            self._retried()  # a refusal here has cost no batch
            self._tight(self._key(card))
            smaller = self._choose(card, rest, budget, ceiling_px, GIVING_WAY_PERCENT)
            plan = replace(smaller, oom_steps=plan.oom_steps)
        raise LowMemory(f"others take the memory faster than {card.full_name} can ask for it", plan.need_bytes)

    def _budget(self) -> Budget:
        """From a fresh reading; the allocator is stopped where others' share begins."""
        figures = self._figures = self._allocator.figures()
        reading = replace(
            self._probe.read(), reserved_bytes=figures.reserved_bytes, allocated_bytes=figures.allocated_bytes
        )
        self._read = plan_budget(reading, self._policy, self._kind)
        self._allocator.limit(self._read.reserve_at_most_bytes)
        return self._read

    def _choose(
        self,
        card: NetworkCard,
        rest: Rest,
        budget: Budget,
        ceiling_px: int | None,
        good_enough_percent: int = GOOD_ENOUGH_PERCENT,
    ) -> PassPlan:
        plan = choose_plan(
            card,
            rest,
            self.cost(card),
            budget,
            kind=self._kind,
            dtype=self._key(card)[1],
            ceiling_px=self._ceiling_px(card, budget, ceiling_px),
            good_enough_percent=0 if self.smallest else good_enough_percent,
        )
        return replace(plan, device=self._device)

    def _smallest(self, card: NetworkCard, rest: Rest, budget: Budget, below_px: int | None) -> PassPlan:
        """The plan that needs least, whether or not it fits now. Raises LowMemory where it never will, or where none is
        below `below_px`."""
        dtype, reading = self._key(card)[1], budget.reading
        alone = replace(reading, free_bytes=reading.total_bytes, reserved_bytes=0, allocated_bytes=0)
        ample = plan_budget(alone, self._policy, self._kind)
        plan = choose_plan(
            card,
            rest,
            self.cost(card),
            ample,
            kind=self._kind,
            dtype=dtype,
            ceiling_px=below_px,
            good_enough_percent=0,
        )
        return replace(plan, device=self._device, budget_bytes=budget.bytes)

    def _least(self, card: NetworkCard, plan: PassPlan, rest: Rest, budget: Budget) -> bool:
        """True where no plan is smaller: below it lies no ceiling, or nothing would run until that is forgotten."""
        return plan.batch_px <= self._smallest(card, rest, budget, None).batch_px

    def _ceiling_px(self, card: NetworkCard, budget: Budget, *others: int | None) -> int | None:
        """The least of what ran out of memory under such a budget, and of `others`."""
        bucket = _bucket(budget.bytes)
        known = [one.batch_px for one in self._standing(self._key(card)) if bucket <= one.bucket]
        return min([*known, *(px for px in others if px is not None)], default=None)

    def _provable_px(self, card: NetworkCard) -> int | None:
        """How large a batch may be tried; the CPU's costs were measured when this was written."""
        if self._kind == "cpu" or card.backend != "torch":
            return None
        return self._experience(card).provable_px

    def _retried(self) -> bool:
        """True where the allocator had to flush its cache and try again since this was last asked."""
        before, self._retries = self._retries, self._figures.retries
        return self._retries > before

    def _tight(self, key: Network) -> None:
        self._tight_at_s = self._clock()
        self._learnt[key] = self._learnt[key].tight()

    def _may_grow(self, key: Network) -> bool:
        rested = self._clock() - self._tight_at_s >= GROW_AFTER_S
        return rested and self._learnt[key].good >= GOOD_ENOUGH_TO_GROW

    def _experience(self, card: NetworkCard) -> Experience:
        """What is known, at first from earlier processes."""
        key = self._key(card)
        if key not in self._learnt:
            self._learnt[key] = self._carried(key, prior_cost(card, self._kind, key[1]))
        return self._learnt[key]

    def _carried(self, key: Network, prior: CostModel) -> Experience:
        record = self._costs.find(record_key(*key)) if self._costs is not None else None
        if record is not None:
            try:
                return Experience.from_json(prior, record)
            except (KeyError, TypeError, ValueError):
                pass  # an older layout, or a hand that wrote into it: measured again
        return Experience.of(prior)

    def _keep(self, key: Network) -> None:
        """Write down what is known where it grew, and now and then."""
        if self._costs is None:
            return
        now_s, learnt = self._clock(), self._learnt[key]
        at_s, proven_px = self._kept.get(key, (float("-inf"), 0))
        if learnt.proven_px > proven_px or now_s - at_s >= KEEP_EVERY_S:
            self._costs.keep(record_key(*key), learnt.to_json())
            self._kept[key] = now_s, learnt.proven_px

    def _key(self, card: NetworkCard) -> Network:
        return card.sha256, working_dtype(card, self._kind, self._capability)

    def _standing(self, key: Network) -> list[Ceiling]:
        now_s = self._clock()
        return [one for one in self._ceilings if one.network == key and one.until_s > now_s]

    def _remember(self, key: Network, budget: Budget, below_px: int) -> None:
        now_s = self._clock()
        standing = [one for one in self._ceilings if one.until_s > now_s]
        ceiling = Ceiling(key, _bucket(budget.bytes), below_px, now_s + CEILING_LIFETIME_S)
        self._ceilings = (*standing, ceiling)[-MAX_CEILINGS:]


def _below(plan: PassPlan) -> int:
    """The largest batch of the next plan, in window pixels."""
    return plan.batch_px // 2 if plan.batch > 1 else plan.batch_px - 1


def _bucket(budget_bytes: int) -> int:
    return budget_bytes // BUDGET_BUCKET_BYTES
