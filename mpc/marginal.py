"""One-sided energy values: what the next and the last stored kWh are worth.

The dual of the state-of-charge balance is one slope of the value function; at a kink there is an
interval of slopes. With ``f`` the cost of slot t+1 as a function of net battery energy, the value
function at the end of slot t is ``V[t] = f (+) (V[t+1] + bounds)`` (infimal convolution), and at an
optimal split its slopes are those that both parts have (Rockafellar, Convex Analysis, thm 16.4):

    slopes(V[t]) at soc[t] = slopes(f) at the planned flow  and  slopes(V[t+1] + bounds) at soc[t+1]
                                                                                        (E1)

``slopes(f)`` follows from the planned flows: a flow strictly between its bounds pins the value of
energy at its price, a flow at a bound leaves one side open. A bound on soc opens one side too: at
the minimum the last kWh, at the maximum the next kWh, can be worth anything. The result is
the interval [energy_value_up, energy_value_down], widened to hold the dual itself, which at a bound
is the worth within the slot: the next kWh into a full battery only saves charging in that slot.
A side that stays open keeps the dual. Valid for one storage without binaries; where directions were
fixed, or an export target couples the slots, both values are the dual. Blocks of ``requests`` price
flows within them and energy at their end, and both count here.
"""

import numpy as np

from mpc.arrays import F64
from mpc.flows import ENERGY_TOLERANCE_KWH, Flows
from mpc.model import flow_bounds
from mpc.problem import Problem
from mpc.requests import Wanted

__all__ = ["energy_values"]


def energy_values(problem: Problem, flows: Flows, dual_value: F64) -> tuple[F64, F64]:
    """Return (energy_value_up, energy_value_down), (T,) currency per stored kWh.

    Args:
        problem: the problem the flows solve.
        flows: optimal flows.
        dual_value: (T,) minus the duals of the state-of-charge balance (M1).
    """
    low, high = _slot_interval(problem, flows, *_bus_interval(problem, flows))
    up, down = problem.terminal.marginal(float(flows.soc[-1]))
    after_low, after_high = _backward(problem, flows, low, high, (up, down))
    slack = 1e-9 * (1.0 + np.abs(dual_value))
    after_low = np.where(np.isfinite(after_low), after_low, dual_value)
    after_high = np.where(np.isfinite(after_high), after_high, dual_value)
    crossed = after_low > after_high + slack
    after_low = np.where(crossed, dual_value, np.minimum(after_low, after_high))
    after_high = np.where(crossed, dual_value, after_high)
    low_value = np.where(after_low > dual_value + slack, dual_value, after_low)
    high_value = np.where(after_high < dual_value - slack, dual_value, after_high)
    return low_value, high_value


def _bus_interval(problem: Problem, flows: Flows) -> tuple[F64, F64]:
    """Return the range of the marginal price of energy at the house's bus, (T,) each.

    A source in use prices the bus at its cost or above, one with room left at its cost or below;
    a sink (export, curtailment) the other way round.
    """
    tol, inf = ENERGY_TOLERANCE_KWH, np.inf
    low = np.where(flows.imports > tol, problem.import_price, -inf)
    soft = np.minimum(problem.import_soft, problem.import_max)
    room = flows.imports < soft - tol
    high = np.where(room, problem.import_price, inf)
    if not room.all():
        low, high = _dear_import(problem, flows, low, high)
    # a slot that imports whatever the battery gives has no export to price the bus
    can_export = flows.exports < np.minimum(problem.export_max, flow_bounds(problem)[1]) - tol
    if can_export.all():
        low = np.maximum(low, problem.export_price)
    else:
        spill = problem.export_price - problem.penalty_per_kwh
        low = np.maximum(low, np.where(can_export, problem.export_price, spill))
        high = np.where(flows.exports > problem.export_max + tol, np.minimum(high, spill), high)
    high = np.where(flows.exports > tol, np.minimum(high, problem.export_price), high)
    can_curtail = flows.curtail < problem.curtail_max - tol
    low = np.where(can_curtail, np.maximum(low, 0.0), low)
    high = np.where(flows.curtail > tol, np.minimum(high, 0.0), high)
    return low, high


