"""The slot kernel: arithmetic by hand, agreement with the planner and the baselines."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.cases import SITE, START_SOC_KWH, demo_horizon
from mpc import Horizon, Planner, TerminalCurve
from mpc.arrays import F64
from mpc.jit import compiled
from mpc.rules import Slot, rules_of, slot_limits
from sim import dispatch
from sim.baselines import Outcome, no_battery, self_use
from sim.slots import (
    BILL,
    CHARGE,
    COLUMNS,
    CURTAIL,
    EXPORT,
    IMPORT,
    PENALTY,
    SOC,
    WEAR,
    run_policy,
    run_slot,
    run_wishes,
)
from tests.sim.slot_cases import Case, cases, plain_limits, plain_rules

RULES = rules_of(SITE, 300.0)


def rows(slots: int) -> F64:
    """Room for the result, NaN so that a column left out is found."""
    return np.full((slots, len(COLUMNS)), np.nan)


def inputs(horizon: Horizon) -> tuple[F64, F64]:
    """The series (T, 4) and the limits (T, 9) of a horizon."""
    series = (horizon.load_kwh, horizon.pv_kwh, horizon.import_price, horizon.export_price)
    stacked = np.stack([np.asarray(values, dtype=np.float64) for values in series], axis=1)
    return np.ascontiguousarray(stacked), slot_limits(SITE, horizon.slot_hours)


def test_one_slot_by_hand() -> None:
    limits = plain_limits(export_max=1.0, import_soft=0.5, import_max=2.0, reserve=4.0)
    rules = plain_rules()._replace(
        discharge_efficiency=0.5, wear=0.2, soft_price=0.7, reserve_price=0.3, export_margin=0.1
    )
    out = rows(2)
    # 1.5 of 2 kWh load from the battery, 3 stored: 5 - 3 = 2, 2 short of the reserve.
    # 0.5 imported at 1.2; wear 1.5 * 0.2.
    assert run_slot(5.0, -1.5, Slot(2.0, 0.0, 1.2, 0.4), limits, rules, out, 1) == 2.0
    assert np.isnan(out[0]).all()
    assert out[1] == pytest.approx([0.0, 1.5, 0.5, 0.0, 0.0, 2.0, 0.6, 0.3, 0.6])
    # Of 3 kWh PV 1 is exported, 1 stored, 1 curtailed; 8 + 1 = 9.
    assert run_slot(8.0, 1.0, Slot(0.0, 3.0, 1.2, 0.4), limits, rules, out, 0) == 9.0
    assert out[0] == pytest.approx([1.0, 0.0, 0.0, 1.0, 1.0, 9.0, -0.4, 0.0, 0.0])
    # 1.5 of 2 kWh discharged beyond the load of 0.5 cost the margin, 0.5 exported beyond 1 the
    # penalty of 300; 9 - 2 / 0.5 = 5.
    run_slot(9.0, -2.0, Slot(0.5, 0.0, 1.2, 0.4), limits, rules, out, 0)
    want = [0.0, 2.0, 0.0, 1.5, 0.0, 5.0, -0.6, 0.4, 1.5 * 0.1 + 0.5 * 300.0]
    assert out[0] == pytest.approx(want)
    # 3 kWh imported: 1.5 above the soft limit, 1 beyond the hard one.
    run_slot(5.0, 2.0, Slot(1.0, 0.0, 1.2, 0.4), limits, rules, out, 0)
    assert out[0, [IMPORT, BILL, PENALTY]] == pytest.approx([3.0, 3.6, 1.5 * 0.7 + 300.0])


def test_a_plan_carried_out_under_its_own_forecast_costs_what_it_said() -> None:
    horizon = demo_horizon()
    plan = Planner(SITE).plan(horizon, START_SOC_KWH)
    series, table = inputs(horizon)
    out = rows(len(horizon))
    wish = plan.charge_kwh - plan.discharge_kwh
    stored = run_wishes(START_SOC_KWH, wish, series, table, RULES, out)
    assert stored == pytest.approx(plan.soc_kwh[-1], abs=1e-6)
    assert out[:, BILL].sum() == pytest.approx(plan.bill, abs=1e-6)
    assert out[:, WEAR].sum() == pytest.approx(plan.wear, abs=1e-6)
    assert out[:, PENALTY].sum() == pytest.approx(plan.penalty, abs=1e-6)


@pytest.mark.parametrize(
    ("code", "baseline"), [(dispatch.SELF_USE, self_use), (dispatch.HOLD, no_battery)]
)
def test_policies_agree_with_the_baselines(code: int, baseline: Callable[..., Outcome]) -> None:
    horizon = demo_horizon()
    series, table = inputs(horizon)
    want = baseline(SITE, horizon, START_SOC_KWH, TerminalCurve.of(0.0))
    out = rows(len(horizon))
    run_policy(code, START_SOC_KWH, series, table, RULES, out)
    assert out[:, CHARGE] == pytest.approx(want.charge_kwh, abs=1e-12)
    assert out[:, EXPORT] == pytest.approx(want.export_kwh, abs=1e-12)
    assert out[:, CURTAIL] == pytest.approx(want.curtail_kwh, abs=1e-12)
    assert out[:, SOC] == pytest.approx(want.soc_kwh, abs=1e-12)
    assert out[:, BILL].sum() == pytest.approx(want.bill, abs=1e-9)
    assert out[:, WEAR].sum() == pytest.approx(want.wear, abs=1e-9)


@settings(max_examples=50)
@given(case=cases(), wishes=st.lists(st.floats(-6.0, 6.0), min_size=1, max_size=4))
def test_compiled_equals_plain_python(case: Case, wishes: list[float]) -> None:
    slots = len(wishes)
    series = np.tile(np.array(case.slot), (slots, 1))
    table = np.tile(np.array(case.limits), (slots, 1))
    plain, fast, wish = rows(slots), rows(slots), np.array(wishes)
    run_wishes(case.stored_kwh, wish, series, table, case.rules, plain)
    compiled(run_wishes)(case.stored_kwh, wish, series, table, case.rules, fast)
    assert (plain == fast).all()
    plain, fast = rows(slots), rows(slots)
    run_policy(dispatch.SELF_USE, case.stored_kwh, series, table, case.rules, plain)
    compiled(run_policy)(dispatch.SELF_USE, case.stored_kwh, series, table, case.rules, fast)
    assert (plain == fast).all()
