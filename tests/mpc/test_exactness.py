"""Prices under which a linear program cheats; plans that must not."""

from typing import Any

import numpy as np
import pytest

from mpc import Grid, Horizon, Plan, Planner
from tests.mpc.instances import make_battery, make_horizon, make_site
from tests.mpc.simulate import assert_physical


def test_export_above_import_is_no_money_machine() -> None:
    """1 kWh load, no PV: a cheating program would import 11 and export 10 kWh."""
    site = make_site(battery=make_battery(capacity_kwh=0.0, min_soc_kwh=0.0, max_soc_kwh=0.0))
    plan = Planner(site).plan(make_horizon([1.0], export_price=5.0, load_kwh=1.0), soc_kwh=0.0)
    assert plan.import_kwh.tolist() == [1.0]
    assert plan.export_kwh.tolist() == [0.0]
    assert (plan.bill, plan.status, plan.gap) == (1.0, "optimal", 0.0)


def test_deeply_negative_price_does_not_burn_energy_in_the_battery() -> None:
    """At -3 a program would charge and discharge at once; a battery can only do one.

    eta = 0.9025, wear 0.2: the threshold is -0.2 * 0.9025 / 0.0975 = -1.85. From 5 kWh stored, one
    hour: charging 5 kWh at -3 earns 15; the full 11 kWh of the fuse are out of reach.
    """
    plan = Planner(make_site()).plan(make_horizon([-3.0], export_price=-3.0), soc_kwh=5.0)
    assert plan.charge_kwh.tolist() == [5.0]
    assert plan.discharge_kwh.tolist() == [0.0]
    assert plan.bill == pytest.approx(-15.0)


def test_charging_while_exporting_pv_is_legitimate() -> None:
    """8 kWh of PV, 5 kW of battery: 5 stored, 3 exported, in the same slot."""
    horizon = make_horizon([1.0, 3.0], export_price=[0.1, 0.1], load_kwh=[0, 4.0], pv_kwh=[8.0, 0])
    plan = Planner(make_site()).plan(horizon, soc_kwh=1.0)
    assert plan.charge_kwh[0] > 4.0
    assert plan.export_kwh[0] > 2.5
    assert plan.status == "optimal"


def test_forbidden_grid_charge_is_not_circumvented_by_curtailing_pv() -> None:
    """Import pays 1 and PV could be curtailed: but then the charge would come from the grid."""
    site = make_site(allow_grid_charge=False)
    horizon = make_horizon([-1.0], export_price=0.0, pv_kwh=0.25)
    plan = Planner(site).plan(horizon, soc_kwh=5.0)
    assert plan.import_kwh[0] * plan.charge_kwh[0] == 0.0
    assert plan.objective == pytest.approx(0.0)


def test_pv_that_may_not_be_curtailed_nor_exported_is_not_burned_twice() -> None:
    """3 kWh PV, export limit 1, battery full: 2 kWh too many, and no burning them."""
    site = make_site(grid=Grid(max_import_kw=11.0, max_export_kw=1.0), pv_curtailable=False)
    plan = Planner(site).plan(make_horizon([1.0], pv_kwh=3.0), soc_kwh=10.0)
    assert_physical(plan, site)
    assert {v.limit for v in plan.violations} == {"max_export_kw"}
    assert sum(v.amount_kwh for v in plan.violations) == pytest.approx(2.0)


ADVERSARIAL = {
    "all zero": (0.0, 0.0),
    "all equal": (1.0, 1.0),
    "all negative": (-1.0, -1.0),
    "below the burning threshold": (-5.0, -5.0),
    "export above import": (1.0, 2.0),
}


@pytest.mark.parametrize("case", ADVERSARIAL, ids=str)
def test_two_days_of_adversarial_prices_give_a_certified_physical_plan(case: str) -> None:
    """192 flat slots, the worst symmetry a search can meet: a gap is allowed, known in money."""
    buy, sell = ADVERSARIAL[case]
    rng = np.random.default_rng(1)
    site = make_site()
    horizon = make_horizon(
        [buy] * 192,
        sell,
        load_kwh=rng.uniform(0.1, 0.5, 192),
        pv_kwh=rng.uniform(0.0, 0.8, 192),
        slot_minutes=15,
    )
    plan = Planner(site, max_nodes=20).plan(horizon, soc_kwh=5.0)
    assert_physical(plan, site)
    assert plan.status == ("optimal" if plan.gap == 0.0 else "feasible")
    assert plan.gap <= 1.0  # SEK, of a plan that moves hundreds


