"""A linear program in numpy: columns and rows by name, no Python object per coefficient.

    minimise  cost @ x + offset
    subject to  row_lower <= A x <= row_upper,  col_lower <= x <= col_upper

``Lp`` collects the structure (names and A) once; ``Numbers`` holds what changes from plan to plan.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mpc.arrays import F64

I32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """The constraint matrix, column-wise, as HiGHS takes it."""

    columns: int
    rows: int
    starts: I32
    index: I32
    value: F64
    integer: I32


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Cost and bounds of one problem: (columns,) and (rows,) arrays, filled in place."""

    cost: F64
    col_lower: F64
    col_upper: F64
    row_lower: F64
    row_upper: F64


@dataclass(slots=True)
class Lp:
    """A growing program structure."""

    columns: int = 0
    rows: int = 0
    _row: list[NDArray[np.intp]] = field(default_factory=list)
    _column: list[NDArray[np.intp]] = field(default_factory=list)
    _value: list[F64] = field(default_factory=list)
    _integer: list[slice] = field(default_factory=list)

    def add_columns(self, count: int, *, integer: bool = False) -> slice:
        """Add ``count`` columns and return where they are."""
        where = slice(self.columns, self.columns + count)
        self.columns += count
        if integer:
            self._integer.append(where)
        return where

    def add_rows(self, count: int) -> slice:
        """Add ``count`` rows and return where they are."""
        where = slice(self.rows, self.rows + count)
        self.rows += count
        return where

    def set(self, rows: slice, columns: slice, value: float | F64) -> None:
        """Set one coefficient for each pair of ``rows`` and ``columns`` (equal lengths)."""
        row = np.arange(rows.start, rows.stop)
        column = np.arange(columns.start, columns.stop)
        self._row.append(row)
        self._column.append(np.broadcast_to(column, row.shape) if column.size == 1 else column)
        self._value.append(np.broadcast_to(np.asarray(value, dtype=np.float64), row.shape))

    def sum_into(self, row: int, columns: slice, value: float) -> None:
        """Add every column of ``columns`` to one row with the same coefficient."""
        column = np.arange(columns.start, columns.stop)
        self._row.append(np.full(column.size, row))
        self._column.append(column)
        self._value.append(np.full(column.size, value))

    def matrix(self) -> Matrix:
        """Return the matrix column by column."""
        row, column = np.concatenate(self._row), np.concatenate(self._column)
        order = np.lexsort((row, column))
        starts = np.searchsorted(column[order], np.arange(self.columns))
        integer = np.zeros(self.columns, np.int32)
        for where in self._integer:
            integer[where] = 1
        return Matrix(
            self.columns,
            self.rows,
            starts.astype(np.int32),
            row[order].astype(np.int32),
            np.concatenate(self._value)[order],
            integer,
        )

    def numbers(self) -> Numbers:
        """Return fresh numbers: no cost, columns in [0, inf), rows equal to 0."""
        return Numbers(
            np.zeros(self.columns),
            np.zeros(self.columns),
            np.full(self.columns, np.inf),
            np.zeros(self.rows),
            np.zeros(self.rows),
        )
