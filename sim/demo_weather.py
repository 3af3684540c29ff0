"""Weather of the demo home: sun, clouds, temperature and wind on the 15-minute grid.

Units: W/m2, deg C, m/s, cloud cover as a ratio; a value is the mean of its slot, and the sun
stands where it is at the middle of the slot.

    GHI = GHI_clear * k(cover),  k = 1 - 0.75 * cover**3.4                       (W1)
    GHI = DHI + DNI * cos(zenith)                                                (W2)
    T = season + day + memory + clouds                                           (W3)

(W1) is Kasten and Czeplak (1980), Solar Energy 24, 177-189; the clear sky is Ineichen and
Perez (2002) with a Linke turbidity given here; DHI comes from Erbs, Klein and Duffie (1982).
Clouds are a Markov chain over clear, partly cloudy and overcast with an hourly step, whose
stationary mix goes from a gloomy December to a sunny June. Radiation is exactly zero where
the middle of the slot has the sun at or below the horizon.
"""

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.errors import MissingExtraError
from telemetry.slots import SLOT_SECONDS

YEAR_SECONDS = 365.2425 * 86_400.0
_QUARTERS_PER_HOUR = 4
# Mean hours a state lasts; the share of time each has in midwinter and in midsummer.
_STATE_HOURS = np.array([16.0, 9.0, 20.0])
_WINTER_SHARE = np.array([0.16, 0.22, 0.62])
_SUMMER_SHARE = np.array([0.40, 0.36, 0.24])
# Cloud cover of a state (clear, partly, overcast) and how much it wanders and flickers.
_COVER_MEAN = np.array([0.10, 0.60, 0.97])
_COVER_WANDER = np.array([0.07, 0.17, 0.06])
_FLICKER = np.array([0.01, 0.20, 0.08])
# The sun below this elevation gives diffuse light only (Erbs' limit is a zenith of 87 deg).
MAX_BEAM_ZENITH_DEG = 87.0
_HORIZON_DEG = 90.0
# Erbs et al. (1982): the clearness indices where the branches of the correlation meet.
_ERBS_LOW, _ERBS_HIGH = 0.22, 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sun:
    """Sun and clear sky at the middle of N slots.

    Attributes:
        zenith_deg: (N,) true zenith angle.
        azimuth_deg: (N,) clockwise from north.
        day_of_year: (N,) 1 to 366, UTC.
        dni_extra_w_m2: (N,) normal irradiance outside the atmosphere.
        clear_ghi_w_m2: (N,) global horizontal irradiance without clouds, 0 below the horizon.
    """

    zenith_deg: F64
    azimuth_deg: F64
    day_of_year: I64
    dni_extra_w_m2: F64
    clear_ghi_w_m2: F64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weather:
    """Weather of N consecutive slots, all arrays (N,)."""

    temp_c: F64
    ghi_w_m2: F64
    dni_w_m2: F64
    dhi_w_m2: F64
    cloud_cover: F64
    wind_m_s: F64


def load_pvlib() -> ModuleType:
    """Return pvlib, imported on first use: it is heavy, and few programs need it."""
    try:
        import pvlib  # noqa: PLC0415
    except ImportError as err:
        raise MissingExtraError("pvlib", "forecast", "the demo home") from err
    module: ModuleType = pvlib
    return module


