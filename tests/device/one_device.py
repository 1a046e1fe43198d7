"""A device, this process's allocator on it, and the time, all set by a test; and what a governor learns there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.core.memory import AllocatorFigures, DeviceKind, MemoryPolicy, MemoryReading
from twofold.core.pass_plan import PassPlan
from twofold.core.rest import Rest
from twofold.device.cost_store import CostStore
from twofold.device.governor import DeviceGovernor

GIB = 1 << 30
TIGHT_BYTES = 900 << 20
"""Of 24 GiB, 737 MiB stay free."""
PHOTO = Size(4000, 3000)
CARD = NetworkCard("net", 1, "a" * 64, 2, halo_px=10, half=True, live_bytes_per_px=500.0, mflop_per_px=1.0)


@dataclass
class Device:
    """A device's memory, this process's allocator on it, and the time; all set by the test.

    `room_bytes` is what others leave to this process, whatever it holds of it.
    """

    room_bytes: int
    total_bytes: int = 24 * GIB
    now_s: float = 1000.0
    readings: int = 0
    held: AllocatorFigures = field(default_factory=AllocatorFigures)
    limit_bytes: int | None = None
    releases: int = 0

    @property
    def free_bytes(self) -> int:
        return max(0, self.room_bytes - self.held.reserved_bytes)

    def read(self) -> MemoryReading:
        self.readings += 1
        return MemoryReading(self.free_bytes, self.total_bytes)

    def clock(self) -> float:
        return self.now_s

    def figures(self) -> AllocatorFigures:
        return self.held

    def limit(self, reserved_bytes: int) -> None:
        self.limit_bytes = reserved_bytes

    def release(self) -> None:
        self.releases += 1
        self.held = replace(self.held, reserved_bytes=self.held.allocated_bytes)

    def claim(self, unused_bytes: int) -> bool:
        self.release()
        more_bytes = unused_bytes - (self.held.reserved_bytes - self.held.allocated_bytes)
        if more_bytes > self.free_bytes:
            return False
        if more_bytes > 0:
            self.held = replace(self.held, reserved_bytes=self.held.reserved_bytes + more_bytes)
        return True

    def governor(self, kind: DeviceKind = "cuda", costs: CostStore | None = None) -> DeviceGovernor:
        policy = MemoryPolicy(use_at_most=Fraction(4, 5))
        return DeviceGovernor(
            self, self, policy, kind=kind, device="GPU-1", clock=self.clock, capability=(8, 9), costs=costs
        )


def rest(plan: PassPlan, done_px: int = 0) -> Rest:
    """What is left of the pass below `done_px`; the plan is in force."""
    return Rest(plan.tiles.source, plan.tiles.region._replace(y0=done_px), planned=True)


def made(governor: DeviceGovernor, plan: PassPlan, times: int = 1, *, share: float = 1.0, k: float = 800.0) -> None:
    """Batches of this plan went well, each at `k` bytes a pixel and a million pixels in 0.1 s."""
    for _ in range(times):
        px = int(plan.batch_px * share)
        governor.completed(CARD, plan, batch_px=px, seconds=0.003 + px / 1e7, peak_bytes=int(k * px))


def grown(device: Device, governor: DeviceGovernor, source: Size = PHOTO) -> PassPlan:
    """The plan in force once the network was measured, after batches from the smallest on."""
    plan = governor.plan(CARD, source)
    for _ in range(20):
        device.now_s += 0.1
        steered = governor.steer(CARD, plan, rest(plan))
        made(governor, steered)
        plan = steered
    return plan
