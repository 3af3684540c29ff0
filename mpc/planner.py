"""The planner: numbers in, certified plan out.

    relax   solve the LP; if netting opposite flows does not change its cost, it is the optimum
    search  otherwise put binaries on the slots that can cheat, and repeat until none does
    fix     solve the LP with the directions found: flows, duals and cost come from there
    certify gap = cost of the plan - proven bound, in money

A plan is a pure function of (site, horizon, stored energy, previous plan, scenarios, requests).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import highspy
import numpy as np

from mpc.dive import dive
from mpc.errors import (
    EngineError,
    HorizonError,
    KernelError,
    RequestError,
    SiteError,
    StateError,
)
from mpc.exactness import (
    Directions,
    Suspects,
    cheats_in,
    find_directions,
    fix_directions,
    open_window,
    rounded_directions,
    suspects_of,
)
from mpc.flows import Costs, Flows, Violation, cost_of, settle_flows, violations_of
from mpc.horizon import Horizon
from mpc.marginal import energy_values
from mpc.model import HouseModel, Structure, structure_of
from mpc.plan import Plan, make_plan
from mpc.problem import Problem, make_problem, with_requests
from mpc.requests import Requests
from mpc.ring import Ring
from mpc.scenario_plan import on_scenarios, plan_scenarios
from mpc.scenarios import Scenarios
from mpc.site import Site
from mpc.solver import LpSolver, Solution
from mpc.storage import plan_storage
from mpc.two_stage import plan_two_stage

__all__ = ["Planner"]

RELATIVE_MONEY = 1e-7
"""Equality of objectives, times (1 + sum |price * energy|): design.md, "energy_value"."""
ENGINES = ("highs", "storage", "auto")
_MAX_ROUNDS = 8
_STOP_SHARE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Warm:
    """Where the next LP of the same structure can start: a basis and its ring position."""

    structure: Structure
    basis: highspy.HighsBasis | None
    first: int


class _Answer(NamedTuple):
    """Flows of a plan, the LP solution they come from, and what they cost."""

    solution: Solution
    flows: Flows
    violations: tuple[Violation, ...]
    costs: Costs


class Planner:
    """Plans one site. Keep one per site and thread: it keeps columns and matrix of HiGHS.

    Args:
        site: the house.
        engine: "highs" plans everything; "storage" is the exact dynamic program, much faster,
            which refuses what it cannot do and needs numba; "auto" takes "storage" where it can
            (and numba is installed), else "highs". The plan says which made it.
        max_nodes: nodes a search with binaries visits at most; a search that stops there gives a
            plan of status "feasible" with its gap. Nodes, not seconds: reproducible.
        max_gap: money that a plan with an export target may cost more than what is proven: only
            where a few linear programs leave more, it is searched. 0: always, down to rounding.
    """

    def __init__(
        self, site: Site, *, engine: str = "highs", max_nodes: int = 50, max_gap: float = 0.0
    ) -> None:
        if not isinstance(site, Site):
            raise SiteError("site", repr(site), "an mpc.Site")
        if engine not in ENGINES:
            raise SiteError("engine", repr(engine), f"one of {', '.join(map(repr, ENGINES))}")
        if isinstance(max_nodes, bool) or not isinstance(max_nodes, int) or max_nodes < 0:
            raise SiteError("max_nodes", repr(max_nodes), "a whole number, 0 or more")
        if not isinstance(max_gap, int | float) or not max_gap >= 0.0:
            raise SiteError("max_gap", repr(max_gap), "money, 0 or more")
        self.site = site
        self.engine = engine
        self.max_nodes = max_nodes
        self.max_gap = float(max_gap)
        self._solver = LpSolver()
        self._model: HouseModel | None = None
        self._ring: Ring | None = None

    def plan(
        self,
        horizon: Horizon,
        soc_kwh: float,
        previous: Plan | None = None,
        *,
        scenarios: Scenarios | None = None,
        recourse: float = 0.5,
        requests: Requests | None = None,
    ) -> Plan:
        """Plan ``horizon`` from ``soc_kwh`` stored.

        Args:
            horizon: slots, prices, load and PV.
            soc_kwh: stored energy at the start; outside the battery's window it still plans.
            previous: an earlier plan of this planner, from whose basis HiGHS starts. The cost
                is the same; among equally cheap plans another may come out.
            scenarios: how the slots after the first may turn out; the plan then is the best one to
                begin with on average, and its flows follow the horizon's own series.
            recourse: for the storage engine, how much of the worth of energy comes from deciding
                anew in every slot (1) rather than once for each whole scenario (0); HiGHS, whose
                scenario program has two stages, plans as for 0 whatever is given.
            requests: blocks (charge, export, hold) and an export target, all elastic: what cannot
                be done stands in the plan's violations. Planned by HiGHS alone, "auto" takes it. In
                every scenario the blocks hold; an export target goes with none.

        Raises:
            InputError: for a state, scenarios, requests or limits that do not fit the battery or
                the horizon.
            EngineError: for what engine "storage" cannot plan exactly, with slot and reason.
            KernelError: where engine "storage" finds no numba.
            SolverError: where HiGHS fails, which no valid input is known to cause.
        """
        if not isinstance(horizon, Horizon):
            raise HorizonError("horizon", repr(horizon)[:80], "an mpc.Horizon")
        if previous is not None and not isinstance(previous, Plan):
            raise StateError("previous", repr(previous)[:80], "an earlier mpc.Plan, or None")
        if scenarios is not None and not isinstance(scenarios, Scenarios):
            raise HorizonError("scenarios", repr(scenarios)[:80], "mpc.Scenarios, or None")
        problem = make_problem(self.site, horizon, soc_kwh)
        if scenarios is not None:
            problem = on_scenarios(problem, scenarios, recourse)
        problem = _requested(problem, scenarios, requests)
        if scenarios is None:
            return self._by_engine(
                lambda: plan_storage(problem), lambda: self._plan_highs(problem, previous)
            )
        return self._by_engine(
            lambda: plan_scenarios(problem, scenarios, recourse),
            lambda: plan_two_stage(problem, scenarios, lambda one: self._plan_highs(one, previous)),
        )

    def _by_engine(self, storage: Callable[[], Plan], highs: Callable[[], Plan]) -> Plan:
        """Plan with the engine that was asked for."""
        if self.engine == "storage":
            return storage()
        if self.engine == "auto":
            try:
                return storage()
            except (EngineError, KernelError):
                pass  # HiGHS gives the same answer, and the plan says that it did
        return highs()

    def _plan_highs(self, problem: Problem, previous: Plan | None) -> Plan:
        """Plan with HiGHS: relax, search, fix, certify."""
        model = self._model_for(structure_of(problem))
        tolerance = RELATIVE_MONEY * problem.money_scale
        relaxed, warm = self._relaxed(problem, model, previous)
        inside, cheats = problem.start_side == 0, cheats_in(problem, relaxed.flows)
        gap = relaxed.costs.objective - relaxed.solution.objective
        if inside and gap <= tolerance and not cheats.grid_charge.any():
            one_sided = not model.structure.export_target
            return _finish(problem, model, relaxed, warm, gap=0.0, one_sided=one_sided)
        suspects = suspects_of(problem)
        if inside:
            suspects |= cheats
        best, bound = self._first(problem, model, suspects, relaxed if inside else None)
        bound = max(bound, relaxed.solution.objective)
        enough = max(tolerance, self.max_gap) if model.structure.export_target else tolerance
        if best.costs.objective - bound > enough:
            best, found = self._search(problem, model, suspects, best, enough)
            bound = max(bound, found)
        gap = best.costs.objective - bound
        gap = gap if gap > tolerance else 0.0
        return _finish(problem, model, best, warm, gap=gap, one_sided=False)

    def _first(
        self, problem: Problem, model: HouseModel, suspects: Suspects, relaxed: _Answer | None
    ) -> tuple[_Answer, float]:
        """Return a plan by rounding, or by a dive where an export target is asked; and a bound."""
        if model.structure.export_target and relaxed is not None:
            found = dive(problem, model, self._solver)
            if found is not None:
                answer = self._directed(problem, model, found.directions)
                if not cheats_in(problem, answer.flows).grid_charge.any():
                    return answer, found.bound
        rounded = rounded_directions(problem, suspects, relaxed and relaxed.flows)
        return self._directed(problem, model, rounded), -np.inf

    def _relaxed(
        self, problem: Problem, model: HouseModel, previous: Plan | None
    ) -> tuple[_Answer, _Warm]:
        """Solve the LP without binaries, from the previous plan's basis where that fits.

        A start outside the window opens it as far as the start: still a relaxation, so a bound.
        """
        numbers = model.numbers(problem)
        if problem.start_side:
            open_window(problem, model, numbers)
        warm = previous.warm if previous is not None else None
        if previous is None or not isinstance(warm, _Warm) or warm.structure != model.structure:
            solution, first = self._solver.solve(model.matrix, numbers), 0
        else:
            ring, first = self._ring_of(model), _ring_position(warm, previous, problem.horizon)
            placed = ring.place(numbers, first)
            solution = self._solver.solve(ring.matrix(first), placed, warm.basis)
            solution = ring.take(solution, first)
        answer = _priced(problem, model, solution)
        return answer, _Warm(model.structure, solution.basis, first)

    def _ring_of(self, model: HouseModel) -> Ring:
        """Return the ring of the kept model, made at the first re-plan."""
        if self._ring is None:
            self._ring = Ring(model)
        return self._ring

    def _model_for(self, structure: Structure) -> HouseModel:
        """Return the model of a structure, the kept one where it fits."""
        if self._model is None or self._model.structure != structure:
            self._model, self._ring = HouseModel(structure), None
        return self._model

    def _search(
        self,
        problem: Problem,
        model: HouseModel,
        suspects: Suspects,
        best: _Answer,
        tolerance: float,
    ) -> tuple[_Answer, float]:
        """Search directions until no slot cheats; return the best plan and a proven bound."""
        bound = -np.inf
        for _ in range(_MAX_ROUNDS):
            directions, found = find_directions(
                problem, model, suspects, max_nodes=self.max_nodes, abs_gap=_STOP_SHARE * tolerance
            )
            bound = max(bound, found)
            if directions is None:
                break
            answer = self._directed(problem, model, directions)
            cheats = cheats_in(problem, answer.flows)
            if not cheats.grid_charge.any():
                best = min(best, answer, key=lambda a: a.costs.objective)
            more = suspects | cheats
            if best.costs.objective - bound <= tolerance or len(more) == len(suspects):
                break
            suspects = more
        return best, bound

    def _directed(self, problem: Problem, model: HouseModel, directions: Directions) -> _Answer:
        """Solve the LP with directions fixed."""
        numbers = model.numbers(problem)
        fix_directions(problem, model, numbers, directions)
        return _priced(problem, model, self._solver.solve(model.matrix, numbers))


def _requested(problem: Problem, scenarios: Scenarios | None, requests: Requests | None) -> Problem:
    """Return the problem with what is asked of its plan; unchanged where nothing is.

    Raises:
        RequestError: for requests that do not fit the horizon, the battery or scenarios.
    """
    if requests is None:
        return problem
    if not isinstance(requests, Requests):
        raise RequestError("requests", repr(requests)[:80], "mpc.Requests, or None")
    if len(requests) == 0:
        return problem
    if scenarios is not None and requests.export_target is not None:
        want = "a plan without scenarios: what counts in each of them is no linear program"
        raise RequestError("requests.export_target", "given along with scenarios", want)
    return with_requests(problem, requests)


def _priced(problem: Problem, model: HouseModel, solution: Solution) -> _Answer:
    """Net the flows of a solution and say what they cost."""
    flows = settle_flows(problem, model, solution.x)
    violations = violations_of(problem, flows)
    return _Answer(solution, flows, violations, cost_of(problem, flows, violations))


def _ring_position(warm: _Warm, previous: Plan, horizon: Horizon) -> int:
    """Return where the first slot sits, so that slots shared with ``previous`` keep their place."""
    minutes = (horizon.start - previous.start).total_seconds() / 60.0
    edges = np.cumsum(previous.slot_minutes)
    passed = int(np.searchsorted(edges, minutes - 1e-6, side="left")) + 1 if minutes > 0.0 else 0
    shares = passed < len(previous) and (passed == 0 or abs(edges[passed - 1] - minutes) < 1e-6)  # noqa: PLR2004
    return (warm.first + passed) % len(previous) if shares and minutes >= 0.0 else warm.first


def _finish(
    problem: Problem,
    model: HouseModel,
    answer: _Answer,
    warm: _Warm,
    *,
    gap: float,
    one_sided: bool,
) -> Plan:
    """Put the plan together."""
    solution = answer.solution
    dual_value = -solution.row_dual[model.stored] + 0.0
    values = (dual_value, dual_value)
    if one_sided:
        values = energy_values(problem, answer.flows, dual_value)
    return make_plan(
        problem,
        answer.flows,
        answer.costs,
        answer.violations,
        values,
        engine="highs",
        gap=gap,
        warm=warm,
    )
