"""Planning on scenarios: hand cases, HiGHS as referee, brute force on the grid, refusals."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mpc.scenario_plan
from mpc import (
    EngineError,
    Horizon,
    HorizonError,
    Plan,
    Planner,
    Scenarios,
    Site,
    SiteError,
    risk_weights,
)
from mpc.arrays import F64
from mpc.blend import blend_after_first, make_bundle
from mpc.curves import Curve, cost_at
from mpc.jit import compiled
from mpc.pieces import MOST_PIECES, slot_pieces
from mpc.problem import Problem, make_problem
from mpc.rules import Slot, limits_at
from mpc.scenario_plan import (
    on_scenarios,
    plan_scenarios_with_values,
    scenario_problem,
    scenes_of,
)
from mpc.storage import ValueFunctions, limits_of, plan_with_values, terminal_of, value_functions
from tests.mpc.instances import (
    floats,
    horizons,
    make_battery,
    make_horizon,
    make_site,
    money_scale,
    sites,
)
from tests.mpc.simulate import assert_physical

MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
SHORT = 4
"""Slots at most where a slow reference goes along."""


class Case(NamedTuple):
    """A house, its horizon, scenarios of it, and a start inside the battery's window."""

    site: Site
    horizon: Horizon
    scenarios: Scenarios
    soc_kwh: float

    def problem(self) -> Problem:
        """The problem with one price of broken limits for all."""
        problem = make_problem(self.site, self.horizon, self.soc_kwh)
        return on_scenarios(problem, self.scenarios, 0.5)

    def values(self, recourse: float, cells: int = 96) -> tuple[Plan, ValueFunctions]:
        """Plan and blended value functions."""
        return plan_scenarios_with_values(self.problem(), self.scenarios, recourse, cells=cells)


@st.composite
def cases(draw: st.DrawFn, *, sane: bool = True, most: int = 8) -> Case:
    """Random houses with every option; scenarios with ties, with and without prices."""
    site, horizon = draw(sites()), draw(horizons(sane=sane, most=most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 4)), len(horizon))
    energies = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 3.3])
    facts: dict[str, Any] = {}
    if draw(st.booleans()):
        levels = np.array([0.0, 0.5, 0.73, 1.0, 2.0])
        buy = rng.choice(levels, shape)
        sell = rng.choice(levels, shape)
        facts = {"import_price": buy, "export_price": np.minimum(buy, sell) if sane else sell}
    weights = rng.choice([0.0, 0.7, 1.0, 2.0], shape[0]) + 1e-3
    scenarios = Scenarios(
        load_kwh=rng.choice(energies, shape),
        pv_kwh=rng.choice(energies, shape),
        weights=weights / weights.sum(),
        **facts,
    )
    low, high = site.battery.min_soc_kwh, site.battery.max_soc_kwh
    assert isinstance(low, float)
    assert isinstance(high, float)
    return Case(site, horizon, scenarios, low + draw(floats(0.0, 1.0)) * (high - low))


def copies_of(horizon: Horizon, count: int) -> Scenarios:
    """The horizon itself, several times."""
    load, pv = np.asarray(horizon.load_kwh), np.asarray(horizon.pv_kwh)
    return Scenarios(load_kwh=np.tile(load, (count, 1)), pv_kwh=np.tile(pv, (count, 1)))


def scale_of(case: Case, plan: Plan) -> float:
    """The money at stake in any scenario, with penalties at what they price."""
    own, other = case.horizon, case.scenarios
    prices = (own.import_price, own.export_price, other.import_price, other.export_price)
    dearest = max(float(np.abs(np.asarray(p)).max()) for p in prices if p is not None)
    energy = float(np.sum(case.scenarios.load_kwh) + np.sum(case.scenarios.pv_kwh))
    return money_scale(plan) + dearest * energy + abs(plan.expected_objective or 0.0)


