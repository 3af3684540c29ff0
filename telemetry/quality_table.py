"""Rows of day quality: what a local day is fit for, by the checks of ``telemetry.quality``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa

from telemetry.schema import data_quality_daily as table
from telemetry.slots import whole_seconds
from telemetry.sql import WriteCounts, check_texts, find_row, upsert

_UNJUDGED = frozenset({"checked_at", "system_id"})


class DayClass(StrEnum):
    """What a day is fit for, best first."""

    CLEAN = "clean"  # for everything
    MASK_BATTERY = "mask_battery"  # for load, PV and grid; the battery's numbers are wrong
    EXCLUDE = "exclude"  # for nothing

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return list(DayClass).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayQuality:
    """The verdict on one local day.

    Attributes:
        local_date: the day in the home's zone.
        day_start: its start, UTC.
        day_class: what it is fit for.
        reference: ``statistics_hourly`` where Home Assistant's sums were compared, else ``none``.
        slots: length of the local day: 92, 96 or 100.
        counts: slots or hours that each check found, by the name of the check.
        reasons: short sentences, the gravest first; a clean day with reasons is flagged.
        checked_at: when the verdict last changed, UTC.
    """

    local_date: date
    day_start: datetime
    day_class: DayClass
    reference: str
    slots: int
    counts: Mapping[str, int]
    reasons: tuple[str, ...]
    checked_at: datetime

    @property
    def flagged(self) -> bool:
        """Clean, but with something to tell."""
        return self.day_class is DayClass.CLEAN and bool(self.reasons)


def put(
    conn: sa.Connection, *, system_id: str, home_id: str, days: Iterable[DayQuality]
) -> WriteCounts:
    """Write verdicts; see ``Store.put_day_quality``."""
    counts = WriteCounts()
    for day in days:
        counts += _put_one(conn, _row(day, system_id=system_id, home_id=home_id))
    return counts


def _put_one(conn: sa.Connection, row: Mapping[str, object]) -> WriteCounts:
    """Write one row unless the same verdict stands already."""
    check_texts(table, row)
    found = find_row(conn, table, row)
    if found is not None and all(
        found[name] == value for name, value in row.items() if name not in _UNJUDGED
    ):
        return WriteCounts(unchanged=1)
    upsert(conn, table, row)
    return WriteCounts(inserted=1) if found is None else WriteCounts(updated=1)


def _row(day: DayQuality, *, system_id: str, home_id: str) -> dict[str, object]:
    return {
        "home_id": home_id,
        "day_start": whole_seconds(day.day_start),
        "local_date": day.local_date.isoformat(),
        "class": day.day_class.value,
        "reference": day.reference,
        "slots": day.slots,
        "counts": json.dumps(dict(day.counts), sort_keys=True),
        "reasons": json.dumps(list(day.reasons)),
        "checked_at": whole_seconds(day.checked_at),
        "system_id": system_id,
    }


def read(conn: sa.Connection, *, home_id: str, first: date, last: date) -> tuple[DayQuality, ...]:
    """Read verdicts; see ``Store.day_quality``."""
    # ISO dates sort as they follow each other.
    statement = (
        sa.select(table)
        .where(table.c.home_id == home_id)
        .where(table.c.local_date.between(first.isoformat(), last.isoformat()))
        .order_by(table.c.day_start)
    )
    return tuple(
        DayQuality(
            local_date=date.fromisoformat(row["local_date"]),
            day_start=row["day_start"],
            day_class=DayClass(row["class"]),
            reference=row["reference"],
            slots=row["slots"],
            counts=json.loads(row["counts"]),
            reasons=tuple(json.loads(row["reasons"])),
            checked_at=row["checked_at"],
        )
        for row in conn.execute(statement).mappings()
    )
