"""Curves of expected future cost: K scenarios, averaged two ways and blended.

With g[k,t] the cost of slot t in scenario k (``pieces``), W the curve behind a slot within the
battery's window, w[k] the weights and the same terminal curve behind all:

    A[t](s) = sum_k w[k] * min_d ( g[k,t](d) + A[t+1](s + d) )     recourse in every slot      (SV1)
    B[t](s) = sum_k w[k] * B[k,t](s),  B[k,t](s) = min_d ( g[k,t](d) + B[k,t+1](s + d) )       (SV2)
    V[t]    = recourse * A[t] + (1 - recourse) * B[t]                                          (SV3)

(SV1) takes the slots as independent: what is seen in one says nothing about the next. (SV2) takes
every scenario as a whole, known from its first slot on. Reserves are added as in (D3). The pieces
of (SV2) add up, those of (SV1) would multiply; so A is kept on the grid of ``cells``: each step is
exact at the edges of the grid, and the chords between them are never below the curve. So what is
kept is never below A, and a step adds at most width * (rise of the slope over a cell) / 4. B is an
exact sum, as is V of what is kept: their pieces are those of all curves, cut at the kinks of each.
Units: kWh per slot at the AC bus for flows, kWh stored, currency, currency per kWh. Kernels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpc.arrays import F64
from mpc.cells import add_scenario, set_prefix, set_slopes
from mpc.curves import Curve, Whole, cost_at, earlier, with_reserve
from mpc.pieces import MOST_PIECES, slot_pieces
from mpc.program import Packed, grown
from mpc.rules import Limits, Rules, Slot, limits_at, slot_at

__all__ = [
    "CELLS",
    "Bad",
    "Bundle",
    "Scenes",
    "all_blends",
    "blend_after_first",
    "make_bundle",
]

CELLS = 96
"""Cells of the grid between the battery's bounds: 0.1 kWh each in a battery of 10 kWh."""
SAME_KWH = 1e-12
"""Kinks closer than this are one."""


class Scenes(NamedTuple):
    """K scenarios as kernels read them; P is K, or 1 where prices are the same in all.

    Attributes:
        load_kwh: (K, T or more).
        pv_kwh: (K, T or more).
        import_price: (P, T or more).
        export_price: (P, T or more).
        weights: (K,) 0 or more, their sum is 1.
    """

    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64
    weights: F64


class Bad(NamedTuple):
    """Where a slot's cost is not convex.

    Attributes:
        scenario: which scenario, -1 for the horizon's own series or none.
        slot: the slot, -1 where none is.
        defect: why, a code of ``pieces``; 0 where none is.
    """

    scenario: int
    slot: int
    defect: int


class Bundle(NamedTuple):
    """Scratch arrays of one thread: K curves of (SV2) in rows, then that of (SV1).

    Attributes:
        slope: (K + 1, M') slopes; a row's curve moves upward through it.
        length: (K + 1, M') lengths, kWh.
        first: (K + 1,) where each curve begins.
        last: (K + 1,) where it ends, exclusive.
        start_kwh: (K + 1,) stored energy where it begins.
        end_kwh: (K + 1,) stored energy where it ends.
        cost: (K + 1,) its cost at the start.
        slot_slope: (MOST_PIECES,) slopes of a slot's cost.
        slot_length: (MOST_PIECES,) their lengths.
        prefix: (M + 2,) sums of the slopes of the cells within the window, the last one twice.
        point: (M + 3,) costs at the grid's edges, in units of the cells' width.
        at: (K + 1,) the piece that each curve is at.
        edge_kwh: (K + 1,) where that piece ends.
        share: (K + 1,) what each curve counts.
        out_slope: slopes of the blend (SV3).
        out_length: their lengths, kWh.
    """

    slope: F64
    length: F64
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    start_kwh: F64
    end_kwh: F64
    cost: F64
    slot_slope: F64
    slot_length: F64
    prefix: F64
    point: F64
    at: NDArray[np.int64]
    edge_kwh: F64
    share: F64
    out_slope: F64
    out_length: F64


