"""The storage engine on odd sites, against an exhaustive search on a lattice with every optimum.

Energies are multiples of 0.5 kWh, efficiencies 1 or 0.5: every kink of every curve then lies on a
lattice of 0.25 kWh stored, and trying all states in all slots finds the optimum itself. Cost and
rules are written out anew here: an error shared by the engine and the program would show.
"""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpc import EngineError, Grid, KernelError, Planner, Site
from mpc.arrays import F64
from mpc.batch import batch_of, plan_batch
from mpc.problem import Problem, make_problem
from mpc.program import FLOWS, Work, all_values, follow, make_work, value_after_first
from mpc.storage import limits_of, plan_with_values, series_of, terminal_of
from tests.mpc.instances import make_battery, make_horizon, make_site

MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
STEP_KWH = 0.25
ENERGY = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 3.0])
PRICE = st.sampled_from([-3.0, -0.5, 0.0, 0.25, 1.0, 1.0, 2.0])
POWER = st.sampled_from([0.0, 1.0, 2.0, 100.0])
LIMIT = st.sampled_from([0.0, 1.0, 2.0, np.inf])
CURVE = st.sampled_from([0.0, 1.0, [(0.0, 0.0)], [(2.0, 1.5)], [(0.0, 2.0), (1.0, 0.5), (9.0, -1)]])


@st.composite
def odd_sites(draw: st.DrawFn, slots: int) -> Site:
    """No battery, no power, windows without width, no limits, soft limit 0, reserve above all."""
    capacity = draw(st.sampled_from([0.0, 1.0, 3.0, 3.0]))
    shares = st.sampled_from([0.0, 0.0, 0.5, 1.0]), st.sampled_from([0.5, 1.0, 1.0])
    one, two = (capacity * np.array([draw(share) for _ in range(slots)]) for share in shares)
    window = (np.minimum(one, two), np.maximum(one, two))
    low, high = window if draw(st.booleans()) else (float(window[0][0]), float(window[1][0]))
    ratio = st.sampled_from([1.0, 0.5])
    battery = make_battery(
        capacity_kwh=capacity,
        min_soc_kwh=low,
        max_soc_kwh=high,
        max_charge_kw=draw(POWER),
        max_discharge_kw=draw(POWER),
        charge_efficiency=draw(ratio),
        discharge_efficiency=draw(ratio),
        wear_cost_per_kwh=draw(st.sampled_from([0.0, 0.25])),
    )
    soft, reserve = draw(st.sampled_from([None, 0.0, 1.0])), draw(st.sampled_from([0.0, 1.0, 30.0]))
    return make_site(
        battery,
        Grid(max_import_kw=draw(LIMIT), max_export_kw=draw(LIMIT)),
        pv_curtailable=draw(st.booleans()),
        allow_grid_charge=draw(st.booleans()),
        allow_battery_export=draw(st.booleans()),
        export_margin_per_kwh=draw(st.sampled_from([0.0, 0.5])),
        planning_import_kw=soft,
        planning_import_price_per_kwh=0.0 if soft is None else 0.75,
        reserve_soc_kwh=reserve,
        reserve_price_per_kwh=0.25 if reserve else 0.0,
        fuse_headroom_kw=draw(st.sampled_from([0.0, 1.0, 20.0])),
    )


@st.composite
def odd_problems(draw: st.DrawFn) -> Problem:
    """Odd sites over one to four hours, the start at a bound or between."""
    slots = draw(st.integers(1, 4))
    site = draw(odd_sites(slots))
    columns = [[draw(element) for _ in range(slots)] for element in (PRICE, PRICE, ENERGY, ENERGY)]
    buy, sell, load, pv = columns
    if draw(st.booleans()):
        sell = [min(prices) for prices in zip(buy, sell, strict=True)]
    horizon = make_horizon(buy, sell, load, pv, terminal_value=draw(CURVE))
    battery = site.battery
    edges = [float(np.ravel(np.asarray(b))[0]) for b in (battery.min_soc_kwh, battery.max_soc_kwh)]
    return make_problem(site, horizon, draw(st.sampled_from([*edges, 0.5 * sum(edges)])))


