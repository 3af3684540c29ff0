"""Requests against the exact referee, the physics, slopes of future cost, and scenarios."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mpc import (
    Block,
    EngineError,
    ExportTarget,
    Horizon,
    Plan,
    Planner,
    Requests,
    Scenarios,
    Site,
    physics,
)
from mpc.requests import KINDS
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
from tests.mpc.test_marginal import rest_of
from tests.mpc.test_requests import blocks, lossless, told

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def requests_of(draw: st.DrawFn, slots: int, capacity: float) -> Requests:
    """Up to three blocks in a row with gaps, and now and then an export target."""
    edges = sorted(draw(st.lists(st.integers(0, slots), min_size=2, max_size=6, unique=True)))
    chosen = []
    for first, stop in zip(edges[::2], edges[1::2], strict=False):
        kind = draw(st.sampled_from(KINDS))
        share = draw(st.sampled_from([0.0, 0.1, 0.5, 0.8, 1.0]))
        target = None if kind == "hold" else share * capacity
        chosen.append(Block(kind=kind, first=first, stop=stop, target_soc_kwh=target))
    target_kwh = draw(st.one_of(st.none(), st.sampled_from([0.5, 2.0, 6.0])))
    export = None
    if target_kwh is not None:
        mask = draw(st.lists(st.booleans(), min_size=slots, max_size=slots).filter(any))
        export = ExportTarget(energy_kwh=target_kwh, slots=mask)
    return Requests(blocks=tuple(chosen), export_target=export)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Site, Horizon, Requests, float]:
    """A house, a horizon, requests, and a start anywhere in the battery."""
    site = draw(sites())
    horizon = draw(horizons(low=-1.0, sane=draw(st.booleans()), most=8))
    capacity = site.battery.capacity_kwh
    requests = draw(requests_of(len(horizon), capacity))
    start = draw(floats(0.0, 1.0)) * capacity
    if draw(st.booleans()):
        low, high = float(np.asarray(site.battery.min_soc_kwh)), capacity
        start = min(max(start, low), high)
    return site, horizon, requests, start


def missed_kwh(plan: Plan, site: Site, requests: Requests) -> float:
    """What was not done as asked, added up from the flows by the words of the issue."""
    total = 0.0
    for block in requests.blocks:
        where, end = slice(block.first, block.stop), float(plan.soc_kwh[block.stop - 1])
        taken, given_ = plan.charge_kwh[where].sum(), plan.discharge_kwh[where].sum()
        if block.kind == "charge":
            total += given_ + max(float(block.target_soc_kwh or 0.0) - end, 0.0)
        elif block.kind == "export":
            total += taken + max(end - float(block.target_soc_kwh or 0.0), 0.0)
        else:
            total += taken + given_
    target = requests.export_target
    if target is not None:
        counted = 0.0
        for t in np.flatnonzero(target.counted):
            net = float(plan.load_kwh[t] - plan.pv_kwh[t])
            limit = float(np.asarray(site.grid.max_export_kw)) * plan.slot_minutes[t] / 60.0
            sold = physics.exported_discharge(float(plan.discharge_kwh[t]), net)
            counted += min(sold, max(limit - max(-net, 0.0), 0.0))
        total += max(target.energy_kwh - counted, 0.0)
    return float(total)


@FEW
@given(case=cases())
def test_plans_with_requests_cost_what_the_exact_referee_costs(
    case: tuple[Site, Horizon, Requests, float],
) -> None:
    site, horizon, requests, start = case
    assume(len(requests) > 0)
    reference = pytest.importorskip("mpc.reference", reason="install the extra `reference`")
    plan = Planner(site, max_nodes=2000).plan(horizon, start, requests=requests)
    assert_physical(plan, site)
    price = penalty_of(plan, site)
    want = reference.solve_pyomo(
        site,
        horizon,
        start,
        terminal=plan.terminal_curve,
        penalty_per_kwh=10.0 * len(requests) * price,
        requests=requests,
        request_price_per_kwh=price,
        exact=True,
    )
    # a kWh of a request costs 100 times its energy: rounding of 1e-9 kWh shows as money
    assert plan.status == "optimal"
    assert plan.objective == pytest.approx(want, rel=0.0, abs=1e-6 * money_scale(plan))
    asked = [v for v in plan.violations if v.limit.startswith(("manual", "export_target"))]
    missed = missed_kwh(plan, site, requests)
    assert sum(v.amount_kwh for v in asked) == pytest.approx(missed, abs=1e-6)
    assert sum(v.cost for v in asked) == pytest.approx(price * missed, abs=1e-6 * price)


@FEW
@given(case=cases())
def test_a_plan_of_a_dive_is_as_near_the_best_as_it_says(
    case: tuple[Site, Horizon, Requests, float],
) -> None:
    """Where a gap may be, it is proven: no plan is cheaper by more than it."""
    site, horizon, requests, start = case
    assume(requests.export_target is not None)
    near = Planner(site, max_gap=1e6).plan(horizon, start, requests=requests)
    best = Planner(site, max_nodes=2000).plan(horizon, start, requests=requests)
    rounding = 1e-6 * money_scale(best)
    assert_physical(near, site)
    assert near.objective - near.gap <= best.objective + rounding
    assert best.objective <= near.objective + rounding


def test_a_target_is_mostly_one_linear_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The house uses 0.25 kWh an hour, and 3 kWh are sold where it pays: without a search."""
    price = [0.5] * 28 + [1.5] * 8 + [0.8] * 32 + [2.0] * 16 + [0.6] * 12
    horizon = make_horizon([1.25 * p + 0.5 for p in price], price, load_kwh=[0.25] * 96)
    target = ExportTarget(energy_kwh=3.0, slots=[True] * 96)
    monkeypatch.setattr("mpc.planner.find_directions", None)  # a call would fail
    plan = Planner(make_site()).plan(horizon, 5.0, requests=Requests(export_target=target))
    assert plan.status == "optimal"
    sold = np.maximum(plan.discharge_kwh - 0.25, 0.0)
    assert sold.sum() >= 3.0 - 1e-6
    assert not plan.violations