def make_bundle(scenarios: int, slots: int, terminal_pieces: int, cells: int = CELLS) -> Bundle:
    """Return scratch for K scenarios of up to ``slots`` slots; no kernel."""
    rows = scenarios + 1
    size = max(terminal_pieces + (MOST_PIECES + 1) * slots, cells + 2) + 1
    out = rows * size + MOST_PIECES + 1
    return Bundle(
        slope=np.empty((rows, size)),
        length=np.empty((rows, size)),
        first=np.zeros(rows, np.int64),
        last=np.zeros(rows, np.int64),
        start_kwh=np.zeros(rows),
        end_kwh=np.zeros(rows),
        cost=np.zeros(rows),
        slot_slope=np.empty(MOST_PIECES),
        slot_length=np.empty(MOST_PIECES),
        prefix=np.zeros(cells + 2),
        point=np.zeros(cells + 3),
        at=np.zeros(rows, np.int64),
        edge_kwh=np.zeros(rows),
        share=np.zeros(rows),
        out_slope=np.empty(out),
        out_length=np.empty(out),
    )


def blend_after_first(
    scenes: Scenes,
    recourse: float,
    limits: F64,
    rules: Rules,
    terminal_slope: F64,
    terminal_length: F64,
    bundle: Bundle,
) -> tuple[Curve, Bad]:
    """Return the blended curve at the end of slot 0, in ``bundle.out_slope``, and a bad slot (SV3).

    The scenarios' slot 0 is not looked at.

    Args:
        scenes: the scenarios, their columns the slots of ``limits``.
        recourse: share of (SV1), 0 to 1.
        limits: (T, 9) columns as in ``Limits``; one window of stored energy for all slots.
        rules: of the site.
        terminal_slope: (L,) minus the marginal price of what is left, ascending.
        terminal_length: (L,) kWh, from 0 to at least the most stored energy.
        bundle: from ``make_bundle``, for K scenarios and T slots.
    """
    recourse = used_recourse(recourse, limits_at(limits, 0))
    set_out(scenes, recourse, limits_at(limits, 0), terminal_slope, terminal_length, bundle)
    found = Bad(-1, -1, 0)
    for t in range(limits.shape[0] - 1, 0, -1):
        limit = limits_at(limits, t)
        add_reserve(recourse, limit, rules, bundle)
        scenario, defect = step_back(scenes, t, recourse, limit, rules, bundle)
        if defect != 0:
            found = Bad(scenario, t, defect)
    add_reserve(recourse, limits_at(limits, 0), rules, bundle)
    return blended(recourse, bundle), found


def all_blends(
    series: F64,
    scenes: Scenes,
    recourse: float,
    limits: F64,
    rules: Rules,
    terminal_slope: F64,
    terminal_length: F64,
    bundle: Bundle,
) -> tuple[Packed, Bad]:
    """Return the blended curves of all slots, and a bad slot (SV3).

    Arguments as in ``blend_after_first``, to whose curve the one of index 1 is equal to the bit.
    Index 0 is the start of slot 0, which is that of ``series``, (T, 4) columns as in ``Slot``.
    """
    slots = series.shape[0]
    slope, length = np.empty(1024), np.empty(1024)
    first, last = np.empty(slots + 1, np.int64), np.empty(slots + 1, np.int64)
    start, cost = np.empty(slots + 1), np.empty(slots + 1)
    recourse = used_recourse(recourse, limits_at(limits, 0))
    set_out(scenes, recourse, limits_at(limits, 0), terminal_slope, terminal_length, bundle)
    found, used = Bad(-1, -1, 0), 0
    for t in range(slots - 1, -2, -1):
        limit = limits_at(limits, max(t, 0))
        if t >= 0:
            add_reserve(recourse, limit, rules, bundle)
            curve = blended(recourse, bundle)
        else:
            curve, defect = before_first(curve, slot_at(series, 0), limit, rules, bundle)
            if defect != 0:
                found = Bad(-1, 0, defect)
        count = curve.last - curve.first
        if used + count > slope.size:
            slope = grown(slope, used, used + count)
            length = grown(length, used, used + count)
        slope[used : used + count] = bundle.out_slope[curve.first : curve.last]
        length[used : used + count] = bundle.out_length[curve.first : curve.last]
        first[t + 1], last[t + 1], start[t + 1] = used, used + count, curve.start_kwh
        cost[t + 1] = curve.cost
        used += count
        if t > 0:
            scenario, defect = step_back(scenes, t, recourse, limit, rules, bundle)
            if defect != 0:
                found = Bad(scenario, t, defect)
    return Packed(slope[:used], length[:used], first, last, start, cost), found


