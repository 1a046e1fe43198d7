"""Opening the ledger for reading: standard library only, and never a byte written."""

from __future__ import annotations

import os
import sqlite3
from typing import Final
from urllib.parse import quote

READ_TIMEOUT_S: Final = 5.0


def open_read_only(path: str) -> sqlite3.Connection:
    """A connection that cannot write, also beside a service that does. Raises sqlite3.OperationalError."""
    uri = f"file:{quote(os.fsencode(path))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=READ_TIMEOUT_S)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except sqlite3.OperationalError:
        connection.close()
        if os.path.exists(f"{path}-wal"):
            raise
        # A file in WAL mode needs a sidecar file that a reader without write permission cannot create. No -wal: nobody
        # has the file open, so reading it as it lies is safe.
        connection = sqlite3.connect(f"{uri}&immutable=1", uri=True)
        connection.row_factory = sqlite3.Row
    return connection


def schema_version(connection: sqlite3.Connection) -> int:
    """The ledger's schema version; 0 where its tables were not created yet."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
        return 0
    return int(connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()[0])