LOSSLESS = make_site(
    make_battery(
        capacity_kwh=9.6, min_soc_kwh=0.0, max_soc_kwh=9.6,
        charge_efficiency=1.0, discharge_efficiency=1.0, wear_cost_per_kwh=0.0,
    )
)  # fmt: skip
"""0.1 kWh to a cell, so that whole kWh lie on the grid."""


@pytest.mark.parametrize("engine", ["storage", "highs"])
@pytest.mark.parametrize(
    ("weight", "bought"),
    [
        pytest.param(0.5, 0.0, id="2 kWh save 1.0 each in every other case: worth 0.5, cost 0.6"),
        pytest.param(0.7, 2.0, id="in seven of ten: worth 0.7, cost 0.6"),
    ],
)
def test_buys_what_is_worth_its_price_on_average(engine: str, weight: float, bought: float) -> None:
    horizon = make_horizon([0.6, 1.0], load_kwh=[0.0, 1.0])
    scenarios = Scenarios(
        load_kwh=[[0.0, 2.0], [0.0, 0.0]], pv_kwh=np.zeros((2, 2)), weights=[weight, 1.0 - weight]
    )
    planner = Planner(LOSSLESS, engine=engine)
    assert planner.plan(horizon, 0.0).soc_kwh[0] == pytest.approx(1.0)  # the mean is certain
    plan = planner.plan(horizon, 0.0, scenarios=scenarios)
    assert plan.soc_kwh[0] == pytest.approx(bought)
    assert plan.energy_value_up[0] == pytest.approx(weight if bought == 0.0 else 0.0)
    expected = 0.6 * bought + weight * 1.0 * (2.0 - bought)
    assert plan.expected_objective == pytest.approx(expected)
    assert plan.objective == pytest.approx(0.6 * bought + max(1.0 - bought, 0.0))
    assert (plan.status, plan.gap, plan.scenarios) == ("optimal", 0.0, 2)


@pytest.mark.parametrize(
    ("recourse", "worth"),
    [
        pytest.param(0.0, 1.0, id="whole scenarios: 2 kWh are used for certain"),
        pytest.param(1.0, 0.75, id="slot by slot: in a quarter of the cases never"),
        pytest.param(0.5, 0.875, id="half of each"),
    ],
)
def test_recourse_tells_slots_from_whole_scenarios(recourse: float, worth: float) -> None:
    """2 kWh are needed either in slot 1 or in slot 2, or (slot by slot) in both, or in none."""
    horizon = make_horizon([0.8, 1.0, 1.0], load_kwh=[0.0, 1.0, 1.0])
    scenarios = Scenarios(load_kwh=[[9.0, 2.0, 0.0], [9.0, 0.0, 2.0]], pv_kwh=np.zeros((2, 3)))
    case = Case(LOSSLESS, horizon, scenarios, 0.0)
    plan, values = case.values(recourse)
    assert values.marginal(1, 1.0) == pytest.approx((worth, worth))
    assert plan.soc_kwh[0] == pytest.approx(2.0 if worth > 0.8 else 0.0)
    assert values.marginal(1, 3.0) == pytest.approx((0.25 * recourse, 0.25 * recourse))


def test_no_scenarios_no_difference() -> None:
    """Neither in the plan nor in its text: what was saved before has the same fields."""
    horizon = make_horizon([0.6, 1.0], load_kwh=[0.0, 1.0])
    for engine in ("storage", "highs"):
        plan = Planner(make_site(), engine=engine).plan(horizon, 5.0, scenarios=None, recourse=0.1)
        assert (plan.scenarios, plan.expected_objective) == (0, None)
        assert plan.to_json() == Planner(make_site(), engine=engine).plan(horizon, 5.0).to_json()
        assert "scenarios" not in plan.to_json()