def before_first(
    after: Curve, slot: Slot, limit: Limits, rules: Rules, bundle: Bundle
) -> tuple[Curve, int]:
    """Turn the blend at the end of slot 0, in place, into the curve at its start, and a defect."""
    pieces = slot_pieces(slot, limit, rules, bundle.slot_slope, bundle.slot_length)
    end = after.start_kwh
    for i in range(after.first, after.last):
        end += bundle.out_length[i]
    whole = earlier(
        Whole(after.first, after.last, after.start_kwh, end, after.cost),
        limit.soc_min,
        limit.soc_max,
        bundle.out_slope,
        bundle.out_length,
        pieces,
        bundle.slot_slope,
        bundle.slot_length,
    )
    return Curve(whole.first, whole.last, whole.start_kwh, whole.cost, 0.0, 0.0), pieces.defect


def used_recourse(recourse: float, limit: Limits) -> float:
    """Return the share of (SV1): none where the window is a point, which has no cells."""
    return recourse if limit.soc_max > limit.soc_min else 0.0


def scene_at(scenes: Scenes, k: int, t: int) -> Slot:
    """Return what slot ``t`` brings in scenario ``k``."""
    buy, sell = min(k, scenes.import_price.shape[0] - 1), min(k, scenes.export_price.shape[0] - 1)
    return Slot(
        scenes.load_kwh[k, t],
        scenes.pv_kwh[k, t],
        scenes.import_price[buy, t],
        scenes.export_price[sell, t],
    )


def set_out(
    scenes: Scenes,
    recourse: float,
    limit: Limits,
    terminal_slope: F64,
    terminal_length: F64,
    bundle: Bundle,
) -> None:
    """Write the curve behind the last slot into every row, and what each row counts."""
    count, size = scenes.weights.size, terminal_slope.size
    end = 0.0
    for i in range(size):
        end += terminal_length[i]
    for k in range(count):
        bundle.slope[k, :size], bundle.length[k, :size] = terminal_slope, terminal_length
        bundle.first[k], bundle.last[k] = 0, size
        bundle.start_kwh[k], bundle.end_kwh[k], bundle.cost[k] = 0.0, end, 0.0
        bundle.share[k] = (1.0 - recourse) * scenes.weights[k]
    bundle.share[count] = recourse
    if recourse <= 0.0:
        return
    cells = bundle.prefix.size - 2
    width = (limit.soc_max - limit.soc_min) / cells
    whole, low = Curve(0, size, 0.0, 0.0, 0.0, 0.0), limit.soc_min
    for c in range(-1, cells + 2):
        cost = cost_at(whole, terminal_slope, terminal_length, low + c * width)
        bundle.point[c + 1] = cost / width
    set_cells(low, width, 0.0, bundle)


def set_cells(low_kwh: float, width_kwh: float, cost: float, bundle: Bundle) -> None:
    """Make the grid's row from the costs at its edges, which are ``cost`` too low."""
    row, cells = bundle.share.size - 1, bundle.prefix.size - 2
    set_slopes(bundle.point, bundle.slope[row])
    bundle.length[row, : cells + 2] = width_kwh
    bundle.first[row], bundle.last[row] = 0, cells + 2
    bundle.start_kwh[row] = low_kwh - width_kwh
    bundle.end_kwh[row] = low_kwh + (cells + 1) * width_kwh
    bundle.cost[row] = cost + width_kwh * bundle.point[0]


def add_reserve(recourse: float, limit: Limits, rules: Rules, bundle: Bundle) -> None:
    """Add the price of a missing reserve at a slot's end to every curve (D3)."""
    if rules.reserve_price <= 0.0:
        return
    row = bundle.share.size - 1
    for k in range(row if recourse < 1.0 else 0):
        curve = with_reserve(
            row_curve(bundle, k),
            limit.reserve,
            rules.reserve_price,
            bundle.slope[k],
            bundle.length[k],
        )
        keep_curve(bundle, k, curve)
    if recourse > 0.0:
        edge, width = bundle.start_kwh[row], bundle.length[row, 0]
        bundle.cost[row] += rules.reserve_price * max(limit.reserve - edge, 0.0)
        for c in range(bundle.last[row]):
            short = min(max(limit.reserve - edge - c * width, 0.0), width)
            bundle.slope[row, c] -= rules.reserve_price * short / width


def row_curve(bundle: Bundle, k: int) -> Whole:
    """Return the curve of a row."""
    return Whole(
        bundle.first[k], bundle.last[k], bundle.start_kwh[k], bundle.end_kwh[k], bundle.cost[k]
    )


