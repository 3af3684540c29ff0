"""A horizon that moves: the slots of a program on a ring, so that a re-plan starts next door.

A plan made one slot later shares all slots but one with the plan before. On the ring each slot
keeps its columns and rows when the horizon moves on; the slot that ended is replaced in place by
the one that is new. The previous basis then still says for every slot what it said before, and the
simplex method needs a few steps instead of re-sorting the whole horizon.

``first`` is the ring position of the horizon's first slot. Rows and columns that come once per slot
are rolled by it; the chain ``soc[t] - soc[t-1]`` is cut between last and first, and the terminal
row holds the soc of the last position.
"""

import numpy as np

from mpc.arrays import F64
from mpc.lp import Matrix, Numbers
from mpc.model import HouseModel
from mpc.solver import Solution

__all__ = ["Ring"]


class Ring:
    """The matrix of a house model for any position of the first slot."""

    def __init__(self, model: HouseModel) -> None:
        """Close the chain of states to a ring and remember which entries a position drops."""
        slots, base = model.structure.slots, model.matrix
        self.slots = slots
        self._tail_column = model.first_single_column
        self._tail_row = model.first_single_row
        column = np.repeat(
            np.arange(base.columns), np.diff(np.append(base.starts, base.value.size))
        )
        soc = np.arange(model.soc.start, model.soc.stop)
        row = np.concatenate(
            [base.index, [model.stored.start], np.full(slots - 1, model.terminal_row.start)]
        )
        column = np.concatenate([column, [soc[-1]], soc[:-1]])
        value = np.concatenate([base.value, [-1.0], np.ones(slots - 1)])
        order = np.lexsort((row, column))
        self._row, self._column = row[order].astype(np.int32), column[order].astype(np.int32)
        self._value = value[order]
        in_soc = (self._column >= model.soc.start) & (self._column < model.soc.stop)
        at = self._column - model.soc.start
        link = in_soc & (self._row < model.stored.stop) & (self._value < 0.0)
        self._links_from = np.where(link, at, -1)
        self._ends_at = np.where(in_soc & (self._row == model.terminal_row.start), at, -1)
        self._shape = (base.columns, base.rows, base.integer)

    def matrix(self, first: int) -> Matrix:
        """Return the matrix of a horizon whose first slot sits at ``first``."""
        last = (first - 1) % self.slots
        keep = (self._links_from != last) & ((self._ends_at < 0) | (self._ends_at == last))
        columns, rows, integer = self._shape
        column = self._column[keep]
        starts = np.searchsorted(column, np.arange(columns)).astype(np.int32)
        return Matrix(columns, rows, starts, self._row[keep], self._value[keep], integer)

    def place(self, numbers: Numbers, first: int) -> Numbers:
        """Return the numbers of a horizon in ring order."""
        c, r = self._tail_column, self._tail_row
        return Numbers(
            self._rolled(numbers.cost, c, first),
            self._rolled(numbers.col_lower, c, first),
            self._rolled(numbers.col_upper, c, first),
            self._rolled(numbers.row_lower, r, first),
            self._rolled(numbers.row_upper, r, first),
        )

    def take(self, solution: Solution, first: int) -> Solution:
        """Return a solution in the order of the horizon."""
        return Solution(
            self._rolled(solution.x, self._tail_column, -first),
            self._rolled(solution.row_dual, self._tail_row, -first),
            solution.objective,
            solution.basis,
        )

    def _rolled(self, values: F64, tail: int, by: int) -> F64:
        """Roll what comes once per slot; leave the single columns or rows behind ``tail``."""
        shift = by % self.slots
        if shift == 0:
            return values
        out = values.copy()
        old, new = values[:tail].reshape(-1, self.slots), out[:tail].reshape(-1, self.slots)
        new[:, shift:], new[:, :shift] = old[:, :-shift], old[:, -shift:]
        return out
