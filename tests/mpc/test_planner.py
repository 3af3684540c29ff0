"""Hand cases of the planner: each expected number is derived where it is asserted."""

import json
import pickle
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings

from mpc import Grid, Horizon, Plan, Planner, SchemaError, Site, StateError
from tests.mpc.instances import (
    START,
    floats,
    horizons,
    make_battery,
    make_horizon,
    make_site,
    money_scale,
    sites,
)
from tests.mpc.simulate import assert_physical


@pytest.mark.parametrize(
    ("efficiency", "want_bill"),
    [
        pytest.param(1.0, 2.0 * 0.1, id="lossless: all 2 kWh bought in the cheap slot"),
        pytest.param(0.5, 5.0 * 0.1 + 0.75 * 0.5, id="lossy: 5 kWh charged gives 1.25 kWh"),
    ],
)
def test_cheap_slot_serves_the_dear_one(efficiency: float, want_bill: float) -> None:
    battery = make_battery(
        min_soc_kwh=0.0,
        charge_efficiency=efficiency,
        discharge_efficiency=efficiency,
        wear_cost_per_kwh=0.0,
    )
    plan = Planner(make_site(battery)).plan(
        make_horizon([0.1, 0.5], load_kwh=[0.0, 2.0]), soc_kwh=0.0
    )
    assert plan.bill == pytest.approx(want_bill)
    assert plan.status == "optimal"


def test_wear_and_terminal_value_are_part_of_the_objective() -> None:
    """Stored 5 kWh, worth 0.3 each at the end; the load of 1 kWh costs 1.0 from the grid.

    Discharging 1 kWh takes 1/0.95 stored: wear 0.2, and 0.3/0.95 less at the end; cheaper than 1.0.
    """
    plan = Planner(make_site()).plan(
        make_horizon([1.0], load_kwh=1.0, terminal_value=0.3), soc_kwh=5.0
    )
    assert plan.wear == pytest.approx(0.2)
    assert plan.terminal == pytest.approx(0.3 * (5.0 - 1.0 / 0.95))
    assert plan.bill == 0.0
    assert plan.objective == pytest.approx(plan.bill + plan.wear + plan.penalty - plan.terminal)


def test_zero_is_a_price() -> None:
    """Import at 0 fills the battery for the load at 1."""
    plan = Planner(make_site()).plan(make_horizon([0.0, 1.0], load_kwh=[0.0, 2.0]), soc_kwh=1.0)
    assert plan.bill == pytest.approx(0.0)
    assert plan.charge_kwh[0] >= 2.0 / 0.95**2 - 1e-9


def test_limits_may_differ_from_slot_to_slot() -> None:
    """The battery may charge in the dear first hour only, so that is where it charges."""
    battery = make_battery(
        max_charge_kw=[5.0, 0.0, 5.0],
        max_discharge_kw=[5.0, 5.0, 1.0],
        wear_cost_per_kwh=0.0,
        charge_efficiency=1.0,
        discharge_efficiency=1.0,
    )
    horizon = make_horizon([0.2, 0.1, 1.0], load_kwh=[0.0, 0.0, 2.0])
    plan = Planner(make_site(battery)).plan(horizon, soc_kwh=1.0)
    np.testing.assert_allclose(plan.charge_kwh, [1.0, 0.0, 0.0], atol=1e-9)
    assert plan.discharge_kwh[2] == pytest.approx(1.0)
    assert plan.import_kwh[2] == pytest.approx(1.0)


def test_a_rising_minimum_is_held_as_far_as_the_power_reaches() -> None:
    """10 kWh wanted after two hours at 4 kW * 0.95 from 1 kWh: 8.6 is reached, 1.4 is missing."""
    horizon = make_horizon([1.0, 1.0, 1.0])
    reachable = make_battery(min_soc_kwh=[1.0, 10.0, 1.0])
    plan = Planner(make_site(reachable)).plan(horizon, soc_kwh=1.0)
    assert (plan.soc_kwh[1], plan.violations) == (10.0, ())
    slow = make_battery(min_soc_kwh=[1.0, 10.0, 1.0], max_charge_kw=4.0)
    plan = Planner(make_site(slow)).plan(horizon, soc_kwh=1.0)
    assert plan.soc_kwh[1] == pytest.approx(8.6)
    (missing,) = plan.violations
    assert (missing.limit, missing.slot) == ("min_soc_kwh", 1)
    assert missing.amount_kwh == pytest.approx(1.4)


