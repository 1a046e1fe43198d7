"""What a party would get that knows the true cost of every plan and the free memory of every instant.

It keeps the same promises as the daemon (`keep_free`, `use_at_most`, no batch of more than LONG_BATCH_S) and needs the
same halo. But it takes any size of tile, learns nothing, foresees its neighbour for as long as a batch lasts, changes
its plan after any batch without doing anything twice, and meets neither noise nor spikes. Where nothing fits it waits,
and no longer than it has to.

Of two kinds: the frugal one keeps the daemon's last promise too, to take no more than helps (the smallest plan within
5 % of the best); the other takes the fastest plan that fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.allocator import CachingAllocator
from simulator.clock import VirtualClock
from simulator.device import CONTEXT_BYTES, SimulatedDevice
from simulator.neighbours import Neighbour, Timeline
from simulator.networks import SimulatedKind, TrueCost
from simulator.upscaler import SimulatedUpscaler
from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.core.memory import MemoryPolicy, MemoryReading, plan_budget
from twofold.core.pass_plan import BATCHES, GOOD_ENOUGH_PERCENT, LONG_BATCH_S, MAX_ELEMENTS
from twofold.core.tiles import plan_tiles

LOOK_S = 0.05  # how finely it looks ahead, and waits
MAX_LOOKS = 40
GIVES_UP_S = 900.0  # of waiting at one stretch: nothing will ever fit
SIDE_STEP = 1.06  # from one size of tile to the next
MOST_SIDE_PX = 8192


@dataclass(frozen=True, slots=True)
class Choice:
    """A plan as it really is: what our process holds at its widest, and seconds of one batch and of the whole pass."""

    held_bytes: int
    batch_s: float
    pass_s: float


@dataclass(slots=True)
class OracleOutcome:
    """`possible` is False where not even one smallest tile fitted for GIVES_UP_S."""

    source_px: int = 0
    seconds: float = 0.0
    waited_s: float = 0.0
    possible: bool = True

    @property
    def px_per_s(self) -> float:
        return self.source_px / self.seconds if self.possible and self.seconds > 0 else 0.0


class Oracle:
    """Runs one workload on a device of `total_bytes` beside `neighbour`, which must be fresh."""

    def __init__(
        self,
        kind: SimulatedKind,
        cost: TrueCost,
        total_bytes: int,
        neighbour: Neighbour,
        policy: MemoryPolicy,
        *,
        frugal: bool,
    ) -> None:
        self._frugal = frugal
        self._kind = kind
        self._card = kind.card
        self._cost = cost
        self._neighbour = neighbour
        self._room_bytes = total_bytes - CONTEXT_BYTES
        self._held_bytes = cost.weight_bytes
        budget = plan_budget(MemoryReading(total_bytes, total_bytes), policy, "cuda")
        self._keep_free_bytes = budget.keep_free_bytes
        self._most_bytes = int(policy.use_at_most * total_bytes)
        self._widest: dict[int, int] = {}
        self._known: dict[Size, list[Choice]] = {}
        self._now_s = 0.0

    def run(self, sources: Sequence[Size], passes: int) -> OracleOutcome:
        outcome = OracleOutcome()
        for source in sources:
            size = source
            for _ in range(passes):
                if not self._pass(self._choices(size), outcome):
                    outcome.possible = False
                    return outcome
                outcome.source_px += size.pixels
                size = size.times(self._card.scale)
        outcome.seconds = self._now_s
        return outcome

    def _pass(self, choices: list[Choice], outcome: OracleOutcome) -> bool:
        left = 1.0  # of the pass
        waited_s = 0.0
        while left > 0:
            choice = self._choice(choices)
            if choice is None:
                self._held_bytes = self._cost.weight_bytes
                self._now_s += LOOK_S
                outcome.waited_s += LOOK_S
                waited_s += LOOK_S
                if waited_s > GIVES_UP_S:
                    return False
                continue
            waited_s = 0.0
            self._held_bytes = choice.held_bytes
            share = choice.batch_s / choice.pass_s
            self._now_s += choice.batch_s * min(1.0, left / share)
            left -= share
        return True

    def _choice(self, choices: list[Choice]) -> Choice | None:
        best = next((one for one in choices if self._fits(one)), None)
        if best is None or not self._frugal:
            return best
        good = [one for one in choices if one.pass_s * GOOD_ENOUGH_PERCENT <= best.pass_s * 100]
        return next(one for one in sorted(good, key=lambda one: one.held_bytes) if self._fits(one))

    def _fits(self, choice: Choice) -> bool:
        """From now until its batch ends, with nothing else of ours on the device."""
        left_bytes = self._room_bytes - self._keep_free_bytes - choice.held_bytes
        if choice.held_bytes > self._most_bytes or left_bytes < 0:
            return False
        if self._neighbour.wanted_bytes(self._now_s) is None:
            return self._neighbour.held_bytes(self._now_s, self._room_bytes - self._held_bytes) <= left_bytes
        looks = min(int(choice.batch_s / LOOK_S) + 1, MAX_LOOKS)
        times = (self._now_s + choice.batch_s * look / looks for look in range(looks + 1))
        return all((self._neighbour.wanted_bytes(at_s) or 0) <= left_bytes for at_s in times)

    def _choices(self, size: Size) -> list[Choice]:
        """All plans for a pass over `size`, the fastest first."""
        if size not in self._known:
            plans = sorted(self._plans(size), key=lambda one: (one.held_bytes, one.pass_s))
            prompt = [one for one in plans if one.batch_s <= LONG_BATCH_S["cuda"]] or plans[:1]
            self._known[size] = sorted(prompt, key=lambda one: (one.pass_s, one.held_bytes))
        return self._known[size]

    def _plans(self, size: Size) -> Iterator[Choice]:
        for tile_px in _sides_px(self._card, size):
            tiles = plan_tiles(
                size,
                tile_px=tile_px,
                halo_px=self._card.halo_px,
                alignment=self._card.alignment,
                scale=self._card.scale,
                minimum_px=self._card.minimum_px,
            )
            for batch in BATCHES["cuda"]:
                batch_px = tiles.tile.pixels * batch
                if batch > tiles.count or batch_px * self._card.widest_elements_per_px > MAX_ELEMENTS:
                    continue
                full, rest = divmod(tiles.count, batch)
                pass_s = full * self._cost.seconds(batch_px)
                pass_s += self._cost.seconds(tiles.tile.pixels * rest) if rest else 0.0
                yield Choice(self._held(batch_px), min(self._cost.seconds(batch_px), pass_s), pass_s)

    def _held(self, batch_px: int) -> int:
        if batch_px not in self._widest:
            self._widest[batch_px] = reserved_bytes(self._card, self._cost, batch_px)
        return self._widest[batch_px]


def reserved_bytes(card: NetworkCard, cost: TrueCost, batch_px: int) -> int:
    """What a fresh process reserves at its widest for one batch, weights and the allocator's rounding included."""
    clock = VirtualClock()
    device = SimulatedDevice(1 << 50, Timeline(lambda now_s: 0), clock)
    allocator = CachingAllocator(device)
    SimulatedUpscaler(card, cost, device, allocator, clock, seed=0).batch(batch_px, spike=0.0, seconds=0.0)
    return allocator.peak_reserved_bytes


def _sides_px(card: NetworkCard, size: Size) -> list[int]:
    """Sides of tiles of which at least half is useful, up to the whole picture's."""
    side_px, sides_px = float(max(4 * card.halo_px, card.minimum_px, 64)), []
    while side_px < min(size.long_side * SIDE_STEP, MOST_SIDE_PX):
        sides_px.append(int(side_px) // card.alignment * card.alignment)
        side_px *= SIDE_STEP
    return sides_px or [int(side_px)]
