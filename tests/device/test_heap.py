"""The C library's own figures, of a real heap."""

from __future__ import annotations

import ctypes

import pytest

from twofold.device.heap import HostHeap

MIB = 1 << 20


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="not glibc 2.33 or later")
def test_what_is_allocated_and_what_is_kept() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    heap = HostHeap()
    before = heap.figures()
    block = libc.malloc(ctypes.c_size_t(50 * MIB))
    held = heap.figures()
    libc.free(ctypes.c_void_p(block))
    heap.release()
    after = heap.figures()
    assert held.allocated_bytes - before.allocated_bytes >= 50 * MIB
    assert held.reserved_bytes >= held.allocated_bytes
    assert after.allocated_bytes < held.allocated_bytes - 49 * MIB
    heap.limit(0)  # no limit of its own
    assert heap.figures().allocated_bytes > 0
