"""The ledger's health, from files as they are found."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from tests.jobs.samples import BACKLOG, NOW, Standing, new_job
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.jobs.database import prepare_database
from twofold.jobs.health import count_waiting, examine
from twofold.jobs.migrations import SCHEMA_VERSION


def test_a_good_ledger(tmp_path: Path) -> None:
    path = str(tmp_path / "twofold.sqlite")
    assert not examine(path).there
    prepare_database(path, 0.0)
    before = os.stat(path).st_mtime_ns
    found = examine(path)
    assert (found.version, found.journal, found.damage, found.trouble) == (SCHEMA_VERSION, "wal", "", "")
    assert found.bytes > 0
    assert os.stat(path).st_mtime_ns == before


def test_a_newer_ledger(tmp_path: Path) -> None:
    path = str(tmp_path / "twofold.sqlite")
    prepare_database(path, 0.0)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    assert examine(path).version == 99


def test_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "twofold.sqlite"
    prepare_database(str(path), 0.0)
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 9] = os.urandom(4096 * 6)
    path.write_bytes(content)
    assert examine(str(path)).damage
    path.write_bytes(b"no database at all" * 99)
    assert examine(str(path)).damage


def test_files_that_wait_for_something_are_counted(state: Standing) -> None:
    job = new_job()
    state.ledger.observe(job, NOW)
    assert state.ledger.set_waiting(job.id, BACKLOG)
    assert count_waiting(state.path, Code.MISSING_EXTRA) == 0
    assert state.ledger.set_waiting(job.id, Reason(Code.MISSING_EXTRA, "HEIC pictures need the extra 'heic'"))
    assert count_waiting(state.path, Code.MISSING_EXTRA) == 1
    assert count_waiting(f"{state.path}-nowhere", Code.MISSING_EXTRA) == 0
