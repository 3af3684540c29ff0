"""A plan in plain sentences, one per slot: what, at which price, against which energy value.

A sentence compares two numbers only where they decide: where a plan does what prices alone would
not, because the battery is full or empty or a limit binds, it says so instead.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mpc.errors import InputError

if TYPE_CHECKING:
    from mpc.plan import Plan

_SHOWN_KWH = 5e-4
"""Flows below this are written as nothing (the text has three decimals)."""
_SHOWN_PRICE = 5e-4


def explain_plan(plan: "Plan", zone: str) -> list[str]:
    """Return one sentence per slot, times written in ``zone``."""
    try:
        clock = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise InputError("zone", repr(zone), "an IANA zone: Europe/Stockholm") from None
    return [
        f"{_time(start, clock)} {_sentence(plan, t)}{_asked(plan, t, clock)}{_broken(plan, t)}"
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
    return f"{text}{_curtail(plan, t)}."


def _charge(plan: "Plan", t: int) -> str:
    """Charging: from where, what it costs stored, and what it will be worth."""
    amount, worth = float(plan.charge_kwh[t]), float(plan.energy_value_down[t])
    from_grid = min(amount, float(plan.import_kwh[t]))
    from_pv = amount - from_grid
    if from_grid > _SHOWN_KWH:
        price = float(plan.import_price[t])
        source = f"from the grid at {price:.3f}"
        if from_pv > _SHOWN_KWH:
            source = f"({from_pv:.3f} of it PV), {from_grid:.3f} {source}"
    else:
        price = float(plan.export_price[t])
        source = f"from PV, export price {price:.3f}"
    text = f"charge {amount:.3f} kWh {source}"
    cost = price / plan.charge_efficiency
    if _limited(plan, t) or cost > worth + _SHOWN_PRICE:
        return f"{text}; a stored kWh is worth {worth:.3f}, and a limit decides"
    if plan.curtail_kwh[t] > _SHOWN_KWH and from_grid <= _SHOWN_KWH:
        return f"{text}; a stored kWh is worth {worth:.3f}"
    return f"{text}: stored it costs {cost:.3f} and is worth {worth:.3f} a kWh"


def _discharge(plan: "Plan", t: int) -> str:
    """Discharging: to where, what a stored kWh brings now and what it would bring later."""
    amount, later = float(plan.discharge_kwh[t]), float(plan.energy_value_up[t])
    sold = min(amount, float(plan.export_kwh[t]))
    served = amount - sold
    price = float(plan.export_price[t] if sold > _SHOWN_KWH else plan.import_price[t])
    use = f"to the house instead of importing at {float(plan.import_price[t]):.3f}"
    if sold > _SHOWN_KWH:
        use = f"to the grid at {price:.3f}"
        if served > _SHOWN_KWH:
            use = f"({served:.3f} of it to the house), {sold:.3f} {use}"
    gain = _gain(plan, price)
    text = f"discharge {amount:.3f} kWh {use}"
    if _limited(plan, t) or gain < later - _SHOWN_PRICE:
        return f"{text}; a limit decides"
    return f"{text}: a stored kWh brings {gain:.3f} now and {later:.3f} later"


def _hold(plan: "Plan", t: int) -> str:
    """Resting: what moving would bring, or why nothing can move."""
    if plan.import_kwh[t] > _SHOWN_KWH:
        text = f"hold, import {plan.import_kwh[t]:.3f} kWh at {plan.import_price[t]:.3f}"
        return f"{text}: {_why_not_discharge(plan, t)}"
    if plan.export_kwh[t] > _SHOWN_KWH:
        text = f"hold, export {plan.export_kwh[t]:.3f} kWh at {plan.export_price[t]:.3f}"
        return f"{text}: {_why_not_charge(plan, t)}"
    return f"hold, nothing imported or exported; a stored kWh is worth {plan.energy_value[t]:.3f}"


def _why_not_discharge(plan: "Plan", t: int) -> str:
    """Say why stored energy does not replace import."""
    gain, worth = _gain(plan, float(plan.import_price[t])), float(plan.energy_value_down[t])
    if plan.soc_kwh[t] <= plan.min_soc_kwh[t] + _SHOWN_KWH:
        return "the battery is empty"
    if gain > worth + _SHOWN_PRICE or _limited(plan, t):
        return "the battery may not give more"
    return f"a stored kWh would bring {gain:.3f} now and is worth {worth:.3f}"


def _why_not_charge(plan: "Plan", t: int) -> str:
    """Say why surplus is exported and not stored."""
    cost, worth = plan.export_price[t] / plan.charge_efficiency, float(plan.energy_value_up[t])
    if plan.soc_kwh[t] >= plan.max_soc_kwh[t] - _SHOWN_KWH:
        return "the battery is full"
    if cost < worth - _SHOWN_PRICE or _limited(plan, t):
        return "the battery may not take more"
    return f"storing would cost {cost:.3f} a kWh and is worth {worth:.3f}"


def _gain(plan: "Plan", price: float) -> float:
    """Return what a stored kWh brings where a kWh at the bus is worth ``price``."""
    return plan.discharge_efficiency * (price - plan.wear_cost_per_kwh)


def _curtail(plan: "Plan", t: int) -> str:
    """Say how much PV is curtailed, and why."""
    amount = plan.curtail_kwh[t]
    if amount <= _SHOWN_KWH:
        return ""
    if plan.import_price[t] < 0.0 and plan.import_kwh[t] > _SHOWN_KWH:
        reason = f"importing pays {-plan.import_price[t]:.3f}"
    elif plan.export_price[t] < 0.0:
        reason = f"exporting would cost {-plan.export_price[t]:.3f}"
    else:
        reason = "no more may be exported"
    return f"; curtail {amount:.3f} kWh of PV: {reason}"


def _asked(plan: "Plan", t: int, clock: ZoneInfo) -> str:
    """Say what a block asks for in slot ``t``."""
    block = None if plan.requests is None else plan.requests.block_at(t)
    if block is None:
        return ""
    if block.target_soc_kwh is None:
        return f" Asked for: {block.kind}."
    last = block.stop - 1
    end = plan.starts[last] + timedelta(minutes=float(plan.slot_minutes[last]))
    return f" Asked for: {block.kind} to {block.target_soc_kwh:.3f} kWh by {_time(end, clock)}."


def _limited(plan: "Plan", t: int) -> bool:
    """Return whether prices alone explain nothing: by a priced limit that is broken, or a block."""
    asked = plan.requests is not None and plan.requests.block_at(t) is not None
    return asked or any(v.slot == t and v.cost > 0.0 for v in plan.violations)


def _broken(plan: "Plan", t: int) -> str:
    """Name the soft limits broken in slot ``t``."""
    broken = [v for v in plan.violations if v.slot == t]
    costs = ["" if v.is_wish else f" (cost {v.cost:.2f})" for v in broken]
    return "".join(
        f" Breaks {v.limit} by {v.amount_kwh:.3f} kWh{cost}."
        for v, cost in zip(broken, costs, strict=True)
    )
