"""Aurora as a whole: pure, blind to the future, the same after a round trip, sound for odd homes.

Homes are small and trainings have few trees; all of them end at START + days * DAY.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from forecast.aurora import LEAST_DAYS, Aurora, Forecast, Issued, known_days, train
from forecast.bands import WIDE, Scores
from forecast.errors import TrainingError
from forecast.inputs import NEVER, HomeHistory, Measured, WeatherIssues
from telemetry.arrays import I64
from telemetry.home import Plane
from tests.forecast.small_homes import DAY, SLOT, START, measured, small_home, small_training

DAYS = 64
UNTIL = START + DAYS * DAY
AHEAD = 288
ISSUES: I64 = UNTIL + SLOT * np.array([-191, -60, 0], dtype=np.int64)


def trained(
    history: HomeHistory, until: int = UNTIL, seed: int = 0
) -> tuple[Aurora, Scores, Scores]:
    with small_training():
        model, (load, pv) = train(history, until, seed=seed)
    return model, load, pv


@cache
def home() -> HomeHistory:
    return small_home(DAYS + 3)


@cache
def aurora() -> Aurora:
    return trained(home())[0]


def weather_of(days: int, *, later: float = 0.0, every: int = 6 * 3600) -> WeatherIssues:
    """Issues of light and warmth; what is issued after UNTIL is ``later`` warmer and darker."""
    issued = np.arange(START, START + days * DAY, every, dtype=np.int64)
    slots = issued[:, None] + SLOT * np.arange(320)
    hour = (slots - START) / 3600.0 % 24.0
    rng = np.random.default_rng(1)
    cloud = rng.uniform(0.3, 1.0, issued.size)[:, None]
    late = (later * (issued > UNTIL))[:, None]
    light = np.maximum(500.0 * np.maximum(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0) * cloud, 0.0)
    values = np.stack([6.0 - 4.0 * cloud + late + 0.0 * hour, light / (1.0 + late)], axis=1)
    return WeatherIssues(
        variables=("temp_c", "ghi_w_m2"), issued_at=issued, start=issued, values=values
    )


def assert_same(one: Issued, other: Issued) -> None:
    """Two forecasts equal to the bit."""
    for name in ("mean_kwh", "low_kwh", "median_kwh", "high_kwh"):
        for what in ("load", "pv"):
            np.testing.assert_array_equal(
                getattr(getattr(one, what), name), getattr(getattr(other, what), name), what + name
            )
    np.testing.assert_array_equal(one.load_scenarios, other.load_scenarios)
    np.testing.assert_array_equal(one.pv_scenarios, other.pv_scenarios)


def assert_sound(issued: Issued, issues: int = 3) -> None:
    """Every slot has a finite forecast, quantiles are in order, scenarios are around the mean."""
    said: Forecast
    for said, ways in ((issued.load, issued.load_scenarios), (issued.pv, issued.pv_scenarios)):
        assert said.mean_kwh.shape == (issues, AHEAD)
        for values in (said.mean_kwh, said.low_kwh, said.median_kwh, said.high_kwh):
            assert np.isfinite(values).all()
            assert (values >= 0.0).all()
        assert (said.low_kwh <= said.median_kwh).all()
        assert (said.median_kwh <= said.high_kwh).all()
        assert ways is not None
        assert ways.shape == (issues, 14, AHEAD)
        assert (ways >= 0.0).all()
        np.testing.assert_allclose(ways.mean(axis=1), said.mean_kwh, rtol=0.0, atol=1e-9)


def issue(model: Aurora, history: HomeHistory, issues: I64 = ISSUES) -> Issued:
    return model.issue(history, issues, AHEAD, scenarios=True)


# Pure


def test_training_twice_gives_the_same_model() -> None:
    again = trained(home())[0]
    assert again.load == aurora().load
    assert again.load_bands == aurora().load_bands
    assert again.pv_bands == aurora().pv_bands
    assert_same(issue(again, home()), issue(aurora(), home()))
    assert not aurora().is_naive
    assert aurora().trained_until == UNTIL
    assert trained(home(), seed=1)[0].load != aurora().load


def spoilt(seen: Measured, after: int) -> Measured:
    """Return a channel in which all that was not usable at a moment is another."""
    later = seen.usable_from > after
    usable = np.where(seen.usable_from == NEVER, after + 1, seen.usable_from)
    return Measured(start=seen.start, values=np.where(later, 77.0, seen.values), usable_from=usable)


@cache
def unkind(later: float = 0.0) -> HomeHistory:
    """A home with late readings, gaps, a car, absences and weather."""
    days = DAYS + 3
    base, rng = small_home(days), np.random.default_rng(9)
    assert base.pv is not None

    def late(seen: Measured) -> Measured:
        values = np.where(rng.random(seen.values.size) < 0.03, np.nan, seen.values)
        delay = np.where(rng.random(values.size) < 0.1, rng.integers(0, 2 * DAY, values.size), 0)
        return Measured.of(START, values, seen.slots + SLOT + delay)

    car = np.where(np.arange(days * 96) % 96 > 90, 2.0, 0.0)
    return replace(
        base,
        load=late(base.load),
        pv=late(base.pv),
        flexible=late(measured(car)),
        away=measured(np.zeros(days * 96)),
        weather=weather_of(days, later=later),
        country="SE",
    )


@cache
def of_unkind() -> Aurora:
    return trained(unkind())[0]


def changed_after(history: HomeHistory, after: int) -> HomeHistory:
    """Return a home of which everything that was known later is another."""
    assert history.pv is not None
    assert history.flexible is not None
    assert history.away is not None
    return replace(
        history,
        load=spoilt(history.load, after),
        pv=spoilt(history.pv, after),
        flexible=spoilt(history.flexible, after),
        away=spoilt(history.away, after),
    )


def test_nothing_known_after_the_end_changes_a_model() -> None:
    """Readings, absences and weather after UNTIL, and readings of before that came after it."""
    one, other = of_unkind(), trained(changed_after(unkind(20.0), UNTIL))[0]
    assert other.load == one.load
    assert (other.load_bands, other.pv_bands) == (one.load_bands, one.pv_bands)
    # Both forecast the same history, so a difference would be one of the models.
    assert_same(issue(other, unkind()), issue(one, unkind()))


def test_weather_that_begins_later_changes_no_model() -> None:
    """Of a year of replay the first model was trained before any weather was kept."""
    whole = weather_of(DAYS + 3)
    first = int(np.searchsorted(whole.issued_at, UNTIL, side="right"))
    later = replace(
        whole,
        issued_at=whole.issued_at[first:],
        start=whole.start[first:],
        values=whole.values[first:],
    )
    one = trained(replace(unkind(), weather=None))[0]
    other = trained(replace(unkind(), weather=later))[0]
    assert other.load == one.load
    assert (other.load_bands, other.pv_bands) == (one.load_bands, one.pv_bands)
    assert_same(issue(other, unkind()), issue(one, unkind()))


def test_a_frost_foretold_after_the_end_changes_no_model() -> None:
    """A roof that gave nothing on the last day: snow, if it froze; foretold only after UNTIL."""
    until = UNTIL - DAY // 2

    def house(cold: float) -> HomeHistory:
        base = small_home(DAYS)
        assert base.pv is not None
        roof = base.pv.values.copy()
        roof[-96:] = 0.0
        weather = weather_of(DAYS)
        values = weather.values.copy()
        values[:, 0] = 5.0
        values[weather.issued_at > until, 0] = cold
        return replace(base, pv=measured(roof), weather=replace(weather, values=values))

    one, other = trained(house(5.0), until)[0], trained(house(-20.0), until)[0]
    assert one.pv is not None
    assert other.pv is not None
    assert other.pv.typical == one.pv.typical
    assert_same(issue(other, unkind()), issue(one, unkind()))


def test_nothing_known_after_an_issue_changes_its_forecast() -> None:
    at = np.array([UNTIL], dtype=np.int64)
    changed = changed_after(unkind(20.0), UNTIL)
    assert_same(issue(of_unkind(), changed, at), issue(of_unkind(), unkind(), at))


def test_many_issues_are_each_by_itself() -> None:
    issues = UNTIL - SLOT * np.arange(300, 0, -31, dtype=np.int64)
    together = issue(of_unkind(), unkind(), issues)
    for n in range(issues.size):
        alone = issue(of_unkind(), unkind(), issues[n : n + 1])
        for what in ("load", "pv"):
            for name in ("mean_kwh", "low_kwh", "high_kwh"):
                np.testing.assert_allclose(
                    getattr(getattr(together, what), name)[n],
                    getattr(getattr(alone, what), name)[0],
                    rtol=0.0,
                    atol=1e-9,
                    err_msg=f"{what} {name} {n}",
                )


@pytest.mark.parametrize("made", [aurora, of_unkind], ids=["kind", "unkind"])
def test_a_state_brings_the_model_back(made: Callable[[], Aurora]) -> None:
    model = made()
    again = Aurora.from_state(model.to_state())
    assert again.load == model.load
    assert (again.load_bands, again.pv_bands) == (model.load_bands, model.pv_bands)
    assert again.trained_until == model.trained_until
    assert_same(issue(again, unkind()), issue(model, unkind()))


def test_days_known_are_counted_in_slots() -> None:
    load = measured(np.where(np.arange(96 * 2) % 2 == 0, 1.0, np.nan))
    assert known_days(load, START + DAY) == 0.5
    assert known_days(load, START + 9 * DAY) == 1.0


# Odd homes


def test_a_home_with_too_little_history_has_plain_profiles() -> None:
    short, until = small_home(LEAST_DAYS - 1), START + (LEAST_DAYS - 1) * DAY
    model = trained(short, until)[0]
    assert model.is_naive
    assert not aurora().is_naive
    assert_sound(issue(model, short, until + SLOT * np.array([-5, -1, 0], dtype=np.int64)))
    # At midnight of day 40, before the clock goes forward: the median of 14 days.
    at = np.array([START + 40 * DAY], dtype=np.int64)
    median = np.median(short.load.values.reshape(-1, 96)[26:40, 0])
    assert issue(model, short, at).load.median_kwh[0, 0] == pytest.approx(median)


@pytest.mark.parametrize("days", [1, 3])
def test_a_home_of_a_few_days_has_wide_bands(days: int) -> None:
    short = small_home(days)
    until = START + days * DAY
    model, load, pv = trained(short, until)
    assert model.is_naive
    assert model.load_bands == model.pv_bands == WIDE
    assert load.ratio.size == pv.ratio.size == 0
    at = np.array([until, until, until], dtype=np.int64)
    narrow = replace(model, load_bands=aurora().load_bands, pv_bands=aurora().pv_bands)
    wide, other = issue(model, short, at), issue(narrow, short, at)
    assert_sound(wide)
    for one, calibrated in ((wide.load, other.load), (wide.pv, other.pv)):
        assert (one.high_kwh - one.low_kwh).mean() > 1.1 * (
            calibrated.high_kwh - calibrated.low_kwh
        ).mean()


def test_a_home_without_panels_has_no_sun() -> None:
    plain = small_home(DAYS, pv=False)
    model = trained(plain)[0]
    assert model.pv is None
    assert model.pv_bands == WIDE
    issued = issue(model, plain)
    assert_sound(issued)
    assert (issued.pv.high_kwh == 0.0).all()


def test_panels_that_never_reported_are_none() -> None:
    never = replace(small_home(DAYS), pv=measured(np.full(DAYS * 96, np.nan)))
    model = trained(never)[0]
    assert model.pv is None
    assert_sound(issue(model, never))


def test_panels_installed_after_the_training_give_what_their_newest_three_days_gave() -> None:
    model, home = trained(small_home(DAYS, pv=False))[0], small_home(DAYS)
    assert home.pv is not None
    midnight = np.array([START + (DAYS - 1) * DAY], dtype=np.int64)
    said = model.issue(home, midnight, 96).pv
    newest = home.pv.values[(DAYS - 4) * 96 : (DAYS - 1) * 96].reshape(3, 96)
    np.testing.assert_allclose(said.mean_kwh[0], newest.mean(axis=0))
    sunny = said.mean_kwh > 0.0
    assert sunny.any()
    assert (said.low_kwh < said.median_kwh)[sunny].all()
    assert (said.high_kwh > said.median_kwh)[sunny].all()


def test_panels_whose_readings_are_all_doubtful_teach_nothing() -> None:
    doubtful = replace(small_home(DAYS), pv_teaches=np.zeros(DAYS * 96, dtype=np.bool_))
    model = trained(doubtful)[0]
    assert model.pv is None
    assert_sound(issue(model, doubtful))


def test_panels_of_the_last_days_alone() -> None:
    """They teach the final model, and no model that is judged: their bands are a wide guess."""
    base = small_home(DAYS)
    assert base.pv is not None
    roof = np.where(np.arange(DAYS * 96) >= 60 * 96, base.pv.values, np.nan)
    model = trained(replace(base, pv=measured(roof)))[0]
    assert model.pv is not None
    assert model.pv_bands == WIDE
    assert_sound(issue(model, replace(base, pv=measured(roof))))


@pytest.mark.parametrize("value", [0.3, 0.0])
def test_a_load_that_never_changes_is_refused(value: float) -> None:
    flat = replace(small_home(DAYS, pv=False), load=measured(np.full(DAYS * 96, value)))
    with pytest.raises(TrainingError, match=r"load_kwh: it never changes.*darkstar validate"):
        trained(flat)


def test_no_load_at_all_gives_no_forecast_and_no_number() -> None:
    """PV alone: what cannot be known is NaN, which a plan refuses by name."""
    silent = replace(small_home(DAYS), load=measured(np.full(DAYS * 96, np.nan)))
    issued = issue(trained(silent)[0], silent)
    assert np.isnan(issued.load.mean_kwh).all()
    assert np.isfinite(issued.pv.mean_kwh).all()


def test_a_home_with_gaps() -> None:
    """A third of the slots, and the last two days, are missing."""
    base, rng = small_home(DAYS + 33), np.random.default_rng(4)
    assert base.pv is not None
    gone = rng.random(base.load.values.size) < 0.33
    gone[-2 * 96 :] = True
    gaps = replace(base, load=base.load.without(gone), pv=base.pv.without(gone))
    until = START + (DAYS + 33) * DAY
    model = trained(gaps, until)[0]
    assert not model.is_naive
    assert_sound(issue(model, gaps, until + SLOT * np.array([-30, -1, 0], dtype=np.int64)))


def test_a_home_of_hourly_readings() -> None:
    hourly = small_home(DAYS, source_slots=4)
    model, load, pv = trained(hourly)
    assert set((load.lead % 4).tolist()) == {0}
    assert pv.ratio.size > 0
    assert_sound(issue(model, hourly))


def test_flexible_loads_are_added_back() -> None:
    """A car that takes 2 kWh in every slot of the last hour of the day, measured apart."""
    car = np.where(np.arange(DAYS * 96) % 96 >= 92, 2.0, 0.0)
    plain = replace(home(), load=measured(home().load.values[: DAYS * 96]))
    with_car = replace(plain, flexible=measured(car))
    neutral = replace(aurora(), load_bands=replace(aurora().load_bands, level=(1.0,) * 6))
    at = START + 40 * DAY + np.zeros(3, dtype=np.int64)
    one, other = issue(neutral, plain, at), issue(neutral, with_car, at)
    for name in ("mean_kwh", "median_kwh", "high_kwh"):
        got = getattr(other.load, name) - getattr(one.load, name)
        np.testing.assert_allclose(got, np.tile(car[:96], (3, 3)), rtol=0.0, atol=1e-9)
    assert_sound(other)
    # Who drives as every day is as every day: scenarios of the car's hours differ by the house's.
    assert other.load_scenarios is not None
    assert other.load_scenarios[0, :, 92:96].min() > 2.0


def test_weather_that_ends_within_the_horizon() -> None:
    """A day is foretold, two are not; or nothing is."""
    history = unkind()
    assert history.weather is not None
    half = replace(history.weather, values=history.weather.values[:, :, :96])
    assert_sound(issue(of_unkind(), replace(history, weather=half)))
    assert_sound(issue(of_unkind(), replace(history, weather=None)))


def test_readings_from_the_future_do_not_leak() -> None:
    """A wrong clock dates a week of readings ahead: they count once their slots have passed."""
    ahead = small_home(DAYS + 7)
    said_early = replace(
        ahead, load=Measured.of(START, ahead.load.values, np.full(ahead.load.values.size, START))
    )
    cut = Measured.of(START, ahead.load.values[: DAYS * 96], ahead.load.slots[: DAYS * 96] + SLOT)
    at = np.array([UNTIL], dtype=np.int64)
    model = aurora()
    assert_same(issue(model, said_early, at), issue(model, replace(ahead, load=cut), at))


def test_panels_of_a_known_place_never_exceed_their_peak() -> None:
    placed = replace(
        small_home(DAYS),
        latitude=55.6,
        longitude=13.0,
        planes=(Plane(tilt_deg=35.0, azimuth_deg=180.0, peak_kw=4.0),),
    )
    issued = issue(trained(placed)[0], placed)
    assert_sound(issued)
    # 4 kW for a quarter.
    assert issued.pv.median_kwh.max() <= 1.0 + 1e-9
    assert (issued.pv.high_kwh[2, :12] == 0.0).all()  # from midnight on