@FEW
@given(case=cases())
def test_a_plan_with_requests_carried_out_costs_what_it_says(
    case: tuple[Site, Horizon, Requests, float],
) -> None:
    site, horizon, requests, start = case
    plan = Planner(site).plan(horizon, start, requests=requests)
    assert_physical(plan, site)
    cost, states = simulate(plan, site)
    assert states[-1] == pytest.approx(plan.soc_kwh[-1], abs=1e-7)
    if not any(v.limit.startswith(("max_", "planning_")) for v in plan.violations):
        assert cost == pytest.approx(plan.bill + plan.wear, abs=1e-6)
    total = plan.bill + plan.wear + plan.penalty - plan.terminal
    assert plan.objective == pytest.approx(total)


def value_of(site: Site, horizon: Horizon, soc: float, requests: Requests) -> float:
    """What the rest of the horizon costs from ``soc``."""
    return Planner(site).plan(horizon, soc, requests=requests).objective


def test_energy_values_tell_both_sides_of_a_block_s_target() -> None:
    """Reaching 8 kWh is worth 100 a kWh below it; above, the hour to come sets the worth, 0.5."""
    horizon = make_horizon([1.0, 0.5], load_kwh=[0.0, 1.0], terminal_value=0.4)
    block = Block(kind="charge", first=0, stop=1, target_soc_kwh=8.0)
    plan = Planner(make_site(lossless())).plan(horizon, 5.0, requests=blocks(block))
    assert plan.soc_kwh[0] == 8.0
    assert plan.energy_value_down[0] == pytest.approx(100.4)
    assert plan.energy_value_up[0] == pytest.approx(0.4)


