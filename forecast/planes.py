"""Where the panels look and how much they can do, from what they made: one plane in place of all.

Units: degrees (azimuth clockwise from north), kW, kWh per slot of 15 min. With y[t] the measured
mean of the source's own interval t and c[t](tilt, azimuth) the clear-sky energy of 1 kW there
(``forecast.sky``),

    first guess: min sum over windows of 30 days of rho(y - p_w * c)                     (PP1)
    clear days:  s_d >= 0.85 of the 0.9 quantile of s within 30 days and r_d <= 0.12     (PP2)
    plane:       min sum over clear days of |y - p * c| + pull * sum y                   (PP3)
    pull = 0.01 * (((tilt - 30) / 30)**2 + ((azimuth - 180) / 90)**2)                    (PP4)

rho and p_w are loss and weighted value of the 0.85 quantile of y / c: clouds pull down only. A day
has the level s_d = sum y c / sum c**2 and the shape r_d**2 = 1 - (sum y c)**2 / (sum c**2 sum
y**2); the ten best shapes count as clear whatever theirs. p is the weighted median of y / c. (PP4)
has 0 in place of 180 south of the equator and takes angles the short way round.

A window has a scale of its own, so that a gloomy winter is not taken for a flat roof; clear days
then share one scale, from which the seasons tell the tilt. (PP2), (PP3) are repeated twice. Days
are those of local solar time. Clear days are told by level and shape as in Reno and Hansen (2016),
Renewable Energy 90, 520-531. The pull (PP4) decides only where days do not. Several planes are seen
as the one that is nearest to their sum.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from forecast.errors import ForecastError
from forecast.sky import Panel, Radiation, SkyTable, Sun, clear_radiation, plane_kwh, sun_at
from telemetry.arrays import F64, I64, Bool
from telemetry.slots import SLOT_SECONDS

__all__ = ["PlaneFit", "PlaneFitError", "fit_plane", "weighted_quantile"]

LEAST_DAYS = 10
_QUANTILE, _WINDOW_DAYS, _LEAST_IN_WINDOW = 0.85, 30, 20
_WHOLE = 0.8  # of the usual number of intervals: a day with a gap tells no shape
_CLEAR_LEVEL, _CLEAR_TOP, _CLEAR_SHAPE, _CLEAR_LEAST = 0.85, 0.9, 0.12, 10
_ROUNDS, _MOST_MOVES, _FINEST_DEG = 2, 40, 0.6
_PULL = 0.01
_LEAST_KWH = 1e-4  # of 1 kW and slot: less light than this tells nothing
_NOMINAL_TEMP_C, _NOMINAL_WIND_M_S = 12.0, 3.0
_DAY_SECONDS, _SECONDS_PER_DEGREE = 86_400, 240.0


class PlaneFitError(ForecastError):
    """Measurements from which no plane can be told."""

    def __init__(self, got: str, want: str) -> None:
        """Keep the facts as attributes, so that a runner can log them as fields."""
        self.got, self.want = got, want
        super().__init__(
            f"the panels' tilt and azimuth cannot be fitted: {got}, want {want}; "
            "configure the planes of the home, or wait for more days of PV"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneFit:
    """The plane that explains what was measured, and how well.

    Attributes:
        panel: tilt, azimuth and peak power.
        error_ratio: mean absolute error on clear days over mean energy: 0.05 is good, 0.15 poor.
        clear_days: how many days it rests on.
    """

    panel: Panel
    error_ratio: float
    clear_days: int


class _Days(NamedTuple):
    """Measured intervals with sun, (M,) of them, each ``parts`` slots long.

    Attributes:
        kwh: mean energy per slot.
        day: (M,) solar day, from 0.
        sun, light: (M * parts,) sun and clear sky of the slots.
        parts: slots per interval.
        equator_deg: azimuth of the equator.
    """

    kwh: F64
    day: I64
    sun: Sun
    light: Radiation
    parts: int
    equator_deg: float

    def of(self, chosen: Bool) -> "_Days":
        """Return some of the intervals."""
        slots = np.repeat(chosen, self.parts)
        return _Days(
            self.kwh[chosen],
            self.day[chosen],
            Sun(*(part[slots] for part in self.sun)),
            Radiation(*(part[slots] for part in self.light)),
            self.parts,
            self.equator_deg,
        )

    def clear_kwh(self, tilt_deg: float, azimuth_deg: float) -> F64:
        """Return (M,) clear-sky energy of 1 kW, kWh per slot."""
        temp, wind = np.full(1, _NOMINAL_TEMP_C), np.full(1, _NOMINAL_WIND_M_S)
        kwh = plane_kwh(Panel(tilt_deg, azimuth_deg, 1.0), self.sun, self.light, temp, wind)
        mean: F64 = kwh.reshape(-1, self.parts).mean(axis=1)
        return mean


def fit_plane(pv_kwh: F64, start: int, sky: SkyTable, *, parts: int = 1) -> PlaneFit:
    """Fit one plane to measured PV.

    Args:
        pv_kwh: (S,) kWh per slot, NaN where missing or not to be learnt from.
        start: epoch second of the first slot, on the grid of the source's intervals.
        sky: the place.
        parts: slots per interval of the source: 1, 2 or 4.

    Raises:
        PlaneFitError: too few days with sun, or nothing but zeros or one number.
    """
    days = _with_sun(pv_kwh, start, sky, parts)
    _refuse(days)
    tilt, azimuth = _search(partial(_window_loss, days))
    chosen = days
    for _ in range(_ROUNDS):
        chosen = days.of(_clear(days, days.clear_kwh(tilt, azimuth))[days.day])
        tilt, azimuth = _search(partial(_clear_error, chosen))
    _, peak_kw, error = _clear_loss(chosen, tilt, azimuth)
    return PlaneFit(
        panel=Panel(tilt, azimuth % 360.0, peak_kw),
        error_ratio=error,
        clear_days=int(np.unique(chosen.day).size),
    )


def weighted_quantile(values: F64, weights: F64, share: float) -> float:
    """Return the value below which ``share`` of the weight of the (M,) values lies, M > 0."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    place = int(np.searchsorted(reached, share * reached[-1]))
    return float(values[order[min(place, values.size - 1)]])


