"""The ledger's tables and the forward migrations that lead to them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError

# Each entry leads from version i to i + 1 and is never edited once released.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE file (
            id TEXT PRIMARY KEY,
            inbox TEXT NOT NULL,
            path BLOB NOT NULL,
            volume TEXT NOT NULL DEFAULT '',
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            ctime_ns INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            current INTEGER NOT NULL,
            state TEXT NOT NULL,
            reason TEXT,
            recipe TEXT NOT NULL,
            recipe_hash TEXT NOT NULL,
            generation INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            deaths INTEGER NOT NULL,
            alone INTEGER NOT NULL,
            priority INTEGER NOT NULL,
            next_at REAL,
            boot_id TEXT NOT NULL,
            sha256 TEXT,
            pictures TEXT NOT NULL,
            reserved BLOB,
            intent TEXT,
            output_path BLOB,
            output_sha256 TEXT,
            output_size INTEGER,
            output_mtime_ns INTEGER,
            worker TEXT,
            created REAL NOT NULL,
            started REAL,
            finished REAL,
            seconds TEXT NOT NULL
        )""",
        "CREATE UNIQUE INDEX file_current ON file (inbox, path) WHERE current = 1",
        "CREATE INDEX file_state ON file (state)",
        "CREATE INDEX file_content ON file (sha256, recipe_hash) WHERE sha256 IS NOT NULL",
        """CREATE TABLE reservation (
            outbox TEXT NOT NULL,
            key BLOB NOT NULL,
            job_id TEXT NOT NULL REFERENCES file (id),
            PRIMARY KEY (outbox, key)
        )""",
        "CREATE INDEX reservation_job ON reservation (job_id)",
        """CREATE TABLE inbox (
            name TEXT PRIMARY KEY,
            path BLOB NOT NULL,
            outbox BLOB NOT NULL,
            volume TEXT NOT NULL,
            state TEXT NOT NULL,
            reason TEXT,
            mode TEXT NOT NULL,
            scan_every_s REAL NOT NULL,
            last_scan REAL,
            ignored TEXT NOT NULL
        )""",
        """CREATE TABLE device (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            total_bytes INTEGER NOT NULL,
            free_bytes INTEGER NOT NULL,
            worker TEXT,
            updated REAL NOT NULL
        )""",
        """CREATE TABLE speed (
            network TEXT NOT NULL,
            device TEXT NOT NULL,
            px_per_s REAL NOT NULL,
            updated REAL NOT NULL,
            PRIMARY KEY (network, device)
        )""",
    ),
)
SCHEMA_VERSION: Final = len(MIGRATIONS)


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


# Only what statements name; a test holds these columns and the migrations together.
file = _table(
    "file",
    *("id", "inbox", "path", "volume", "size", "mtime_ns", "ctime_ns", "inode", "current", "state", "reason"),
    *("recipe", "recipe_hash", "generation", "attempts", "deaths", "alone", "priority", "next_at", "boot_id"),
    *("sha256", "pictures", "reserved", "intent", "output_path", "output_sha256", "output_size", "output_mtime_ns"),
    *("worker", "created", "started", "finished", "seconds"),
)
reservation = _table("reservation", "outbox", "key", "job_id")
inbox = _table(
    "inbox",
    *("name", "path", "outbox", "volume", "state", "reason", "mode", "scan_every_s", "last_scan", "ignored"),
)
device = _table("device", "id", "name", "kind", "total_bytes", "free_bytes", "worker", "updated")
speed = _table("speed", "network", "device", "px_per_s", "updated")


def version_of(connection: sa.Connection) -> int:
    """The schema version of an open database; 0 where there is none yet."""
    if not sa.inspect(connection).has_table("meta"):
        return 0
    return int(connection.execute(sa.text("SELECT value FROM meta WHERE key = 'schema_version'")).scalar_one())


def refuse_newer(version: int) -> None:
    """Raise TwofoldError(STATE_NEWER) for a ledger that this program does not know."""
    if version > SCHEMA_VERSION:
        raise TwofoldError(
            Code.STATE_NEWER, f"the ledger has schema version {version}, this Twofold knows {SCHEMA_VERSION}"
        )


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
