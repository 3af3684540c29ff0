"""Rows of weather: one per home, kind, source and issue, several variables in one blob.

``forecast`` rows are what was foretold, ``archive`` rows what happened; the one is never served as
the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from telemetry.arrays import F64, I64
from telemetry.errors import SeriesError
from telemetry.issues import SIMULATED_SOURCE, UNKNOWN, piece, read_issues, series, span
from telemetry.layers import StoredRow, layer, number, put_issue
from telemetry.schema import weather
from telemetry.slots import SLOT_SECONDS, from_epoch, slot_range, to_epoch, whole_seconds
from telemetry.sql import WriteCounts

KINDS = ("forecast", "archive")
# Forecasts come every hour for years: reading one window must not look at all of them.
LONGEST_FORECAST = timedelta(days=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherSeries:
    """Weather of a window, per 15-minute slot; V variables.

    Attributes:
        kind: ``forecast`` or ``archive``.
        variables: names with their unit, e.g. ``temp_c``.
        start: start of the first slot, UTC.
        slot_start: epoch seconds (N,).
        values: (V, N), NaN where missing.
        issued_at: (V, N) epoch seconds, -1 where missing.
    """

    kind: str
    variables: tuple[str, ...]
    start: datetime
    slot_start: I64
    values: F64
    issued_at: I64

    def of(self, variable: str) -> F64:
        """Values of one variable (N,)."""
        row: F64 = self.values[self.variables.index(variable)]
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherIssue:
    """One forecast as it was issued: ``values`` (V, T) per 15-minute slot from ``start``.

    Attributes:
        variables: names of the V rows, with their unit.
        issued_at: epoch second.
        start: epoch second of the first slot.
        values: (V, T), NaN where it says nothing.
    """

    variables: tuple[str, ...]
    issued_at: int
    start: int
    values: F64


def put_weather(
    conn: sa.Connection,
    *,
    system_id: str,
    home_id: str,
    source: str,
    kind: str,
    variables: Sequence[str],
    issued_at: datetime,
    start: datetime,
    slot_minutes: int,
    values: F64,
    source_minutes: I64 | None,
) -> WriteCounts:
    """Write one issue of weather; see ``Store.put_weather``."""
    if kind not in KINDS:
        raise SeriesError("weather kind", repr(kind), "forecast or archive")
    if not variables or len(set(variables)) != len(variables):
        raise SeriesError("weather variables", tuple(variables), "names, each once")
    numbers = series("weather", values, len(variables))
    row: dict[str, object] = {
        "home_id": home_id,
        "source": source,
        "kind": kind,
        "issued_at": whole_seconds(issued_at),
        "system_id": system_id,
        **span(start, slot_minutes, numbers),
    }
    length = timedelta(minutes=slot_minutes * numbers.shape[1])
    if kind == "forecast" and length > LONGEST_FORECAST:
        raise SeriesError("weather forecast", f"{length} long", f"at most {LONGEST_FORECAST}")
    part = layer(numbers, slot_minutes, source_minutes, tuple(variables))
    return put_issue(conn, weather, row, whole_seconds(start), part)


def _weather_pieces(
    rows: Sequence[StoredRow], first: int, count: int
) -> Iterator[tuple[str, slice, F64, int]]:
    for row in rows:
        part = piece(row, first, count)
        for name, values in zip(part.names, part.values, strict=True):
            yield name, part.slots, values, part.issued_at


def read_weather(
    conn: sa.Connection,
    *,
    home_id: str,
    start: datetime,
    end: datetime,
    as_of: datetime | None,
    kind: str,
) -> WeatherSeries:
    """Read weather of a window; see ``Store.weather``."""
    if kind not in KINDS:
        raise SeriesError("weather kind", repr(kind), "forecast or archive")
    slots = slot_range(start, end)
    where = [weather.c.home_id == home_id, weather.c.kind == kind]
    if kind == "forecast":
        where.append(weather.c.start >= to_epoch(start) - int(LONGEST_FORECAST.total_seconds()))
    rows = read_issues(conn, weather, where, start=start, end=end, as_of=as_of)
    found: dict[str, tuple[F64, I64]] = {}
    for name, part, values, issued_at in _weather_pieces(rows, to_epoch(start), slots.size):
        empty = (np.full(slots.size, np.nan), np.full(slots.size, UNKNOWN, dtype=np.int64))
        numbers, issued = found.setdefault(name, empty)
        take = ~np.isnan(values)
        numbers[part][take] = values[take]
        issued[part][take] = issued_at
    return WeatherSeries(
        kind=kind,
        variables=tuple(found),
        start=from_epoch(to_epoch(start)),
        slot_start=slots,
        values=np.array([pair[0] for pair in found.values()]).reshape(len(found), slots.size),
        issued_at=np.array([pair[1] for pair in found.values()], dtype=np.int64).reshape(
            len(found), slots.size
        ),
    )


def read_weather_issues(
    conn: sa.Connection, *, home_id: str, start: datetime, end: datetime
) -> tuple[WeatherIssue, ...]:
    """Read the forecasts issued in a window; see ``Store.weather_issues``."""
    c = weather.c
    statement = (
        sa.select(weather)
        .where(c.home_id == home_id, c.kind == "forecast")
        .where(c.issued_at >= start, c.issued_at < end)
    )
    made_up = sa.case((c.source == SIMULATED_SOURCE, 0), else_=1)
    found = conn.execute(statement.order_by(c.issued_at, made_up, c.source, c.start)).mappings()
    issues = []
    for mapping in found:
        row = {str(name): value for name, value in mapping.items()}
        first = number(row, "start")
        slots = (number(row, "end") - first) // SLOT_SECONDS
        part = piece(row, first, slots)
        issues.append(
            WeatherIssue(
                variables=part.names, issued_at=part.issued_at, start=first, values=part.values
            )
        )
    return tuple(issues)
