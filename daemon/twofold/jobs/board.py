"""What `status` shows besides jobs: inboxes, devices and measured speeds; each row has one writer."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from twofold.core.errors import Reason
from twofold.core.states import InboxState
from twofold.jobs.database import writing
from twofold.jobs.row import reason_text
from twofold.jobs.schema import device, inbox, speed

# Weight of the newest measurement of a speed.
SPEED_WEIGHT: Final = 0.3


@dataclass(frozen=True, slots=True)
class InboxStanding:
    """Where an inbox stands. Paths are absolute bytes; `mode` is how changes are noticed; `ignored` counts by rule."""

    name: str
    path: bytes
    outbox: bytes
    state: InboxState
    reason: Reason | None = None
    mode: str = ""
    scan_every_s: float = 0.0
    last_scan: float | None = None
    ignored: Mapping[str, int] = field(default_factory=dict)
    volume: str = ""


@dataclass(frozen=True, slots=True)
class DeviceStanding:
    """Where a device stands; `worker` is {"pid", "state", "since"} while there is one.

    `waiting` says why no batch runs on it although there is work, and since when (epoch seconds).
    """

    id: str
    name: str
    kind: str
    total_bytes: int
    free_bytes: int
    worker: Mapping[str, Any] | None = None
    waiting: tuple[Reason, float] | None = None


class Board:
    """Writes and reads these tables, from any thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def record_inbox(self, standing: InboxStanding) -> None:
        values = {
            "name": standing.name,
            "path": standing.path,
            "outbox": standing.outbox,
            "volume": standing.volume,
            "state": standing.state.value,
            "reason": reason_text(standing.reason),
            "mode": standing.mode,
            "scan_every_s": standing.scan_every_s,
            "last_scan": standing.last_scan,
            "ignored": json.dumps(dict(standing.ignored)),
        }
        self._replace(inbox, values, inbox.c.name == standing.name)

    def keep_inboxes(self, names: Collection[str]) -> None:
        """Drop the inboxes that are not configured any more; their jobs stay."""
        with writing(self.engine) as connection:
            connection.execute(sa.delete(inbox).where(inbox.c.name.not_in(list(names))))

    def volumes(self) -> dict[str, str]:
        """The volume identity last recorded for each inbox."""
        with self.engine.connect() as connection:
            return {row.name: row.volume for row in connection.execute(sa.select(inbox.c.name, inbox.c.volume))}

    def record_device(self, standing: DeviceStanding, now: float) -> None:
        values = {
            "id": standing.id,
            "name": standing.name,
            "kind": standing.kind,
            "total_bytes": standing.total_bytes,
            "free_bytes": standing.free_bytes,
            "worker": None if standing.worker is None else json.dumps(dict(standing.worker)),
            "waiting": None,
            "updated": now,
        }
        if standing.waiting is not None:
            reason, since = standing.waiting
            values["waiting"] = json.dumps({**reason.to_json(), "since": since})
        self._replace(device, values, device.c.id == standing.id)

    def keep_devices(self, ids: Collection[str]) -> None:
        """Drop the devices that are not used any more."""
        with writing(self.engine) as connection:
            connection.execute(sa.delete(device).where(device.c.id.not_in(list(ids))))

    def record_speed(self, network: str, device_id: str, px_per_s: float, now: float) -> None:
        """Take in how many input pixels per second a pass made; a moving average, so that one bad run means little."""
        mine = (speed.c.network == network, speed.c.device == device_id)
        with writing(self.engine) as connection:
            known = connection.execute(sa.select(speed.c.px_per_s).where(*mine)).scalar()
            if known is None:
                values = {"network": network, "device": device_id, "px_per_s": px_per_s, "updated": now}
                connection.execute(sa.insert(speed).values(values))
                return
            average = known + SPEED_WEIGHT * (px_per_s - known)
            connection.execute(sa.update(speed).where(*mine).values(px_per_s=average, updated=now))

    def replace_speed(self, network: str, device_id: str, px_per_s: float, now: float) -> None:
        """Put a measurement made on purpose in the place of all earlier ones."""
        values = {"network": network, "device": device_id, "px_per_s": px_per_s, "updated": now}
        self._replace(speed, values, sa.and_(speed.c.network == network, speed.c.device == device_id))

    def speeds(self) -> dict[tuple[str, str], float]:
        """Input pixels per second by (network, device)."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(speed.c.network, speed.c.device, speed.c.px_per_s))
            return {(row.network, row.device): row.px_per_s for row in rows}

    def _replace(self, table: sa.TableClause, values: dict[str, Any], mine: sa.ColumnElement[bool]) -> None:
        with writing(self.engine) as connection:
            if connection.execute(sa.update(table).where(mine).values(values)).rowcount == 0:
                connection.execute(sa.insert(table).values(values))
