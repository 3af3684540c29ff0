"""Promotion: days neither has seen, who wins, what force changes, and nothing of the future."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from forecast.aurora import Forecast, Issued
from forecast.baseline import pv_baseline
from forecast.inputs import HomeHistory
from forecast.promotion import LEAST_TEST_DAYS, TEST_DAYS, Outcome, Trial, baseline, promotion_trial
from telemetry.arrays import I64
from tests.forecast.small_homes import DAY, SLOT, START, ZONE, measured, small_home, small_training

UNTIL = START + 110 * DAY


class Stub:
    """A model that says what came plus a constant; like ``Aurora`` as far as trials look."""

    def __init__(self, miss: float, trained_until: int) -> None:
        self.miss, self.trained_until, self.pv = miss, trained_until, None

    def issue(self, history: HomeHistory, issues: I64, ahead: int) -> Issued:
        """Return the forecasts."""
        slots = issues[:, None] + SLOT * np.arange(ahead, dtype=np.int64)
        load = np.nan_to_num(history.whole_load.at(slots)) + self.miss
        pv = load * 0.0 if history.pv is None else np.nan_to_num(history.pv.at(slots)) + self.miss
        one, other = (Forecast(mean_kwh=x, low_kwh=x, median_kwh=x, high_kwh=x) for x in (load, pv))
        return Issued(load=one, pv=other, load_scenarios=None, pv_scenarios=None)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[int]]:
    """Make every candidate err by a constant; return the moments it was trained until."""

    def erring(miss: float) -> list[int]:
        moments: list[int] = []

        def fake(_history: HomeHistory, until: int, *, seed: int = 0) -> tuple[Stub, None]:
            assert seed == 0
            moments.append(until)
            return Stub(miss, until), None

        monkeypatch.setattr("forecast.promotion.train", fake)
        return moments

    return erring


def trial(
    home: HomeHistory, in_use: Stub | None, until: int = UNTIL, *, force: bool = False
) -> Trial:
    return promotion_trial(home, until, in_use, force=force)  # type: ignore[arg-type]


def test_a_better_candidate_takes_over_trained_on_everything(
    trained: Callable[[float], list[int]],
) -> None:
    moments = trained(0.1)
    in_use = Stub(0.2, UNTIL - 10 * DAY)
    found = trial(small_home(112), in_use)
    assert found.outcome is Outcome.PROMOTED
    assert moments == [UNTIL - 7 * DAY, UNTIL]
    assert found.model is not None
    assert found.model.trained_until == UNTIL
    assert found.test_start == UNTIL - 7 * DAY
    assert found.test_days == pytest.approx(7.0)
    # Every error is 0.1 against 0.2, of median and mean, of load and PV.
    assert found.ratio == pytest.approx(0.5)
    assert {one.name for one in found.contestants} == {"candidate", "in use", "baseline"}
    assert found.contestants[0].load.mae_kwh == pytest.approx(0.1)


@pytest.mark.parametrize(("force", "want"), [(False, Outcome.KEPT), (True, Outcome.FORCED)])
def test_a_worse_candidate_takes_over_by_force_alone(
    trained: Callable[[float], list[int]],
    force: bool,  # noqa: FBT001
    want: Outcome,
) -> None:
    moments = trained(0.2)
    found = trial(small_home(112), Stub(0.1, UNTIL - 10 * DAY), force=force)
    assert found.outcome is want
    assert (found.model is not None) is force
    assert len(moments) == 1 + force
    assert found.ratio == pytest.approx(2.0)
    assert "2.000" in found.reason


def test_an_equal_candidate_does_not_win(trained: Callable[[float], list[int]]) -> None:
    trained(0.1)
    assert trial(small_home(112), Stub(0.1, UNTIL - 10 * DAY)).outcome is Outcome.KEPT


def test_without_a_model_the_baseline_is_to_beat(trained: Callable[[float], list[int]]) -> None:
    moments = trained(0.01)
    found = trial(small_home(112), None)
    assert (found.outcome, found.opponent) == (Outcome.PROMOTED, "baseline")
    assert moments == [UNTIL - TEST_DAYS * DAY, UNTIL]
    assert found.test_days == pytest.approx(TEST_DAYS)


@pytest.mark.parametrize("days", [6, 0, -3], ids=lambda n: f"{n} days unseen")
def test_too_few_unseen_days_are_no_test(trained: Callable[[float], list[int]], days: int) -> None:
    moments = trained(0.1)
    found = trial(small_home(112), Stub(0.2, UNTIL - days * DAY))
    assert found.outcome is Outcome.NO_TEST
    assert "too few unseen days" in found.reason
    assert found.model is None
    assert moments == []
    forced = trial(small_home(112), Stub(0.2, UNTIL - days * DAY), force=True)
    assert forced.outcome is Outcome.FORCED
    assert forced.model is not None
    assert moments == [UNTIL]


def test_days_without_readings_are_no_test_days(trained: Callable[[float], list[int]]) -> None:
    trained(0.1)
    home = small_home(112)
    bad = np.zeros(home.load.values.size, bool)
    bad[105 * 96 : 108 * 96] = True  # three of the last seven days
    silent = replace(home, load=home.load.without(bad))
    found = trial(silent, Stub(0.2, UNTIL - 8 * DAY))
    assert found.outcome is Outcome.NO_TEST
    assert "4.0 measured days" in found.reason


def test_the_candidate_has_two_months_before_its_test(
    trained: Callable[[float], list[int]],
) -> None:
    moments = trained(0.01)
    until = START + 70 * DAY
    found = trial(small_home(112), None, until)
    assert found.test_start == START + 60 * DAY
    assert moments == [START + 60 * DAY, until]


@pytest.mark.parametrize("days", [5, 59, 66])
def test_with_too_little_history_the_baseline_stays_and_says_so(
    trained: Callable[[float], list[int]], days: int
) -> None:
    moments = trained(0.01)
    found = trial(small_home(112), None, START + days * DAY)
    assert found.outcome is Outcome.TOO_LITTLE_HISTORY
    assert f"{days} days of load are known" in found.reason
    assert "the baseline forecasts" in found.reason
    assert found.model is None
    assert moments == []


def test_force_makes_no_model_of_a_month(trained: Callable[[float], list[int]]) -> None:
    trained(0.01)
    found = trial(small_home(40), None, START + 40 * DAY, force=True)
    assert found.outcome is Outcome.TOO_LITTLE_HISTORY


def test_a_trial_looks_at_nothing_later(trained: Callable[[float], list[int]]) -> None:
    trained(0.1)
    home = small_home(112)
    values = home.load.values.copy()
    values[110 * 96 :] = 50.0
    changed = replace(home, load=measured(values))
    one, other = (trial(h, Stub(0.2, UNTIL - 10 * DAY)) for h in (home, changed))
    assert one.contestants[2] == other.contestants[2]
    assert [c.load.count for c in one.contestants] == [c.load.count for c in other.contestants]


def test_the_baseline_is_the_one_in_operation() -> None:
    home = small_home(40)
    assert home.pv is not None
    n = 36 * 96
    issue = np.array([START + SLOT * n], dtype=np.int64)
    said = baseline(home, issue, 192)
    targets = issue[0] + SLOT * np.arange(192, dtype=np.int64)
    want = pv_baseline(home.pv.values[:n], START, targets, zone=ZONE)
    assert said.pv.mean_kwh[0] == pytest.approx(want)
    week = home.load.values[n - 7 * 96 : n].reshape(7, 96).mean(axis=0)
    assert said.load.mean_kwh[0, :96] == pytest.approx(week)


def test_the_baseline_bridges_what_an_inverter_leaves_out() -> None:
    home = small_home(40)
    assert home.pv is not None
    dusk = np.arange(home.pv.values.size) % 96 == 70
    home = replace(home, pv=home.pv.without(dusk))
    assert home.pv is not None
    issue = np.array([START + 36 * DAY], dtype=np.int64)
    said = baseline(home, issue, 96).pv.mean_kwh[0]
    assert said[70] == pytest.approx((said[69] + said[71]) / 2.0)


def test_trees_are_trained_and_tested() -> None:
    with small_training():
        found = promotion_trial(small_home(80), START + 80 * DAY, None, force=True)
    assert found.outcome in (Outcome.PROMOTED, Outcome.FORCED)
    assert found.model is not None
    assert not found.model.is_naive
    assert found.test_days == pytest.approx(80 - 60)
    assert found.test_days >= LEAST_TEST_DAYS
    assert 0.3 < found.ratio < 1.5