def keep_curve(bundle: Bundle, k: int, curve: Whole) -> None:
    """Note where the curve of a row now is."""
    bundle.first[k], bundle.last[k] = curve.first, curve.last
    bundle.start_kwh[k], bundle.end_kwh[k] = curve.start_kwh, curve.end_kwh
    bundle.cost[k] = curve.cost


def step_back(
    scenes: Scenes, t: int, recourse: float, limit: Limits, rules: Rules, bundle: Bundle
) -> tuple[int, int]:
    """Carry all curves from the end of a slot to its start (SV1, SV2).

    Returns:
        A scenario whose slot is not convex, or -1; why, or 0.
    """
    row, cells = bundle.share.size - 1, bundle.prefix.size - 2
    width = (limit.soc_max - limit.soc_min) / cells
    slot_slope, slot_length = bundle.slot_slope, bundle.slot_length
    bad, defect, expected = -1, 0, 0.0
    if recourse > 0.0:
        expected = bundle.cost[row] + width * bundle.slope[row, 0]
        set_prefix(bundle.slope[row], bundle.prefix)
        bundle.point[:] = 0.0
    for k in range(row):
        pieces = slot_pieces(scene_at(scenes, k, t), limit, rules, slot_slope, slot_length)
        if pieces.defect != 0:
            bad, defect = k, pieces.defect
        if recourse < 1.0:
            curve = earlier(
                row_curve(bundle, k),
                limit.soc_min,
                limit.soc_max,
                bundle.slope[k],
                bundle.length[k],
                pieces,
                slot_slope,
                slot_length,
            )
            keep_curve(bundle, k, curve)
        if recourse > 0.0:
            weight = scenes.weights[k]
            expected += weight * add_scenario(
                pieces, slot_slope, slot_length, weight, width, bundle.slope[row],
                bundle.prefix, bundle.point,
            )  # fmt: skip
    if recourse > 0.0:
        set_cells(limit.soc_min, width, expected, bundle)
    return bad, defect


def blended(recourse: float, bundle: Bundle) -> Curve:
    """Write the weighted sum of the curves into ``bundle.out_slope`` (SV3); return where it is.

    It reaches as far as the one that reaches furthest; the others go on with their end slopes.
    """
    rows = bundle.share.size
    first = 0 if recourse < 1.0 else rows - 1
    last = rows if recourse > 0.0 else rows - 1
    start, end = np.inf, -np.inf
    for k in range(first, last):
        start, end = min(start, bundle.start_kwh[k]), max(end, bundle.end_kwh[k])
    cost = 0.0
    for k in range(first, last):
        i = bundle.first[k]
        bundle.at[k], bundle.edge_kwh[k] = i, np.inf
        there = bundle.cost[k]
        if i < bundle.last[k]:
            bundle.edge_kwh[k] = bundle.start_kwh[k] + bundle.length[k, i]
            there -= (bundle.start_kwh[k] - start) * bundle.slope[k, i]
        if i + 1 >= bundle.last[k]:
            bundle.edge_kwh[k] = np.inf
        cost += bundle.share[k] * there
    count = add_up(first, last, start, end, bundle)
    return Curve(0, count, start, cost, 0.0, 0.0)


def add_up(first: int, last: int, start_kwh: float, end_kwh: float, bundle: Bundle) -> int:
    """Write the sum of some rows, piece by piece, from one stored energy to another; count them."""
    slope, length, count, edge = bundle.out_slope, bundle.out_length, 0, start_kwh
    while edge < end_kwh - SAME_KWH:
        total, until = 0.0, end_kwh
        for k in range(first, last):
            if bundle.at[k] < bundle.last[k]:
                total += bundle.share[k] * bundle.slope[k, bundle.at[k]]
            until = min(until, bundle.edge_kwh[k])
        if count > 0 and slope[count - 1] == total:
            length[count - 1] += until - edge
        else:
            slope[count], length[count] = total, until - edge
            count += 1
        edge = until
        for k in range(first, last):
            while bundle.edge_kwh[k] <= edge + SAME_KWH:
                bundle.at[k] += 1
                bundle.edge_kwh[k] += bundle.length[k, bundle.at[k]]
                if bundle.at[k] + 1 >= bundle.last[k]:
                    bundle.edge_kwh[k] = np.inf
    return count
