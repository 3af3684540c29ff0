"""Naive forecasts by local wall clock: the fallback in operation and the yardstick in reports.

Units: kWh per slot for load and PV, currency/kWh for prices; slots are 15 min, keyed by the
epoch second of their UTC start. NaN is a missing value; zero is a value.

Every series is laid out as a table, one row per local day and one column per quarter-hour of
the local wall clock (96 of them, whatever the length of the day). With x[d, q] the value of
day d at quarter q and D(q) the newest ``days`` days that have a value there,

    forecast[q] = mean of x[d, q] over D(q)                                      (N1)
    price[d, q] = x[d', q],  d' the newest day before d that has a value         (N2)
    forecast[q] = line from forecast[a] to forecast[b], a < q < b the next known (N3)

On the autumn day of a daylight-saving zone the doubled hour gives two values to the same
cell: x is their mean, and the day counts once. On the spring day the missing hour has none,
so other days take its place. Reference cases (7 days of load, 3 of PV): the data README.
"""

from dataclasses import dataclass

import numpy as np

from forecast.asof import bridge
from forecast.errors import MissingHistoryError, SeriesError
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS, local_calendar

LOAD_DAYS = 7
PV_DAYS = 3
PV_BRIDGE_QUARTERS = 4
MAX_LOOKBACK_DAYS = 28
PRICE_LOOKBACK_DAYS = 7
_SLOT_MINUTES = SLOT_SECONDS // 60
_QUARTERS = 1440 // _SLOT_MINUTES
_LONGEST_DAY_SLOTS = 100


def same_slot_mean(
    history: F64,
    history_start: int,
    targets: I64,
    *,
    zone: str,
    days: int,
    max_lookback_days: int = MAX_LOOKBACK_DAYS,
    bridge_quarters: int = 0,
    series: str = "value",
) -> F64:
    """Return the mean of the newest ``days`` values at each target's wall-clock slot (N1).

    The history ends at the issue time: its caller cuts off what was not known yet, and pads
    with NaN where the newest readings are missing.

    Args:
        history: (N,) values of consecutive slots, NaN where missing.
        history_start: epoch second of the first slot of ``history``.
        targets: (T,) epoch seconds of the slots to forecast.
        zone: IANA name of the home's time zone.
        days: how many days with a value enter the mean, at least 1.
        max_lookback_days: the oldest local day searched, counted back from the issue's day.
        bridge_quarters: wall-clock quarter-hours without any value are read off the line between
            their neighbours (N3) where at most this many stand in a row.
        series: what the values are, for error messages.

    Returns:
        (T,) forecast, never NaN.

    Raises:
        SeriesError: the arguments are not such series.
        MissingHistoryError: a wall-clock slot has no value within the lookback.
    """
    _require(days >= 1, "days", days, "at least 1")
    _require(max_lookback_days >= 0, "max_lookback_days", max_lookback_days, "at least 0")
    _check_series("history", history)
    _check_epochs(targets, history_start)
    recent = history[-(max_lookback_days + 1) * _LONGEST_DAY_SLOTS :]
    end = history_start + history.size * SLOT_SECONDS
    start = end - recent.size * SLOT_SECONDS
    known_slots = start + SLOT_SECONDS * np.arange(recent.size, dtype=np.int64)
    # One calendar call for the history, the issue instant and the targets.
    calendar = _wall_clock(np.concatenate((known_slots, [end], targets)), zone)
    age_days = calendar.day[recent.size] - calendar.day[: recent.size]
    quarter = calendar.quarter[: recent.size]
    inside = age_days <= max_lookback_days
    table = _table(age_days[inside], quarter[inside], recent[inside], max_lookback_days + 1)
    profile = _mean_of_newest(table, days)
    bridge(profile, bridge_quarters)
    mean = profile[calendar.quarter[recent.size + 1 :]]
    refuse_gap(
        mean,
        targets,
        zone=zone,
        series=series,
        lookback_days=max_lookback_days,
        cure="import more history",
    )
    return mean


def load_baseline(
    history_kwh: F64, history_start: int, targets: I64, *, zone: str, days: int = LOAD_DAYS
) -> F64:
    """Return the (T,) naive load forecast, kWh per slot: the 7-day same-slot mean."""
    mean = same_slot_mean(
        history_kwh, history_start, targets, zone=zone, days=days, series="load_kwh"
    )
    return np.maximum(mean, 0.0)


def pv_baseline(
    history_kwh: F64, history_start: int, targets: I64, *, zone: str, days: int = PV_DAYS
) -> F64:
    """Return the (T,) naive PV forecast, kWh per slot: the 3-day same-slot mean.

    Inverters that report nothing at dusk leave the same slots empty every day, which are neither
    night nor a reading: gaps of up to an hour in the profile of the day are bridged (N3).
    """
    mean = same_slot_mean(
        history_kwh,
        history_start,
        targets,
        zone=zone,
        days=days,
        bridge_quarters=PV_BRIDGE_QUARTERS,
        series="pv_kwh",
    )
    return np.maximum(mean, 0.0)


