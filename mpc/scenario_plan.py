"""The storage engine on scenarios: a plan of the horizon's own series by blended value functions.

Every slot's move is the cheapest one on the horizon's own load, PV and prices plus what the rest is
expected to cost, V of (SV3) in ``blend``. Bill, wear, penalty, terminal and objective are, as of
any plan, those of the horizon's own series; what was minimised is ``expected_objective``, V at the
start: with recourse 0 the optimum of the two-stage program that HiGHS solves. Units as in ``plan``.
"""

from dataclasses import replace

import numpy as np

from mpc.arrays import F64
from mpc.blend import CELLS, Bad, Scenes, all_blends, make_bundle
from mpc.errors import EngineError, HorizonError, SiteError
from mpc.jit import compiled
from mpc.plan import Plan
from mpc.problem import PENALTY_FACTOR, Problem
from mpc.program import FLOWS, Packed, follow, make_work
from mpc.rules import Limits
from mpc.scenarios import Scenarios, refuse_other_slots
from mpc.storage import (
    ValueFunctions,
    limits_of,
    plan_of_flows,
    refuse_defect,
    refuse_requests,
    refuse_start,
    series_of,
    terminal_of,
)

__all__ = ["on_scenarios", "plan_scenarios", "plan_scenarios_with_values", "scenes_of"]


def plan_scenarios(problem: Problem, scenarios: Scenarios, recourse: float) -> Plan:
    """Plan with the storage engine on scenarios.

    Raises:
        EngineError: for a slot of a scenario or of the horizon whose cost is not convex, a start
            outside the window, or requests.
        KernelError: where numba is not installed.
    """
    return plan_scenarios_with_values(problem, scenarios, recourse)[0]


def plan_scenarios_with_values(
    problem: Problem, scenarios: Scenarios, recourse: float, *, cells: int = CELLS
) -> tuple[Plan, ValueFunctions]:
    """Return the plan, and the blended value functions it follows from (SV3).

    Args:
        problem: from ``on_scenarios``.
        scenarios: of the problem's slots.
        recourse: share of recourse in every slot (SV1), 0 to 1; the rest is whole scenarios (SV2).
        cells: of the grid for (SV1).

    Raises:
        EngineError: as ``plan_scenarios``.
        KernelError: where numba is not installed.
    """
    refuse_start(problem)
    refuse_requests(problem)
    series, limits, scenes = series_of(problem), limits_of(problem), scenes_of(problem, scenarios)
    slope, length = terminal_of(problem)
    bundle = make_bundle(len(scenarios), len(series), slope.size, cells)
    found = compiled(all_blends)(
        series, scenes, float(recourse), limits, problem.rules, slope, length, bundle
    )
    packed, bad = Packed(*found[0]), Bad(*found[1])
    refuse_bad(problem, scenarios, bad)
    work, out = make_work(0, 0), np.empty((len(series), FLOWS))
    start = problem.soc_start_kwh
    compiled(follow)(series, limits, problem.rules, packed, start, work, out)
    values = ValueFunctions(packed)
    plan = replace(
        plan_of_flows(problem, out),
        scenarios=len(scenarios),
        expected_objective=values.cost(0, start),
    )
    return plan, values


def on_scenarios(problem: Problem, scenarios: Scenarios, recourse: float) -> Problem:
    """Return the problem with one price of broken limits for itself and all scenarios (Q4).

    Raises:
        HorizonError: for scenarios of other slots, or a recourse outside [0, 1].
        SiteError: where the battery's window changes from slot to slot.
    """
    refuse_other_slots(scenarios, len(problem.horizon))
    number = isinstance(recourse, int | float) and not isinstance(recourse, bool)
    if not number or not 0.0 <= recourse <= 1.0:
        raise HorizonError("recourse", repr(recourse), "a share from 0 to 1")
    for name in ("soc_min", "soc_max"):
        bound = problem.limits[:, Limits._fields.index(name)]
        if np.ptp(bound) > 0.0:
            side = name.removeprefix("soc_")
            raise SiteError(
                f"battery.{side}_soc_kwh",
                f"from {bound.min():g} to {bound.max():g} kWh",
                "one value for all slots: what a changing window forces differs between scenarios; "
                "or plan without scenarios",
            )
    prices = [p for p in (scenarios.import_price, scenarios.export_price) if p is not None]
    highest = max((float(np.abs(p).max()) for p in prices), default=0.0)
    penalty = max(problem.penalty_per_kwh, PENALTY_FACTOR * highest)
    return replace(problem, penalty_per_kwh=penalty)


def scenes_of(problem: Problem, scenarios: Scenarios) -> Scenes:
    """Return the scenarios as kernels read them."""
    buy, sell = scenarios.import_price, scenarios.export_price
    return Scenes(
        np.asarray(scenarios.load_kwh),
        np.asarray(scenarios.pv_kwh),
        own_row(problem.import_price) if buy is None else np.asarray(buy),
        own_row(problem.export_price) if sell is None else np.asarray(sell),
        np.asarray(scenarios.weights),
    )


def own_row(price: F64) -> F64:
    """Return a (1, T) read-only table of one series."""
    row = np.ascontiguousarray(price).reshape(1, -1)
    row.flags.writeable = False
    return row


def scenario_problem(problem: Problem, scenarios: Scenarios, k: int) -> Problem:
    """Return the problem with the series of one scenario, from slot 0 on; limits as they were."""
    scenes = scenes_of(problem, scenarios)
    buy, sell = (min(k, len(p) - 1) for p in (scenes.import_price, scenes.export_price))
    return replace(
        problem,
        load=scenes.load_kwh[k],
        pv=scenes.pv_kwh[k],
        import_price=scenes.import_price[buy],
        export_price=scenes.export_price[sell],
    )


def refuse_bad(problem: Problem, scenarios: Scenarios, bad: Bad) -> None:
    """Refuse a slot whose cost is not convex, in a scenario or on the horizon's own series.

    Raises:
        EngineError: scenario, slot and reason are named.
    """
    if bad.defect == 0:
        return
    if bad.scenario < 0:
        refuse_defect(problem, bad.slot, bad.defect)
    try:
        refuse_defect(scenario_problem(problem, scenarios, bad.scenario), bad.slot, bad.defect)
    except EngineError as err:
        got = f"in scenario {bad.scenario} {err.got}"
        raise EngineError(got, err.want, bad.slot) from None
