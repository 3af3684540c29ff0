"""Opening a database: the engine, its pragmas and the check of its revision.

SQLite runs in WAL mode with foreign keys on. Transactions are begun by hand: a write takes the
lock at once (BEGIN IMMEDIATE) and waits up to 10 s for it, instead of failing at its first row.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry.errors import MissingExtraError, SchemaVersionError, StoreError
from telemetry.schema import SCHEMA_HEAD

BUSY_TIMEOUT_MS = 10_000
_WRITE = "darkstar_write"


def connect(place: str | os.PathLike[str], *, read_only: bool) -> sa.Engine:
    """Engine of a URL, or of the path of an SQLite file.

    Raises:
        MissingExtraError: the URL's driver is not installed.
        StoreError: the URL is none.
    """
    text = os.fspath(place)
    url = sa.make_url(text) if "://" in text else sa.URL.create("sqlite", database=text)
    if url.get_backend_name() != "sqlite":
        try:
            return sa.create_engine(url, pool_pre_ping=True)
        except ModuleNotFoundError as err:
            name = url.get_backend_name()
            raise MissingExtraError(str(err.name), "mariadb", f"a store on {name}") from None
    if read_only and url.database and url.database != ":memory:":
        uri = f"{Path(url.database).absolute().as_uri()}?mode=ro"
        engine = sa.create_engine(
            url, creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False)
        )
    else:
        engine = sa.create_engine(url)
    _listen(engine, read_only=read_only)
    return engine


def _listen(engine: sa.Engine, *, read_only: bool) -> None:
    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver shall not begin transactions of its own
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(conn: sa.Connection) -> None:
        write = conn.get_execution_options().get(_WRITE, False)
        conn.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection in a transaction that holds the lock for writing."""
    options = {_WRITE: True}
    with engine.connect().execution_options(**options) as conn, conn.begin():
        yield conn


def prepare(engine: sa.Engine, store: str, *, read_only: bool) -> None:
    """Check the revision by one SELECT; migrate (which imports alembic) only where it differs.

    Raises:
        SchemaVersionError: the store is newer than this program, or older and read-only.
        StoreError: the database cannot be opened, or is not a store.
    """
    try:
        with engine.connect() as conn:
            revision = _revision(conn)
        if revision == SCHEMA_HEAD:
            return
        if read_only:
            hint = "a store opened read-only is not migrated; open it once for writing"
            raise SchemaVersionError(store, revision or "none", SCHEMA_HEAD, hint)
        _migrate(engine, store)
    except sa.exc.DatabaseError as err:
        raise StoreError(store, f"cannot be opened: {err.orig}; check path and rights") from err


def _migrate(engine: sa.Engine, store: str) -> None:
    from telemetry.migrate import upgrade  # noqa: PLC0415 - alembic takes 0.4 s to import

    with writing(engine) as conn:
        # Again, now under the lock: another process may have migrated it meanwhile.
        revision = _revision(conn)
        if revision != SCHEMA_HEAD:
            upgrade(conn, store, revision)


def _revision(conn: sa.Connection) -> str | None:
    """The revision of the store; ``None`` where there is no version table."""
    try:
        found = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as err:
        if "alembic_version" in str(err.orig):
            return None
        raise
    return None if found is None else str(found)
