"""HiGHS on scenarios: one linear program of two stages.

    minimise  sum_k w[k] * cost of copy k,   copy k: slot 0 of the horizon, slots 1.. of scenario k
    subject to (M1)-(M4) of ``model`` in every copy,  soc[k, 0] = soc[0, 0] for all k          (ST1)

In slot 0 all copies have the same series and must store the same, so it costs the same in each: the
decision of the first slot is one, all later ones know their scenario. Its optimum is that of the
storage engine with recourse 0. The energy value of slot 0 is what a kWh more at its end saves in
all copies together, for each side the sum of what it saves in each (``marginal``),

    energy_value[0] = sum_k w[k] * energy value of copy k at the end of slot 0                 (ST2)

widened, as in any plan, to hold the dual, - sum_k dual of (M1) in slot 0 of copy k. The later slots
of the plan are the best ones on the horizon's own series from the energy found for the end of slot
0, with their energy values.

The program is a relaxation where prices reward opposite flows (``exactness``). Where netting raises
the cost of a copy, that copy is planned anew from the end of slot 0 with binaries, which gives its
cost and its share of (ST2). ``gap`` is what the plan is then expected to cost beyond the program's
optimum: a proven bound, and a loose one, since the program itself is not searched.
A start outside the battery's window, which no linear program describes, is planned on the horizon's
own series alone; the plan says so with ``scenarios == 0``.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mpc.arrays import F64
from mpc.exactness import cheats_in
from mpc.flows import Flows, cost_of, settle_flows, violations_of
from mpc.horizon import Horizon
from mpc.lp import Matrix, Numbers
from mpc.marginal import energy_values
from mpc.model import HouseModel, structure_of
from mpc.plan import Plan, read_only
from mpc.problem import Problem, make_problem
from mpc.scenario_plan import scenario_problem
from mpc.scenarios import Scenarios
from mpc.solver import LpSolver, Solution

__all__ = ["plan_two_stage"]

RELATIVE_MONEY = 1e-7
PlanOne = Callable[[Problem], Plan]


class _Copies(NamedTuple):
    """The copies of the program: problems, weights, and one model for all."""

    problems: list[Problem]
    weights: list[float]
    model: HouseModel


def plan_two_stage(problem: Problem, scenarios: Scenarios, plan_one: PlanOne) -> Plan:
    """Plan with HiGHS on scenarios.

    Args:
        problem: from ``scenario_plan.on_scenarios``.
        scenarios: of the problem's slots.
        plan_one: plans one problem with HiGHS, certified.

    Raises:
        SolverError: where HiGHS fails, which no valid input is known to cause.
    """
    if problem.start_side != 0:
        return plan_one(problem)
    if len(problem.horizon) == 1:
        plan = plan_one(problem)
        return replace(plan, scenarios=len(scenarios), expected_objective=plan.objective)
    copies = _copies(problem, scenarios)
    solution = _solve(copies)
    stored = float(solution.x[copies.model.soc.start])
    expected, values = _outlook(copies, solution, stored, plan_one)
    gap = expected - solution.objective
    scale = sum(w * p.money_scale for p, w in zip(copies.problems, copies.weights, strict=True))
    plan = plan_one(_ending_first_at(problem, stored))
    gap = max(gap if gap > RELATIVE_MONEY * scale else 0.0, plan.gap)
    up, down = plan.energy_value_up.copy(), plan.energy_value_down.copy()
    up[0], down[0] = values
    return replace(
        plan,
        min_soc_kwh=read_only(problem.soc_min),
        max_soc_kwh=read_only(problem.soc_max),
        energy_value_up=read_only(up),
        energy_value_down=read_only(down),
        status="feasible" if gap > 0.0 else "optimal",
        gap=gap,
        scenarios=len(scenarios),
        expected_objective=expected,
    )


def _copies(problem: Problem, scenarios: Scenarios) -> _Copies:
    """Return the problem of every scenario that counts, its slot 0 that of the horizon."""
    weights = np.asarray(scenarios.weights)
    counted = np.flatnonzero(weights > 0.0)
    problems = [_copy(problem, scenarios, int(k)) for k in counted]
    structures = [structure_of(one) for one in problems]
    elastic = any(structure.elastic for structure in structures)
    model = HouseModel(replace(structures[0], elastic=elastic))
    return _Copies(problems, weights[counted].tolist(), model)


def _copy(problem: Problem, scenarios: Scenarios, k: int) -> Problem:
    """Return the horizon's slot 0 followed by a scenario, as a problem of its own."""
    scene = scenario_problem(problem, scenarios, k)

    def after_first(own: F64, later: F64) -> F64:
        return np.concatenate([own[:1], later[1:]])

    horizon = Horizon(
        start=problem.horizon.start,
        slot_minutes=problem.horizon.slot_minutes,
        import_price=after_first(problem.import_price, scene.import_price),
        export_price=after_first(problem.export_price, scene.export_price),
        load_kwh=after_first(problem.load, scene.load),
        pv_kwh=after_first(problem.pv, scene.pv),
        terminal_value=problem.terminal,
    )
    copy = make_problem(problem.site, horizon, problem.soc_start_kwh)
    return replace(copy, penalty_per_kwh=problem.penalty_per_kwh, wanted=problem.wanted)


