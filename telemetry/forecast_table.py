"""Rows of forecasts: one per home, target, model, statistic and issue, in their own slot length."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import sqlalchemy as sa

from telemetry.arrays import F64, I64
from telemetry.blobs import pack, unpack
from telemetry.issues import series, span
from telemetry.schema import forecasts
from telemetry.slots import to_epoch, whole_seconds
from telemetry.sql import WriteCounts, put_row


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSeries:
    """One issue of a forecast: ``values`` (T,) per ``slot_minutes`` from ``start``."""

    target: str
    model: str
    statistic: str
    issued_at: datetime
    start: datetime
    slot_minutes: int
    values: F64

    @property
    def slot_start(self) -> I64:
        """Starts of the T intervals, epoch seconds."""
        step = self.slot_minutes * 60
        return to_epoch(self.start) + step * np.arange(self.values.size, dtype=np.int64)


def put_forecast(
    conn: sa.Connection,
    *,
    system_id: str,
    home_id: str,
    target: str,
    model: str,
    statistic: str,
    issued_at: datetime,
    start: datetime,
    slot_minutes: int,
    values: F64,
) -> WriteCounts:
    """Write one issue of a forecast; see ``Store.put_forecast``."""
    numbers = series("forecast", values)
    row = {
        "home_id": home_id,
        "target": target,
        "model": model,
        "statistic": statistic,
        "issued_at": whole_seconds(issued_at),
        "system_id": system_id,
        **span(start, slot_minutes, numbers),
        "data": pack(numbers),
    }
    return put_row(conn, forecasts, row)


def read_forecast(
    conn: sa.Connection, *, home_id: str, target: str, model: str, statistic: str, as_of: datetime
) -> ForecastSeries | None:
    """Read the newest issue of a forecast; see ``Store.forecast``."""
    c = forecasts.c
    statement = (
        sa.select(c.issued_at, c.start, c.slot_minutes, c.data)
        .where(c.home_id == home_id, c.target == target)
        .where(c.model == model, c.statistic == statistic, c.issued_at <= as_of)
        .order_by(c.issued_at.desc(), c.start.desc())
        .limit(1)
    )
    row = conn.execute(statement).first()
    if row is None:
        return None
    issued_at, start, slot_minutes, data = row
    return ForecastSeries(
        target=target,
        model=model,
        statistic=statistic,
        issued_at=issued_at,
        start=start,
        slot_minutes=slot_minutes,
        values=unpack(data),
    )
