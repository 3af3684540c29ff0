"""PV forecasts: bounded, dark at night, blind to the future, sound on bad input, and of use."""

import json
from dataclasses import replace
from datetime import date
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.errors import SeriesError, TrainingError
from forecast.inputs import HomeHistory, Measured, WeatherIssues
from forecast.pv import PvModel, fit_pv
from forecast.pv_blend import LEADS, fixed_blends, lead_rows
from forecast.pv_recent import EXPERTS, RING, WINDOW_DAYS, experts, window_of
from forecast.pv_weather import outlook
from forecast.roof import Roof, fit_roof, smear
from forecast.sky import (
    Panel,
    Radiation,
    clear_radiation,
    make_sky,
    plane_kwh,
    split_global,
    sun_at,
)
from telemetry.arrays import F64, I64
from telemetry.home import Plane
from telemetry.slots import local_day
from telemetry.sun import is_night

ZONE, LATITUDE, LONGITUDE = "Europe/Stockholm", 55.6, 13.0
PANEL = Panel(35.0, 200.0, 5.0)
PLANE = Plane(tilt_deg=35.0, azimuth_deg=200.0, peak_kw=5.0)
START = 1_738_368_000  # 2025-02-01 UTC
DAYS = 80
AHEAD = 192
SKY = make_sky(LATITUDE, LONGITUDE)


def slots_of(days: int, start: int = START) -> I64:
    """Return the slots of so many days."""
    return start + 900 * np.arange(days * 96, dtype=np.int64)


def clear_kwh(slots: I64) -> F64:
    """Return what the panel gives under a clear sky."""
    light = clear_radiation(SKY, slots)
    return plane_kwh(PANEL, sun_at(SKY, slots), light, np.full(1, 12.0), np.full(1, 3.0))


def clearness(days: int, seed: int) -> F64:
    """Return (days * 96,) clearness: slow weather, hour by hour."""
    rng, level, out = np.random.default_rng(seed), 0.7, []
    for shock in rng.normal(0.0, 0.18, days * 24).tolist():
        level = float(np.clip(0.65 + 0.9 * (level - 0.65) + shock, 0.08, 1.0))
        out.append(level)
    return np.repeat(np.array(out), 4)


def weather_of(start: int, days: int, seed: int, error: float = 0.1) -> WeatherIssues:
    """Return issues every 6 hours that know the clearness up to an error."""
    slots = slots_of(days, start)
    ghi = clear_radiation(SKY, slots).ghi_w_m2
    truth = clearness(days, seed)
    firsts = np.arange(0, days * 96 - 240, 24)
    rng = np.random.default_rng(seed + 100)
    values = np.empty((firsts.size, 3, 240))
    for row, first in enumerate(firsts.tolist()):
        there = slice(first, first + 240)
        wrong = np.repeat(rng.normal(0.0, error, 60), 4)
        values[row, 0] = ghi[there] * np.clip(truth[there] + wrong, 0.05, 1.05)
        values[row, 1] = np.clip(1.0 - truth[there], 0.0, 1.0)
        values[row, 2] = 8.0
    first_slot = start + 900 * firsts
    return WeatherIssues(
        variables=("ghi_w_m2", "cloud_cover", "temp_c"),
        issued_at=first_slot - 1200,
        start=first_slot,
        values=values,
    )


def pv_under(slots: I64, clear: F64) -> F64:
    """Return PV of the panel under a clearness."""
    sun = sun_at(SKY, slots)
    light = split_global(clear_radiation(SKY, slots).ghi_w_m2 * clear, sun)
    return plane_kwh(PANEL, sun, light, np.full(1, 8.0), np.full(1, 3.0))


@lru_cache(maxsize=8)
def house(seed: int = 0, days: int = DAYS, start: int = START) -> HomeHistory:
    """Return a house whose values are known when their slot is over."""
    slots = slots_of(days, start)
    pv = Measured.of(start, pv_under(slots, clearness(days, seed)), slots + 900)
    return HomeHistory(zone=ZONE, latitude=LATITUDE, longitude=LONGITUDE, load=pv, pv=pv)


@lru_cache(maxsize=8)
def windy(seed: int = 0) -> HomeHistory:
    """Return a house with weather forecasts and known planes."""
    return replace(house(seed), planes=(PLANE,), weather=weather_of(START, DAYS + 3, seed))


UNTIL = START + 60 * 86_400


@lru_cache(maxsize=8)
def fitted(kind: str) -> PvModel:
    """Return the model of a house."""
    if kind == "lost":
        return fit_pv(replace(house(), latitude=None, longitude=None), UNTIL)
    return fit_pv(windy() if kind == "weather" else house(), UNTIL)


