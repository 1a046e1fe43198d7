"""The memory of one simulated GPU: ours, the neighbours', and what is left."""

from __future__ import annotations

from collections.abc import Callable

from simulator.neighbours import Neighbour
from twofold.core.memory import MemoryReading

MIB = 1 << 20
CONTEXT_BYTES = 300 * MIB
"""What a CUDA context takes with lazy loading (facts: about 290 MB); gone only with its process."""
SPILL_SLOWDOWN = 10.0
"""How much slower work is while a WDDM-like driver keeps some of it in the machine's own memory."""


class SimulatedDevice:
    """`total_bytes` shared by our process and a neighbour; also the daemon's MemoryProbe.

    Free memory is always what is left: total - context - ours - the neighbour's. With `spill`, as on Windows, what we
    ask for beyond it is given all the same, and everything gets slower (`slowdown`).
    """

    def __init__(
        self,
        total_bytes: int,
        neighbour: Neighbour,
        clock: Callable[[], float],
        *,
        context_bytes: int = CONTEXT_BYTES,
        spill: bool = False,
    ) -> None:
        self.total_bytes = total_bytes
        self.context_bytes = context_bytes
        self.own_bytes = 0
        self._neighbour = neighbour
        self._clock = clock
        self._spill = spill

    def read(self) -> MemoryReading:
        """See core.protocols.MemoryProbe."""
        return MemoryReading(self.free_bytes, self.total_bytes)

    @property
    def neighbour_bytes(self) -> int:
        """What the neighbour holds now: never more than there is room for beside us."""
        return self._neighbour.held_bytes(self._clock(), self._room_bytes)

    @property
    def free_bytes(self) -> int:
        return max(0, self._room_bytes - self.neighbour_bytes)

    @property
    def slowdown(self) -> float:
        """1, or SPILL_SLOWDOWN while more is in use than there is."""
        return SPILL_SLOWDOWN if self.own_bytes + self.context_bytes + self.neighbour_bytes > self.total_bytes else 1.0

    def take(self, size_bytes: int) -> bool:
        """Give our process a segment; False where it is not free."""
        if size_bytes > self.free_bytes and not self._spill:
            return False
        self.own_bytes += size_bytes
        return True

    def give(self, size_bytes: int) -> None:
        """Take a segment back from our process."""
        self.neighbour_bytes  # noqa: B018  # what the neighbour did until now, it did without this segment
        self.own_bytes -= size_bytes

    @property
    def _room_bytes(self) -> int:
        return max(0, self.total_bytes - self.context_bytes - self.own_bytes)