def _with_sun(pv_kwh: F64, start: int, sky: SkyTable, parts: int) -> _Days:
    """Return the known intervals during which the sun is up."""
    whole = pv_kwh.size // parts
    slots = start + SLOT_SECONDS * np.arange(whole * parts, dtype=np.int64)
    kwh = pv_kwh[: whole * parts].reshape(-1, parts).mean(axis=1)
    solar = slots[::parts] + int(sky.longitude * _SECONDS_PER_DEGREE)
    day = solar // _DAY_SECONDS
    sun, light = sun_at(sky, slots), clear_radiation(sky, slots)
    up = light.ghi_w_m2.reshape(-1, parts).max(axis=1) > 0.0
    equator = 180.0 if sky.latitude >= 0.0 else 0.0
    everything = _Days(
        kwh, day - day.min(initial=np.iinfo(np.int64).max), sun, light, parts, equator
    )
    return everything.of(up & ~np.isnan(kwh))


def _refuse(days: _Days) -> None:
    """Refuse what no plane can be read from."""
    producing = days.kwh > 0.0
    count = int(np.unique(days.day[producing]).size)
    if count < LEAST_DAYS:
        raise PlaneFitError(f"{count} days with PV", f"at least {LEAST_DAYS}")
    if np.ptp(days.kwh[producing]) <= 1e-9 * days.kwh.max():
        raise PlaneFitError(
            f"a constant {days.kwh.max():g} kWh per slot", "PV that follows the sun"
        )


