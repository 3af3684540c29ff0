"""The sky: angles by hand, radiation that closes, panels against pvlib, exact nights."""

from math import cos, radians

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.sky import (
    Panel,
    Radiation,
    SkyTable,
    Sun,
    clear_radiation,
    make_sky,
    plane_kwh,
    split_global,
    sun_at,
    table_place,
)
from sim.demo_pv import plane_dc_kw
from sim.demo_weather import Weather, sun_over
from telemetry.arrays import F64, I64
from telemetry.home import Plane
from telemetry.sun import is_night


def epochs(start: str, slots: int) -> I64:
    """Return slot starts from a UTC time on."""
    first = int(np.datetime64(start, "s").astype(np.int64))
    return first + 900 * np.arange(slots, dtype=np.int64)


@pytest.fixture(scope="module")
def sky() -> SkyTable:
    return make_sky(55.6, 13.0, 30.0)


def test_a_leap_day_has_a_row_of_its_own() -> None:
    days = np.array(["2024-02-29", "2024-03-01", "2025-02-28", "2025-03-01", "2025-12-31"])
    slots = days.astype("datetime64[s]").astype(np.int64) + 900
    row, column = table_place(slots)
    assert row.tolist() == [59, 60, 58, 60, 365]
    assert column.tolist() == [1] * 5


def test_at_the_equinox_the_noon_sun_stands_at_the_latitude(sky: SkyTable) -> None:
    sun = sun_at(sky, epochs("2025-03-20T00:00", 96))
    noon = int(sun.cos_zenith.argmax())
    # The declination is within 0.3 degrees of 0, a quarter-hour from the top costs nothing.
    assert sun.zenith_deg[noon] == pytest.approx(55.6, abs=0.4)
    # Noon is at 12:00 - 13 / 15 h + 7.5 min of the equation of time = 11:15 UTC.
    assert abs(noon - 45) <= 1
    assert sun.azimuth_deg[noon] == pytest.approx(180.0, abs=4.0)


def test_nights_are_exactly_zero(sky: SkyTable) -> None:
    slots = epochs("2025-01-01T00:00", 365 * 96)
    night = is_night(slots, np.full(slots.size, 900, dtype=np.int64), 55.6, 13.0)
    light = clear_radiation(sky, slots)
    assert (light.ghi_w_m2[night] == 0.0).all()
    kwh = plane_kwh(
        Panel(38.0, 175.0, 6.0), sun_at(sky, slots), light, np.full(1, 12.0), np.full(1, 3.0)
    )
    assert (kwh[night] == 0.0).all()
    assert (kwh >= 0.0).all()


def test_the_polar_night_is_dark() -> None:
    polar = make_sky(78.2, 15.6)
    assert clear_radiation(polar, epochs("2025-12-10T00:00", 96)).ghi_w_m2.max() == 0.0
    assert clear_radiation(polar, epochs("2025-06-21T00:00", 96)).ghi_w_m2.min() > 0.0


def overhead() -> Sun:
    """Return a sun in the zenith."""
    return Sun(*(np.array([value]) for value in (1.0, 0.0, 180.0, 1360.0)))


def test_a_flat_panel_under_an_even_sky() -> None:
    light = Radiation(*(np.array([value]) for value in (500.0, 0.0, 500.0)))
    got = plane_kwh(Panel(0.0, 180.0, 4.0), overhead(), light, np.array([15.0]), np.array([0.0]))
    # No beam; cell at 15 + 500 / 25 = 35 deg C, 10 above STC, so 0.965 of its power.
    assert got[0] == pytest.approx(4.0 * 0.5 * 0.965 * 0.86 * 0.25)


def test_a_steep_panel_takes_beam_by_its_angle() -> None:
    light = Radiation(*(np.array([value]) for value in (800.0, 800.0, 0.0)))
    got = plane_kwh(Panel(60.0, 180.0, 1.0), overhead(), light, np.array([25.0]), np.array([1e9]))
    beam = 800.0 * cos(radians(60.0))
    iam = (1.0 - np.exp(-0.5 / 0.16)) / (1.0 - np.exp(-1.0 / 0.16))
    ground = 800.0 * 0.2 * (1.0 - 0.5) / 2.0
    assert got[0] == pytest.approx((beam * iam + ground) / 1000.0 * 0.86 * 0.25)


@given(clearness=st.floats(0.0, 1.1), zenith=st.floats(0.0, 86.0))
def test_split_radiation_closes(clearness: float, zenith: float) -> None:
    height = cos(radians(zenith))
    sun = Sun(*(np.array([value]) for value in (height, zenith, 180.0, 1360.0)))
    ghi = np.array([clearness * 1360.0 * height * 0.75])
    light = split_global(ghi, sun)
    assert light.dhi_w_m2[0] + light.dni_w_m2[0] * height == pytest.approx(ghi[0], abs=1e-9)
    assert light.dni_w_m2[0] >= -1e-9


def test_panels_agree_with_pvlib(sky: SkyTable) -> None:
    slots = epochs("2025-05-01T00:00", 20 * 96)
    exact = sun_over(slots, latitude=55.6, longitude=13.0, elevation_m=30.0)
    light = clear_radiation(sky, slots)
    flat: F64 = np.full(slots.size, 15.0)
    weather = Weather(
        temp_c=flat,
        ghi_w_m2=light.ghi_w_m2,
        dni_w_m2=light.dni_w_m2,
        dhi_w_m2=light.dhi_w_m2,
        cloud_cover=flat,
        wind_m_s=flat / 5.0,
    )
    plane = Plane(tilt_deg=30.0, azimuth_deg=240.0, peak_kw=3.0)
    theirs = plane_dc_kw(plane, exact, weather) * 0.25 * 0.86 / 0.9
    ours = plane_kwh(Panel.of(plane), sun_at(sky, slots), light, flat, flat / 5.0)
    # They differ in the loss by reflection (Fresnel against Martin and Ruiz).
    assert np.abs(ours - theirs).mean() < 0.02 * theirs.mean()
