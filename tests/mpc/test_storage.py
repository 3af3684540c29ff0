"""The storage engine against HiGHS, the physics and its own difference quotients."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mpc import EngineError, Grid, Horizon, KernelError, Plan, Planner, Site, SiteError, jit
from mpc.batch import START_OUTSIDE, batch_of, plan_batch
from mpc.errors import HorizonError
from mpc.exactness import suspects_of
from mpc.jit import compiled
from mpc.pieces import EXPORT_ABOVE_IMPORT
from mpc.problem import Problem, make_problem
from mpc.program import SOC, VALUE_DOWN, all_values, make_work, value_after_first
from mpc.storage import (
    ValueFunctions,
    limits_of,
    plan_storage,
    plan_with_values,
    series_of,
    terminal_of,
    value_functions,
)
from tests.mpc.instances import floats, horizons, make_battery, make_horizon, make_site, sites
from tests.mpc.simulate import assert_physical, simulate

MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
LEAST_PENALTY = 9.0
"""Values at or above it are made by penalties: see ``test_marginal``."""
STEP_KWH = 1e-5


@pytest.fixture(scope="module", autouse=True)
def _compiled_once() -> None:
    """Compile before any test is timed."""
    plan_storage(make_problem(make_site(), make_horizon([1.0]), 5.0))


@st.composite
def problems(draw: st.DrawFn, *, sane: bool = True, most: int = 10) -> Problem:
    """Problems with every option, ties, no limits, and windows that change from slot to slot."""
    site, horizon = draw(sites()), draw(horizons(sane=sane, most=most))
    if draw(st.booleans()):
        free = Grid(max_import_kw=draw(st.sampled_from([4.0, np.inf])), max_export_kw=np.inf)
        site = replace(site, grid=free)
    low, high = site.battery.min_soc_kwh, site.battery.max_soc_kwh
    assert isinstance(low, float)
    assert isinstance(high, float)
    share = draw(st.one_of(st.sampled_from([0.0, 1.0]), floats(0.0, 1.0)))
    soc = min(max(low + share * (high - low), low), high)
    if draw(st.booleans()):
        site = replace(site, battery=draw(changing_windows(site, len(horizon), soc)))
    return make_problem(site, horizon, soc)


@st.composite
def changing_windows(draw: st.DrawFn, site: Site, slots: int, soc: float) -> Any:
    """A battery whose window changes from slot to slot; the first one holds the start."""
    capacity = site.battery.capacity_kwh
    part = st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), min_size=slots, max_size=slots)
    one, two = capacity * np.array(draw(part)), capacity * np.array(draw(part))
    low, high = np.minimum(one, two), np.maximum(one, two)
    low[0], high[0] = min(low[0], soc), max(high[0], soc)
    return replace(site.battery, min_soc_kwh=low, max_soc_kwh=high)


def highs_of(problem: Problem) -> Plan:
    return Planner(problem.site).plan(problem.horizon, problem.soc_start_kwh)


def tolerance(problem: Problem, plan: Plan) -> float:
    """1e-7 of the money at stake, penalties at what they price."""
    return 1e-7 * (problem.money_scale + abs(plan.penalty) + abs(plan.terminal))


def answer_or_refusal(problem: Problem) -> tuple[Plan, ValueFunctions] | EngineError:
    try:
        return plan_with_values(problem)
    except EngineError as refusal:
        return refusal


def may_refuse(problem: Problem, refusal: EngineError) -> bool:
    """Whether two opposite flows can pay in the slot: by its prices, or PV that must be spilled."""
    slot = refusal.slot
    assert slot is not None
    found = suspects_of(problem)
    spilled = problem.pv - problem.load > problem.export_max
    suspected = found.grid | found.battery | found.grid_charge
    return bool(suspected[slot] or (spilled[slot] and not problem.site.pv_curtailable))


@MANY
@given(problem=st.one_of(problems(), problems(sane=False)))
def test_the_engine_finds_what_highs_finds(problem: Problem) -> None:
    answer = answer_or_refusal(problem)
    if isinstance(answer, EngineError):
        assert may_refuse(problem, answer)
        return
    plan, values = answer
    other = highs_of(problem)
    allowed = tolerance(problem, plan)
    assert plan.engine == "storage"
    assert plan.objective >= other.objective - other.gap - allowed
    assert plan.objective <= other.objective + allowed
    promised = values.cost(0, problem.soc_start_kwh)
    assert promised == pytest.approx(plan.objective, abs=1e-2 * allowed, rel=1e-9)


@MANY
@given(problem=problems(sane=False))
def test_a_plan_carried_out_costs_what_it_says(problem: Problem) -> None:
    """The physics finds grid flows and curtailment anew from the battery energy alone."""
    try:
        plan = plan_storage(problem)
    except EngineError:
        return
    assume(np.ndim(problem.site.battery.min_soc_kwh) == 0)
    assert_physical(plan, problem.site)
    cost, states = simulate(plan, problem.site)
    assert cost == pytest.approx(plan.bill + plan.wear, abs=1e-6)
    np.testing.assert_allclose(states, plan.soc_kwh, atol=1e-7)
    assert np.all(plan.energy_value_up <= plan.energy_value_down + 1e-9)


def _reach(values: ValueFunctions, index: int) -> tuple[float, float]:
    """The stored energies from which the rest can be kept within its windows."""
    start, _, length = values.pieces(index)
    return start, start + float(length.sum())


@MANY
@given(problem=problems())
def test_energy_values_are_those_of_highs_where_they_are_unique(problem: Problem) -> None:
    try:
        plan, values = plan_with_values(problem)
    except EngineError:
        return
    other = highs_of(problem)
    up, down = other.energy_value_up, other.energy_value_down
    unique = (up == down) & (np.abs(up) < LEAST_PENALTY)
    unique &= np.abs(plan.soc_kwh - other.soc_kwh) < 1e-7
    unique &= (plan.soc_kwh > problem.soc_min + 1e-6) & (plan.soc_kwh < problem.soc_max - 1e-6)
    # where later windows admit no less or no more, that side has no worth: HiGHS gives its dual
    starts, ends = np.array([_reach(values, t + 1) for t in range(len(plan))]).T
    unique &= (plan.soc_kwh > starts + 1e-6) & (plan.soc_kwh < ends - 1e-6)
    unique &= np.abs(plan.energy_value_up) < LEAST_PENALTY
    unique &= np.abs(plan.energy_value_down) < LEAST_PENALTY
    np.testing.assert_allclose(plan.energy_value_up[unique], up[unique], atol=1e-6)
    np.testing.assert_allclose(plan.energy_value_down[unique], down[unique], atol=1e-6)


@MANY
@given(problem=problems(), share=floats(0.05, 0.95), pick=st.integers(0, 10))
def test_marginal_values_are_difference_quotients(
    problem: Problem, share: float, pick: int
) -> None:
    """And the curve itself is what the rest of the horizon costs, planned anew."""
    try:
        values = value_functions(problem)
    except EngineError:
        return
    index = pick % len(values)
    start, slope, length = values.pieces(index)
    assume(slope.size > 0)
    soc = start + share * float(length.sum())
    edges = start + np.concatenate([[0.0], np.cumsum(length)])
    assume(np.abs(edges - soc).min() > 2.0 * STEP_KWH)
    up, down = values.marginal(index, soc)
    here = values.cost(index, soc)
    rise = (here - values.cost(index, soc + STEP_KWH)) / STEP_KWH
    fall = (values.cost(index, soc - STEP_KWH) - here) / STEP_KWH
    scale = 1e-5 * (1.0 + abs(up)) + 1e-10 * abs(here) / STEP_KWH
    assert up == pytest.approx(rise, abs=scale)
    assert down == pytest.approx(fall, abs=scale)
    kink = values.marginal(index, float(edges[len(edges) // 2]))
    assert kink[0] <= kink[1]


@MANY
@given(problem=problems())
def test_the_curve_of_a_replan_is_that_of_the_plan(problem: Problem) -> None:
    """In place or packed, compiled or not: the same bits at the end of slot 0."""
    series, limits = series_of(problem), limits_of(problem)
    ends = terminal_of(problem)
    work = make_work(len(series), ends[0].size)
    packed, bad, _ = all_values(series, limits, problem.rules, *ends, work)
    curve, again, _ = compiled(value_after_first)(series, limits, problem.rules, *ends, work)
    assume(bad == again)  # slot 0 is none of a re-plan's business
    run = slice(packed.first[1], packed.last[1])
    np.testing.assert_array_equal(work.slope[curve.first : curve.last], packed.slope[run])
    np.testing.assert_array_equal(work.length[curve.first : curve.last], packed.length[run])
    assert (curve.start_kwh, curve.cost) == (packed.start_kwh[1], packed.cost[1])


def test_values_of_a_hand_case() -> None:
    """Lossless, no wear: 2 kWh needed at 1.0 after an hour at 0.3.

    At the end of slot 0 (minimum 1 kWh) the first 2 kWh above the minimum save 1.0 each, the next
    nothing. At the start 0.3 buys them: worth 0.3 up to 3 kWh, then nothing.
    """
    battery = make_battery(charge_efficiency=1.0, discharge_efficiency=1.0, wear_cost_per_kwh=0.0)
    horizon = make_horizon([0.3, 1.0], load_kwh=[0.0, 2.0])
    plan, values = plan_with_values(make_problem(make_site(battery), horizon, 1.0))
    assert len(values) == 3
    np.testing.assert_allclose(values.marginal(1, 2.0), [1.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(values.marginal(1, 3.0), [0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(values.marginal(0, 2.0), [0.3, 0.3], atol=1e-12)
    assert values.cost(0, 1.0) == pytest.approx(2.0 * 0.3)
    np.testing.assert_allclose(plan.charge_kwh, [2.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(plan.discharge_kwh, [0.0, 2.0], atol=1e-12)
    assert plan.energy_value_up[0] == pytest.approx(0.0)
    assert plan.energy_value_down[0] == pytest.approx(1.0)


def test_at_a_bound_the_slot_itself_sets_the_worth() -> None:
    """Full at 0.2 for 9 kWh at 1.0: the next kWh only saves charging. Emptied at 2.0 likewise."""
    lossless = make_battery(charge_efficiency=1.0, discharge_efficiency=1.0, wear_cost_per_kwh=0.0)
    horizon = make_horizon([0.2, 0.2, 1.0, 1.0], load_kwh=[0.0, 0.0, 5.0, 5.0])
    full = plan_storage(make_problem(make_site(lossless), horizon, 1.0))
    assert full.soc_kwh[1] == 10.0
    assert full.energy_value_up[1] == pytest.approx(0.2)
    assert full.energy_value_down[1] == pytest.approx(1.0)
    empty = plan_storage(
        make_problem(make_site(lossless), make_horizon([2.0, 0.5], load_kwh=[3.0, 3.0]), 3.0)
    )
    assert empty.soc_kwh[0] == 1.0
    assert empty.energy_value_up[0] == pytest.approx(0.5)
    assert empty.energy_value_down[0] == pytest.approx(2.0)


def test_ties_rest() -> None:
    """Buying now or next hour costs the same: of equal plans the one that waits."""
    horizon = make_horizon([0.3, 0.3, 1.0], load_kwh=[0.0, 0.0, 2.0])
    plan = plan_storage(make_problem(make_site(), horizon, 1.0))
    assert plan.charge_kwh[0] == 0.0
    assert plan.charge_kwh[1] == pytest.approx(2.0 / 0.95**2)


def test_nothing_that_can_move_has_finite_values() -> None:
    battery = make_battery(
        capacity_kwh=0.0, min_soc_kwh=0.0, max_soc_kwh=0.0, max_charge_kw=0.0, max_discharge_kw=0.0
    )
    plan = plan_storage(make_problem(make_site(battery), make_horizon([1.0, 2.0]), 0.0))
    assert np.isfinite(plan.energy_value).all()
    np.testing.assert_array_equal(plan.soc_kwh, 0.0)


CHEAT = make_horizon([1.0, 0.5, 1.0], export_price=[0.2, 0.7, 0.2], load_kwh=1.0)


@pytest.mark.parametrize(
    ("horizon", "soc", "options", "slot", "reason"),
    [
        pytest.param(CHEAT, 5.0, {}, 1, r"export price 0\.7 is above its import price 0\.5"),
        pytest.param(
            make_horizon([1.0, 1.0, -4.0], export_price=-4.1, load_kwh=1.0),
            5.0,
            {},
            2,
            "reward burning stored energy",
        ),
        pytest.param(
            make_horizon([-0.1], pv_kwh=1.0), 5.0, {"allow_grid_charge": False}, 0, "curtailing PV"
        ),
        pytest.param(
            make_horizon([1.0], pv_kwh=12.0, export_price=0.5),
            5.0,
            {"pv_curtailable": False},
            0,
            "PV exceeds the export limit",
        ),
        pytest.param(make_horizon([1.0]), 0.5, {}, 0, "0.5 kWh stored, below"),
        pytest.param(make_horizon([1.0]), 10.4, {}, 0, "10.4 kWh stored, above"),
    ],
)
def test_a_refusal_names_slot_and_reason_and_auto_takes_highs(
    horizon: Horizon, soc: float, options: dict[str, Any], slot: int, reason: str
) -> None:
    site = make_site(**options)
    with pytest.raises(EngineError, match=rf"slot {slot} is .*{reason}.*engine='auto'") as caught:
        Planner(site, engine="storage").plan(horizon, soc)
    assert caught.value.slot == slot
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301
    plan = Planner(site, engine="auto").plan(horizon, soc)
    assert plan.engine == "highs"
    assert plan.objective == Planner(site).plan(horizon, soc).objective


def test_the_planner_says_which_engine_planned() -> None:
    horizon = make_horizon([0.3, 1.0], load_kwh=[0.0, 2.0])
    plans = {e: Planner(make_site(), engine=e).plan(horizon, 1.0) for e in ("storage", "auto")}
    assert {plan.engine for plan in plans.values()} == {"storage"}
    assert Planner(make_site()).plan(horizon, 1.0).engine == "highs"
    assert Plan.from_json(plans["auto"].to_json()).engine == "storage"
    # a plan of the engine is no warm start, and no hindrance
    assert Planner(make_site()).plan(horizon, 1.0, plans["auto"]).engine == "highs"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(SiteError, match="engine is 'cplex', want one of 'highs', 'storage'"):
        Planner(make_site(), engine="cplex")


@pytest.fixture
def _no_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A house without the extra ``replay``."""

    def missing() -> None:
        raise KernelError("numba is not installed")

    compiled.cache_clear()
    monkeypatch.setattr(jit, "_numba", missing)
    yield
    compiled.cache_clear()


