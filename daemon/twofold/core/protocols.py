"""Where sibling packages meet: the service wires these together."""

from __future__ import annotations

from typing import Any, Protocol

from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.core.memory import MemoryReading, PassPlan


class MemoryProbe(Protocol):
    """Reads one device's memory now."""

    def read(self) -> MemoryReading: ...


class Governor(Protocol):
    """The only owner of the budget of one device."""

    def plan(self, card: NetworkCard, source: Size) -> PassPlan:
        """A plan for one pass from a fresh reading. Raises TwofoldError(LOW_MEMORY)."""

    def replan(self, card: NetworkCard, plan: PassPlan) -> PassPlan:
        """A strictly smaller plan after `plan` ran out of memory; remembered for a while.

        Raises TwofoldError(LOW_MEMORY).
        """

    def completed(self, card: NetworkCard, plan: PassPlan, *, batch_px: int, seconds: float) -> None:
        """One batch of `batch_px` window pixels took `seconds`: learn from it."""


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
