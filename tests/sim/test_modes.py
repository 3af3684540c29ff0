"""Modes: tests and stops by hand, exact at the forecast, and what a change of sign costs."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mpc.curves import cost_at
from mpc.jit import compiled
from mpc.physics import slot_step
from mpc.rules import Limits, Rules, Slot
from sim.ideal import Advice, Value, cost_of_wish, value_wish
from sim.modes import (
    EXPORT,
    GRID_CHARGE,
    HOLD,
    MODE_NAMES,
    SELF_USE,
    SERVE_LOAD,
    STORE_SURPLUS,
    ModeCommand,
    decide_mode,
    mode_wish,
)
from tests.mpc.instances import floats
from tests.sim.slot_cases import (
    Case,
    cases,
    make_scratch,
    make_value,
    plain_limits,
    plain_rules,
)

# 2 kWh worth 2.0, 3 worth 1.0, 5 worth 0.25 from the bottom up; lossless, 5 kWh a slot.
STEPS = make_value([2.0, 1.0, 0.25], [2.0, 3.0, 5.0])


def decide(case: Case) -> ModeCommand:
    """Choose a mode at the case's advice; the prices are known, load and PV are not."""
    stored, advice, value, slot, limits, rules = case
    expected = Slot(advice.load_kwh, advice.pv_kwh, slot.import_price, slot.export_price)
    return decide_mode(stored, advice, value, expected, limits, rules, make_scratch())


def command_of(  # what the hand cases vary, a load of 1 kWh expected
    stored: float,
    buy: float,
    sell: float,
    wear: float = 0.0,
    planned: float = 0.0,
    pv: float = 0.0,
    **limits: float,
) -> ModeCommand:
    slot, rules = Slot(0.0, 0.0, buy, sell), plain_rules()._replace(wear=wear, soft_price=1.0)
    advice = Advice(1.0, pv, planned, 0.0)
    return decide(Case(stored, advice, STEPS, slot, plain_limits(**limits), rules))


@pytest.mark.parametrize(
    ("stored", "buy", "sell", "wear", "want"),
    [
        # The kWh is worth more than 0.5 up to 5, more than 0.1 to the top; 4 kWh reach the stop.
        pytest.param(1.0, 0.5, 0.1, 0.0, (GRID_CHARGE, 5.0, 10.0, 4.0), id="2.0 > 0.5"),
        # Surplus is worth storing to 5 (0.25 < 0.3), load worth serving to 2 (2.0 > 1.5).
        pytest.param(4.0, 1.5, 0.3, 0.0, (SELF_USE, 2.0, 5.0, 5.0), id="0.3 < 1.0 < 1.5"),
        # Serving earns 2.1 - 0.2 = 1.9 < 2.0; buying at 2.1 is too dear.
        pytest.param(1.0, 2.1, 0.3, 0.2, (STORE_SURPLUS, 2.0, 5.0, 5.0), id="0.3 < 2.0 < 2.1"),
        # Serving earns 1.3 > 0.25; exporting 0.1, storing saves 0.3 > 0.25.
        pytest.param(7.0, 1.5, 0.3, 0.2, (SERVE_LOAD, 2.0, 5.0, 5.0), id="0.1 < 0.25 < 0.3"),
        # Exporting earns 0.3 > 0.25 down to 5: 2 kWh. The load is worth serving to 2.
        pytest.param(7.0, 1.5, 0.5, 0.2, (EXPORT, 2.0, 5.0, 2.0), id="0.5 - 0.2 > 0.25"),
        # Serving earns 0.5 < 1.0; surplus sells for 1.2 > 1.0. Buying costs 1.5.
        pytest.param(4.0, 1.5, 1.2, 1.0, (HOLD, 5.0, 2.0, 5.0), id="0.5 < 1.0 < 1.2"),
    ],
)
def test_each_mode(
    stored: float, buy: float, sell: float, wear: float, want: tuple[int, float, float, float]
) -> None:
    command = command_of(stored, buy, sell, wear)
    assert MODE_NAMES[command.mode] == MODE_NAMES[want[0]]
    assert command[1:4] == pytest.approx(want[1:], abs=1e-12)
    assert command.pv_export


