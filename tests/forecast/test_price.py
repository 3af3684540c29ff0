"""Prices beyond the published day: by hand, by a slow reference, and blind to what came later."""

from datetime import UTC, date, datetime, timedelta
from math import exp
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.baseline import fill_unpublished_prices
from forecast.errors import MissingHistoryError, SeriesError
from forecast.price import MOST_SCENARIOS, PRICE_DAYS, forecast_prices, price_scenarios
from telemetry.arrays import F64, I64
from telemetry.slots import local_day, slot_range
from tests.forecast.test_baseline import DAILY, ZONE, by_clock, days_of

SPRING, AUTUMN = date(2025, 3, 30), date(2025, 10, 26)
DAY = timedelta(days=1)


def midnight(day: date) -> int:
    """Return the epoch second of the start of a local day."""
    return int(local_day(day, ZONE)[0].timestamp())


def forecast(slots: I64, values: F64, now: int) -> F64:
    """Return the forecast at place ``now`` of a series."""
    return forecast_prices(
        values[now:],
        int(slots[now]),
        zone=ZONE,
        history=values[:now],
        history_start=int(slots[0]),
    )


def noisy(slots: I64, seed: int) -> F64:
    """Return prices with a daily and a weekly course, negative ones among them."""
    rng = np.random.default_rng(seed)
    days = (slots - slots[0]) // 86_400
    level = rng.normal(0.4, 0.4, int(days.max()) + 1)[days]
    values: F64 = level + by_clock(slots, rng.normal(0.0, 0.2, 96)) + rng.normal(0, 0.1, slots.size)
    return values


# By hand


def test_a_market_that_repeats_itself_is_forecast_exactly() -> None:
    slots = days_of(date(2025, 6, 1), 33)
    prices = by_clock(slots, DAILY - 0.5)
    known = np.where(slots < midnight(date(2025, 7, 1)), prices, np.nan)
    got = forecast(slots, known, 29 * 96 + 50)
    np.testing.assert_allclose(got, prices[29 * 96 + 50 :], rtol=0.0, atol=1e-12)


def test_a_weekend_is_cheaper_by_four_fifths_of_what_it_was() -> None:
    # 28 days to Friday 27 June: workdays cost 1.0, Saturdays 0.6, Sundays 0.2, all day long.
    slots = days_of(date(2025, 5, 31), 31)
    weekday = (np.arange(31) + 5) % 7
    prices = np.repeat(np.select([weekday == 5, weekday == 6], [0.6, 0.2], 1.0), 96)
    prices[28 * 96 :] = np.nan
    saturday, sunday = 4 / 5 * (0.6 - 1.0), 4 / 5 * (0.2 - 1.0)
    base = (20 * 1.0 + 4 * (0.6 - saturday) + 4 * (0.2 - sunday)) / 28
    off = 1.0 - base  # in every slot of the last two days
    leads = np.arange(1, 3 * 96 + 1) / 4  # hours from Friday's last slot
    usual = base + np.repeat([saturday, sunday, 0.0], 96)
    want = usual + 0.8 * np.exp(-leads / 48.0) * off
    np.testing.assert_allclose(
        forecast(slots, prices, 27 * 96), np.r_[prices[27 * 96 : 28 * 96], want]
    )


def test_the_evening_says_more_about_tomorrow_than_the_night() -> None:
    # 1.0 all the time but for six hours of the last day, a Friday: the night or the evening.
    slots = days_of(date(2025, 5, 31), 29)
    dear_night, dear_evening = np.ones(slots.size), np.ones(slots.size)
    dear_night[27 * 96 : 27 * 96 + 24] += 1.0
    dear_evening[28 * 96 - 24 : 28 * 96] += 1.0
    night, evening = (
        forecast(slots, np.where(np.arange(slots.size) < 28 * 96, values, np.nan), 28 * 96)
        for values in (dear_night, dear_evening)
    )
    # Levels are the same; a tenth of the dear hours is in the shape of workdays. What is left of
    # them weighs 1 - exp(-3) in the last 6 h, exp(-9) - exp(-12) from 24 to 18 h before the end.
    off = 0.9 * ((1 - exp(-3)) - (exp(-9) - exp(-12)))
    want = 0.8 * exp(-12.25 / 48) * off
    assert evening[48] - night[48] == pytest.approx(want, rel=1e-4)


# By its definition


