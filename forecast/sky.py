"""The sky over a house: sun, clear-sky radiation and what panels make of radiation.

Units: W/m2, degrees (azimuth clockwise from north), deg C, m/s, kW, kWh per slot of 15 min. The
sun stands where it is at the middle of the slot; a slot whose middle has no sun gives exactly 0.

    beam_poa = DNI * max(cos(aoi), 0)                                            (SK1)
    sky_poa = DHI * (A * Rb + (1 - A) * (1 + cos(tilt)) / 2),  A = DNI / DNI_extra   (SK2)
    ground_poa = GHI * albedo * (1 - cos(tilt)) / 2                              (SK3)
    iam = (1 - exp(-cos(aoi) / 0.16)) / (1 - exp(-1 / 0.16))                     (SK4)
    T_cell = temp + (beam_poa + sky_poa + ground_poa) / (25 + 6.84 * wind)       (SK5)
    P_ac = peak * (iam * beam_poa + sky_poa + ground_poa) / 1000
           * (1 - 0.0035 * (T_cell - 25)) * 0.86, at most the inverter's limit   (SK6)
    GHI(cover) = GHI_clear * (1 - 0.75 * cover**3.4)                             (SK7)
    DHI = share(GHI / (DNI_extra * cos(zenith))) * GHI,  DNI = (GHI - DHI) / cos(zenith)   (SK8)

(SK2) Hay and Davies (1980), Rb = max(cos(aoi), 0) / max(cos(zenith), 0.01745); (SK4) Martin and
Ruiz (2001), Solar Energy Materials 70, 25-38; (SK5) Faiman (2008), Progress in Photovoltaics 16,
307-315; (SK6) Dobos (2014), PVWatts version 5, NREL/TP-6A20-62641, its losses of 14 % with the
inverter's; (SK7) Kasten and Czeplak (1980), Solar Energy 24, 177-189; (SK8) Erbs, Klein and Duffie
(1982), Solar Energy 28, 293-302. The clear sky is Ineichen and Perez (2002) with the Linke
turbidity climatology of pvlib (Remund et al. 2003). It is computed once by ``make_sky``, for every
quarter-hour of a leap year by UTC month and day; other years differ by less than half a day of the
sun's course, 0.2 degrees of declination. Forecasting itself reads the tables and imports no pvlib.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.arrays import F64, I64
from telemetry.errors import MissingExtraError
from telemetry.home import Plane
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS

__all__ = [
    "Panel",
    "Radiation",
    "SkyTable",
    "Sun",
    "clear_radiation",
    "make_sky",
    "plane_kwh",
    "radiation_of_cover",
    "split_global",
    "sun_at",
]

F32 = NDArray[np.float32]
DAYS, QUARTERS = 366, 1440 // SLOT_MINUTES
_SLOT_HOURS = SLOT_SECONDS / 3600.0
_ALBEDO = 0.2
_LEAST_COS_ZENITH = 0.01745
_GLASS = 0.16
_GAMMA_PER_C = -0.0035
_STC_C = 25.0
_EFFICIENCY = 0.86
_COOLING = (25.0, 6.84)
_LEAP_YEAR_START = 1_704_067_200  # 2024-01-01 UTC
_DAY_SECONDS = 86_400
# Erbs: branches of the correlation, and the zenith beyond which there is diffuse light only.
_ERBS_LOW, _ERBS_HIGH, _ERBS_TOP = 0.22, 0.8, 0.165
_ERBS = (0.9511, -0.1604, 4.388, -16.638, 12.336)
_LEAST_BEAM_COS = 0.0523  # a zenith of 87 degrees
# Yearly means for refraction; delta T of the 2020s.
_PRESSURE_HPA, _TEMPERATURE_C, _DELTA_T_S, _REFRACTION_DEG = 1013.25, 12.0, 69.0, 0.5667


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SkyTable:
    """Sun and clear sky of one place; tables are (366, 96) by UTC day of a leap year and quarter.

    Attributes:
        latitude, longitude, elevation_m: the place.
        zenith_deg, azimuth_deg: true position of the sun.
        ghi_w_m2, dni_w_m2, dhi_w_m2: clear-sky radiation, 0 without sun.
        dni_extra_w_m2: (366,) normal radiation outside the atmosphere.
    """

    latitude: float
    longitude: float
    elevation_m: float
    zenith_deg: F32
    azimuth_deg: F32
    ghi_w_m2: F32
    dni_w_m2: F32
    dhi_w_m2: F32
    dni_extra_w_m2: F32


class Sun(NamedTuple):
    """Where the sun stands, arrays of any one shape.

    Attributes:
        cos_zenith: of the true zenith angle.
        zenith_deg, azimuth_deg: its position.
        dni_extra_w_m2: normal radiation outside the atmosphere.
    """

    cos_zenith: F64
    zenith_deg: F64
    azimuth_deg: F64
    dni_extra_w_m2: F64


class Radiation(NamedTuple):
    """Global, direct normal and diffuse radiation, W/m2, arrays of any one shape."""

    ghi_w_m2: F64
    dni_w_m2: F64
    dhi_w_m2: F64


class Panel(NamedTuple):
    """A plane as numbers that need not be a roof's: the search tries what it likes.

    Attributes:
        tilt_deg, azimuth_deg: where it looks.
        peak_kw: installed power.
    """

    tilt_deg: float
    azimuth_deg: float
    peak_kw: float

    @classmethod
    def of(cls, plane: Plane) -> "Panel":
        """Return a configured plane."""
        return cls(plane.tilt_deg, plane.azimuth_deg, plane.peak_kw)


@lru_cache(maxsize=4)
def make_sky(latitude: float, longitude: float, elevation_m: float | None = None) -> SkyTable:
    """Compute the tables of a place; sea level where the elevation is unknown.

    Raises:
        MissingExtraError: pvlib is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415
        import pvlib  # noqa: PLC0415 - pvlib brings pandas and scipy: a second to import
    except ImportError as err:
        raise MissingExtraError("pvlib", "forecast", "the clear sky over the panels") from err
    height = elevation_m if elevation_m is not None else 0.0
    starts = _LEAP_YEAR_START + SLOT_SECONDS * np.arange(DAYS * QUARTERS, dtype=np.float64)
    angles = pvlib.spa.solar_position(
        starts + SLOT_SECONDS / 2.0,
        latitude,
        longitude,
        height,
        _PRESSURE_HPA,
        _TEMPERATURE_C,
        _DELTA_T_S,
        _REFRACTION_DEG,
    )
    # Months around the year, so that their middles can be joined by lines.
    middles = [f"2024-{month:02d}-15" for month in (12, *range(1, 13), 1)]
    monthly = pvlib.clearsky.lookup_linke_turbidity(
        pd.DatetimeIndex(middles), latitude, longitude, interp_turbidity=False
    )
    middle_day = np.array([-16.0, *np.arange(12) * DAYS / 12.0 + 14.5, DAYS + 14.5])
    day = (starts - _LEAP_YEAR_START) / _DAY_SECONDS
    turbidity = np.interp(day, middle_day, monthly.to_numpy())
    extra = np.asarray(pvlib.irradiance.get_extra_radiation(np.arange(1, DAYS + 1)))
    apparent = np.minimum(angles[0], 90.0)
    clear = pvlib.clearsky.ineichen(
        apparent,
        pvlib.atmosphere.get_absolute_airmass(
            pvlib.atmosphere.get_relative_airmass(apparent),
            pvlib.atmosphere.alt2pres(height),
        ),
        turbidity,
        altitude=height,
        dni_extra=np.repeat(extra, QUARTERS),
    )
    up = angles[0] < 90.0  # noqa: PLR2004 - the horizon

    def table(values: F64) -> F32:
        return np.asarray(values, dtype=np.float32).reshape(DAYS, QUARTERS)

    return SkyTable(
        latitude=latitude,
        longitude=longitude,
        elevation_m=height,
        zenith_deg=table(angles[1]),
        azimuth_deg=table(angles[4]),
        ghi_w_m2=table(np.where(up, clear["ghi"], 0.0)),
        dni_w_m2=table(np.where(up, clear["dni"], 0.0)),
        dhi_w_m2=table(np.where(up, clear["dhi"], 0.0)),
        dni_extra_w_m2=extra.astype(np.float32),
    )


