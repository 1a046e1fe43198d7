"""torch's caching allocator on the one GPU that this process sees."""

from __future__ import annotations

import sys
from typing import Any

from twofold.core.memory import AllocatorFigures


class CudaAllocator:
    """See core.protocols.Allocator. Asks nothing of torch, and holds nothing, before something was put on the GPU.

    torch is looked up where it is loaded and never imported: that takes seconds, and a worker of simple back ends needs
    none.
    """

    def figures(self) -> AllocatorFigures:
        """By the allocator's own counters."""
        cuda = _initialised()
        if cuda is None:
            return AllocatorFigures()
        stats = cuda.memory_stats()
        return AllocatorFigures(
            stats["reserved_bytes.all.current"], stats["allocated_bytes.all.current"], stats["num_alloc_retries"]
        )

    def limit(self, reserved_bytes: int) -> None:
        """Also what makes WDDM refuse instead of spilling into the machine's memory (facts/governor.md §2)."""
        cuda = _initialised()
        if cuda is not None:
            total_bytes = cuda.get_device_properties(0).total_memory
            cuda.set_per_process_memory_fraction(min(1.0, max(0.0, reserved_bytes / total_bytes)))

    def release(self) -> None:
        """Cached blocks go back to the driver."""
        cuda = _initialised()
        if cuda is not None:
            cuda.empty_cache()

    def claim(self, unused_bytes: int) -> bool:
        """One segment of that size in the cache: the tensors of a batch are split off it (facts/governor.md §2)."""
        cuda = _initialised()
        if cuda is None:
            return True
        torch = sys.modules["torch"]
        cuda.empty_cache()  # blocks of other sizes would stand in the way, and count twice
        try:
            torch.empty(unused_bytes, dtype=torch.uint8, device="cuda")
        except torch.OutOfMemoryError:
            return False
        return True


def _initialised() -> Any | None:
    """torch.cuda, once it holds a context."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