@MANY
@given(case=cases())
def test_highs_finds_the_same_first_stage(case: Case) -> None:
    """The two-stage program, and slot 0 plus the average of whole scenarios' curves."""
    try:
        plan, values = case.values(0.0)
    except EngineError:
        return
    other = Planner(case.site).plan(case.horizon, case.soc_kwh, scenarios=case.scenarios)
    allowed = 1e-7 * scale_of(case, plan)
    assert plan.expected_objective == pytest.approx(other.expected_objective, abs=allowed)
    assert (other.gap, other.status, other.scenarios) == (0.0, "optimal", len(case.scenarios))
    first = slot_cost(case.problem(), 0, float(plan.soc_kwh[0]))
    reached = first + values.cost(1, float(plan.soc_kwh[0]))
    assert reached == pytest.approx(plan.expected_objective, abs=allowed)
    inside = plan.min_soc_kwh[0] + 1e-6 < plan.soc_kwh[0] < plan.max_soc_kwh[0] - 1e-6
    dear = max(abs(plan.energy_value_up[0]), abs(plan.energy_value_down[0])) >= 9.0
    if inside and not dear and len(plan) > 1 and abs(plan.soc_kwh[0] - other.soc_kwh[0]) < 1e-7:
        assert other.energy_value_up[0] == pytest.approx(plan.energy_value_up[0], abs=1e-6)
        assert other.energy_value_down[0] == pytest.approx(plan.energy_value_down[0], abs=1e-6)


def slot_curve(problem: Problem, slot: Slot, t: int) -> tuple[float, F64, F64]:
    """Return (least change, kinks, their costs) of a slot's cost by change of stored energy."""
    slope, length = np.empty(MOST_PIECES), np.empty(MOST_PIECES)
    limit = limits_at(limits_of(problem), t)
    pieces = slot_pieces(slot, limit, problem.rules, slope, length)
    assert pieces.defect == 0
    run = slice(0, pieces.size)
    kinks = pieces.change_kwh + np.concatenate([[0.0], np.cumsum(length[run])])
    costs = pieces.cost + np.concatenate([[0.0], np.cumsum(slope[run] * length[run])])
    return pieces.change_kwh, kinks, costs


def slot_cost(problem: Problem, t: int, stored_kwh: float) -> float:
    """Cost of slot ``t`` of the problem, from its start to ``stored_kwh``."""
    slot = Slot(problem.load[t], problem.pv[t], problem.import_price[t], problem.export_price[t])
    _, kinks, costs = slot_curve(problem, slot, t)
    return float(np.interp(stored_kwh - problem.soc_start_kwh, kinks, costs))


@MANY
@given(case=cases(), share=floats(0.0, 1.0))
def test_whole_scenarios_are_averaged_exactly(case: Case, share: float) -> None:
    """At every energy within the window, the end of every slot."""
    try:
        _, values = case.values(0.0)
    except EngineError:
        return
    problem, weights = case.problem(), np.asarray(case.scenarios.weights)
    alone = [
        value_functions_after_first(scenario_problem(problem, case.scenarios, k))
        for k in range(len(case.scenarios))
    ]
    low, high = problem.soc_min[0], problem.soc_max[0]
    soc = float(low + share * (high - low))
    for t in range(len(case.horizon)):
        want = sum(w * one.cost(t + 1, soc) for w, one in zip(weights, alone, strict=True))
        assert values.cost(t + 1, soc) == pytest.approx(want, abs=1e-9, rel=1e-9)
        ups, downs = np.array([one.marginal(t + 1, soc) for one in alone]).T
        up, down = values.marginal(t + 1, soc)
        assert up == pytest.approx(float(weights @ ups), abs=1e-7, rel=1e-7)
        assert down == pytest.approx(float(weights @ downs), abs=1e-7, rel=1e-7)


def value_functions_after_first(problem: Problem) -> ValueFunctions:
    """Curves of one scenario; its slot 0, which no scenario looks at, made harmless."""
    quiet = {name: getattr(problem, name).copy() for name in ("load", "pv", "export_price")}
    for values in quiet.values():
        values[0] = 0.0
    buy = np.maximum(problem.import_price, 0.0)
    return value_functions(
        replace(problem, import_price=np.r_[buy[:1], problem.import_price[1:]], **quiet)
    )