def history_of(kind: str) -> HomeHistory:
    """Return the house of a model."""
    if kind == "lost":
        return replace(house(), latitude=None, longitude=None)
    return windy() if kind == "weather" else house()


KINDS = ["recent", "weather", "lost"]


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    slot=st.integers(-40 * 96, 30 * 96),
    seed=st.integers(0, 3),
    wild=st.sampled_from([1.0, 0.0, 3.0, 0.01]),
)
def test_every_forecast_is_possible(kind: str, slot: int, seed: int, wild: float) -> None:
    model, history = fitted(kind), history_of(kind)
    assert history.pv is not None
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(history.pv.values.size) < 0.1, np.nan, history.pv.values * wild)
    odd = replace(history, pv=Measured.of(START, values, history.pv.slots + 900))
    got = model.forecast(odd, np.array([UNTIL + 900 * slot]), AHEAD)
    for kwh in (got.mean_kwh, got.median_kwh):
        assert kwh.shape == (1, AHEAD)
        assert np.isfinite(kwh).all()
        assert (kwh >= 0.0).all()
        assert kwh.max() <= model.roof.limit_kwh + 1e-12


@pytest.mark.parametrize("kind", ["recent", "weather"])
@pytest.mark.parametrize("day", [date(2025, 3, 30), date(2025, 10, 26), date(2025, 12, 21)])
def test_nights_are_exactly_zero_on_every_kind_of_day(kind: str, day: date) -> None:
    begin = int(local_day(day, ZONE)[0].timestamp())
    issues = begin + 3600 * np.arange(0, 30, 6)
    got = fitted(kind).forecast(history_of(kind), issues, 288)
    slots = issues[:, None] + 900 * np.arange(288)
    night = is_night(slots.ravel(), np.full(slots.size, 900), LATITUDE, LONGITUDE)
    assert (got.mean_kwh.ravel()[night] == 0.0).all()
    assert (got.median_kwh.ravel()[night] == 0.0).all()
    assert got.mean_kwh.max() > 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moved", [0, 900, 2700])
def test_what_came_later_changes_nothing(kind: str, moved: int) -> None:
    history, model = history_of(kind), fitted(kind)
    assert history.pv is not None
    issue = UNTIL + 5 * 86_400 + 11 * 3600 + moved
    later = history.pv.usable_from > issue
    values = np.where(later, 9.0, history.pv.values)
    weather = history.weather
    if weather is not None:
        told = weather.values.copy()
        told[weather.issued_at > issue] = 17.0
        weather = replace(weather, values=told)
    other = replace(history, pv=replace(history.pv, values=values), weather=weather)
    issues = np.array([issue])
    before, after = model.forecast(history, issues, AHEAD), model.forecast(other, issues, AHEAD)
    assert np.array_equal(before.mean_kwh, after.mean_kwh)
    assert np.array_equal(before.median_kwh, after.median_kwh)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_blind_to_what_came_after_it_was_fitted(kind: str) -> None:
    history = history_of(kind)
    assert history.pv is not None
    values = np.where(history.pv.usable_from > UNTIL, 9.0, history.pv.values)
    weather = history.weather
    if weather is not None:
        told = weather.values.copy()
        told[weather.issued_at > UNTIL] = 17.0
        weather = replace(weather, values=told)
    other = fit_pv(replace(history, pv=replace(history.pv, values=values), weather=weather), UNTIL)
    same = fitted(kind)
    assert np.array_equal(other.weather.median, same.weather.median)
    assert np.array_equal(other.recent.mean, same.recent.mean)
    assert other.learned == same.learned
    assert other.roof.panels == same.roof.panels


def test_issues_do_not_know_of_each_other() -> None:
    history, model = windy(), fitted("weather")
    issues = UNTIL + 900 * np.arange(0, 200, 7)
    together = model.forecast(history, issues, AHEAD)
    alone = [model.forecast(history, issues[n : n + 1], AHEAD) for n in (0, 5, 28)]
    for n, one in zip((0, 5, 28), alone, strict=True):
        np.testing.assert_allclose(one.mean_kwh[0], together.mean_kwh[n], atol=1e-9)
    assert model.forecast(history, issues[:0], AHEAD).mean_kwh.shape == (0, AHEAD)


def miss(kind: str, leads: slice) -> tuple[float, float]:
    """Return the errors of the median and of the day before, over the last days of a house."""
    history = history_of(kind)
    assert history.pv is not None
    issues = np.arange(UNTIL, history.pv.end - AHEAD * 900, 3600)
    targets = issues[:, None] + 900 * np.arange(AHEAD)
    truth = history.pv.at(targets)[:, leads]
    got = fitted(kind).forecast(history, issues, AHEAD).median_kwh[:, leads]
    days = 1 + np.arange(AHEAD) // 96
    naive = history.pv.at(targets - 86_400 * days)[:, leads]
    return float(np.abs(got - truth).mean()), float(np.abs(naive - truth).mean())