def test_energy_values_tell_both_sides_of_an_export_block_s_target() -> None:
    """Down to 2 kWh: the next kWh left over costs 100, the last one is missed at the end, 0.4."""
    horizon = make_horizon([1.0, 0.5], export_price=0.1, terminal_value=0.4)
    block = Block(kind="export", first=0, stop=1, target_soc_kwh=2.0)
    plan = Planner(make_site(lossless())).plan(horizon, 5.0, requests=blocks(block))
    assert plan.soc_kwh[0] == 2.0
    assert plan.energy_value_up[0] == pytest.approx(0.4 - 100.0)
    assert plan.energy_value_down[0] == pytest.approx(0.4)


@settings(FEW, max_examples=25)
@given(site=sites(), horizon=horizons(sane=True, most=6), share=floats(0, 1), data=st.data())
def test_energy_values_are_slopes_of_what_the_rest_costs(
    site: Site, horizon: Horizon, share: float, data: st.DataObject
) -> None:
    """The dual of the first slot, against plans of the rest with the rest of the blocks."""
    low, high = (float(np.asarray(x)) for x in (site.battery.min_soc_kwh, site.battery.max_soc_kwh))
    assume(high - low > 1e-3 and len(horizon) > 2 and site.pv_curtailable)
    cut = data.draw(st.integers(1, len(horizon) - 1))
    kind = data.draw(st.sampled_from(KINDS))
    target = None if kind == "hold" else data.draw(st.sampled_from([low, 0.5 * (low + high), high]))
    first, stop = data.draw(st.integers(0, cut)), data.draw(st.integers(cut + 1, len(horizon)))
    block = Block(kind=kind, first=first, stop=stop, target_soc_kwh=target)
    plan = Planner(site).plan(horizon, low + share * (high - low), requests=blocks(block))
    soc = float(plan.soc_kwh[cut - 1])
    step = 1e-5
    assume(low + 2 * step < soc < high - 2 * step)
    assume(max(abs(plan.energy_value_up[cut - 1]), abs(plan.energy_value_down[cut - 1])) < 9.0)
    rest = rest_of(horizon, cut - 1)
    left = blocks(replace(block, first=0, stop=stop - cut))
    reserve, price = float(np.asarray(site.reserve_soc_kwh)), site.reserve_price_per_kwh

    def quotient(by: float) -> float:
        here, there = value_of(site, rest, soc, left), value_of(site, rest, soc + by, left)
        saved = price * (max(reserve - soc, 0.0) - max(reserve - soc - by, 0.0))
        return (here - there + saved) / by

    following, last = quotient(step), quotient(-step)
    assume(max(abs(following), abs(last)) < 9.0)
    assume(abs(following - quotient(0.5 * step)) < 2e-3)
    assume(abs(last - quotient(-0.5 * step)) < 2e-3)
    assert plan.energy_value_up[cut - 1] == pytest.approx(following, abs=2e-3)
    assert plan.energy_value_down[cut - 1] == pytest.approx(last, abs=2e-3)


@FEW
@given(case=cases())
def test_a_warm_plan_with_requests_costs_what_a_cold_one_costs(
    case: tuple[Site, Horizon, Requests, float],
) -> None:
    site, horizon, requests, start = case
    planner = Planner(site, max_nodes=2000)
    first = planner.plan(horizon, start, requests=requests)
    moved = replace(horizon, start=first.starts[-1])
    warm = planner.plan(moved, start, previous=first, requests=requests)
    cold = Planner(site, max_nodes=2000).plan(moved, start, requests=requests)
    assert warm.objective == pytest.approx(cold.objective, abs=1e-6 * money_scale(cold))


def test_blocks_hold_in_every_scenario() -> None:
    """Load 0 or 2 kWh in hour 1, at 2.0: held, the battery serves it in neither."""
    horizon = make_horizon([1.0, 2.0], load_kwh=[0.0, 1.0])
    scenarios = Scenarios(load_kwh=[[0.0, 0.0], [0.0, 2.0]], pv_kwh=np.zeros((2, 2)))
    planner = Planner(make_site(lossless()))
    free = planner.plan(horizon, 5.0, scenarios=scenarios)
    assert free.expected_objective == pytest.approx(0.0)
    hold = blocks(Block(kind="hold", first=0, stop=2))
    plan = planner.plan(horizon, 5.0, scenarios=scenarios, requests=hold)
    assert plan.expected_objective == pytest.approx(0.5 * 2.0 * 2.0)
    assert (plan.scenarios, plan.requests, plan.soc_kwh.tolist()) == (2, hold, [5.0, 5.0])