def brute_costs(problem: Problem, scenarios: Scenarios, cells: int) -> list[F64]:
    """A[t + 1] of (SV1) at the grid's edges within the window, by every kink of every sum."""
    weights, scenes = np.asarray(scenarios.weights), scenes_of(problem, scenarios)
    low, high = float(problem.soc_min[0]), float(problem.soc_max[0])
    edges = np.linspace(low, high, cells + 1)
    slope, length = terminal_of(problem)
    curve = Curve(0, slope.size, 0.0, 0.0, 0.0, 0.0)
    cost = np.array([cost_at(curve, slope, length, s) for s in edges])
    found: list[F64] = []
    for t in range(len(problem.load) - 1, -1, -1):
        cost = cost + problem.rules.reserve_price * np.maximum(problem.reserve[t] - edges, 0.0)
        found.append(cost)
        before = np.zeros_like(cost)
        for k, weight in enumerate(weights if t > 0 else ()):
            buy, sell = (min(k, len(p) - 1) for p in (scenes.import_price, scenes.export_price))
            slot = Slot(
                scenes.load_kwh[k, t], scenes.pv_kwh[k, t],
                scenes.import_price[buy, t], scenes.export_price[sell, t],
            )  # fmt: skip
            _, kinks, costs = slot_curve(problem, slot, t)
            for i, stored in enumerate(edges):
                tried = np.concatenate([kinks, edges - stored])
                after = stored + tried
                there = (tried >= kinks[0] - 1e-12) & (tried <= kinks[-1] + 1e-12)
                there &= (after >= low - 1e-12) & (after <= high + 1e-12)
                total = np.interp(tried, kinks, costs) + np.interp(after, edges, cost)
                before[i] += weight * total[there].min()
        cost = before
    return found[::-1]


@settings(MANY, max_examples=60)
@given(case=cases(most=SHORT), cells=st.sampled_from([1, 2, 5, 16]))
def test_recourse_in_every_slot_equals_brute_force_on_the_grid(case: Case, cells: int) -> None:
    problem = case.problem()
    low, high = float(problem.soc_min[0]), float(problem.soc_max[0])
    if high <= low:
        return
    try:
        _, values = case.values(1.0, cells)
    except EngineError:
        return
    edges = np.linspace(low, high, cells + 1)
    for t, want in enumerate(brute_costs(problem, case.scenarios, cells)):
        got = [values.cost(t + 1, s) for s in edges]
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-8)


@MANY
@given(case=cases(), count=st.integers(1, 3))
def test_equal_scenarios_are_the_plan_without_any(case: Case, count: int) -> None:
    """Exactly, and on the grid within the error that its chords add, which is never a gain."""
    case = case._replace(scenarios=copies_of(case.horizon, count))
    try:
        plan, own = plan_with_values(case.problem())
    except EngineError:
        return
    again, values = case.values(0.0)
    scale = scale_of(case, again)
    assert again.expected_objective == pytest.approx(plan.objective, abs=1e-9 * scale)
    assert again.objective == pytest.approx(plan.objective, abs=1e-7 * scale)
    low, high = float(case.problem().soc_min[0]), float(case.problem().soc_max[0])
    rise, bound = 0.0, 0.0
    _, grid = case.values(1.0)
    for t in range(len(plan), 0, -1):
        run = values.pieces(t)[1]
        rise = max(rise, float(run[-1] - run[0]) if run.size else 0.0)
        bound += (high - low) / 96 * rise / 4.0
        for soc in np.linspace(low, high, 7):
            assert values.cost(t, soc) == pytest.approx(own.cost(t, soc), abs=1e-9 * scale)
            excess = grid.cost(t, soc) - own.cost(t, soc)
            assert -1e-9 * scale <= excess <= bound + 1e-9 * scale