def test_slots_of_different_length_hold_their_own_energy() -> None:
    """A 6-minute first slot at 5 kW takes 0.5 kWh, an hour takes 5."""
    horizon = Horizon(
        start=START,
        slot_minutes=[6.0, 60.0, 60.0],
        import_price=[0.1, 0.1, 1.0],
        export_price=[0.0] * 3,
        load_kwh=[0.0, 0.0, 5.0],
        pv_kwh=[0.0] * 3,
        terminal_value=0.0,
    )
    plan = Planner(make_site()).plan(horizon, soc_kwh=1.0)
    assert plan.charge_kwh[:2].sum() == pytest.approx(min(5.0 / 0.95**2, 5.5))
    assert plan.charge_kwh[0] <= 0.5
    assert plan.charge_kwh[1] <= 5.0
    assert plan.starts == [START, START + timedelta(minutes=6), START + timedelta(minutes=66)]


@pytest.mark.parametrize(
    ("first", "slots"),
    [
        pytest.param(datetime(2025, 3, 29, 23, tzinfo=UTC), 92, id="spring, 23 h"),
        pytest.param(datetime(2025, 10, 25, 22, tzinfo=UTC), 100, id="autumn, 25 h"),
    ],
)
def test_days_of_23_and_25_hours_are_horizons_of_that_many_slots(
    first: datetime, slots: int
) -> None:
    """Local midnight to local midnight in Stockholm; times come back in the right offsets."""
    horizon = make_horizon(
        [1.0] * slots, 0.5, 0.2, 0.0, start=first, slot_minutes=15, terminal_value=None
    )
    plan = Planner(make_site()).plan(horizon, soc_kwh=5.0)
    assert len(plan) == slots
    assert horizon.end == first + timedelta(minutes=15 * slots)
    clocks = [line[4:14] for line in plan.explain("Europe/Stockholm")]
    assert clocks[0][:5] == "00:00"
    assert clocks[-1][:5] == "23:45"
    assert len(set(clocks)) == slots, "the doubled hour is told apart by its offset"


def test_default_terminal_value_does_not_dump_the_battery() -> None:
    """Two days alike, dear evenings: a plan that ends at noon keeps energy for the next evening.

    Until then a kWh can be bought at 1.2, and before that at night for 1.0: both cost less, stored,
    than the evening saves, 0.95 * (3.0 - 0.2), so the night fills the battery for later.
    """
    day = np.array([1.2] * 6 + [3.0] * 4 + [1.0] * 8 + [1.2] * 6)
    two_days = np.tile(day, 2)
    plan = Planner(make_site()).plan(
        make_horizon(two_days, 0.3, 0.8, terminal_value=None), soc_kwh=5.0
    )
    dumped = Planner(make_site()).plan(make_horizon(two_days, 0.3, 0.8), soc_kwh=5.0)
    assert dumped.soc_kwh[-1] == pytest.approx(1.0)
    assert plan.soc_kwh[-1] == pytest.approx(1.0 + 4 * 0.8 / 0.95, abs=0.9)
    # nothing is hoarded: no kWh is worth more than storing it at 1.2 before the evening
    assert plan.terminal_curve[0][1] == pytest.approx(1.2 / 0.95)


def test_start_below_the_minimum_at_the_peak_buys_nothing() -> None:
    """SoC 14.9 % against 15 %: the grid serves the evening peak, the climb waits for the night."""
    battery = make_battery(capacity_kwh=34.0, min_soc_kwh=5.1, max_soc_kwh=32.3)
    horizon = make_horizon([3.0, 3.0, 0.5, 0.5, 3.0], load_kwh=[1.0, 1.0, 0.5, 0.5, 2.0])
    plan = Planner(make_site(battery)).plan(horizon, soc_kwh=0.149 * 34.0)
    assert plan.status == "optimal"
    assert plan.charge_kwh[:2].tolist() == [0.0, 0.0]
    assert plan.discharge_kwh[:2].tolist() == [0.0, 0.0]
    assert plan.charge_kwh[2:4].sum() > 0.0
    assert plan.discharge_kwh[4] == pytest.approx(2.0)
    assert {(v.limit, v.slot) for v in plan.violations} >= {("min_soc_kwh", 0), ("min_soc_kwh", 1)}
    assert plan.penalty == 0.0


