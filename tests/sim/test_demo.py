"""The demo year looks like a house and obeys physics."""

import hashlib
import sys
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from sim.demo import DEMO_HOME, INVERTER_KW, DemoYear, make_demo_year
from sim.demo_forecast import VARIABLES
from telemetry.errors import MissingExtraError
from telemetry.slots import LocalCalendar, from_epoch, local_calendar, local_day, to_epoch

ZONE = "Europe/Stockholm"


@pytest.fixture(scope="module")
def year() -> DemoYear:
    return make_demo_year()


@pytest.fixture(scope="module")
def calendar(year: DemoYear) -> LocalCalendar:
    return local_calendar(year.slot_start, ZONE)


def digest(year: DemoYear) -> str:
    """Return a hash of every bit of a demo year."""
    total = hashlib.sha256()
    for field in fields(year):
        value = getattr(year, field.name)
        if isinstance(value, np.ndarray):
            total.update(value.tobytes())
    for issue in year.weather_forecasts:
        total.update(f"{issue.issued_at}{issue.start}{issue.variables}".encode())
        total.update(issue.values.tobytes())
    return total.hexdigest()


def series(year: DemoYear) -> dict[str, np.ndarray]:
    arrays = {f.name: getattr(year, f.name) for f in fields(year)}
    return {name: value for name, value in arrays.items() if isinstance(value, np.ndarray)}


def test_the_same_seed_gives_the_same_bits(year: DemoYear) -> None:
    assert digest(year) == digest(make_demo_year(seed=0, year=2025))


def test_another_seed_gives_another_year(year: DemoYear) -> None:
    other = make_demo_year(seed=1)
    np.testing.assert_array_equal(other.slot_start, year.slot_start)
    for name in ("load_kwh", "pv_kwh", "spot_eur_per_kwh", "temp_c", "water_heater_kwh"):
        assert not np.array_equal(getattr(other, name), getattr(year, name)), name


@pytest.mark.parametrize(
    ("day", "slots"),
    [(date(2025, 3, 30), 92), (date(2025, 6, 1), 96), (date(2025, 10, 26), 100)],
)
def test_local_days_have_their_length(year: DemoYear, day: date, slots: int) -> None:
    start, end = (to_epoch(moment) for moment in local_day(day, ZONE))
    assert np.count_nonzero((year.slot_start >= start) & (year.slot_start < end)) == slots


def test_the_year_is_the_local_calendar_year(year: DemoYear) -> None:
    # 2025 begins at 23:00 UTC of 31 December 2024; 365 days are 35,040 quarters.
    assert from_epoch(int(year.slot_start[0])) == datetime(2024, 12, 31, 23, tzinfo=UTC)
    assert year.slot_start.size == 35_040
    assert set(np.diff(year.slot_start).tolist()) == {900}


@pytest.mark.parametrize(("seed", "calendar_year"), [(0, 2025), (7, 2024)])
def test_every_series_is_complete(seed: int, calendar_year: int) -> None:
    made = make_demo_year(seed, calendar_year)
    for name, values in series(made).items():
        assert values.shape == made.slot_start.shape, name
        assert np.isfinite(values).all(), name
        assert values.flags.c_contiguous, name
    assert made.slot_start.size == {2025: 35_040, 2024: 35_136}[calendar_year]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_annual_totals_are_those_of_a_villa(seed: int) -> None:
    made = make_demo_year(seed)
    assert 12_000.0 < made.load_kwh.sum() < 16_000.0
    assert 2_000.0 < made.water_heater_kwh.sum() < 3_500.0
    assert 7_800.0 < made.pv_kwh.sum() < 9_300.0
    assert 6.5 < made.temp_c.mean() < 10.5
    assert 0.05 < made.spot_eur_per_kwh.mean() < 0.07
    assert 50.0 < np.count_nonzero(made.spot_eur_per_kwh < 0.0) / 4.0 < 700.0


def test_load_holds_the_water_heater(year: DemoYear) -> None:
    assert year.water_heater_kwh.min() == 0.0
    # A 3 kW heater takes at most 0.75 kWh in a quarter of an hour.
    assert year.water_heater_kwh.max() == 0.75
    assert (year.load_kwh > year.water_heater_kwh).all()
    assert year.load_kwh.max() < 17.0 * 0.25  # a 25 A fuse on three phases


