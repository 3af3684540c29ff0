"""What a house would pay without a plan: no battery, or a battery on plain self-consumption.

Both walk the horizon slot by slot with ``mpc.physics``, so they share limits and prices with the
plan they are compared to. Money in the currency of the prices, energy in kWh per slot.

    cost = bill + wear - (terminal_value(stored at the end) - terminal_value(stored at the start))

so that a policy that ends with more stored energy is not taken for a dearer one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mpc import Horizon, Plan, Site, TerminalCurve, physics
from mpc.rules import Limits, Slot, rules_of, slot_limits
from telemetry.arrays import F64

__all__ = ["Outcome", "cost_of_plan", "no_battery", "self_use"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a policy did and paid; arrays are (T,), flows in kWh per slot, soc at the slot's end."""

    charge_kwh: F64
    discharge_kwh: F64
    import_kwh: F64
    export_kwh: F64
    curtail_kwh: F64
    soc_kwh: F64
    bill: float
    wear: float
    cost: float


def no_battery(site: Site, horizon: Horizon, soc_kwh: float, terminal: TerminalCurve) -> Outcome:
    """Return what the house pays if its battery rests."""
    return _walk(site, horizon, soc_kwh, terminal, lambda net: 0.0)  # noqa: ARG005


def self_use(site: Site, horizon: Horizon, soc_kwh: float, terminal: TerminalCurve) -> Outcome:
    """Return what the house pays if its battery stores surplus and serves load, price-blind."""
    return _walk(site, horizon, soc_kwh, terminal, lambda net: -net)


def cost_of_plan(plan: Plan, terminal: TerminalCurve) -> float:
    """Return the cost of a plan on the same footing: bill, wear and change of stored value."""
    gained = terminal.value(float(plan.soc_kwh[-1])) - terminal.value(plan.soc_start_kwh)
    return plan.bill + plan.wear - gained


def _walk(
    site: Site,
    horizon: Horizon,
    soc_kwh: float,
    terminal: TerminalCurve,
    wish: Callable[[float], float],
) -> Outcome:
    """Carry out a policy: wished net battery energy from net load."""
    battery, slots = site.battery, len(horizon)
    table = slot_limits(site, horizon.slot_hours).tolist()
    rules = rules_of(site, penalty_per_kwh=0.0)  # steers plans; no policy here looks at it
    series = (horizon.load_kwh, horizon.pv_kwh, horizon.import_price, horizon.export_price)
    columns = np.stack([np.asarray(values) for values in series], axis=1)
    rows, stored, bill, wear = np.empty((slots, 6)), soc_kwh, 0.0, 0.0
    for t, values in enumerate(columns.tolist()):
        slot, limits = Slot(*values), Limits(*table[t])
        stored, moved, imports, exports, curtail = physics.slot_step(
            stored, wish(slot.load_kwh - slot.pv_kwh), slot, limits, rules
        )
        given = max(-moved, 0.0)
        bill += physics.slot_cost(
            imports, exports, given, slot.import_price, slot.export_price, 0.0
        )
        wear += battery.wear_cost_per_kwh * given
        rows[t] = max(moved, 0.0), given, imports, exports, curtail, stored
    gained = terminal.value(stored) - terminal.value(soc_kwh)
    flows = [np.ascontiguousarray(column) for column in rows.T]
    return Outcome(
        charge_kwh=flows[0],
        discharge_kwh=flows[1],
        import_kwh=flows[2],
        export_kwh=flows[3],
        curtail_kwh=flows[4],
        soc_kwh=flows[5],
        bill=bill,
        wear=wear,
        cost=bill + wear - gained,
    )