def _solve(copies: _Copies) -> Solution:
    """Solve the copies side by side, their first stored energies tied together (ST1)."""
    parts = [copies.model.numbers(problem) for problem in copies.problems]
    ties = np.zeros(len(parts) - 1)
    numbers = Numbers(
        np.concatenate([w * part.cost for w, part in zip(copies.weights, parts, strict=True)]),
        np.concatenate([part.col_lower for part in parts]),
        np.concatenate([part.col_upper for part in parts]),
        np.concatenate([*(part.row_lower for part in parts), ties]),
        np.concatenate([*(part.row_upper for part in parts), ties]),
    )
    return LpSolver().solve(_tied(copies.model, len(parts)), numbers)


def _tied(model: HouseModel, count: int) -> Matrix:
    """Return the matrix of ``count`` copies of a model with (ST1)."""
    base, later = model.matrix, np.arange(1, count)
    columns, rows = count * base.columns, count * base.rows
    widths = np.diff(np.append(base.starts, base.value.size))
    column = np.repeat(np.arange(base.columns), widths)
    tie_row, tie_column = rows + later - 1, model.soc.start + later * base.columns
    column = np.concatenate(
        [*(column + k * base.columns for k in range(count)), np.full(count - 1, model.soc.start),
         tie_column]
    )  # fmt: skip
    row = np.concatenate([*(base.index + k * base.rows for k in range(count)), tie_row, tie_row])
    value = np.concatenate(
        [np.tile(base.value, count), np.full(count - 1, -1.0), later * 0.0 + 1.0]
    )
    order = np.lexsort((row, column))
    return Matrix(
        columns,
        rows + count - 1,
        np.searchsorted(column[order], np.arange(columns)).astype(np.int32),
        row[order].astype(np.int32),
        value[order],
        np.zeros(columns, np.int32),
    )


def _outlook(
    copies: _Copies, solution: Solution, stored_kwh: float, plan_one: PlanOne
) -> tuple[float, tuple[float, float]]:
    """Return what the plan is expected to cost, and the (up, down) energy value of slot 0 (ST2).

    Every copy counts with flows that a house can have.
    """
    model, count = copies.model, len(copies.problems)
    columns = solution.x.reshape(count, -1)
    duals = solution.row_dual[: count * model.matrix.rows].reshape(count, -1)
    dual = 0.0 - float(duals[:, model.stored.start].sum())
    expected, up, down, honest = 0.0, 0.0, 0.0, True
    parts = zip(copies.problems, copies.weights, columns, duals, strict=True)
    for problem, weight, x, row_dual in parts:
        flows = settle_flows(problem, model, x)
        cost = cost_of(problem, flows, violations_of(problem, flows)).objective
        raised = cost - float(model.numbers(problem).cost @ x)
        if _cheats(problem, flows) or raised > RELATIVE_MONEY * problem.money_scale:
            honest = False
            plan = plan_one(_ending_first_at(problem, stored_kwh))
            cost, low = plan.objective, float(plan.energy_value[1])
            low = high = low + _end_worth(problem, stored_kwh)
        else:
            values = energy_values(problem, flows, _dual_values(model, row_dual / weight))
            low, high = float(values[0][0]), float(values[1][0])
        expected += weight * cost
        up, down = up + weight * low, down + weight * high
    return expected, (min(up, dual), max(down, dual)) if honest else (up, down)


def _cheats(problem: Problem, flows: Flows) -> bool:
    """Return whether the battery charges from the grid where that is forbidden."""
    return bool(cheats_in(problem, flows).grid_charge.any())


def _end_worth(problem: Problem, stored_kwh: float) -> float:
    """Return what a kWh more saves of what is missing at the end of slot 0 itself, per kWh."""
    worth = problem.site.reserve_price_per_kwh if stored_kwh < problem.reserve[0] else 0.0
    wanted = problem.wanted
    if wanted is None:
        return worth
    missing, excess = stored_kwh < wanted.soc_low[0], stored_kwh > wanted.soc_high[0]
    return worth + wanted.price_per_kwh * (float(missing) - float(excess))


def _dual_values(model: HouseModel, row_dual: F64) -> F64:
    """Return (T,) energy values of one copy; in slot 0 without what ties it to the others (ST1)."""
    values = -row_dual[model.stored]
    values[0] = values[1]
    if model.structure.reserve:
        values[0] += row_dual[model.reserve_row.start]
    if model.structure.targets:
        values[0] += row_dual[model.requests.target_row.start]
    return values + 0.0


def _ending_first_at(problem: Problem, stored_kwh: float) -> Problem:
    """Return the problem with the stored energy at the end of slot 0 given."""
    low, high = problem.soc_min.copy(), problem.soc_max.copy()
    low[0] = high[0] = min(max(stored_kwh, low[0]), high[0])
    return replace(problem, soc_min=low, soc_max=high)