def table_place(slots: I64) -> tuple[I64, I64]:
    """Return the row and column of each slot in a (366, 96) table, whatever the shape."""
    days = slots // _DAY_SECONDS
    stamps = days.astype("datetime64[D]")
    years = stamps.astype("datetime64[Y]")
    row = (stamps - years.astype("datetime64[D]")).astype(np.int64)
    # 29 February is row 59 of every table: common years skip it.
    length = ((years + 1).astype("datetime64[D]") - years.astype("datetime64[D]")).astype(np.int64)
    row += (row >= 59) & (length < DAYS)  # noqa: PLR2004
    return row, slots % _DAY_SECONDS // SLOT_SECONDS


def sun_at(sky: SkyTable, slots: I64) -> Sun:
    """Return the sun at the middle of slots of any shape."""
    row, column = table_place(slots)
    zenith = sky.zenith_deg[row, column].astype(np.float64)
    return Sun(
        cos_zenith=np.cos(np.radians(zenith)),
        zenith_deg=zenith,
        azimuth_deg=sky.azimuth_deg[row, column].astype(np.float64),
        dni_extra_w_m2=sky.dni_extra_w_m2[row].astype(np.float64),
    )


def clear_radiation(sky: SkyTable, slots: I64) -> Radiation:
    """Return the clear-sky radiation of slots of any shape."""
    place = table_place(slots)
    return Radiation(
        sky.ghi_w_m2[place].astype(np.float64),
        sky.dni_w_m2[place].astype(np.float64),
        sky.dhi_w_m2[place].astype(np.float64),
    )


