"""Series as they were known at each slot of a day, kept without what repeats.

A forecast made at slot n for the slots n to n + A says much the same as the one before it. Two ways
to keep M of them, both exact to the last bit; ``k`` counts from the slot at which it was known:

    by the clock   value(n, k) = values[base[n] + quarter[n + k]]   a profile of 96 quarters   (KA1)
    by the slot    value(n, k) = values[base[n] + k]                one row for all that agree (KA2)

A mean of past days has the first form, prices the second. Which one fits is found from the numbers.
"""

from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64, I64, Bool

__all__ = ["QUARTERS", "Ahead", "keep"]

QUARTERS = 96
"""Quarters of an hour on the wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ahead:
    """One series as known at M slots in a row.

    Attributes:
        by_clock: which of the two ways.
        values: the numbers.
        base: (M,) where those of each slot begin.
    """

    by_clock: bool
    values: F64
    base: I64


def keep(known: F64, quarter: I64) -> Ahead:
    """Return what was known, kept.

    Args:
        known: (M, A), the slot itself first; A is at least a day.
        quarter: (M - 1 + A,) quarter on the wall clock of each slot, 0 to 95.
    """
    issues, ahead = known.shape
    places = quarter[np.arange(issues)[:, None] + np.arange(ahead)]
    profiles = np.zeros((issues, QUARTERS))
    np.put_along_axis(profiles, places, known, axis=1)
    if np.array_equal(np.take_along_axis(profiles, places, axis=1), known):
        new = _changes(profiles[1:], profiles[:-1])
        base = QUARTERS * (np.cumsum(new) - 1)
        return Ahead(by_clock=True, values=profiles[new].ravel(), base=base)
    new = _changes(known[1:, :-1], known[:-1, 1:])
    firsts = np.flatnonzero(new)
    lasts = np.append(firsts[1:], issues) - 1
    rows = [
        np.append(known[a], known[a + 1 : b + 1, -1]) for a, b in zip(firsts, lasts, strict=True)
    ]
    begins = np.cumsum([0] + [row.size for row in rows[:-1]])
    which = np.cumsum(new) - 1
    base = begins[which] + np.arange(issues) - firsts[which]
    return Ahead(by_clock=False, values=np.concatenate(rows), base=base.astype(np.int64))


def _changes(later: F64, earlier: F64) -> Bool:
    """Return (M,) whether each row says something new; the first one does."""
    return np.concatenate(([True], (later != earlier).any(axis=1)))