def test_recovery_price_buys_the_climb_in_the_cheapest_slot() -> None:
    """From 0 to 1 kWh takes 1/0.95 kWh; a recovery price of 0.6 buys it at 0.5, not at 3."""
    horizon = make_horizon([3.0, 0.5, 3.0])
    without = Planner(make_site()).plan(horizon, soc_kwh=0.0)
    assert without.charge_kwh.tolist() == [0.0, 0.0, 0.0]
    plan = Planner(make_site(recovery_price_per_kwh=0.6)).plan(horizon, soc_kwh=0.0)
    np.testing.assert_allclose(plan.charge_kwh, [0.0, 1.0 / 0.95, 0.0], atol=1e-9)
    assert plan.bill == pytest.approx(0.5 / 0.95)


def test_start_above_the_maximum_discharges_at_its_own_time_and_never_charges() -> None:
    """9.5 kWh against a maximum of 8: free PV is not stored; the peak takes what it needs."""
    battery = make_battery(max_soc_kwh=8.0)
    horizon = make_horizon([0.1, 0.1, 2.0], load_kwh=[0.0, 0.0, 4.0], pv_kwh=[2.0, 0.0, 0.0])
    plan = Planner(make_site(battery)).plan(horizon, soc_kwh=9.5)
    assert plan.charge_kwh.tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(plan.discharge_kwh, [0.0, 0.0, 4.0], atol=1e-9)
    assert {v.limit for v in plan.violations} == {"max_soc_kwh"}


def test_load_above_the_fuse_still_gives_a_plan_and_says_by_how_much() -> None:
    """Load 15 and 20 behind a fuse of 11, battery empty: 4 and 9 kWh too much; full: served."""
    plan = Planner(make_site()).plan(make_horizon([1.0, 1.0], load_kwh=[15.0, 20.0]), soc_kwh=1.0)
    assert plan.import_kwh[0] == pytest.approx(15.0)
    over = {v.slot: v.amount_kwh for v in plan.violations if v.limit == "max_import_kw"}
    assert over == {0: pytest.approx(4.0), 1: pytest.approx(9.0)}
    assert plan.penalty == pytest.approx(100.0 * 13.0)  # 100 times the highest price, 1.0
    full = Planner(make_site()).plan(make_horizon([1.0], load_kwh=[15.0]), soc_kwh=10.0)
    assert full.import_kwh[0] <= 11.0
    assert full.violations == ()


def test_soft_import_limit_is_paid_above_and_reported() -> None:
    """3 kWh needed, 2 kW planned: the third kWh costs 0.7 more, which is penalty, not bill."""
    site = make_site(
        make_battery(capacity_kwh=0.0, min_soc_kwh=0.0, max_soc_kwh=0.0),
        planning_import_kw=2.0,
        planning_import_price_per_kwh=0.7,
    )
    plan = Planner(site).plan(make_horizon([1.0], load_kwh=3.0), soc_kwh=0.0)
    assert plan.bill == pytest.approx(3.0)
    assert plan.penalty == pytest.approx(0.7)
    assert [(v.limit, v.slot) for v in plan.violations] == [("planning_import_kw", 0)]


def test_reserve_is_priced_not_absolute() -> None:
    """Reserve 6 kWh at 0.5: broken for a gain of 0.95 * (3 - 0.2), kept against 0.95 * 0.3."""
    site = make_site(reserve_soc_kwh=6.0, reserve_price_per_kwh=0.5)
    kept = Planner(site).plan(make_horizon([0.5], load_kwh=1.0), soc_kwh=6.0)
    assert kept.discharge_kwh[0] == 0.0
    broken = Planner(site).plan(make_horizon([3.0], load_kwh=1.0), soc_kwh=6.0)
    assert broken.discharge_kwh[0] == pytest.approx(1.0)
    assert broken.penalty == pytest.approx(0.5 / 0.95)


def test_export_margin_steers_and_is_no_part_of_the_bill() -> None:
    """Exporting brings 1.0 - 0.2 wear = 0.8 a kWh: done at a margin of 0.7, not at 0.9."""
    horizon = make_horizon([2.0], export_price=1.0)
    low = Planner(make_site(export_margin_per_kwh=0.7)).plan(horizon, soc_kwh=6.0)
    high = Planner(make_site(export_margin_per_kwh=0.9)).plan(horizon, soc_kwh=6.0)
    assert low.export_kwh[0] == pytest.approx(0.95 * 5.0)
    assert low.bill == pytest.approx(-0.95 * 5.0)
    assert high.export_kwh[0] == 0.0