def _dear_import(problem: Problem, flows: Flows, low: F64, high: F64) -> tuple[F64, F64]:
    """Return the range where import has reached its soft or its hard limit."""
    tol = ENERGY_TOLERANCE_KWH
    soft = np.minimum(problem.import_soft, problem.import_max)
    soft_price = problem.import_price + problem.site.planning_import_price_per_kwh
    over = problem.import_price + problem.penalty_per_kwh
    at_soft, at_hard = flows.imports >= soft - tol, flows.imports >= problem.import_max - tol
    low = np.where(flows.imports > soft + tol, soft_price, low)
    high = np.where(at_soft & ~at_hard, soft_price, high)
    low = np.where(flows.imports > problem.import_max + tol, over, low)
    return low, np.where(at_hard, over, high)


def _slot_interval(problem: Problem, flows: Flows, low: F64, high: F64) -> tuple[F64, F64]:
    """Return the range of energy values for which the planned battery flow is best, (T,) each."""
    tol, battery = ENERGY_TOLERANCE_KWH, problem.site.battery
    eta_c, eta_d = battery.charge_efficiency, battery.discharge_efficiency
    wear = battery.wear_cost_per_kwh
    more_costs = less_saves = np.full(1, wear)
    if (margin := problem.site.export_margin_per_kwh) > 0.0:
        serve = np.maximum(problem.net, 0.0)
        more_costs = wear + np.where(flows.discharge >= serve - tol, margin, 0.0)
        less_saves = wear + np.where(flows.discharge > serve + tol, margin, 0.0)
    if (wanted := problem.wanted) is not None:
        low_in = low + wanted.price_per_kwh * wanted.no_charge
        high_in = high + wanted.price_per_kwh * wanted.no_charge
        more_costs = more_costs + wanted.price_per_kwh * wanted.no_discharge
        less_saves = less_saves + wanted.price_per_kwh * wanted.no_discharge
    else:
        low_in, high_in = low, high
    value_low, value_high = np.full(low.size, -np.inf), np.full(low.size, np.inf)
    charging, discharging = flows.charge > tol, flows.discharge > tol
    value_low = np.where(charging, low_in / eta_c, value_low)
    room = (flows.charge < problem.charge_max - tol) & ~discharging
    value_high = np.where(room, high_in / eta_c, value_high)
    value_high = np.where(discharging, eta_d * (high - less_saves), value_high)
    power = (flows.discharge < problem.discharge_max - tol) & ~charging
    value_low = np.where(power, np.maximum(value_low, eta_d * (low - more_costs)), value_low)
    return value_low, value_high


def _backward(
    problem: Problem, flows: Flows, low: F64, high: F64, last: tuple[float, float]
) -> tuple[F64, F64]:
    """Intersect intervals backward in time (E1), opening a side at each bound of soc."""
    tol = ENERGY_TOLERANCE_KWH
    at_top = flows.soc >= problem.soc_max - tol
    at_bottom = flows.soc <= problem.soc_min + tol
    reserve_price = problem.site.reserve_price_per_kwh
    missing = np.where(flows.soc < problem.reserve - tol, reserve_price, 0.0)
    touched = (flows.soc <= problem.reserve + tol) & (problem.reserve > 0.0)
    touching = np.where(touched, reserve_price, 0.0)
    if problem.wanted is not None:
        missing, touching = _at_targets(problem.wanted, flows.soc, missing, touching)
    below, above = last
    out_low, out_high = [], []
    columns = (low, high, at_top, at_bottom, missing, touching)
    for floor, ceiling, full, empty, next_credit, last_credit in zip(
        *(column[::-1].tolist() for column in columns), strict=True
    ):
        below, above = below + next_credit, above + last_credit
        out_low.append(below)
        out_high.append(above)
        below = floor if full or floor > below else below
        above = ceiling if empty or ceiling < above else above
    return np.array(out_low[::-1]), np.array(out_high[::-1])


def _at_targets(wanted: Wanted, soc: F64, next_worth: F64, last_worth: F64) -> tuple[F64, F64]:
    """Return what the (next, last) kWh is worth at a slot's end, with the targets of blocks."""
    tol, price = ENERGY_TOLERANCE_KWH, wanted.price_per_kwh
    next_kwh = (soc < wanted.soc_low - tol) * 1.0 - (soc >= wanted.soc_high - tol)
    last_kwh = (soc <= wanted.soc_low + tol) * 1.0 - (soc > wanted.soc_high + tol)
    return next_worth + price * next_kwh, last_worth + price * last_kwh
