"""Rows of prices: one per area, source, delivery day and issue. Zero and negative are prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import sqlalchemy as sa

from telemetry.arrays import F64, I64, Bool
from telemetry.errors import CurrencyError
from telemetry.issues import UNKNOWN, piece, read_issues, series, span
from telemetry.layers import layer, put_issue
from telemetry.schema import prices
from telemetry.slots import from_epoch, slot_range, to_epoch, whole_seconds
from telemetry.sql import WriteCounts, find_row


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSeries:
    """Spot prices of a window, per 15-minute slot.

    Attributes:
        area: bidding area.
        currency: of the prices, or ``None`` where the window has none.
        start: start of the first slot, UTC.
        slot_start: epoch seconds (N,).
        values: (N,) currency per kWh, NaN where unpublished or missing.
        issued_at: (N,) epoch seconds when the price became known, -1 where there is none.
        assumed: (N,) whether that time was assumed, not recorded.
    """

    area: str
    currency: str | None
    start: datetime
    slot_start: I64
    values: F64
    issued_at: I64
    assumed: Bool


def put_prices(
    conn: sa.Connection,
    *,
    system_id: str,
    area: str,
    source: str,
    currency: str,
    start: datetime,
    slot_minutes: int,
    values: F64,
    issued_at: datetime,
    assumed: bool,
    source_minutes: I64 | None,
) -> WriteCounts:
    """Write one issue of prices; see ``Store.put_prices``."""
    numbers = series("prices", values)
    row: dict[str, object] = {
        "area": area.upper(),
        "source": source,
        "currency": currency.upper(),
        "issued_at": whole_seconds(issued_at),
        "system_id": system_id,
        **span(start, slot_minutes, numbers),
    }
    old = find_row(conn, prices, row)
    # A time that was recorded once is not assumed again.
    row["assumed"] = assumed and (old is None or bool(old["assumed"]))
    part = layer(numbers[np.newaxis], slot_minutes, source_minutes)
    return put_issue(conn, prices, row, whole_seconds(start), part)


def read_prices(
    conn: sa.Connection,
    *,
    area: str,
    start: datetime,
    end: datetime,
    as_of: datetime | None,
    currency: str | None,
    source: str | None,
) -> PriceSeries:
    """Read prices of a window; see ``Store.prices``."""
    slots, name = slot_range(start, end), area.upper()
    where = [prices.c.area == name]
    if currency is not None:
        where.append(prices.c.currency == currency.upper())
    if source is not None:
        where.append(prices.c.source == source)
    rows = read_issues(conn, prices, where, start=start, end=end, as_of=as_of)
    currencies = tuple(sorted({str(row["currency"]) for row in rows}))
    if len(currencies) > 1:
        raise CurrencyError(name, currencies)
    values, issued = np.full(slots.size, np.nan), np.full(slots.size, UNKNOWN, dtype=np.int64)
    assumed = np.zeros(slots.size, dtype=np.bool_)
    for row in rows:
        part = piece(row, to_epoch(start), slots.size)
        numbers = part.values[0]
        take = ~np.isnan(numbers)
        values[part.slots][take] = numbers[take]
        issued[part.slots][take] = part.issued_at
        assumed[part.slots][take] = bool(row["assumed"])
    return PriceSeries(
        area=name,
        currency=currencies[0] if currencies else None,
        start=from_epoch(to_epoch(start)),
        slot_start=slots,
        values=values,
        issued_at=issued,
        assumed=assumed,
    )


def read_currencies(
    conn: sa.Connection, *, area: str, start: datetime, end: datetime, as_of: datetime | None
) -> tuple[str, ...]:
    """Currencies of the prices of a window; see ``Store.price_currencies``."""
    statement = sa.select(prices.c.currency).distinct()
    statement = statement.where(
        prices.c.area == area.upper(), prices.c.start < end, prices.c.end > start
    )
    if as_of is not None:
        statement = statement.where(prices.c.issued_at <= as_of)
    return tuple(sorted(str(found) for found in conn.execute(statement).scalars()))