def test_efficiencies_and_margin_are_part_of_the_tests() -> None:
    rules = plain_rules()._replace(charge_efficiency=0.5, discharge_efficiency=0.5)
    # A kWh worth 1.0 may cost 0.5 at the bus; it must bring more than 2.0 there.
    for buy, mode in ((0.49, GRID_CHARGE), (0.51, STORE_SURPLUS), (1.99, STORE_SURPLUS)):
        case = Case(3.0, IDLE, STEPS, Slot(0.0, 0.0, buy, 0.1), plain_limits(), rules)
        assert decide(case).mode == mode
    case = Case(3.0, IDLE, STEPS, Slot(0.0, 0.0, 2.01, 0.1), plain_limits(), rules)
    assert decide(case).mode == SELF_USE
    for margin, mode in ((0.2, EXPORT), (0.3, SERVE_LOAD)):  # 0.5 - margin against 0.25
        case = Case(
            7.0,
            IDLE,
            STEPS,
            Slot(0.0, 0.0, 1.5, 0.5),
            plain_limits(),
            plain_rules(export_margin=margin),
        )
        assert decide(case).mode == mode


IDLE = Advice(1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("planned", "pv", "want"),
    [
        pytest.param(0.0, 0.0, (STORE_SURPLUS, 10.0), id="the plan rests"),
        pytest.param(1.5, 0.0, (GRID_CHARGE, 3.5), id="as far as the plan: 2 + 1.5"),
        pytest.param(9.0, 0.0, (GRID_CHARGE, 5.0), id="at most to the kink"),
        pytest.param(1.5, 3.0, (STORE_SURPLUS, 10.0), id="the plan charges from surplus alone"),
    ],
)
def test_a_tie_acts_as_far_as_the_plan(planned: float, pv: float, want: tuple[int, float]) -> None:
    # From 2 to 5 kWh energy is worth 1.0 and costs 1.0.
    command = command_of(2.0, 1.0, 0.1, planned=planned, pv=pv)
    stop = command.stop_low_kwh if command.mode == GRID_CHARGE else command.stop_high_kwh
    assert (command.mode, stop) == want


def test_a_soft_limit_caps_grid_charging() -> None:
    # 1 kWh of load below a soft limit of 3; above it import costs 1.1 + 1.0 > 2.0.
    assert command_of(1.0, 1.1, 0.1, import_soft=3.0).cap_kwh == pytest.approx(1.0)  # to the kink
    assert command_of(0.0, 1.1, 0.1, import_soft=2.5).cap_kwh == pytest.approx(1.5)  # to the limit
    # At 0.9 + 1.0 < 2.0 the first 2 kWh are worth the soft limit's price, the others are not.
    assert command_of(0.5, 0.9, 0.1, import_soft=2.0).cap_kwh == pytest.approx(1.5)


def test_a_peak_above_the_soft_limit_is_shaved() -> None:
    # Serving earns 1.1 - 0.2 = 0.9 < 1.0, above the soft limit 1.9 > 1.0: 0.4 of the 1 kWh.
    command = command_of(4.0, 1.1, 0.3, 0.2, import_soft=0.6)
    assert command.mode == SERVE_LOAD
    assert command[1:4] == pytest.approx((3.6, 3.6, 0.4))


def test_pv_is_throttled_at_negative_export_prices_and_stored_first() -> None:
    command = command_of(7.0, 1.5, -0.1)
    assert not command.pv_export
    assert (command.mode, command.stop_high_kwh) == (SELF_USE, 10.0)  # worth 0.25 > 0


