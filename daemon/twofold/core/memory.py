"""A device's memory: what was read, what the owner allows, and what the next batch may therefore add."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

DType = Literal["float32", "float16", "bfloat16"]
DeviceKind = Literal["cuda", "cpu"]

MIB = 1024**2
GIB = 1024**3

RECLAIMABLE = Fraction(9, 10)  # of what the allocator holds unused; the rest is fragmentation
KEEP_FREE_BYTES: dict[DeviceKind, int] = {"cuda": 400 * MIB, "cpu": 256 * MIB}
KEEP_FREE_SHARE: dict[DeviceKind, Fraction] = {"cuda": Fraction(3, 100), "cpu": Fraction(5, 100)}


@dataclass(frozen=True, slots=True)
class AllocatorFigures:
    """What this process's caching allocator holds on a device, in bytes; nothing where there is none.

    `retries` counts, since the process began, how often the device refused and the cache was given back to try again:
    the last warning before an out-of-memory.
    """

    reserved_bytes: int = 0
    allocated_bytes: int = 0
    retries: int = 0

    @property
    def unused_bytes(self) -> int:
        """What is held and holds nothing."""
        return max(0, self.reserved_bytes - self.allocated_bytes)


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """One reading of a device's memory, in bytes.

    `reserved_bytes` and `allocated_bytes` are the caching allocator's of our own worker (0 where there is none).
    On the CPU, `total_bytes` is the machine's or the cgroup's limit and `free_bytes` what may still be taken from it.
    """

    free_bytes: int
    total_bytes: int
    reserved_bytes: int = 0
    allocated_bytes: int = 0

    @property
    def unused_bytes(self) -> int:
        """What this process holds and does not use."""
        return max(0, self.reserved_bytes - self.allocated_bytes)


@dataclass(frozen=True, slots=True)
class MemoryPolicy:
    """The owner's limits: bytes left to others (None: automatic) and the share of the total this service may use."""

    keep_free_bytes: int | None = None
    use_at_most: Fraction = Fraction(4, 5)


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes the next batch may add, and the figures it came from (for the log line and `explain`)."""

    bytes: int
    reading: MemoryReading
    keep_free_bytes: int
    capped_by: Literal["free", "use_at_most"]

    @property
    def short(self) -> bool:
        """True where others lack something of their share."""
        return self.reading.free_bytes < self.keep_free_bytes

    @property
    def hoards(self) -> bool:
        """True where others lack of their share what the allocator keeps and does not use."""
        return self.short and self.reading.unused_bytes > 0

    @property
    def reserve_at_most_bytes(self) -> int:
        """Where the allocator has to be stopped, so that keep_free stays free whatever a batch turns out to need.

        Never below what is allocated: that could not be given back.
        """
        reading = self.reading
        left_bytes = reading.reserved_bytes + reading.free_bytes - self.keep_free_bytes
        if self.capped_by == "use_at_most":
            left_bytes = min(left_bytes, self.bytes + reading.allocated_bytes)
        return max(left_bytes, reading.allocated_bytes)


def plan_budget(reading: MemoryReading, policy: MemoryPolicy, kind: DeviceKind) -> Budget:
    """avail = free + 0.9 * (reserved - allocated), minus keep_free, under use_at_most; never negative."""
    keep_free_bytes = policy.keep_free_bytes
    if keep_free_bytes is None:
        keep_free_bytes = max(KEEP_FREE_BYTES[kind], int(KEEP_FREE_SHARE[kind] * reading.total_bytes))
    left_bytes = reading.free_bytes + int(RECLAIMABLE * reading.unused_bytes) - keep_free_bytes
    allowed_bytes = int(policy.use_at_most * reading.total_bytes) - reading.allocated_bytes
    return Budget(
        bytes=max(0, min(left_bytes, allowed_bytes)),
        reading=reading,
        keep_free_bytes=keep_free_bytes,
        capped_by="free" if left_bytes <= allowed_bytes else "use_at_most",
    )
