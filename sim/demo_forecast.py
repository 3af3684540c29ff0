"""Weather forecasts of the demo home: issued four times a day, wrong in the way forecasts are.

An issue gives 60 hourly means from the full hour after it was issued. With h the hour's lead,

    value = actual + sd(h) * z,  sd(h) = sd_1 + (sd_60 - sd_1) * sqrt((h - 1) / 59)      (F1)
    z = sqrt(0.4) * common(valid time) + sqrt(0.6) * own(issue, h)                       (F2)

z has zero mean and unit variance, is correlated in time, and runs share a part of their
error. Wind errs by a factor, radiation through its ratio to the clear sky; then all are
bounded to what is physical, DNI and DHI split by Erbs, radiation exactly zero at night.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from sim.demo_weather import Sun, Weather, autoregressive, split_radiation
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS, from_epoch

VARIABLES = ("temp_c", "ghi_w_m2", "dni_w_m2", "dhi_w_m2", "cloud_cover", "wind_m_s")
ISSUE_HOURS = 60
_ISSUE_STEP_HOURS = 6
_HOUR = 3600
# Runs are published this long before their first hour.
_PUBLISHED_AHEAD = timedelta(minutes=20)
# Standard deviation of the error in the first and in the 60th hour.
_TEMP_C = (0.5, 2.2)
_COVER = (0.10, 0.33)
_CLEARNESS = (0.06, 0.22)
_LOG_WIND = (0.12, 0.38)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeatherIssue:
    """One published weather forecast.

    Attributes:
        issued_at: when it became known, UTC, before ``start``.
        start: start of the first interval, UTC.
        slot_minutes: length of an interval; a value is the interval's mean.
        variables: names with units, one per row of ``values``.
        values: (V, T) forecast.
    """

    issued_at: datetime
    start: datetime
    slot_minutes: int = 60
    variables: tuple[str, ...] = VARIABLES
    values: F64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _HourlyActuals:
    """Hourly means of what happened, all (H,), from the epoch second ``start``."""

    start: int
    temp_c: F64
    cover: F64
    wind_m_s: F64
    clearness: F64
    clear_ghi_w_m2: F64
    zenith_deg: F64
    dni_extra_w_m2: F64


def make_issues(
    slots: I64, sun: Sun, weather: Weather, known: tuple[int, int], rng: np.random.Generator
) -> tuple[WeatherIssue, ...]:
    """Return every issue whose hours lie within the actuals and that starts within ``known``.

    Args:
        slots: (N,) epoch seconds of the actuals, N a multiple of 4, from a whole UTC hour.
        sun: sun over those slots.
        weather: actual weather of those slots.
        known: first and last epoch second (exclusive) at which an issue may start.
        rng: source of chance.
    """
    actual = _hourly(slots, sun, weather)
    first = -(-known[0] // (_ISSUE_STEP_HOURS * _HOUR)) * _ISSUE_STEP_HOURS * _HOUR
    starts = np.arange(first, known[1], _ISSUE_STEP_HOURS * _HOUR, dtype=np.int64)
    hour = ((starts - actual.start) // _HOUR)[:, None] + np.arange(ISSUE_HOURS)
    values = _values(actual, hour, rng)
    return tuple(
        WeatherIssue(
            issued_at=from_epoch(start) - _PUBLISHED_AHEAD, start=from_epoch(start), values=rows
        )
        for start, rows in zip(starts.tolist(), values, strict=True)
    )


def _hourly(slots: I64, sun: Sun, weather: Weather) -> _HourlyActuals:
    """Return hourly means of the actual weather."""
    per_hour = _HOUR // SLOT_SECONDS

    def mean(values: F64) -> F64:
        result: F64 = values.reshape(-1, per_hour).mean(axis=1)
        return result

    clear, ghi = mean(sun.clear_ghi_w_m2), mean(weather.ghi_w_m2)
    height = mean(np.maximum(np.cos(np.radians(sun.zenith_deg)), 0.0))
    return _HourlyActuals(
        start=int(slots[0]),
        temp_c=mean(weather.temp_c),
        cover=mean(weather.cloud_cover),
        wind_m_s=mean(weather.wind_m_s),
        clearness=np.divide(ghi, clear, out=np.zeros_like(ghi), where=clear > 0.0),
        clear_ghi_w_m2=clear,
        zenith_deg=np.degrees(np.arccos(height)),
        dni_extra_w_m2=mean(sun.dni_extra_w_m2),
    )


def _values(actual: _HourlyActuals, hour: I64, rng: np.random.Generator) -> F64:
    """Return the (I, V, T) forecasts of the hours ``hour`` (I, T) (F1)."""
    hours = actual.temp_c.size
    sky = _error(hour, hours, rng)
    clearness = np.clip(actual.clearness[hour] - _spread(_CLEARNESS) * sky, 0.04, 1.05)
    ghi = actual.clear_ghi_w_m2[hour] * clearness
    dni, dhi = split_radiation(ghi, actual.zenith_deg[hour], actual.dni_extra_w_m2[hour])
    temp_c = actual.temp_c[hour] + _spread(_TEMP_C) * _error(hour, hours, rng)
    cover = np.clip(actual.cover[hour] + _spread(_COVER) * sky, 0.0, 1.0)
    log_sd = _spread(_LOG_WIND)
    # exp(sd z - sd^2 / 2) has mean one.
    gust = np.exp(log_sd * _error(hour, hours, rng) - log_sd**2 / 2.0)
    wind = np.clip(actual.wind_m_s[hour] * gust, 0.0, 40.0)
    return np.stack((temp_c, ghi, dni, dhi, cover, wind), axis=1)


def _spread(ends: tuple[float, float]) -> F64:
    """Return the (T,) standard deviation by lead (F1)."""
    lead = np.arange(ISSUE_HOURS) / (ISSUE_HOURS - 1.0)
    spread: F64 = ends[0] + (ends[1] - ends[0]) * np.sqrt(lead)
    return spread


def _error(hour: I64, hours: int, rng: np.random.Generator) -> F64:
    """Return the (I, T) unit error z (F2)."""
    memory = 0.92
    shocks = rng.standard_normal(hour.shape)
    own = np.empty(hour.shape)
    own[:, 0] = shocks[:, 0]
    for lead in range(1, ISSUE_HOURS):
        own[:, lead] = memory * own[:, lead - 1] + np.sqrt(1.0 - memory**2) * shocks[:, lead]
    common = autoregressive(hours, memory, rng)[hour]
    error: F64 = np.sqrt(0.4) * common + np.sqrt(0.6) * own
    return error
