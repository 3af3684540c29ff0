"""Rows of features: by hand, by two ways of running the kernels, and blind to the future."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.inputs import NEVER, HomeHistory, Measured, WeatherIssues
from forecast.load_features import (
    DAYS,
    FEATURES,
    PROFILES,
    LoadRows,
    load_rows,
    write_profile,
    write_profiles,
    write_rows,
    write_smoothed,
)
from mpc.jit import compiled
from telemetry.arrays import F64, I64
from tests.forecast.small_homes import DAY, SLOT, START, ZONE, measured, small_home

LEADS = np.array([0, 1, 5, 50, 95, 96, 191, 287], dtype=np.int64)


def day_values(days: int) -> F64:
    """Day d of a series is worth d + 1 in every slot."""
    return np.repeat(np.arange(1.0, days + 1.0), 96)


def made(load: F64) -> HomeHistory:
    return HomeHistory(zone=ZONE, load=measured(load))


def at(*slots: int) -> I64:
    """Issues, in slots from START."""
    return START + SLOT * np.array(slots, dtype=np.int64)


def column(rows: LoadRows, name: str) -> F64:
    """Return (N, L) one feature."""
    found: F64 = rows.rows[..., FEATURES.index(name)]
    return found


def circumstances(days: int, seed: int = 0) -> HomeHistory:
    """A home with gaps and late readings, absences and weather issued every six hours."""
    rng = np.random.default_rng(seed)
    home = small_home(days, seed=seed, pv=False)
    values = home.load.values.copy()
    values[rng.random(values.size) < 0.05] = np.nan
    slots = home.load.slots
    late = np.where(rng.random(values.size) < 0.1, rng.integers(0, 90_000, values.size), 0)
    issued = np.arange(START + 7 * DAY, START + days * DAY, 6 * 3600, dtype=np.int64)
    temp = rng.uniform(-9.0, 9.0, (issued.size, 1, 320))
    return replace(
        home,
        load=Measured.of(START, values, slots + SLOT + late),
        away=measured((rng.random(values.size) < 0.2).astype(np.float64)),
        country="SE",
        weather=WeatherIssues(
            variables=("temp_c",), issued_at=issued + 420, start=issued, values=temp
        ),
    )


# By hand


def test_a_few_features_by_hand() -> None:
    """40 days from 1 February, a Saturday, day d worth d; issue at midnight before day 36.

    Day 36 is 8 March, a Saturday. The last seven days known are 29 to 35: the level is 32.
    """
    rows = load_rows(made(day_values(40)), at(35 * 96), np.array([0, 96, 192], dtype=np.int64))
    level = 32.0
    assert rows.level_kwh.tolist() == [level]
    want = {
        "last": [35.0] * 3,
        "last3": [33.0] * 3,
        "mean3": [34.0] * 3,
        "mean7": [32.0] * 3,
        "mean14": [28.5] * 3,
        "mean28": [21.5] * 3,
        "median7": [32.0] * 3,
        "median14": [28.5] * 3,
        # Of 22 to 35 the variance is (14 * 14 - 1) / 12; the second lowest and highest remain.
        "spread14": [np.sqrt(195 / 12)] * 3,
        "low14": [23.0] * 3,
        "high14": [34.0] * 3,
        "near_mean14": [28.5] * 3,
        # Today, 36, is not over; tomorrow's yesterday is today, and so on: unknown.
        "yesterday": [35.0, np.nan, np.nan],
        "week": [29.0, 30.0, 31.0],
        # Day 36 less 7, 14, 21, 28: 18.5 on average; a day later one more.
        "weeks": [18.5, 19.5, 20.5],
        # Saturdays and Sundays of days 8 to 35: 8, 9, 15, 16, 22, 23, 29, 30; then workdays.
        "day_type": [19.0, 19.0, (28 * 21.5 - 8 * 19.0) / 20],
        "hour1": [35.0] * 3,
        "hour24": [35.0] * 3,
        "over24": [35.0 - 28.5] * 3,
        "newest1": [35.0] * 3,
        "level28": [21.5] * 3,
    }
    for name, values in want.items():
        np.testing.assert_allclose(
            column(rows, name)[0], np.array(values) / level, rtol=1e-12, err_msg=name
        )
    plain = {
        "age": [0.0] * 3,
        "lead": [0.0, 96.0, 192.0],
        "quarter": [0.0] * 3,
        "weekday": [5.0, 6.0, 0.0],
        "weekend": [1.0, 1.0, 0.0],
    }
    for name, values in plain.items():
        assert column(rows, name)[0].tolist() == values, name
    for name in ("holiday", "away", "temp_c", "temp_change_c"):
        assert np.isnan(column(rows, name)).all(), name


def test_recency_by_hand() -> None:
    """After two hours of 3 kWh on a home of 1 kWh: the level barely moves, the hours stand out."""
    load = np.ones(20 * 96)
    load[10 * 96 : 10 * 96 + 8] = 3.0
    rows = load_rows(made(load), at(10 * 96 + 8), np.array([0], dtype=np.int64))
    # Seven whole days and eight quarters of today.
    level = (7 * 96 + 8 * 3.0) / (7 * 96 + 8)
    assert rows.level_kwh[0] == pytest.approx(level)
    # Three and six hours reach back to yesterday: 4 and 16 quarters of 1 kWh.
    hours = {"hour1": 3.0, "hour3": 28 / 12, "hour6": 40 / 24, "hour24": 112 / 96}
    for name, value in hours.items():
        assert column(rows, name)[0, 0] == pytest.approx(value / level), name
    # Quarter 0 to 7: the mean of today, 3, and of ten days before, 1: with 14 days 13 / 11.
    assert column(rows, "over1")[0, 0] == pytest.approx((3.0 - 13 / 11) / level)
    assert column(rows, "newest4")[0, 0] == pytest.approx(3.0 / level)


def test_a_meter_of_hours_is_looked_at_by_the_hour() -> None:
    home = replace(made(np.arange(20.0 * 96)), source_slots=4)
    rows = load_rows(home, at(10 * 96), np.array([0], dtype=np.int64))
    newest = [column(rows, f"newest{k}")[0, 0] * rows.level_kwh[0] for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(newest, [959.0, 955.0, 951.0, 947.0], rtol=1e-12)


def test_temperature_as_foretold_and_its_change() -> None:
    """Foretold 5 degrees a day ago for the day before; now 8, and 9 from the second slot on."""
    day_before, now = START + 14 * DAY, START + 15 * DAY
    values = np.full((2, 1, 96), 5.0)
    values[1], values[1, 0, 0] = 9.0, 8.0
    weather = WeatherIssues(
        variables=("temp_c",),
        issued_at=np.array([day_before, now]),
        start=np.array([day_before, now]),
        values=values,
    )
    home = replace(made(np.ones(20 * 96)), weather=weather)
    rows = load_rows(home, at(15 * 96), np.array([0, 1, 96], dtype=np.int64))
    np.testing.assert_array_equal(column(rows, "temp_c")[0], [8.0, 9.0, np.nan])
    np.testing.assert_array_equal(column(rows, "temp_change_c")[0], [3.0, 4.0, np.nan])


def test_issues_before_the_first_weather_and_after_it_together() -> None:
    """The home's weather began on day 7: earlier issues have none, and nothing warns of it."""
    home = circumstances(30)
    rows = load_rows(home, at(6 * 96, 20 * 96), LEADS)
    assert np.isnan(column(rows, "temp_change_c")[0]).all()
    assert not np.isnan(column(rows, "temp_change_c")[1]).any()


