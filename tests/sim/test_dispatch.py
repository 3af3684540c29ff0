"""Every dispatch keeps the physics; value dispatch is the cheapest of them all."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpc.jit import compiled
from mpc.physics import slot_step
from mpc.rules import Slot
from sim import dispatch
from sim.dispatch import DISPATCH_NAMES, Advice, Value, dispatch_wish, windows_wish
from sim.ideal import at_bus, at_cell, cheapest_wish, cost_of_wish, value_wish
from sim.slots import (
    BILL,
    CHARGE,
    COLUMNS,
    CURTAIL,
    DISCHARGE,
    EXPORT,
    IMPORT,
    PENALTY,
    SOC,
    WEAR,
    run_slot,
)
from tests.sim.slot_cases import (
    Case,
    cases,
    edges_of,
    make_scratch,
    make_value,
    plain_limits,
    plain_rules,
)

Wish = Callable[..., float]
CODES = range(len(DISPATCH_NAMES))
IDLE = Advice(0.0, 0.0, 0.0, 5.0)


def wish_of(code: int, case: Case) -> float:
    stored, advice, value, slot, limits, rules = case
    return dispatch_wish(code, stored, advice, value, slot, limits, rules, make_scratch())


def cost_of(case: Case, wish: float) -> float:
    return cost_of_wish(case.stored_kwh, wish, case.value, case.slot, case.limits, case.rules)[0]


# 2 kWh worth 2.0, 3 worth 1.0, 5 worth 0.25 from the bottom up; lossless, no wear, 5 kWh a slot.
STEPS = make_value([2.0, 1.0, 0.25], [2.0, 3.0, 5.0])


@pytest.mark.parametrize(
    ("stored", "slot", "want"),
    [
        pytest.param(1.0, Slot(1.0, 0.0, 0.5, 0.1), 4.0, id="grid-charges to 5, then 0.25 < 0.5"),
        pytest.param(1.0, Slot(1.0, 0.0, 1.5, 0.1), 1.0, id="grid-charges to 2, then 1 < 1.5"),
        pytest.param(4.0, Slot(0.0, 4.0, 1.5, 0.3), 1.0, id="stores surplus to 5, then 0.25 < 0.3"),
        pytest.param(4.0, Slot(0.0, 3.0, 1.5, 0.1), 3.0, id="stores all surplus, 0.25 > 0.1"),
        pytest.param(4.0, Slot(3.0, 0.0, 1.5, 0.1), -2.0, id="serves down to 2, then 2 > 1.5"),
        pytest.param(4.0, Slot(3.0, 0.0, 2.5, 0.1), -3.0, id="serves all load, 2 < 2.5"),
        pytest.param(7.0, Slot(1.0, 0.0, 1.5, 0.5), -2.0, id="exports down to 5, then 1 > 0.5"),
        pytest.param(4.0, Slot(1.0, 0.0, 0.9, 0.3), 1.0, id="1 kWh at 0.9 for 1.0"),
        pytest.param(5.0, Slot(2.0, 0.0, 0.9, 0.3), 0.0, id="at the kink: 0.25 < 0.9 < 1.0"),
    ],
)
def test_value_dispatch_moves_to_where_the_value_meets_the_price(
    stored: float, slot: Slot, want: float
) -> None:
    limits, rules = plain_limits(), plain_rules()
    assert value_wish(stored, 0.0, STEPS, slot, limits, rules, make_scratch()) == pytest.approx(
        want, abs=1e-12
    )
    assert cheapest_wish(stored, 0.0, STEPS, slot, limits, rules) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize(
    ("planned", "want"),
    [
        pytest.param(0.0, 0.0, id="the plan rests"),
        pytest.param(1.5, 1.5, id="as far as the plan"),
        pytest.param(4.0, 3.0, id="at most to the kink at 5 kWh"),
        pytest.param(-4.0, 0.0, id="discharging to the load of 0 is no tie"),
    ],
)
def test_a_tie_follows_the_plan(planned: float, want: float) -> None:
    # Between 2 and 5 kWh stored energy is worth 1.0, exactly what it costs to buy.
    slot = Slot(0.0, 0.0, 1.0, 0.1)
    for dearer in (0.0, 1e-11):  # far less than what counts
        tied = Slot(0.0, 0.0, 1.0 + dearer, 0.1)
        wish = value_wish(2.0, planned, STEPS, tied, plain_limits(), plain_rules(), make_scratch())
        assert wish == pytest.approx(want, abs=1e-9)
    assert cheapest_wish(2.0, planned, STEPS, slot, plain_limits(), plain_rules()) == want


def four_tests(case: Case) -> float:
    """(V3) from scratch: walk the pieces of the value from the state, upward or downward."""
    stored, _, value, slot, limits, rules = case
    worth, edges = -value.slope, edges_of(value)
    net = slot.load_kwh - slot.pv_kwh
    eta_c, eta_d = rules.charge_efficiency, rules.discharge_efficiency
    top, bottom = max(limits.soc_max, stored), min(limits.soc_min, stored)

    def room(price: float) -> float:
        spans = zip(worth, edges[:-1], edges[1:], strict=True)
        ends = [min(b, top) - stored for v, a, b in spans if v > price / eta_c and a < top]
        return max([0.0, *ends]) / eta_c

    def usable(price: float) -> float:
        spans = zip(worth, edges[:-1], edges[1:], strict=True)
        gain = (price - rules.wear) * eta_d
        starts = [stored - max(a, bottom) for v, a, b in spans if v < gain and b > bottom]
        return max([0.0, *starts]) * eta_d

    charge = max(
        min(limits.charge, room(slot.import_price)),
        min(limits.charge, room(slot.export_price), max(-net, 0.0)),
    )
    discharge = max(
        min(limits.discharge, usable(slot.export_price)),
        min(limits.discharge, usable(slot.import_price), max(net, 0.0)),
    )
    assert min(charge, discharge) <= 1e-9
    return charge - discharge


@given(case=cases(options=False, sane=True))
def test_value_dispatch_is_the_four_tests_in_the_simple_case(case: Case) -> None:
    case = case._replace(limits=case.limits._replace(import_max=100.0, export_max=100.0))
    wanted = cost_of(case, four_tests(case))
    wish = wish_of(dispatch.VALUE, case)
    assert cost_of(case, wish) == pytest.approx(wanted, abs=1e-7)


@settings(max_examples=300)
@given(case=cases(), other=st.floats(-6.0, 6.0))
@example(  # grid charging is forbidden: storing the surplus would lose the paid import
    case=Case(
        2.0,
        IDLE,
        make_value([0.3], [12.0]),
        Slot(1.0, 2.0, -2.0, -2.0),
        plain_limits(import_max=4.0),
        plain_rules(allow_grid_charge=False),
    ),
    other=1.0,
)
@example(  # exporting pays more than importing costs
    case=Case(
        5.0,
        IDLE,
        make_value([1.0], [12.0]),
        Slot(1.0, 0.0, 0.5, 1.5),
        plain_limits(import_max=4.0),
        plain_rules(),
    ),
    other=-2.0,
)
def test_no_dispatch_is_cheaper_than_value_dispatch(case: Case, other: float) -> None:
    best = cost_of(case, wish_of(dispatch.VALUE, case))
    tolerance = 1e-7 * (1.0 + abs(best))
    net = case.slot.load_kwh - case.slot.pv_kwh
    kinks = [at_bus(edge - case.stored_kwh, case.rules) for edge in edges_of(case.value)]
    tried = [other, 0.0, -net, 10.0, -10.0, *kinks, *np.linspace(-5.0, 5.0, 21)]
    tried += [wish_of(code, case) for code in CODES]
    assert min(cost_of(case, float(wish)) for wish in tried) >= best - tolerance


@given(case=cases())
def test_the_search_over_points_agrees_with_the_curves(case: Case) -> None:
    stored, advice, value, slot, limits, rules = case
    searched = cheapest_wish(stored, advice.planned_kwh, value, slot, limits, rules)
    cost = cost_of(case, wish_of(dispatch.VALUE, case))
    assert cost_of(case, searched) == pytest.approx(cost, abs=1e-7 * (1.0 + abs(cost)))


@pytest.mark.parametrize("code", CODES, ids=DISPATCH_NAMES)
@given(case=cases())
def test_contract_of_every_dispatch(code: int, case: Case) -> None:
    stored, _, _, slot, limits, rules = case
    out = np.full((1, len(COLUMNS)), np.nan)
    after = run_slot(stored, wish_of(code, case), slot, limits, rules, out, 0)
    row = out[0]
    assert np.isfinite(row).all()
    assert (row[[CHARGE, DISCHARGE, IMPORT, EXPORT, WEAR, PENALTY]] >= 0.0).all()
    assert row[SOC] == after
    assert min(stored, limits.soc_min) - 1e-9 <= after <= max(stored, limits.soc_max) + 1e-9
    moved = row[CHARGE] * rules.charge_efficiency - row[DISCHARGE] / rules.discharge_efficiency
    assert after - stored == pytest.approx(moved, abs=1e-9)  # (P1)
    house = slot.load_kwh - slot.pv_kwh + row[CURTAIL] + row[CHARGE] - row[DISCHARGE]
    assert row[IMPORT] - row[EXPORT] == pytest.approx(house, abs=1e-9)  # (P2)
    assert min(row[IMPORT], row[EXPORT]) == 0.0  # (P3)
    assert min(row[CHARGE], row[DISCHARGE]) == 0.0
    assert 0.0 <= row[CURTAIL] <= slot.pv_kwh + 1e-12
    assert row[CHARGE] <= limits.charge
    assert row[DISCHARGE] <= limits.discharge
    bill = slot.import_price * row[IMPORT] - slot.export_price * row[EXPORT]
    assert row[BILL] == pytest.approx(bill, abs=1e-12)


@pytest.mark.parametrize(
    ("code", "want"),
    [
        pytest.param(dispatch.SETPOINT, -2.5, id="setpoint: whatever the house does"),
        pytest.param(dispatch.SELF_USE, -1.5, id="self-use: load of 2 less PV of 0.5"),
        pytest.param(dispatch.HOLD, 0.0, id="hold"),
    ],
)
def test_plain_dispatches(code: int, want: float) -> None:
    advice = Advice(1.0, 0.0, -2.5, 5.0)
    case = Case(5.0, advice, STEPS, Slot(2.0, 0.5, 1.0, 0.5), plain_limits(), plain_rules())
    assert wish_of(code, case) == want


CHARGING = Advice(load_kwh=1.0, pv_kwh=2.0, planned_kwh=1.5, target_soc_kwh=8.0)
EXPORTING = Advice(load_kwh=1.0, pv_kwh=0.0, planned_kwh=-1.5, target_soc_kwh=4.0)
NEITHER = Advice(load_kwh=1.0, pv_kwh=2.0, planned_kwh=1.0, target_soc_kwh=8.0)


@pytest.mark.parametrize(
    ("advice", "stored", "load", "pv", "want"),
    [
        pytest.param(CHARGING, 1.0, 1.0, 2.0, 5.0, id="full power, not the planned 1.5"),
        pytest.param(CHARGING, 6.0, 1.0, 0.0, 4.0, id="towards 8 at an efficiency of 0.5"),
        pytest.param(CHARGING, 1.0, 5.0, 0.0, 3.0, id="the fuse holds 8, the load takes 5"),
        pytest.param(CHARGING, 8.0, 1.0, 3.0, 2.0, id="at the target only surplus is stored"),
        pytest.param(CHARGING, 8.0, 3.0, 1.0, 0.0, id="at the target the load is not served"),
        pytest.param(CHARGING, 1.0, 9.0, 0.0, 0.0, id="the load alone is beyond the fuse"),
        pytest.param(EXPORTING, 9.0, 1.0, 0.0, -2.5, id="towards 4 at an efficiency of 0.5"),
        pytest.param(EXPORTING, 10.0, 0.0, 0.0, -2.0, id="2 may be exported"),
        pytest.param(EXPORTING, 5.0, 3.0, 0.0, -3.0, id="the load of 3, target or not"),
        pytest.param(EXPORTING, 4.0, 1.0, 0.0, -1.0, id="at the target self-use serves"),
        pytest.param(EXPORTING, 4.0, 1.0, 2.0, 1.0, id="at the target self-use stores"),
        pytest.param(NEITHER, 4.0, 3.0, 1.0, -2.0, id="storing surplus is self-use"),
    ],
)
def test_windows(advice: Advice, stored: float, load: float, pv: float, want: float) -> None:
    limits = plain_limits(import_max=8.0, export_max=2.0)
    rules = plain_rules()._replace(charge_efficiency=0.5, discharge_efficiency=0.5)
    slot = Slot(load, pv, 1.0, 0.5)
    assert windows_wish(stored, advice, slot, limits, rules) == pytest.approx(want, abs=1e-12)


@given(moved=st.floats(-5.0, 5.0), case=cases())
def test_bus_and_cell_are_inverse(moved: float, case: Case) -> None:
    assert at_bus(at_cell(moved, case.rules), case.rules) == pytest.approx(moved, abs=1e-12)


def test_a_curve_that_cannot_be_reached_is_approached() -> None:
    # The future demands 8 kWh; from 2 kWh five more are possible in this slot.
    value = make_value([0.0], [2.0], start_kwh=8.0)
    slot = Slot(0.0, 0.0, 1.0, 0.5)
    wish = value_wish(2.0, 0.0, value, slot, plain_limits(), plain_rules(), make_scratch())
    assert slot_step(2.0, wish, slot, plain_limits(), plain_rules())[0] == 7.0
    assert cheapest_wish(2.0, 0.0, value, slot, plain_limits(), plain_rules()) == 5.0


@pytest.fixture(scope="module")
def fast_wish() -> Wish:
    """The compiled kernel, after the seconds that compiling takes the first time."""
    kernel: Wish = compiled(dispatch_wish)
    slot, limits, rules = Slot(0.0, 0.0, 1.0, 0.5), plain_limits(), plain_rules()
    kernel(dispatch.HOLD, 5.0, IDLE, STEPS, slot, limits, rules, make_scratch())
    return kernel


@settings(max_examples=50)
@given(case=cases())
def test_compiled_equals_plain_python(fast_wish: Wish, case: Case) -> None:
    stored, advice, value, slot, limits, rules = case
    for code in CODES:
        wish = fast_wish(code, stored, advice, value, slot, limits, rules, make_scratch())
        assert wish == wish_of(code, case)


def test_an_hour_is_worth_its_reserve_once() -> None:
    # The curve prices the 3 kWh reserve (0.5 per kWh short); the slot's penalty must not again.
    limits, rules = plain_limits(reserve=3.0), plain_rules(reserve_price=0.5)
    slot = Slot(1.0, 0.0, 0.6, 0.1)
    value: Value = make_value([0.7, 0.2], [3.0, 9.0])
    case = Case(3.0, IDLE, value, slot, limits, rules)
    # Serving 1 kWh saves 0.6 and costs 0.7 in the curve; counted twice it would cost 1.2.
    assert cost_of(case, -1.0) - cost_of(case, 0.0) == pytest.approx(0.7 - 0.6)
