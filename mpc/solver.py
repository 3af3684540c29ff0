"""HiGHS behind two calls: solve a linear program, cold or warm, and one with binaries.

Matrices go to HiGHS as arrays, never as files or objects. Every solve passes the whole model, which
takes 0.1 ms and a third of what changing all numbers in place takes: so a result depends on the
input alone (and, warm, on the given basis), byte for byte. One thread, no time limit: searches
stop on node counts.

Presolve is off and the dual simplex prices with devex: on these staircase programs presolve costs
more than it saves (``make bench`` prints both). With binaries likewise: on the hardest horizon of
``tests/mpc/test_exactness.py`` these options took 4 s, the defaults 20 s.
"""

from dataclasses import dataclass

import highspy
import numpy as np

from mpc.arrays import F64
from mpc.errors import SolverError
from mpc.lp import Matrix, Numbers

_COLUMN_WISE, _MINIMISE = 1, 1
_OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "presolve": "off",
    "simplex_dual_edge_weight_strategy": 1,
}
_MIP_OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "presolve": "off",
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_rel_gap": 0.0,
    "mip_feasibility_tolerance": 1e-9,
}


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What HiGHS found.

    Attributes:
        x: (columns,) values.
        row_dual: (rows,) derivative of the objective by the right-hand side.
        objective: currency.
        basis: where a warm solve can start.
    """

    x: F64
    row_dual: F64
    objective: float
    basis: highspy.HighsBasis


def _highs(options: dict[str, bool | int | float | str]) -> highspy.Highs:
    """Return a HiGHS instance with our options, each of which must exist."""
    highs = highspy.Highs()
    for name, value in options.items():
        if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise SolverError(f"option {name}={value!r} refused", 0)
    return highs


def pass_model(highs: highspy.Highs, matrix: Matrix, numbers: Numbers) -> None:
    """Give a whole model to HiGHS."""
    highs.passModel(
        matrix.columns,
        matrix.rows,
        matrix.value.size,
        _COLUMN_WISE,
        _MINIMISE,
        0.0,
        numbers.cost,
        numbers.col_lower,
        numbers.col_upper,
        numbers.row_lower,
        numbers.row_upper,
        matrix.starts,
        matrix.index,
        matrix.value,
        matrix.integer,
    )


class LpSolver:
    """One HiGHS instance for the linear programs of one planner. Not for use by two threads."""

    def __init__(self) -> None:
        """Start without a model."""
        self._highs = _highs(_OPTIONS)

    def solve(
        self, matrix: Matrix, numbers: Numbers, basis: highspy.HighsBasis | None = None
    ) -> Solution:
        """Solve, from ``basis`` where one is given (of a program of the same shape).

        Raises:
            SolverError: where HiGHS does not end optimal even without the basis.
        """
        pass_model(self._highs, matrix, numbers)
        if basis is not None:
            self._highs.setBasis(basis)
        self._highs.run()
        status = self._highs.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            return self._solution()
        if basis is not None:
            return self.solve(matrix, numbers)
        raise SolverError(self._highs.modelStatusToString(status), matrix.rows)

    def _solution(self) -> Solution:
        """Read the optimal solution out of HiGHS."""
        solution = self._highs.getSolution()
        return Solution(
            np.fromiter(solution.col_value, np.float64),
            np.fromiter(solution.row_dual, np.float64),
            self._highs.getObjectiveValue(),
            self._highs.getBasis(),
        )


def solve_with_binaries(
    matrix: Matrix, numbers: Numbers, *, max_nodes: int, abs_gap: float
) -> tuple[F64 | None, float]:
    """Solve a program with binaries by branch and bound; stops on nodes, never on time.

    Args:
        matrix: with ``integer`` columns.
        numbers: cost and bounds.
        max_nodes: nodes searched at most; reproducible, unlike a time limit.
        abs_gap: money at which the search may stop.

    Returns:
        The best values found, None where the search ended before it found any, and a proven lower
        bound of the objective, -inf where it proved none.
    """
    highs = _highs({**_MIP_OPTIONS, "mip_max_nodes": max_nodes, "mip_abs_gap": abs_gap})
    pass_model(highs, matrix, numbers)
    highs.run()
    info = highs.getInfo()
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return None, info.mip_dual_bound
    bound = min(info.mip_dual_bound, info.objective_function_value)
    return np.array(highs.getSolution().col_value), bound