def cheapest_by_trying(problem: Problem) -> float:
    """Return the cost of the best of all plans on the lattice, currency."""
    states = np.arange(0.0, problem.site.battery.capacity_kwh + 1e-9, STEP_KWH)
    future = np.array([-problem.terminal.value(float(s)) for s in states])
    for t in reversed(range(len(problem.load))):
        short = np.maximum(problem.reserve[t] - states, 0.0)
        future = future + problem.site.reserve_price_per_kwh * short
        future[(states < problem.soc_min[t]) | (states > problem.soc_max[t])] = np.inf
        future = np.array([np.min(moves_cost(problem, t, states - s) + future) for s in states])
    return float(future[np.argmin(np.abs(states - problem.soc_start_kwh))])


def moves_cost(problem: Problem, t: int, changes_kwh: F64) -> F64:
    """Return what the cheapest grid flows cost for each change of stored energy; inf: forbidden."""
    battery = problem.site.battery
    charge = np.maximum(changes_kwh, 0.0) / battery.charge_efficiency
    discharge = np.maximum(-changes_kwh, 0.0) * battery.discharge_efficiency
    cost = np.array([grid_cost(problem, t, *move) for move in zip(charge, discharge, strict=True)])
    beyond = np.maximum(discharge - max(float(problem.net[t]), 0.0), 0.0)
    cost += battery.wear_cost_per_kwh * discharge + problem.site.export_margin_per_kwh * beyond
    cost[charge > hour_kwh(battery.max_charge_kw)] = np.inf
    cost[discharge > hour_kwh(battery.max_discharge_kw)] = np.inf
    return cost


def hour_kwh(limit_kw: object) -> float:
    """The slots here are hours."""
    assert isinstance(limit_kw, float)
    return limit_kw


def grid_cost(problem: Problem, t: int, charge_kwh: float, discharge_kwh: float) -> float:
    """Return the cost at the grid of one move, over every curtailment that can be best."""
    site, net = problem.site, float(problem.net[t])
    most_import, most_export = hour_kwh(site.grid.max_import_kw), hour_kwh(site.grid.max_export_kw)
    soft = most_import if site.planning_import_kw is None else hour_kwh(site.planning_import_kw)
    room = most_import - site.fuse_headroom_kw - net
    if site.fuse_headroom_kw > 0.0 and charge_kwh > max(room, -net, 0.0):
        return np.inf
    grid = net + charge_kwh - discharge_kwh
    kinks = [0.0, -grid, -most_export - grid, soft - grid, most_import - grid]
    spill = float(problem.pv[t]) if site.pv_curtailable else 0.0
    best = np.inf
    for curtail in [*kinks, spill]:
        if not 0.0 <= curtail <= spill:
            continue
        taken, given = max(grid + curtail, 0.0), max(-grid - curtail, 0.0)
        grid_charge = taken > 0.0 and charge_kwh > 0.0 and not site.allow_grid_charge
        if grid_charge or (given > 0.0 and discharge_kwh > 0.0 and not site.allow_battery_export):
            continue
        cost = problem.import_price[t] * taken - problem.export_price[t] * given
        over = max(taken - most_import, 0.0) + max(given - most_export, 0.0)
        above = max(min(taken, most_import) - min(soft, most_import), 0.0)
        steering = site.planning_import_price_per_kwh * above
        best = min(best, float(cost + steering + problem.penalty_per_kwh * over))
    return best


@MANY
@given(problem=odd_problems())
def test_no_plan_on_the_lattice_is_cheaper_and_the_best_one_is_as_cheap(problem: Problem) -> None:
    try:
        plan, values = plan_with_values(problem)
    except EngineError:
        return
    best = cheapest_by_trying(problem)
    assert plan.objective == pytest.approx(best, abs=1e-8, rel=1e-10)
    assert values.cost(0, problem.soc_start_kwh) == pytest.approx(best, abs=1e-8, rel=1e-10)
    assert np.all(plan.energy_value_up <= plan.energy_value_down)


class Strict(np.ndarray[tuple[int], np.dtype[np.float64]]):
    """An array that does not count from its end: a kernel that does so has left it."""

    def __getitem__(self, key: Any) -> Any:
        assert not isinstance(key, int) or key >= 0
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        assert not isinstance(key, int) or key >= 0
        super().__setitem__(key, value)


def strict_work(slots: int, terminal_pieces: int) -> Work:
    """Scratch of exactly the size that is asked for, empty of meaning."""
    return Work(*(np.full(a.size, np.nan).view(Strict) for a in make_work(slots, terminal_pieces)))


