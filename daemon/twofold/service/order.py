"""What the supervisor tells a worker when it starts it: one JSON object on its standard input."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from fractions import Fraction

from twofold.core.memory import DeviceKind, MemoryPolicy
from twofold.core.recipe import OnExists
from twofold.core.settings import Limits, Settings
from twofold.device.inventory import Device
from twofold.service.paths import StatePaths

SHORT_IDLE_EXIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Outbox:
    """Where one inbox's results go. Paths are str with surrogate escapes (os.fsdecode)."""

    path: str
    on_exists: OnExists


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """Everything a worker process needs; it reads no configuration file of its own.

    `others` are the ids of the other devices of this service.
    """

    state: str
    scratch: str
    config_dir: str
    device_id: str
    device_kind: DeviceKind
    capability: tuple[int, int] | None
    keep_free_bytes: int | None
    use_at_most: Fraction
    ram_use_at_most: Fraction
    limits: Limits
    idle_exit_s: float
    outboxes: dict[str, Outbox]
    log_json: bool
    log_level: str
    watchdog_s: float
    alone: bool = False
    others: tuple[str, ...] = ()

    @property
    def policy(self) -> MemoryPolicy:
        return MemoryPolicy(self.keep_free_bytes, self.use_at_most)

    @property
    def ram(self) -> MemoryPolicy:
        """What the pictures of this worker may take of main memory."""
        return MemoryPolicy(use_at_most=self.ram_use_at_most)

    def to_json(self) -> str:
        shares = {"use_at_most": str(self.use_at_most), "ram_use_at_most": str(self.ram_use_at_most)}
        return json.dumps(asdict(self) | shares)

    @classmethod
    def from_json(cls, text: str) -> WorkerOrder:
        data = json.loads(text)
        for share in ("use_at_most", "ram_use_at_most"):
            data[share] = Fraction(data[share])
        data["capability"] = None if data["capability"] is None else tuple(data["capability"])
        data["others"] = tuple(data["others"])
        data["limits"] = Limits(**data["limits"])
        data["outboxes"] = {name: Outbox(**outbox) for name, outbox in data["outboxes"].items()}
        return cls(**data)


def order_of(
    settings: Settings,
    paths: StatePaths,
    device: Device,
    *,
    alone: bool,
    drain: bool,
    log_json: bool,
    log_level: str,
    watchdog_s: float,
    workers: int = 1,
) -> WorkerOrder:
    """What a worker on this device, one of so many, is told by these settings; `alone` and `drain` let it end soon."""
    policy = settings.policy((device.id, device.alias), device.kind)
    return WorkerOrder(
        state=paths.state,
        scratch=paths.scratch,
        config_dir=os.path.dirname(settings.source or ""),
        device_id=device.id,
        device_kind=device.kind,
        capability=device.capability,
        keep_free_bytes=policy.keep_free_bytes,
        use_at_most=policy.use_at_most,
        ram_use_at_most=settings.ram_use_at_most / workers,
        limits=settings.limits,
        # A worker for lone jobs holds up all others: it lingers as little as one that drains.
        idle_exit_s=SHORT_IDLE_EXIT_S if drain or alone else settings.idle_exit_s,
        outboxes={
            inbox.name: Outbox(os.fsdecode(inbox.outbox), inbox.on_exists) for inbox in settings.inboxes.values()
        },
        log_json=log_json,
        log_level=log_level,
        alone=alone,
        watchdog_s=watchdog_s,
    )