@MANY
@given(case=cases(), recourse=st.sampled_from([0.0, 0.3, 1.0]))
def test_a_blend_is_convex_and_the_sum_of_its_parts(case: Case, recourse: float) -> None:
    try:
        plan, values = case.values(recourse)
    except EngineError:
        return
    (_, whole), (_, every) = case.values(0.0), case.values(1.0)
    low, high = float(case.problem().soc_min[0]), float(case.problem().soc_max[0])
    for t in range(len(plan)):
        slope = values.pieces(t + 1)[1]
        assert all(a <= b + 1e-9 * (1.0 + abs(a)) for a, b in pairwise(slope.tolist()))
        for soc in np.linspace(low, high, 5):
            parts = recourse * every.cost(t + 1, soc) + (1 - recourse) * whole.cost(t + 1, soc)
            assert values.cost(t + 1, soc) == pytest.approx(parts, rel=1e-9, abs=1e-9)
    assert_physical(plan, case.site)


@pytest.mark.parametrize("recourse", [0.0, 0.5, 1.0])
def test_the_curve_of_a_replan_is_that_of_the_plan_compiled_or_not(
    recourse: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = some_case()
    _, values = case.values(recourse)
    problem = case.problem()
    ends = terminal_of(problem)
    bundle = make_bundle(len(case.scenarios), len(case.horizon), ends[0].size)
    curve, bad = compiled(blend_after_first)(
        scenes_of(problem, case.scenarios),
        recourse,
        limits_of(problem),
        problem.rules,
        *ends,
        bundle,
    )
    start, slope, length = values.pieces(1)
    assert bad.defect == 0
    assert curve.start_kwh == start
    np.testing.assert_array_equal(bundle.out_slope[curve.first : curve.last], slope)
    np.testing.assert_array_equal(bundle.out_length[curve.first : curve.last], length)
    monkeypatch.setattr(mpc.scenario_plan, "compiled", lambda kernel: kernel)
    plain, again = case.values(recourse)
    np.testing.assert_array_equal(again.packed.slope, values.packed.slope)
    assert plain.to_json() == case.values(recourse)[0].to_json()


def some_case(slots: int = 24, count: int = 3) -> Case:
    """Two days of hours with a reserve, and scenarios around them."""
    rng = np.random.default_rng(5)
    load, pv = rng.uniform(0.0, 2.0, slots), rng.uniform(0.0, 3.0, slots)
    horizon = make_horizon(
        rng.uniform(0.5, 2.0, slots), export_price=rng.uniform(0.0, 0.5, slots),
        load_kwh=load, pv_kwh=pv, terminal_value=[(0.0, 1.0), (4.0, 0.3)],
    )  # fmt: skip
    scenarios = Scenarios(
        load_kwh=load * rng.uniform(0.5, 1.5, (count, slots)),
        pv_kwh=pv * rng.uniform(0.0, 2.0, (count, slots)),
    )
    site = make_site(reserve_soc_kwh=3.0, reserve_price_per_kwh=0.05)
    return Case(site, horizon, scenarios, 5.0)


@pytest.mark.parametrize("engine", ["storage", "highs"])
def test_the_first_column_of_scenarios_is_not_read(engine: str) -> None:
    case = some_case()
    load = np.array(case.scenarios.load_kwh)
    load[:, 0] += 3.0
    other = replace(case.scenarios, load_kwh=load)
    plans = [
        Planner(case.site, engine=engine).plan(case.horizon, 5.0, scenarios=s)
        for s in (case.scenarios, other)
    ]
    assert plans[0].to_json() == plans[1].to_json()


def test_a_scenario_without_weight_does_not_count() -> None:
    case = some_case()
    extra = Scenarios(
        load_kwh=np.vstack([np.full(24, 9.0), np.asarray(case.scenarios.load_kwh)]),
        pv_kwh=np.vstack([np.zeros(24), np.asarray(case.scenarios.pv_kwh)]),
        weights=[0.0, 1 / 3, 1 / 3, 1 / 3],
    )
    for engine in ("storage", "highs"):
        planner = Planner(case.site, engine=engine)
        plans = [planner.plan(case.horizon, 5.0, scenarios=s) for s in (case.scenarios, extra)]
        want = plans[0].expected_objective
        assert plans[1].expected_objective == pytest.approx(want, abs=1e-9)
        np.testing.assert_allclose(plans[0].soc_kwh, plans[1].soc_kwh, atol=1e-9)


@pytest.mark.parametrize("engine", ["storage", "highs"])
def test_a_plan_of_scenarios_is_saved_and_read_back(engine: str) -> None:
    case = some_case()
    plan = Planner(case.site, engine=engine).plan(case.horizon, 5.0, scenarios=case.scenarios)
    back = Plan.from_json(plan.to_json())
    assert (back.scenarios, back.expected_objective) == (3, plan.expected_objective)
    assert back.to_json() == plan.to_json()
    saved = json.loads(plan.to_json())
    for change, message in (
        ({"scenarios": 0}, "0 scenarios of an expected objective"),
        ({"expected_objective": None}, "damaged"),
    ):
        with pytest.raises(ValueError, match=message):
            Plan.from_json(json.dumps(saved | change))
    del saved["expected_objective"]
    with pytest.raises(ValueError, match=r"missing or unknown: \['expected_objective'\]"):
        Plan.from_json(json.dumps(saved))


@settings(MANY, max_examples=60)
@given(case=cases(sane=False, most=5))
def test_highs_certifies_what_prices_reward_to_cheat(case: Case) -> None:
    """What is expected is what certified plans from the end of slot 0 cost, at least the bound."""
    planner = Planner(case.site)
    plan = planner.plan(case.horizon, case.soc_kwh, scenarios=case.scenarios)
    assert_physical(plan, case.site)
    assert (plan.status == "optimal") == (plan.gap == 0.0)
    assert plan.expected_objective is not None
    try:
        exact, _ = case.values(0.0)
    except EngineError:
        return
    allowed = 1e-7 * scale_of(case, plan)
    assert exact.expected_objective is not None
    assert plan.expected_objective - plan.gap <= exact.expected_objective + allowed
    assert plan.expected_objective >= exact.expected_objective - allowed


def test_highs_reports_a_gap_where_its_program_counts_on_cheating() -> None:
    """In slot 1 the program buys at 0.5 and sells at 0.7 at once, a house cannot.

    Both scenarios are the horizon: the plan without any, which searches, tells what is right.
    """
    horizon = make_horizon([1.0, 0.5], export_price=[0.2, 0.7], load_kwh=1.0)
    scenarios = Scenarios(load_kwh=np.ones((2, 2)), pv_kwh=np.zeros((2, 2)))
    plan = Planner(make_site(), engine="auto").plan(horizon, 5.0, scenarios=scenarios)
    without = Planner(make_site()).plan(horizon, 5.0)
    assert plan.engine == "highs"
    assert plan.expected_objective == pytest.approx(without.objective)
    np.testing.assert_allclose(plan.soc_kwh, without.soc_kwh)
    np.testing.assert_allclose(plan.energy_value[0], without.energy_value[0])
    # the battery gives 2.8 kWh, the load takes 1; the program may export 4 (5 of discharge less
    # the load), so it buys 2.2 kWh at 0.5 and sells them at 0.7
    assert plan.status == "feasible"
    assert plan.gap == pytest.approx((4.0 - 1.8) * (0.7 - 0.5))


def test_a_refusal_names_scenario_slot_and_reason_and_auto_takes_highs() -> None:
    horizon = make_horizon([1.0, 1.0, 1.0], load_kwh=1.0)
    sell = np.zeros((2, 3))
    sell[1, 2] = 1.5
    scenarios = Scenarios(load_kwh=np.ones((2, 3)), pv_kwh=np.zeros((2, 3)), export_price=sell)
    message = r"slot 2 is in scenario 1 one whose export price 1\.5 is above .*engine='auto'"
    with pytest.raises(EngineError, match=message) as caught:
        Planner(make_site(), engine="storage").plan(horizon, 5.0, scenarios=scenarios)
    assert caught.value.slot == 2
    plan = Planner(make_site(), engine="auto").plan(horizon, 5.0, scenarios=scenarios)
    assert (plan.engine, plan.scenarios) == ("highs", 2)
    own = make_horizon([1.0, 1.0], export_price=[1.5, 0.0], load_kwh=1.0)
    two = Scenarios(load_kwh=np.ones((1, 2)), pv_kwh=np.zeros((1, 2)))
    with pytest.raises(EngineError, match=r"slot 0 is one whose export price 1\.5"):
        Planner(make_site(), engine="storage").plan(own, 5.0, scenarios=two)


def test_a_start_outside_the_window_is_planned_without_scenarios() -> None:
    case = some_case()
    with pytest.raises(EngineError, match=r"0\.5 kWh stored, below the battery's window"):
        Planner(case.site, engine="storage").plan(case.horizon, 0.5, scenarios=case.scenarios)
    plan = Planner(case.site, engine="auto").plan(case.horizon, 0.5, scenarios=case.scenarios)
    assert (plan.engine, plan.scenarios, plan.expected_objective) == ("highs", 0, None)
    assert plan.objective == Planner(case.site).plan(case.horizon, 0.5).objective


@pytest.mark.parametrize("engine", ["storage", "highs", "auto"])
def test_refuses_a_window_that_changes(engine: str) -> None:
    battery = make_battery(min_soc_kwh=[1.0, 2.0])
    scenarios = Scenarios(load_kwh=[[1.0, 1.0]], pv_kwh=[[0.0, 0.0]])
    with pytest.raises(SiteError, match=r"battery\.min_soc_kwh is from 1 to 2 kWh, want one value"):
        Planner(make_site(battery), engine=engine).plan(
            make_horizon([1.0, 1.0]), 5.0, scenarios=scenarios
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"scenarios": 3}, "scenarios is 3, want mpc.Scenarios", id="no scenarios"),
        pytest.param(
            {"scenarios": Scenarios(load_kwh=[[1.0]], pv_kwh=[[0.0]])},
            r"scenarios\.load_kwh is an array of shape \(1, 1\), want shape \(1, 2\)",
            id="other slots",
        ),
        pytest.param({"recourse": 1.5}, "recourse is 1.5, want a share from 0 to 1", id="share"),
        pytest.param({"recourse": True}, "recourse is True, want a share", id="truth value"),
        pytest.param({"recourse": math.nan}, "recourse is nan, want a share", id="no number"),
    ],
)
@pytest.mark.parametrize("engine", ["storage", "highs"])
def test_refuses_what_cannot_be_planned(engine: str, change: Any, message: str) -> None:
    two = Scenarios(load_kwh=[[1.0, 1.0]], pv_kwh=[[0.0, 0.0]])
    with pytest.raises(HorizonError, match=message):
        Planner(make_site(), engine=engine).plan(
            make_horizon([1.0, 1.0]), 5.0, **({"scenarios": two} | change)
        )


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"load_kwh": [1.0, 2.0]}, r"scenarios\.load_kwh is an array of shape \(2,\), want shape"),
        ({"load_kwh": "load"}, r"scenarios\.load_kwh is 'load', want shape"),
        ({"load_kwh": [[1.0, 2.0], [1.0]]}, r"scenarios\.load_kwh is \[\[1\.0, 2\.0\], \[1\.0\]\]"),
        ({"load_kwh": [[1.0, -2.0]]}, r"scenarios\.load_kwh\[0, 1\] is -2\.0, want 0 or more"),
        ({"pv_kwh": [[1.0, math.nan]]}, r"scenarios\.pv_kwh\[0, 1\] is nan, want a finite number"),
        ({"pv_kwh": [[1.0]]}, r"scenarios\.pv_kwh is an array of shape \(1, 1\), want shape"),
        ({"import_price": [[1.0, math.inf]]}, r"scenarios\.import_price\[0, 1\] is inf"),
        ({"weights": [0.5, 0.5]}, r"scenarios\.weights is an array of 2 values, want one per sc"),
        ({"weights": [0.5]}, r"scenarios\.weights is of sum 0\.5, want weights of sum 1"),
        ({"weights": [-1.0]}, r"scenarios\.weights\[0\] is -1\.0, want 0 or more; a probability"),
    ],
)  # fmt: skip
def test_refuses_what_is_no_scenario(facts: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"load_kwh": [[1.0, 1.0]], "pv_kwh": [[0.0, 0.0]]}
    with pytest.raises(HorizonError, match=message):
        Scenarios(**(good | facts))


