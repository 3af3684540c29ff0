"""How far the price forecast lies from the prices that came, area by area.

At the last slot of every local day the prices to its end are known; forecast are the next day, the
first that is not published, and the day after it. Beside Aurora stand the same slot of the last
published day ("yesterday") and that of the week before. Prices are EUR/MWh, spot, without fees.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from forecast.baseline import fill_unpublished_prices
from forecast.price import PRICE_DAYS, forecast_prices
from telemetry.arrays import F64
from telemetry.csv_import import import_file
from telemetry.slots import (
    SLOT_MINUTES,
    SLOT_SECONDS,
    from_epoch,
    local_calendar,
    local_day,
    to_epoch,
    zone_info,
)
from telemetry.store import Store

__all__ = ["AREAS", "RULES", "PriceErrors", "errors_of_series", "price_errors"]

RULES = ("yesterday", "week before", "Aurora")
"""What foretells, in the order of every axis that runs over them."""
AREAS = {"SE4": "Europe/Stockholm", "SE3": "Europe/Stockholm", "DE_LU": "Europe/Berlin"}
"""Bidding areas and the zone of their days."""
_DE = "prices_de_lu.csv.gz"
_SPAN = (datetime(2023, 12, 31, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC))
_DAY = timedelta(days=1)
_DAYS_AHEAD, _QUARTERS = 2, 1440 // SLOT_MINUTES
_MWH = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceErrors:
    """One area and one day ahead; tuples in the order of ``RULES``, EUR/MWh.

    Attributes:
        area: bidding area.
        day: 1: the next unpublished day, 2: the one after it.
        first, last: days foretold, both included.
        slots: how many prices.
        mae: mean distance.
        rmse: root mean square distance.
    """

    area: str
    day: int
    first: date
    last: date
    slots: int
    mae: tuple[float, ...]
    rmse: tuple[float, ...]


def price_errors(store: Store, data: Path) -> tuple[PriceErrors, ...]:
    """Import German prices beside those in the store; return the errors in every area."""
    if (data / _DE).exists():
        import_file(store, data / _DE, {})
    found: list[PriceErrors] = []
    for area, zone in AREAS.items():
        spot = store.prices(area, *_SPAN, currency="EUR").values
        if not np.isnan(spot).all():
            found += errors_of_series(area, zone, spot, to_epoch(_SPAN[0]))
    return tuple(found)


def errors_of_series(area: str, zone: str, spot: F64, start: int) -> list[PriceErrors]:
    """Return the errors on both days ahead, over all issues with enough history.

    Args:
        area: its name.
        zone: of its days.
        spot: (N,) EUR/kWh, NaN where missing.
        start: epoch second of the first slot.
    """
    known = np.flatnonzero(~np.isnan(spot))
    edges = (from_epoch(start + SLOT_SECONDS * int(at)) for at in known[[0, -1]])
    first, last = (at.astimezone(zone_info(zone)).date() for at in edges)
    days = [first + k * _DAY for k in range(PRICE_DAYS + 1, (last - first).days)]
    misses = [_misses(zone, spot, start, day) for day in days]
    return [
        _summed(area, ahead, days, np.concatenate([one[ahead] for one in misses], axis=1))
        for ahead in range(_DAYS_AHEAD)
        if misses
    ]


def _misses(zone: str, spot: F64, start: int, day: date) -> list[F64]:
    """Return (3, S) forecasts less truth for each day ahead, known only what came before it."""
    edges = [to_epoch(local_day(day + k * _DAY, zone)[0]) for k in range(_DAYS_AHEAD + 1)]
    begin, stop = ((at - start) // SLOT_SECONDS for at in (edges[0], edges[-1]))
    past, unknown = spot[:begin], np.full(stop - begin, np.nan)
    foretell: tuple[Callable[..., F64], ...] = (fill_unpublished_prices, forecast_prices)
    plain, aurora = (
        rule(unknown, edges[0], zone=zone, history=past, history_start=start) for rule in foretell
    )
    week = _week_before(zone, spot, start, edges)
    miss = np.stack([plain, week, aurora]) - spot[begin:stop]
    cuts = [(at - edges[0]) // SLOT_SECONDS for at in edges[1:-1]]
    parts = np.split(miss, cuts, axis=1)
    return [part[:, ~np.isnan(part).any(axis=0)] for part in parts]


def _week_before(zone: str, spot: F64, start: int, edges: list[int]) -> F64:
    """Return the prices of the same wall-clock slots a week earlier, NaN where there is none."""
    targets = np.arange(edges[0], edges[-1], SLOT_SECONDS, dtype=np.int64)
    earlier = np.arange(edges[0] - 8 * 86_400, edges[0], SLOT_SECONDS, dtype=np.int64)
    place = (earlier - start) // SLOT_SECONDS
    table = np.full((10, _QUARTERS), np.nan)
    then, now = local_calendar(earlier, zone), local_calendar(targets, zone)
    table[then.day - then.day[0], then.minute // SLOT_MINUTES] = spot[place]
    found: F64 = table[now.day - 7 - then.day[0], now.minute // SLOT_MINUTES]
    return found


def _summed(area: str, ahead: int, days: list[date], miss: F64) -> PriceErrors:
    """Return MAE and RMSE of (3, S) misses, EUR/kWh."""
    return PriceErrors(
        area=area,
        day=ahead + 1,
        first=days[0] + ahead * _DAY,
        last=days[-1] + ahead * _DAY,
        slots=miss.shape[1],
        mae=tuple((_MWH * np.abs(miss).mean(axis=1)).tolist()),
        rmse=tuple((_MWH * np.sqrt((miss**2).mean(axis=1))).tolist()),
    )
