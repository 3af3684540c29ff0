"""Day-ahead prices of the demo home's area, quarter-hourly, EUR/kWh without tax or fees.

    price = level[day] * shape(clock, weekday) * wind - sun + spike              (P1)

``level`` follows the season and an AR(1) memory from day to day; still days are dear, windy
ones cheap; the sun digs a hole at noon that is deeper at weekends, and below zero the curve
is compressed, because few sell there. Spikes come on still winter evenings. Mean, spread and
count of negative hours are set near those of southern Sweden in 2024 and 2025. A day's
prices are a fact of the local market day and known from 13:15 market time the day before.
"""

import numpy as np
from numpy.typing import NDArray

from sim.demo_load import HouseDays
from sim.demo_weather import Sun, Weather, autoregressive, season
from telemetry.arrays import F64, I64

MIN_EUR_PER_KWH = -0.06
MAX_EUR_PER_KWH = 0.58
_SUN_EUR_PER_KWH = 0.072
_SATURDAY = 5
_COLD_SEASON = 0.25
# Price relative to the day's level: (local hour, ratio) for workdays and for weekends.
_SHAPES = (
    ((0, 0.86), (2, 0.74), (4, 0.74), (5.5, 0.88), (7.5, 1.48), (9, 1.28), (11, 1.10), (13.5, 1.02),
     (15.5, 1.18), (17.5, 1.52), (19, 1.62), (21, 1.2), (24, 0.86)),
    ((0, 0.82), (3, 0.66), (6, 0.66), (9, 0.95), (11, 0.95), (14, 0.84), (16, 1.0),
     (18.5, 1.4), (20, 1.32), (22, 1.0), (24, 0.82)),
)  # fmt: skip


def make_prices(
    slots: I64, days: HouseDays, sun: Sun, weather: Weather, rng: np.random.Generator
) -> F64:
    """Return (N,) spot prices of slots that cover whole local days, EUR/kWh.

    Args:
        slots: (N,) epoch seconds of the slot starts.
        days: their local calendar.
        sun: sun over the area.
        weather: weather over the area, a stand-in for the market's own wind and sun.
        rng: source of chance.
    """
    weekend = (days.weekday >= _SATURDAY)[days.day]
    winter = season(slots, 20.0)
    middays = np.arange(days.kind.size) + 0.5
    level = np.interp(days.day + days.hour / 24.0, middays, _day_level(days.weekday, rng))
    level = level * (0.061 + 0.012 * winter)
    shape = _shape(days.hour, weekend)
    wind = _still_air(weather.wind_m_s)
    haze = 1.0 - 0.55 * _smooth(weather.cloud_cover, 48)
    sun_hole = _SUN_EUR_PER_KWH * sun.clear_ghi_w_m2 / 850.0 * haze * np.where(weekend, 1.3, 1.0)
    ripple = 0.0015 * autoregressive(slots.size, 0.8, rng)
    price: F64 = level * shape * wind - sun_hole + _spikes(days, winter, wind, rng) + ripple
    price = np.where(price < 0.0, 0.45 * price, price)
    # Exchanges quote 0.01 EUR/MWh; adding zero turns -0.0 into 0.0.
    clipped: F64 = np.clip(price, MIN_EUR_PER_KWH, MAX_EUR_PER_KWH)
    quoted: F64 = clipped.round(5) + 0.0
    return quoted


def _day_level(weekday: I64, rng: np.random.Generator) -> F64:
    """Return the (D,) level of each market day, 1 on average, cheaper at weekends."""
    level: F64 = np.exp(0.33 * autoregressive(weekday.size, 0.75, rng) - 0.05)
    return level * (1.06 - 0.22 * (weekday >= _SATURDAY))


def _shape(hour: F64, weekend: NDArray[np.bool_]) -> F64:
    """Return the (N,) ratio to the day's level, with the steeper ramps of quarter-hours."""
    curves = []
    for points in _SHAPES:
        knots, ratios = np.array(points, dtype=float).T
        smooth = np.interp(hour, knots, ratios)
        # Hourly contracts meet a ramping load: quarters swing about the hour's mean.
        slope = np.interp(hour // 1 + 1.0, knots, ratios) - np.interp(hour // 1, knots, ratios)
        curves.append(smooth + 0.5 * slope * (hour % 1 - 0.375))
    shape: F64 = np.where(weekend, curves[1], curves[0])
    return shape


def _still_air(wind_m_s: F64) -> F64:
    """Return the (N,) factor of the region's wind: above 1 on still days, below on windy ones."""
    regional = _smooth(np.log(wind_m_s), 40)
    factor: F64 = np.clip(np.exp(-0.85 * (regional - regional.mean())), 0.12, 2.2)
    return factor


def _spikes(days: HouseDays, winter: F64, still: F64, rng: np.random.Generator) -> F64:
    """Return (N,) EUR/kWh of scarcity on some still evenings of the cold season."""
    count = days.kind.size
    height = rng.gamma(2.0, 0.075, count) * (rng.random(count) < 0.16)  # noqa: PLR2004
    evening = np.exp(-(((days.hour - 17.6) / 1.4) ** 2))
    morning = 0.45 * np.exp(-(((days.hour - 8.2) / 1.1) ** 2))
    scarce = (winter > _COLD_SEASON) * np.clip(still - 0.6, 0.0, 1.0)
    spikes: F64 = height[days.day] * scarce * (evening + morning)
    return spikes


def _smooth(values: F64, slots: int) -> F64:
    """Return the centred mean over ``2 * (slots // 2) + 1`` slots, same shape, shorter at ends."""
    half = slots // 2
    total = np.concatenate(([0.0], np.cumsum(values)))
    index = np.arange(values.size)
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, values.size)
    mean: F64 = (total[high] - total[low]) / (high - low)
    return mean
