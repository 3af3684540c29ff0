"""Connections and transactions of a store; the facts come with ``telemetry.store.Store``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from telemetry import database, home_table
from telemetry.errors import ReadOnlyError, SeriesError

SYSTEM_ID_LENGTH = 64


class StoreBase:
    """What every access to the store passes through; not used by itself."""

    def __init__(self, engine: sa.Engine, *, name: str, system_id: str, read_only: bool) -> None:
        """Wrap an engine whose schema is up to date; use ``open``."""
        self._engine, self._read_only = engine, read_only
        self._active: sa.Connection | None = None
        self.name, self.system_id = name, system_id

    @classmethod
    def open(
        cls,
        url_or_path: str | os.PathLike[str],
        *,
        system_id: str = "dev",
        read_only: bool = False,
    ) -> Self:
        """Open a store; a new one gets its tables, an older one is refused (``telemetry.upgrade``).

        Args:
            url_or_path: path of an SQLite file, or an SQLAlchemy URL.
            system_id: which installation writes; goes into every row.
            read_only: SQLite ``mode=ro``; on MariaDB give the user no right to write.

        Raises:
            StoreError: it cannot be opened, or is something else. Like ``StoreBusyError`` (another
                process holds it), so does every method where the database fails.
            SchemaVersionError: it was written by a newer program, or an older one.
        """
        if not 0 < len(system_id) <= SYSTEM_ID_LENGTH:
            raise SeriesError("system_id", repr(system_id), "1 to 64 characters")
        engine = database.connect(url_or_path, read_only=read_only)
        name = database.shown(engine.url)
        try:
            database.prepare(engine, name, read_only=read_only)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, name=name, system_id=system_id, read_only=read_only)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.name!r}, system_id={self.system_id!r}, read_only={self._read_only})"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become visible together, or, after an error, not at all.

        Raises:
            ReadOnlyError: the store was opened read-only.
        """
        with self._write():
            yield

    @contextmanager
    def undone(self) -> Iterator[None]:
        """All writes inside are seen inside alone, and undone at the end: a rehearsal.

        On SQLite others may write until the first write inside.

        Raises:
            ReadOnlyError: the store was opened read-only.
        """
        if self._read_only:
            raise ReadOnlyError(self.name)
        with database.faults_told(self.name), self._engine.connect() as conn:
            outer = conn.begin()
            self._active = conn
            try:
                yield
            finally:
                self._active = None
                outer.rollback()

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        if self._read_only:
            raise ReadOnlyError(self.name)
        if self._active is not None:
            yield self._active
            return
        with database.faults_told(self.name), database.writing(self._engine) as conn:
            self._active = conn
            try:
                yield conn
            finally:
                self._active = None

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        if self._active is not None:
            yield self._active
            return
        with database.faults_told(self.name), self._engine.connect() as conn:
            yield conn

    @contextmanager
    def _write_home(self, home_id: str) -> Iterator[sa.Connection]:
        with self._write() as conn:
            home_table.require(conn, home_id)
            yield conn

    @contextmanager
    def _read_home(self, home_id: str) -> Iterator[sa.Connection]:
        with self._read() as conn:
            home_table.require(conn, home_id)
            yield conn
