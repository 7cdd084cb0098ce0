"""The SQLite file of the storage folder: how it is opened, which tables it has, and errors in words that help.

Below the store, which owns the daemon's one connection; `streamer outbox` opens a second one beside it. The schema has
a version (PRAGMA user_version) and only ever grows; a file of a newer streamer is refused rather than guessed at.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from streamer import log
from streamer.errors import StoreError

logger = log.get(__name__)
T = TypeVar("T")

DATABASE = "streamer.sqlite"
_BUSY_SECONDS = 5.0

MIGRATIONS: tuple[str, ...] = (
    # 1: what is open, what was decided, and who has to be told
    """
    CREATE TABLE open_incidents (id TEXT PRIMARY KEY, event TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE alerts (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        incident TEXT NOT NULL,
        state TEXT NOT NULL,
        camera TEXT NOT NULL,
        pipeline TEXT NOT NULL,
        kind TEXT NOT NULL,
        severity TEXT NOT NULL,
        event_at REAL NOT NULL,
        created_at REAL NOT NULL,
        event TEXT NOT NULL,
        text TEXT NOT NULL,
        snapshot TEXT,
        ready INTEGER NOT NULL
    );
    CREATE INDEX alerts_by_key ON alerts (camera, pipeline, kind, event_at);
    CREATE INDEX alerts_by_incident ON alerts (incident);
    CREATE TABLE deliveries (
        alert INTEGER NOT NULL REFERENCES alerts (seq) ON DELETE CASCADE,
        sink TEXT NOT NULL,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        expires_at REAL NOT NULL,
        changed_at REAL NOT NULL,
        error TEXT,
        PRIMARY KEY (alert, sink)
    ) WITHOUT ROWID;
    CREATE INDEX deliveries_pending ON deliveries (sink, alert) WHERE status = 'pending';
    """,
    # 2: whom the begin of an incident concerned, apart from the alerts: an end must find it after they were deleted
    """
    CREATE TABLE incidents (id TEXT PRIMARY KEY, audience TEXT NOT NULL, begun_at REAL NOT NULL) WITHOUT ROWID;
    INSERT INTO incidents (id, audience, begun_at)
        SELECT a.incident, (SELECT json_group_array(d.sink) FROM deliveries d WHERE d.alert = a.seq), a.created_at
        FROM alerts a WHERE a.state = 'begin';
    CREATE INDEX deliveries_dead ON deliveries (sink, alert) WHERE status IN ('rejected', 'expired', 'given_up');
    """,
    # 3: video evidence (clip_state is expected, ready or missing), and when a letter that stepped aside is due again
    """
    ALTER TABLE alerts ADD COLUMN clip TEXT;
    ALTER TABLE alerts ADD COLUMN clip_state TEXT;
    ALTER TABLE deliveries ADD COLUMN retry_at REAL NOT NULL DEFAULT 0;
    """,
    # 4: what was armed and disarmed: a restart must not change it
    """
    CREATE TABLE arming (
        name TEXT PRIMARY KEY, armed INTEGER NOT NULL, changed_at REAL NOT NULL, changed_by TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
)
"""One script a schema version, in order; PRAGMA user_version says how many were applied. Never change, only append."""


def connect(dir: Path, create: bool = False) -> sqlite3.Connection:
    """A connection to the folder's database; for the store itself, and for commands beside a running daemon.

    Raises:
        StoreError: there is no database yet (unless `create`).
    """
    path = dir / DATABASE
    if not create and not path.exists():
        raise StoreError(f"storage folder {dir}: no {DATABASE}; start the daemon once, or name its `storage.dir`")
    with clear_errors(dir):
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if not create:
                check_version(connection, dir)
        except BaseException:
            connection.close()
            raise
        return connection


def transact(connection: sqlite3.Connection, dir: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` between BEGIN IMMEDIATE and COMMIT; on any error nothing of it stays."""
    with clear_errors(dir):
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
            return result
        except BaseException:
            if connection.in_transaction:  # a full disk may have rolled back by itself
                connection.execute("ROLLBACK")
            raise


def migrate(connection: sqlite3.Connection, dir: Path) -> None:
    """Apply the missing schema versions, each in a transaction of its own; refuse a newer file."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise _newer(dir, version)
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        statements = [statement for statement in script.split(";") if statement.strip()]

        def step(c: sqlite3.Connection, statements: list[str] = statements, number: int = number) -> None:
            for statement in statements:  # executescript would commit first
                c.execute(statement)
            c.execute(f"PRAGMA user_version = {number}")

        transact(connection, dir, step)
        if version:
            logger.info("storage folder %s: schema %d migrated to %d", dir, number - 1, number)


def check_version(connection: sqlite3.Connection, dir: Path) -> None:
    """Refuse a schema that this version does not speak (without migrating it: that is the daemon's to do)."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise _newer(dir, version)
    if version < len(MIGRATIONS):
        raise StoreError(
            f"storage folder {dir}: schema {version} is older than {len(MIGRATIONS)}; start the daemon once to migrate"
        )


def _newer(dir: Path, version: int) -> StoreError:
    return StoreError(
        f"storage folder {dir}: schema {version} is newer than this streamer's {len(MIGRATIONS)}; "
        "upgrade streamer, or name another `storage.dir`"
    )


@contextmanager
def clear_errors(dir: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into a StoreError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"storage folder {dir}: {_words(error, dir)}") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StoreError(f"storage folder {dir}: {_full(dir) if full else error.strerror or error}") from error


def _words(error: sqlite3.Error, dir: Path) -> str:
    code = getattr(error, "sqlite_errorcode", None) or 0
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return _full(dir)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"{DATABASE} is damaged ({error}); move it away to start afresh (alerts not yet sent are in it)"
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"{DATABASE} cannot be written ({error}); check the folder's owner and whether the disk is read-only"
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{DATABASE} was locked by another process for {_BUSY_SECONDS:g} s; end what holds it"
    return f"{DATABASE}: {error}"


def _full(dir: Path) -> str:
    try:
        free = f"{shutil.disk_usage(dir).free / 2**20:.1f} MiB free"
    except OSError:
        free = "free space unknown"
    return f"the disk is full ({free}); nothing was stored; free some space"
