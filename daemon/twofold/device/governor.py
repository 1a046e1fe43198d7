"""The owner of one device's memory budget: reads, decides, remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.core.memory import (
    CostModel,
    DeviceKind,
    DType,
    MemoryPolicy,
    PassPlan,
    choose_plan,
    plan_budget,
    prior_cost,
)
from twofold.core.precision import working_dtype
from twofold.core.protocols import MemoryProbe
from twofold.device.pace import Pace

CEILING_LIFETIME_S = 120.0
BUDGET_BUCKET_BYTES = 256 << 20
MAX_CEILINGS = 64

Network = tuple[str, DType]  # sha256 and number format: what costs and ceilings depend on


@dataclass(frozen=True, slots=True)
class Ceiling:
    """`batch_px` and more ran out of memory under a budget in this bucket; forgotten at `until_s`."""

    network: Network
    bucket: int
    batch_px: int
    until_s: float


class DeviceGovernor:
    """Plans the passes of one device (see core.protocols.Governor) from its free memory, read anew for every plan.

    `device` is the name that plans carry; `clock` is monotonic seconds.
    """

    def __init__(
        self,
        probe: MemoryProbe,
        policy: MemoryPolicy,
        *,
        kind: DeviceKind,
        device: str,
        clock: Callable[[], float],
        capability: tuple[int, int] | None = None,
    ) -> None:
        self._probe = probe
        self._policy = policy
        self._kind = kind
        self._device = device
        self._clock = clock
        self._capability = capability
        self._ceilings: tuple[Ceiling, ...] = ()
        self._paces: dict[Network, Pace] = {}

    def plan(self, card: NetworkCard, source: Size) -> PassPlan:
        """See core.protocols.Governor.plan."""
        return self._choose(card, source, ceiling_px=None)

    def replan(self, card: NetworkCard, plan: PassPlan) -> PassPlan:
        """See core.protocols.Governor.replan: half the batch, and where it is one, the next smaller tile."""
        batch_px = plan.tiles.tile.pixels * plan.batch
        below_px = batch_px // 2 if plan.batch > 1 else batch_px - 1
        self._remember(
            Ceiling(self._key(card), _bucket(plan.budget_bytes), below_px, self._clock() + CEILING_LIFETIME_S)
        )
        return replace(self._choose(card, plan.tiles.source, ceiling_px=below_px), oom_steps=plan.oom_steps + 1)

    def completed(self, card: NetworkCard, plan: PassPlan, *, batch_px: int, seconds: float) -> None:
        """See core.protocols.Governor.completed."""
        key = self._key(card)
        pace = self._paces.get(key) or Pace.of(prior_cost(card, self._kind, key[1]))
        self._paces[key] = pace.after(batch_px, seconds)

    def cost(self, card: NetworkCard) -> CostModel:
        """What a batch of this network costs here, as far as is known by now."""
        key = self._key(card)
        cost = prior_cost(card, self._kind, key[1])
        pace = self._paces.get(key)
        return cost if pace is None else replace(cost, px_per_s=pace.px_per_s, overhead_s=pace.overhead_s)

    def _choose(self, card: NetworkCard, source: Size, ceiling_px: int | None) -> PassPlan:
        budget = plan_budget(self._probe.read(), self._policy, self._kind)
        known = [one.batch_px for one in self._standing(self._key(card)) if _bucket(budget.bytes) <= one.bucket]
        ceiling_px = min([*known, *([] if ceiling_px is None else [ceiling_px])], default=None)
        plan = choose_plan(
            card,
            source,
            self.cost(card),
            budget,
            kind=self._kind,
            dtype=self._key(card)[1],
            ceiling_px=ceiling_px,
        )
        return replace(plan, device=self._device)

    def _key(self, card: NetworkCard) -> Network:
        return card.sha256, working_dtype(card, self._kind, self._capability)

    def _standing(self, key: Network) -> list[Ceiling]:
        now_s = self._clock()
        return [one for one in self._ceilings if one.network == key and one.until_s > now_s]

    def _remember(self, ceiling: Ceiling) -> None:
        now_s = self._clock()
        standing = [one for one in self._ceilings if one.until_s > now_s]
        self._ceilings = (*standing, ceiling)[-MAX_CEILINGS:]


def _bucket(budget_bytes: int) -> int:
    return budget_bytes // BUDGET_BUCKET_BYTES