def sun_over(slots: I64, *, latitude: float, longitude: float, elevation_m: float) -> Sun:
    """Return sun and clear sky for slots given by (N,) epoch seconds of their starts."""
    pvlib = load_pvlib()

    middle = slots + SLOT_SECONDS / 2.0
    # Yearly mean pressure (mbar) and temperature; delta T of the 2020s is 69 s; refraction.
    angles = pvlib.spa.solar_position(
        middle, latitude, longitude, elevation_m, 1013.0, 8.5, 69.0, 0.5667
    )
    apparent_zenith, zenith, azimuth = angles[0], angles[1], angles[4]
    days = slots.astype("datetime64[s]").astype("datetime64[D]")
    day_of_year = (days - days.astype("datetime64[Y]")).astype(np.int64) + 1
    dni_extra = pvlib.irradiance.get_extra_radiation(day_of_year)
    # Haze follows the season: 2.4 in January, 3.6 in July (Baltic coast).
    turbidity = 3.0 - 0.6 * np.cos(2.0 * np.pi * (day_of_year - 15) / 365.25)
    up = zenith < _HORIZON_DEG
    airmass = pvlib.atmosphere.get_relative_airmass(apparent_zenith[up])
    clear_ghi = np.zeros(slots.size)
    clear_ghi[up] = pvlib.clearsky.ineichen(
        apparent_zenith[up], airmass, turbidity[up], altitude=elevation_m, dni_extra=dni_extra[up]
    )["ghi"]
    return Sun(
        zenith_deg=zenith,
        azimuth_deg=azimuth,
        day_of_year=day_of_year,
        dni_extra_w_m2=dni_extra,
        clear_ghi_w_m2=clear_ghi,
    )


def make_weather(sun: Sun, slots: I64, rng: np.random.Generator) -> Weather:
    """Draw the weather of (N,) consecutive slots, N a multiple of 4, from whole UTC hours."""
    cover, clearness = _clouds(slots, rng)
    ghi = sun.clear_ghi_w_m2 * clearness
    dni, dhi = split_radiation(ghi, sun.zenith_deg, sun.dni_extra_w_m2)
    return Weather(
        temp_c=_temperature(slots, cover, sun, rng),
        ghi_w_m2=ghi,
        dni_w_m2=dni,
        dhi_w_m2=dhi,
        cloud_cover=cover,
        wind_m_s=_wind(slots, rng),
    )


def clearness_of(cover: F64) -> F64:
    """Return global radiation relative to a clear sky for a cloud cover ratio (W1)."""
    clearness: F64 = 1.0 - 0.75 * np.clip(cover, 0.0, 1.0) ** 3.4
    return clearness


def split_radiation(ghi_w_m2: F64, zenith_deg: F64, dni_extra_w_m2: F64) -> tuple[F64, F64]:
    """Return (DNI, DHI) that close (W2): Erbs et al. (1982), equation 1.

    The same polynomial as ``pvlib.irradiance.erbs``, for given extraterrestrial radiation.
    """
    cos_zenith = np.cos(np.radians(zenith_deg))
    top = dni_extra_w_m2 * np.maximum(cos_zenith, 0.065)
    kt = np.clip(ghi_w_m2 / top, 0.0, 1.0)
    middle = np.polynomial.polynomial.polyval(kt, [0.9511, -0.1604, 4.388, -16.638, 12.336])
    diffuse_share = np.where(
        kt <= _ERBS_LOW, 1.0 - 0.09 * kt, np.where(kt <= _ERBS_HIGH, middle, 0.165)
    )
    beam = zenith_deg < MAX_BEAM_ZENITH_DEG
    dhi = np.where(beam, diffuse_share * ghi_w_m2, ghi_w_m2)
    dni = np.where(beam, (ghi_w_m2 - dhi) / np.where(beam, cos_zenith, 1.0), 0.0)
    return dni, dhi


def autoregressive(size: int, memory: float, rng: np.random.Generator) -> F64:
    """Return (size,) values of unit variance, zero mean and lag-one correlation ``memory``."""
    noise = (rng.standard_normal(size) * np.sqrt(1.0 - memory**2)).tolist()
    values, last = [], float(rng.standard_normal())
    for shock in noise:
        last = memory * last + shock
        values.append(last)
    return np.array(values)


def season(slots: I64, peak_day: float) -> F64:
    """Return a cosine over the year, +1 on ``peak_day`` (1 January is 0), -1 half a year off."""
    year_start = slots.astype("datetime64[s]").astype("datetime64[Y]").astype("datetime64[s]")
    seconds = slots - year_start.astype(np.int64)
    wave: F64 = np.cos(2.0 * np.pi * (seconds - peak_day * 86_400.0) / YEAR_SECONDS)
    return wave


