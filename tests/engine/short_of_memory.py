"""A process that enlarges a picture with less memory than its governor believes: `FOLDER ROOM_BYTES` (0: no limit).

Reads source.npy, writes result-ROOM_BYTES.npy, and says in one JSON line by which tiles it was made.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from twofold.core.geometry import Size
from twofold.core.memory import MemoryPolicy, MemoryReading
from twofold.device.governor import DeviceGovernor
from twofold.device.heap import HostHeap
from twofold.engine.factory import open_upscaler
from twofold.engine.inspect import measure_card
from twofold.engine.run import Watch, run_pass
from twofold.models.catalogue import Catalogue, Places


class Believed:
    """A probe that knows of no limit."""

    def read(self) -> MemoryReading:
        return MemoryReading(2**33, 2**33)


def enlarge(folder: Path, room_bytes: int) -> dict[str, Any]:
    """The limit is this whole process's, for good."""
    source = np.load(folder / "source.npy")
    card = Catalogue(Places(*[str(folder)] * 3), measure_card).resolve("twofold-photo-2x")
    upscaler = open_upscaler(card, "cpu", 1)
    governor = DeviceGovernor(
        Believed(), HostHeap(), MemoryPolicy(), kind="cpu", device="cpu", clock=time.monotonic, capability=None
    )
    upscaler.run(source[None, :64, :64], 16)  # libraries take what they keep before the limit falls
    plan = governor.plan(card, Size(source.shape[1], source.shape[0]))
    if room_bytes:
        with open("/proc/self/status", encoding="ascii") as status:
            used_kib = next(int(line.split()[1]) for line in status if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (used_kib * 1024 + room_bytes, resource.RLIM_INFINITY))
    result = np.lib.format.open_memmap(
        folder / f"result-{room_bytes}.npy", "w+", np.uint16, (2 * source.shape[0], 2 * source.shape[1], 3)
    )
    plans = [plan]
    last = run_pass(upscaler, source, result, plan, governor, depth=16, watch=Watch(on_plan=plans.append))
    return {"oom_steps": last.oom_steps, "tiles": [list(one.tiles.tile) for one in plans]}


if __name__ == "__main__":
    print(json.dumps(enlarge(Path(sys.argv[1]), int(sys.argv[2]))))
