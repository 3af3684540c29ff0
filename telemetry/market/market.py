"""Day-ahead prices as they come from a market: one delivery day of one area at a time.

The delivery day is the CET/CEST day for every area, Finland's too: 92, 96 or 100 quarters, or 23,
24 or 25 hours. Services quote currency per MWh; from here on it is currency per kWh. Zero and
negative are prices; what was not published is NaN.

A day is *complete* when its prices are final and none of its intervals is missing. Prices that may
still change are stored under another source (``early_...``), so that nobody takes them for final
ones; the final issue is later and wins, and at equal times its source does, by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

import numpy as np

from telemetry.arrays import F64
from telemetry.errors import TimeError
from telemetry.json_http import unusable
from telemetry.slots import (
    MARKET_ZONE,
    SLOT_SECONDS,
    from_epoch,
    local_day,
    to_epoch,
    zone_info,
)
from telemetry.sql import WriteCounts
from telemetry.store import Store

KWH_PER_MWH = 1000.0
_LENGTHS_SECONDS = (900, 1800, 3600)
# "early_x" comes before "x" in the alphabet for both providers: see ``telemetry.issues``.
_EARLY = "early_"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeliveryDay:
    """Prices of one delivery day in one area.

    Attributes:
        day: the CET day.
        area: bidding area as the home names it.
        currency: of the prices.
        start: UTC start of the day.
        slot_minutes: 15, 30 or 60.
        values: (T,) currency per kWh, the whole day, NaN where missing.
        issued_at: when they became known, UTC.
        assumed: whether that time was assumed, not told by the market.
        final: whether the market calls them final.
        source: name of the provider.
        note: what the provider wants said along with its data, e.g. the licence.
    """

    day: date
    area: str
    currency: str
    start: datetime
    slot_minutes: int
    values: F64
    issued_at: datetime
    assumed: bool
    final: bool
    source: str
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing is missing and nothing will change."""
        return self.final and not bool(np.isnan(self.values).any())


class DayAhead(Protocol):
    """A provider of day-ahead prices.

    Attributes:
        name: source of its prices in the store.
        page_days: most days to be asked for at once.
    """

    name: str
    page_days: int

    def currency_for(self, home_currency: str) -> str:
        """The currency it can give that suits a home best."""

    def fetch(
        self, area: str, first_day: date, last_day: date, currency: str, now: datetime
    ) -> list[DeliveryDay]:
        """Days from the first to the last, both included; those not published are left out.

        Raises:
            SeriesError: the provider does not know the area.
            PeerUnreachableError: no answer; try again later.
            PeerAuthError: it refuses, e.g. days older than it serves.
            PeerReplyError: an answer nobody can use.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDay:
    """What the store has of a delivery day from one provider.

    Attributes:
        day: the CET day.
        slots: quarters of the day.
        known: quarters with a final price.
        early: quarters with a price that may still change, where there is no final one.
        issued_at: when the newest final price became known, or ``None``.
    """

    day: date
    slots: int
    known: int
    early: int
    issued_at: datetime | None

    @property
    def complete(self) -> bool:
        """Whether every quarter has its final price."""
        return self.known == self.slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One interval of a reply: [start, end) in epoch seconds, and its price per MWh or NaN."""

    start: int
    end: int
    per_mwh: float


def market_day(moment: datetime) -> date:
    """The delivery day that holds an aware moment."""
    return moment.astimezone(zone_info(MARKET_ZONE)).date()


def days_between(first: date, last: date) -> list[date]:
    """The days from the first to the last, both included."""
    return [first + timedelta(days=k) for k in range((last - first).days + 1)]


def number(peer: str, value: object) -> float:
    """A price as JSON has it; ``null`` is missing.

    Raises:
        PeerReplyError: it is no finite number.
    """
    if value is None:
        return math.nan
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    if not usable or not math.isfinite(value):  # type: ignore[arg-type]
        raise unusable(peer, f"a price is {value!r}, want a number or null")
    return float(value)  # type: ignore[arg-type]


def place(peer: str, day: date, rows: Sequence[Row]) -> tuple[int, F64]:
    """Put the rows of a delivery day where their timestamps say, in any order.

    Args:
        peer: who sent them, for errors.
        day: the CET day.
        rows: at least one.

    Returns:
        (minutes of an interval, prices per kWh (T,) of the whole day, NaN where no row is).

    Raises:
        PeerReplyError: lengths differ, an interval comes twice, or lies off the day or its grid.
    """
    begin, end = (to_epoch(bound) for bound in local_day(day, MARKET_ZONE))
    lengths = sorted({row.end - row.start for row in rows})
    if len(lengths) != 1 or lengths[0] not in _LENGTHS_SECONDS:
        got = ", ".join(f"{seconds / 60:g}" for seconds in lengths)
        raise unusable(peer, f"delivery day {day} has intervals of {got} min, want 15, 30 or 60")
    length = lengths[0]
    values = np.full((end - begin) // length, np.nan)
    taken: set[int] = set()
    for row in rows:
        at, off = divmod(row.start - begin, length)
        if off or not 0 <= at < values.size:
            where = _shown(row.start)
            raise unusable(peer, f"an interval at {where} is none of the delivery day {day}")
        if at in taken:
            raise unusable(peer, f"the interval at {_shown(row.start)} comes twice")
        taken.add(at)
        values[at] = row.per_mwh / KWH_PER_MWH
    return length // 60, values


def _shown(seconds: int) -> str:
    try:
        return from_epoch(seconds).isoformat()
    except TimeError:
        return f"{seconds} s after 1970"


def put_day(store: Store, day: DeliveryDay) -> WriteCounts:
    """Write one delivery day; a day without any price writes nothing."""
    if np.isnan(day.values).all():
        return WriteCounts()
    return store.put_prices(
        day.area,
        source=day.source if day.final else _EARLY + day.source,
        currency=day.currency,
        start=day.start,
        slot_minutes=day.slot_minutes,
        values=day.values,
        issued_at=day.issued_at,
        assumed=day.assumed,
    )


def stored_days(
    store: Store, source: str, area: str, currency: str, days: Sequence[date]
) -> list[StoredDay]:
    """What the store has of consecutive delivery days from one provider."""
    begin, end = local_day(days[0], MARKET_ZONE)[0], local_day(days[-1], MARKET_ZONE)[1]
    final = store.prices(area, begin, end, currency=currency, source=source)
    early = store.prices(area, begin, end, currency=currency, source=_EARLY + source)
    known, seen = ~np.isnan(final.values), ~np.isnan(early.values)
    found = []
    for day in days:
        low, high = local_day(day, MARKET_ZONE)
        at = slice(_slots(begin, low), _slots(begin, high))
        newest = int(final.issued_at[at].max())
        found.append(
            StoredDay(
                day=day,
                slots=at.stop - at.start,
                known=int(known[at].sum()),
                early=int((seen[at] & ~known[at]).sum()),
                issued_at=from_epoch(newest) if known[at].any() else None,
            )
        )
    return found


def _slots(begin: datetime, moment: datetime) -> int:
    """Quarters from one moment to another."""
    return (to_epoch(moment) - to_epoch(begin)) // SLOT_SECONDS
