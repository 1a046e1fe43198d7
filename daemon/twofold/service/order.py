"""What the supervisor tells a worker when it starts it: one JSON object on its standard input."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from fractions import Fraction

from twofold.core.memory import DeviceKind, MemoryPolicy
from twofold.core.recipe import OnExists
from twofold.core.settings import Limits


@dataclass(frozen=True, slots=True)
class Outbox:
    """Where one inbox's results go. Paths are str with surrogate escapes (os.fsdecode)."""

    path: str
    on_exists: OnExists


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """Everything a worker process needs; it reads no configuration file of its own."""

    state: str
    scratch: str
    config_dir: str
    device_id: str
    device_kind: DeviceKind
    capability: tuple[int, int] | None
    keep_free_bytes: int | None
    use_at_most: Fraction
    ram_bytes: int
    limits: Limits
    idle_exit_s: float
    outboxes: dict[str, Outbox]
    log_json: bool
    log_level: str
    watchdog_s: float
    alone: bool = False

    @property
    def policy(self) -> MemoryPolicy:
        return MemoryPolicy(self.keep_free_bytes, self.use_at_most)

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"use_at_most": str(self.use_at_most)})

    @classmethod
    def from_json(cls, text: str) -> WorkerOrder:
        data = json.loads(text)
        data["use_at_most"] = Fraction(data["use_at_most"])
        data["capability"] = None if data["capability"] is None else tuple(data["capability"])
        data["limits"] = Limits(**data["limits"])
        data["outboxes"] = {name: Outbox(**outbox) for name, outbox in data["outboxes"].items()}
        return cls(**data)
