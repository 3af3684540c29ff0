"""Convex piecewise-linear curves of stored energy, and the two steps of the dynamic program.

A curve is a run of pieces in two arrays: slopes (currency per kWh stored, ascending) and lengths
(kWh stored), with the stored energy and the cost at which it begins. Backward, the curve before a
slot is the infimal convolution of the curve after it with the slot's cost (``pieces``),

    V(s) = min over d of  g(d) + W(s + d),   W = V' within its bounds                          (D1)

which merges two sorted lists of pieces (Rockafellar, Convex Analysis, section 5): g turned round,
g(-y), and W. Forward, the best change at a state is where the slopes of both add up to zero:

    d* = [first d with g'(d+) + W'(s+d+) >= 0,  last d with g'(d-) + W'(s+d-) <= 0]            (D2)

an interval where there are ties. Exact: nothing is discretised. Kernels.
"""

from typing import NamedTuple

from mpc.arrays import F64
from mpc.pieces import Pieces

__all__ = ["Curve", "best_change", "cost_at", "earlier", "slopes_at", "within"]

TIE = 1e-9
"""Marginal prices closer than this, relative to 1 + their size, are equal."""


class Curve(NamedTuple):
    """A run of pieces ``first`` to ``last`` (exclusive) in two arrays.

    Attributes:
        first: index of the first piece.
        last: index behind the last piece.
        start_kwh: stored energy at which the first piece begins.
        cost: there, currency.
        skip_kwh: how much of the first piece lies below ``start_kwh``.
        drop_kwh: how much of the last piece lies above the end.
    """

    first: int
    last: int
    start_kwh: float
    cost: float
    skip_kwh: float
    drop_kwh: float


def within(curve: Curve, slope: F64, length: F64, low_kwh: float, high_kwh: float) -> Curve:
    """Return a whole curve limited to [low, high]; it keeps at least one point of it.

    Args:
        curve: without skip and drop.
        slope: (M,) of the pieces.
        length: (M,) of the pieces.
        low_kwh: least stored energy.
        high_kwh: most stored energy.
    """
    first, last, start, cost = curve.first, curve.last, curve.start_kwh, curve.cost
    end = start
    for k in range(first, last):
        end += length[k]
    skip = 0.0
    while first < last and start < low_kwh:
        step = min(length[first], low_kwh - start)
        cost += step * slope[first]
        start += step
        if step < length[first]:
            skip = step
            break
        first += 1
    drop = 0.0
    while first < last and end > high_kwh:
        size = length[last - 1] - (skip if last - 1 == first else 0.0)
        step = min(size, end - high_kwh)
        end -= step
        if step < size:
            drop = step
            break
        last -= 1
    return Curve(first, last, start, cost, skip if first < last else 0.0, drop)


def earlier(
    after: Curve,
    slope: F64,
    length: F64,
    pieces: Pieces,
    slot_slope: F64,
    slot_length: F64,
    at: int,
) -> Curve:
    """Write the curve before a slot behind index ``at`` and return it (D1).

    Args:
        after: the curve after the slot, within its bounds.
        slope: (M,) in and out.
        length: (M,) in and out.
        pieces: of the slot's cost.
        slot_slope: (MOST_PIECES,) its slopes.
        slot_length: (MOST_PIECES,) its lengths.
        at: where the new curve's first piece is written; room for the sum of both counts.
    """
    change, cost = pieces.change_kwh, pieces.cost
    for j in range(pieces.count):
        change += slot_length[j]
        cost += slot_length[j] * slot_slope[j]
    i, j, k = after.first, pieces.count - 1, at
    while i < after.last or j >= 0:
        if j < 0 or (i < after.last and slope[i] <= -slot_slope[j]):
            value, size = slope[i], length[i]
            if i == after.first:
                size -= after.skip_kwh
            if i == after.last - 1:
                size -= after.drop_kwh
            i += 1
        else:
            value, size = -slot_slope[j], slot_length[j]
            j -= 1
        if k > at and slope[k - 1] == value:
            length[k - 1] += size
        else:
            slope[k], length[k] = value, size
            k += 1
    return Curve(at, k, after.start_kwh - change, after.cost + cost, 0.0, 0.0)


def best_change(
    after: Curve,
    slope: F64,
    length: F64,
    pieces: Pieces,
    slot_slope: F64,
    slot_length: F64,
    stored_kwh: float,
) -> tuple[float, float]:
    """Return (least, most) change of stored energy among the cheapest, kWh (D2).

    Args:
        after: the curve after the slot, within its bounds.
        slope: (M,) of its pieces.
        length: (M,) of its pieces.
        pieces: of the slot's cost.
        slot_slope: (MOST_PIECES,) its slopes.
        slot_length: (MOST_PIECES,) its lengths.
        stored_kwh: at the slot's start.
    """
    change = pieces.change_kwh
    reach = after.start_kwh - stored_kwh - change
    j, left = 0, slot_length[0] if pieces.count > 0 else 0.0
    while reach > 0.0 and j < pieces.count:  # the curve begins above the most discharge
        step = min(left, reach)
        change, reach, left = change + step, reach - step, left - step
        if left <= 0.0:
            j += 1
            left = slot_length[j] if j < pieces.count else 0.0
    i, ahead = after.first, piece_kwh(after, length, after.first)
    passed = stored_kwh + change - after.start_kwh
    while i < after.last and passed >= ahead:
        passed -= ahead
        i += 1
        ahead = piece_kwh(after, length, i)
    ahead -= max(passed, 0.0)
    least, tied = change, False
    while i < after.last and j < pieces.count:
        gain = slope[i] + slot_slope[j]
        tie = TIE * (1.0 + abs(slot_slope[j]))
        if gain > tie:
            break
        if gain >= -tie and not tied:
            least, tied = change, True
        step = min(left, ahead)
        change, left, ahead = change + step, left - step, ahead - step
        if left <= 0.0:
            j += 1
            left = slot_length[j] if j < pieces.count else 0.0
        if ahead <= 0.0:
            i += 1
            ahead = piece_kwh(after, length, i)
        if not tied:
            least = change
    return least, change


def piece_kwh(curve: Curve, length: F64, k: int) -> float:
    """Return how much of the k-th piece belongs to the curve."""
    if k >= curve.last:
        return 0.0
    size = length[k]
    if k == curve.first:
        size -= curve.skip_kwh
    if k == curve.last - 1:
        size -= curve.drop_kwh
    return size


def slopes_at(curve: Curve, slope: F64, length: F64, stored_kwh: float) -> tuple[float, float]:
    """Return the slopes just (below, above) a stored energy; at an end of the curve, the same."""
    tolerance = TIE * (1.0 + abs(stored_kwh))
    below = above = slope[curve.first]
    edge = curve.start_kwh
    for k in range(curve.first, curve.last):
        above = slope[k]
        if edge < stored_kwh - tolerance:
            below = slope[k]
        edge += piece_kwh(curve, length, k)
        if edge > stored_kwh + tolerance:
            break
    return below, above


def cost_at(curve: Curve, slope: F64, length: F64, stored_kwh: float) -> float:
    """Return the curve's cost at a stored energy, its end slopes continued outside, currency."""
    cost, left = curve.cost, stored_kwh - curve.start_kwh
    if left < 0.0 and curve.first < curve.last:
        return cost + left * slope[curve.first]
    for k in range(curve.first, curve.last):
        step = left if k == curve.last - 1 else min(left, piece_kwh(curve, length, k))
        cost += step * slope[k]
        left -= step
        if left <= 0.0:
            break
    return cost
