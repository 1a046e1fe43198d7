"""The rules of torch's caching allocator, by example and as laws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from simulator.allocator import MIB, Block, CachingAllocator
from simulator.clock import VirtualClock
from simulator.device import CONTEXT_BYTES, SimulatedDevice
from simulator.neighbours import Settable

GIB = 1 << 30
KIB = 1 << 10


def machine(total_bytes: int = 4 * GIB, *, spill: bool = False) -> tuple[SimulatedDevice, CachingAllocator, Settable]:
    neighbour = Settable()
    device = SimulatedDevice(total_bytes, neighbour, VirtualClock(), spill=spill)
    return device, CachingAllocator(device), neighbour


@pytest.mark.parametrize(
    ("asked_bytes", "allocated_bytes", "reserved_bytes"),
    [
        (1, 512, 2 * MIB),
        (513, 1024, 2 * MIB),
        (MIB, MIB, 2 * MIB),
        (MIB + 1, MIB + 512, 20 * MIB),
        (10 * MIB - 512, 10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB, 10 * MIB),
        (10 * MIB + 1, 10 * MIB + 512, 12 * MIB),
    ],
)
def test_sizes_are_rounded_as_torch_does(asked_bytes: int, allocated_bytes: int, reserved_bytes: int) -> None:
    device, allocator, _ = machine()
    allocator.allocate(asked_bytes)
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (allocated_bytes, reserved_bytes)
    assert device.own_bytes == reserved_bytes


def test_a_remainder_of_at_most_one_mebibyte_is_not_split_off() -> None:
    _, allocator, _ = machine()
    allocator.free(allocator.allocate(20 * MIB))
    allocator.free(allocator.allocate(19 * MIB))
    assert (allocator.peak_allocated_bytes, allocator.reserved_bytes) == (20 * MIB, 20 * MIB)


def test_freed_blocks_grow_together_and_are_used_again() -> None:
    _, allocator, _ = machine()
    pieces = [allocator.allocate(5 * MIB) for _ in range(4)]
    assert allocator.reserved_bytes == 20 * MIB  # one segment shared
    for piece in (pieces[0], pieces[2], pieces[3], pieces[1]):
        allocator.free(piece)
    allocator.allocate(20 * MIB)
    assert allocator.reserved_bytes == 20 * MIB


def test_the_cache_is_given_back_before_an_error() -> None:
    """The retry counts, and is the only sign where it helped."""
    _, allocator, _ = machine(CONTEXT_BYTES + 100 * MIB)
    allocator.free(allocator.allocate(60 * MIB))
    allocator.allocate(80 * MIB)
    assert (allocator.figures().retries, allocator.reserved_bytes) == (1, 80 * MIB)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        allocator.allocate(40 * MIB)
    assert allocator.figures().retries == 2


def test_a_limit_stops_it_though_memory_is_free() -> None:
    device, allocator, _ = machine()
    allocator.limit(50 * MIB)
    allocator.allocate(40 * MIB)
    with pytest.raises(torch.OutOfMemoryError):
        allocator.allocate(20 * MIB)
    assert device.free_bytes > GIB


def test_a_spilling_device_refuses_nothing_and_gets_slow() -> None:
    """Only a limit keeps a WDDM-like driver from it."""
    device, allocator, _ = machine(spill=True)
    held = allocator.allocate(6 * GIB)
    assert device.slowdown > 1
    allocator.free(held)
    allocator.release()
    assert device.slowdown == 1
    allocator.limit(3 * GIB)
    with pytest.raises(torch.OutOfMemoryError):
        allocator.allocate(6 * GIB)


Deed = tuple[str, int]
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 300 * MIB)),
        st.tuples(st.just("take"), st.integers(1, 2 * MIB)),
        st.tuples(st.just("free"), st.integers(0, 1000)),
        st.tuples(st.just("release"), st.just(0)),
        st.tuples(st.just("limit"), st.integers(0, GIB)),
        st.tuples(st.just("neighbour"), st.integers(0, GIB)),
    ),
    max_size=60,
)


@given(DEEDS)
def test_laws(deeds: list[Deed]) -> None:
    device, allocator, neighbour = machine(CONTEXT_BYTES + GIB)
    held: list[tuple[Block, int]] = []
    limit_bytes = device.total_bytes
    for what, amount in deeds:
        retries, reserved_bytes = allocator.retries, allocator.reserved_bytes
        if what == "take":
            try:
                held.append((allocator.allocate(amount), amount))
            except torch.OutOfMemoryError:
                assert allocator.retries == retries + 1  # never before the cache was given back
            assert allocator.reserved_bytes <= max(reserved_bytes, limit_bytes)
        elif what == "free" and held:
            allocator.free(held.pop(amount % len(held))[0])
        elif what == "release":
            allocator.release()
        elif what == "limit":
            limit_bytes = amount
            allocator.limit(amount)
        elif what == "neighbour":
            neighbour.bytes = amount
        assert sum(size for _, size in held) <= allocator.allocated_bytes <= allocator.reserved_bytes
        assert all(block.size_bytes >= size and not block.free for block, size in held)
        assert allocator.reserved_bytes == device.own_bytes
        everybody_bytes = CONTEXT_BYTES + device.own_bytes + device.neighbour_bytes + device.free_bytes
        assert everybody_bytes == device.total_bytes
    for block, _ in held:
        allocator.free(block)
    allocator.release()
    assert (allocator.allocated_bytes, allocator.reserved_bytes, device.own_bytes) == (0, 0, 0)
