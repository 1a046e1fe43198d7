"""Where sibling packages meet: the service wires these together."""

from __future__ import annotations

from typing import Any, Protocol

from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.core.memory import AllocatorFigures, MemoryReading
from twofold.core.neighbours import Neighbours
from twofold.core.pass_plan import PassPlan
from twofold.core.rest import Rest


class MemoryProbe(Protocol):
    """Reads one device's memory now: free and total, as the device tells them."""

    def read(self) -> MemoryReading:
        """Raises TwofoldError(NO_DEVICE) where the device does not answer."""


class Allocator(Protocol):
    """The memory that this process keeps on a device, used or not."""

    def figures(self) -> AllocatorFigures: ...

    def limit(self, reserved_bytes: int) -> None:
        """Refuse to reserve more than this from now on: the batch that would runs out of memory instead."""

    def release(self) -> None:
        """Give back to the device what holds nothing."""

    def claim(self, unused_bytes: int) -> bool:
        """Hold so much that holds nothing yet, for the batch to come, so that nobody takes it meanwhile; what was kept
        of other sizes is given back first.

        True where it is held, or where this kind of memory cannot be held beforehand; False where it was refused.
        """


class NeighbourProbe(Protocol):
    """Looks who else is on one device."""

    def read(self) -> Neighbours:
        """Never raises; asks the driver no oftener than is good for it."""


class Governor(Protocol):
    """The only owner of the budget of one device."""

    def plan(self, card: NetworkCard, source: Size, *, patient: bool = False) -> PassPlan:
        """A plan for one pass from a fresh reading. Raises TwofoldError(LOW_MEMORY) where none fits; with `patient`,
        the smallest one instead where it may fit another time."""

    def steer(self, card: NetworkCard, plan: PassPlan, rest: Rest) -> PassPlan:
        """Before every batch: the very same plan where it stands, else the one to do the rest by.

        Smaller at once where memory got short. Larger only after good batches, for a real gain over what is left.
        Raises TwofoldError(LOW_MEMORY) where not even the smallest tile fits now.
        """

    def replan(self, card: NetworkCard, plan: PassPlan, rest: Rest) -> PassPlan:
        """A strictly smaller plan to do the rest by after `plan` ran out of memory; remembered for a while.

        The smallest one again, where it was that: to be tried when there is more memory.
        """

    def completed(
        self, card: NetworkCard, plan: PassPlan, *, batch_px: int, seconds: float, peak_bytes: int | None
    ) -> None:
        """One batch of `batch_px` window pixels took `seconds` and at its widest `peak_bytes` (None: not known)."""


class JobHandler(Protocol):
    """What a workflow does for a job; every method may run to its end twice, and returns small JSON."""

    def make(self, job_id: str) -> dict[str, Any]:
        """Decode, plan, and run the leading short passes. Returns {"passes": n, "done": k, "long": [k, ...]}."""

    def run_pass(self, job_id: str, index: int) -> dict[str, Any]:
        """Run one long pass (0-based)."""

    def deliver(self, job_id: str) -> dict[str, Any]:
        """Finish, encode, verify, put into the outbox, commit."""

    def put_down(self, job_id: str) -> None:
        """Free what is held of a job that was taken away between two steps: cancelled, paused, or changed."""
