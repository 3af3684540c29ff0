"""The oracle: hand cases, HiGHS as referee, and dispatch that reproduces it."""

import numpy as np
import pytest
from hypothesis import given, settings

from mpc import Horizon, Planner, TerminalCurve
from mpc.jit import compiled
from mpc.pieces import MOST_PIECES
from mpc.program import curve_of
from mpc.rules import limits_at, slot_at
from sim.dispatch import VALUE, Advice, Scratch, Value, dispatch_wish
from sim.errors import ReplayError
from sim.oracle import Oracle, make_oracle
from sim.policies import carry_out, empty_rows
from sim.replay import Policy, replay
from sim.slots import BILL, PENALTY, SOC, run_slot
from sim.window import ReplayWindow, replay_window
from tests.mpc.instances import make_battery, make_site
from tests.sim.replay_cases import LoopCase, loops, make_home, make_realised, random_days

LOSSLESS = make_battery(
    min_soc_kwh=0.0, charge_efficiency=1.0, discharge_efficiency=1.0, wear_cost_per_kwh=0.0
)


def two_slots() -> ReplayWindow:
    """A slot at 0.1 without load, then one at 0.5 with 1 kWh; a lossless, empty battery."""
    real = make_realised(2, [0.0, 1.0], 0.0, [0.1, 0.5], 0.0)
    home = make_home(make_site(LOSSLESS))
    return replay_window(home, real, soc_start_kwh=0.0, terminal=TerminalCurve.of(0.0))


def test_buys_in_the_cheap_slot_what_the_dear_one_takes() -> None:
    oracle = make_oracle(two_slots())
    assert oracle.cost == pytest.approx(1.0 * 0.1)
    np.testing.assert_allclose(oracle.rows[:, SOC], [1.0, 0.0])
    # At the end of slot 0 a kWh less stored costs 0.5 more; one more is worth nothing.
    assert oracle.values.marginal(1, 1.0) == pytest.approx((0.0, 0.5))


def test_cost_is_that_of_the_same_plan_by_highs() -> None:
    window, _ = random_days(7 * 96)
    oracle = make_oracle(window)
    plan = Planner(window.site).plan(window.problem.horizon, window.soc_start_kwh)
    scale = 1e-7 * window.problem.money_scale
    assert oracle.least_cost == pytest.approx(plan.objective, abs=scale)
    start_worth = window.terminal.value(window.soc_start_kwh)
    assert replay(window, Policy.ORACLE).cost == pytest.approx(
        plan.objective + start_worth, abs=scale
    )


def spent(window: ReplayWindow, rows: np.ndarray) -> float:
    """Bill, wear and penalty less the worth of what is left."""
    return float(rows[:, BILL : PENALTY + 1].sum()) - window.terminal.value(float(rows[-1, SOC]))


def dispatched(oracle: Oracle) -> float:
    """What value dispatch on the oracle's own curves costs, without any plan's move (rest)."""
    window, packed = oracle.window, oracle.values.packed
    rows, stored = empty_rows(len(window)), window.soc_start_kwh
    scratch = Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES))
    for n in range(len(window)):
        slot, limits = slot_at(window.actual, n), limits_at(window.limits, n)
        value = Value(curve_of(packed, n + 1), packed.slope, packed.length)
        advice = Advice(slot.load_kwh, slot.pv_kwh, 0.0, 0.0)
        wish = compiled(dispatch_wish)(
            VALUE, stored, advice, value, slot, limits, window.rules, scratch
        )
        stored = run_slot(stored, wish, slot, limits, window.rules, rows, n)
    return spent(window, rows)


@settings(max_examples=60)
@given(case=loops())
def test_value_dispatch_on_its_curves_costs_the_same(
    case: LoopCase,
) -> None:
    oracle = make_oracle(case[0])
    tolerance = 1e-6 * case[0].problem.money_scale
    assert dispatched(oracle) == pytest.approx(oracle.least_cost, abs=tolerance)


@settings(max_examples=60)
@given(case=loops())
def test_value_dispatch_on_duals_of_highs_costs_the_same(
    case: LoopCase,
) -> None:
    """A new plan of the rest of the window at every slot: point duals and the plan's own move."""
    window = case[0]
    planner, real = Planner(window.site), window.realised
    rows, stored = empty_rows(len(window)), window.soc_start_kwh
    for n in range(len(window)):
        rest = Horizon(
            start=real.start,
            slot_minutes=15,
            import_price=real.import_price[n:],
            export_price=real.export_price[n:],
            load_kwh=real.load_kwh[n:],
            pv_kwh=real.pv_kwh[n:],
            terminal_value=window.terminal,
        )
        stored = carry_out(window, planner.plan(rest, stored), VALUE, stored, rows, n)
    oracle = make_oracle(window)
    tolerance = 1e-6 * window.problem.money_scale
    assert spent(window, rows) == pytest.approx(oracle.least_cost, abs=tolerance)


def test_refuses_a_start_outside_the_window_of_the_battery() -> None:
    real = make_realised(2, 0.5, 0.0, [0.1, 0.5], 0.0)
    window = replay_window(make_home(), real, soc_start_kwh=0.5, terminal=TerminalCurve.of(0.0))
    with pytest.raises(ReplayError, match=r"cannot start with 0.5 kWh.*1 to 10 kWh"):
        make_oracle(window)


def test_names_the_slot_that_it_cannot_plan() -> None:
    real = make_realised(2, 0.5, 0.0, [0.5, 0.5], [0.0, 0.9])
    window = replay_window(make_home(), real, soc_start_kwh=5.0, terminal=TerminalCurve.of(0.0))
    with pytest.raises(ReplayError, match=r"2025-06-01T22:15:00\+00:00.*export (price )?0.9"):
        make_oracle(window)
