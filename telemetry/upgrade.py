"""Bringing a store of an older Darkstar to the schema of this one.

    found = upgrade_store("darkstar.sqlite", copy_to=Path("before.sqlite"))

On SQLite it is one transaction that holds the lock for writing: first the copy, which is therefore
exactly what is migrated, then the migrations. Whatever ends it early, an error, a kill or a power
cut, leaves the store as it was. On MariaDB every change of a table commits by itself: what was cut
off is finished by the next try, and the backup is its caller's. Nobody else may be at work with
the store: its caller sees to that, too.
"""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa

from telemetry.database import check, connect, faults_told, migrating, shown
from telemetry.errors import MigrationError, SchemaVersionError
from telemetry.schema import SCHEMA_HEAD
from telemetry.store_copy import copy_store, store_file

__all__ = ["upgrade_store"]


def upgrade_store(place: str | os.PathLike[str], *, copy_to: Path | None = None) -> str:
    """Migrate a store; return the schema that it had, which may be this program's own.

    Args:
        place: path of an SQLite file, or an SQLAlchemy URL.
        copy_to: where the file of a store is copied to before anything is changed; not where it has
            the schema of this program already. A server's store is not copied.

    Raises:
        SchemaVersionError: a newer Darkstar wrote it, or there is nothing in it.
        CopyError: no copy can be made, so nothing was changed.
        MigrationError: it failed; the message names the copy.
        StoreBusyError: another process writes, or migrates it.
    """
    engine, source = connect(place, read_only=False), store_file(place)
    store = shown(engine.url)
    try:
        with faults_told(store), migrating(engine, store) as (conn, found):
            if found is None or found >= SCHEMA_HEAD:
                check(engine, store, found)
                return SCHEMA_HEAD
            if copy_to is not None and source is not None:
                copy_store(source, copy_to)
            _migrate(conn, store, found, copy_to)
            return found
    finally:
        engine.dispose()


def _migrate(conn: sa.Connection, store: str, found: str, copy: Path | None) -> None:
    from telemetry.migrate import upgrade  # noqa: PLC0415 - alembic takes 0.4 s to import

    try:
        upgrade(conn, store, found)
    except SchemaVersionError:
        raise
    except Exception as err:
        cause = err.orig if isinstance(err, sa.exc.DBAPIError) and err.orig else err
        said = " ".join(f"{type(cause).__name__}: {cause}".split())
        left = "the store is as it was"
        if conn.dialect.name != "sqlite":
            left = "it may be half way: run it again when that is mended, or restore the backup"
        kept = "" if copy is None else f", and a copy of it is {copy}"
        go_on = "go on with the Darkstar that wrote it"
        raise MigrationError(store, found, SCHEMA_HEAD, f"{said}; {left}{kept}; {go_on}") from err
