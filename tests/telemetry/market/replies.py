"""Replies of the price services, in the shape that is documented, made up by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

BRUSSELS = ZoneInfo("Europe/Brussels")


def midnight(day: date) -> datetime:
    """Return the UTC start of a CET day."""
    return datetime(day.year, day.month, day.day, tzinfo=BRUSSELS).astimezone(UTC)


def starts_of(day: date, minutes: int = 15) -> list[datetime]:
    """Return the UTC starts of the intervals of a CET day."""
    begin, end = midnight(day), midnight(day + timedelta(days=1))
    step = timedelta(minutes=minutes)
    return [begin + k * step for k in range(int((end - begin) / step))]


def nordpool_reply(
    day: date,
    areas: tuple[str, ...] = ("SE4",),
    *,
    minutes: int = 15,
    price: Callable[[int], float | None] = float,
    state: str = "Final",
    currency: str = "SEK",
    updated: str | None = None,
) -> dict[str, Any]:
    """Return a delivery day; interval k costs ``price(k)`` per MWh in every area."""
    step = timedelta(minutes=minutes)
    eve = day - timedelta(days=1)
    return {
        "deliveryDateCET": day.isoformat(),
        "version": 3,
        "updatedAt": updated or f"{eve}T11:55:03.9456464Z",
        "deliveryAreas": list(areas),
        "market": "DayAhead",
        "multiAreaEntries": [
            {
                "deliveryStart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "deliveryEnd": f"{start + step:%Y-%m-%dT%H:%M:%SZ}",
                "entryPerArea": dict.fromkeys(areas, price(k)),
            }
            for k, start in enumerate(starts_of(day, minutes))
        ],
        "blockPriceAggregates": [],
        "currency": currency,
        "exchangeRate": 11.64,
        "areaStates": [{"state": state, "areas": list(areas)}],
        "areaAverages": [{"areaCode": area, "price": 1.0} for area in areas],
    }


def charts_reply(
    first: date,
    last: date,
    *,
    minutes: int = 60,
    costs: Callable[[datetime], float | None] = lambda _: 50.0,
    **changes: object,
) -> dict[str, Any]:
    """Return energy-charts' prices of some CET days."""
    days = [first + timedelta(days=k) for k in range((last - first).days + 1)]
    starts = [start for day in days for start in starts_of(day, minutes)]
    return {
        "license_info": "CC BY 4.0 (creativecommons.org/licenses/by/4.0) from Bundesnetzagentur",
        "unix_seconds": [int(start.timestamp()) for start in starts],
        "price": [costs(start) for start in starts],
        "unit": "EUR / MWh",
        "deprecated": False,
        **changes,
    }