def radiation_of_cover(clear_ghi_w_m2: F64, cover: F64) -> F64:
    """Return the global radiation, W/m2, under a cloud cover ratio (SK7)."""
    ghi: F64 = clear_ghi_w_m2 * (1.0 - 0.75 * np.clip(cover, 0.0, 1.0) ** 3.4)
    return ghi


def split_global(ghi_w_m2: F64, sun: Sun) -> Radiation:
    """Return the radiation whose global part is given (SK8)."""
    top = sun.dni_extra_w_m2 * np.maximum(sun.cos_zenith, 0.065)
    kt = np.clip(ghi_w_m2 / top, 0.0, 1.0)
    middle = np.polynomial.polynomial.polyval(kt, _ERBS)
    share = np.where(
        kt <= _ERBS_LOW, 1.0 - 0.09 * kt, np.where(kt <= _ERBS_HIGH, middle, _ERBS_TOP)
    )
    beam = sun.cos_zenith > _LEAST_BEAM_COS
    dhi = np.where(beam, share * ghi_w_m2, ghi_w_m2)
    dni = (ghi_w_m2 - dhi) / np.where(beam, sun.cos_zenith, 1.0)
    return Radiation(ghi_w_m2, dni, dhi)


def plane_kwh(panel: Panel, sun: Sun, light: Radiation, temp_c: F64, wind_m_s: F64) -> F64:
    """Return the AC energy of a plane without the inverter's limit, kWh per slot (SK1) to (SK6)."""
    tilt = np.radians(panel.tilt_deg)
    sin_zenith = np.sqrt(np.maximum(1.0 - sun.cos_zenith**2, 0.0))
    facing = np.cos(np.radians(sun.azimuth_deg - panel.azimuth_deg))
    cos_aoi = np.maximum(np.cos(tilt) * sun.cos_zenith + np.sin(tilt) * sin_zenith * facing, 0.0)
    beam = light.dni_w_m2 * cos_aoi
    isotropy = (1.0 + np.cos(tilt)) / 2.0
    anisotropy = np.clip(light.dni_w_m2 / sun.dni_extra_w_m2, 0.0, 1.0)
    around_sun = cos_aoi / np.maximum(sun.cos_zenith, _LEAST_COS_ZENITH)
    diffuse = light.dhi_w_m2 * (anisotropy * around_sun + (1.0 - anisotropy) * isotropy)
    diffuse += light.ghi_w_m2 * _ALBEDO * (1.0 - np.cos(tilt)) / 2.0
    iam = (1.0 - np.exp(-cos_aoi / _GLASS)) / (1.0 - np.exp(-1.0 / _GLASS))
    cell_c = temp_c + (beam + diffuse) / (_COOLING[0] + _COOLING[1] * wind_m_s)
    warm = 1.0 + _GAMMA_PER_C * (cell_c - _STC_C)
    kw = panel.peak_kw * (iam * beam + diffuse) / 1000.0 * warm * _EFFICIENCY
    kwh: F64 = np.maximum(kw, 0.0) * _SLOT_HOURS
    return kwh
