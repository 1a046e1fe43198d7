"""Every version of the ledger's tables, as the statements that lead to it; standard library only."""

from __future__ import annotations

from typing import Final

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
    (
        # A person's word on a job that ended badly: seen, needs nothing more.
        "ALTER TABLE file ADD COLUMN dismissed INTEGER NOT NULL DEFAULT 0",
        # What follows an end (the original's turn, notes, hooks) is still to be done; then what came of it.
        "ALTER TABLE file ADD COLUMN owed INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE file ADD COLUMN after TEXT",
        # The rename could have replaced somebody's file: no original is removed for such a result.
        "ALTER TABLE file ADD COLUMN best_effort INTEGER NOT NULL DEFAULT 0",
        # The place of a queued job among those of its priority (core.lookahead.turn_of).
        "ALTER TABLE file ADD COLUMN turn INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX file_place ON file (inbox, path)",
        "CREATE INDEX file_owed ON file (finished) WHERE owed = 1",
        "CREATE INDEX file_finished ON file (finished)",
        """CREATE TABLE pause (
            inbox TEXT PRIMARY KEY,
            until REAL,
            release_gpu INTEGER NOT NULL,
            since REAL NOT NULL
        )""",
        """CREATE TABLE backlog (
            inbox TEXT PRIMARY KEY,
            path BLOB NOT NULL,
            verdict TEXT NOT NULL,
            complete INTEGER NOT NULL,
            files INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            forecast TEXT,
            decided REAL NOT NULL
        )""",
        # Folders that an earlier version watched have no first backlog any more.
        "INSERT INTO backlog SELECT name, path, 'process', 1, 0, 0, NULL, 0 FROM inbox WHERE last_scan IS NOT NULL",
    ),
    (
        # Why a device has no worker although there is work, as JSON with the time since when.
        "ALTER TABLE device ADD COLUMN waiting TEXT",
    ),
)
SCHEMA_VERSION: Final = len(MIGRATIONS)


def refuse_newer(version: int) -> None:
    """Raise TwofoldError(STATE_NEWER) for a ledger that this program does not know."""
    if version > SCHEMA_VERSION:
        raise TwofoldError(
            Code.STATE_NEWER, f"the ledger has schema version {version}, this Twofold knows {SCHEMA_VERSION}"
        )
