"""The file, its settings and its migrations."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.jobs.samples import NOW, Standing, enqueue, new_job
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.jobs import migrations, schema
from twofold.jobs.backlogs import Backlogs
from twofold.jobs.database import backup_path, open_engine, prepare_database, refuse_filesystem, writing


@pytest.mark.parametrize("fstype", ["nfs4", "cifs", "9p", "fuse.sshfs", "fuse.mergerfs", "fuseblk"])
def test_a_file_system_that_sqlite_cannot_trust_is_refused(fstype: str) -> None:
    with pytest.raises(TwofoldError) as caught:
        refuse_filesystem(fstype)
    assert caught.value.code is Code.STATE_ON_NETWORK
    assert fstype in str(caught.value)


def test_the_owners_word_lets_other_fuse_pass_but_never_a_network() -> None:
    refuse_filesystem("ext4")
    refuse_filesystem("fuse.mergerfs", fuse_ok=True)
    with pytest.raises(TwofoldError):
        refuse_filesystem("fuse.sshfs", fuse_ok=True)


def test_every_connection_is_durable(state: Standing) -> None:
    with state.engine.connect() as one, state.engine.connect() as other:
        for connection in (one, other):
            asked = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_preparing_again_changes_nothing(state: Standing) -> None:
    job_id = enqueue(state, new_job())
    prepare_database(state.path, NOW + 1)
    assert state.ledger.get(job_id).id == job_id
    with state.engine.connect() as connection:
        assert schema.version_of(connection) == migrations.SCHEMA_VERSION
        assert connection.execute(sa.text("SELECT value FROM meta WHERE key = 'created'")).scalar() == str(NOW)


def test_the_tables_that_statements_name_are_those_of_the_migrations(state: Standing) -> None:
    inspector = sa.inspect(state.engine)
    for table in (
        schema.file,
        schema.reservation,
        schema.inbox,
        schema.device,
        schema.pause,
        schema.backlog,
        schema.speed,
    ):
        assert [column.name for column in table.columns] == [c["name"] for c in inspector.get_columns(table.name)]


def test_an_odd_path_is_no_trouble(tmp_path: Path) -> None:
    folder = tmp_path / "a b?mode=ro&x=1%20#é"
    folder.mkdir()
    path = str(folder / "ledger.sqlite")
    prepare_database(path, NOW)
    prepare_database(path, NOW)
    assert {entry.name for entry in tmp_path.iterdir()} == {folder.name}
    engine = open_engine(path)
    assert {"file", "workflow_status"} <= set(sa.inspect(engine).get_table_names())
    engine.dispose()


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_newer_ledger_is_left_untouched(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.execute("INSERT INTO meta VALUES ('schema_version', '999')")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(TwofoldError) as caught:
        prepare_database(str(path), NOW)
    assert caught.value.code is Code.STATE_NEWER
    assert path.read_bytes() == before


def test_an_older_ledger_is_migrated_and_a_copy_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [("schema_version", "1"), ("created", "5")])
        for statement in migrations.MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO inbox VALUES ('photos', ?, ?, '', 'ok', NULL, 'events', 60, 7, '{}')", (b"/in", b"/out")
        )
        connection.commit()
    prepare_database(str(path), NOW)
    with closing(sqlite3.connect(backup_path(str(path), 1))) as copy:
        assert copy.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == ("1",)
    engine = open_engine(str(path))
    known = Backlogs(engine).get("photos", b"/in")
    assert known is not None
    assert (known.verdict, known.complete) == ("process", True)  # what lay there is no first backlog any more
    assert Backlogs(engine).get("photos", b"/elsewhere") is None
    engine.dispose()


def test_a_file_that_is_no_database_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, whatever its name says" * 100)
    before = path.read_bytes()
    with pytest.raises(TwofoldError) as caught:
        prepare_database(str(path), NOW)
    assert caught.value.code is Code.STATE_DAMAGED
    assert path.read_bytes() == before


def test_a_writer_that_fails_leaves_nothing_behind(state: Standing) -> None:
    with pytest.raises(ZeroDivisionError), writing(state.engine) as connection:  # noqa: PT012
        connection.execute(sa.text("INSERT INTO meta VALUES ('half', 'done')"))
        raise ZeroDivisionError
    with state.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM meta WHERE key = 'half'")).scalar() == 0
