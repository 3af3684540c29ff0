"""A plan in plain sentences, one per slot: what, at which price, against which energy value."""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from mpc.plan import Plan

_SHOWN_KWH = 5e-4
"""Flows below this are written as nothing (the text has three decimals)."""


def explain_plan(plan: "Plan", zone: str) -> list[str]:
    """Return one sentence per slot, times written in ``zone``."""
    clock = ZoneInfo(zone)
    return [
        f"{_time(start, clock)} {_sentence(plan, t)}{_broken(plan, t)}"
        for t, start in enumerate(plan.starts)
    ]


def _time(start: datetime, clock: ZoneInfo) -> str:
    """Return weekday and wall-clock time; the UTC offset keeps the doubled hour apart."""
    return start.astimezone(clock).strftime("%a %H:%M%z")


def _sentence(plan: "Plan", t: int) -> str:
    """Say what the battery does in slot ``t`` and why."""
    if plan.charge_kwh[t] > _SHOWN_KWH:
        text = _charge(plan, t)
    elif plan.discharge_kwh[t] > _SHOWN_KWH:
        text = _discharge(plan, t)
    else:
        text = _hold(plan, t)
    if plan.curtail_kwh[t] > _SHOWN_KWH:
        text += f"; curtail {plan.curtail_kwh[t]:.3f} kWh of PV, which nobody pays for"
    return text + "."


def _charge(plan: "Plan", t: int) -> str:
    """Charging: cost of storing a kWh against what it will be worth."""
    amount, value = plan.charge_kwh[t], plan.energy_value_down[t]
    if plan.import_kwh[t] > _SHOWN_KWH:
        price, source = plan.import_price[t], "from the grid at"
    elif plan.curtail_kwh[t] > _SHOWN_KWH:
        price, source = 0.0, "from PV nobody pays for, at"
    else:
        price, source = plan.export_price[t], "from PV instead of exporting at"
    cost = price / plan.charge_efficiency
    return (
        f"charge {amount:.3f} kWh {source} {price:.3f}: "
        f"stored it costs {cost:.3f} and is worth {value:.3f} a kWh"
    )


def _discharge(plan: "Plan", t: int) -> str:
    """Discharging: what a stored kWh brings now against what it is worth later."""
    amount, value = plan.discharge_kwh[t], plan.energy_value_up[t]
    exporting = plan.export_kwh[t] > _SHOWN_KWH
    price = plan.export_price[t] if exporting else plan.import_price[t]
    use = "to the grid at" if exporting else "to the house instead of importing at"
    gain = plan.discharge_efficiency * (price - plan.wear_cost_per_kwh)
    return (
        f"discharge {amount:.3f} kWh {use} {price:.3f}: "
        f"a stored kWh brings {gain:.3f} now and {value:.3f} later"
    )


def _hold(plan: "Plan", t: int) -> str:
    """Resting: the prices on both sides of the energy value."""
    value = plan.energy_value[t]
    if plan.import_kwh[t] > _SHOWN_KWH:
        gain = plan.discharge_efficiency * (plan.import_price[t] - plan.wear_cost_per_kwh)
        return (
            f"hold, import {plan.import_kwh[t]:.3f} kWh at {plan.import_price[t]:.3f}: "
            f"a stored kWh would bring {gain:.3f} now and is worth {value:.3f}"
        )
    if plan.export_kwh[t] > _SHOWN_KWH:
        cost = plan.export_price[t] / plan.charge_efficiency
        return (
            f"hold, export {plan.export_kwh[t]:.3f} kWh at {plan.export_price[t]:.3f}: "
            f"storing would cost {cost:.3f} a kWh and is worth {value:.3f}"
        )
    return f"hold, nothing imported or exported; a stored kWh is worth {value:.3f}"


def _broken(plan: "Plan", t: int) -> str:
    """Name the soft limits broken in slot ``t``."""
    broken = [v for v in plan.violations if v.slot == t]
    return "".join(
        f" Breaks {v.limit} by {v.amount_kwh:.3f} kWh (cost {v.cost:.2f})." for v in broken
    )
