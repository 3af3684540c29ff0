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
    return _walk(site, horizon, soc_kwh, terminal, lambda net, low, high: 0.0)  # noqa: ARG005


def self_use(site: Site, horizon: Horizon, soc_kwh: float, terminal: TerminalCurve) -> Outcome:
    """Return what the house pays if its battery stores surplus and serves load, price-blind."""
    return _walk(
        site, horizon, soc_kwh, terminal, lambda net, low, high: physics.clip(-net, low, high)
    )


def cost_of_plan(plan: Plan, terminal: TerminalCurve) -> float:
    """Return the cost of a plan on the same footing: bill, wear and change of stored value."""
    gained = terminal.value(float(plan.soc_kwh[-1])) - terminal.value(plan.soc_start_kwh)
    return plan.bill + plan.wear - gained


def _walk(
    site: Site,
    horizon: Horizon,
    soc_kwh: float,
    terminal: TerminalCurve,
    wish: Callable[[float, float, float], float],
) -> Outcome:
    """Carry out a policy: net battery energy from (net load, lowest, highest possible)."""
    battery, slots = site.battery, len(horizon)
    limits = _limits(site, horizon)
    prices = np.stack([np.asarray(horizon.import_price), np.asarray(horizon.export_price)], axis=1)
    net, soft_price = horizon.net_load_kwh.tolist(), site.planning_import_price_per_kwh
    rows, stored, bill, wear = np.empty((slots, 6)), soc_kwh, 0.0, 0.0
    for t, (buy, sell) in enumerate(prices.tolist()):
        low_soc, high_soc, charge, discharge, soft, most_import, most_export, spill = limits[t]
        low, high = physics.battery_range(
            stored,
            low_soc,
            high_soc,
            charge,
            discharge,
            battery.charge_efficiency,
            battery.discharge_efficiency,
        )
        moved = wish(net[t], low, high)
        taken, given = max(moved, 0.0), max(-moved, 0.0)
        stored = physics.battery_step(
            stored, taken, given, battery.charge_efficiency, battery.discharge_efficiency
        )
        paid = physics.paid_import_limit(
            taken, buy, soft, soft_price, most_import, site.allow_grid_charge
        )
        imports, exports, curtail = physics.settle(
            net[t] + moved, spill, buy, sell, paid, most_export
        )
        bill += physics.slot_cost(imports, exports, given, buy, sell, 0.0)
        wear += battery.wear_cost_per_kwh * given
        rows[t] = taken, given, imports, exports, curtail, stored
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


def _limits(site: Site, horizon: Horizon) -> list[list[float]]:
    """Return the limits of every slot, kWh.

    They are: min soc, max soc, charge, discharge, soft import, import, export, curtailment.
    """
    battery, grid, hours = site.battery, site.grid, horizon.slot_hours
    soft = np.inf if site.planning_import_kw is None else site.planning_import_kw
    one = np.ones(len(horizon))
    columns = (
        np.asarray(battery.min_soc_kwh) * one,
        np.asarray(battery.max_soc_kwh) * one,
        np.asarray(battery.max_charge_kw) * hours,
        np.asarray(battery.max_discharge_kw) * hours,
        np.asarray(soft) * hours,
        np.asarray(grid.max_import_kw) * hours,
        np.asarray(grid.max_export_kw) * hours,
        np.asarray(horizon.pv_kwh) * site.pv_curtailable,
    )
    rows: list[list[float]] = np.stack(columns, axis=1).tolist()
    return rows