def _window_loss(days: _Days, tilt: float, azimuth: float) -> float:
    """Return the loss of the first guess (PP1)."""
    clear, window = days.clear_kwh(tilt, azimuth), days.day // _WINDOW_DAYS
    usable = clear > _LEAST_KWH
    loss = 0.0
    for number in np.unique(window).tolist():
        here = usable & (window == number)
        if np.count_nonzero(here) < _LEAST_IN_WINDOW:
            continue
        y, c = days.kwh[here], clear[here]
        miss = y - weighted_quantile(y / c, c, _QUANTILE) * c
        loss += float(np.maximum(_QUANTILE * miss, (_QUANTILE - 1.0) * miss).sum())
    return loss + _pull(days, tilt, azimuth) * float(days.kwh.sum())


def _clear(days: _Days, clear_kwh: F64) -> Bool:
    """Return (D,) whether a day was clear (PP2)."""
    count = int(days.day.max()) + 1

    def total(values: F64) -> F64:
        return np.asarray(np.bincount(days.day, values, count), dtype=np.float64)

    cc, yc, yy = total(clear_kwh**2), total(days.kwh * clear_kwh), total(days.kwh**2)
    told = (cc > 0.0) & (yy > 0.0)
    level = np.divide(yc, cc, out=np.zeros(count), where=told)
    fit = np.divide(yc**2, cc * yy, out=np.zeros(count), where=told)
    shape = np.sqrt(np.maximum(1.0 - fit, 0.0))
    intervals = total(np.ones(days.day.size))
    whole = told & (intervals >= _WHOLE * _around(intervals, 0.5))
    bright = whole & (level >= _CLEAR_LEVEL * _around(level, _CLEAR_TOP))
    if not bright.any():
        return told
    tenth = np.sort(shape[bright])[: min(_CLEAR_LEAST, int(bright.sum()))][-1]
    clear: Bool = bright & (shape <= max(_CLEAR_SHAPE, float(tenth)))
    return clear


def _around(values: F64, share: float) -> F64:
    """Return a quantile of (D,) values within 30 days of each day."""
    reach = _WINDOW_DAYS
    return np.array(
        [np.quantile(values[max(0, d - reach) : d + reach + 1], share) for d in range(values.size)]
    )


def _clear_loss(days: _Days, tilt: float, azimuth: float) -> tuple[float, float, float]:
    """Return (loss with its pull, peak power, relative error) on clear days (PP3)."""
    clear = days.clear_kwh(tilt, azimuth)
    usable = clear > _LEAST_KWH
    if not usable.any():
        return np.inf, 0.0, np.inf
    y, c = days.kwh[usable], clear[usable]
    peak_kw = weighted_quantile(y / c, c, 0.5)
    error = float(np.abs(days.kwh - peak_kw * clear).sum() / days.kwh.sum())
    return error + _pull(days, tilt, azimuth), peak_kw, error


def _clear_error(days: _Days, tilt: float, azimuth: float) -> float:
    """Return the loss on clear days alone, for the search."""
    return _clear_loss(days, tilt, azimuth)[0]


def _pull(days: _Days, tilt: float, azimuth: float) -> float:
    """Return what speaks against an unusual roof (PP4), relative to the energy."""
    turned = (azimuth - days.equator_deg + 180.0) % 360.0 - 180.0
    return _PULL * (((tilt - 30.0) / 30.0) ** 2 + (turned / 90.0) ** 2)


def _search(loss: Callable[[float, float], float]) -> tuple[float, float]:
    """Return the best (tilt, azimuth): a coarse grid, then ever finer steps downhill."""
    best = min(
        (float(loss(tilt, azimuth)), tilt, azimuth)
        for tilt in np.arange(0.0, 81.0, 10.0).tolist()
        for azimuth in np.arange(0.0, 360.0, 20.0).tolist()
    )
    step = 5.0
    for _ in range(_MOST_MOVES):
        if step < _FINEST_DEG:
            break
        _, tilt, azimuth = best
        around = (
            (min(max(tilt + up * step, 0.0), 90.0), azimuth + 2.0 * turn * step)
            for up in (-1, 0, 1)
            for turn in (-1, 0, 1)
            if up or turn
        )
        found = min((float(loss(t, a)), t, a) for t, a in around)
        if found[0] < best[0]:
            best = found
        else:
            step /= 2.0
    return best[1], best[2]
