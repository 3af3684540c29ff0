"""Ideal value dispatch: the battery moves as long as stored energy is worth more than it costs.

With the future cost W at the slot's end (a convex curve, value v = -W', reserve included) and the
slot's own cost g by change d of stored energy (``mpc.pieces``), both known with the actual load
and PV, the cheapest changes at stored energy s are an interval (``mpc.curves``, D2), and

    d* = clip(planned change, least, most),  least..most = argmin over d of  g(d) + W(s + d)   (V1)
    wish = d* / eta_c where d* > 0, else d* * eta_d                                            (V2)

so a tie goes as far as the plan went, not further. Without limits, margin and reserve (V1) is

    grid-charge   if import_price / eta_c < v        serve   if (import_price - wear) * eta_d > v
    store surplus if export_price / eta_c < v        export  if (export_price - wear) * eta_d > v
                                                                                               (V3)
v above the state for charging, below it for discharging, as a test holds.

Where g is not convex (``Pieces.defect``), the true cost of a wish is linear, or bent downward,
between the points at which the grid's price, a limit or W changes. The cheapest of these points is
the optimum: they are all tried. Units: kWh, currency/kWh. Kernels.
"""

from typing import NamedTuple

from mpc.arrays import F64
from mpc.curves import Curve, best_change, cost_at, piece_kwh, within
from mpc.physics import clip, exported_discharge, slot_cost, slot_penalty, slot_step
from mpc.pieces import slot_pieces
from mpc.rules import Limits, Rules, Slot

__all__ = [
    "MONEY_TIE",
    "Advice",
    "Scratch",
    "Value",
    "at_bus",
    "at_cell",
    "cheapest_wish",
    "cost_of_wish",
    "reachable",
    "value_wish",
]

MONEY_TIE = 1e-9
"""Costs closer than this, relative to 1 + their size, are equal."""
_OUTSIDE = 1e6  # per kWh by which a state misses the curve, on which alone the future is possible
_FAR = 1e12


class Value(NamedTuple):
    """The future cost by energy stored at a slot's END, that slot's reserve included.

    Attributes:
        curve: a whole curve, not cut to the slot's bounds.
        slope: (M,) of its pieces, currency per kWh stored.
        length: (M,) of its pieces, kWh stored.
    """

    curve: Curve
    slope: F64
    length: F64


class Advice(NamedTuple):
    """What the plan expected and wanted in a slot.

    Attributes:
        load_kwh: expected load.
        pv_kwh: expected PV.
        planned_kwh: planned net battery energy at the AC bus, > 0 charges.
        target_soc_kwh: planned stored energy at the end of the window the slot belongs to.
    """

    load_kwh: float
    pv_kwh: float
    planned_kwh: float
    target_soc_kwh: float


class Scratch(NamedTuple):
    """Room for the pieces of one slot, (MOST_PIECES,) each."""

    slope: F64
    length: F64


def at_cell(moved_kwh: float, rules: Rules) -> float:
    """Return the change of stored energy that net battery energy at the bus makes, kWh."""
    if moved_kwh > 0.0:
        return moved_kwh * rules.charge_efficiency
    return moved_kwh / rules.discharge_efficiency


def at_bus(change_kwh: float, rules: Rules) -> float:
    """Return the net battery energy at the bus that changes the stored energy so, kWh (V2)."""
    if change_kwh > 0.0:
        return change_kwh / rules.charge_efficiency
    return change_kwh * rules.discharge_efficiency


def reachable(value: Value, stored_kwh: float, limits: Limits) -> Curve:
    """Return the curve within the slot's bounds; a state outside them may stay where it is."""
    low, high = min(limits.soc_min, stored_kwh), max(limits.soc_max, stored_kwh)
    return within(value.curve, value.slope, value.length, low, high)


