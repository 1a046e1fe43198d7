"""For processes that plan and run nothing on a device."""

from __future__ import annotations

from twofold.core.memory import AllocatorFigures


class NoAllocator:
    """Holds nothing (see core.protocols.Allocator)."""

    def figures(self) -> AllocatorFigures:
        """Zeros."""
        return AllocatorFigures()

    def limit(self, reserved_bytes: int) -> None:
        """There is nothing to limit."""

    def release(self) -> None:
        """There is nothing to give back."""

    def claim(self, unused_bytes: int) -> bool:
        """True: nothing will run."""
        return True