def test_fuse_headroom_limits_grid_charging_only() -> None:
    """Fuse 11, load 4, headroom 4: 3 kW left for charging, though the battery could take 5."""
    site = make_site(fuse_headroom_kw=4.0)
    horizon = make_horizon([0.1, 2.0], load_kwh=[4.0, 5.0])
    assert Planner(site).plan(horizon, soc_kwh=1.0).charge_kwh[0] == pytest.approx(3.0)
    sunny = make_horizon([0.1, 2.0], load_kwh=[0.0, 5.0], pv_kwh=[12.0, 0.0])
    assert Planner(site).plan(sunny, soc_kwh=1.0).charge_kwh[0] == pytest.approx(5.0)


def test_battery_export_and_curtailment_can_be_forbidden() -> None:
    selling = make_horizon([1.0], export_price=2.0, load_kwh=1.0)
    plan = Planner(make_site(allow_battery_export=False)).plan(selling, soc_kwh=8.0)
    assert plan.discharge_kwh[0] == pytest.approx(1.0)
    assert plan.export_kwh[0] == 0.0
    negative = make_horizon([1.0], export_price=-0.5, pv_kwh=2.0)
    full = Planner(make_site()).plan(negative, soc_kwh=10.0)
    assert full.curtail_kwh[0] == pytest.approx(2.0)
    assert full.export_kwh[0] == 0.0
    forced = Planner(make_site(pv_curtailable=False)).plan(negative, soc_kwh=10.0)
    assert forced.curtail_kwh[0] == 0.0
    assert forced.bill == pytest.approx(1.0)


def test_cold_plans_are_byte_identical_whatever_was_planned_before() -> None:
    rng = np.random.default_rng(0)
    horizon = make_horizon(
        rng.uniform(0, 2, 96), rng.uniform(0, 1, 96), 0.5, 0.7, terminal_value=None
    )
    planner = Planner(make_site())
    first = planner.plan(horizon, soc_kwh=5.0)
    other = make_horizon([2.0, 1.0, 3.0], export_price=4.0)
    planner.plan(other, soc_kwh=3.0, previous=planner.plan(horizon, soc_kwh=2.0))
    assert planner.plan(horizon, soc_kwh=5.0).to_json() == first.to_json()
    assert Planner(make_site()).plan(horizon, soc_kwh=5.0).to_json() == first.to_json()


def test_a_chain_of_warm_plans_costs_what_cold_plans_cost() -> None:
    """The horizon moves on by one slot at a time, also by three, and back again."""
    rng = np.random.default_rng(5)
    total = 160
    buy, load = rng.uniform(0.2, 2.0, total), rng.uniform(0.0, 0.6, total)
    pv = np.maximum(rng.normal(0.1, 0.5, total), 0.0)
    site = make_site(reserve_soc_kwh=2.0, reserve_price_per_kwh=0.1)
    planner, previous, soc = Planner(site), None, 5.0
    for at in [*range(40), 43, 46, 49, 20, 21]:
        window = slice(at, at + 96)
        horizon = make_horizon(
            buy[window],
            0.5 * buy[window],
            load[window],
            pv[window],
            start=START + timedelta(minutes=15 * at),
            slot_minutes=15,
            terminal_value=None,
        )
        plan = planner.plan(horizon, soc, previous)
        cold = Planner(site).plan(horizon, soc)
        assert plan.objective == pytest.approx(cold.objective, abs=1e-7 * money_scale(cold))
        assert_physical(plan, site)
        previous, soc = plan, float(plan.soc_kwh[0])


@settings(max_examples=60, deadline=None)
@given(site=sites(), first=horizons(), second=horizons(), share=floats(0.0, 1.0))
def test_any_previous_plan_changes_nothing_about_the_cost(
    site: Site, first: Horizon, second: Horizon, share: float
) -> None:
    planner, soc = Planner(site), share * site.battery.capacity_kwh
    previous = planner.plan(first, soc)
    warm, cold = planner.plan(second, soc, previous), Planner(site).plan(second, soc)
    assert warm.objective == pytest.approx(cold.objective, abs=1e-6 * money_scale(cold))