def value_wish(
    stored_kwh: float,
    planned_kwh: float,
    value: Value,
    slot: Slot,
    limits: Limits,
    rules: Rules,
    scratch: Scratch,
) -> float:
    """Return the cheapest net battery energy of a slot, nearest to the planned one, kWh (V1, V2).

    Args:
        stored_kwh: at the slot's start.
        planned_kwh: what the plan would do, > 0 charges; decides ties only.
        value: at the slot's end.
        slot: actual load and PV, and the prices.
        limits: of the slot.
        rules: of the site.
        scratch: overwritten.
    """
    pieces = slot_pieces(slot, limits, rules, scratch.slope, scratch.length)
    if pieces.defect != 0:
        return cheapest_wish(stored_kwh, planned_kwh, value, slot, limits, rules)
    after = reachable(value, stored_kwh, limits)
    least, most = best_change(
        after, value.slope, value.length, pieces, scratch.slope, scratch.length, stored_kwh
    )
    return at_bus(clip(at_cell(planned_kwh, rules), least, most), rules)


def cost_of_wish(
    stored_kwh: float, wish_kwh: float, value: Value, slot: Slot, limits: Limits, rules: Rules
) -> tuple[float, float]:
    """Return (cost of the slot and of the future, net battery energy) of a wish, currency, kWh."""
    stored, moved, imports, exports, _ = slot_step(stored_kwh, wish_kwh, slot, limits, rules)
    given = max(-moved, 0.0)
    beyond = exported_discharge(given, slot.load_kwh - slot.pv_kwh)
    money = slot_cost(
        imports, exports, given, slot.import_price, slot.export_price, rules.wear
    ) + slot_penalty(
        imports, exports, beyond, max(stored, limits.reserve), limits, rules
    )  # the reserve is part of the value
    curve = value.curve
    end = curve.start_kwh
    for k in range(curve.first, curve.last):
        end += piece_kwh(curve, value.length, k)
    missed = max(curve.start_kwh - stored, stored - end, 0.0)
    future = cost_at(curve, value.slope, value.length, stored)
    return money + future + _OUTSIDE * missed, moved


def cheapest_wish(
    stored_kwh: float, planned_kwh: float, value: Value, slot: Slot, limits: Limits, rules: Rules
) -> float:
    """Return what ``value_wish`` returns, for any slot: the cheapest point of its true cost.

    Rest, the planned energy and the battery's bounds; the net loads at which the price at the bus
    changes; the kinks of the value. Ties go to the point nearest to the planned energy.
    """
    net = slot.load_kwh - slot.pv_kwh
    spill = slot.pv_kwh if rules.pv_curtailable else 0.0
    soft = min(limits.import_soft, limits.import_max)
    points = (
        0.0,
        -_FAR,
        _FAR,
        -net,
        soft - net,
        limits.import_max - net,
        -limits.export_max - net,
        -spill - net,
        soft - spill - net,
        limits.import_max - spill - net,
        -limits.export_max - spill - net,
    )
    cost, best = cost_of_wish(stored_kwh, planned_kwh, value, slot, limits, rules)
    for point in points:
        offer = cost_of_wish(stored_kwh, point, value, slot, limits, rules)
        cost, best = cheaper(cost, best, offer, planned_kwh)
    edge = value.curve.start_kwh
    for k in range(value.curve.first, value.curve.last + 1):
        point = at_bus(edge - stored_kwh, rules)
        offer = cost_of_wish(stored_kwh, point, value, slot, limits, rules)
        cost, best = cheaper(cost, best, offer, planned_kwh)
        edge += piece_kwh(value.curve, value.length, k)
    return best


def cheaper(
    cost: float, moved_kwh: float, offer: tuple[float, float], planned_kwh: float
) -> tuple[float, float]:
    """Return (cost, net battery energy) of the cheaper of two; the one nearer to the plan if even.

    Args:
        cost: of the first, currency.
        moved_kwh: net battery energy of the first.
        offer: cost and net battery energy of the second.
        planned_kwh: net battery energy of the plan.
    """
    even = MONEY_TIE * (1.0 + abs(cost))
    nearer = abs(offer[1] - planned_kwh) < abs(moved_kwh - planned_kwh)
    if offer[0] < cost - even or (offer[0] <= cost + even and nearer):
        return min(offer[0], cost), offer[1]
    return cost, moved_kwh