@pytest.mark.parametrize(
    ("kind", "leads", "most"),
    [
        pytest.param("recent", slice(0, 4), 0.6, id="the next hour by what was measured"),
        pytest.param("recent", slice(0, AHEAD), 0.9, id="two days without weather"),
        pytest.param("lost", slice(0, 4), 0.7, id="the next hour, wherever that is"),
        pytest.param("weather", slice(0, AHEAD), 0.5, id="two days with weather"),
    ],
)
def test_it_beats_the_day_before(kind: str, leads: slice, most: float) -> None:
    got, naive = miss(kind, leads)
    assert got < most * naive


def test_the_state_gives_the_model_back() -> None:
    for kind in KINDS:
        model, history = fitted(kind), history_of(kind)
        back = PvModel.from_state(model.to_state())
        issues = np.array([UNTIL, UNTIL + 36_000])
        before, after = model.forecast(history, issues, 96), back.forecast(history, issues, 96)
        assert np.array_equal(before.mean_kwh, after.mean_kwh)
        json.dumps(model.to_state(), default=lambda array: array.tolist())


@pytest.mark.parametrize("planes", [(), (PLANE,)])
@pytest.mark.parametrize("days", [1, 3])
def test_a_few_days_are_enough_for_a_start(planes: tuple[Plane, ...], days: int) -> None:
    history = replace(house(0, days), planes=planes)
    until = START + days * 86_400
    got = fit_pv(history, until).forecast(history, np.array([until]), AHEAD)
    clear = clear_kwh(until + 900 * np.arange(AHEAD))
    assert 0.05 * clear.sum() < got.mean_kwh.sum() < 1.2 * clear.sum()


def test_known_panels_need_no_history() -> None:
    pv = Measured.of(START, np.full(96, np.nan), np.zeros(96, dtype=np.int64))
    history = replace(house(), pv=pv, planes=(PLANE,))
    got = fit_pv(history, START).forecast(history, np.array([START]), 96)
    # Nothing measured: 0.6 of a clear sky.
    assert got.median_kwh.sum() == pytest.approx(0.6 * clear_kwh(slots_of(1)).sum(), rel=0.05)


def test_nothing_to_learn_from_is_refused() -> None:
    pv = Measured.of(START, np.full(960, np.nan), np.zeros(960, dtype=np.int64))
    with pytest.raises(TrainingError, match="import PV history, or configure"):
        fit_pv(replace(house(), pv=pv), UNTIL)
    with pytest.raises(SeriesError, match="this house has none"):
        fit_pv(replace(house(), pv=None), UNTIL)


def test_an_issue_off_the_grid_is_refused() -> None:
    with pytest.raises(SeriesError, match="slot starts"):
        fitted("recent").forecast(house(), np.array([UNTIL + 1]), 4)


@pytest.mark.parametrize("place", [True, False], ids=["place known", "place unknown"])
def test_panels_that_never_gave_anything_are_forecast_to_give_nothing(*, place: bool) -> None:
    pv = Measured.of(START, np.zeros(DAYS * 96), slots_of(DAYS) + 900)
    history = replace(house(), pv=pv, latitude=LATITUDE if place else None)
    got = fit_pv(history, UNTIL).forecast(history, np.array([UNTIL]), AHEAD)
    assert got.mean_kwh.max() == 0.0
    assert got.median_kwh.max() == 0.0


def test_a_constant_series_stays_what_it_is() -> None:
    pv = Measured.of(START, np.full(DAYS * 96, 0.2), slots_of(DAYS) + 900)
    history = replace(house(), pv=pv)
    got = fit_pv(history, UNTIL).forecast(history, np.array([UNTIL]), AHEAD)
    np.testing.assert_allclose(got.median_kwh, 0.2, rtol=1e-6)


def test_the_polar_night_gives_nothing() -> None:
    start = 1_764_547_200  # 2025-12-01 UTC
    pv = Measured.of(start, np.zeros(20 * 96), slots_of(20, start) + 900)
    history = replace(house(), pv=pv, latitude=78.2, longitude=15.6, planes=(PLANE,))
    until = start + 20 * 86_400
    got = fit_pv(history, until).forecast(history, np.array([until]), AHEAD)
    assert got.mean_kwh.max() == 0.0


