"""What a house would pay without a plan: no battery, or a battery on plain self-consumption.

Both walk the horizon by the kernel of replay (``sim.slots``), so they share physics, limits and
prices with the plan they are compared to. Money in the currency of the prices, energy in kWh per
slot.

    cost = bill + wear - (terminal_value(stored at the end) - terminal_value(stored at the start))

so that a policy that ends with more stored energy is not taken for a dearer one.
"""

from dataclasses import dataclass

import numpy as np

from mpc import Horizon, Plan, Site, TerminalCurve
from mpc.rules import rules_of, slot_limits
from sim.dispatch import HOLD, SELF_USE
from sim.slots import (
    BILL,
    CHARGE,
    COLUMNS,
    CURTAIL,
    DISCHARGE,
    EXPORT,
    IMPORT,
    SOC,
    WEAR,
    run_policy,
)
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
    return _walk(HOLD, site, horizon, soc_kwh, terminal)


def self_use(site: Site, horizon: Horizon, soc_kwh: float, terminal: TerminalCurve) -> Outcome:
    """Return what the house pays if its battery stores surplus and serves load, price-blind."""
    return _walk(SELF_USE, site, horizon, soc_kwh, terminal)


def cost_of_plan(plan: Plan, terminal: TerminalCurve) -> float:
    """Return the cost of a plan on the same footing: bill, wear and change of stored value."""
    gained = terminal.value(float(plan.soc_kwh[-1])) - terminal.value(plan.soc_start_kwh)
    return plan.bill + plan.wear - gained


def _walk(
    code: int, site: Site, horizon: Horizon, soc_kwh: float, terminal: TerminalCurve
) -> Outcome:
    """Carry out a policy without a plan, by its code of ``sim.dispatch``."""
    series = (horizon.load_kwh, horizon.pv_kwh, horizon.import_price, horizon.export_price)
    table, rows = slot_limits(site, horizon.slot_hours), np.empty((len(horizon), len(COLUMNS)))
    rules = rules_of(site, penalty_per_kwh=0.0)  # steers plans; no policy here looks at it
    # The kernel as it stands: a horizon is too short to load numba for it.
    stored = run_policy(code, soc_kwh, np.stack(series, axis=1), table, rules, rows)
    gained = terminal.value(stored) - terminal.value(soc_kwh)
    bill, wear = float(rows[:, BILL].sum()), float(rows[:, WEAR].sum())
    flows = [np.ascontiguousarray(column) for column in rows[:, : SOC + 1].T]
    return Outcome(
        charge_kwh=flows[CHARGE],
        discharge_kwh=flows[DISCHARGE],
        import_kwh=flows[IMPORT],
        export_kwh=flows[EXPORT],
        curtail_kwh=flows[CURTAIL],
        soc_kwh=flows[SOC],
        bill=bill,
        wear=wear,
        cost=bill + wear - gained,
    )
