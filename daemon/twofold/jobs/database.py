"""The SQLite file that holds our tables and those of DBOS."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import sqlalchemy as sa
from dbos import DBOS

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.jobs import schema
from twofold.jobs.migrations import SCHEMA_VERSION, refuse_newer
from twofold.jobs.read_only import open_read_only, schema_version

BUSY_TIMEOUT_MS: Final = 30_000
WAL_LIMIT_BYTES: Final = 64 * 2**20
POOL_CONNECTIONS: Final = 8
POOL_OVERFLOW: Final = 8

NETWORK_FILESYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "vboxsf"}
)
NETWORK_FUSE: Final = frozenset({"fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "fuse.davfs", "fuse.s3fs"})


def refuse_filesystem(fstype: str, *, fuse_ok: bool = False) -> None:
    """Raise TwofoldError(STATE_ON_NETWORK) where SQLite's locks or shared memory cannot be trusted.

    `fstype` is the name the mount table gives. `fuse_ok` is the owner's word that another FUSE file system is local.
    """
    if fstype in NETWORK_FILESYSTEMS or fstype in NETWORK_FUSE:
        raise TwofoldError(Code.STATE_ON_NETWORK, f"the state directory is on a network file system ({fstype})")
    if fstype.startswith("fuse") and not fuse_ok:
        raise TwofoldError(
            Code.STATE_ON_NETWORK,
            f"the state directory is on a FUSE file system ({fstype}), which may not be local",
            "Set state_dir to a folder on a local disk, or say that this one is local.",
        )


def prepare_database(path: str, now: float) -> None:
    """Create or migrate the file: WAL first, then our tables, then those of DBOS. A newer ledger is left untouched, of
    an older one a copy is kept beside it.

    Called once by the process that owns the state directory. Raises TwofoldError(STATE_NEWER | STATE_DAMAGED).
    """
    try:
        version = _version_untouched(path)
        refuse_newer(version)
        if 0 < version < SCHEMA_VERSION:
            _copy(path, backup_path(path, version))
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise TwofoldError(Code.STATE_ON_NETWORK, "the state directory's file system refuses SQLite's WAL mode")
    except sqlite3.DatabaseError as error:
        raise TwofoldError(Code.STATE_DAMAGED, f"the ledger cannot be opened: {error}") from error
    engine = open_engine(path)
    try:
        with writing(engine) as connection:
            schema.migrate(connection, now)
        # The client that the watcher uses never creates the tables of DBOS.
        DBOS.migrate(engine.url.render_as_string())
    finally:
        engine.dispose()


def backup_path(path: str, version: int) -> str:
    """Where the ledger of an earlier schema is kept, for the way back to the version that wrote it."""
    return f"{path}.schema-{version}"


def _copy(path: str, target: str) -> None:
    """A consistent copy, whole or not at all; an earlier one is replaced, since the ledger has moved on since."""
    unfinished = f"{target}.tmp"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as copy:
        source.backup(copy)
    os.replace(unfinished, target)


def _version_untouched(path: str) -> int:
    """The schema version, read without a byte of the file being written; 0 where there is no ledger."""
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return 0
    with closing(open_read_only(path)) as connection:
        return schema_version(connection)


def open_engine(path: str) -> sa.Engine:
    """An engine on a prepared file, with the settings that durability rests on; DBOS uses the same one."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=path), pool_size=POOL_CONNECTIONS, max_overflow=POOL_OVERFLOW
    )
    sa.event.listen(engine, "connect", _set_up_connection)
    return engine


def _set_up_connection(connection: sqlite3.Connection, _record: object) -> None:
    # IMMEDIATE: a transaction that reads before it writes must not find the file changed in between.
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A write transaction that holds the lock from its first read on; no I/O belongs inside."""
    with engine.begin() as connection:
        # sqlite3 by itself begins only at the first INSERT, UPDATE or DELETE.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