def test_no_pv_at_night_and_none_above_the_inverter(year: DemoYear) -> None:
    pvlib = pytest.importorskip("pvlib")
    middle = year.slot_start + 450.0
    zenith = pvlib.spa.solar_position(middle, 55.6, 13.0, 30.0, 1013.0, 8.5, 69.0, 0.5667)[1]
    night = zenith >= 90.0
    for values in (year.pv_kwh, year.ghi_w_m2, year.dni_w_m2, year.dhi_w_m2):
        assert (values[night] == 0.0).all()
        assert values.min() == 0.0
    assert year.pv_kwh[~night].mean() > 0.3
    assert year.pv_kwh.max() <= INVERTER_KW * 0.25
    assert sum(plane.peak_kw for plane in DEMO_HOME.planes) == 9.0


def test_radiation_closes(year: DemoYear) -> None:
    pvlib = pytest.importorskip("pvlib")
    middle = year.slot_start + 450.0
    zenith = pvlib.spa.solar_position(middle, 55.6, 13.0, 30.0, 1013.0, 8.5, 69.0, 0.5667)[1]
    beam = year.dni_w_m2 * np.maximum(np.cos(np.radians(zenith)), 0.0)
    np.testing.assert_allclose(year.dhi_w_m2 + beam, year.ghi_w_m2, rtol=0.0, atol=1e-9)
    assert year.ghi_w_m2.max() < 1_000.0
    assert year.dni_w_m2.max() < 1_100.0


def test_evenings_are_busier_than_nights(year: DemoYear, calendar: LocalCalendar) -> None:
    house = year.load_kwh - year.water_heater_kwh
    evening = house[(calendar.hour >= 17) & (calendar.hour < 22)].mean()
    night = house[(calendar.hour >= 2) & (calendar.hour < 5)].mean()
    assert evening > 1.5 * night


def test_the_family_leaves_in_july(year: DemoYear) -> None:
    def day_kwh(month: int, day: int) -> float:
        start, end = (to_epoch(moment) for moment in local_day(date(2025, month, day), ZONE))
        return float(year.load_kwh[(year.slot_start >= start) & (year.slot_start < end)].sum())

    away = np.mean([day_kwh(7, day) for day in range(9, 20)])
    there = np.mean([day_kwh(6, day) for day in range(9, 20)])
    assert away < 0.6 * there


def test_cold_days_cost_energy(year: DemoYear) -> None:
    days = year.slot_start.size // 96
    temp_c = year.temp_c[: days * 96].reshape(days, 96).mean(axis=1)
    load_kwh = year.load_kwh[: days * 96].reshape(days, 96).sum(axis=1)
    assert load_kwh[temp_c < 0.0].mean() > 2.0 * load_kwh[temp_c > 15.0].mean()


def test_prices_dip_at_noon_and_peak_in_the_evening(
    year: DemoYear, calendar: LocalCalendar
) -> None:
    price = year.spot_eur_per_kwh
    summer = (calendar.month >= 4) & (calendar.month <= 8)
    winter = (calendar.month <= 2) | (calendar.month >= 11)
    noon = (calendar.hour >= 11) & (calendar.hour < 15)
    assert np.count_nonzero(price[noon & summer] < 0.0) > 100
    assert price[winter & (calendar.hour == 18)].min() > 0.0
    assert -0.1 < price.min() < 0.0
    assert 0.2 < price.max() < 0.6
    weekend = calendar.weekday >= 5
    assert price[noon & summer & weekend].mean() < price[noon & summer & ~weekend].mean()
    night = (calendar.hour >= 1) & (calendar.hour < 5)
    evening = (calendar.hour >= 17) & (calendar.hour < 21)
    assert price[evening].mean() > 1.5 * price[night].mean()