@pytest.mark.parametrize(("curtailable", "stop"), [(True, 5.0), (False, 10.0)])
def test_surplus_that_can_be_throttled_is_worth_nothing_not_less(
    curtailable: bool,  # noqa: FBT001 - a case
    stop: float,
) -> None:
    # Above 5 kWh energy is worth -0.05: more than the -0.1 of exporting, less than throttling.
    value, rules = make_value([2.0, 1.0, -0.05], [2.0, 3.0, 5.0]), plain_rules()
    slot = Slot(0.0, 0.0, 1.5, -0.1)
    case = Case(4.0, IDLE, value, slot, plain_limits(), rules._replace(pv_curtailable=curtailable))
    assert decide(case)[:3] == (SELF_USE, 2.0, stop)


def test_what_the_grid_may_fill_surplus_may_too() -> None:
    # Paid import fills to 10 kWh, worth -0.25 > -0.5; exporting would pay 0.1 from 5 kWh on.
    value, slot = make_value([2.0, 1.0, -0.25], [2.0, 3.0, 5.0]), Slot(0.0, 0.0, -0.5, 0.1)
    command = decide(Case(4.0, IDLE, value, slot, plain_limits(), plain_rules()))
    assert command[:3] == (GRID_CHARGE, 10.0, 10.0)


def test_what_may_be_exported_may_serve_the_load() -> None:
    # Exporting brings 1.2 down to 2 kWh; serving alone, 0.3, would stop at 5.
    slot = Slot(0.0, 0.0, 0.3, 1.2)
    command = decide(Case(7.0, IDLE, STEPS, slot, plain_limits(), plain_rules()))
    assert command[:4] == (EXPORT, 2.0, 2.0, 5.0)


def test_storing_that_would_lose_paid_import_is_held() -> None:
    # At -2 the house imports 1 + 1 kWh with the PV throttled; charging would forbid that.
    slot = Slot(1.0, 2.0, -2.0, -2.0)
    rules = plain_rules(allow_grid_charge=False)
    limits = plain_limits(import_max=4.0)
    case = Case(2.0, Advice(1.0, 2.0, 0.0, 0.0), make_value([0.3], [12.0]), slot, limits, rules)
    assert decide(case).mode == HOLD


@pytest.mark.parametrize(
    ("mode", "stored", "net", "want"),
    [
        pytest.param(GRID_CHARGE, 1.0, 1.0, 2.0, id="the cap"),
        pytest.param(GRID_CHARGE, 3.5, 1.0, 1.0, id="to stop_low at an efficiency of 0.5"),
        pytest.param(GRID_CHARGE, 1.0, 7.5, 0.5, id="the fuse of 8"),
        pytest.param(GRID_CHARGE, 1.0, 9.0, 0.0, id="beyond the fuse"),
        pytest.param(GRID_CHARGE, 1.0, -3.0, 3.0, id="surplus beyond the cap"),
        pytest.param(GRID_CHARGE, 5.0, -3.0, 2.0, id="surplus to stop_high"),
        pytest.param(GRID_CHARGE, 5.0, 3.0, 0.0, id="above stop_low the load is not served"),
        pytest.param(EXPORT, 9.0, 1.0, -1.5, id="to stop_high at an efficiency of 0.5"),
        pytest.param(EXPORT, 9.0, -0.5, -0.5, id="the export limit of 1"),
        pytest.param(EXPORT, 9.0, 2.5, -2.5, id="all of the load"),
        pytest.param(EXPORT, 5.0, 2.0, -0.5, id="the load down to stop_low"),
        pytest.param(EXPORT, 9.0, -3.0, 0.0, id="surplus fills the export limit"),
        pytest.param(SELF_USE, 5.0, -1.5, 1.5, id="surplus"),
        pytest.param(SELF_USE, 5.0, 0.25, -0.25, id="load"),
        pytest.param(SELF_USE, 6.0, -1.5, 0.0, id="full"),
        pytest.param(SELF_USE, 4.0, 1.5, 0.0, id="empty"),
        pytest.param(STORE_SURPLUS, 5.0, -3.0, 2.0, id="stores"),
        pytest.param(STORE_SURPLUS, 5.0, 3.0, 0.0, id="does not serve"),
        pytest.param(SERVE_LOAD, 9.0, 3.0, -2.0, id="serves up to the cap"),
        pytest.param(SERVE_LOAD, 9.0, -3.0, 0.0, id="does not store"),
        pytest.param(HOLD, 5.0, 3.0, 0.0, id="rests"),
    ],
)
def test_what_an_inverter_does(mode: int, stored: float, net: float, want: float) -> None:
    command = ModeCommand(mode, 4.0, 6.0, 2.0, pv_export=True)
    limits = plain_limits(import_max=8.0, export_max=1.0)
    rules = plain_rules()._replace(charge_efficiency=0.5, discharge_efficiency=0.5)
    slot = Slot(max(net, 0.0), max(-net, 0.0), 1.0, 0.5)
    assert mode_wish(command, stored, slot, limits, rules) == pytest.approx(want, abs=1e-12)