def test_a_home_without_a_reading_has_no_level() -> None:
    rows = load_rows(made(np.full(20 * 96, np.nan)), at(10 * 96), LEADS)
    assert np.isnan(rows.level_kwh).all()
    assert np.isnan(column(rows, "mean14")).all()


def test_a_home_that_uses_nothing_has_a_level_above_zero() -> None:
    rows = load_rows(made(np.zeros(20 * 96)), at(10 * 96), LEADS)
    assert rows.level_kwh.tolist() == [1e-3]
    assert (column(rows, "mean14") == 0.0).all()


# Properties


@pytest.mark.parametrize("factor", [1e-2, 7.0])
def test_a_bigger_home_of_the_same_shape_has_the_same_rows(factor: float) -> None:
    home, issues = circumstances(45), at(*range(31 * 96, 40 * 96, 61))
    scaled = replace(
        home,
        load=Measured(
            start=START, values=factor * home.load.values, usable_from=home.load.usable_from
        ),
    )
    one, other = load_rows(home, issues, LEADS), load_rows(scaled, issues, LEADS)
    np.testing.assert_allclose(other.level_kwh, factor * one.level_kwh, rtol=1e-12)
    np.testing.assert_allclose(other.profile_kwh, factor * one.profile_kwh, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other.rows, one.rows, rtol=1e-9, atol=1e-9)


def test_many_issues_are_each_by_itself() -> None:
    """Together they run compiled, one by one they do not."""
    home, issues = circumstances(45), at(*range(2, 44 * 96, 167))
    together = load_rows(home, issues, LEADS)
    for n in range(issues.size):
        alone = load_rows(home, issues[n : n + 1], LEADS)
        np.testing.assert_allclose(
            together.rows[n], alone.rows[0], rtol=1e-12, atol=1e-12, err_msg=str(n)
        )
        assert together.level_kwh[n] == alone.level_kwh[0]
        assert together.quarter[n].tolist() == alone.quarter[0].tolist()


def test_each_issue_may_have_leads_of_its_own() -> None:
    home, issues = circumstances(45), at(31 * 96, 33 * 96 + 7)
    leads = np.array([[0, 3, 9], [1, 100, 191]], dtype=np.int64)
    both = load_rows(home, issues, leads)
    for n in range(2):
        alone = load_rows(home, issues[n : n + 1], leads[n])
        np.testing.assert_array_equal(both.rows[n], alone.rows[0])


