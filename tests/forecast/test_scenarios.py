"""Scenarios: around the mean forecast, whole days that follow each other, load and PV together."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.recent import Clock, target_places
from forecast.scenarios import (
    SCENARIOS,
    deviation_rms,
    load_scenarios,
    past_days,
    pv_scenarios,
)
from telemetry.arrays import F64, I64
from telemetry.slots import local_day, to_epoch
from tests.forecast.small_homes import START, ZONE, measured

AHEAD = np.arange(288, dtype=np.int64)
FULL = np.ones(288)


def places(*issues: int) -> tuple[I64, Clock]:
    return target_places(np.array(issues, dtype=np.int64), AHEAD, ZONE)


def sunny(
    days: F64, mean: F64, place: tuple[I64, Clock], trust: F64, most_kwh: float = np.inf
) -> F64:
    """Scenarios of a roof that can give anything, unless said otherwise."""
    return pv_scenarios(days, mean, np.full_like(mean, most_kwh), place, trust)


def random_case(seed: int) -> tuple[F64, F64, tuple[I64, Clock]]:
    """Days of two issues with gaps, a mean forecast with zeros, and where its targets lie."""
    rng = np.random.default_rng(seed)
    days = rng.gamma(1.0, 0.5, (2, SCENARIOS, 96))
    days[rng.random(days.shape) < 0.2] = np.nan
    days[:, :, 3] = np.nan
    days[:, :, 5] = 0.0
    mean = rng.gamma(1.0, 0.5, (2, 288)) * (rng.random((2, 288)) < 0.8)
    return days, mean, places(START + 27 * 900, START + 81 * 900)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), trust=st.sampled_from([0.0, 0.4, 1.0, 1.2]))
def test_their_mean_is_the_forecast_and_none_is_negative(seed: int, trust: float) -> None:
    days, mean, place = random_case(seed)
    for make in (load_scenarios, sunny):
        ways = make(days, mean, place, trust * FULL)
        assert ways.shape == (2, 14, 288)
        assert (ways >= 0.0).all()
        np.testing.assert_allclose(ways.mean(axis=1), mean, rtol=0.0, atol=1e-12)
        if trust == 0.0:
            np.testing.assert_allclose(ways, np.repeat(mean[:, None], 14, axis=1), atol=1e-12)


def level_days() -> F64:
    """Day D - k is worth k in all its quarters, 1 to 14: the mean is 7.5."""
    return np.repeat(np.arange(1.0, 15.0)[:, None], 96, axis=1)[None]


def test_consecutive_days_of_a_scenario_follow_each_other() -> None:
    """Scenario k takes day D - k today, D - k + 1 tomorrow: k = 1 starts anew from D - 14 (S1)."""
    place = places(START + 40 * 900)
    ways = load_scenarios(level_days(), np.full((1, 288), 100.0), place, FULL)[0]
    today, tomorrow, after = ways[:, 0], ways[:, 60], ways[:, 160]
    k = np.arange(1.0, 15.0)
    np.testing.assert_allclose(today, 100.0 + k - 7.5)
    np.testing.assert_allclose(tomorrow, 100.0 + np.roll(k, 1) - 7.5)
    np.testing.assert_allclose(after, 100.0 + np.roll(k, 2) - 7.5)
    # A day ends at local midnight, 56 quarters after 10:00, and nowhere else.
    changes = np.flatnonzero(np.diff(ways[5])) + 1
    assert changes.tolist() == [56, 152, 248]


@pytest.mark.parametrize(("day", "slots"), [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100)])
def test_a_day_of_another_length_is_one_day(day: date, slots: int) -> None:
    place = places(to_epoch(local_day(day, ZONE)[0]))
    ways = load_scenarios(level_days(), np.full((1, 288), 100.0), place, FULL)[0]
    assert (np.flatnonzero(np.diff(ways[5])) + 1).tolist()[:2] == [slots, slots + 96]


def test_load_and_pv_take_the_same_day() -> None:
    """The day that used least has the most sun; a scenario has both or neither."""
    place = places(START + 40 * 900)
    mean = np.full((1, 288), 100.0)
    load = load_scenarios(level_days(), mean, place, FULL)[0]
    pv = sunny(15.0 - level_days(), mean, place, FULL)[0]
    # Day k: load 100 + k - 7.5; PV 100 * (15 - k) / 7.5.
    np.testing.assert_allclose(pv, 100.0 * (7.5 - (load - 100.0)) / 7.5)


def test_deviations_are_multiplied_by_the_trust_of_the_lead() -> None:
    trust = np.where(AHEAD < 4, 0.5, 1.0)
    place, mean = places(START), np.full((1, 288), 100.0)
    load = load_scenarios(level_days(), mean, place, trust)[0]
    pv = sunny(level_days(), mean, place, trust)[0]
    np.testing.assert_allclose(load[13, [0, 3, 4]], 100.0 + 6.5 * np.array([0.5, 0.5, 1.0]))
    ratio = 14.0 / 7.5 - 1.0
    np.testing.assert_allclose(pv[13, [0, 4]], 100.0 * (1.0 + ratio * np.array([0.5, 1.0])))


def test_a_day_not_known_says_nothing_of_its_own() -> None:
    """Without day D - 14 the mean of the others is 7, and the 14th scenario is the forecast."""
    days = level_days()
    days[:, 13] = np.nan
    place, mean = places(START), np.full((1, 288), 100.0)
    load = load_scenarios(days, mean, place, FULL)[0, :, 0]
    np.testing.assert_allclose(load, [*(100.0 + np.arange(1.0, 14.0) - 7.0), 100.0])
    pv = sunny(days, mean, place, FULL)[0, :, 0]
    np.testing.assert_allclose(pv, [*(100.0 * np.arange(1.0, 14.0) / 7.0), 100.0])


def test_without_any_day_all_scenarios_are_the_forecast() -> None:
    mean = np.random.default_rng(0).random((1, 288))
    for make in (load_scenarios, sunny):
        ways = make(np.full((1, 14, 96), np.nan), mean, places(START), FULL)
        np.testing.assert_allclose(ways, np.repeat(mean[:, None], 14, axis=1), atol=1e-12)


def test_no_sun_in_any_scenario_of_a_dark_slot() -> None:
    mean = np.zeros((1, 288))
    assert (sunny(level_days(), mean, places(START), FULL) == 0.0).all()


def test_one_bright_morning_does_not_make_a_hundredfold() -> None:
    """A day of 14 of which the rest is nearly dark has 14 times the mean: at most four times."""
    days = np.full((1, 14, 96), 1e-9)
    days[0, 0] = 1.0
    ways = sunny(days, np.ones((1, 288)), places(START), FULL)[0, :, 0]
    # Before the scenarios are recentred: 4, and 13 near 0; their mean is 4 / 14.
    np.testing.assert_allclose(ways, [14.0, *[0.0] * 13], atol=1e-6)


def test_no_scenario_has_more_sun_than_the_roof_before_they_are_recentred() -> None:
    """Days give 1 to 14 times 100 / 7.5; what is above 120 is 120, and the mean is 100 again."""
    ways = sunny(level_days(), np.full((1, 288), 100.0), places(START), FULL, most_kwh=120.0)
    raw = np.minimum(np.arange(1.0, 15.0) / 7.5 * 100.0, 120.0)
    np.testing.assert_allclose(ways[0, :, 0], raw * 100.0 / raw.mean())
    dark = sunny(level_days(), np.full((1, 288), 100.0), places(START), FULL, most_kwh=0.0)
    np.testing.assert_allclose(dark, 100.0)


def test_load_below_zero_is_bounded_and_made_up_for() -> None:
    """Day 1 is 13 above the mean of 1, the others 1 below it; the forecast is half a kWh."""
    days = np.zeros((1, 14, 96))
    days[0, 0] = 14.0
    ways = load_scenarios(days, np.full((1, 288), 0.5), places(START), FULL)[0, :, 0]
    # Raw: 13.5 and 13 zeros; scaled to a mean of 0.5: 7 and zeros.
    np.testing.assert_allclose(ways, [7.0, *[0.0] * 13], atol=1e-12)


def test_a_forecast_unknown_stays_unknown() -> None:
    mean = np.full((1, 288), np.nan)
    for make in (load_scenarios, sunny):
        assert np.isnan(make(level_days(), mean, places(START), FULL)).all()


def test_deviations_of_the_last_days() -> None:
    """Of 1 to 14 the variance is (14 * 14 - 1) / 12; of what is known alone."""
    place = places(START)
    np.testing.assert_allclose(deviation_rms(level_days(), place), np.sqrt(195 / 12))
    days = np.full((1, 14, 96), np.nan)
    assert np.isnan(deviation_rms(days, place)).all()
    days[0, 4], days[0, 9] = 1.0, 3.0
    assert np.isnan(deviation_rms(days, place)).all()  # two days tell no deviation
    days[0, 12] = 2.0
    np.testing.assert_allclose(deviation_rms(days, place), np.sqrt(2.0 / 3.0))


def test_past_days_are_whole_days_before_the_issues() -> None:
    """Day d of a series is worth d; at 10:00 of day 20 yesterday, 19, is the first."""
    home = measured(np.repeat(np.arange(1.0, 31.0), 96))
    days = past_days(home, ZONE, np.array([START + 19 * 86_400 + 36_000], dtype=np.int64))
    assert days.shape == (1, 14, 96)
    np.testing.assert_array_equal(days[0, :, 0], np.arange(19.0, 5.0, -1.0))
    assert (days[0] == days[0, :, :1]).all()
