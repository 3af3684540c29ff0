"""Forecasts in money: each row is a replay, and the scale is that of no battery and oracle."""

import pytest

from sim.errors import ReplayError
from sim.oracle import make_oracle
from sim.regret import regret
from sim.replay import Dispatch, Policy, replay
from sim.score import PERFECT, SELF_USE, Money, score_in_money
from sim.window import ReplayWindow
from tests.sim.replay_cases import ArrayForecasts, random_days


@pytest.fixture(scope="module")
def made() -> tuple[ReplayWindow, ArrayForecasts, Money]:
    """Three days with wrong forecasts, and with the same forecasts made worse."""
    window, known = random_days(288)
    worse = known.changed(lambda values: values[:, ::-1].copy())
    return window, known, score_in_money(window, {"good": known, "bad": worse})


def test_rows_stand_in_the_order_given(made: tuple[ReplayWindow, ArrayForecasts, Money]) -> None:
    money = made[2]
    assert [row.name for row in money.rows] == [SELF_USE, "good", "bad", PERFECT]
    assert money.days == 3
    with pytest.raises(KeyError, match="nobody"):
        money.of("nobody")


def test_a_row_is_what_its_replay_costs(made: tuple[ReplayWindow, ArrayForecasts, Money]) -> None:
    window, known, money = made
    run = replay(window, Policy.STORAGE, known, Dispatch.VALUE)
    row = money.of("good")
    assert row.cost == run.cost
    assert row.cost_per_day == pytest.approx(run.cost / 3)
    assert row.regret == pytest.approx(regret(run, make_oracle(window)).sum())
    assert money.of(SELF_USE).cost == replay(window, Policy.SELF_USE).cost


def test_shares_and_regrets_are_on_one_scale(
    made: tuple[ReplayWindow, ArrayForecasts, Money],
) -> None:
    money = made[2]
    gain = money.no_battery_cost - money.oracle_cost
    assert money.gain_per_day == pytest.approx(gain / 3)
    for row in money.rows:
        assert row.regret == pytest.approx(row.cost - money.oracle_cost, abs=1e-6)
        assert row.share_of_gain == pytest.approx(1.0 - row.regret / gain, abs=1e-6)
    assert money.of("good").regret < money.of("bad").regret
    assert money.of(PERFECT).regret <= min(row.regret for row in money.rows) + 1e-9


def test_no_forecast_is_refused(made: tuple[ReplayWindow, ArrayForecasts, Money]) -> None:
    with pytest.raises(ReplayError, match="no forecast was given"):
        score_in_money(made[0], {})
