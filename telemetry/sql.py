"""The little SQL that differs between databases, and the write counts every write returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import sqlalchemy as sa

from telemetry.errors import SeriesError

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCounts:
    """What a write did, in rows of the store.

    Attributes:
        inserted: keys that were new.
        updated: keys whose content changed.
        unchanged: keys that held the same already.
        kept: keys where the store holds something better than what came.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    kept: int = 0

    def __add__(self, other: WriteCounts) -> WriteCounts:
        return WriteCounts(
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            kept=self.kept + other.kept,
        )

    @property
    def changed(self) -> int:
        """Rows that are different now."""
        return self.inserted + self.updated


@lru_cache(maxsize=32)
def upsert_statement(dialect: str, table: sa.Table) -> sa.Insert:
    """Insert that replaces all but the key where the key exists, in the words of a dialect.

    Raises:
        SeriesError: the dialect is neither SQLite nor MySQL or MariaDB.
    """
    keys = [column.name for column in table.primary_key]
    rest = [column.name for column in table.columns if column.name not in keys]
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415 - one dialect is enough

        statement = insert(table)
        return statement.on_conflict_do_update(
            index_elements=keys, set_={name: statement.excluded[name] for name in rest}
        )
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects.mysql import insert as mysql_insert  # noqa: PLC0415

        into = mysql_insert(table)
        return into.on_duplicate_key_update({name: into.inserted[name] for name in rest})
    raise SeriesError("database", dialect, "sqlite, mysql or mariadb")


def upsert(conn: sa.Connection, table: sa.Table, row: Row) -> None:
    """Write a row (with all columns) by its primary key."""
    conn.execute(upsert_statement(conn.dialect.name, table), dict(row))


def upsert_columns(
    conn: sa.Connection, table: sa.Table, columns: Mapping[str, Sequence[object]]
) -> None:
    """Write many rows given as columns of plain numbers and texts; times as epoch seconds.

    Where the driver takes parameters by position (SQLite), past SQLAlchemy's work on each of them,
    which costs more than the database's own; else (PyMySQL) by name, as SQLAlchemy does it.

    Raises:
        SeriesError: the columns are not those of the table, or not equally long.
    """
    names = {column.name for column in table.columns}
    lengths = {len(column) for column in columns.values()}
    if columns.keys() != names or len(lengths) != 1:
        got = f"{sorted(columns)} of lengths {sorted(lengths)}"
        raise SeriesError(f"columns of {table.name}", got, f"{sorted(names)}, equally long")
    if lengths == {0}:
        return
    statement = upsert_statement(conn.dialect.name, table)
    compiled = statement.compile(dialect=conn.dialect)
    if compiled.positiontup:
        rows = list(zip(*(columns[name] for name in compiled.positiontup), strict=True))
        conn.exec_driver_sql(str(compiled), rows)
    else:
        cells = zip(*columns.values(), strict=True)
        conn.execute(statement, [dict(zip(columns, row, strict=True)) for row in cells])


def put_row(conn: sa.Connection, table: sa.Table, row: Row) -> WriteCounts:
    """Write one row unless it is there already; who wrote it first stays its ``system_id``."""
    check_texts(table, row)
    found = find_row(conn, table, row)
    if found is None:
        upsert(conn, table, row)
        return WriteCounts(inserted=1)
    if all(found[name] == value for name, value in row.items() if name != "system_id"):
        return WriteCounts(unchanged=1)
    upsert(conn, table, row)
    return WriteCounts(updated=1)


def find_row(conn: sa.Connection, table: sa.Table, row: Row) -> Mapping[str, object] | None:
    """The stored row with the primary key of ``row``."""
    same_key = [column == row[column.name] for column in table.primary_key]
    found = conn.execute(sa.select(table).where(*same_key)).mappings().one_or_none()
    return None if found is None else {str(name): value for name, value in found.items()}


def check_texts(table: sa.Table, row: Row) -> None:
    """Refuse texts that MariaDB could not keep: SQLite would take them silently.

    Raises:
        SeriesError: a text is longer than its column, or a key is empty.
    """
    for column in table.columns:
        value = row.get(column.name)
        if not isinstance(column.type, sa.String) or not isinstance(value, str):
            continue
        limit = column.type.length
        if limit is not None and len(value) > limit:
            want = f"at most {limit} characters"
            raise SeriesError(f"{table.name}.{column.name}", repr(value), want)
        if column.primary_key and not value:
            raise SeriesError(f"{table.name}.{column.name}", "empty", "a name")
