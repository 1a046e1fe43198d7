"""A new version on an old state directory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.photos import drop, photo
from tests.e2e.service import Service, sums
from twofold.jobs import migrations, schema

CONFIG = """\
recipes:
  main: {scale: 2, models: ["sleep:0.2"]}
inboxes:
  in: {path: in, outbox: out, recipe: main, settle: 0.2s}
"""
FILES = 4
DONE_TIMEOUT_S = 60


def as_schema_1(path: str) -> None:
    """Take everything away that later schemas brought: what is left is what the first version wrote."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX file_place")
        connection.execute("DROP INDEX file_owed")
        connection.execute("DROP INDEX file_finished")
        for column in ("dismissed", "owed", "after", "best_effort", "turn"):
            connection.execute(f"ALTER TABLE file DROP COLUMN {column}")
        connection.execute("ALTER TABLE device DROP COLUMN waiting")
        for table in (schema.pause, schema.backlog):
            connection.execute(f"DROP TABLE {table.name}")
        connection.execute("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_queued_and_running_jobs_outlive_an_upgrade(service: Callable[[str], Service]) -> None:
    one = service(CONFIG)
    folder, outbox = one.folder("in"), one.folder("out")
    for number in range(FILES):
        drop(folder, f"{number}.png", photo("png", 700, 600, number))
    one.start()
    one.wait_for(lambda: {"queued", "running"} <= {job["state"] for job in one.jobs().values()}, DONE_TIMEOUT_S)
    one.kill_tree()
    as_schema_1(one.database)

    refused = one.command("status")
    assert refused.returncode == 78
    assert "twofold once" in refused.stderr

    one.start()
    one.wait_until({f"{number}.png": ("done", None) for number in range(FILES)}, DONE_TIMEOUT_S)
    assert set(sums(outbox)) == {f"{number}.png" for number in range(FILES)}
    assert one.stop() == 0
    with closing(sqlite3.connect(f"{one.database}.schema-1")) as copy:
        states = {state for (state,) in copy.execute("SELECT state FROM file")}
    assert states & {"queued", "running"}  # the way back, as it was
    assert one.answer("status")["inboxes"][0]["counts"] == {"done": FILES}


@pytest.mark.parametrize("command", ["run", "once", "status", "retry"])
def test_a_ledger_of_a_newer_version_is_left_as_it_is(service: Callable[[str], Service], command: str) -> None:
    one = service(CONFIG)
    one.folder("in"), one.folder("out")
    state = one.folder("state")
    with closing(sqlite3.connect(one.database)) as connection:
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(migrations.SCHEMA_VERSION + 1),))
        connection.commit()
    before = Path(one.database).read_bytes()
    done = one.command(command, *(["--all"] if command == "retry" else []))
    assert done.returncode == 78
    assert "state_newer" in done.stderr
    assert Path(one.database).read_bytes() == before
    assert not list(state.glob("*.schema-*"))
