"""What prices, forecasts and weather have in common: one row per issue.

A row is a piece of a series as it was issued at one moment. Reading a window lays the pieces over
each other, the least trusted first, and a missing value never hides a number below it. The order:

1. the time of issue: the latest number issued by ``as_of`` wins in every slot;
2. at equal times the source: ``demo`` is made up and below every other; those by name.

Prices and weather are held over the quarters of a longer interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from telemetry.arrays import F64, hold
from telemetry.errors import SeriesError
from telemetry.layers import StoredRow, layer_of, number
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, slot_start, whole_seconds

UNKNOWN = -1
SIMULATED_SOURCE = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The V series of an issue (V, T) within a window: where its part lies, when it was issued."""

    names: tuple[str, ...]
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


def read_issues(
    conn: sa.Connection,
    table: sa.Table,
    where: Sequence[sa.ColumnElement[bool]],
    *,
    start: datetime,
    end: datetime,
    as_of: datetime | None,
) -> list[StoredRow]:
    """Rows of issues that reach into [start, end), in the order of the module: best last."""
    statement = sa.select(table).where(*where, table.c.start < end, table.c.end > start)
    if as_of is not None:
        statement = statement.where(table.c.issued_at <= as_of)
    made_up = sa.case((table.c.source == SIMULATED_SOURCE, 0), else_=1)
    statement = statement.order_by(table.c.issued_at, made_up, table.c.source, table.c.start)
    found = conn.execute(statement).mappings().all()
    return [{str(name): value for name, value in row.items()} for row in found]


def piece(row: StoredRow, first: int, count: int) -> Piece:
    """Part of an issue inside the window of ``count`` slots from epoch ``first``."""
    stored = layer_of(row)
    held = hold(stored.values, stored.slot_minutes // SLOT_MINUTES)
    at = (number(row, "start") - first) // SLOT_SECONDS
    low, high = max(at, 0), min(at + held.shape[1], count)
    return Piece(
        names=stored.names,
        slots=slice(low, high),
        values=held[:, low - at : high - at],
        issued_at=number(row, "issued_at"),
    )
