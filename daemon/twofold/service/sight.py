"""What the watcher knows of its devices: which of them answer, and how much memory they have."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from twofold.core.errors import Reason, TwofoldError
from twofold.core.memory import MemoryReading
from twofold.core.protocols import MemoryProbe
from twofold.core.settings import Settings
from twofold.device.inventory import Device, Inventory, choose_devices, missing_devices
from twofold.service.torch_devices import find_devices

log = structlog.get_logger()

FAILED_LOOK_EVERY_S = 2.0
"""How soon a device that failed is looked at again."""

HOPELESS_FAILURES = 10
"""Looks in a row without an answer."""

MISSED_LOOK_EVERY_S = 30.0
"""How soon devices are looked for that were not there at the start; each look asks all of them."""


@dataclass(slots=True)
class _Seen:
    reason: Reason | None = None
    look_at_s: float = 0.0
    failures: int = 0


class Sight:
    """Reads the memory of devices, and tells the log where one fails and when it is back, once for each change.

    For one thread. It makes no CUDA context, which would take device memory for as long as the service runs.
    """

    def __init__(
        self,
        probe: Callable[[Device], MemoryProbe],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe = probe
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def read(self, device: Device) -> MemoryReading | None:
        """None where the device does not answer: it cannot be used now."""
        seen = self._seen.setdefault(device.id, _Seen())
        if seen.reason is not None and self._clock() < seen.look_at_s:
            return None
        try:
            reading = self._probe(device).read()
        except TwofoldError as error:
            if seen.reason is None or seen.reason.text != error.reason.text:
                log.error("device.failed", device=device.id, text=error.reason.text, hint=error.reason.hint)
            seen.reason, seen.look_at_s = error.reason, self._clock() + FAILED_LOOK_EVERY_S
            seen.failures += 1
            return None
        if seen.reason is not None:
            log.info("device.recovered", device=device.id)
            seen.reason, seen.failures = None, 0
        return reading

    def hopeless(self, device: Device) -> bool:
        """True where the device has not answered for so many looks that nothing can be expected of it soon."""
        seen = self._seen.get(device.id)
        return seen is not None and seen.failures >= HOPELESS_FAILURES

    def failures(self, device: Device) -> int:
        """How many looks in a row it has not answered."""
        seen = self._seen.get(device.id)
        return 0 if seen is None else seen.failures

    def trouble(self, device: Device) -> Reason | None:
        """Why the device could not be used when it was last looked at."""
        seen = self._seen.get(device.id)
        return None if seen is None else seen.reason


class Roster:
    """The devices that the settings ask for; while some of them are missing, they are looked for again.

    Where there is none, jobs stay queued until there is one, if the settings say so; who drains never waits.
    """

    def __init__(
        self,
        settings: Settings,
        inventory: Callable[[], Inventory],
        *,
        drain: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = "auto" if settings.devices is None else [device.id for device in settings.devices]
        self._wait = settings.on_no_device == "wait" and not drain
        self._inventory = inventory
        self._clock = clock
        self._looked = False
        self._told = ""
        self._look_at_s: float | None = None

    @property
    def due(self) -> bool:
        """True where it is time to look again for what was missing."""
        return self._look_at_s is not None and self._clock() >= self._look_at_s

    def choose(self) -> tuple[Device, ...]:
        """The devices there are, now. Raises TwofoldError(NO_DEVICE) where there is none and nobody waits."""
        # torch is asked once: what it does not see at the start takes a person, who starts the service again.
        inventory = self._inventory() if self._looked else find_devices(self._wanted, self._inventory)
        self._looked = True
        try:
            chosen = choose_devices(self._wanted, inventory, wait=self._wait)
        except TwofoldError as error:
            if not self._wait:
                raise
            # Jobs stay queued: a GPU box never turns quietly into a CPU box.
            if self._news(error.reason.text):
                log.error("device.lost", text=error.reason.text, hint=error.reason.hint)
            return ()
        text = missing_devices(self._wanted, inventory)
        if self._news(text) and text:
            log.error("device.missed", text=text, hint=inventory.hint)
        return chosen

    def _news(self, text: str) -> bool:
        """Look again while something is missing; True where it is not what was missing before."""
        self._look_at_s = self._clock() + MISSED_LOOK_EVERY_S if text else None
        told, self._told = self._told, text
        return text != told
