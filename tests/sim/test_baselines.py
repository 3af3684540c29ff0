"""What a house pays without a plan, by hand and against the plan."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import Battery, Grid, Horizon, Plan, Planner, Site, TerminalCurve
from sim.baselines import Outcome, cost_of_plan, no_battery, self_use
from tests.mpc.instances import floats, horizons, make_battery, make_horizon, make_site, sites

WORTHLESS = TerminalCurve.of(0.0)
POLICIES = pytest.mark.parametrize("policy", [no_battery, self_use])


def flows(outcome: Outcome) -> dict[str, list[float]]:
    names = ("charge", "discharge", "import", "export", "curtail", "soc")
    return {name: getattr(outcome, f"{name}_kwh").tolist() for name in names}


# By hand; slots of an hour, battery 1 to 10 kWh, 5 kW, 0.95 each way, wear 0.2


def test_without_battery_the_net_load_is_bought_and_sold() -> None:
    horizon = make_horizon([1.0, 2.0], [0.4, 0.5], load_kwh=[3.0, 1.0], pv_kwh=[1.0, 5.0])
    found = no_battery(make_site(), horizon, 6.0, TerminalCurve.of(0.7))
    assert flows(found) == {
        "charge": [0.0, 0.0],
        "discharge": [0.0, 0.0],
        "import": [2.0, 0.0],
        "export": [0.0, 4.0],
        "curtail": [0.0, 0.0],
        "soc": [6.0, 6.0],
    }
    # 2 kWh at 1.0 minus 4 kWh at 0.5; the battery rests, so its worth does not change.
    assert (found.bill, found.wear, found.cost) == (2.0 * 1.0 - 4.0 * 0.5, 0.0, 0.0)


def test_self_use_stores_surplus_and_serves_load() -> None:
    horizon = make_horizon([1.0, 2.0], 0.5, load_kwh=[1.0, 2.0], pv_kwh=[4.0, 0.0])
    found = self_use(make_site(), horizon, 1.0, TerminalCurve.of(0.7))
    # 3 kWh of surplus are stored as 2.85; 2 kWh of load take 2 / 0.95 of them.
    left = 1.0 + 2.85 - 2.0 / 0.95
    assert found.charge_kwh.tolist() == [3.0, 0.0]
    assert found.discharge_kwh.tolist() == [0.0, 2.0]
    assert found.soc_kwh == pytest.approx([3.85, left])
    assert found.import_kwh.tolist() == found.export_kwh.tolist() == [0.0, 0.0]
    assert found.bill == 0.0
    assert found.wear == pytest.approx(2.0 * 0.2)
    assert found.cost == pytest.approx(0.4 - 0.7 * (left - 1.0))


@pytest.mark.parametrize(
    ("start", "load", "pv", "want"),
    [
        pytest.param(5.0, 0.0, 7.0, {"charge": 5.0, "export": 2.0}, id="charge power"),
        pytest.param(9.05, 0.0, 3.0, {"charge": 1.0, "export": 2.0}, id="room: 0.95 / 0.95"),
        pytest.param(10.0, 0.0, 3.0, {"export": 3.0}, id="full"),
        pytest.param(10.0, 7.0, 0.0, {"discharge": 5.0, "import": 2.0}, id="discharge power"),
        pytest.param(3.0, 4.0, 0.0, {"discharge": 1.9, "import": 2.1}, id="usable: 2 * 0.95"),
        pytest.param(1.0, 4.0, 0.0, {"import": 4.0}, id="empty"),
        pytest.param(0.4, 4.0, 0.0, {"import": 4.0}, id="below the minimum"),
        pytest.param(10.2, 0.0, 2.0, {"export": 2.0}, id="above the maximum"),
        pytest.param(5.0, 0.0, 17.0, {"charge": 5.0, "export": 10.0, "curtail": 2.0}, id="grid"),
    ],
)
def test_self_use_within_the_limits(
    start: float, load: float, pv: float, want: dict[str, float]
) -> None:
    horizon = make_horizon([1.0], 0.5, load_kwh=[load], pv_kwh=[pv])
    found = flows(self_use(make_site(), horizon, start, WORTHLESS))
    nothing = {"charge": 0.0, "discharge": 0.0, "import": 0.0, "export": 0.0, "curtail": 0.0}
    after = start + 0.95 * want.get("charge", 0.0) - want.get("discharge", 0.0) / 0.95
    for name, value in (nothing | want | {"soc": after}).items():
        assert found[name] == pytest.approx([value], abs=1e-12), name


def test_power_limits_are_those_of_the_slot_length() -> None:
    horizon = make_horizon([1.0], 0.5, pv_kwh=[3.0], slot_minutes=15)
    # 5 kW for a quarter of an hour are 1.25 kWh, 10 kW of export 2.5 kWh.
    found = self_use(make_site(), horizon, 5.0, WORTHLESS)
    assert (found.charge_kwh[0], found.export_kwh[0]) == (1.25, 1.75)
    assert no_battery(make_site(), horizon, 5.0, WORTHLESS).curtail_kwh[0] == 0.5


def test_a_start_below_the_minimum_climbs_on_surplus_alone() -> None:
    horizon = make_horizon([1.0] * 4, 0.5, load_kwh=[2.0, 0.0, 2.0, 2.0], pv_kwh=[0.0, 0.5, 0, 4.0])
    found = self_use(make_site(), horizon, 0.4, WORTHLESS)
    # 0.5 kWh lift it to 0.875, still below 1: nothing is given. Then 2 kWh come in.
    assert found.soc_kwh == pytest.approx([0.4, 0.875, 0.875, 0.875 + 1.9])
    assert not found.discharge_kwh.any()


def test_limits_may_differ_from_slot_to_slot() -> None:
    battery = make_battery(max_charge_kw=np.array([1.0, 2.0]), max_soc_kwh=np.array([10.0, 6.0]))
    horizon = make_horizon([1.0, 1.0], 0.5, pv_kwh=[3.0, 3.0])
    found = self_use(make_site(battery), horizon, 5.0, WORTHLESS)
    # One kWh, stored as 0.95; then room for 0.05 stored kWh.
    assert found.charge_kwh == pytest.approx([1.0, 0.05 / 0.95])


@POLICIES
def test_what_costs_money_to_export_is_curtailed_if_it_may_be(policy: Any) -> None:
    horizon = make_horizon([1.0], [-0.3], pv_kwh=[2.0])
    full = make_site(make_battery(max_charge_kw=0.0))
    assert policy(full, horizon, 5.0, WORTHLESS).cost == 0.0
    bound = make_site(make_battery(max_charge_kw=0.0), pv_curtailable=False)
    assert policy(bound, horizon, 5.0, WORTHLESS).cost == pytest.approx(2.0 * 0.3)


def test_self_use_is_blind_to_prices() -> None:
    facts = {"load_kwh": [1.0, 2.0, 0.5], "pv_kwh": [4.0, 0.0, 0.0]}
    dear = self_use(make_site(), make_horizon([1.0, 9.0, 0.1], 0.5, **facts), 2.0, WORTHLESS)
    cheap = self_use(make_site(), make_horizon([0.0, 0.1, 9.0], 0.0, **facts), 2.0, WORTHLESS)
    np.testing.assert_array_equal(dear.soc_kwh, cheap.soc_kwh)


# Whatever the house


@POLICIES
@settings(max_examples=50)
@given(site=sites(), horizon=horizons(), share=floats(0.0, 1.0))
def test_energy_is_conserved(policy: Any, site: Site, horizon: Horizon, share: float) -> None:
    battery, start = site.battery, share * site.battery.capacity_kwh
    found = policy(site, horizon, start, WORTHLESS)
    pv = np.asarray(horizon.pv_kwh)
    np.testing.assert_allclose(
        found.import_kwh - found.export_kwh,
        horizon.net_load_kwh + found.curtail_kwh + found.charge_kwh - found.discharge_kwh,
        atol=1e-9,
    )
    stored = battery.charge_efficiency * found.charge_kwh
    stored = stored - found.discharge_kwh / battery.discharge_efficiency
    np.testing.assert_allclose(found.soc_kwh, start + np.cumsum(stored), atol=1e-9)
    for flow in flows(found).values():
        assert min(flow) >= 0.0
    assert (np.minimum(found.import_kwh, found.export_kwh) == 0.0).all()
    assert (np.minimum(found.charge_kwh, found.discharge_kwh) == 0.0).all()
    assert (found.curtail_kwh <= pv).all()
    low, high = float(np.asarray(battery.min_soc_kwh)), float(np.asarray(battery.max_soc_kwh))
    assert found.soc_kwh.min() >= min(low, start) - 1e-9
    assert found.soc_kwh.max() <= max(high, start) + 1e-9
    hours = horizon.slot_hours
    assert (found.charge_kwh <= np.asarray(battery.max_charge_kw) * hours).all()
    assert (found.discharge_kwh <= np.asarray(battery.max_discharge_kw) * hours).all()


@settings(max_examples=50)
@given(site=sites(), horizon=horizons(), share=floats(0.0, 1.0))
def test_self_use_neither_buys_to_store_nor_sells_from_store(
    site: Site, horizon: Horizon, share: float
) -> None:
    found = self_use(site, horizon, share * site.battery.capacity_kwh, WORTHLESS)
    surplus = np.maximum(-horizon.net_load_kwh, 0.0)
    assert (found.charge_kwh <= surplus).all()
    assert (found.discharge_kwh <= np.maximum(horizon.net_load_kwh, 0.0)).all()


@POLICIES
@settings(max_examples=50)
@given(site=sites(), horizon=horizons(), share=floats(0.0, 1.0))
def test_cost_is_bill_and_wear_less_what_was_gained(
    policy: Any, site: Site, horizon: Horizon, share: float
) -> None:
    start, curve = share * site.battery.capacity_kwh, TerminalCurve.of([(0.0, 1.5), (4.0, 0.5)])
    found = policy(site, horizon, start, curve)

    def worth(kwh: float) -> float:
        return 1.5 * min(kwh, 4.0) + 0.5 * max(kwh - 4.0, 0.0)

    prices = np.asarray(horizon.import_price), np.asarray(horizon.export_price)
    bill = float(prices[0] @ found.import_kwh - prices[1] @ found.export_kwh)
    assert found.bill == pytest.approx(bill, abs=1e-9)
    wear = site.battery.wear_cost_per_kwh * float(found.discharge_kwh.sum())
    assert found.wear == pytest.approx(wear, abs=1e-9)
    gained = worth(float(found.soc_kwh[-1])) - worth(start)
    assert found.cost == pytest.approx(bill + wear - gained, abs=1e-9)


# Against the plan


@st.composite
def free_sites(draw: st.DrawFn) -> Site:
    """Batteries of all kinds behind a grid that never binds; no option that costs softly."""
    battery: Battery = draw(sites(options=False)).battery
    return make_site(
        battery,
        Grid(max_import_kw=1000.0, max_export_kw=1000.0),
        pv_curtailable=draw(st.booleans()),
        allow_grid_charge=draw(st.booleans()),
        allow_battery_export=draw(st.booleans()),
    )


def objective_of(outcome: Outcome, start: float, curve: TerminalCurve) -> float:
    """Bill plus wear minus the worth of what is left: what a plan minimises."""
    return outcome.cost - curve.value(start)


@given(
    site=free_sites(),
    horizon=st.one_of(horizons(sane=True), horizons()),
    share=st.one_of(floats(0.0, 1.0), st.sampled_from([0.0, 0.05, 1.0])),
)
def test_no_plan_costs_more_than_doing_without(site: Site, horizon: Horizon, share: float) -> None:
    start = share * site.battery.capacity_kwh
    plan = Planner(site).plan(horizon, start)
    curve = TerminalCurve.of(plan.terminal_curve)
    # A start below the minimum is reported, and costs nothing.
    assert all(v.cost == 0.0 for v in plan.violations)
    for policy in (no_battery, self_use):
        outcome = policy(site, horizon, start, curve)
        assert plan.objective <= objective_of(outcome, start, curve) + 1e-6, policy.__name__
        assert cost_of_plan(plan, curve) <= outcome.cost + 1e-6, policy.__name__


@settings(max_examples=20)
@given(start=floats(0.0, 10.0), seed=st.integers(0, 10_000))
def test_no_day_of_quarters_costs_more_than_doing_without(start: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    buy = rng.uniform(0.1, 3.0, 96)
    pv = np.maximum(np.sin(np.linspace(-np.pi / 2, 1.5 * np.pi, 96)), 0.0) * rng.uniform(0.0, 2.0)
    horizon = make_horizon(
        buy, 0.6 * buy, rng.uniform(0.0, 1.0, 96), pv, slot_minutes=15, terminal_value=None
    )
    plan = Planner(make_site()).plan(horizon, start)
    curve = TerminalCurve.of(plan.terminal_curve)
    for policy in (no_battery, self_use):
        outcome = policy(make_site(), horizon, start, curve)
        assert cost_of_plan(plan, curve) <= outcome.cost + 1e-6


def test_cost_of_a_plan_by_hand() -> None:
    # 5 kWh bought at 0.1 become 4.75; 2 kWh of load are served, the rest is worth 0.3 a kWh.
    horizon = make_horizon([0.1, 2.0], 0.0, load_kwh=[0.0, 2.0], terminal_value=0.3)
    plan = Planner(make_site()).plan(horizon, soc_kwh=1.0)
    left = 1.0 + 4.75 - 2.0 / 0.95
    assert plan.soc_kwh == pytest.approx([5.75, left])
    want = 5.0 * 0.1 + 2.0 * 0.2 - 0.3 * (left - 1.0)
    assert cost_of_plan(plan, TerminalCurve.of(0.3)) == pytest.approx(want)
    assert plan.objective == pytest.approx(want - 0.3 * 1.0)


@settings(max_examples=50)
@given(site=sites(), horizon=horizons(), share=floats(0.0, 1.0))
def test_cost_of_a_plan_is_its_objective_on_another_footing(
    site: Site, horizon: Horizon, share: float
) -> None:
    """Without penalties and steering, and with the start's worth taken off."""
    start = share * site.battery.capacity_kwh
    plan: Plan = Planner(site).plan(horizon, start)
    curve = TerminalCurve.of(plan.terminal_curve)
    want = plan.objective - plan.penalty + curve.value(start)
    assert cost_of_plan(plan, curve) == pytest.approx(want, abs=1e-7)
    assert plan.start + timedelta(minutes=float(plan.slot_minutes.sum())) == horizon.end
