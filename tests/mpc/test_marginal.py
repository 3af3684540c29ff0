"""Energy values against the slopes of the value function, found by planning the rest anew."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mpc import Grid, Horizon, Plan, Planner, Site
from tests.mpc.instances import floats, horizons, make_battery, make_horizon, make_site, sites

STEP_KWH = 1e-5
LEAST_PENALTY = 9.0
SLOPE_TOLERANCE = 2e-3


def rest_of(horizon: Horizon, slot: int) -> Horizon:
    """The horizon after ``slot``."""
    after = slice(slot + 1, None)
    return replace(
        horizon,
        slot_minutes=np.asarray(horizon.slot_minutes)[after],
        import_price=np.asarray(horizon.import_price)[after],
        export_price=np.asarray(horizon.export_price)[after],
        load_kwh=np.asarray(horizon.load_kwh)[after],
        pv_kwh=np.asarray(horizon.pv_kwh)[after],
    )


def future_cost(site: Site, rest: Horizon, soc_kwh: float) -> float:
    """V at the end of a slot: what the rest of the horizon costs from ``soc_kwh``."""
    return Planner(site).plan(rest, soc_kwh).objective


def reserve_cost(site: Site, soc_kwh: float) -> float:
    """The reserve is priced at the end of the slot itself: part of the value of that end."""
    reserve = site.reserve_soc_kwh
    assert isinstance(reserve, float)
    return site.reserve_price_per_kwh * max(reserve - soc_kwh, 0.0)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    site=sites(), horizon=horizons(sane=True, most=6), share=floats(0, 1), pick=st.integers(0, 4)
)
def test_energy_values_are_the_one_sided_slopes_of_the_value_function(
    site: Site, horizon: Horizon, share: float, pick: int
) -> None:
    low, high = site.battery.min_soc_kwh, site.battery.max_soc_kwh
    assert isinstance(low, float)
    assert isinstance(high, float)
    assume(high - low > 4 * STEP_KWH and len(horizon) > 1)
    plan = Planner(site).plan(horizon, low + share * (high - low))
    slot = pick % (len(horizon) - 1)
    soc = float(plan.soc_kwh[slot])
    assume(low + 2 * STEP_KWH < soc < high - 2 * STEP_KWH)
    # the rest of a horizon has other prices, so another penalty: values made by penalties differ
    assume(plan.energy_value_up[slot] > -LEAST_PENALTY)
    assume(plan.energy_value_down[slot] < LEAST_PENALTY)
    rest = rest_of(horizon, slot)

    def quotient(step: float) -> float:
        """Worth of a kWh between here and a step away."""
        there = future_cost(site, rest, soc + step) + reserve_cost(site, soc + step)
        return (future_cost(site, rest, soc) + reserve_cost(site, soc) - there) / step

    next_worth, last_worth = quotient(STEP_KWH), quotient(-STEP_KWH)
    assume(max(abs(next_worth), abs(last_worth)) < LEAST_PENALTY)
    # a kink inside the step, which rounded inputs rarely make, would give a mean of two slopes
    assume(abs(next_worth - quotient(0.5 * STEP_KWH)) < SLOPE_TOLERANCE)
    assume(abs(last_worth - quotient(-0.5 * STEP_KWH)) < SLOPE_TOLERANCE)
    up, down = plan.energy_value_up[slot], plan.energy_value_down[slot]
    # where directions had to be fixed both values are the dual, one of the slopes at a kink
    if np.array_equal(plan.energy_value_up, plan.energy_value_down) and last_worth > next_worth:
        assert next_worth - SLOPE_TOLERANCE <= up <= last_worth + SLOPE_TOLERANCE
        return
    assert up == pytest.approx(next_worth, abs=SLOPE_TOLERANCE)
    assert down == pytest.approx(last_worth, abs=SLOPE_TOLERANCE)


def plan_of(horizon: Horizon, soc: float, **options: float) -> Plan:
    """Plan for a lossless battery without wear, so that values are prices."""
    battery = make_battery(
        charge_efficiency=1.0, discharge_efficiency=1.0, wear_cost_per_kwh=0.0, **options
    )
    return Planner(make_site(battery)).plan(horizon, soc)


def test_a_partly_charged_slot_pins_the_value_at_its_price() -> None:
    """2 kWh are needed at 1.0; one more kWh stored would save buying at 0.3."""
    plan = plan_of(make_horizon([0.3, 1.0], load_kwh=[0.0, 2.0]), 1.0)
    assert plan.energy_value_up[0] == pytest.approx(0.0)  # the next kWh has no use: terminal 0
    assert plan.energy_value_down[0] == pytest.approx(1.0)  # the last one saves importing at 1.0
    assert plan.energy_value[0] == pytest.approx(0.5)


def test_a_kink_has_two_values_and_a_slope_has_one() -> None:
    """Energy is worth 2 up to 4 kWh and 0.5 above; at 4 both, at 3 only the first."""
    curve = [(0.0, 2.0), (4.0, 0.5)]
    at_kink = plan_of(make_horizon([1.0, 1.0], terminal_value=curve), 4.0)
    assert at_kink.energy_value_up[1] == pytest.approx(0.5)
    assert at_kink.energy_value_down[1] == pytest.approx(2.0)
    below = plan_of(make_horizon([3.0, 3.0], terminal_value=curve), 3.0)
    np.testing.assert_allclose(below.energy_value_up, 2.0)
    np.testing.assert_allclose(below.energy_value_down, 2.0)


def test_a_full_battery_values_the_last_kwh_by_the_future_and_the_next_by_the_slot() -> None:
    """Full at 0.2 for 9 kWh at 1.0: the last kWh saves 1.0, the next only 0.2 of charging."""
    horizon = make_horizon([0.2, 0.2, 1.0, 1.0], load_kwh=[0.0, 0.0, 5.0, 5.0])
    plan = plan_of(horizon, 1.0)
    assert plan.soc_kwh[1] == 10.0
    assert plan.energy_value_up[1] == pytest.approx(0.2)
    assert plan.energy_value_down[1] == pytest.approx(1.0)


def test_an_empty_battery_values_the_next_kwh_by_the_future() -> None:
    """Emptied at 2.0; the next kWh would serve the load at 0.5."""
    plan = plan_of(make_horizon([2.0, 0.5], load_kwh=[3.0, 3.0]), 3.0)
    assert plan.soc_kwh[0] == 1.0
    assert plan.energy_value_up[0] == pytest.approx(0.5)
    assert plan.energy_value_down[0] == pytest.approx(2.0)


def test_values_stay_finite_where_nothing_can_move() -> None:
    site = make_site(
        make_battery(max_charge_kw=0.0, max_discharge_kw=0.0),
        Grid(max_import_kw=0.0, max_export_kw=0.0),
    )
    plan = Planner(site).plan(make_horizon([1.0, 2.0], load_kwh=1.0), soc_kwh=5.0)
    assert np.isfinite(plan.energy_value).all()
