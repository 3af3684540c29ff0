"""What a weather forecast says about the light on a roof.

Units: W/m2, deg C, m/s, cloud cover as a ratio. Light comes from the best variable an issue has:

    ghi, else that of the cloud cover (SK7); diffuse share of the issue, else Erbs (SK8)    (PW1)
    ghi[q] = ghi[hour] * clear[q] / mean clear of the hour, where hours are held flat     (PW2)

(PW2) puts the sun's course back into hourly means. An older word on the same slot errs differently:
the mean of the newest issue and those 6 and 12 h before it is the better one far ahead (lagged
ensemble, Hoffman and Kalnay 1983, Tellus 35A, 100-118).
"""

from typing import NamedTuple

import numpy as np

from forecast.inputs import WeatherIssues
from forecast.roof import NOMINAL_TEMP_C, NOMINAL_WIND_M_S, Roof
from forecast.sky import (
    Radiation,
    SkyTable,
    Sun,
    clear_radiation,
    radiation_of_cover,
    split_global,
    sun_at,
)
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS

__all__ = ["Outlook", "holds_hours", "outlook"]

_HOUR_SLOTS = 4
_LAGS_HOURS = (0, 6, 12)
_MOST_CLEAR = 1.15
_LEAST_BEAM_COS = 0.0523  # a zenith of 87 degrees: nearer the horizon light is diffuse


class Outlook(NamedTuple):
    """What the weather makes of the roof, all (N, A), NaN where no issue says anything.

    Attributes:
        newest_kwh: by the newest word.
        pooled_kwh: by the mean of the newest word and older ones.
        cover: cloud cover, 0.5 where unsaid.
        temp_c: air temperature, nominal where unsaid.
        cos_zenith, azimuth_deg: of the sun.
    """

    newest_kwh: F64
    pooled_kwh: F64
    cover: F64
    temp_c: F64
    cos_zenith: F64
    azimuth_deg: F64


def holds_hours(weather: WeatherIssues, until: int) -> bool:
    """Whether the issues known at ``until`` hold hourly means flat over their quarters."""
    values = weather.values[weather.issued_at <= until]
    if values.shape[2] < _HOUR_SLOTS or values.size == 0:
        return False
    first = int(weather.start[0]) // SLOT_SECONDS % _HOUR_SLOTS
    hours = values[:, :, (-first) % _HOUR_SLOTS :]
    hours = hours[:, :, : hours.shape[2] // _HOUR_SLOTS * _HOUR_SLOTS]
    blocks = np.nan_to_num(hours.reshape(*hours.shape[:2], -1, _HOUR_SLOTS))
    return bool((blocks == blocks[..., :1]).all())


def outlook(
    weather: WeatherIssues, roof: Roof, issues: I64, ahead: int, *, hourly: bool
) -> Outlook | None:
    """Return what the weather makes of the roof at N issues for the next ``ahead`` slots.

    Args:
        weather: every issue there is; only those known at an issue are read.
        roof: None is returned for one without sky or planes.
        issues: (N,) epoch seconds.
        ahead: how many slots.
        hourly: whether the weather holds hours flat.
    """
    if roof.sky is None or not roof.panels:
        return None
    slots = issues[:, None] + SLOT_SECONDS * np.arange(ahead, dtype=np.int64)
    sun = sun_at(roof.sky, slots)
    clear = clear_radiation(roof.sky, slots).ghi_w_m2
    level = _hour_mean(roof.sky, slots) if hourly else clear
    temp = _said(weather, "temp_c", issues, ahead, NOMINAL_TEMP_C)
    wind = _said(weather, "wind_m_s", issues, ahead, NOMINAL_WIND_M_S)
    clearness = _lagged_clearness(weather, issues, level)
    share = _diffuse_share(weather, issues, ahead)

    def energy(ratio: F64) -> F64:
        ghi = np.clip(ratio, 0.0, _MOST_CLEAR) * clear
        return roof.energy_kwh(sun, _light(ghi, share, sun), temp, wind)

    pooled = _mean_known(clearness)
    cover = _said(weather, "cloud_cover", issues, ahead, 0.5)
    return Outlook(
        energy(clearness[0]), energy(pooled), cover, temp, sun.cos_zenith, sun.azimuth_deg
    )


def _light(ghi_w_m2: F64, diffuse_share: F64, sun: Sun) -> Radiation:
    """Return the radiation: the forecast's own diffuse share where it has one (PW1)."""
    by_erbs = split_global(ghi_w_m2, sun)
    own = ~np.isnan(diffuse_share) & (sun.cos_zenith > _LEAST_BEAM_COS)
    dhi = np.where(own, diffuse_share * ghi_w_m2, by_erbs.dhi_w_m2)
    beam = (ghi_w_m2 - dhi) / np.maximum(sun.cos_zenith, _LEAST_BEAM_COS)
    dni = np.where(own, np.minimum(beam, sun.dni_extra_w_m2), by_erbs.dni_w_m2)
    return Radiation(ghi_w_m2, dni, dhi)


def _hour_mean(sky: SkyTable, slots: I64) -> F64:
    """Return the clear-sky global radiation of the UTC hour of each slot (PW2)."""
    hour = slots // (_HOUR_SLOTS * SLOT_SECONDS) * (_HOUR_SLOTS * SLOT_SECONDS)
    quarters = hour[..., None] + SLOT_SECONDS * np.arange(_HOUR_SLOTS)
    mean: F64 = clear_radiation(sky, quarters).ghi_w_m2.mean(axis=-1)
    return mean


def _said(weather: WeatherIssues, name: str, issues: I64, ahead: int, default: float) -> F64:
    """Return what is said of a variable, the default where nothing is."""
    found = weather.as_of(name, issues, ahead)
    return np.where(np.isnan(found), default, found)


def _lagged_clearness(weather: WeatherIssues, issues: I64, level: F64) -> F64:
    """Return (lags, N, A) global radiation over clear, NaN where nothing is said."""
    ahead = level.shape[1]
    found = []
    for hours in _LAGS_HOURS:
        back = hours * _HOUR_SLOTS
        then = issues - back * SLOT_SECONDS
        ghi = weather.as_of("ghi_w_m2", then, ahead + back)[:, back:]
        cover = weather.as_of("cloud_cover", then, ahead + back)[:, back:]
        ghi = np.where(np.isnan(ghi), radiation_of_cover(level, cover), ghi)
        # Without sun the ratio says nothing, and nothing is asked of it.
        dark = np.where(np.isnan(ghi), np.nan, 1.0)
        found.append(np.where(level > 0.0, ghi / np.where(level > 0.0, level, 1.0), dark))
    return np.stack(found)


def _mean_known(values: F64) -> F64:
    """Return the mean over the first axis of what is not NaN."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _diffuse_share(weather: WeatherIssues, issues: I64, ahead: int) -> F64:
    """Return the diffuse share of the global radiation, NaN where not said."""
    ghi = weather.as_of("ghi_w_m2", issues, ahead)
    dhi = weather.as_of("dhi_w_m2", issues, ahead)
    told = ghi > 0.0
    return np.where(told, np.clip(dhi / np.where(told, ghi, 1.0), 0.0, 1.0), np.nan)
