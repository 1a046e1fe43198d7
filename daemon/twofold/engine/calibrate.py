"""Runs tiles of growing size through one network: `python -m twofold.engine.calibrate`, its order on standard input.

The order is one JSON object: `card`, `device`, `threads`, `sides_px` (ascending). The answers are lines of JSON: one
`{"side_px", "seconds", "bytes"}` for each size, then `{"dtype"}`; or `{"error": reason}`.
"""

from __future__ import annotations

import ctypes
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.core.card import NetworkCard
from twofold.core.errors import OutOfDeviceMemory, TwofoldError
from twofold.engine.factory import open_upscaler
from twofold.raster import Upscaler

REPEAT_S = 1.0
MAX_REPEATS = 7
NETWORK_S = 60.0
"""No size is begun that would make one network take longer than this; the smallest is always measured."""

DEPTH = 16
CHANNELS = 3
KIB = 1024


def measured(upscaler: Upscaler, sides_px: list[int], clock: Callable[[], float]) -> Iterator[dict[str, Any]]:
    """One answer for each size, until memory or time runs out."""
    memory = _memory(upscaler)
    began_s = clock()
    _run_s(upscaler, sides_px[0], clock)  # the first run of all sets things up
    pace_s = 0.0  # seconds per pixel of the last size
    for side_px in sides_px:
        expected_s = pace_s * side_px**2 + REPEAT_S
        if pace_s and clock() - began_s + expected_s > NETWORK_S:
            return
        try:
            seconds, added_bytes = _measure(upscaler, side_px, memory, clock)
        except OutOfDeviceMemory:
            return
        pace_s = 2 * seconds / side_px**2  # each size is run twice at least
        yield {"side_px": side_px, "seconds": seconds, "bytes": added_bytes}


def _measure(
    upscaler: Upscaler, side_px: int, memory: Callable[[Callable[[], float]], int | None], clock: Callable[[], float]
) -> tuple[float, int | None]:
    """The median of several runs after one that chooses algorithms for this shape, and the memory that one added."""
    added_bytes = memory(lambda: _run_s(upscaler, side_px, clock))
    runs_s: list[float] = []
    while len(runs_s) < MAX_REPEATS and sum(runs_s) < REPEAT_S:
        runs_s.append(_run_s(upscaler, side_px, clock))
    return statistics.median(runs_s), added_bytes


def _run_s(upscaler: Upscaler, side_px: int, clock: Callable[[], float]) -> float:
    tile = _tile(side_px)
    started_s = clock()
    upscaler.run(tile, DEPTH)
    return max(clock() - started_s, 1e-6)


def _tile(side_px: int) -> NDArray[Any]:
    """(1, side, side, 3) uint16: a ramp, whose values no network finds special."""
    ramp = np.linspace(0, np.iinfo(np.uint16).max, side_px * side_px * CHANNELS)
    return ramp.astype(np.uint16).reshape(1, side_px, side_px, CHANNELS)


def _memory(upscaler: Upscaler) -> Callable[[Callable[[], float]], int | None]:
    """The way to find the most bytes that a run adds where this network runs."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return _host_bytes

    def device_bytes(run: Callable[[], float]) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_reserved()
        run()
        return int(torch.cuda.max_memory_reserved() - before)

    return device_bytes


def _host_bytes(run: Callable[[], float]) -> int | None:
    """By the kernel's high-water mark of this process; None where it cannot be set back."""
    ctypes.CDLL(None).malloc_trim(0)  # what malloc keeps would hide what a run takes
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
        before = _status_bytes("VmRSS")
        run()
        return max(0, _status_bytes("VmHWM") - before)
    except (OSError, LookupError):
        return None


def _status_bytes(name: str) -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields[name].split()[0]) * KIB


def main() -> int:
    order = json.loads(sys.stdin.readline())
    try:
        upscaler = open_upscaler(NetworkCard.from_json(order["card"]), order["device"], order["threads"])
        for answer in measured(upscaler, order["sides_px"], time.perf_counter):
            _say(answer)
    except TwofoldError as error:
        _say({"error": error.reason.to_json()})
        return 1
    _say({"dtype": getattr(upscaler, "dtype", "float32")})
    return 0


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()  # a parent that went away ends us here


if __name__ == "__main__":
    sys.exit(main())