def some_plan() -> Plan:
    """A plan with a violation, so that every field carries something."""
    horizon = make_horizon([0.1, 1 / 3], 0.05, [1.0, 25.0], [0.2, 0.0], terminal_value=None)
    return Planner(make_site()).plan(horizon, soc_kwh=1.5)


def test_plan_survives_json_to_the_last_bit() -> None:
    plan = some_plan()
    assert plan.violations
    back = Plan.from_json(plan.to_json())
    assert back.to_json() == plan.to_json()
    assert back.start == plan.start
    assert back.violations == plan.violations
    np.testing.assert_array_equal(back.energy_value, plan.energy_value)
    assert json.loads(plan.to_json())["schema"] == "darkstar.plan/1"


def test_plan_survives_pickling_without_its_warm_start() -> None:
    plan = some_plan()
    back = pickle.loads(pickle.dumps(plan))  # noqa: S301 - our own bytes
    assert back.to_json() == plan.to_json()
    assert back.warm is None
    again = Planner(make_site()).plan(make_horizon([0.1]), 1.5, previous=back)
    assert again.status == "optimal"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "text that is no JSON"),
        ("[]", "plan schema is 'list'"),
        ('{"schema": "darkstar.plan/0"}', "plan schema is 'darkstar.plan/0', want"),
        ('{"schema": "darkstar.plan/1"}', "missing or unknown"),
    ],
)
def test_damaged_plans_are_refused(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Plan.from_json(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bill": float("nan")}, "numbers that are not finite"),
        ({"start": "2025-08-01T00:00:00"}, "a start without a time zone"),
        ({"violations": [{"limit": "x", "slot": None, "amount_kwh": 1, "cost": 1}]}, "damaged"),
        ({"soc_kwh": [1.0, float("nan")]}, "series that are not finite"),
    ],
)
def test_plans_with_impossible_values_are_refused(change: dict[str, object], message: str) -> None:
    saved = json.loads(some_plan().to_json()) | change
    with pytest.raises(SchemaError, match=message):
        Plan.from_json(json.dumps(saved))


def test_plan_with_a_series_cut_short_is_refused() -> None:
    saved = json.loads(some_plan().to_json())
    saved["soc_kwh"].pop()
    with pytest.raises(SchemaError, match="series of different lengths"):
        Plan.from_json(json.dumps(saved))


def test_frame_has_one_row_per_slot_indexed_by_utc() -> None:
    plan = some_plan()
    frame = plan.to_frame()
    assert list(frame.index) == plan.starts
    assert frame["soc_kwh"].tolist() == plan.soc_kwh.tolist()
    assert {"charge_kwh", "energy_value", "energy_value_up", "import_price"} <= set(frame.columns)


def test_plan_is_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        some_plan().charge_kwh[0] = 1.0


def test_explain_names_price_and_value() -> None:
    horizon = make_horizon([0.1, 2.0], 0.05, [0.5, 2.0], terminal_value=0.0)
    lines = Planner(make_site()).plan(horizon, soc_kwh=1.0).explain()
    assert len(lines) == 2
    # stored at 0.1 / 0.95 = 0.105; a stored kWh serves the load at 0.95 * (2.0 - 0.2) = 1.71
    assert "charge" in lines[0]
    assert "from the grid at 0.100: stored it costs 0.105" in lines[0]
    assert "instead of importing at 2.000: a stored kWh brings 1.710 now" in lines[1]


def test_infinite_limits_and_a_fuse_of_zero_are_planned() -> None:
    site = make_site(grid=Grid(max_import_kw=0.0, max_export_kw=0.0))
    plan = Planner(site).plan(make_horizon([1.0], load_kwh=3.0), soc_kwh=2.0)
    assert plan.discharge_kwh[0] == pytest.approx(0.95)
    assert plan.violations[0].amount_kwh == pytest.approx(3.0 - 0.95)


def test_a_reading_slightly_above_capacity_is_planned_a_percentage_is_not() -> None:
    plan = Planner(make_site()).plan(make_horizon([1.0], load_kwh=3.0), soc_kwh=10.2)
    assert plan.status == "optimal"
    with pytest.raises(StateError, match="not a percent"):
        Planner(make_site()).plan(make_horizon([1.0]), soc_kwh=50.0)
