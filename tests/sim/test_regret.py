"""Regret and its ledger: hand case, never negative, telescopes, parts that add up."""

from dataclasses import replace as changed
from datetime import date
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim.regret
from mpc import TerminalCurve
from mpc.arrays import F64
from sim.errors import ModelError
from sim.oracle import make_oracle
from sim.regret import Ledger, ledger, regret
from sim.replay import Dispatch, Policy, replay
from sim.window import replay_window
from tests.mpc.instances import make_battery, make_site
from tests.sim.replay_cases import LoopCase, loops, make_home, make_realised, random_days

LOSSLESS = make_battery(
    min_soc_kwh=0.0, charge_efficiency=1.0, discharge_efficiency=1.0, wear_cost_per_kwh=0.0
)


def test_hand_case() -> None:
    """1 kWh of load at 0.5 after a slot at 0.1, battery empty and lossless.

    Self-use buys nothing ahead: V[0](0) = 0.1, V[1](0) = 0.5, V[2] = 0. Regret of slot 0 is
    0 + 0.5 - 0.1, of slot 1 0.5 + 0 - 0.5.
    """
    real = make_realised(2, [0.0, 1.0], 0.0, [0.1, 0.5], 0.0)
    home = make_home(make_site(LOSSLESS))
    window = replay_window(home, real, soc_start_kwh=0.0, terminal=TerminalCurve.of(0.0))
    found = regret(replay(window, Policy.SELF_USE), make_oracle(window))
    np.testing.assert_allclose(found, [0.4, 0.0], atol=1e-12)


def test_the_reserve_is_counted_once() -> None:
    """2 kWh short of the reserve cost 0.3 each in both slots; charging costs 0.1 a kWh.

    At 5 kW a slot takes 1.25 kWh, so 0.75 stay short in the first one: V[1](0) = 1.25 * 0.1 +
    0.75 * 0.3 and V[0](0) = 2 * 0.1 + 0.75 * 0.3. Resting pays 2 * 0.3 in each.
    """
    site = make_site(LOSSLESS, reserve_soc_kwh=2.0, reserve_price_per_kwh=0.3)
    real = make_realised(2, 0.0, 0.0, [0.1, 0.1], 0.0)
    window = replay_window(make_home(site), real, soc_start_kwh=0.0, terminal=TerminalCurve.of(0.0))
    found = regret(replay(window, Policy.NO_BATTERY), make_oracle(window))
    first, second = 2.0 * 0.1 + 0.75 * 0.3, 1.25 * 0.1 + 0.75 * 0.3
    np.testing.assert_allclose(found, [0.6 + second - first, 0.6 - second], atol=1e-12)


@settings(max_examples=150)
@given(
    case=loops(),
    policy=st.sampled_from([Policy.STORAGE, Policy.STORAGE, Policy.PLAN]),
    dispatch=st.sampled_from(list(Dispatch)),
)
def test_regret_is_never_negative_and_telescopes(
    case: LoopCase, policy: Policy, dispatch: Dispatch
) -> None:
    window, known = case
    oracle, scale = make_oracle(window), window.problem.money_scale
    runs = [replay(window, policy, known, dispatch), replay(window, Policy.SELF_USE)]
    for result in runs:
        found = regret(result, oracle)
        assert found.min() >= -1e-9 * scale
        assert found.sum() == pytest.approx(result.cost - oracle.cost, abs=1e-9 * scale)
    own = regret(replay(window, Policy.ORACLE), oracle)
    np.testing.assert_allclose(own, 0.0, atol=1e-9 * scale)


def test_a_replay_that_beats_the_oracle_is_a_model_error() -> None:
    window, known = random_days(96)
    oracle = make_oracle(window)
    result = replay(window, Policy.STORAGE, known, Dispatch.VALUE)
    with pytest.raises(ModelError, match=r"policy storage costs .* less than the optimum"):
        regret(changed(result, bill=result.bill - 0.1), oracle)


def parts(found: Ledger) -> F64:
    """Sum of the four parts, by day."""
    return np.asarray(found.dispatch + found.load + found.pv + found.remainder)


@pytest.mark.parametrize("shapley", [False, True])
def test_parts_add_up_to_the_regret_of_the_replay(*, shapley: bool) -> None:
    window, known = random_days(2 * 96)
    oracle = make_oracle(window)
    found = ledger(window, oracle, known, Dispatch.SETPOINT, shapley=shapley)
    result = replay(window, Policy.STORAGE, known, Dispatch.SETPOINT)
    np.testing.assert_allclose(parts(found), found.total, atol=1e-9)
    assert found.total.sum() == pytest.approx(result.cost - oracle.cost, abs=1e-9)
    assert found.days == (date(2025, 6, 2), date(2025, 6, 3))
    assert found.orders == (6 if shapley else 1)


def test_only_wrong_forecasts_of_load_cost_where_the_rest_is_right() -> None:
    window, known = random_days(2 * 96)
    right = changed(known, pv_kwh=_actual(window.realised.pv_kwh, known.pv_kwh))
    found = ledger(window, make_oracle(window), right, Dispatch.VALUE)
    assert found.dispatch.tolist() == [0.0, 0.0]
    assert found.pv.tolist() == [0.0, 0.0]
    assert found.load.sum() > 0.0


@pytest.mark.parametrize(
    ("moved", "runs"), [(Dispatch.VALUE, 2), (Dispatch.SETPOINT, 3)], ids=["value", "setpoint"]
)
def test_no_replay_is_made_twice(
    moved: Dispatch, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four steps; the first is given, and on value dispatch the second is the first again."""
    window, known = random_days(1)
    oracle, made = make_oracle(window), replay(window, Policy.STORAGE, known, moved)
    want = ledger(window, oracle, known, moved)
    count = Mock(side_effect=replay)
    monkeypatch.setattr(sim.regret, "replay", count)
    found = ledger(window, oracle, known, moved, made=made)
    assert count.call_count == runs
    np.testing.assert_array_equal(parts(found), parts(want))


def _actual(happened: F64, forecast: F64) -> F64:
    """What happened where that is known, else the forecast."""
    slots = np.arange(forecast.shape[0])[:, None] + np.arange(forecast.shape[1])
    there = slots < happened.size
    return np.where(there, happened[np.minimum(slots, happened.size - 1)], forecast)


def test_shapley_averages_over_both_orders_of_two_causes() -> None:
    """With value dispatch two causes are left: three of the six orders have load before PV."""
    window, known = random_days(96)
    oracle, real = make_oracle(window), window.realised

    def total(*, load: bool, pv: bool) -> float:
        told = changed(
            known,
            load_kwh=_actual(real.load_kwh, known.load_kwh) if load else known.load_kwh,
            pv_kwh=_actual(real.pv_kwh, known.pv_kwh) if pv else known.pv_kwh,
        )
        return replay(window, Policy.STORAGE, told, Dispatch.VALUE).cost - oracle.cost

    none, load = total(load=False, pv=False), total(load=True, pv=False)
    pv, both = total(load=False, pv=True), total(load=True, pv=True)
    found = ledger(window, oracle, known, Dispatch.VALUE, shapley=True)
    assert found.load.sum() == pytest.approx(0.5 * ((none - load) + (pv - both)), abs=1e-9)
    assert found.pv.sum() == pytest.approx(0.5 * ((none - pv) + (load - both)), abs=1e-9)