@settings(max_examples=300)
@given(case=st.one_of(cases(), cases(options=False, sane=True)))
@example(  # emptying the battery pays, nothing may be exported: PV makes room
    case=Case(
        1.0,
        IDLE,
        make_value([-1.0], [12.0]),
        Slot(0.25, 0.25, 0.0, 0.0),
        plain_limits(soc_max=0.0, import_max=0.0, export_max=0.0),
        plain_rules(),
    )
)
def test_with_an_exact_forecast_a_mode_costs_what_ideal_dispatch_costs(case: Case) -> None:
    stored, advice, value, slot, limits, rules = case
    known = case._replace(
        advice=advice._replace(load_kwh=slot.load_kwh, pv_kwh=slot.pv_kwh),
    )
    wish = mode_wish(decide(known), stored, slot, limits, rules)
    ideal = value_wish(stored, advice.planned_kwh, value, slot, limits, rules, make_scratch())
    best, _ = cost_of_wish(stored, ideal, value, slot, limits, rules)
    cost, _ = cost_of_wish(stored, wish, value, slot, limits, rules)
    assert cost == pytest.approx(best, abs=1e-7 * (1.0 + abs(best)))


def part_of(limits: Limits, parts: int) -> Limits:
    """The limits of one of equal parts of a slot: energies shrink, stored energies do not."""
    flows = ("charge", "discharge", "import_soft", "import_max", "export_max", "headroom")
    return limits._replace(**{name: getattr(limits, name) / parts for name in flows})


def money(stored: float, given: float, net: float, case: Case) -> float:
    """What a slot and its future cost if the meter bills its sum."""
    bill = case.slot.import_price * max(net, 0.0) - case.slot.export_price * max(-net, 0.0)
    value = case.value
    return bill + case.rules.wear * given + cost_at(value.curve, value.slope, value.length, stored)


def loss_within(case: Case, command: ModeCommand, nets: list[float]) -> float:
    """What a mode loses against ideal dispatch on the slot's sum, the net load given by parts."""
    stored, total, given = case.stored_kwh, 0.0, 0.0
    small = command._replace(cap_kwh=command.cap_kwh / len(nets))
    limits = part_of(case.limits, len(nets))
    for net in nets:
        slot = case.slot._replace(load_kwh=max(net, 0.0), pv_kwh=max(-net, 0.0))
        wish = mode_wish(small, stored, slot, limits, case.rules)
        stored, moved, *_ = slot_step(stored, wish, slot, limits, case.rules)
        given += max(-moved, 0.0)
        total += net + moved
    _, advice, value, slot, whole, rules = case
    ideal = value_wish(
        case.stored_kwh, advice.planned_kwh, value, slot, whole, rules, make_scratch()
    )
    end, moved, *_ = slot_step(case.stored_kwh, ideal, slot, whole, rules)
    return money(stored, given, total, case) - money(
        end, max(-moved, 0.0), slot.load_kwh - slot.pv_kwh + moved, case
    )


