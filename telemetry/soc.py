"""State of charge at slot edges from interval statistics (mean, least and most of each interval).

Between two neighbouring intervals the state at their common edge lies in both ranges. Where the
state rose or fell through both, the edge is the end of one range and the start of the other: the
two ranges touch in one point, and the estimate is exact. At a peak or a valley both share their
most or their least. Where the ranges do not meet (whole percents) it lies halfway between them.
Else the mean of the two means, kept inside both ranges.

Ratios 0..1 inside; Home Assistant's percent is divided here.
"""

from __future__ import annotations

import numpy as np

from telemetry.arrays import F64, I64

_SAME = 0.005  # sensors tell whole or half percents


def edge_states(start: I64, mean: F64, low: F64, high: F64, *, seconds: int) -> tuple[I64, F64]:
    """State at the edges between neighbouring intervals.

    Args:
        start: starts of the intervals, epoch seconds (N,), ascending; absent ones are absent.
        mean: ratio (N,).
        low: least (N,), NaN where unknown.
        high: most (N,), NaN where unknown.
        seconds: length of an interval.

    Returns:
        epoch seconds of the edges (E,) and the ratio at each (E,).
    """
    pair = np.flatnonzero(np.diff(start) == seconds)
    edge = start[pair + 1]
    guess = (mean[pair] + mean[pair + 1]) / 2.0
    floor = np.fmax(low[pair], low[pair + 1])
    roof = np.fmin(high[pair], high[pair + 1])
    inside = np.fmin(np.fmax(guess, floor), roof)
    valley = np.abs(low[pair] - low[pair + 1]) <= _SAME
    peak = np.abs(high[pair] - high[pair + 1]) <= _SAME
    found = np.where(valley & ~peak, floor, inside)
    found = np.where(peak & ~valley, roof, found)
    found = np.where(floor > roof, (floor + roof) / 2.0, found)
    known = ~np.isnan(found)
    return edge[known], found[known]
