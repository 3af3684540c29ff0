"""Replays: balances of energy and money, baselines, local days, what goes with what."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import Grid, TerminalCurve
from mpc.errors import SiteError
from sim.asof import Forecasts, perfect
from sim.baselines import Outcome, no_battery, self_use
from sim.errors import ReplayError
from sim.oracle import make_oracle
from sim.replay import Dispatch, Policy, Replay, day_sums, replay
from sim.window import ReplayWindow, replay_window
from telemetry.slots import local_day
from tests.mpc.instances import make_battery, make_site
from tests.sim.replay_cases import (
    ZONE,
    LoopCase,
    loops,
    make_home,
    make_realised,
    random_days,
)

PLANNERS = st.sampled_from([Policy.STORAGE, Policy.PLAN])
DISPATCHES = st.sampled_from(list(Dispatch))


def test_hand_case_of_self_use() -> None:
    """Store 1 kWh of surplus, serve 1 kWh; 0.95 each way, wear 0.2, final energy worth 0.3.

    Slot 0: 1 kWh charged stores 0.95. Slot 1: serving 1 kWh takes 1 / 0.95.
    """
    real = make_realised(2, [0.0, 1.0], [1.0, 0.0], 2.0, 0.5)
    window = replay_window(make_home(), real, soc_start_kwh=5.0, terminal=TerminalCurve.of(0.3))
    result = replay(window, Policy.SELF_USE)
    np.testing.assert_allclose(result.soc_kwh, [5.95, 5.95 - 1.0 / 0.95])
    assert result.slot_cost.tolist() == [0.0, 0.2]
    assert result.cost == pytest.approx(0.2 - 0.3 * (0.95 - 1.0 / 0.95))
    assert np.isnan(result.energy_value).all()


@pytest.mark.parametrize(
    ("policy", "walk"), [(Policy.NO_BATTERY, no_battery), (Policy.SELF_USE, self_use)]
)
def test_policies_without_plan_are_the_baselines(
    policy: Policy, walk: Callable[..., Outcome]
) -> None:
    window, _ = random_days(2 * 96)
    result = replay(window, policy)
    want = walk(window.site, window.problem.horizon, window.soc_start_kwh, window.terminal)
    np.testing.assert_allclose(result.soc_kwh, want.soc_kwh, rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(result.curtail_kwh, want.curtail_kwh, rtol=0.0, atol=1e-12)
    assert result.bill.sum() == pytest.approx(want.bill, rel=1e-12)
    assert result.wear.sum() == pytest.approx(want.wear, rel=1e-12)
    assert result.cost == pytest.approx(want.cost, rel=1e-12)


def assert_balanced(result: Replay, window: ReplayWindow) -> None:
    """Every kWh and every coin of every slot is accounted for."""
    battery, moved = window.site.battery, result.charge_kwh - result.discharge_kwh
    net = result.load_kwh - result.pv_kwh + result.curtail_kwh + moved
    np.testing.assert_allclose(result.import_kwh - result.export_kwh, net, atol=1e-9)
    before = np.concatenate([[result.soc_start_kwh], result.soc_kwh[:-1]])
    gained = battery.charge_efficiency * result.charge_kwh
    gained = gained - result.discharge_kwh / battery.discharge_efficiency
    np.testing.assert_allclose(result.soc_kwh - before, gained, atol=1e-9)
    bill = result.import_price * result.import_kwh - result.export_price * result.export_kwh
    np.testing.assert_allclose(result.bill, bill, atol=1e-9)
    np.testing.assert_allclose(result.wear, battery.wear_cost_per_kwh * result.discharge_kwh)
    assert result.penalty.min() >= 0.0
    assert np.all(np.minimum(result.import_kwh, result.export_kwh) == 0.0)
    assert np.all(np.minimum(result.charge_kwh, result.discharge_kwh) == 0.0)
    assert np.all(result.soc_kwh <= np.asarray(battery.max_soc_kwh, dtype=float) + 1e-9)
    assert np.all(result.soc_kwh >= np.asarray(battery.min_soc_kwh) - 1e-9)


@settings(max_examples=60)
@given(case=loops(), policy=PLANNERS, dispatch=DISPATCHES)
def test_energy_and_money_are_kept(case: LoopCase, policy: Policy, dispatch: Dispatch) -> None:
    window, known = case
    for result in (replay(window, policy, known, dispatch), replay(window, Policy.ORACLE)):
        assert_balanced(result, window)
        gained = window.terminal.value(result.soc_end_kwh)
        gained -= window.terminal.value(window.soc_start_kwh)
        spent = result.bill.sum() + result.wear.sum() + result.penalty.sum()
        assert result.cost == pytest.approx(spent - gained, abs=1e-9)


def test_rolling_foresight_lies_between_the_oracle_and_a_wrong_forecast() -> None:
    window, known = random_days(3 * 96)
    costs = [
        make_oracle(window).cost,
        replay(window, Policy.STORAGE, perfect(known, window.realised), Dispatch.VALUE).cost,
        replay(window, Policy.STORAGE, known, Dispatch.VALUE).cost,
        replay(window, Policy.NO_BATTERY).cost,
    ]
    assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("day", "slots"), [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100), (date(2025, 6, 2), 96)]
)
def test_days_are_local(day: date, slots: int) -> None:
    window, known = random_days(slots + 30, start=local_day(day, ZONE)[0])
    result = replay(window, Policy.STORAGE, known, Dispatch.VALUE)
    first, second = result.by_day()
    assert (first.local_date, first.slots, second.slots) == (day, slots, 30)
    assert first.load_kwh == pytest.approx(result.load_kwh[:slots].sum())
    assert first.import_kwh == pytest.approx(result.import_kwh[:slots].sum())
    assert first.bill + second.bill == pytest.approx(result.bill.sum())


def test_day_sums_by_hand() -> None:
    sums = day_sums(np.array([1.0, 2.0, 4.0, 8.0]), np.array([7, 7, 8, 8]))
    assert sums.tolist() == [3.0, 12.0]


@pytest.mark.parametrize(
    ("policy", "with_forecasts", "dispatch", "message"),
    [
        (Policy.STORAGE, False, Dispatch.VALUE, "policy storage needs forecasts"),
        (Policy.PLAN, True, None, "policy plan needs dispatch"),
        (Policy.ORACLE, True, None, "policy oracle takes no forecasts"),
        (Policy.SELF_USE, False, Dispatch.MODES, "policy self_use takes no dispatch"),
    ],
)
def test_refuses_what_does_not_go_together(
    policy: Policy, *, with_forecasts: bool, dispatch: Dispatch | None, message: str
) -> None:
    window, known = random_days(4)
    forecasts: Forecasts | None = known if with_forecasts else None
    with pytest.raises(ReplayError, match=message):
        replay(window, policy, forecasts, dispatch)


def test_refuses_a_window_without_the_day_after() -> None:
    with pytest.raises(ReplayError, match="0 slots are known after the window, 96 are needed"):
        replay_window(make_home(), make_realised(4, np.ones(4), 0.0, 1.0, 0.5))


@pytest.mark.parametrize("values", [1, 4, 96, 4 + 288])
def test_refuses_limits_that_differ_from_slot_to_slot(values: int) -> None:
    real = make_realised(4, np.ones(100), 0.0, 1.0, 0.5)
    site = make_site(grid=Grid(max_import_kw=np.full(values, 11.0), max_export_kw=10.0))
    message = rf"grid.max_import_kw is an array of {values} values, want one value: the limits of"
    with pytest.raises(SiteError, match=message):
        replay_window(make_home(site), real)


def test_starts_half_full() -> None:
    real = make_realised(4, np.ones(100), 0.0, 1.0, 0.5)
    window = replay_window(make_home(make_site(make_battery(capacity_kwh=12.0))), real)
    assert window.soc_start_kwh == 6.0