@MANY
@given(problem=odd_problems())
def test_no_array_is_left_whatever_the_site(problem: Problem) -> None:
    """Kernels check no bounds: as Python they do, with arrays of exactly the size they ask for."""
    series, limits, rules = series_of(problem), limits_of(problem), problem.rules
    ends = terminal_of(problem)
    work = strict_work(len(series), ends[0].size)
    packed, _, _ = all_values(series, limits, rules, *ends, work)
    value_after_first(series, limits, rules, *ends, strict_work(len(series), ends[0].size))
    out = np.full((len(series), FLOWS), np.nan)
    follow(series, limits, rules, packed, problem.soc_start_kwh, work, out)
    assert np.isfinite(out).all()
    assert np.isfinite(packed.slope).all()
    assert np.all(packed.length >= 0.0)
    for first, last in zip(packed.first, packed.last, strict=True):
        assert np.all(np.diff(packed.slope[first:last]) >= 0.0)


@pytest.mark.parametrize("soc", [1.0 - 1e-10, 1.0 + 1e-10, 10.0 - 1e-10, 10.0 + 1e-10])
def test_a_start_that_misses_the_window_by_rounding_is_planned(soc: float) -> None:
    """States are sums: a re-plan from the state of the last one must not be refused for 1e-10."""
    horizon = make_horizon([0.3, 1.0], load_kwh=[0.0, 2.0])
    problem = make_problem(make_site(), horizon, soc)
    plan = plan_with_values(problem)[0]
    want = Planner(make_site()).plan(horizon, soc)
    assert plan.objective == pytest.approx(want.objective, abs=1e-8)
    assert plan.violations == ()
    found = plan_batch(batch_of([problem]))
    assert found.reason[0] == 0
    assert found.objective[0] == pytest.approx(want.objective, abs=1e-8)


def test_a_start_outside_by_more_than_rounding_is_refused_in_numbers_that_differ() -> None:
    with pytest.raises(EngineError, match=r"with 0\.999999 kWh stored, below .* between 1\.0 and"):
        plan_with_values(make_problem(make_site(), make_horizon([1.0]), 0.999999))


def test_an_export_price_above_the_import_price_by_rounding_is_planned() -> None:
    """0.1 + 0.2 is above 0.3 by 5e-17: net metering, its prices summed in another order."""
    horizon = make_horizon([0.3, 1.0], export_price=[0.1 + 0.2, 0.9], load_kwh=[0.0, 2.0])
    plan = plan_with_values(make_problem(make_site(), horizon, 5.0))[0]
    want = Planner(make_site()).plan(horizon, 5.0)
    assert plan.objective == pytest.approx(want.objective, abs=1e-8)


def test_an_export_price_truly_above_is_refused_in_numbers_that_differ() -> None:
    horizon = make_horizon([0.3, 1.0], export_price=[0.30000001, 0.9], load_kwh=[0.0, 2.0])
    with pytest.raises(
        EngineError, match=r"export price 0\.30000001 is above its import price 0\.3,"
    ):
        plan_with_values(make_problem(make_site(), horizon, 5.0))


THREADS = """
from threading import Thread
from mpc.batch import batch_of, plan_batch
from mpc.batch import batch_of, plan_batch
from mpc.problem import make_problem
from tests.mpc.instances import make_horizon, make_site
batch = batch_of([make_problem(make_site(), make_horizon([0.3, 1.0] * 20), 5.0)] * 50)
plan_batch(batch)
threads = [Thread(target=lambda: [plan_batch(batch) for _ in range(50)]) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("planned")
"""


def test_threads_may_plan_batches_at_once() -> None:
    """Numba's own thread pool (where there is no OpenMP) ends a process that enters it twice."""
    run = subprocess.run(
        [sys.executable, "-c", THREADS],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NUMBA_THREADING_LAYER": "workqueue"},
    )
    assert run.stdout == "planned\n", run.stderr[-300:]


def test_refusals_come_through_a_process_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(EngineError, match="slot 3 is one, want another") as caught:
            pool.submit(refuse, EngineError("one", "another", 3)).result()
        assert caught.value.slot == 3
        with pytest.raises(KernelError, match="no numba"):
            pool.submit(refuse, KernelError("no numba")).result()


def refuse(error: Exception) -> None:
    """Raise in another process."""
    raise error
