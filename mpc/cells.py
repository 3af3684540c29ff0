"""A convex curve on a grid: M equal cells over the battery's window, and one beyond each end.

    slope of a cell = (cost at its upper edge - cost at its lower edge) / width              (SV4)

At the edges the cost is that of the curve, between them stands the chord, which lies above a convex
curve by at most width * (rise of the slope over the cell) / 4.

Carrying such a curve W from the end of a slot to its start (D1 of ``curves``) takes one pass,
without a sort or an allocation: between the pieces of the slot's cost, turned round, the cells of W
are merely shifted. In units of the width, with P[i] the sum of the first i slopes of W and ``base``
the cost of the slot's pieces that come before,

    cost at edge c = base + (1 - f) * P[c - q] + f * P[c - q + 1],   q = ceil(shift), f = q - shift
                                                                                               (SV5)

Edges are counted from the lower bound of the window, the first one is -1. Kernels.
"""

import math

import numpy as np

from mpc.arrays import F64
from mpc.pieces import Pieces

__all__ = ["add_scenario", "set_prefix", "set_slopes"]


def set_slopes(point: F64, slope: F64) -> None:
    """Write the slopes of the cells (SV4).

    Args:
        point: (M + 3,) costs at the edges, currency per width.
        slope: (M + 2 or more,) out: currency per kWh stored.
    """
    least = -np.inf
    for c in range(point.size - 1):
        least = max(least, point[c + 1] - point[c])  # rounding must not bend it downward
        slope[c] = least


def set_prefix(slope: F64, prefix: F64) -> None:
    """Write the sums P of the slopes of the cells within the window, the last one twice.

    Args:
        slope: (M + 2 or more,) of all cells.
        prefix: (M + 2,) out.
    """
    total, last = 0.0, prefix.size - 1
    prefix[0] = 0.0
    for i in range(1, last):
        total += slope[i]
        prefix[i] = total
    prefix[last] = total


def add_scenario(
    pieces: Pieces,
    slot_slope: F64,
    slot_length: F64,
    weight: float,
    width_kwh: float,
    slope: F64,
    prefix: F64,
    point: F64,
) -> float:
    """Add one scenario's curve before a slot to the costs at the grid's edges (SV1, SV5).

    Args:
        pieces: of the slot's cost in the scenario.
        slot_slope: (MOST_PIECES,) its slopes.
        slot_length: (MOST_PIECES,) its lengths.
        weight: of the scenario.
        width_kwh: of a cell.
        slope: (M + 2 or more,) of the grid's cells behind the slot, the first below the window.
        prefix: (M + 2,) sums of them within the window.
        point: (M + 3,) in and out: currency per ``width_kwh``, the first edge below the window.

    Returns:
        The cost of the slot at its most charge, which ``point`` leaves out.
    """
    cells, most, cost = prefix.size - 2, pieces.change_kwh, pieces.cost
    for j in range(pieces.size):
        most += slot_length[j]
        cost += slot_slope[j] * slot_length[j]
    shift, base, i = -most / width_kwh, 0.0, 0
    c = max(math.ceil(shift), -1)
    begin, lowest, highest = shift, slope[1], slope[cells]
    if pieces.size > 0:
        lowest = min(lowest, -slot_slope[pieces.size - 1])
        highest = max(highest, -slot_slope[0])
    if c > -1:
        add_line(point, -1, c - 1, -lowest * (begin + 1.0), lowest, weight)
    for j in range(pieces.size - 1, -1, -1):
        value, size = -slot_slope[j], slot_length[j] / width_kwh
        i = first_not_below(slope, i, cells, value)
        until = min(math.floor(i + shift), cells + 1)
        c = add_run(point, c, until, prefix, shift, base, weight)
        at = base + prefix[i]
        until = min(math.floor(i + shift + size), cells + 1)
        c = add_line(point, c, until, at + value * (c - i - shift), value, weight)
        base, shift = base + value * size, shift + size
    until = min(math.floor(cells + shift), cells + 1)
    c = add_run(point, c, until, prefix, shift, base, weight)
    at = base + prefix[cells] + highest * (c - cells - shift)
    add_line(point, c, cells + 1, at, highest, weight)
    return cost


def first_not_below(slope: F64, low: int, high: int, value: float) -> int:
    """Return the first cell i of [low, high) within the window whose slope is not below a value."""
    while low < high:
        middle = (low + high) // 2
        if slope[middle + 1] < value:
            low = middle + 1
        else:
            high = middle
    return low


def add_line(point: F64, c: int, end: int, at: float, step: float, weight: float) -> int:
    """Add a straight line to the edges ``c`` to ``end``; return the first edge not done."""
    if end < c:
        return c
    place = max(c + 1, 0)  # as in ``add_run``
    for n in range(end + 1 - c):
        point[place + n] += weight * (at + step * n)
    return end + 1


def add_run(
    point: F64, c: int, end: int, prefix: F64, shift: float, base: float, weight: float
) -> int:
    """Add shifted cells to the edges ``c`` to ``end`` (SV5); return the first edge not done.

    Nothing here is below 0: saying so spares the compiler indices that count from the end, and
    makes the loop five times faster.
    """
    if end < c:
        return c
    q = math.ceil(shift)
    start, upper = weight * base, weight * (q - shift)
    lower = weight - upper
    place, cell = max(c + 1, 0), max(c - q, 0)
    for n in range(end + 1 - c):
        point[place + n] += start + lower * prefix[cell + n] + upper * prefix[cell + n + 1]
    return end + 1