def test_where_weather_ends_experience_goes_on() -> None:
    history, model = windy(), fitted("weather")
    assert history.weather is not None
    told = history.weather.values.copy()
    told[:, :, 96:] = np.nan
    half = replace(history, weather=replace(history.weather, values=told))
    issue = np.array([UNTIL])
    got = model.forecast(half, issue, AHEAD).mean_kwh[0]
    with_it = model.forecast(history, issue, AHEAD).mean_kwh[0]
    without = model.forecast(replace(history, weather=None), issue, AHEAD).mean_kwh[0]
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got[:60], with_it[:60], rtol=0.2, atol=0.1)
    assert np.array_equal(got[96:], without[96:])


def test_what_must_not_teach_is_not_read() -> None:
    history = house()
    assert history.pv is not None
    day = np.arange(history.pv.values.size) // 96
    snow = (day >= 50) & (day < 57)
    values = np.where(snow, 0.0, history.pv.values)
    covered = replace(history, pv=Measured.of(START, values, history.pv.slots + 900))
    taught = replace(covered, pv_teaches=~snow)
    missing = replace(history, pv=history.pv.without(snow))
    issues = np.array([START + 57 * 86_400])
    model = fitted("recent")
    got = model.forecast(taught, issues, AHEAD).mean_kwh
    assert np.array_equal(got, model.forecast(missing, issues, AHEAD).mean_kwh)
    assert got.sum() > 1.3 * model.forecast(covered, issues, AHEAD).mean_kwh.sum()


def test_a_small_inverter_is_told_by_its_flat_top() -> None:
    kwh = np.minimum(clear_kwh(slots_of(DAYS)), 0.5)
    roof = fit_roof(
        kwh,
        START,
        position=(LATITUDE, LONGITUDE),
        elevation_m=None,
        planes=(PLANE,),
        parts=1,
    )
    assert roof.limit_kwh == 0.5
    assert roof.scale == pytest.approx(1.0, abs=0.02)


def test_hours_are_smeared_to_their_means() -> None:
    # The series begins in the middle of an hour: 2 slots, then whole hours.
    kwh = np.array([1.0, 3.0, 0.0, 0.0, 4.0, 8.0])
    assert smear(kwh, 1800, 4).tolist() == [2.0, 2.0, 3.0, 3.0, 3.0, 3.0]
    assert smear(kwh, 900, 1) is kwh


def test_experts_by_hand() -> None:
    """A sky that gave half of a clear one in four weeks, and a quarter in the last hour."""
    issue = START + WINDOW_DAYS * 86_400
    ones = np.ones(WINDOW_DAYS * RING)
    x = 0.5 * ones
    x[-4:] = 0.25
    pv = Measured.of(START, x, slots_of(WINDOW_DAYS) + 900)
    window = window_of(pv, np.array([issue]), ones, START)
    recent = experts(window, 0.5, 1)
    index = dict(zip(EXPERTS, recent.index[:, 0], strict=True))
    # Away from the hour that differed everything is one half.
    for name in ("K7", "K14", "K28", "M14", "M28"):
        assert index[name][4:90] == pytest.approx(0.5)
    # The last hour counts 1 - 1/e of a memory of one hour; the hours before weigh the rest.
    now = index["P1_K14"][0] / 0.5
    assert 0.5 < now < 1.0
    assert now == pytest.approx(1.0 - 0.5 * (1.0 - np.exp(-1.0)), abs=0.02)
    assert index["P72_K14"][0] == pytest.approx(0.5, abs=0.01)


def test_weights_sum_to_one_at_every_lead() -> None:
    for weather in (False, True):
        blends = fixed_blends(weather=weather)
        assert blends.mean.sum(axis=1) == pytest.approx(np.ones(LEADS.size))
        assert blends.median.sum(axis=1) == pytest.approx(np.ones(LEADS.size))
    assert lead_rows(10).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_cloud_cover_stands_in_for_radiation() -> None:
    roof = Roof(sky=SKY, panels=(PANEL,), scale=1.0, limit_kwh=9.0)
    noon = np.array([START + 11 * 3600])
    for cover, ratio in ((0.0, 1.0), (1.0, 0.25)):
        weather = WeatherIssues(
            variables=("cloud_cover",),
            issued_at=noon - 900,
            start=noon,
            values=np.full((1, 1, 8), cover),
        )
        found = outlook(weather, roof, noon, 8, hourly=False)
        assert found is not None
        slots = noon + 900 * np.arange(8)
        sun = sun_at(SKY, slots)
        light: Radiation = split_global(clear_radiation(SKY, slots).ghi_w_m2 * ratio, sun)
        want = plane_kwh(PANEL, sun, light, np.full(1, 12.0), np.full(1, 3.0))
        np.testing.assert_allclose(found.newest_kwh[0], want)
