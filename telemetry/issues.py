"""What prices, forecasts and weather have in common: one row per issue.

A row is a piece of a series as it was issued at one moment. Reading a window lays the pieces over
each other, oldest issue first: the latest number issued by ``as_of`` wins in every slot, and a
missing value never hides a number of an earlier issue. Prices and weather are held over the
quarters of a longer interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from telemetry.arrays import F64, hold
from telemetry.blobs import unpack
from telemetry.errors import SeriesError
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, slot_start, to_epoch, whole_seconds

UNKNOWN = -1
StoredRow = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stored series (..., T) within a window: where its part lies and when it was issued."""

    slots: slice
    values: F64
    issued_at: int


def span(start: datetime, slot_minutes: int, values: F64) -> dict[str, object]:
    """Columns that every issue has."""
    slot_start(start)
    if slot_minutes < SLOT_MINUTES or slot_minutes % SLOT_MINUTES:
        raise SeriesError("slot_minutes", slot_minutes, "a multiple of 15")
    if not values.size:
        raise SeriesError("values", f"of shape {values.shape}", "at least one value")
    length = timedelta(minutes=slot_minutes * values.shape[-1])
    begin = whole_seconds(start)
    return {"start": begin, "end": begin + length, "slot_minutes": slot_minutes}


def series(name: str, values: F64, rows: int | None = None) -> F64:
    """The values as an array: (T,), or (rows, T).

    Raises:
        SeriesError: they have another shape.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != (1 if rows is None else 2) or (rows is not None and array.shape[0] != rows):
        want = "(T,)" if rows is None else f"({rows}, T): a row for each variable"
        raise SeriesError(name, f"of shape {array.shape}", want)
    return array


def number(row: StoredRow, name: str) -> int:
    """An integer column, or a time column in epoch seconds."""
    value = row[name]
    return to_epoch(value) if isinstance(value, datetime) else int(str(value))


def blob_of(row: StoredRow) -> bytes:
    """The packed values of a row."""
    value = row["data"]
    return value if isinstance(value, bytes) else b""


def merge(values: F64, minutes: int, old: StoredRow, rows: int | None) -> F64 | None:
    """New values with the numbers of the stored issue where the new ones are missing.

    ``None`` where the two do not describe the same intervals.
    """
    had = unpack(blob_of(old), rows)
    if number(old, "slot_minutes") != minutes or had.shape != values.shape:
        return None
    return np.where(np.isnan(values), had, values)


def read_issues(
    conn: sa.Connection,
    table: sa.Table,
    where: Sequence[sa.ColumnElement[bool]],
    *,
    start: datetime,
    end: datetime,
    as_of: datetime | None,
) -> list[StoredRow]:
    """Rows of issues that reach into [start, end), oldest first; ties in a fixed order."""
    statement = sa.select(table).where(*where, table.c.start < end, table.c.end > start)
    if as_of is not None:
        statement = statement.where(table.c.issued_at <= as_of)
    statement = statement.order_by(table.c.issued_at, table.c.source, table.c.start)
    found = conn.execute(statement).mappings().all()
    return [{str(name): value for name, value in row.items()} for row in found]


def piece(row: StoredRow, first: int, count: int, rows: int | None) -> Piece:
    """Part of an issue inside the window of ``count`` slots from epoch ``first``."""
    parts = number(row, "slot_minutes") // SLOT_MINUTES
    held = hold(unpack(blob_of(row), rows), parts)
    at = (number(row, "start") - first) // SLOT_SECONDS
    low, high = max(at, 0), min(at + held.shape[-1], count)
    return Piece(
        slots=slice(low, high),
        values=held[..., low - at : high - at],
        issued_at=number(row, "issued_at"),
    )