def test_risk_weights_of_a_hand_case() -> None:
    """Costs 0 and 2 lie one standard deviation from their mean: e and 1/e at appetite 1."""
    dear = math.e / (math.e + 1.0 / math.e)
    np.testing.assert_allclose(risk_weights([0.0, 2.0], 1), [1.0 - dear, dear])
    np.testing.assert_allclose(risk_weights([0.0, 2.0], 5), [dear, 1.0 - dear])
    np.testing.assert_array_equal(risk_weights([0.0, 2.0], 3, [0.3, 0.7]), [0.3, 0.7])
    horizon = make_horizon([1.0, 2.0])
    scenarios = Scenarios(load_kwh=[[1.0, 1.0], [1.0, 2.0]], pv_kwh=[[1.0, 1.0], [1.0, 1.0]])
    tilted = np.asarray(scenarios.tilted(horizon, 1).weights)
    np.testing.assert_allclose(tilted, [1.0 - dear, dear])


@MANY
@given(
    cost=st.lists(floats(-1e6, 1e6), min_size=1, max_size=20),
    seed=st.integers(0, 99),
    equal=st.booleans(),
)
def test_a_bolder_house_counts_dear_hours_less(cost: list[float], seed: int, equal: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(seed)
    before = rng.uniform(0.1, 1.0, len(cost))
    before = np.full(len(cost), 1.0 / len(cost)) if equal else before / before.sum()
    found = [risk_weights(cost, appetite, before) for appetite in (1, 2, 3, 4, 5)]
    for weights in found:
        assert weights.sum() == pytest.approx(1.0)
        assert weights.min() >= 0.0
    np.testing.assert_allclose(found[2], before, rtol=1e-12)
    means = [float(weights @ np.array(cost)) for weights in found]
    assert all(b <= a + 1e-9 * (1.0 + abs(a)) for a, b in pairwise(means))
    tilt = (found[0] / before)[np.argsort(cost)]
    assert np.all(np.diff(tilt) >= -1e-9 * tilt[1:])


@pytest.mark.parametrize("appetite", [0, 6, 2.5, True, "bold"])
def test_refuses_another_risk_appetite(appetite: Any) -> None:
    with pytest.raises(HorizonError, match=r"risk_appetite is .*from 1 \(cautious\) to 5 \(bold\)"):
        risk_weights([1.0, 2.0], appetite)


def test_highs_on_scenarios_needs_no_numba() -> None:
    """In a process of its own: what is imported is read off ``sys.modules``."""
    code = (
        "import sys; from tests.mpc.test_scenarios import some_case; from mpc import Planner\n"
        "case = some_case()\n"
        "plan = Planner(case.site).plan(case.horizon, 5.0, scenarios=case.scenarios)\n"
        "assert plan.scenarios == 3; assert 'numba' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