@pytest.mark.parametrize("seed", [0, 1])
def test_compiled_kernels_are_the_plain_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.uniform(0.0, 2.0, (4, DAYS, 96))
    cells[rng.random(cells.shape) < 0.4] = np.nan
    cells[1, :, 7] = np.nan
    weekend = rng.random((4, DAYS)) < 0.3
    place = (
        rng.integers(0, 4, (4, 5)),
        rng.integers(0, 96, (4, 5)),
        rng.integers(0, 7, (4, 5)),
        rng.integers(0, 192, (4, 5)),
    )
    recent, level = rng.uniform(-1, 1, (4, 13)), rng.uniform(0.1, 2.0, 4)

    def run(profiles: Callable[..., None], rows: Callable[..., None]) -> tuple[F64, F64, F64]:
        profile = np.full((4, 96, len(PROFILES)), np.nan)
        types, out = np.full((4, 2, 96), np.nan), np.full((4, 5, len(FEATURES)), np.nan)
        profiles(cells, weekend, profile, types)
        rows(cells, profile, types, level, place, recent, out)
        return profile, types, out

    plain = run(write_profiles, write_rows)
    for one, other in zip(plain, run(compiled(write_profiles), compiled(write_rows)), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12)
    # And both are what numpy says of the newest 7 and 14 values.
    known = [c[~np.isnan(c)] for c in (cells[2, :, q] for q in range(96))]
    for name, count, of in (
        ("mean7", 7, np.mean),
        ("median7", 7, np.median),
        ("median14", 14, np.median),
        ("spread14", 14, np.std),
    ):
        want = [of(c[:count]) for c in known]
        np.testing.assert_allclose(plain[0][2, :, PROFILES.index(name)], want, atol=1e-9)


def test_a_profile_of_one_value_is_that_value() -> None:
    out, ordered = np.full(len(PROFILES), np.nan), np.empty(DAYS)
    write_profile(np.array([0.7]), 1, ordered, out)
    names = dict(zip(PROFILES, out.tolist(), strict=True))
    for name in ("last", "mean3", "mean28", "median7", "median28", "low14", "high14"):
        assert names[name] == pytest.approx(0.7)
    assert names["spread14"] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(names["last2"])


def test_smoothing_goes_around_the_clock() -> None:
    profile = np.full((96, len(PROFILES)), np.nan)
    profile[:, PROFILES.index("mean14")] = 0.0
    profile[95, PROFILES.index("mean14")] = 9.0
    write_smoothed(profile)
    near = profile[:, PROFILES.index("near_mean14")]
    # Nine quarters around 95: 91 to 95 and 0 to 3.
    assert np.flatnonzero(near).tolist() == [0, 1, 2, 3, 91, 92, 93, 94, 95]
    assert near[0] == 1.0


# Leaks


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), day=st.integers(1, 40), quarter=st.integers(0, 95))
def test_nothing_usable_later_changes_a_row(seed: int, day: int, quarter: int) -> None:
    """Late readings, everything after the issue, weather issued later, and later absences."""
    home, issue = circumstances(45, seed=5), at(day * 96 + quarter)
    assert home.away is not None
    assert home.weather is not None
    rng = np.random.default_rng(seed)

    def other(seen: Measured) -> Measured:
        later = seen.usable_from > issue[0]
        assert later.any()
        values = np.where(later, rng.uniform(0.0, 50.0, later.size), seen.values)
        # What never came may have come later.
        usable = np.where(seen.usable_from == NEVER, issue[0] + 1, seen.usable_from)
        return Measured(start=seen.start, values=values, usable_from=usable)

    late = (home.weather.issued_at > issue[0])[:, None, None]
    weather = replace(home.weather, values=np.where(late, 99.0, home.weather.values))
    changed = replace(home, load=other(home.load), away=other(home.away), weather=weather)
    before, after = load_rows(home, issue, LEADS), load_rows(changed, issue, LEADS)
    np.testing.assert_array_equal(after.rows, before.rows)
    np.testing.assert_array_equal(after.level_kwh, before.level_kwh)
    np.testing.assert_array_equal(after.profile_kwh, before.profile_kwh)


def test_a_value_usable_at_the_issue_does_change_its_rows() -> None:
    """Else the test above would pass of a home that is never looked at."""
    home, issue = circumstances(45), at(40 * 96)
    values = home.load.values.copy()
    newest = int(np.flatnonzero(home.load.usable_from <= issue[0])[-1])
    values[newest] += 5.0
    changed = replace(home, load=replace(home.load, values=values))
    before, after = load_rows(home, issue, LEADS), load_rows(changed, issue, LEADS)
    assert after.level_kwh[0] > before.level_kwh[0]
    assert (column(after, "newest1") > column(before, "newest1")).all()
