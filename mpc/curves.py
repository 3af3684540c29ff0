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

__all__ = [
    "Curve",
    "Whole",
    "best_change",
    "cost_at",
    "earlier",
    "slopes_at",
    "with_reserve",
    "within",
]

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


class Whole(NamedTuple):
    """A curve of whole pieces that a backward pass changes in place.

    Attributes:
        first: index of the first piece.
        last: index behind the last piece.
        start_kwh: stored energy at which the first piece begins.
        end_kwh: stored energy at which the last one ends.
        cost: at the start, currency.
    """

    first: int
    last: int
    start_kwh: float
    end_kwh: float
    cost: float


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


def earlier(  # noqa: C901 - one function on purpose, see below
    after: Whole,
    low_kwh: float,
    high_kwh: float,
    slope: F64,
    length: F64,
    pieces: Pieces,
    slot_slope: F64,
    slot_length: F64,
) -> Whole:
    """Turn the curve after a slot, in place, into the curve before it (D1).

    Cutting and merging in one function: two calls would take a third longer.

    Args:
        after: the curve at the slot's end.
        low_kwh: least stored energy there.
        high_kwh: most stored energy there.
        slope: (M,) in and out; room for ``pieces.size`` more behind ``after.last``.
        length: (M,) in and out.
        pieces: of the slot's cost.
        slot_slope: (MOST_PIECES,) its slopes.
        slot_length: (MOST_PIECES,) its lengths.
    """
    first, last, start, end, cost = after
    while first < last and start < low_kwh:
        step = low_kwh - start
        if step < length[first]:
            length[first] -= step
            cost += step * slope[first]
            start = low_kwh
            break
        cost += length[first] * slope[first]
        start += length[first]
        first += 1
    while first < last and end > high_kwh:
        step = end - high_kwh
        if step < length[last - 1]:
            length[last - 1] -= step
            end = high_kwh
            break
        end -= length[last - 1]
        last -= 1
    change, top = pieces.change_kwh, last + pieces.size
    end -= change
    cost += pieces.cost
    i, k = last - 1, top - 1
    for j in range(pieces.size):
        value, size = -slot_slope[j], slot_length[j]
        change += size
        cost -= size * value
        while i >= first and slope[i] >= value:
            slope[k], length[k] = slope[i], length[i]
            i, k = i - 1, k - 1
        if k + 1 < top and slope[k + 1] == value:
            length[k + 1] += size
        else:
            slope[k], length[k] = value, size
            k -= 1
    spare = k - i  # places kept for pieces that joined others: what lies below moves up
    if spare > 0:
        for i in range(k - spare, first - 1, -1):
            slope[i + spare], length[i + spare] = slope[i], length[i]
    return Whole(first + spare, top, start - change, end, cost)


def with_reserve(curve: Whole, reserve_kwh: float, price: float, slope: F64, length: F64) -> Whole:
    """Add ``price * max(reserve - stored, 0)`` to a curve in place; room for one more piece."""
    edge, k = curve.start_kwh, curve.first
    cost = curve.cost + price * max(reserve_kwh - edge, 0.0)
    while k < curve.last and edge + length[k] <= reserve_kwh:
        slope[k] -= price
        edge += length[k]
        k += 1
    if k == curve.last or edge >= reserve_kwh:
        return Whole(curve.first, curve.last, curve.start_kwh, curve.end_kwh, cost)
    for i in range(curve.last, k, -1):
        slope[i], length[i] = slope[i - 1], length[i - 1]
    slope[k] -= price
    length[k] = reserve_kwh - edge
    length[k + 1] -= length[k]
    return Whole(curve.first, curve.last + 1, curve.start_kwh, curve.end_kwh, cost)


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
    change, j, left = least_change(after, pieces, slot_length, stored_kwh)
    i, ahead = after.first, piece_kwh(after, length, after.first)
    passed = stored_kwh + change - after.start_kwh
    while i < after.last and passed >= ahead:
        passed -= ahead
        i += 1
        ahead = piece_kwh(after, length, i)
    ahead -= max(passed, 0.0)
    least, tied = change, False
    while i < after.last and j < pieces.size:
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
            left = slot_length[j] if j < pieces.size else 0.0
        if ahead <= 0.0:
            i += 1
            ahead = piece_kwh(after, length, i)
        if not tied:
            least = change
    return least, change


def least_change(
    after: Curve, pieces: Pieces, slot_length: F64, stored_kwh: float
) -> tuple[float, int, float]:
    """Return the least change that the curve admits, its piece of the slot and what is left of it.

    More than the most discharge where the curve begins above what that leaves.
    """
    change, j, left = pieces.change_kwh, 0, 0.0
    reach = after.start_kwh - stored_kwh - change
    while j < pieces.size:
        left = slot_length[j]
        if reach < left:
            step = max(reach, 0.0)
            return change + step, j, left - step
        change, reach, j = change + left, reach - left, j + 1
    return change, j, 0.0


def piece_kwh(curve: Curve, length: F64, k: int) -> float:
    """Return how much of the k-th piece belongs to the curve."""
    if k >= curve.last:
        return 0.0
    size: float = length[k]
    if k == curve.first:
        size -= curve.skip_kwh
    if k == curve.last - 1:
        size -= curve.drop_kwh
    return size


def slopes_at(curve: Curve, slope: F64, length: F64, stored_kwh: float) -> tuple[float, float]:
    """Return the slopes just (below, above) a stored energy; at an end of the curve, the same.

    A curve of one point has no slopes: both are 0.
    """
    if curve.first >= curve.last:
        return 0.0, 0.0
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
    cost: float = curve.cost
    left = stored_kwh - curve.start_kwh
    if left < 0.0 and curve.first < curve.last:
        cost += left * slope[curve.first]
        return cost
    for k in range(curve.first, curve.last):
        step = left if k == curve.last - 1 else min(left, piece_kwh(curve, length, k))
        cost += step * slope[k]
        left -= step
        if left <= 0.0:
            break
    return cost
