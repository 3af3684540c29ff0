"""The cost of a slot as a convex piecewise-linear function of the change of stored energy.

At the bus, with x = net load + net battery energy, one more kWh costs, ascending in x,

    export_price - penalty      what was spilled beyond the export limit
    export_price                what was exported
    0                           what was curtailed (before the negative prices, if there are any)
    import_price                import up to the soft limit, then + soft_price, then + penalty  (G1)

and with the price p(x) of (G1) a change d of stored energy costs

    d > 0:  p / eta_c,      d < 0:  eta_d * (p - wear - margin where the battery exports)       (G2)

per kWh stored. That is the least cost of ``physics.slot_step`` plus (P5), as a property test
holds. It is convex unless prices reward two opposite flows at once; then a defect is returned and
the pieces mean nothing: (X1)-(X3) of ``exactness``. Units: kWh, currency/kWh. A kernel.
"""

from typing import NamedTuple

from mpc.arrays import F64
from mpc.physics import exported_discharge, slot_power
from mpc.rules import Limits, Rules, Slot

__all__ = ["BURNS", "EXPORT_ABOVE_IMPORT", "MOST_PIECES", "PAID_IMPORT", "Pieces", "slot_pieces"]
EXPORT_ABOVE_IMPORT, BURNS, PAID_IMPORT = 1, 2, 3
MOST_PIECES = 10
_ROUNDING = 1e-12


class Pieces(NamedTuple):
    """What goes with the slopes and lengths of a slot.

    Attributes:
        size: how many pieces there are.
        change_kwh: the least change of stored energy, where the first piece begins.
        cost: of the slot at that change, currency.
        defect: 0, or why the pieces mean nothing.
    """

    size: int
    change_kwh: float
    cost: float
    defect: int


def slot_pieces(slot: Slot, limits: Limits, rules: Rules, slope: F64, length: F64) -> Pieces:
    """Write the pieces of a slot's cost, from most discharge to most charge (G2).

    Args:
        slot: load, PV and prices.
        limits: of the slot; its bounds of stored energy and its reserve are not part of the cost.
        rules: of the site.
        slope: (MOST_PIECES,) out: currency per kWh stored, ascending.
        length: (MOST_PIECES,) out: kWh stored, above 0.
    """
    net = slot.load_kwh - slot.pv_kwh
    charge, discharge = slot_power(net, limits, rules)
    eta_c, eta_d = rules.charge_efficiency, rules.discharge_efficiency
    first, last = net - discharge, net + charge
    defect = bus_defect(slot, limits, rules, first, last)
    prices, ends, cost = bus_prices(slot, limits, rules, first)
    # Discharge beyond the load earns the margin, below x = min(net, 0).
    margin_end = min(net, 0.0) if rules.export_margin > 0.0 else first
    x, k, count, below = first, 0, 0, -1e300
    while x < last:
        while ends[k] <= x:
            k += 1
        end, price = min(ends[k], last), prices[k]
        if x < net:
            dear = rules.wear
            if x < margin_end:
                end, dear = min(end, margin_end), dear + rules.export_margin
            end = min(end, net)
            value, size = eta_d * (price - dear), (end - x) / eta_d
        else:
            value, size = price / eta_c, (end - x) * eta_c
        if value < below:
            if defect == 0 and value < below - _ROUNDING * (1.0 + abs(below)):
                defect = BURNS
            value = below
        slope[count], length[count] = value, size
        count, below, x = count + 1, value, end
    spent = rules.wear * discharge + rules.export_margin * exported_discharge(discharge, net)
    return Pieces(count, -discharge / eta_d, cost + spent, defect)


def bus_defect(slot: Slot, limits: Limits, rules: Rules, first: float, last: float) -> int:
    """Return why the cost at the bus is not convex between two net loads, or 0."""
    spill = slot.pv_kwh if rules.pv_curtailable else 0.0
    paid = slot.import_price < 0.0 and spill > 0.0 and limits.import_max > 0.0
    if paid and not rules.allow_grid_charge and last > slot.load_kwh - slot.pv_kwh:
        return PAID_IMPORT
    if slot.export_price <= slot.import_price + _ROUNDING * (1.0 + abs(slot.import_price)):
        return 0
    if limits.export_max <= 0.0 or limits.import_max <= 0.0:
        return 0
    most = last + spill if paid else last
    return 0 if first >= 0.0 or most <= 0.0 else EXPORT_ABOVE_IMPORT


def bus_prices(
    slot: Slot, limits: Limits, rules: Rules, first: float
) -> tuple[
    tuple[float, float, float, float, float, float],
    tuple[float, float, float, float, float, float],
    float,
]:
    """Return the prices of (G1), where each ends, and what the least net load ``first`` costs."""
    spill = slot.pv_kwh if rules.pv_curtailable else 0.0
    most = min(limits.export_max, max(-first, 0.0))
    soft = min(limits.import_soft, limits.import_max)
    hard = max(limits.import_max - soft, 0.0) if soft < limits.import_max else 0.0
    buy, above = slot.import_price, slot.import_price + rules.soft_price
    sell = slot.export_price
    if sell > buy and (first >= 0.0 or limits.export_max <= 0.0):
        sell = buy  # nothing is exported: the price only has to keep its place
    spilled, over, inf = slot.export_price - rules.penalty, buy + rules.penalty, float("inf")
    start = -most - spill
    if sell >= 0.0:
        prices = (spilled, 0.0, sell, buy, above, over)
        ends = (start, start + spill, 0.0, soft, soft + hard, inf)
    elif buy >= 0.0:
        prices = (spilled, sell, 0.0, buy, above, over)
        ends = (start, start + most, 0.0, soft, soft + hard, inf)
    elif above >= 0.0:
        prices = (spilled, sell, buy, 0.0, above, over)
        ends = (start, -spill, soft - spill, soft, soft + hard, inf)
    else:
        prices = (spilled, sell, buy, above, 0.0, over)
        ends = (start, -spill, soft - spill, soft + hard - spill, soft + hard, inf)
    cost = -slot.export_price * most + min(first - start, 0.0) * spilled
    for k in range(1, 6):
        cost += max(min(ends[k], first) - ends[k - 1], 0.0) * prices[k]
    return prices, ends, cost