def slow(slots: list[int], values: list[float], target: int) -> float:
    """Return (B6) for one unpublished slot with datetimes and dictionaries."""

    def wall(epoch: int) -> tuple[date, int]:
        moment = datetime.fromtimestamp(epoch, ZoneInfo(ZONE))
        return moment.date(), moment.hour * 4 + moment.minute // 15

    def kind(day: date) -> int:
        return max(day.weekday() - 4, 0)

    published = {e: v for e, v in zip(slots, values, strict=True) if e < target and not np.isnan(v)}
    newest = max(published)
    cells: dict[date, dict[int, list[float]]] = {}
    for epoch, value in published.items():
        day, quarter = wall(epoch)
        if (wall(newest)[0] - day).days < 28:
            cells.setdefault(day, {}).setdefault(quarter, []).append(value)
    x = {
        day: {q: float(np.mean(v)) for q, v in row.items()}
        for day, row in sorted(cells.items())
        if len(row) >= 92
    }
    level = {day: float(np.mean(list(row.values()))) for day, row in x.items()}
    of = {k: [day for day in x if kind(day) == k] for k in range(3)}
    mean = {k: np.mean([level[day] for day in of[k]]) for k in range(3)}
    effect = {k: len(of[k]) / (len(of[k]) + 1) * (mean[k] - mean[0]) for k in range(3)}
    base = np.mean([level[day] - effect[kind(day)] for day in x])

    def profile(epoch: int) -> float:
        day, q = wall(epoch)
        k = kind(day)
        newest_days = of[k][-(10, 4, 4)[k] :]
        shape = [x[d][q] - level[d] for d in newest_days if q in x[d]]
        return float(base + effect[k] + np.mean(shape))

    recent = [e for e in published if newest - e < 48 * 3600]
    weights = [exp(-(newest - e) / 7200.0) for e in recent]
    off = np.average([published[e] - profile(e) for e in recent], weights=weights)
    return float(profile(target) + 0.8 * exp(-(target - newest) / (48 * 3600.0)) * off)


@pytest.mark.parametrize("first", [SPRING - 33 * DAY, AUTUMN - 33 * DAY, date(2025, 5, 30)])
@given(seed=st.integers(0, 2**31), issue=st.integers(0, 95), share=st.sampled_from([0.0, 0.0005]))
@settings(max_examples=4, deadline=None)
def test_the_tables_agree_with_a_slow_reference(
    first: date, seed: int, issue: int, share: float
) -> None:
    slots = days_of(first, 36)
    values, rng = noisy(slots, seed), np.random.default_rng(seed)
    published = midnight(first + 34 * DAY)
    gap = (rng.random(slots.size) < share) | (slots >= published)
    values = np.where(gap, np.nan, values)
    now = int(np.searchsorted(slots, midnight(first + 33 * DAY))) + issue
    got = forecast(slots, values, now)
    places = rng.choice(np.flatnonzero(np.isnan(values[now:])), 4)
    want = [slow(slots.tolist(), values.tolist(), int(slots[now + n])) for n in places]
    np.testing.assert_allclose(got[places], want, rtol=0.0, atol=1e-12)


# What always holds


