"""The ledger's health: read, never written, also beside a running service; standard library only."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from typing import Final

from twofold.core.checkup.state import LedgerFacts
from twofold.core.codes import Code
from twofold.core.states import State
from twofold.jobs.migrations import SCHEMA_VERSION
from twofold.jobs.read_only import open_read_only, schema_version

CHECK_S: Final = 20.0
OPCODES_BETWEEN_LOOKS: Final = 100_000


def examine(path: str) -> LedgerFacts:
    """What the file is, and whether SQLite finds damage in it within CHECK_S."""
    if not os.path.exists(path):
        return LedgerFacts(path, there=False, known_version=SCHEMA_VERSION)
    found = LedgerFacts(
        path, there=True, known_version=SCHEMA_VERSION, bytes=_size(path), wal_bytes=_size(f"{path}-wal")
    )
    try:
        with closing(open_read_only(path)) as connection:
            damage, checked = _damage(connection)
            return replace(
                found,
                version=0 if damage else schema_version(connection),
                journal=str(connection.execute("PRAGMA journal_mode").fetchone()[0]),
                damage=damage,
                checked=checked,
            )
    except sqlite3.OperationalError as error:
        return replace(found, trouble=str(error))
    except sqlite3.DatabaseError as error:
        return replace(found, damage=str(error), journal="wal")


def count_waiting(path: str, code: Code) -> int:
    """How many files wait with this code; 0 where the ledger cannot be asked."""
    if not os.path.exists(path):
        return 0
    try:
        with closing(open_read_only(path)) as connection:
            query = "SELECT count(*) FROM file WHERE current AND state = ? AND json_extract(reason, '$.code') = ?"
            return int(connection.execute(query, (State.WAITING.value, code.value)).fetchone()[0])
    except sqlite3.DatabaseError:
        return 0  # another check says what is wrong with it


def _damage(connection: sqlite3.Connection) -> tuple[str, bool]:
    """What `PRAGMA quick_check` says, empty where all is well; False where it was cut short."""
    deadline_s = time.monotonic() + CHECK_S
    connection.set_progress_handler(lambda: time.monotonic() > deadline_s, OPCODES_BETWEEN_LOOKS)
    try:
        said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError:
        if time.monotonic() > deadline_s:
            return "", False
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return ("" if said == "ok" else said.replace("\n", " ")), True


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
