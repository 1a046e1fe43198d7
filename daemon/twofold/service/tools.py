"""The tools of one device: its networks, its governor, and what making needs besides."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import structlog

from twofold.core.card import NetworkCard
from twofold.core.memory import MemoryPolicy
from twofold.core.settings import Limits
from twofold.device.cost_store import CostStore
from twofold.device.governor import DeviceGovernor
from twofold.device.host import HostProbe
from twofold.device.inventory import Device
from twofold.engine.factory import device_fault
from twofold.models.catalogue import Catalogue
from twofold.raster import Upscaler
from twofold.service.conduct import Conduct
from twofold.service.machine import Equipment
from twofold.service.making import Tools
from twofold.service.probing import codec_limits
from twofold.service.pulse import Pulse
from twofold.service.ram import Leftover, RamGate
from twofold.service.scratch import boot_id
from twofold.service.turn import DeviceTurn

log = structlog.get_logger()

BATCH_BUDGET_S = 1800.0
"""What one batch may take, or the loading of a network: a large network on a slow processor takes minutes a tile."""


STILL_POLL_S = 0.2


class LoadedNetworks:
    """The networks that this process has on its device; each is opened once, by the thread that holds the device."""

    def __init__(self, device_id: str, equipment: Equipment) -> None:
        self._device_id = device_id
        self._equipment = equipment
        self._open: dict[tuple[str, str], Upscaler] = {}

    def open(self, card: NetworkCard) -> Upscaler:
        key = card.full_name, card.sha256
        if key not in self._open:
            started_s = time.monotonic()
            self._open[key] = self._equipment.upscaler(card, self._device_id, HostProbe().usable_cpus())
            seconds = round(time.monotonic() - started_s, 3)
            log.info("network.loaded", model=card.full_name, device=self._device_id, seconds=seconds)
        return self._open[key]


def open_tools(
    device: Device,
    policy: MemoryPolicy,
    ram: MemoryPolicy,
    limits: Limits,
    catalogue: Catalogue,
    costs: CostStore,
    check: Callable[[], None],
    pulse: Pulse | None = None,
    equipment: Equipment | None = None,
    conduct: Conduct | None = None,
    patient: bool = True,
) -> Tools:
    """Nothing is loaded before the first pass. `check` raises Interrupted where the work should end.

    `policy` is for the device, `ram` for main memory, which pictures take and on the processor tiles too.
    `pulse` is the device's; without one, nobody looks. `equipment` defaults to the real device's.
    `conduct` is looked at before every batch; `patient` is for devices that have the jobs to themselves.
    """
    equipment = equipment or Equipment()
    pulse = pulse or Pulse("device", BATCH_BUDGET_S, time.monotonic)
    pulse.rest()
    loaded = LoadedNetworks(device.id, equipment)
    probe, allocator = equipment.probe(device), equipment.allocator(device)
    gate = RamGate(probe, ram, allocator) if device.kind == "cpu" else RamGate(HostProbe(), ram)
    leftover = Leftover(probe, allocator, gate.claims)
    governor = DeviceGovernor(
        leftover if device.kind == "cpu" else probe,
        leftover if device.kind == "cpu" else allocator,
        policy,
        kind=device.kind,
        device=device.id,
        clock=time.monotonic,
        capability=device.capability,
        costs=costs,
    )
    return Tools(
        card=catalogue.resolve,
        upscaler=loaded.open,
        governor=governor,
        device=DeviceTurn(on_idle=allocator.release),  # between jobs others may want what is only cached
        ram=gate,
        pulse=pulse,
        limits=codec_limits(limits),
        boot_id=boot_id(),
        check=check,
        fault_of=device_fault,
        patient=patient,
        heed=partial(_heed, conduct or Conduct(), governor, pulse, check),
    )


def _heed(conduct: Conduct, governor: DeviceGovernor, pulse: Pulse, check: Callable[[], None]) -> None:
    """Between two batches: go about the next ones as the supervisor asks, and hold still for as long as it wants."""
    while conduct.manner == "still":
        pulse.beat()
        check()
        time.sleep(STILL_POLL_S)
    governor.smallest = conduct.manner == "smallest"