def fill_unpublished_prices(
    prices: F64, start: int, *, zone: str, history: F64, history_start: int
) -> F64:
    """Return prices with the unpublished ones taken from the same slot yesterday (N2).

    Yesterday may itself lie in the horizon, published or filled: what is copied is always the
    newest published price of an earlier local day, at most 7 days old. Prices of ``history``
    at or after ``start`` are not read; the horizon speaks for itself.

    Args:
        prices: (T,) currency/kWh of consecutive slots, NaN where not yet published.
        start: epoch second of the first slot of ``prices``.
        zone: IANA name of the zone whose wall clock pairs the days.
        history: (N,) published prices before ``start``, NaN where missing.
        history_start: epoch second of the first slot of ``history``.

    Returns:
        (T,) prices, never NaN; published ones unchanged.

    Raises:
        SeriesError: the arguments are not such series.
        MissingHistoryError: a slot has no price in the 7 days before it.
    """
    _check_series("prices", prices)
    _check_series("history", history)
    slots = start + SLOT_SECONDS * np.arange(prices.size, dtype=np.int64)
    _check_epochs(slots, history_start)
    past = history_start + SLOT_SECONDS * np.arange(history.size, dtype=np.int64)
    wanted = (past < start) & (past >= start - (PRICE_LOOKBACK_DAYS + 1) * 86_400)
    epochs = np.concatenate((past[wanted], slots))
    calendar = _wall_clock(epochs, zone)
    row = calendar.day - calendar.day.min(initial=np.iinfo(np.int64).max)
    values = np.concatenate((history[wanted], prices))
    table = _table(row, calendar.quarter, values, int(row.max(initial=-1)) + 1)
    earlier = _newest_before(table, PRICE_LOOKBACK_DAYS)
    cells = row[-prices.size :], calendar.quarter[-prices.size :]
    filled = np.where(np.isnan(prices), earlier[cells] if prices.size else prices, prices)
    refuse_gap(
        filled,
        slots,
        zone=zone,
        series="price",
        lookback_days=PRICE_LOOKBACK_DAYS,
        cure="import the published prices of those days",
    )
    return filled


@dataclass(frozen=True, slots=True, kw_only=True)
class _WallClock:
    """Local calendar of slots: day ordinal and quarter-hour of the wall clock, both (N,)."""

    day: I64
    quarter: I64


def _wall_clock(epochs: I64, zone: str) -> _WallClock:
    """Return the local day and quarter-hour of each slot."""
    calendar = local_calendar(epochs, zone)
    return _WallClock(day=calendar.day, quarter=calendar.minute // _SLOT_MINUTES)


def _table(row: I64, quarter: I64, values: F64, rows: int) -> F64:
    """Lay values out as (rows, 96), the mean where two share a cell, NaN where none does."""
    known = ~np.isnan(values)
    cell = (row * _QUARTERS + quarter)[known]
    size = rows * _QUARTERS
    total = np.bincount(cell, weights=values[known], minlength=size)
    count = np.bincount(cell, minlength=size)
    table = np.full(size, np.nan)
    np.divide(total, count, out=table, where=count > 0)
    return table.reshape(rows, _QUARTERS)


def _mean_of_newest(table: F64, days: int) -> F64:
    """Return the (96,) mean of the first ``days`` values of each column, NaN if it has none."""
    known = ~np.isnan(table)
    use = known & (np.cumsum(known, axis=0) <= days)
    count = use.sum(axis=0)
    mean = np.full(_QUARTERS, np.nan)
    np.divide(np.where(use, table, 0.0).sum(axis=0), count, out=mean, where=count > 0)
    return mean


def _newest_before(table: F64, max_age_days: int) -> F64:
    """Return, per cell, the newest value of an earlier row at most ``max_age_days`` above it."""
    newest = np.full_like(table, np.nan)
    for age in range(1, min(max_age_days, table.shape[0] - 1) + 1):
        earlier = table[:-age]
        newest[age:] = np.where(np.isnan(newest[age:]), earlier, newest[age:])
    return newest


def refuse_gap(
    values: F64, slots: I64, *, zone: str, series: str, lookback_days: int, cure: str
) -> None:
    """Raise for the first of the (T,) slots that has no value.

    Raises:
        MissingHistoryError: there is one.
    """
    gap = np.isnan(values)
    if not gap.any():
        return
    minute = int(local_calendar(slots[gap][:1], zone).minute[0])
    raise MissingHistoryError(
        series,
        local_time=f"{minute // 60:02d}:{minute % 60:02d}",
        zone=zone,
        lookback_days=lookback_days,
        cure=cure,
    )


def _check_series(name: str, values: F64) -> None:
    """Refuse what is not one row of values or NaN."""
    _require(values.ndim == 1, f"{name}.shape", values.shape, "(N,): one value per slot")
    infinite = np.isinf(values)
    if infinite.any():
        raise SeriesError(f"{name}[{int(infinite.argmax())}]", "infinite", "a number, or NaN")


def _check_epochs(slots: I64, history_start: int) -> None:
    """Refuse slots that do not begin on a quarter-hour."""
    _require(
        history_start % SLOT_SECONDS == 0, "history_start", history_start, "a multiple of 900 s"
    )
    _require(slots.ndim == 1, "targets.shape", slots.shape, "(T,): one epoch second per slot")
    skew = slots % SLOT_SECONDS != 0
    if skew.any():
        raise SeriesError("targets", int(slots[skew][0]), "multiples of 900 s: slot starts")


def _require(ok: bool, name: str, got: object, want: str) -> None:  # noqa: FBT001
    """Raise SeriesError unless the condition holds."""
    if not ok:
        raise SeriesError(name, got, want)
