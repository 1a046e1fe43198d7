"""The C library's heap as the CPU's allocator: what it took from the machine, and what of it holds nothing."""

from __future__ import annotations

import ctypes

from twofold.core.memory import AllocatorFigures

FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Mallinfo(ctypes.Structure):
    """struct mallinfo2 of glibc 2.33 and later, mallinfo(3)."""

    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]


class HostHeap:
    """glibc's malloc (see core.protocols.Allocator); other C libraries tell nothing, and hold nothing back.

    Without it a worker would count its own idle heap as taken by others, and shrink its plans from batch to batch.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        self._trim = getattr(libc, "malloc_trim", None)
        self._info = getattr(libc, "mallinfo2", None)
        if self._info is not None:
            self._info.restype = _Mallinfo

    def figures(self) -> AllocatorFigures:
        """Heap and mapped blocks together."""
        if self._info is None:
            return AllocatorFigures()
        info = self._info()
        return AllocatorFigures(info.arena + info.hblkhd, info.uordblks + info.hblkhd)

    def limit(self, reserved_bytes: int) -> None:
        """A heap has no limit of its own: cgroups and RLIMIT_DATA are."""

    def release(self) -> None:
        """Pages that hold nothing go back to the machine."""
        if self._trim is not None:
            self._trim(0)

    def claim(self, unused_bytes: int) -> bool:
        """True: pages of a heap are the machine's until something is written into them."""
        return True