def test_a_search_without_nodes_still_gives_a_plan_with_its_gap() -> None:
    """No nodes at all: the netted relaxation is the plan, and the bound is honest about it."""
    rng = np.random.default_rng(2)
    horizon = make_horizon(rng.normal(0.0, 2.0, 48), rng.normal(0.0, 2.0, 48), 0.5, 0.5)
    site = make_site()
    plan = Planner(site, max_nodes=0).plan(horizon, soc_kwh=5.0)
    best = Planner(site).plan(horizon, soc_kwh=5.0)
    assert_physical(plan, site)
    assert best.status == "optimal"
    assert plan.objective - plan.gap <= best.objective + 1e-6 <= plan.objective + 2e-6


def test_random_wild_prices_are_planned_to_the_optimum() -> None:
    rng = np.random.default_rng(3)
    site = make_site()
    horizon = make_horizon(
        rng.normal(0.0, 3.0, 192), rng.normal(0.0, 3.0, 192), 0.3, 0.3, slot_minutes=15
    )
    plan = Planner(site).plan(horizon, soc_kwh=5.0)
    assert_physical(plan, site)
    assert (plan.status, plan.gap) == ("optimal", 0.0)


@pytest.mark.parametrize(
    ("battery", "horizon"),
    [
        pytest.param(
            {},
            make_horizon([-1.0, 0.2], [0.0, 0.5], [0.0, 2.0], [3.0, 0.0]),
            id="PV was curtailed to charge from the grid",
        ),
        pytest.param(
            {"min_soc_kwh": [1.0, 3.0], "wear_cost_per_kwh": 0.0},
            make_horizon([1.0, -1.0], 0.0, 0.0, [0.0, 4.0]),
            id="a rising minimum needs that charge",
        ),
    ],
)
def test_forbidden_grid_charge_always_has_a_plan(battery: dict[str, Any], horizon: Horizon) -> None:
    site = make_site(make_battery(**battery), allow_grid_charge=False)
    plan = Planner(site).plan(horizon, soc_kwh=1.0)
    assert_physical(plan, site)
    assert plan.status == "optimal"


@pytest.mark.parametrize("soc", [5.0, 0.5])
def test_a_search_without_nodes_has_a_finite_gap_and_can_be_saved(soc: float) -> None:
    """The relaxation bounds the optimum even where branch and bound proved nothing."""
    horizon = make_horizon([1.0] * 24, 1.5, 0.5, 0.8)
    plan = Planner(make_site(), max_nodes=0).plan(horizon, soc_kwh=soc)
    assert np.isfinite(plan.gap)
    assert Plan.from_json(plan.to_json()).gap == plan.gap


def test_penalties_stay_above_the_prices_of_the_options() -> None:
    """A soft limit at 540 a kWh (a power fee) must not make breaking the fuse the cheaper way."""
    soft = make_site(planning_import_kw=2.0, planning_import_price_per_kwh=540.0)
    plan = Planner(soft).plan(make_horizon([0.5, 0.5], 0.0, [15.0, 5.0]), soc_kwh=6.0)
    assert plan.status == "optimal"
    assert "max_import_kw" not in {v.limit for v in plan.violations}
    reserve = make_site(reserve_soc_kwh=9.0, reserve_price_per_kwh=500.0)
    plan = Planner(reserve).plan(make_horizon([0.5, 0.5], 0.0, [10.0, 15.0]), soc_kwh=1.0)
    over = {v.slot: v.amount_kwh for v in plan.violations if v.limit == "max_import_kw"}
    # 1 kWh of room in hour 0 stores 0.95 kWh, which gives back 0.9025 of the 4 kWh too many
    assert over == {1: pytest.approx(4.0 - 0.9025)}


def test_recovery_is_charged_only_for_a_start_below_the_minimum() -> None:
    """A minimum the battery cannot reach in time is reported, and costs nothing by itself."""
    battery = make_battery(min_soc_kwh=[1.0, 10.0], max_charge_kw=4.0)
    plan = Planner(make_site(battery, recovery_price_per_kwh=0.5)).plan(
        make_horizon([1.0, 1.0]), soc_kwh=1.0
    )
    assert (plan.status, plan.penalty) == ("optimal", 0.0)
    assert plan.bill == pytest.approx(8.0)
    assert [v.limit for v in plan.violations] == ["min_soc_kwh"]


def test_a_start_that_misses_the_window_by_rounding_is_at_its_bound() -> None:
    """No search for the way back into the window: both sides of the energy value are told."""
    horizon = make_horizon([0.3, 1.0], load_kwh=[0.0, 2.0])
    exact = Planner(make_site()).plan(horizon, soc_kwh=1.0)
    for soc in (1.0 - 1e-10, np.nextafter(1.0, 0.0)):
        plan = Planner(make_site()).plan(horizon, soc_kwh=float(soc))
        assert plan.soc_start_kwh == 1.0
        np.testing.assert_array_equal(plan.energy_value_up, exact.energy_value_up)
        np.testing.assert_array_equal(plan.energy_value_down, exact.energy_value_down)
