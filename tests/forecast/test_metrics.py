"""Scores: by hand, additive, against a slow reading of the naive rules, and blind to the future."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.aurora import Forecast, Issued
from forecast.inputs import HomeHistory, Measured
from forecast.metrics import (
    GROUPS,
    NAIVES,
    Sums,
    backtest,
    naive_forecasts,
    pooled,
    speaker_of,
    tally,
    verdicts,
)
from forecast.rolling import Chain
from telemetry.arrays import F64, I64
from tests.forecast.small_homes import DAY, SLOT, START, ZONE, measured, small_home

AHEAD = 192
QUARTER = timedelta(minutes=15)


def flat(mean: float, low: float, median: float, high: float, shape: tuple[int, int]) -> Forecast:
    parts = (np.full(shape, value) for value in (mean, low, median, high))
    return Forecast(
        **dict(zip(("mean_kwh", "low_kwh", "median_kwh", "high_kwh"), parts, strict=True))
    )


class Told:
    """Says what came plus a constant, for load and PV."""

    def __init__(self, miss: float = 0.0) -> None:
        self.miss = miss

    def __call__(self, history: HomeHistory, issues: I64, ahead: int) -> Issued:
        """Return the forecasts."""
        slots = issues[:, None] + SLOT * np.arange(ahead, dtype=np.int64)
        load = history.whole_load.at(slots) + self.miss
        pv = load * 0.0 if history.pv is None else history.pv.at(slots) + self.miss
        one, other = (Forecast(mean_kwh=x, low_kwh=x, median_kwh=x, high_kwh=x) for x in (load, pv))
        return Issued(load=one, pv=other, load_scenarios=None, pv_scenarios=None)


def test_every_number_by_hand() -> None:
    # Truth 1; mean 0.8, band 0.5 to 1.2, median 1.5; naive ones say 1.1, 1.2, ... 1.5.
    shape = (2, 48)
    naives = np.stack([np.full(shape, 1.0 + 0.1 * k) for k in range(1, 6)])
    sums = tally(np.ones(shape), flat(0.8, 0.5, 1.5, 1.2, shape), naives, np.ones(shape, bool))
    found = verdicts(sums)
    assert [one.group for one in found] == [*GROUPS, "all"]
    assert [one.count for one in found] == [2 * hours for hours in (1, 2, 3, 6, 12, 24, 48)]
    for one in found:
        assert one.mae_kwh == pytest.approx(0.5)
        assert one.rmse_kwh == pytest.approx(0.2)
        assert one.bias == pytest.approx(-0.2)
        assert one.median_bias == pytest.approx(0.5)
        # 10 %: 0.1 * 0.5; 50 %: 0.5 * 0.5; 90 %: the truth lies 0.2 below, 0.1 * 0.2.
        assert one.pinball_by_quantile_kwh == pytest.approx((0.05, 0.25, 0.02))
        assert one.pinball_kwh == pytest.approx(0.32 / 3.0)
        assert one.coverage == 1.0
        assert one.best_naive == "day before"
        assert one.naive_mae_kwh == pytest.approx(0.1)
        assert one.skill == pytest.approx(1.0 - 0.5 / 0.1)


def test_the_best_naive_is_picked_for_every_group_anew() -> None:
    shape = (1, 48)
    naives = np.full((5, *shape), 3.0)
    naives[1, :, 0] = 1.5  # the week before does best in the first hour, the day before later
    naives[0, :, 1:] = 2.0
    sums = tally(np.ones(shape), flat(1, 1, 1, 1, shape), naives, np.ones(shape, bool))
    found = {one.group: one.best_naive for one in verdicts(sums)}
    assert found["0-1 h"] == "week before"
    assert {found[name] for name in (*GROUPS[1:], "all")} == {"day before"}


def test_what_does_not_count_does_not_matter() -> None:
    shape = (1, 48)
    where = np.zeros(shape, bool)
    where[0, :3] = True
    actual = np.where(where, 1.0, np.nan)
    sums = tally(actual, flat(1, 0, 1, 2, shape), np.full((5, *shape), np.nan), where)
    assert verdicts(sums)[-1].count == 3
    assert verdicts(sums)[-1].mae_kwh == 0.0


def test_nothing_scored_is_no_number() -> None:
    found = verdicts(Sums.nothing())[-1]
    assert (found.count, found.best_naive) == (0, "")
    numbers = (found.mae_kwh, found.rmse_kwh, found.bias, found.coverage, found.skill)
    assert all(np.isnan(number) for number in numbers)


@given(seed=st.integers(0, 2**31), split=st.integers(1, 5))
def test_sums_of_parts_are_the_sums_of_the_whole(seed: int, split: int) -> None:
    rng = np.random.default_rng(seed)
    actual, naives = rng.random((6, 96)), rng.random((5, 6, 96))
    said = Forecast(**{field.name: rng.random((6, 96)) for field in fields(Forecast)})
    where = rng.random((6, 96)) < 0.7

    def of(rows: slice) -> Sums:
        part = Forecast(**{f.name: getattr(said, f.name)[rows] for f in fields(Forecast)})
        return tally(actual[rows], part, naives[:, rows], where[rows])

    whole, parts = of(slice(None)), pooled([of(slice(0, split)), of(slice(split, None))])
    for field in fields(Sums):
        assert getattr(parts, field.name) == pytest.approx(getattr(whole, field.name))
    assert 0.0 <= verdicts(whole)[-1].coverage <= 1.0


def slow_naives(values: F64, issue: int, target: int) -> list[float]:
    """The five rules one slot at a time, by the wall clock of the standard library."""
    zone = ZoneInfo(ZONE)

    def local(epoch: int) -> datetime:
        return datetime.fromtimestamp(epoch, UTC).astimezone(zone)

    here = local(target)
    days: dict[date, list[float]] = {}
    for k, value in enumerate(values.tolist()):
        slot = START + SLOT * k
        moment = local(slot)
        age = (local(issue).date() - moment.date()).days
        same = (moment.hour, moment.minute) == (here.hour, here.minute)
        if slot + SLOT <= issue and same and 0 <= age <= 28 and not np.isnan(value):
            days.setdefault(moment.date(), []).append(value)
    cells = {day: float(np.mean(many)) for day, many in days.items()}
    newest = [cells[day] for day in sorted(cells, reverse=True)]
    week = [here.date() - timedelta(days=7 * m) for m in range(1, 5)]
    weekly = next((cells[day] for day in week if day in cells), newest[0])
    return [newest[0], weekly, *(float(np.mean(newest[:n])) for n in (3, 7, 14))]


@pytest.mark.parametrize("seed", range(4))
def test_naive_forecasts_are_what_a_slow_reading_says(seed: int) -> None:
    # 60 days from 1 February: the clock goes forward on 30 March, day 57.
    rng = np.random.default_rng(seed)
    values = rng.random(60 * 96)
    values[rng.random(values.size) < 0.3] = np.nan
    issues = START + SLOT * rng.integers(30 * 96, 58 * 96, 3)
    found = naive_forecasts(measured(values), ZONE, issues, AHEAD)
    assert found.shape == (len(NAIVES), 3, AHEAD)
    for n, issue in enumerate(issues.tolist()):
        for lead in rng.integers(0, AHEAD, 6).tolist():
            want = slow_naives(values, issue, issue + SLOT * lead)
            assert found[:, n, lead] == pytest.approx(want), (issue, lead)


def test_a_missing_day_is_replaced_by_the_next_older_one() -> None:
    values = np.repeat(np.arange(40.0), 96)  # every day tells its number
    values[38 * 96 : 39 * 96] = np.nan
    issue = np.array([START + 39 * DAY], dtype=np.int64)
    found = naive_forecasts(measured(values), ZONE, issue, 96)
    # Day 38 is missing, so 37 is the newest; the week before day 39 is 32.
    want = [37.0, 32.0, np.mean([37, 36, 35]), 34.0, np.mean(np.arange(24, 38))]
    assert found[:, 0, 0] == pytest.approx(want)


def test_naive_forecasts_never_see_the_future() -> None:
    values = np.random.default_rng(1).random(45 * 96)
    later = values.copy()
    later[40 * 96 :] = 99.0
    issue = np.array([START + 40 * DAY], dtype=np.int64)
    seen, changed = (naive_forecasts(measured(v), ZONE, issue, AHEAD) for v in (values, later))
    assert np.array_equal(seen, changed)


@pytest.mark.parametrize("source_slots", [1, 2, 4])
def test_who_says_what_comes_errs_nowhere(source_slots: int) -> None:
    home = small_home(40, source_slots=source_slots)
    issues = START + 35 * DAY + 3600 * np.arange(24, dtype=np.int64)
    load, pv = backtest(home, {"told": Told()}, issues)["told"]
    assert pv is not None
    for sums in (load, pv):
        found = verdicts(sums)[-1]
        assert (found.mae_kwh, found.skill, found.coverage) == pytest.approx((0.0, 1.0, 1.0))
    assert verdicts(load)[-1].count == 24 * AHEAD // source_slots
    # In the dark nothing is said and nothing comes: 06:00 to 18:00 alone count.
    assert verdicts(pv)[-1].count == 24 * AHEAD // source_slots // 2


def test_all_speakers_are_scored_on_the_same_targets() -> None:
    home = small_home(40)
    issues = START + 35 * DAY + 3600 * np.arange(24, dtype=np.int64)
    found = backtest(home, {"good": Told(), "bad": Told(0.1)}, issues)
    for good, bad in zip(found["good"], found["bad"], strict=True):
        assert good is not None
        assert bad is not None
        assert np.array_equal(good.count, bad.count)
        assert np.array_equal(good.naive_kwh, bad.naive_kwh)
        assert verdicts(bad)[-1].mae_kwh == pytest.approx(0.1)


def test_targets_that_were_not_measured_are_left_out() -> None:
    home = small_home(40, pv=False)
    bad = np.zeros(home.load.values.size, bool)
    bad[36 * 96 : 37 * 96] = True
    issue = np.array([START + 35 * DAY], dtype=np.int64)
    whole, pv = backtest(home, {"told": Told()}, issue)["told"]
    gapped, _ = backtest(replace(home, load=home.load.without(bad)), {"told": Told()}, issue)[
        "told"
    ]
    assert pv is None
    assert verdicts(whole)[-1].count - verdicts(gapped)[-1].count == 96


def test_the_load_of_the_house_has_its_flexible_part() -> None:
    home = small_home(3, pv=False)
    extra = Measured.of(START, np.full(3 * 96, 0.5), home.load.usable_from)
    whole = replace(home, flexible=extra).whole_load
    assert whole.values == pytest.approx(home.load.values + 0.5)
    assert np.array_equal(whole.usable_from, home.load.usable_from)


def test_a_chain_speaks_with_the_model_in_force() -> None:
    class Constant:
        def __init__(self, value: float) -> None:
            self.value, self.trained_until = value, 0

        def issue(self, _history: HomeHistory, issues: I64, ahead: int) -> Issued:
            one = flat(self.value, 0.0, self.value, 9.0, (issues.size, ahead))
            return Issued(load=one, pv=one, load_scenarios=None, pv_scenarios=None)

    chain = Chain(since=(START, START + DAY), models=(Constant(1.0), Constant(2.0)))  # type: ignore[arg-type]
    issues = START + DAY // 2 * np.arange(4, dtype=np.int64)
    said = speaker_of(chain)(small_home(3), issues, 4)
    assert said.load.mean_kwh[:, 0].tolist() == [1.0, 1.0, 2.0, 2.0]
    assert said.pv.median_kwh.shape == (4, 4)
