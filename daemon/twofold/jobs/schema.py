"""The ledger's tables as statements name them, and how a database file gets them."""

from __future__ import annotations

import sqlalchemy as sa

from twofold.jobs.migrations import MIGRATIONS, SCHEMA_VERSION, refuse_newer


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


# Only what statements name; a test holds these columns and the migrations together.
file = _table(
    "file",
    *("id", "inbox", "path", "volume", "size", "mtime_ns", "ctime_ns", "inode", "current", "state", "reason"),
    *("recipe", "recipe_hash", "generation", "attempts", "deaths", "alone", "priority", "next_at", "boot_id"),
    *("sha256", "pictures", "reserved", "intent", "output_path", "output_sha256", "output_size", "output_mtime_ns"),
    *("worker", "created", "started", "finished", "seconds", "dismissed", "owed", "after", "best_effort", "turn"),
)
reservation = _table("reservation", "outbox", "key", "job_id")
inbox = _table(
    "inbox",
    *("name", "path", "outbox", "volume", "state", "reason", "mode", "scan_every_s", "last_scan", "ignored"),
)
device = _table("device", "id", "name", "kind", "total_bytes", "free_bytes", "worker", "updated", "waiting")
pause = _table("pause", "inbox", "until", "release_gpu", "since")
backlog = _table("backlog", "inbox", "path", "verdict", "complete", "files", "bytes", "forecast", "decided")
speed = _table("speed", "network", "device", "px_per_s", "updated")


def version_of(connection: sa.Connection) -> int:
    """The schema version of an open database; 0 where there is none yet."""
    if not sa.inspect(connection).has_table("meta"):
        return 0
    return int(connection.execute(sa.text("SELECT value FROM meta WHERE key = 'schema_version'")).scalar_one())


def migrate(connection: sa.Connection, now: float) -> None:
    """Bring our tables to `SCHEMA_VERSION` inside the caller's write transaction. Raises TwofoldError(STATE_NEWER)."""
    version = version_of(connection)
    refuse_newer(version)
    if version == 0:
        connection.exec_driver_sql("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.execute(sa.text("INSERT INTO meta VALUES ('created', :now)"), {"now": str(now)})
        connection.exec_driver_sql("INSERT INTO meta VALUES ('schema_version', '0')")
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            connection.exec_driver_sql(statement)
    connection.execute(
        sa.text("UPDATE meta SET value = :version WHERE key = 'schema_version'"), {"version": str(SCHEMA_VERSION)}
    )
