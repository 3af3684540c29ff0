"""The demo home: one local calendar year of a villa in Skane, as arrays.

Made of formulas and a seed: the same seed gives bit-identical arrays on the same machine and
library versions. Nothing is measured, so the year may be shown and published. Units: kWh per
15-minute slot at the AC bus, EUR/kWh, W/m2, deg C, m/s; slots are keyed by the epoch second
of their UTC start, and a local day has 92, 96 or 100 of them.

The parts: ``demo_weather`` (sun, clouds, temperature), ``demo_pv``, ``demo_load``,
``demo_prices``, ``demo_forecast``. Each draws from its own stream of the seed, so a change in
one leaves the others as they were.
"""

from dataclasses import dataclass, fields
from datetime import date
from typing import TypeVar

import numpy as np

from sim.demo_forecast import WeatherIssue, make_issues
from sim.demo_load import HouseDays, house_days, make_load
from sim.demo_prices import make_prices
from sim.demo_pv import make_pv
from sim.demo_weather import Sun, Weather, make_weather, sun_over
from telemetry.arrays import F64, I64
from telemetry.home import Home, Plane
from telemetry.slots import (
    SLOT_SECONDS,
    assumed_issue_time,
    local_day,
    slot_range,
    to_epoch,
)

__all__ = ["DEMO_HOME", "INVERTER_KW", "DemoYear", "WeatherIssue", "make_demo_year"]

_ZONE = "Europe/Stockholm"
_LATITUDE, _LONGITUDE, _ELEVATION_M = 55.6, 13.0, 30.0
DEMO_HOME = Home(
    home_id="demo",
    name="Demo home",
    zone=_ZONE,
    latitude=_LATITUDE,
    longitude=_LONGITUDE,
    elevation_m=_ELEVATION_M,
    planes=(
        Plane(tilt_deg=38.0, azimuth_deg=175.0, peak_kw=6.0),
        Plane(tilt_deg=25.0, azimuth_deg=265.0, peak_kw=3.0),
    ),
    area="DEMO",  # its own, so that made-up prices never mix with imported ones
    currency="SEK",
)
INVERTER_KW = 8.0
_DAY_SECONDS = 86_400
# Weather runs on around the year, so that the first slot has forecasts and the last issue hours.
_BEFORE_SECONDS, _AFTER_SECONDS = 2 * _DAY_SECONDS, 4 * _DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DemoYear:
    """One year of the demo home; arrays are (N,), N = 35,040 (35,136 in a leap year).

    Attributes:
        home: the house.
        slot_start: epoch seconds of the UTC slot starts, int64.
        load_kwh: load of the whole house, water heater included, >= 0.
        water_heater_kwh: the water heater's share of it.
        pv_kwh: PV energy, 0 below the horizon.
        spot_eur_per_kwh: day-ahead price without tax and fees; may be zero or negative.
        spot_known_at: epoch seconds at which each price was published, int64.
        temp_c: air temperature.
        ghi_w_m2: global horizontal irradiance.
        dni_w_m2: direct normal irradiance.
        dhi_w_m2: diffuse horizontal irradiance.
        cloud_cover: ratio, 0 to 1.
        wind_m_s: wind speed at 10 m.
        weather_forecasts: every issue from a day before the year to its end, oldest first.
    """

    home: Home
    slot_start: I64
    load_kwh: F64
    water_heater_kwh: F64
    pv_kwh: F64
    spot_eur_per_kwh: F64
    spot_known_at: I64
    temp_c: F64
    ghi_w_m2: F64
    dni_w_m2: F64
    dhi_w_m2: F64
    cloud_cover: F64
    wind_m_s: F64
    weather_forecasts: tuple[WeatherIssue, ...]


def make_demo_year(seed: int = 0, year: int = 2025) -> DemoYear:
    """Return the demo home's local calendar ``year``, drawn from ``seed`` (at least 0)."""
    slots = slot_range(
        local_day(date(year, 1, 1), _ZONE)[0], local_day(date(year + 1, 1, 1), _ZONE)[0]
    )
    sky_rng, forecast_rng, load_rng, price_rng = _streams(seed)
    first, end = int(slots[0]), int(slots[-1]) + SLOT_SECONDS
    around = np.arange(first - _BEFORE_SECONDS, end + _AFTER_SECONDS, SLOT_SECONDS, dtype=np.int64)
    sun = sun_over(around, latitude=_LATITUDE, longitude=_LONGITUDE, elevation_m=_ELEVATION_M)
    weather = make_weather(sun, around, sky_rng)
    issues = make_issues(around, sun, weather, (first - _DAY_SECONDS, end), forecast_rng)
    inside = slice(_BEFORE_SECONDS // SLOT_SECONDS, -_AFTER_SECONDS // SLOT_SECONDS)
    return _live_in(slots, _cut(sun, inside), _cut(weather, inside), issues, (load_rng, price_rng))


def _live_in(
    slots: I64,
    sun: Sun,
    weather: Weather,
    issues: tuple[WeatherIssue, ...],
    rngs: tuple[np.random.Generator, np.random.Generator],
) -> DemoYear:
    """Return the year of a house under this sky; ``rngs`` draw its load and its prices."""
    load_rng, price_rng = rngs
    days = house_days(slots, _ZONE)
    load_kwh, water_heater_kwh = make_load(days, sun, weather, load_rng)
    return DemoYear(
        home=DEMO_HOME,
        slot_start=slots,
        load_kwh=load_kwh,
        water_heater_kwh=water_heater_kwh,
        pv_kwh=make_pv(DEMO_HOME.planes, sun, weather, inverter_kw=INVERTER_KW),
        spot_eur_per_kwh=make_prices(slots, days, sun, weather, price_rng),
        spot_known_at=_published(days),
        temp_c=weather.temp_c,
        ghi_w_m2=weather.ghi_w_m2,
        dni_w_m2=weather.dni_w_m2,
        dhi_w_m2=weather.dhi_w_m2,
        cloud_cover=weather.cloud_cover,
        wind_m_s=weather.wind_m_s,
        weather_forecasts=issues,
    )


def _streams(seed: int) -> list[np.random.Generator]:
    """Return one generator for the sky, the forecasts, the load and the prices each."""
    return [np.random.default_rng([seed, part]) for part in range(4)]


_Series = TypeVar("_Series", Sun, Weather)


def _cut(series: _Series, inside: slice) -> _Series:
    """Return the same series for fewer slots."""
    return type(series)(**{f.name: getattr(series, f.name)[inside] for f in fields(series)})


def _published(days: HouseDays) -> I64:
    """Return the (N,) epoch second at which each slot's price became known.

    Stockholm keeps market time, so the local day is the delivery day.
    """
    known_at = [
        to_epoch(assumed_issue_time(date.fromordinal(day))) for day in days.ordinal.tolist()
    ]
    return np.array(known_at, dtype=np.int64)[days.day]
