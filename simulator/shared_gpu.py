"""One simulated GPU that several processes see at once: a watcher's probe, a worker's allocator, and a neighbour."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from simulator.device import CONTEXT_BYTES
from simulator.networks import TrueCost
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.memory import MemoryReading

SUFFIX = ".gpu"
NEVER = 2**62
HALT_POLL_S = 0.002
MAX_HALT_S = 120.0
"""A test that halted the device and died does not hold a worker for ever."""


class State(ctypes.Structure):
    """What the file of a GPU holds; any process may look at it, and a test may write into it, at any time.

    `own_bytes` are our worker's segments, `neighbour_bytes` what others hold. `least_left_bytes` is the least that a
    segment taken by us has left free (a test sets it anew). `loads` of networks and `batches` were begun, and `refused`
    of these found no memory. With load `halt_at_load` (from 1), and at the end of batch `halt_at`, the device stands
    still (`halted`) until a later number stands there. Batch `fault_at` and all later ones of the same process end in a
    fault of the device; `refuse_at` alone finds no memory. A `lost` device answers nobody.
    The last five are the network's true cost here (see networks.TrueCost).
    """

    _fields_ = (
        ("total_bytes", ctypes.c_int64),
        ("own_bytes", ctypes.c_int64),
        ("neighbour_bytes", ctypes.c_int64),
        ("least_left_bytes", ctypes.c_int64),
        ("loads", ctypes.c_int64),
        ("batches", ctypes.c_int64),
        ("refused", ctypes.c_int64),
        ("halt_at_load", ctypes.c_int64),
        ("halt_at", ctypes.c_int64),
        ("halted", ctypes.c_int64),
        ("fault_at", ctypes.c_int64),
        ("refuse_at", ctypes.c_int64),
        ("lost", ctypes.c_int64),
        ("bytes_per_px", ctypes.c_double),
        ("fixed_bytes", ctypes.c_int64),
        ("weight_bytes", ctypes.c_int64),
        ("px_per_s", ctypes.c_double),
        ("overhead_s", ctypes.c_double),
    )

    total_bytes: int
    own_bytes: int
    neighbour_bytes: int
    least_left_bytes: int
    loads: int
    batches: int
    refused: int
    halt_at_load: int
    halt_at: int
    halted: int
    fault_at: int
    refuse_at: int
    lost: int
    bytes_per_px: float
    fixed_bytes: int
    weight_bytes: int
    px_per_s: float
    overhead_s: float


class SharedGpu:
    """The GPU in the file at `path`: a MemoryProbe (core.protocols), and the memory below a worker's allocator.

    One worker at a time has a context on it (`enter`); that and its segments are gone with the process, since the
    kernel then drops its lock. `now` is the state itself, mapped.
    """

    slowdown = 1.0

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(path).removesuffix(SUFFIX)
        self._lock_path = path + ".context"
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._context: int | None = None
        self._turn = threading.Lock()
        self.now = State.from_buffer(mmap.mmap(self._file, ctypes.sizeof(State)))

    @classmethod
    def create(cls, folder: str, name: str, total_bytes: int, cost: TrueCost) -> SharedGpu:
        """A fresh GPU with nobody on it."""
        path = os.path.join(folder, name + SUFFIX)
        with open(path, "xb") as file:
            file.write(bytes(ctypes.sizeof(State)))
        gpu = cls(path)
        gpu.now.total_bytes = total_bytes
        gpu.now.least_left_bytes = total_bytes
        gpu.now.halt_at_load = gpu.now.halt_at = gpu.now.fault_at = gpu.now.refuse_at = NEVER
        for figure in ("bytes_per_px", "fixed_bytes", "weight_bytes", "px_per_s", "overhead_s"):
            setattr(gpu.now, figure, getattr(cost, figure))
        return gpu

    @property
    def cost(self) -> TrueCost:
        now = self.now
        # Half of it lives from layer to layer; which half that is matters to the allocator only.
        live_bytes_per_px = now.bytes_per_px / 2
        return TrueCost(
            now.bytes_per_px,
            live_bytes_per_px,
            now.fixed_bytes,
            now.weight_bytes,
            now.px_per_s,
            now.overhead_s,
            self.name,
        )

    # --- what both sides see

    def read(self) -> MemoryReading:
        """See core.protocols.MemoryProbe."""
        if self.now.lost:
            raise TwofoldError(Code.NO_DEVICE, f"{self.name}: GPU is lost")
        return MemoryReading(self.free_bytes, self.now.total_bytes)

    @property
    def free_bytes(self) -> int:
        return max(0, self._room_bytes() - self.now.neighbour_bytes)

    @property
    def held_bytes(self) -> int:
        """All that our worker has, its context included; nothing where there is none."""
        return CONTEXT_BYTES + self.now.own_bytes if self._inhabited() else 0

    # --- the worker's side

    def enter(self) -> None:
        """Open the context; a worker that was there before is waited for."""
        if self._context is None:
            self._context = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._context, fcntl.LOCK_EX)
            self.now.own_bytes = 0

    def take(self, size_bytes: int) -> bool:
        """Give the worker a segment; False where it is not free."""
        with self._alone():
            left_bytes = self.free_bytes - size_bytes
            if left_bytes < 0:
                return False
            self.now.own_bytes += size_bytes
            self.now.least_left_bytes = min(self.now.least_left_bytes, left_bytes)
            return True

    def give(self, size_bytes: int) -> None:
        """Take a segment back from the worker."""
        with self._alone():
            self.now.own_bytes -= size_bytes

    def begin_batch(self) -> int:
        """The number of the batch that begins now, from 1."""
        self.now.batches += 1
        return self.now.batches

    def begin_load(self) -> None:
        """A network is put on the device: after a pass, and before the next one is planned."""
        self.now.loads += 1
        self.halt()

    def halt(self) -> None:
        """Stand still while a test wants it."""
        now, until_s = self.now, time.monotonic() + MAX_HALT_S
        while (now.batches >= now.halt_at or now.loads >= now.halt_at_load) and time.monotonic() < until_s:
            now.halted = 1
            time.sleep(HALT_POLL_S)
        now.halted = 0

    # --- the neighbour's side

    def occupy(self, size_bytes: int) -> int:
        """The neighbour holds so much from now on, or what there is room for; how much it is."""
        with self._alone():
            self.now.neighbour_bytes = min(size_bytes, self._room_bytes())
            return self.now.neighbour_bytes

    def grab(self, leaves_bytes: int = 0) -> int:
        """The neighbour takes what is free but for `leaves_bytes`; how much more it has."""
        with self._alone():
            more_bytes = max(0, self.free_bytes - leaves_bytes)
            self.now.neighbour_bytes += more_bytes
            return more_bytes

    def _room_bytes(self) -> int:
        return max(0, self.now.total_bytes - self.held_bytes)

    def _inhabited(self) -> bool:
        """True while a living process has its context here."""
        if self._context is not None:
            return True
        try:
            other = os.open(self._lock_path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(other)
        return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes what is held meanwhile: no thread of ours, and no other process."""
        with self._turn:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
