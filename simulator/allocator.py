"""The rules of torch's caching allocator, on a simulated device.

As in c10/cuda/CUDACachingAllocator.cpp of torch 2.13, one stream, default settings (facts/governor.md §2).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from itertools import count

from simulator.device import Memory
from twofold.core.memory import AllocatorFigures

MIB = 1 << 20
ROUND_BYTES = 512
SMALL_BYTES = MIB  # requests up to this share small segments
SMALL_SEGMENT_BYTES = 2 * MIB
LARGE_SEGMENT_BYTES = 20 * MIB
MIN_LARGE_BYTES = 10 * MIB  # requests from this on get a segment of their own size
ROUND_LARGE_BYTES = 2 * MIB


@dataclass(slots=True, eq=False)
class Block:
    """A piece of a segment; `before` and `after` are its neighbours in it."""

    number: int
    size_bytes: int
    small: bool
    before: Block | None = None
    after: Block | None = None
    free: bool = False


@dataclass(slots=True)
class _Pool:
    """Free blocks, smallest first."""

    order: list[tuple[int, int]] = field(default_factory=list)
    blocks: dict[tuple[int, int], Block] = field(default_factory=dict)

    def put(self, block: Block) -> None:
        block.free = True
        key = (block.size_bytes, block.number)
        insort(self.order, key)
        self.blocks[key] = block

    def remove(self, block: Block) -> None:
        block.free = False
        key = (block.size_bytes, block.number)
        del self.order[bisect_left(self.order, key)]
        del self.blocks[key]

    def best(self, size_bytes: int) -> Block | None:
        at = bisect_left(self.order, (size_bytes, 0))
        if at == len(self.order):
            return None
        block = self.blocks[self.order[at]]
        self.remove(block)
        return block


class CachingAllocator:
    """Our process's allocator on the device; also the daemon's Allocator (see core.protocols).

    `segments` counts those taken and given back so far;
    `peak_allocated_bytes` and `peak_reserved_bytes` are the most there were since `reset_peaks`.
    """

    def __init__(self, device: Memory) -> None:
        self._device = device
        self._pools = {True: _Pool(), False: _Pool()}
        self._numbers = count()
        self._limit_bytes: int | None = None
        self.reserved_bytes = 0
        self.allocated_bytes = 0
        self.retries = 0
        self.segments = 0
        self.reset_peaks()

    def figures(self) -> AllocatorFigures:
        return AllocatorFigures(self.reserved_bytes, self.allocated_bytes, self.retries)

    def limit(self, reserved_bytes: int) -> None:
        """As set_per_process_memory_fraction: new segments beyond it are refused; what is held stays."""
        self._limit_bytes = reserved_bytes

    def reset_peaks(self) -> None:
        self.peak_allocated_bytes = self.allocated_bytes
        self.peak_reserved_bytes = self.reserved_bytes

    def allocate(self, size_bytes: int) -> Block:
        """A block of at least `size_bytes`. Raises torch.OutOfMemoryError, after the cache was given back in vain."""
        rounded = max(ROUND_BYTES, -(-size_bytes // ROUND_BYTES) * ROUND_BYTES)
        pool = self._pools[rounded <= SMALL_BYTES]
        block = pool.best(rounded) or self._segment(rounded)
        if block is None:
            self.release()
            block = self._segment(rounded)
            self.retries += 1
            if block is None:
                raise _out_of_memory(size_bytes, self)
        self._split(block, rounded)
        self.allocated_bytes += block.size_bytes
        self.peak_allocated_bytes = max(self.peak_allocated_bytes, self.allocated_bytes)
        return block

    def free(self, block: Block) -> None:
        """The block's memory stays reserved, and is used again."""
        self.allocated_bytes -= block.size_bytes
        pool = self._pools[block.small]
        for other in (block.before, block.after):
            if other is not None and other.free:
                pool.remove(other)
                _merge(block, other)
        pool.put(block)

    def release(self) -> None:
        """As empty_cache: segments in which nothing is allocated go back to the device."""
        for pool in self._pools.values():
            for block in list(pool.blocks.values()):
                if block.before is None and block.after is None:
                    pool.remove(block)
                    self.reserved_bytes -= block.size_bytes
                    self.segments += 1
                    self._device.give(block.size_bytes)

    def claim(self, unused_bytes: int) -> bool:
        """As empty_cache, and torch.empty of that size, let go of at once."""
        import torch

        self.release()
        try:
            self.free(self.allocate(unused_bytes))
        except torch.OutOfMemoryError:
            return False
        return True

    def _segment(self, size_bytes: int) -> Block | None:
        """A new segment as one block, or None where the limit or the device refuses it."""
        segment_bytes = _segment_bytes(size_bytes)
        if self._limit_bytes is not None and self.reserved_bytes + segment_bytes > self._limit_bytes:
            return None
        if not self._device.take(segment_bytes):
            return None
        self.reserved_bytes += segment_bytes
        self.segments += 1
        self.peak_reserved_bytes = max(self.peak_reserved_bytes, self.reserved_bytes)
        return Block(next(self._numbers), segment_bytes, small=size_bytes <= SMALL_BYTES)

    def _split(self, block: Block, size_bytes: int) -> None:
        """Keep `size_bytes` of the block, and put what remains into the pool where it is worth it."""
        remaining = block.size_bytes - size_bytes
        if remaining < ROUND_BYTES if block.small else remaining <= SMALL_BYTES:
            return
        rest = Block(next(self._numbers), remaining, block.small, block, block.after)
        if rest.after is not None:
            rest.after.before = rest
        block.after = rest
        block.size_bytes = size_bytes
        self._pools[block.small].put(rest)


def _segment_bytes(size_bytes: int) -> int:
    if size_bytes <= SMALL_BYTES:
        return SMALL_SEGMENT_BYTES
    if size_bytes < MIN_LARGE_BYTES:
        return LARGE_SEGMENT_BYTES
    return -(-size_bytes // ROUND_LARGE_BYTES) * ROUND_LARGE_BYTES


def _merge(block: Block, other: Block) -> None:
    """Make `other`, which lies beside `block` and is free, part of it."""
    if other is block.before:
        block.before = other.before
        if block.before is not None:
            block.before.after = block
    else:
        block.after = other.after
        if block.after is not None:
            block.after.before = block
    block.size_bytes += other.size_bytes


def _out_of_memory(size_bytes: int, allocator: CachingAllocator) -> Exception:
    import torch  # the error's own class; it exists in builds for the CPU too

    return torch.OutOfMemoryError(
        f"CUDA out of memory. Tried to allocate {size_bytes / MIB:.2f} MiB. Simulated:"
        f" {allocator.allocated_bytes / MIB:.2f} MiB allocated, {allocator.reserved_bytes / MIB:.2f} MiB reserved."
    )
