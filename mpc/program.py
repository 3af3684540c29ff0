"""The dynamic program of one storage: curves of future cost backward, a plan forward.

    V[T](s) = -terminal_value(s) + reserve,   V[t](s) = (D1) of ``curves`` + reserve            (D3)

with ``reserve = reserve_price * max(reserve[t] - s, 0)`` at every slot's end. A pass keeps one
curve in place and needs no tolerance: two pieces become one where their slopes are the same bits.
Slots whose cost is not convex are reported, not raised; a curve from before them means nothing.
Units: kWh per slot at the AC bus for flows, kWh stored, currency. Kernels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpc.arrays import F64
from mpc.curves import Curve, Whole, best_change, earlier, slopes_at, with_reserve, within
from mpc.physics import clip, slot_step
from mpc.pieces import MOST_PIECES, slot_pieces
from mpc.rules import Limits, Rules, limits_at, slot_at

__all__ = [
    "CHARGE",
    "CURTAIL",
    "DISCHARGE",
    "EXPORT",
    "FLOWS",
    "IMPORT",
    "SOC",
    "VALUE_DOWN",
    "VALUE_UP",
    "Packed",
    "Work",
    "all_values",
    "curve_of",
    "follow",
    "make_work",
    "planned_change",
    "value_after_first",
]

CHARGE, DISCHARGE, IMPORT, EXPORT, CURTAIL, SOC, VALUE_UP, VALUE_DOWN = range(8)
FLOWS = 8
"""Columns of what ``follow`` writes."""
SNAP_KWH = 1e-9
"""A state this close to a bound is at the bound."""


class Work(NamedTuple):
    """Scratch arrays of one thread.

    Attributes:
        slope: slopes of the curve, which moves upward through the array.
        length: lengths of the curve.
        slot_slope: (MOST_PIECES,) slopes of a slot's cost.
        slot_length: (MOST_PIECES,) their lengths.
    """

    slope: F64
    length: F64
    slot_slope: F64
    slot_length: F64


class Packed(NamedTuple):
    """T + 1 curves in two arrays; index 0 at the start, t + 1 at the end of slot t.

    Attributes:
        slope: pieces of all curves, the last curve first.
        length: their lengths, kWh.
        first: (T + 1,) where each curve begins.
        last: (T + 1,) where it ends, exclusive.
        start_kwh: (T + 1,) stored energy where it begins.
        cost: (T + 1,) its cost there.
    """

    slope: F64
    length: F64
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    start_kwh: F64
    cost: F64


def make_work(slots: int, terminal_pieces: int) -> Work:
    """Return scratch for horizons of up to ``slots`` slots."""
    size = terminal_pieces + (MOST_PIECES + 1) * slots + 1
    return Work(np.empty(size), np.empty(size), np.empty(MOST_PIECES), np.empty(MOST_PIECES))


def value_after_first(
    series: F64,
    limits: F64,
    rules: Rules,
    terminal_slope: F64,
    terminal_length: F64,
    work: Work,
) -> tuple[Curve, int, int]:
    """Return the curve at the end of slot 0, in ``work``, and (slot, defect) of a bad slot (D3).

    All that a re-plan needs. The curve holds slot 0's reserve and is not cut to its bounds. Slot
    0 itself is not looked at: what happens in it is the dispatch's matter.

    Args:
        series: (T, 4) columns as in ``Slot``.
        limits: (T, 9) columns as in ``Limits``.
        rules: of the site.
        terminal_slope: (K,) minus the marginal price of what is left, ascending.
        terminal_length: (K,) kWh, from 0 to at least the last slot's most stored energy.
        work: from ``make_work``.

    Returns:
        The curve; the first slot whose cost is not convex, or -1; why, as in ``pieces``, or 0.
    """
    slope, length, slot_slope, slot_length = work  # taken apart once: faster by a fifth
    curve, bad, defect = terminal_curve(terminal_slope, terminal_length, work), -1, 0
    priced = rules.reserve_price > 0.0
    for t in range(series.shape[0] - 1, 0, -1):
        limit = limits_at(limits, t)
        if priced:
            curve = with_reserve(curve, limit.reserve, rules.reserve_price, slope, length)
        pieces = slot_pieces(slot_at(series, t), limit, rules, slot_slope, slot_length)
        if pieces.defect != 0:
            bad, defect = t, pieces.defect
        curve = earlier(
            curve,
            limit.soc_min,
            limit.soc_max,
            slope,
            length,
            pieces,
            slot_slope,
            slot_length,
        )
    if priced:
        reserve = limits_at(limits, 0).reserve
        curve = with_reserve(curve, reserve, rules.reserve_price, slope, length)
    return Curve(curve.first, curve.last, curve.start_kwh, curve.cost, 0.0, 0.0), bad, defect


def terminal_curve(terminal_slope: F64, terminal_length: F64, work: Work) -> Whole:
    """Write the curve behind the last slot into ``work``."""
    end = 0.0
    for k in range(terminal_slope.size):
        work.slope[k], work.length[k] = terminal_slope[k], terminal_length[k]
        end += terminal_length[k]
    return Whole(0, terminal_slope.size, 0.0, end, 0.0)


def all_values(
    series: F64,
    limits: F64,
    rules: Rules,
    terminal_slope: F64,
    terminal_length: F64,
    work: Work,
) -> tuple[Packed, int, int]:
    """Return the curves of all slots, and (slot, defect) of a bad slot (D3).

    Arguments as in ``value_after_first``, to whose curve the one of index 1 is equal to the bit;
    here slot 0 is looked at too. The arrays grow by need.
    """
    slots = series.shape[0]
    own_slope, own_length, slot_slope, slot_length = work
    slope, length = np.empty(64 + 32 * slots), np.empty(64 + 32 * slots)
    first, last = np.empty(slots + 1, np.int64), np.empty(slots + 1, np.int64)
    start, cost = np.empty(slots + 1), np.empty(slots + 1)
    curve, bad, defect, at = terminal_curve(terminal_slope, terminal_length, work), -1, 0, 0
    for t in range(slots - 1, -2, -1):
        limit = limits_at(limits, max(t, 0))
        if t >= 0 and rules.reserve_price > 0.0:
            curve = with_reserve(curve, limit.reserve, rules.reserve_price, own_slope, own_length)
        count = curve.last - curve.first
        if at + count > slope.size:
            slope, length = grown(slope, at, at + count), grown(length, at, at + count)
        for k in range(count):
            slope[at + k] = own_slope[curve.first + k]
            length[at + k] = own_length[curve.first + k]
        first[t + 1], last[t + 1], start[t + 1] = at, at + count, curve.start_kwh
        cost[t + 1] = curve.cost
        at += count
        if t < 0:
            break
        pieces = slot_pieces(slot_at(series, t), limit, rules, slot_slope, slot_length)
        if pieces.defect != 0:
            bad, defect = t, pieces.defect
        curve = earlier(
            curve,
            limit.soc_min,
            limit.soc_max,
            own_slope,
            own_length,
            pieces,
            slot_slope,
            slot_length,
        )
    return Packed(slope[:at], length[:at], first, last, start, cost), bad, defect


def grown(array: F64, used: int, wanted: int) -> F64:
    """Return an array of twice the size or more, with what was used of ``array``."""
    larger = np.empty(max(2 * array.size, wanted))
    larger[:used] = array[:used]
    return larger


def curve_of(values: Packed, index: int) -> Curve:
    """Return one of the packed curves, to read with ``values.slope`` and ``values.length``."""
    return Curve(
        values.first[index],
        values.last[index],
        values.start_kwh[index],
        values.cost[index],
        0.0,
        0.0,
    )


def planned_change(least_kwh: float, most_kwh: float) -> float:
    """Return which of equally cheap changes of stored energy is planned: the one nearest to rest.

    What moves no energy wears nothing out and leaves both ways open.
    """
    return clip(0.0, least_kwh, most_kwh)


def follow(
    series: F64, limits: F64, rules: Rules, values: Packed, stored_kwh: float, work: Work, out: F64
) -> None:
    """Write the cheapest plan from a stored energy (D2).

    Args:
        series: (T, 4) columns as in ``Slot``.
        limits: (T, 9) columns as in ``Limits``.
        rules: of the site.
        values: curves of ``all_values``.
        stored_kwh: at the start, within the first slot's reach.
        work: scratch.
        out: (T, FLOWS) out: kWh per slot, kWh stored at the slot's end, currency per kWh stored.
    """
    stored, slope, length = stored_kwh, values.slope, values.length
    slot_slope, slot_length = work.slot_slope, work.slot_length
    for t in range(series.shape[0]):
        slot, limit = slot_at(series, t), limits_at(limits, t)
        whole = curve_of(values, t + 1)
        cut = within(whole, slope, length, limit.soc_min, limit.soc_max)
        pieces = slot_pieces(slot, limit, rules, slot_slope, slot_length)
        least, most = best_change(cut, slope, length, pieces, slot_slope, slot_length, stored)
        change = planned_change(least, most)
        wish = change * rules.discharge_efficiency
        if change > 0.0:
            wish = change / rules.charge_efficiency
        stored, moved, imports, exports, curtail = slot_step(stored, wish, slot, limit, rules)
        stored = snapped(stored, limit)
        below, above = slopes_at(whole, slope, length, stored)
        slot_curve = Curve(0, pieces.size, pieces.change_kwh, pieces.cost, 0.0, 0.0)
        slot_below, slot_above = slopes_at(slot_curve, slot_slope, slot_length, change)
        # The next kWh into a full battery only saves charging, the last one of an empty one
        # would only be given in this slot: there the slot itself sets the worth.
        if stored >= limit.soc_max and pieces.size > 0:
            above = max(above, -slot_below)
        if stored <= limit.soc_min and pieces.size > 0:
            below = min(below, -slot_above)
        out[t, CHARGE], out[t, DISCHARGE] = max(moved, 0.0), max(-moved, 0.0)
        out[t, IMPORT], out[t, EXPORT], out[t, CURTAIL] = imports, exports, curtail
        out[t, SOC], out[t, VALUE_UP], out[t, VALUE_DOWN] = stored, 0.0 - above, 0.0 - below


def snapped(stored_kwh: float, limit: Limits) -> float:
    """Return a state that misses a bound by rounding as the bound itself."""
    if abs(stored_kwh - limit.soc_min) <= SNAP_KWH:
        return limit.soc_min
    if abs(stored_kwh - limit.soc_max) <= SNAP_KWH:
        return limit.soc_max
    return stored_kwh