@given(seed=st.integers(0, 2**31), share=st.floats(0.0, 0.6), days=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_what_is_published_stays_and_nothing_is_missing(seed: int, share: float, days: int) -> None:
    slots = days_of(AUTUMN - 38 * DAY, 43)
    now = int(np.searchsorted(slots, midnight(AUTUMN + 2 * DAY)))
    values, rng = noisy(slots, seed), np.random.default_rng(seed)
    values[rng.random(slots.size) < share] = np.nan
    values[now + 96 :] = np.nan
    late, ahead = slots[now - 96 * days : now], slots[now:]
    history = values[now - late.size : now]
    start = int(ahead[0])
    facts = {"zone": ZONE, "history": history, "history_start": start - 900 * late.size}
    try:
        want = fill_unpublished_prices(values[now:], start, **facts)  # type: ignore[arg-type]
    except MissingHistoryError:
        with pytest.raises(MissingHistoryError, match="no price at"):
            forecast_prices(values[now:], start, **facts)  # type: ignore[arg-type]
        return
    got = forecast_prices(values[now:], start, **facts)  # type: ignore[arg-type]
    known = ~np.isnan(values[now:])
    np.testing.assert_array_equal(got[known], values[now:][known])
    assert np.isfinite(got).all()
    if days < 6:  # too few for a profile: the same slot yesterday (N2)
        np.testing.assert_array_equal(got, want)


@given(seed=st.integers(0, 2**31), shift=st.floats(-3.0, 3.0), factor=st.floats(-2.0, 20.0))
@settings(max_examples=20, deadline=None)
def test_another_currency_or_level_changes_nothing_else(
    seed: int, shift: float, factor: float
) -> None:
    slots = days_of(SPRING - 33 * DAY, 36)
    values = noisy(slots, seed)
    values[-190:] = np.nan
    got = forecast(slots, shift + factor * values, slots.size - 250)
    want = shift + factor * forecast(slots, values, slots.size - 250)
    np.testing.assert_allclose(got, want, rtol=0.0, atol=1e-10)


@given(seed=st.integers(0, 2**31), hole=st.integers(1, 90))
@settings(max_examples=20, deadline=None)
def test_only_what_was_published_before_a_slot_counts(seed: int, hole: int) -> None:
    """A hole in the published prices is filled from before it, whatever came behind it."""
    slots = days_of(date(2025, 5, 1), 36)
    now = 34 * 96
    values = noisy(slots, seed)
    values[now + hole : now + hole + 3] = np.nan
    other = values.copy()
    other[now + hole + 3 :] = np.random.default_rng(seed + 1).normal(size=192 - hole - 3)
    cut = np.where(np.arange(slots.size) < now + hole + 3, values, np.nan)
    got = forecast(slots, values, now)[hole : hole + 3]
    np.testing.assert_array_equal(got, forecast(slots, other, now)[hole : hole + 3])
    np.testing.assert_array_equal(got, forecast(slots, cut, now)[hole : hole + 3])


@given(seed=st.integers(0, 2**31), later=st.integers(1, 95), older=st.integers(1, 500))
@settings(max_examples=20, deadline=None)
def test_a_later_issue_or_a_longer_history_says_the_same(seed: int, later: int, older: int) -> None:
    slots = days_of(AUTUMN - 45 * DAY, 48)
    values = noisy(slots, seed)
    now = int(np.searchsorted(slots, midnight(AUTUMN)))
    values[now + 100 :] = np.nan
    begin = now - PRICE_DAYS * 96  # the doubled hour: a little less than 36 days
    first = forecast(slots[begin - older :], values[begin - older :], now - begin + older)
    then = forecast(slots[begin + later :], values[begin + later :], now - begin)
    np.testing.assert_allclose(then, first[later:], rtol=0.0, atol=1e-12)


def test_prices_that_stopped_are_forecast_from_the_newest() -> None:
    # Nothing was published for two days: the lead counts from the last slot that was.
    slots = days_of(date(2025, 5, 1), 36)
    values = np.ones(slots.size)
    values[33 * 96 - 96 : 33 * 96] = 2.0
    values[33 * 96 :] = np.nan
    early, late = forecast(slots, values, 33 * 96), forecast(slots, values, 34 * 96 + 7)
    np.testing.assert_allclose(late, early[96 + 7 :], rtol=0.0, atol=1e-12)


# Scenarios


def scenarios(slots: I64, values: F64, now: int, count: int) -> F64:
    """Return the scenarios at place ``now`` of a series."""
    return price_scenarios(
        values[now:],
        int(slots[now]),
        zone=ZONE,
        history=values[:now],
        history_start=int(slots[0]),
        count=count,
    )


def test_scenarios_are_what_was_missed_on_the_newest_days() -> None:
    # Workdays at 1.0 for four weeks, but the last, a Friday, is 1.5 and the one before it 1.3 in
    # every slot from 18:00 to midnight.
    slots = days_of(date(2025, 5, 31), 31)
    values = np.ones(slots.size)
    evening = slice(72, 96)
    values[27 * 96 :][evening], values[26 * 96 :][evening] = 1.5, 1.3
    values[28 * 96 :] = np.nan
    told, mean = scenarios(slots, values, 28 * 96, 2), forecast(slots, values, 28 * 96)
    np.testing.assert_allclose(told.mean(axis=0), mean, rtol=0.0, atol=1e-12)
    half = (told[0] - told[1]) / 2  # Friday's miss above the mean of both
    # In the evening Friday was 0.2 dearer; but it was expected dearer by what Thursday's evening
    # was off, as Thursday was by what Wednesday's was: (1 - exp(-3)) * 0.3 more, fading by 0.8.
    faded = 0.8 * np.exp(-np.arange(1, 97) / 4 / 48) * 0.3 * (1 - exp(-3))
    want = 0.5 * (np.where(np.arange(96) >= 72, 0.2, 0.0) - faded)
    np.testing.assert_allclose(half[:96], want, rtol=0.0, atol=1e-4)
    # Beyond a day what is left of the miss, as weighed by (B5), fades.
    weight = np.exp(-np.arange(96)[::-1] / 4 / 2)
    off = np.average(half[:96], weights=weight)
    later = 0.8 * np.exp(-np.arange(1, 193) / 4 / 48) * off
    np.testing.assert_allclose(half[96:], later, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
@given(seed=st.integers(0, 2**31), count=st.integers(1, MOST_SCENARIOS), days=st.integers(3, 38))
@settings(max_examples=15, deadline=None)
def test_scenarios_leave_what_is_published_and_keep_the_mean(
    change: date, seed: int, count: int, days: int
) -> None:
    slots = days_of(change - 38 * DAY, 42)
    values, rng = noisy(slots, seed), np.random.default_rng(seed)
    values[rng.random(slots.size) < 0.001] = np.nan
    now = int(np.searchsorted(slots, midnight(change))) + 40
    values[now + 110 :] = np.nan
    begin = max(now - days * 96, 0)
    told = scenarios(slots[begin:], values[begin:], now - begin, count)
    assert told.shape == (count, slots.size - now)
    mean = forecast(slots[begin:], values[begin:], now - begin)
    np.testing.assert_allclose(told.mean(axis=0), mean, rtol=0.0, atol=1e-12)
    known = ~np.isnan(values[now:])
    np.testing.assert_array_equal(told[:, known], np.tile(values[now:][known], (count, 1)))


@pytest.mark.parametrize("count", [0, MOST_SCENARIOS + 1])
def test_a_count_of_scenarios_that_is_none_is_refused(count: int) -> None:
    slots = days_of(date(2025, 6, 1), 10)
    with pytest.raises(SeriesError, match=f"count is {count}, want 1 to {MOST_SCENARIOS}"):
        scenarios(slots, np.ones(slots.size), 9 * 96, count)


# With less history


@pytest.mark.parametrize(("days", "same"), [(6, True), (7, False)])
def test_a_profile_needs_seven_days(days: int, same: bool) -> None:  # noqa: FBT001 - a wanted value
    slots = days_of(date(2025, 6, 2), days + 1)
    values = noisy(slots, 5)
    values[days * 96 :] = np.nan
    yesterday = values[(days - 1) * 96 : days * 96]
    assert np.array_equal(forecast(slots, values, days * 96), yesterday) is same


def test_a_kind_of_day_that_was_never_seen_is_a_workday() -> None:
    # Ten workdays at 1.0 and 2.0 by turns of quarters; the weekend between was not published.
    slots = days_of(date(2025, 6, 2), 13)
    values = np.tile([1.0, 2.0], 13 * 48)
    values[5 * 96 : 7 * 96] = np.nan
    values[12 * 96 :] = np.nan
    np.testing.assert_allclose(forecast(slots, values, 12 * 96), np.tile([1.0, 2.0], 48))


def test_a_quarter_that_no_whole_day_has_is_that_of_yesterday() -> None:
    # 02:00 to 03:00 is missing every day but the last, which is half a day: no profile there.
    slots = days_of(date(2025, 6, 2), 10)
    values = np.tile(DAILY, 10)
    for day in range(8):
        values[day * 96 + 8 : day * 96 + 12] = np.nan
    values[8 * 96 + 48 :] = np.nan
    got = forecast(slots, values, 8 * 96 + 48)
    np.testing.assert_array_equal(got[48 + 8 : 48 + 12], DAILY[8:12])
    np.testing.assert_allclose(got[:48], DAILY[48:], atol=0.02)


def test_no_history_is_refused_as_yesterday_refuses_it() -> None:
    slots = slot_range(datetime(2025, 6, 1, 10, tzinfo=UTC), datetime(2025, 6, 1, 11, tzinfo=UTC))
    nothing = np.empty(0)
    facts = {"zone": ZONE, "history": nothing, "history_start": int(slots[0])}
    got = forecast_prices(np.zeros(4), int(slots[0]), **facts)  # type: ignore[arg-type]
    np.testing.assert_array_equal(got, np.zeros(4))
    with pytest.raises(MissingHistoryError, match=r"no price at 12:15 .*import the published"):
        forecast_prices(np.array([0.1, np.nan]), int(slots[0]), **facts)  # type: ignore[arg-type]
    with pytest.raises(SeriesError, match=r"prices\[0\] is infinite"):
        forecast_prices(np.array([np.inf]), int(slots[0]), **facts)  # type: ignore[arg-type]