def test_a_charge_block_in_the_first_slot_holds_on_scenarios() -> None:
    """3 kWh are missing at its end: below the target a kWh is worth 100 more than later."""
    horizon = make_horizon([1.0, 1.0, 1.0])
    scenarios = Scenarios(load_kwh=np.zeros((2, 3)), pv_kwh=np.zeros((2, 3)))
    block = Block(kind="charge", first=0, stop=1, target_soc_kwh=10.0)
    planner = Planner(make_site(lossless()))
    plan = planner.plan(horizon, 2.0, scenarios=scenarios, requests=blocks(block))
    alone = planner.plan(horizon, 2.0, requests=blocks(block))
    assert told(plan) == told(alone) == [("manual_charge", 0, 3.0)]
    assert plan.expected_objective == pytest.approx(alone.objective)
    np.testing.assert_allclose(plan.energy_value_up, alone.energy_value_up)
    np.testing.assert_allclose(plan.energy_value_down, alone.energy_value_down)


def test_the_worth_of_the_first_slot_holds_its_target_where_scenarios_cheat() -> None:
    """Export at 5 above import at 1 in hour 1: copies are planned anew, from the end of hour 0.

    3 kWh are missing there, so a kWh is worth the price of the request, 100 * 5, and 5 on top.
    """
    horizon = make_horizon([1.0, 1.0], export_price=[0.0, 5.0])
    scenarios = Scenarios(load_kwh=np.zeros((2, 2)), pv_kwh=np.zeros((2, 2)))
    block = Block(kind="charge", first=0, stop=1, target_soc_kwh=4.0)
    site = make_site(lossless(max_charge_kw=1.0))
    plan = Planner(site).plan(horizon, 2.0, scenarios=scenarios, requests=blocks(block))
    assert told(plan) == [("manual_charge", 0, 1.0)]
    assert plan.energy_value_up[0] == pytest.approx(505.0)
    assert plan.energy_value_down[0] == pytest.approx(505.0)


@FEW
@given(case=cases(), count=st.integers(1, 3))
def test_equal_scenarios_are_the_plan_without_any(
    case: tuple[Site, Horizon, Requests, float], count: int
) -> None:
    site, horizon, requests, start = case
    low, high = (float(np.asarray(x)) for x in (site.battery.min_soc_kwh, site.battery.max_soc_kwh))
    assume(low <= start <= high and len(requests.blocks) > 0)
    asked = Requests(blocks=requests.blocks)
    alone = Planner(site, max_nodes=2000).plan(horizon, start, requests=asked)
    scenarios = Scenarios(
        load_kwh=np.tile(np.asarray(horizon.load_kwh), (count, 1)),
        pv_kwh=np.tile(np.asarray(horizon.pv_kwh), (count, 1)),
    )
    plan = Planner(site, max_nodes=2000).plan(horizon, start, scenarios=scenarios, requests=asked)
    tolerance = 1e-6 * money_scale(alone)
    assert plan.expected_objective is not None
    assert plan.expected_objective >= alone.objective - tolerance
    assert plan.expected_objective - plan.gap <= alone.objective + tolerance


def test_only_highs_plans_requests() -> None:
    horizon, hold = make_horizon([1.0, 2.0]), blocks(Block(kind="hold", first=0, stop=1))
    with pytest.raises(EngineError, match=r"1 requests .* engine='auto' or 'highs'"):
        Planner(make_site(), engine="storage").plan(horizon, 5.0, requests=hold)
    assert Planner(make_site(), engine="auto").plan(horizon, 5.0, requests=hold).engine == "highs"
    plan = Planner(make_site(), engine="auto").plan(horizon, 5.0, requests=Requests())
    assert (plan.engine, plan.requests) == ("storage", None)
