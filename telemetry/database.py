"""Opening a database: the engine, its pragmas and the check of its revision.

SQLite runs in WAL mode with foreign keys on. Transactions are begun by hand: a write takes the
lock at once (BEGIN IMMEDIATE) and waits up to 10 s for it, instead of failing at its first row.

MariaDB is given 2 s to take a connection and 60 s to answer; a connection that died while idle is
replaced, and a text that does not fit is refused, whatever the mode of the server. To another
machine it is TLS with a certificate that is trusted and bears its name (option ``ssl_ca`` of the
URL: the authority's PEM file), unless the option ``allow_plaintext=true`` gives that up.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry.errors import (
    MissingExtraError,
    SchemaVersionError,
    StoreBusyError,
    StoreError,
    StoreUnreachableError,
    TelemetryError,
)
from telemetry.schema import SCHEMA_HEAD
from telemetry.server_tls import driver_guard, is_this_machine, tls_context, tls_error

BUSY_TIMEOUT_MS = 10_000
# Seconds; what the URL says instead counts.
_TIMEOUTS = {"connect_timeout": 2, "read_timeout": 60, "write_timeout": 60}
_PLAINTEXT, _AUTHORITY = "allow_plaintext", "ssl_ca"
NEWER = "a newer Darkstar wrote it; update this one, or open a copy made before"
_OLDER = "an older Darkstar wrote it; darkstar upgrade copies it and brings it to this one"
_OLDER_SERVER = (
    "an older Darkstar wrote it; make a backup of the database (mariadb-dump), then "
    "darkstar upgrade --backed-up brings it to this one"
)
_LOCK_SECONDS = 30
_WRITE = "darkstar_write"
_BACKEND = re.compile(r"[a-z0-9]+(\+[a-z0-9_]+)?")
_WANT = (
    "want a path, sqlite:///PATH or mysql+pymysql://USER:PASSWORD@HOST:PORT/DATABASE, "
    "with @ : / in the password as %40 %3A %2F"
)
# SQLITE_BUSY, SQLITE_LOCKED; of MariaDB: connections used up, lock wait, deadlock, time limits.
_BUSY = frozenset({5, 6, 1040, 1205, 1213, 1969, 3024})
# CR_CONNECTION_ERROR, CR_CONN_HOST_ERROR, CR_SERVER_GONE_ERROR, CR_SERVER_LOST of MariaDB.
_UNREACHABLE = frozenset({2002, 2003, 2006, 2013})
_NO_TLS = 2026
_CURES = {
    8: "it is read-only; check the rights of the file and its folder",
    10: "the disk is full or does not answer as it should; check its room and its mount",
    11: "it is damaged; put a copy in its place",
    13: "the disk is full; free some space and repeat",
    14: (
        "it is not there yet, and darkstar record or darkstar import FILE makes it; or its path or "
        "rights are wrong"
    ),
    26: "it is another file; check the path",
    1021: "the disk of the server is full; free some space and repeat",
    4047: "set innodb_read_only_compressed = OFF there",
    _NO_TLS: (
        "nothing was sent; to another machine it must be TLS with a certificate that is trusted "
        "and bears its name: end the URL with ?ssl_ca=/path/ca.pem, or give TLS up with "
        "?allow_plaintext=true"
    ),
    1114: "the table or the disk of the server is full; free some space and repeat",
}


def connect(place: str | os.PathLike[str], *, read_only: bool) -> sa.Engine:
    """Engine of a URL, or of the path of an SQLite file.

    Raises:
        MissingExtraError: the URL's driver is not installed.
        StoreError: the URL is none; nothing of it after ``://`` is told, it may be a password.
    """
    text = os.fspath(place)
    backend = text.partition("://")[0] if "://" in text else "sqlite"
    backend = backend if _BACKEND.fullmatch(backend) else "that URL"
    try:
        url = sa.make_url(text) if "://" in text else sa.URL.create("sqlite", database=text)
        engine = _engine(url, read_only=read_only)
    except ModuleNotFoundError as err:
        if err.name == "pymysql":
            raise MissingExtraError("pymysql", "mariadb", f"a store on {backend}") from None
        raise StoreError(backend, f"its driver {err.name} is not installed; {_WANT}") from None
    except (sa.exc.ArgumentError, ValueError, TypeError):
        raise StoreError(backend, f"is no URL of a store; {_WANT}") from None
    if engine.dialect.is_async or not _told_apart(engine.url):
        raise StoreError(backend, f"is no URL of a store; {_WANT}")
    return engine


def _engine(url: sa.URL, *, read_only: bool) -> sa.Engine:
    """Engine of a URL; nothing is opened yet."""
    is_file = url.get_backend_name() == "sqlite"
    # The driver would ignore options of an SQLite URL; what is opened how is decided here.
    if url.get_backend_name() not in ("sqlite", "mysql", "mariadb") or (is_file and url.query):
        raise sa.exc.ArgumentError
    if not is_file:
        return _server_engine(url)
    if read_only and url.database and url.database != ":memory:":
        uri = f"{Path(url.database).absolute().as_uri()}?mode=ro"
        engine = sa.create_engine(
            url, creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False)
        )
    else:
        engine = sa.create_engine(url)
    _listen(engine, read_only=read_only)
    return engine


def _server_engine(url: sa.URL) -> sa.Engine:
    open_anywhere = _flag(url.query.get(_PLAINTEXT, "false"))
    url = url.difference_update_query([_PLAINTEXT])
    if url.get_driver_name() != "pymysql":
        sa.create_engine(url)  # says which driver is missing
        raise sa.exc.ArgumentError
    extra: dict[str, Any] = {
        name: value for name, value in _TIMEOUTS.items() if name not in url.query
    }
    guard = _guard(url, open_anywhere=open_anywhere)
    engine = sa.create_engine(url, pool_pre_ping=True, connect_args=extra | guard)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(
            "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES')"
        )
        cursor.close()

    return engine


def _guard(url: sa.URL, *, open_anywhere: bool) -> dict[str, Any]:
    """Options of the driver that keep a login from going over the network in the open.

    What else an option of the URL says of TLS is refused: it could only take from that.

    Raises:
        StoreError: ``ssl_ca`` is no file of certificates.
    """
    if any(name.startswith("ssl") and name != _AUTHORITY for name in url.query):
        raise sa.exc.ArgumentError
    (_, options) = url.get_dialect()().create_connect_args(url)
    # A file of options could name any host.
    here = "read_default_file" not in options and (
        "unix_socket" in options or is_this_machine(options.get("host", "localhost"))
    )
    authority = url.query.get(_AUTHORITY)
    if authority is None and (here or open_anywhere):
        return driver_guard(None)
    try:
        return driver_guard(tls_context(authority if isinstance(authority, str) else None))
    except (OSError, ValueError) as err:
        raise StoreError(url.drivername, f"its {_AUTHORITY} is no file of certificates") from err


def _flag(text: object) -> bool:
    """Whether an option of a URL is true.

    Raises:
        ArgumentError: it is neither that nor false.
    """
    if text not in ("true", "false"):
        raise sa.exc.ArgumentError
    return text == "true"


def _told_apart(url: sa.URL) -> bool:
    """Whether no ``@`` of a password went into the name of the server or the database."""
    is_file = url.get_backend_name() == "sqlite"
    return is_file or "@" not in f"{url.host}{url.database}{url.username}{url.query}"


def shown(url: sa.URL) -> str:
    """A place as messages show it: without user, password and options."""
    return sa.URL.create(
        url.drivername, host=url.host, port=url.port, database=url.database
    ).render_as_string(hide_password=True)


@contextmanager
def faults_told(store: str) -> Iterator[None]:
    """Tell what the database refused in the words of this package.

    Raises:
        StoreBusyError: a lock or a time limit.
        StoreError: anything else; the original is its cause.
    """
    try:
        yield
    except sa.exc.DBAPIError as err:
        raise _fault(store, err) from err
    except sa.exc.StatementError as err:
        if isinstance(err.orig, TelemetryError):  # a parameter was refused, not the statement
            raise err.orig from None
        raise


def _fault(store: str, err: sa.exc.DBAPIError) -> StoreError:
    code, said = _code(err.orig), " ".join(str(err.orig).split())
    if code in _BUSY:
        cure = "another process holds it; try again when that has finished"
        return StoreBusyError(store, f"is busy: {said}; {cure}")
    if tls_error(err.orig) is not None:
        code = _NO_TLS
    elif code in _UNREACHABLE:
        cure = "check host and port of store.url and, for a server, that it runs; then try again"
        return StoreUnreachableError(store, f"cannot be used: {said}; {cure}")
    cure = _CURES.get(code, "check path, rights and, for a server, that it runs")
    return StoreError(store, f"cannot be used: {said}; {cure}")


def cure_of(fault: BaseException) -> str:
    """What to do about a fault of a driver; "" where nobody knows."""
    return _CURES.get(_code(fault), "")


def _code(orig: BaseException | None) -> int:
    """Primary result code of SQLite, or the error number of MariaDB; 0 where there is none."""
    if isinstance(orig, sqlite3.Error):
        return getattr(orig, "sqlite_errorcode", 0) & 0xFF
    first = orig.args[0] if orig is not None and orig.args else 0
    return first if isinstance(first, int) else 0


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
    """Check the revision by one SELECT; give an empty database its tables (which imports alembic).

    Raises:
        SchemaVersionError: the store is newer than this program, or older, or empty and read-only.
        StoreBusyError: another process holds the database.
        StoreError: the database cannot be opened, or is not a store.
    """
    with faults_told(store):
        try:
            first = engine.connect()
        except (TypeError, ValueError):
            raise StoreError(store, f"its path or options are none; {_WANT}") from None
        with first as conn:
            revision = _revision(conn)
        if revision is None and not read_only:
            revision = _made(engine, store)
        check(engine, store, revision)


def check(engine: sa.Engine, store: str, revision: str | None) -> None:
    """Refuse a revision other than that of this program.

    Raises:
        SchemaVersionError: it is another one.
    """
    if revision == SCHEMA_HEAD:
        return
    hint = "a store opened read-only is not migrated; open it once for writing"
    if revision is not None and revision > SCHEMA_HEAD:
        hint = NEWER
    elif revision is not None:
        hint = _OLDER if engine.dialect.name == "sqlite" else _OLDER_SERVER
    raise SchemaVersionError(store, revision or "none", SCHEMA_HEAD, hint)


def _made(engine: sa.Engine, store: str) -> str:
    """Make the tables of an empty database; return the revision that it then has."""
    from telemetry.migrate import upgrade  # noqa: PLC0415 - alembic takes 0.4 s to import

    with migrating(engine, store) as (conn, revision):
        if revision is not None:  # another process has made them meanwhile
            return revision
        upgrade(conn, store, None)
        return SCHEMA_HEAD


@contextmanager
def migrating(engine: sa.Engine, store: str) -> Iterator[tuple[sa.Connection, str | None]]:
    """A transaction that holds the lock for writing, and the revision: no other one migrates now.

    Raises:
        StoreBusyError: another one does, or writes, for too long.
    """
    with _alone(engine, store), writing(engine) as conn:
        yield conn, _revision(conn)


@contextmanager
def _alone(engine: sa.Engine, store: str) -> Iterator[None]:
    """Let one process migrate at a time; on SQLite the lock for writing sees to that.

    Raises:
        StoreBusyError: another one does, for longer than half a minute.
    """
    if engine.dialect.name == "sqlite":
        yield
        return
    # By a connection of its own: the lock must outlast the transaction of the migration.
    name = "CONCAT('darkstar.', MD5(DATABASE()))"
    with engine.connect() as conn:
        got = conn.exec_driver_sql(f"SELECT GET_LOCK({name}, {_LOCK_SECONDS})").scalar()
        if got != 1:
            raise StoreBusyError(store, "is being migrated by another process; try again later")
        try:
            yield
        finally:
            conn.invalidate()  # closed, not pooled: that gives the lock back


def _revision(conn: sa.Connection) -> str | None:
    """The revision of the store; ``None`` where there is no version table."""
    try:
        found = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as err:
        if "alembic_version" in str(err.orig):
            return None
        raise
    return None if found is None else str(found)
