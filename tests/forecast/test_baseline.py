"""The naive baseline: exact on periodic homes, honest about gaps, blind to the future."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.baseline import (
    fill_unpublished_prices,
    load_baseline,
    pv_baseline,
    same_slot_mean,
)
from forecast.errors import ForecastError, MissingHistoryError, SeriesError
from telemetry.arrays import F64, I64
from telemetry.slots import local_calendar, local_day, slot_range, to_epoch

ZONE = "Europe/Stockholm"
SPRING, AUTUMN = date(2025, 3, 30), date(2025, 10, 26)


def days_of(first: date, count: int) -> I64:
    """Return the slots of whole local days."""
    last = first + timedelta(days=count)
    return slot_range(local_day(first, ZONE)[0], local_day(last, ZONE)[0])


def by_clock(slots: I64, daily: F64) -> F64:
    """Return a series that depends on the local wall clock alone; ``daily`` is (96,)."""
    series: F64 = daily[local_calendar(slots, ZONE).minute // 15]
    return series


DAILY = 0.1 + 0.01 * np.arange(96.0)


@pytest.mark.parametrize("changeover", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("days_after", [-1, 0, 1, 4, 9])
@given(seed=st.integers(0, 2**31), issue_quarter=st.integers(0, 90))
@settings(max_examples=8, deadline=None)
def test_a_periodic_home_is_forecast_exactly(
    changeover: date, days_after: int, seed: int, issue_quarter: int
) -> None:
    daily = np.random.default_rng(seed).uniform(0.0, 2.0, 96)
    issue_day = changeover + timedelta(days=days_after)
    history = days_of(issue_day - timedelta(days=10), 10)
    today = days_of(issue_day, 3)
    history = np.concatenate((history, today[:issue_quarter]))
    targets = today[issue_quarter : issue_quarter + 192]
    got = load_baseline(by_clock(history, daily), int(history[0]), targets, zone=ZONE)
    np.testing.assert_allclose(got, by_clock(targets, daily), rtol=0.0, atol=1e-12)


def slow_mean(values: F64, history: I64, target: int, days: int) -> float:
    """Return (N1) for one slot with datetimes and dictionaries, from its definition."""
    zone = ZoneInfo(ZONE)
    wall = datetime.fromtimestamp(target, zone).time()
    by_day: dict[date, list[float]] = {}
    for epoch, value in zip(history.tolist(), values.tolist(), strict=True):
        moment = datetime.fromtimestamp(epoch, zone)
        if moment.time() == wall and not np.isnan(value):
            by_day.setdefault(moment.date(), []).append(value)
    newest = sorted(by_day, reverse=True)[:days]
    return float(np.mean([np.mean(by_day[day]) for day in newest]))


@given(seed=st.integers(0, 2**31), first=st.dates(date(2025, 10, 12), date(2025, 10, 28)))
@settings(max_examples=5, deadline=None)
def test_the_table_agrees_with_a_slow_reference(seed: int, first: date) -> None:
    rng = np.random.default_rng(seed)
    history = days_of(first, 14)
    values = rng.uniform(0.0, 2.0, history.size)
    values[rng.random(history.size) < 0.3] = np.nan
    targets = days_of(first + timedelta(days=14), 1)[:20]
    want = [slow_mean(values, history, target, 7) for target in targets.tolist()]
    got = load_baseline(values, int(history[0]), targets, zone=ZONE)
    np.testing.assert_allclose(got, want, rtol=0.0, atol=1e-12)


def test_mean_of_the_last_three_days() -> None:
    # Four days of 1, 2, 3, 4 kWh per slot: the last three average 3.
    history = days_of(date(2025, 6, 2), 4)
    values = np.repeat([1.0, 2.0, 3.0, 4.0], 96)
    targets = days_of(date(2025, 6, 6), 2)
    got = same_slot_mean(values, int(history[0]), targets, zone=ZONE, days=3)
    np.testing.assert_array_equal(got, np.full(192, 3.0))


def test_an_older_day_takes_the_place_of_a_missing_slot() -> None:
    # At the first quarter the newest three values are 4, 2 (3 is missing) and 1: 7 / 3.
    history = days_of(date(2025, 6, 2), 4)
    values = np.repeat([1.0, 2.0, 3.0, 4.0], 96)
    values[2 * 96] = np.nan
    targets = days_of(date(2025, 6, 6), 1)
    got = same_slot_mean(values, int(history[0]), targets, zone=ZONE, days=3)
    assert got[0] == pytest.approx(7.0 / 3.0)
    np.testing.assert_array_equal(got[1:], np.full(95, 3.0))


def test_the_hours_of_the_issue_day_count_as_a_day() -> None:
    # Issued at noon: mornings average today's 8 and yesterday's 4, afternoons 4 and 2.
    history = days_of(date(2025, 6, 2), 3)[: 2 * 96 + 48]
    values = np.concatenate((np.full(96, 2.0), np.full(96, 4.0), np.full(48, 8.0)))
    targets = days_of(date(2025, 6, 5), 1)
    got = same_slot_mean(values, int(history[0]), targets, zone=ZONE, days=2)
    np.testing.assert_array_equal(got, np.repeat([6.0, 3.0], 48))


def test_the_doubled_hour_enters_with_both_its_values() -> None:
    # 26 October: 02:00 comes twice with 1 and 5 kWh, mean 3; the day before has 9: mean 6.
    history = days_of(date(2025, 10, 25), 2)
    values = np.where(np.arange(196) < 96, 9.0, 0.0)
    values[96 + 8], values[96 + 12] = 1.0, 5.0
    targets = days_of(date(2025, 10, 27), 1)
    got = same_slot_mean(values, int(history[0]), targets, zone=ZONE, days=2)
    assert got[8] == (9.0 + (1.0 + 5.0) / 2.0) / 2.0
    assert got[9] == (9.0 + 0.0) / 2.0


def test_the_hour_spring_skips_comes_from_other_days() -> None:
    # 30 March has no 02:00, so the two newest values there are of the 29th and the 28th.
    history = days_of(date(2025, 3, 28), 3)
    values = np.concatenate((np.full(96, 1.0), np.full(96, 2.0), np.full(92, 4.0)))
    targets = days_of(date(2025, 3, 31), 1)
    got = same_slot_mean(values, int(history[0]), targets, zone=ZONE, days=2)
    np.testing.assert_array_equal(got[8:12], np.full(4, 1.5))
    np.testing.assert_array_equal(np.delete(got, np.s_[8:12]), np.full(92, 3.0))


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_days_older_than_the_window_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    history, targets = days_of(date(2025, 6, 1), 20), days_of(date(2025, 6, 21), 2)
    values = rng.uniform(0.0, 2.0, history.size)
    days = values.reshape(20, 96)
    other = np.concatenate((rng.permutation(days[:13]), days[13:])).ravel()
    first = int(history[0])
    np.testing.assert_array_equal(
        load_baseline(values, first, targets, zone=ZONE),
        load_baseline(other, first, targets, zone=ZONE),
    )


@given(seed=st.integers(0, 2**31), share=st.floats(0.0, 0.9))
@settings(max_examples=40, deadline=None)
def test_nan_never_leaks(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    history, targets = days_of(date(2025, 10, 10), 28), days_of(date(2025, 11, 7), 2)
    values = rng.uniform(-0.5, 2.0, history.size)
    values[rng.random(history.size) < share] = np.nan
    try:
        got = load_baseline(values, int(history[0]), targets, zone=ZONE)
    except MissingHistoryError:
        minute = local_calendar(history, ZONE).minute
        known = [np.isfinite(values[minute == 15 * q]).any() for q in range(96)]
        assert not all(known)
    else:
        assert np.isfinite(got).all()
        assert got.min() >= 0.0


@given(cut=st.integers(1, 900), seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_nothing_beyond_the_end_of_the_history_is_read(cut: int, seed: int) -> None:
    # The same array with another future: only the view up to the issue is passed.
    rng = np.random.default_rng(seed)
    history = days_of(date(2025, 6, 1), 14)
    buffer = rng.uniform(0.0, 2.0, history.size)
    issue = history.size - min(cut, 6 * 96)
    targets = int(history[0]) + 900 * np.arange(issue, issue + 192, dtype=np.int64)
    before = load_baseline(buffer[:issue], int(history[0]), targets, zone=ZONE)
    buffer[issue:] = 1e9
    after = load_baseline(buffer[:issue], int(history[0]), targets, zone=ZONE)
    np.testing.assert_array_equal(before, after)


def test_pv_takes_three_days_and_no_night_goes_negative() -> None:
    # A drifting meter: -0.3, -0.3, 0.3 average -0.1, which no panel makes.
    history = days_of(date(2025, 6, 2), 5)
    values = np.repeat([9.0, 9.0, -0.3, -0.3, 0.3], 96)
    targets = days_of(date(2025, 6, 7), 1)
    got = pv_baseline(values, int(history[0]), targets, zone=ZONE)
    np.testing.assert_array_equal(got, np.zeros(96))


def test_a_wall_clock_slot_without_history_is_refused() -> None:
    history = days_of(date(2025, 6, 2), 7)
    values = by_clock(history, DAILY)
    values[local_calendar(history, ZONE).minute == 7 * 60 + 45] = np.nan
    targets = days_of(date(2025, 6, 9), 1)
    message = (
        r"no load_kwh at 07:45 local time \(Europe/Stockholm\) in the last 28 days: import more"
    )
    with pytest.raises(ForecastError, match=message):
        load_baseline(values, int(history[0]), targets, zone=ZONE)


def test_values_older_than_the_lookback_do_not_count() -> None:
    history, targets = days_of(date(2025, 6, 1), 5), days_of(date(2025, 6, 6), 1)
    values = np.concatenate((np.full(96, 1.0), np.full(4 * 96, np.nan)))
    first = int(history[0])
    # The history ends at midnight of 6 June, so 1 June is five days before the issue's day.
    got = same_slot_mean(values, first, targets, zone=ZONE, days=7, max_lookback_days=5)
    np.testing.assert_array_equal(got, np.ones(96))
    with pytest.raises(MissingHistoryError, match=r"at 00:00 .* last 4 days: import more history"):
        same_slot_mean(values, first, targets, zone=ZONE, days=7, max_lookback_days=4)


def test_an_empty_history_is_refused_and_no_target_needs_none() -> None:
    targets = days_of(date(2025, 6, 2), 1)
    first = int(targets[0])
    assert load_baseline(np.empty(0), first, targets[:0], zone=ZONE).shape == (0,)
    with pytest.raises(MissingHistoryError, match=r"no load_kwh at 00:00"):
        load_baseline(np.empty(0), first, targets, zone=ZONE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"history": np.array([1.0, np.inf])}, r"history\[1\] is infinite, want a number, or NaN"),
        ({"history": np.ones((2, 2))}, r"history.shape is \(2, 2\), want \(N,\)"),
        ({"history_start": 7}, r"history_start is 7, want a multiple of 900 s"),
        ({"targets": np.array([1])}, r"targets is 1, want multiples of 900 s"),
        ({"days": 0}, r"days is 0, want at least 1"),
    ],
)
def test_what_is_no_series_is_refused(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {
        "history": np.ones(4),
        "history_start": 0,
        "targets": np.zeros(1, dtype=np.int64),
        "days": 1,
    }
    with pytest.raises(SeriesError, match=message):
        same_slot_mean(**(arguments | change), zone=ZONE)  # type: ignore[arg-type]


def test_tomorrow_is_priced_like_today_and_the_day_after_too() -> None:
    # Published until the end of 3 June; 4 and 5 June repeat it, zero and negative included.
    history, horizon = days_of(date(2025, 6, 1), 2), days_of(date(2025, 6, 3), 3)
    today = np.linspace(-0.05, 0.05, 96)
    today[50] = 0.0
    prices = np.concatenate((today, np.full(192, np.nan)))
    got = fill_unpublished_prices(
        prices, int(horizon[0]), zone=ZONE, history=np.ones(192), history_start=int(history[0])
    )
    np.testing.assert_array_equal(got, np.tile(today, 3))


def test_what_the_horizon_lacks_comes_from_the_history() -> None:
    # Issued at 12:00 on 3 June, published until midnight: of 4 June the morning is like that
    # of 3 June, which lies in the history, the afternoon like the horizon's.
    slots = days_of(date(2025, 6, 3), 2)
    values = np.arange(96.0)
    prices = np.concatenate((values[48:], np.full(96, np.nan)))
    got = fill_unpublished_prices(
        prices, int(slots[48]), zone=ZONE, history=values[:48], history_start=int(slots[0])
    )
    np.testing.assert_array_equal(got, np.concatenate((values[48:], values)))


@pytest.mark.parametrize("changeover", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("days_before", [0, 1, 2])
def test_prices_follow_the_wall_clock_over_a_changeover(changeover: date, days_before: int) -> None:
    issue_day = changeover - timedelta(days=days_before)
    history, horizon = days_of(issue_day - timedelta(days=3), 3), days_of(issue_day, 4)
    prices = by_clock(horizon, DAILY)
    prices[60:] = np.nan
    got = fill_unpublished_prices(
        prices,
        int(horizon[0]),
        zone=ZONE,
        history=by_clock(history, DAILY),
        history_start=int(history[0]),
    )
    np.testing.assert_array_equal(got, by_clock(horizon, DAILY))


def test_a_history_that_runs_into_the_horizon_is_not_read_there() -> None:
    history, horizon = days_of(date(2025, 6, 1), 3), days_of(date(2025, 6, 2), 2)
    values = np.repeat([1.0, 99.0, 99.0], 96)
    got = fill_unpublished_prices(
        np.full(192, np.nan),
        int(horizon[0]),
        zone=ZONE,
        history=values,
        history_start=int(history[0]),
    )
    np.testing.assert_array_equal(got, np.ones(192))


def test_prices_older_than_a_week_do_not_count() -> None:
    history = days_of(date(2025, 6, 1), 8)
    values = np.concatenate((np.full(96, 1.0), np.full(7 * 96, np.nan)))
    horizon = days_of(date(2025, 6, 8), 2)

    def fill(day: I64) -> F64:
        return fill_unpublished_prices(
            np.full(96, np.nan),
            int(day[0]),
            zone=ZONE,
            history=values,
            history_start=int(history[0]),
        )

    np.testing.assert_array_equal(fill(horizon[:96]), np.ones(96))
    with pytest.raises(
        MissingHistoryError, match=r"no price at 00:00 .* last 7 days: import the published prices"
    ):
        fill(horizon[96:])


def test_prices_without_any_history() -> None:
    start = to_epoch(datetime(2025, 6, 1, 10, tzinfo=UTC))
    published = np.array([0.1, 0.0])
    nothing = np.empty(0)
    got = fill_unpublished_prices(published, start, zone=ZONE, history=nothing, history_start=start)
    np.testing.assert_array_equal(got, published)
    assert fill_unpublished_prices(
        nothing, start, zone=ZONE, history=nothing, history_start=start
    ).shape == (0,)
    with pytest.raises(MissingHistoryError, match=r"no price at 12:15 local time"):
        fill_unpublished_prices(
            np.array([0.1, np.nan]), start, zone=ZONE, history=nothing, history_start=start
        )
