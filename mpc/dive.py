"""Which slots sell: directions of an export target by a few linear programs instead of a search.

The relaxation, tightened by (X7) of ``exactness``, rarely leaves more than some slots undecided:
they sell while the house buys or while the battery charges. A dive decides the clearest half of
them, in the end all, solves again from the last basis, and goes on until none is undecided:

    share of selling = counted / (discharge_max - net),  against that of charging, or half   (X8)

What it finds is a plan, and the tightened relaxation a bound of its cost: how far they lie apart
says whether a search is worth its time. Units: kWh per slot at the AC bus.
"""

from itertools import count
from typing import NamedTuple

import numpy as np

from mpc.arrays import F64
from mpc.errors import SolverError
from mpc.exactness import Directions, Mask, Search, Suspects
from mpc.model import HouseModel
from mpc.problem import Problem
from mpc.solver import LpSolver

__all__ = ["Dive", "dive"]

_TINY_KWH = 1e-6
_TURNS = 16


class Dive(NamedTuple):
    """Directions that sell, and a proven lower bound of the objective."""

    directions: Directions
    bound: float


def dive(problem: Problem, model: HouseModel, solver: LpSolver) -> Dive | None:
    """Return the directions of an export target; None where deciding one by one ends nowhere.

    Args:
        problem: with an export target, the start inside the battery's window.
        model: the columns and rows of its LP.
        solver: to be used.
    """
    none = np.zeros(problem.net.size, np.bool_)
    search = Search(problem, model, Suspects(none, none, none, none))
    matrix, numbers, columns = search.lp.matrix(), search.numbers(), search.model
    solution = solver.solve(matrix, numbers)
    bound, decided = solution.objective, none.copy()
    for turn in count():
        state = _State.of(problem, columns, solution.x)
        undecided = state.undecided & ~decided
        if not undecided.any():
            return Dive(_directions(problem, state.sells), bound)
        for slot in state.clearest(undecided, all_of_them=turn >= _TURNS):
            decided[slot] = True
            if state.selling[slot] >= 0.0:
                numbers.col_upper[columns.charge][slot] = 0.0
                served = numbers.col_upper[columns.discharge][slot]
                numbers.col_lower[columns.discharge][slot] = served
            else:
                numbers.col_upper[columns.export_discharge][slot] = 0.0
        try:
            solution = solver.solve(matrix, numbers, solution.basis)
        except SolverError:
            break
    return None


class _State(NamedTuple):
    """What a relaxation does with the slots that count, (T,) each.

    Attributes:
        sells: whether it sells.
        undecided: whether it does so while the house buys, or the battery charges.
        selling: share of selling less that of charging, or less one half (X8).
    """

    sells: Mask
    undecided: Mask
    selling: F64

    @classmethod
    def of(cls, problem: Problem, columns: HouseModel, x: F64) -> "_State":
        """Read a solution."""
        net = np.maximum(problem.net, 0.0)
        room, charge = problem.discharge_max - net, x[columns.charge]
        beyond = x[columns.discharge] + x[columns.export_discharge] - net
        counted = x[columns.requests.counted]
        sold = np.maximum(counted, beyond)
        counts = _counting(problem) & (room > 0.0)
        sells = counts & (sold > _TINY_KWH)
        charges = sells & (charge > _TINY_KWH)
        buys = sells & (beyond < counted - _TINY_KWH)
        share = np.divide(sold, room, out=np.zeros(net.size), where=counts)
        full = np.maximum(problem.charge_max, _TINY_KWH)
        return cls(sells, charges | buys, share - np.where(charges, charge / full, 0.5))

    def clearest(self, among: Mask, *, all_of_them: bool) -> list[int]:
        """Return the half of some slots, at least one, whose share says most; or all."""
        slots = np.flatnonzero(among)
        if all_of_them:
            every: list[int] = slots.tolist()
            return every
        order = np.argsort(-np.abs(self.selling[slots]), kind="stable")
        chosen: list[int] = slots[order[: (slots.size + 1) // 2]].tolist()
        return chosen


def _counting(problem: Problem) -> Mask:
    """Return the slots that count toward the target."""
    counts = np.zeros(problem.net.size, np.bool_)
    if problem.wanted is not None:
        counts = problem.wanted.counted_max > 0.0
    return counts


def _directions(problem: Problem, sells: Mask) -> Directions:
    """Return directions in which exactly some slots sell."""
    none = np.zeros(sells.size, np.bool_)
    return Directions(
        no_import=none,
        no_export=none,
        no_charge=sells,
        no_discharge=none,
        no_giving=_counting(problem) & ~sells,
        giving=sells,
        outside=none,
    )