def test_prices_are_known_the_day_before_at_a_quarter_past_one(year: DemoYear) -> None:
    # 13:15 CEST of 31 May is 11:15 UTC; 13:15 CET of 29 March, before the changeover, 12:15.
    for day, known in (
        (date(2025, 6, 1), datetime(2025, 5, 31, 11, 15, tzinfo=UTC)),
        (date(2025, 3, 30), datetime(2025, 3, 29, 12, 15, tzinfo=UTC)),
    ):
        start, end = (to_epoch(moment) for moment in local_day(day, ZONE))
        inside = (year.slot_start >= start) & (year.slot_start < end)
        assert set(year.spot_known_at[inside].tolist()) == {to_epoch(known)}


def test_forecasts_come_four_times_a_day_before_they_start(year: DemoYear) -> None:
    starts = [issue.start for issue in year.weather_forecasts]
    assert set(np.diff(np.array([to_epoch(s) for s in starts])).tolist()) == {6 * 3600}
    assert all(
        issue.start - timedelta(hours=1) <= issue.issued_at < issue.start
        for issue in year.weather_forecasts
    )
    # The first slot of the year has a forecast, and so has the last.
    first, last = from_epoch(int(year.slot_start[0])), from_epoch(int(year.slot_start[-1]))
    assert year.weather_forecasts[0].issued_at < first - timedelta(hours=18)
    assert last - timedelta(hours=7) < year.weather_forecasts[-1].issued_at < last
    assert all(issue.values.shape == (6, 60) for issue in year.weather_forecasts)


def stacked(year: DemoYear) -> tuple[np.ndarray, np.ndarray]:
    """Return forecasts and actual hourly means, both (I, V, T), of issues inside the year."""
    first, end = int(year.slot_start[0]), int(year.slot_start[-1]) + 900
    inside = [
        issue
        for issue in year.weather_forecasts
        if to_epoch(issue.start) >= first and to_epoch(issue.start) + 60 * 3600 <= end
    ]
    actual = np.stack([getattr(year, name).reshape(-1, 4).mean(axis=1) for name in VARIABLES])
    hour = np.array([(to_epoch(issue.start) - first) // 3600 for issue in inside])
    facts = actual[:, hour[:, None] + np.arange(60)].transpose(1, 0, 2)
    return np.stack([issue.values for issue in inside]), facts


def test_forecasts_are_physical(year: DemoYear) -> None:
    values, facts = stacked(year)
    temp_c, ghi, dni, dhi, cover, wind = values.transpose(1, 0, 2)
    assert np.isfinite(values).all()
    assert -30.0 < temp_c.min() < temp_c.max() < 42.0
    assert min(ghi.min(), dni.min(), dhi.min(), cover.min(), wind.min()) >= 0.0
    assert cover.max() <= 1.0
    assert ghi.max() < 1_000.0
    assert dni.max() < 1_100.0
    dark = facts[:, 1] == 0.0
    assert (ghi[dark] == 0.0).all()
    assert (dni[dark] == 0.0).all()
    assert (dhi[dark] == 0.0).all()


@pytest.mark.parametrize("name", VARIABLES)
def test_forecast_errors_grow_with_lead(year: DemoYear, name: str) -> None:
    values, facts = stacked(year)
    error = (values - facts)[:, VARIABLES.index(name)]
    # Leads in whole days, so that each group sees every hour of the day alike.
    near, middle, far = (np.sqrt((error[:, k : k + 12] ** 2).mean()) for k in (0, 24, 48))
    assert near < middle < far
    # No bias to speak of against the size of the error.
    assert abs(error.mean()) < 0.35 * far


def test_errors_of_neighbouring_hours_are_alike(year: DemoYear) -> None:
    values, facts = stacked(year)
    error = (values - facts)[:, 0, 30:]
    assert np.corrcoef(error[:, :-1].ravel(), error[:, 1:].ravel())[0, 1] > 0.7


def test_importing_the_demo_loads_no_heavy_package() -> None:
    import subprocess  # noqa: PLC0415

    program = "import sys, sim.demo; print({'pandas', 'pvlib'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"


def test_without_pvlib_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pvlib", None)
    with pytest.raises(MissingExtraError, match=r"the demo home needs pvlib.*\[forecast\]"):
        make_demo_year()
