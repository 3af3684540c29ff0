"""Spot prices beyond the published day: a usual day, and what is unusual just now, fading.

Units: currency/kWh; slots are 15 min, keyed by the epoch second of their UTC start. NaN is a price
that was not published; zero and negative prices are prices.

Which day comes is known, the weather that makes it cheap or dear is not. So a price is taken from
a profile of the last four weeks, workdays, Saturdays and Sundays apart, and the newest prices say
by how much the market is off that profile. With x[d, q] the price of local day d at quarter q of
the wall clock (96 of them), z the newest slot published before the one asked for, D the days with
at least 92 known quarters among the 28 that end with the day of z, l[d] the mean of x[d, q] over q,
k(d) the kind of a day, D_k the days of a kind and n_k their number,

    effect[k] = n_k / (n_k + 1) * (mean of l over D_k - mean of l over workdays)         (B1)
    base      = mean of l[d] - effect[k(d)] over D                                       (B2)
    shape[k, q] = mean of x[d, q] - l[d] over the newest 10 (workdays) or 4 days of D_k  (B3)
    profile[k, q] = base + effect[k] + shape[k, q]                                       (B4)
    off = mean of x - profile over the 48 h to z, weighted by exp(-age / 2 h)            (B5)
    price[t] = profile[k(t), q(t)] + 0.8 * exp(-(t - z) / 48 h) * off                    (B6)

within the lowest and the highest price of those four weeks.

A battery earns by the spread of prices, of which a mean path has too little: so scenarios add to
it what the forecast missed on the newest days. With e[j, i] the miss of (B6), by the profile of
today, i slots after the slot 24 h * j before z, of K days without a gap, centred,

    miss[j, i] = e[j, i] - mean of e[., i] over the K days                               (B7)
    scenario[j, z + i] = price[z + i] + miss[j, i],  i <= 96                             (B8)
    ... and beyond  + 0.8 * exp(-(i - 96) * h / 48 h) * off of miss[j, .] as in (B5)     (B9)

so their mean is the forecast. Both are linear in the prices: they follow a shift and any change of
currency. What goes with less history: a kind without a day in D is a workday with the shape of all
days; with fewer than 7 days in D, and at a quarter without any value there, a price is that of the
same slot yesterday (N2); with fewer than K days to miss they take turns, with none all scenarios
are the forecast. History is refused where (N2) refuses it.

The numbers were chosen once on SE3, SE4 and DE-LU together, January 2024 to September 2025, and
hold for every area; the optimum is flat. A day's mean without the effect of its kind follows
the day before by 0.66, then 0.38 and 0.25: exp(-t / 48 h). (B5) beats the mean of the last day as
its evening says more about tomorrow than its night. More elaborate means gained nothing that a
battery earns. Public holidays are not known here. Similar days, and an autoregression of what
they leave: R. Weron, Electricity price forecasting, International Journal of Forecasting 30 (2014)
1030-1081.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.baseline import fill_unpublished_prices
from forecast.errors import SeriesError
from telemetry.arrays import F64, I64, Bool
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, local_calendar

__all__ = ["MOST_SCENARIOS", "PRICE_DAYS", "forecast_prices", "price_scenarios"]

PRICE_DAYS = 36
"""Days of history that are enough: the profile's, 7 without a price, and the issue's own."""
MOST_SCENARIOS = 20
"""How many days back scenarios are taken from."""

_PROFILE_DAYS, _LEAST_DAYS, _LEAST_QUARTERS = 28, 7, 92
_SHAPE_DAYS = (10, 4, 4)
_WORKDAY, _SATURDAY, _SUNDAY = range(3)
_OFF_SECONDS, _AGE_SECONDS, _FADE_SECONDS = 48 * 3600, 2 * 3600.0, 48 * 3600.0
_OFF_SHARE = 0.8
_QUARTERS = 1440 // SLOT_MINUTES


def forecast_prices(prices: F64, start: int, *, zone: str, history: F64, history_start: int) -> F64:
    """Return prices with the unpublished ones forecast from those published before them (B6).

    Prices of ``history`` at or after ``start`` are not read; the horizon speaks for itself. A
    forecast depends on the published prices before its slot alone, not on ``start``.

    Args:
        prices: (T,) currency/kWh of consecutive slots, NaN where not yet published.
        start: epoch second of the first slot of ``prices``.
        zone: IANA name of the zone whose wall clock pairs the days.
        history: (N,) published prices before ``start``, NaN where missing; what is older than
            ``PRICE_DAYS`` changes nothing.
        history_start: epoch second of the first slot of ``history``.

    Returns:
        (T,) prices, never NaN; published ones unchanged.

    Raises:
        SeriesError: the arguments are not such series.
        MissingHistoryError: a slot has no price in the 7 days before it.
    """
    filled = fill_unpublished_prices(
        prices, start, zone=zone, history=history, history_start=history_start
    )
    runs = _runs(np.isnan(prices))
    if not runs:
        return filled
    seen = _seen(prices, start, zone, history, history_start)
    before = seen.value.size - prices.size
    for low, stop in runs:
        path = _path(seen, before + low, before + stop)
        filled[low:stop] = np.where(np.isnan(path), filled[low:stop], path)
    return filled


def price_scenarios(
    prices: F64, start: int, *, zone: str, history: F64, history_start: int, count: int
) -> F64:
    """Return ways the unpublished prices may turn out, around their forecast (B8, B9).

    Args:
        prices: (T,) as in ``forecast_prices``; so are the others.
        start: epoch second of the first slot of ``prices``.
        zone: IANA name of the zone whose wall clock pairs the days.
        history: (N,) published prices before ``start``, NaN where missing.
        history_start: epoch second of the first slot of ``history``.
        count: K, from 1 to ``MOST_SCENARIOS``.

    Returns:
        (K, T) prices, equally likely: published ones unchanged, their mean the forecast.

    Raises:
        SeriesError: the arguments are not such series, or the count is none.
        MissingHistoryError: a slot has no price in the 7 days before it.
    """
    if not 1 <= count <= MOST_SCENARIOS:
        raise SeriesError("count", count, f"1 to {MOST_SCENARIOS}: one scenario per day back")
    mean = forecast_prices(prices, start, zone=zone, history=history, history_start=history_start)
    paths = np.repeat(mean[None], count, axis=0)
    runs = _runs(np.isnan(prices))
    if not runs:
        return paths
    seen = _seen(prices, start, zone, history, history_start)
    before = seen.value.size - prices.size
    for low, stop in runs:
        paths[:, low:stop] += _surprises(seen, before + low, before + stop, count)
    return paths


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """History and horizon as one series, all (M,): NaN where no price was published.

    Attributes:
        epoch: second of each slot's start, ascending.
        day: ordinal of its local day.
        quarter: of its wall clock.
        value: currency/kWh.
    """

    epoch: I64
    day: I64
    quarter: I64
    value: F64


def _seen(prices: F64, start: int, zone: str, history: F64, history_start: int) -> _Seen:
    """Lay history and horizon on the local calendar, no slot left out."""
    first = min(max(history_start, start - (PRICE_DAYS + 1) * 86_400), start)
    epoch = np.arange(first, start + SLOT_SECONDS * prices.size, SLOT_SECONDS, dtype=np.int64)
    value = np.full(epoch.size, np.nan)
    low, stop = ((moment - history_start) // SLOT_SECONDS for moment in (first, start))
    past = history[max(low, 0) : max(stop, 0)]
    value[: past.size] = past
    value[epoch.size - prices.size :] = prices
    calendar = local_calendar(epoch, zone)
    return _Seen(
        epoch=epoch, day=calendar.day, quarter=calendar.minute // SLOT_MINUTES, value=value
    )


def _path(seen: _Seen, first: int, stop: int) -> F64:
    """Return the prices of a run of unpublished slots (B6), NaN where (N2) has to do."""
    newest = _newest(seen, first)
    if newest < 0:
        return np.full(stop - first, np.nan)
    path = _expected(seen, newest, _profile(seen, newest), slice(first, stop))
    lately = seen.value[max(newest + 1 - _PROFILE_DAYS * _QUARTERS, 0) : newest + 1]
    return np.clip(path, np.nanmin(lately), np.nanmax(lately))


def _newest(seen: _Seen, first: int) -> int:
    """Return the place of the newest slot published before another, -1 without any."""
    published = np.flatnonzero(~np.isnan(seen.value[:first]))
    return int(published[-1]) if published.size else -1


def _expected(seen: _Seen, newest: int, profile: F64, targets: slice) -> F64:
    """Return what is expected of some slots (B6) by a profile and the prices up to a slot."""
    lead_seconds = seen.epoch[targets] - seen.epoch[newest]
    usual = profile[_kind(seen.day[targets]), seen.quarter[targets]]
    fading = _OFF_SHARE * np.exp(-lead_seconds / _FADE_SECONDS)
    path: F64 = usual + fading * _off(seen, newest, profile)
    return path


def _surprises(seen: _Seen, first: int, stop: int, count: int) -> F64:
    """Return what each of K scenarios adds to a run of unpublished slots (B8, B9), (K, n)."""
    newest = _newest(seen, first)
    misses = _misses(seen, newest, count) if newest >= 0 else np.zeros((count, _QUARTERS))
    lead = np.arange(first, stop) - newest
    age_seconds = SLOT_SECONDS * np.arange(_QUARTERS)[::-1]
    off = np.average(misses, axis=1, weights=np.exp(-age_seconds / _AGE_SECONDS))
    beyond_seconds = SLOT_SECONDS * np.maximum(lead - _QUARTERS, 0)
    later = off[:, None] * _OFF_SHARE * np.exp(-beyond_seconds / _FADE_SECONDS)
    added: F64 = np.where(lead > _QUARTERS, later, misses[:, np.minimum(lead, _QUARTERS) - 1])
    return added


def _misses(seen: _Seen, newest: int, count: int) -> F64:
    """Return what the forecast missed in the 24 h after slots of the newest days (B7), (K, 96)."""
    profile = _profile(seen, newest)
    found: list[F64] = []
    for back in range(1, MOST_SCENARIOS + 1):
        origin = newest - back * _QUARTERS
        if origin < 0 or len(found) == count:
            break
        day = slice(origin + 1, origin + 1 + _QUARTERS)
        missed = seen.value[day] - _expected(seen, origin, profile, day)
        if not np.isnan(missed).any():
            found.append(missed)
    if not found:
        return np.zeros((count, _QUARTERS))
    misses = np.resize(np.stack(found), (count, _QUARTERS))
    centred: F64 = misses - misses.mean(axis=0)
    return centred


def _kind(day: I64) -> I64:
    """Return the kind of each day, given as an ordinal (1 January of year 1 was a Monday)."""
    return np.maximum((day + 6) % 7 - 4, _WORKDAY)


def _profile(seen: _Seen, newest: int) -> F64:
    """Return the (3, 96) usual prices by kind of day (B4) as known at a slot, NaN where unknown."""
    days, table = _whole_days(seen, newest)
    if days.size < _LEAST_DAYS:
        return np.full((len(_SHAPE_DAYS), _QUARTERS), np.nan)
    kind, level = _kind(days), _mean(table.T)
    effect = _effects(kind, level)
    base = np.mean(level - effect[kind])
    deviation = table - level[:, None]
    shapes = []
    for k, most in enumerate(_SHAPE_DAYS):
        own = np.flatnonzero(kind == k)[-most:]
        shapes.append(_mean(deviation[own] if own.size else deviation))
    profile: F64 = base + effect[:, None] + np.stack(shapes)
    return profile


def _whole_days(seen: _Seen, newest: int) -> tuple[I64, F64]:
    """Return (day, price by quarter), (D,) and (D, 96), of the days of a profile.

    A doubled hour has the mean of its two prices, the hour that spring skips has none.
    """
    days = seen.day[newest] - np.arange(_PROFILE_DAYS, dtype=np.int64)[::-1]
    value = seen.value[: newest + 1]
    use = (seen.day[: newest + 1] >= days[0]) & ~np.isnan(value)
    cell = (seen.day[: newest + 1][use] - days[0]) * _QUARTERS + seen.quarter[: newest + 1][use]
    size = _PROFILE_DAYS * _QUARTERS
    total = np.bincount(cell, weights=value[use], minlength=size).astype(np.float64)
    table = _ratio(total, np.bincount(cell, minlength=size)).reshape(_PROFILE_DAYS, _QUARTERS)
    whole = (~np.isnan(table)).sum(axis=1) >= _LEAST_QUARTERS
    return days[whole], table[whole]


def _effects(kind: I64, level: F64) -> F64:
    """Return by how much each kind of day is dearer than a workday (B1), 0 where unknown."""
    effect, workday = np.zeros(len(_SHAPE_DAYS)), kind == _WORKDAY
    for k in (_SATURDAY, _SUNDAY):
        own = kind == k
        count = int(own.sum())
        if count and workday.any():
            effect[k] = count / (count + 1) * (level[own].mean() - level[workday].mean())
    return effect


def _off(seen: _Seen, newest: int, profile: F64) -> float:
    """Return by how much the newest prices lie above the profile (B5)."""
    age_seconds = seen.epoch[newest] - seen.epoch[: newest + 1]
    recent = age_seconds < _OFF_SECONDS
    usual = profile[_kind(seen.day[: newest + 1][recent]), seen.quarter[: newest + 1][recent]]
    off = seen.value[: newest + 1][recent] - usual
    known = ~np.isnan(off)
    if not known.any():
        return 0.0
    return float(np.average(off[known], weights=np.exp(-age_seconds[recent][known] / _AGE_SECONDS)))


def _mean(table: F64) -> F64:
    """Return the mean of what is known in each column, NaN where nothing is."""
    known = ~np.isnan(table)
    return _ratio(np.where(known, table, 0.0).sum(axis=0), known.sum(axis=0))


def _ratio(total: F64, count: NDArray[np.signedinteger]) -> F64:
    """Return total / count, NaN where the count is 0."""
    ratio = np.full(total.shape, np.nan)
    np.divide(total, count, out=ratio, where=count > 0)
    return ratio


def _runs(there: Bool) -> list[tuple[int, int]]:
    """Return [first, stop) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], there, [False]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
