"""The production program against models written independently in Pyomo and cvxpy."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpc import Horizon, Plan, Planner, Site
from tests.mpc.instances import (
    floats,
    horizons,
    make_horizon,
    make_site,
    money_scale,
    penalty_of,
    sites,
)
from tests.mpc.simulate import assert_physical, simulate

reference = pytest.importorskip("mpc.reference", reason="install the extra `reference`")

MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


def start_of(site: Site, share: float, *, anywhere: bool) -> float:
    """A start inside the window, or anywhere in the battery."""
    battery = site.battery
    if anywhere:
        return share * battery.capacity_kwh
    low, high = battery.min_soc_kwh, battery.max_soc_kwh
    assert isinstance(low, float)
    assert isinstance(high, float)
    return low + share * (high - low)


def assert_equal_cost(plan: Plan, want: float) -> None:
    """Equal within 1e-6 of the money that moves."""
    assert plan.status == "optimal"
    assert plan.objective == pytest.approx(want, rel=0.0, abs=1e-6 * money_scale(plan))


@MANY
@given(site=sites(), horizon=horizons(sane=True), share=floats(0.0, 1.0))
def test_plans_cost_what_the_relaxation_of_both_references_costs(
    site: Site, horizon: Horizon, share: float
) -> None:
    soc = start_of(site, share, anywhere=False)
    plan = Planner(site).plan(horizon, soc)
    known = {"terminal": plan.terminal_curve, "penalty_per_kwh": penalty_of(plan, site)}
    if not site.pv_curtailable:
        # burning PV that may not be exported pays, so the relaxation is below the exact optimum
        want = reference.solve_pyomo(site, horizon, soc, exact=True, **known)
        assert_equal_cost(plan, want)
        return
    assert_equal_cost(plan, reference.solve_pyomo(site, horizon, soc, **known))
    assert_equal_cost(plan, reference.solve_cvxpy(site, horizon, soc, **known))


@MANY
@given(site=sites(), horizon=horizons(low=-3.0), share=floats(0.0, 1.0), anywhere=st.booleans())
def test_no_plan_cheats_and_none_costs_more_than_the_exact_program(
    site: Site,
    horizon: Horizon,
    share: float,
    anywhere: bool,  # noqa: FBT001
) -> None:
    soc = start_of(site, share, anywhere=anywhere)
    plan = Planner(site).plan(horizon, soc)
    assert_physical(plan, site)
    known = {"terminal": plan.terminal_curve, "penalty_per_kwh": penalty_of(plan, site)}
    assert_equal_cost(plan, reference.solve_pyomo(site, horizon, soc, exact=True, **known))


@MANY
@given(site=sites(), horizon=horizons(low=-3.0), share=floats(0.0, 1.0))
def test_a_plan_carried_out_costs_what_it_says(site: Site, horizon: Horizon, share: float) -> None:
    plan = Planner(site).plan(horizon, start_of(site, share, anywhere=True))
    cost, states = simulate(plan, site)
    assert states[-1] == pytest.approx(plan.soc_kwh[-1], abs=1e-7)
    broken = [v for v in plan.violations if v.limit.startswith(("max_", "planning_"))]
    if not broken:
        assert cost == pytest.approx(plan.bill + plan.wear, abs=1e-6)


def test_references_refuse_limits_that_change_from_slot_to_slot() -> None:
    site = make_site(planning_import_kw=[1.0, 2.0], planning_import_price_per_kwh=1.0)
    with pytest.raises(ValueError, match="the reference knows scalar limits"):
        reference.solve_pyomo(
            site, make_horizon([0.1, 0.5]), 5.0, terminal=((0.0, 0.0),), penalty_per_kwh=10.0
        )