def changing(
    nets: list[float], prices: tuple[float, float], value: Value, rules: Rules, stored: float
) -> Case:
    """A slot whose sum of net loads the plan knows, in a battery far from its bounds."""
    load, pv = sum(max(net, 0.0) for net in nets), sum(max(-net, 0.0) for net in nets)
    limits = plain_limits(soc_max=1000.0, charge=100.0, discharge=100.0, import_max=1e4)
    limits = limits._replace(export_max=1e4)
    return Case(stored, Advice(load, pv, 0.0, 0.0), value, Slot(load, pv, *prices), limits, rules)


@settings(max_examples=300)
@given(
    nets=st.lists(floats(-1.0, 1.0), min_size=1, max_size=8),
    buy=floats(0.0, 3.0),
    share=floats(0.0, 1.0),
    worth=floats(0.0, 4.0),
    eta=st.sampled_from([1.0, 0.95, 0.8]),
    wear=st.sampled_from([0.0, 0.2]),
)
@example(nets=[1.0, -1.0], buy=1.0, share=0.5, worth=0.8, eta=0.8, wear=0.2)  # store_surplus
@example(nets=[1.0, -1.0], buy=1.0, share=0.5, worth=0.4, eta=0.8, wear=0.2)  # serve_load
@example(nets=[1.0, -1.0], buy=2.0, share=0.1, worth=1.0, eta=0.8, wear=0.2)  # self_use
def test_a_change_of_sign_within_the_slot_costs_what_is_documented(
    nets: list[float], buy: float, share: float, worth: float, eta: float, wear: float
) -> None:
    sell = share * buy
    rules = plain_rules()._replace(
        charge_efficiency=eta, discharge_efficiency=eta, wear=wear, export_margin=0.0
    )
    case = changing(nets, (buy, sell), make_value([worth], [1000.0]), rules, 500.0)
    command = decide(case)
    swing = min(case.slot.pv_kwh, case.slot.load_kwh)  # m of (V6)
    per_kwh = {
        STORE_SURPLUS: buy - eta * worth,
        SERVE_LOAD: wear + worth / eta - sell,
        SELF_USE: wear + worth / eta - eta * worth,
    }
    loss = loss_within(case, command, nets)
    assert loss == pytest.approx(swing * per_kwh.get(command.mode, 0.0), abs=1e-8)
    assert -1e-8 <= loss <= swing * (buy - sell) + 1e-8


@given(
    nets=st.lists(floats(-1.0, 1.0), min_size=2, max_size=8), case=cases(options=False, sane=True)
)
def test_within_a_slot_no_mode_beats_ideal_dispatch(nets: list[float], case: Case) -> None:
    # Stops, bounds and power limits met within the slot: no bound above is claimed there.
    assume(case.limits.soc_min <= case.stored_kwh <= case.limits.soc_max)
    limits = case.limits._replace(import_max=100.0, export_max=100.0)
    load, pv = sum(max(net, 0.0) for net in nets), sum(max(-net, 0.0) for net in nets)
    case = case._replace(limits=limits, slot=case.slot._replace(load_kwh=load, pv_kwh=pv))
    assert loss_within(case, decide(case), nets) >= -1e-7


@settings(max_examples=50)
@given(case=cases())
def test_compiled_equals_plain_python(case: Case) -> None:
    stored, advice, value, slot, limits, rules = case
    fast, fast_wish = compiled(decide_mode), compiled(mode_wish)
    command = fast(stored, advice, value, slot, limits, rules, make_scratch())
    assert command == decide_mode(stored, advice, value, slot, limits, rules, make_scratch())
    assert np.isfinite(command.cap_kwh)
    assert fast_wish(command, stored, slot, limits, rules) == mode_wish(
        command, stored, slot, limits, rules
    )
