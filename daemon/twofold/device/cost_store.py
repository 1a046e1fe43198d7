"""What was learnt of networks on one device, kept from one process to the next."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from twofold.core.memory import DType

SCHEMA = 1
MAX_RECORDS = 64
"""Networks in their number formats; the ones that were not kept for longest go."""


def record_key(sha256: str, dtype: DType) -> str:
    """A network in a number format."""
    return f"{sha256}/{dtype}"


class CostStore:
    """One JSON file; a damaged or missing one is an empty one, since all of it can be measured again.

    Records hold for one `scope` alone (driver, torch, memory layout): another scope's are forgotten when one is kept.
    Written whole and renamed, so that a reader never sees half of it. Keys are those of `record_key`.
    """

    def __init__(self, path: str, scope: str) -> None:
        self._path = path
        self._scope = scope

    def find(self, key: str) -> dict[str, Any] | None:
        """The record kept last under `key`."""
        found = self._records().get(key)
        return found if isinstance(found, dict) else None

    def keep(self, key: str, record: dict[str, Any]) -> None:
        """Replace the record of `key`; a disk that refuses costs no more than measuring again."""
        records = self._records()
        records.pop(key, None)
        records[key] = record
        kept = dict(list(records.items())[-MAX_RECORDS:])
        text = json.dumps({"schema": SCHEMA, "scope": self._scope, "records": kept}, indent=1)
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(self._path), delete=False) as file:
                file.write(text)
            os.replace(file.name, self._path)
        except OSError:
            return

    def _records(self) -> dict[str, Any]:
        try:
            with open(self._path, encoding="utf-8") as file:
                data = json.load(file)
        except (OSError, ValueError):
            return {}
        if not isinstance(data, dict) or data.get("schema") != SCHEMA or data.get("scope") != self._scope:
            return {}
        records = data.get("records")
        return records if isinstance(records, dict) else {}
