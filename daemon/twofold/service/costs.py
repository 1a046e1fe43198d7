"""Where the costs of networks on a device are kept, and what they hold for."""

from __future__ import annotations

import importlib.metadata
import platform

from twofold.device.cost_store import CostStore
from twofold.device.driver import module_version
from twofold.device.inventory import Device
from twofold.service.paths import StatePaths

LAYOUT = "channels_last"


def open_costs(paths: StatePaths, device: Device) -> CostStore:
    """Costs change with driver, torch and memory layout; on the CPU, with the C library that hands out the memory."""
    below = " ".join(platform.libc_ver()) if device.kind == "cpu" else f"driver {module_version()}"
    return CostStore(paths.costs(device.id), f"{below}, torch {importlib.metadata.version('torch')}, {LAYOUT}")