@pytest.mark.usefixtures("_no_numba")
def test_without_numba_auto_is_highs_and_storage_says_so() -> None:
    horizon = make_horizon([0.3, 1.0], load_kwh=[0.0, 2.0])
    assert Planner(make_site(), engine="auto").plan(horizon, 1.0).engine == "highs"
    with pytest.raises(KernelError, match="numba is not installed"):
        Planner(make_site(), engine="storage").plan(horizon, 1.0)


def some_problems() -> list[Problem]:
    """Three homes over two hours: one is refused for its prices, one for its start."""
    good = make_horizon([0.3, 1.0], load_kwh=[0.0, 2.0], terminal_value=[(0.0, 0.5), (4.0, 0.1)])
    bad = make_horizon([1.0, 0.5], export_price=[0.2, 0.7], load_kwh=1.0)
    lossy = make_site(make_battery(charge_efficiency=0.8), allow_battery_export=False)
    return [
        make_problem(make_site(), good, 1.0),
        make_problem(make_site(), bad, 5.0),
        make_problem(lossy, good, 3.0),
        make_problem(make_site(), good, 0.2),
        make_problem(lossy, make_horizon([2.0, 0.1], load_kwh=1.0), 10.0),
    ]


def test_a_batch_equals_one_by_one_to_the_bit_and_refuses_alone() -> None:
    these = some_problems()
    found = plan_batch(batch_of(these))
    assert found.slot.tolist() == [-1, 1, -1, 0, -1]
    assert found.reason.tolist() == [0, EXPORT_ABOVE_IMPORT, 0, START_OUTSIDE, 0]
    assert np.isnan(found.objective[[1, 3]]).all()
    for b in (0, 2, 4):
        plan, values = plan_with_values(these[b])
        assert found.objective[b] == values.cost(0, these[b].soc_start_kwh)
        np.testing.assert_array_equal(found.flows[b, :, SOC], plan.soc_kwh)
        np.testing.assert_array_equal(found.flows[b, :, VALUE_DOWN], plan.energy_value_down)
    costs = plan_batch(batch_of(these), flows=False)
    np.testing.assert_array_equal(costs.objective, found.objective)
    assert costs.flows.shape == (5, 0, 8)


def test_a_batch_needs_one_number_of_slots() -> None:
    site = make_site()
    mixed = [make_problem(site, make_horizon([1.0] * n), 5.0) for n in (1, 2)]
    with pytest.raises(HorizonError, match=r"of \[1, 2\] slots, want one number of slots"):
        batch_of(mixed)


def test_a_long_horizon_grows_its_arrays() -> None:
    """More than 32 pieces a slot: the packed arrays, sized for fewer, grow."""
    rng = np.random.default_rng(4)
    slots = 400
    horizon = make_horizon(
        rng.uniform(0.5, 2.0, slots),
        export_price=rng.uniform(0.0, 0.5, slots),
        load_kwh=rng.uniform(0.0, 0.4, slots),
        pv_kwh=rng.uniform(0.0, 0.4, slots),
        slot_minutes=5,
    )
    problem = make_problem(make_site(make_battery(max_charge_kw=1.0)), horizon, 5.0)
    plan, values = plan_with_values(problem)
    assert values.packed.slope.size > 64 + 32 * slots
    assert plan.objective == pytest.approx(highs_of(problem).objective, abs=1e-7)