def _clouds(slots: I64, rng: np.random.Generator) -> tuple[F64, F64]:
    """Return cloud cover and clearness, both (N,)."""
    hours = slots.size // _QUARTERS_PER_HOUR
    state = _cloud_states(season(slots[::_QUARTERS_PER_HOUR], 172.0), rng)
    wander = autoregressive(hours + 1, 0.8, rng)
    cover = _COVER_MEAN[state] + _COVER_WANDER[state] * wander[:hours]
    # Cover drifts within the hour towards the next one.
    grid = np.arange(slots.size) / _QUARTERS_PER_HOUR
    cover = np.clip(np.interp(grid, np.arange(hours), cover), 0.0, 1.0)
    flicker = _FLICKER[np.repeat(state, _QUARTERS_PER_HOUR)] * autoregressive(slots.size, 0.35, rng)
    # Thick and thin overcast differ by days: depth is what cover cannot say.
    depth = np.repeat(np.exp(0.30 * autoregressive(hours, 0.9, rng)), _QUARTERS_PER_HOUR)
    clearness = 1.0 - (1.0 - clearness_of(cover)) * np.clip(depth, 0.6, 1.2) + flicker
    return cover, np.clip(clearness, 0.05, 1.05)


def _cloud_states(summer: F64, rng: np.random.Generator) -> I64:
    """Walk the (H,) hourly Markov chain of cloud states; ``summer`` is -1 to +1."""
    mix = np.multiply.outer((1.0 + summer) / 2.0, _SUMMER_SHARE - _WINTER_SHARE) + _WINTER_SHARE
    # Leave a state at 1/duration, then draw the next from the season's mix.
    rate = mix / _STATE_HOURS
    bounds = (np.cumsum(rate, axis=1) / rate.sum(axis=1, keepdims=True)).tolist()
    leave, draw = rng.random(summer.size).tolist(), rng.random(summer.size).tolist()
    stay = (1.0 / _STATE_HOURS).tolist()
    states, now = [], 2
    for hour, chance in enumerate(leave):
        if chance < stay[now]:
            first, second, _ = bounds[hour]
            now = 0 if draw[hour] < first else 1 if draw[hour] < second else 2
        states.append(now)
    return np.array(states, dtype=np.int64)


def _temperature(slots: I64, cover: F64, sun: Sun, rng: np.random.Generator) -> F64:
    """Return (N,) air temperature, deg C (W3): a mild coast, coldest in late January."""
    summer = season(slots, 205.0)
    hours = slots.size // _QUARTERS_PER_HOUR
    slow = 3.3 * autoregressive(hours, 0.985, rng) + 0.7 * autoregressive(hours, 0.9, rng)
    memory = np.interp(np.arange(slots.size) / _QUARTERS_PER_HOUR, np.arange(hours), slow)
    # The air follows the sun by some three hours and cools under a clear night sky.
    height = np.maximum(np.cos(np.radians(sun.zenith_deg)), 0.0) * (1.0 - 0.7 * cover)
    warming = 13.0 * _follow(height, 10)
    # A clear sky radiates at night: colder in winter, and the sun makes up for it in summer.
    mean_cover = _follow(cover, 48)
    clear_sky = (0.65 - mean_cover) * (2.5 * summer - 2.5)
    temp: F64 = 7.4 + 7.2 * summer + memory + warming + clear_sky
    return temp


def _follow(values: F64, slots: int) -> F64:
    """Return a one-sided exponential mean over about ``slots`` slots, same shape."""
    share, last, out = 1.0 / slots, float(values[0]), []
    for value in values.tolist():
        last += share * (value - last)
        out.append(last)
    return np.array(out)


def _wind(slots: I64, rng: np.random.Generator) -> F64:
    """Return (N,) wind speed at 10 m, m/s: mean near 4.5, more in winter, gusts by slot."""
    hours = slots.size // _QUARTERS_PER_HOUR
    slow = autoregressive(hours, 0.97, rng)
    slow = np.interp(np.arange(slots.size) / _QUARTERS_PER_HOUR, np.arange(hours), slow)
    level = 4.4 - 0.7 * season(slots, 195.0)
    gust = 0.08 * autoregressive(slots.size, 0.6, rng)
    wind: F64 = np.clip(level * np.exp(0.40 * slow + gust - 0.1), 0.1, 30.0)
    return wind
