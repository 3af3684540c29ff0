"""A plan in whose price peaks the battery serves the house before it exports.

Only a battery that already serves the house exports (RQ4 of ``mpc.requests``); whether it does is a
decision of its own in every slot that counts, and takes a search. In the peaks of a target it is
decided: it serves the house, does not charge, and exports what it exports on top. A change of
variables then leaves a linear program. With u[t] the net load of a peak, 0 elsewhere and where PV
covers it, and U[t] = (u[0] + ... + u[t]) / eta_d what serving it takes out of the store,

    load'[t] = load[t] - u[t],   discharge'[t] = discharge[t] - u[t] >= 0,  charge'[t] = 0 in peaks
    soc'[t] = soc[t] + U[t],     and so its bounds, reserves, targets and the terminal curve   (LS1)

The plan is told in the house's own variables. Units: kWh per slot at the AC bus, kWh stored.
"""

from dataclasses import dataclass, replace

import numpy as np

from mpc import Block, Horizon, Plan, Planner, Requests, Site, TerminalCurve, terminal_curve
from mpc.arrays import LimitLike
from mpc.site import as_limit
from telemetry.arrays import F64

__all__ = ["plan_serving"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Aside:
    """What is set aside; (T,) each.

    Attributes:
        peaks: whether the slot is a peak.
        served_kwh: net load of the peaks (u).
        taken_kwh: what serving it has taken out of the store by the slot's end (U).
    """

    peaks: np.ndarray
    served_kwh: F64
    taken_kwh: F64


def plan_serving(site: Site, horizon: Horizon, soc_kwh: float, requests: Requests) -> Plan:
    """Plan an export target, the house served by the battery in all slots that count.

    Args:
        site: the house.
        horizon: with a terminal curve.
        soc_kwh: stored energy at the start.
        requests: with an export target whose slots the battery can serve.

    Raises:
        PlanError: what cannot be planned.
    """
    if requests.export_target is None:
        return Planner(site).plan(horizon, soc_kwh, requests=requests)
    peaks = requests.export_target.counted
    served = np.where(peaks, np.maximum(horizon.net_load_kwh, 0.0), 0.0)
    taken = np.cumsum(served) / site.battery.discharge_efficiency
    aside = _Aside(peaks=peaks, served_kwh=served, taken_kwh=taken)
    curve = horizon.terminal_value
    if not isinstance(curve, TerminalCurve):
        curve = terminal_curve(site, horizon)
    beside = replace(
        horizon,
        load_kwh=np.asarray(horizon.load_kwh) - served,
        terminal_value=TerminalCurve(curve.soc_kwh + taken[-1], curve.price),
    )
    asked = replace(requests, blocks=tuple(_shifted(block, taken) for block in requests.blocks))
    plan = Planner(_site(site, beside, aside)).plan(beside, soc_kwh, requests=asked)
    return _told(plan, site, horizon, curve, requests, aside)


def _shifted(block: Block, taken_kwh: F64) -> Block:
    """Return a block with its target in soc' (LS1)."""
    if block.target_soc_kwh is None:
        return block
    return replace(block, target_soc_kwh=block.target_soc_kwh + float(taken_kwh[block.stop - 1]))


def _site(site: Site, horizon: Horizon, aside: _Aside) -> Site:
    """Return the site with its limits in the variables of (LS1)."""
    battery, hours, slots = site.battery, horizon.slot_hours, len(horizon)

    def each(limit: LimitLike | None) -> F64:
        return np.broadcast_to(np.asarray(as_limit(limit)), slots)

    left = np.maximum(each(battery.max_discharge_kw) - aside.served_kwh / hours, 0.0)
    stored = replace(
        battery,
        capacity_kwh=battery.capacity_kwh + float(aside.taken_kwh[-1]),
        min_soc_kwh=each(battery.min_soc_kwh) + aside.taken_kwh,
        max_soc_kwh=each(battery.max_soc_kwh) + aside.taken_kwh,
        max_charge_kw=np.where(aside.peaks, 0.0, each(battery.max_charge_kw)),
        max_discharge_kw=left,
    )
    reserve = each(site.reserve_soc_kwh)
    if reserve.any():
        reserve = reserve + aside.taken_kwh
    return replace(site, battery=stored, reserve_soc_kwh=reserve)


def _told(
    plan: Plan,
    site: Site,
    horizon: Horizon,
    curve: TerminalCurve,
    requests: Requests,
    aside: _Aside,
) -> Plan:
    """Return the plan in the house's own variables."""
    soc = plan.soc_kwh - aside.taken_kwh
    wear = plan.wear + site.battery.wear_cost_per_kwh * float(aside.served_kwh.sum())
    terminal = curve.value(float(soc[-1]))
    return replace(
        plan,
        load_kwh=np.asarray(horizon.load_kwh),
        discharge_kwh=plan.discharge_kwh + aside.served_kwh,
        soc_kwh=soc,
        min_soc_kwh=plan.min_soc_kwh - aside.taken_kwh,
        max_soc_kwh=plan.max_soc_kwh - aside.taken_kwh,
        wear=wear,
        terminal=terminal,
        objective=plan.bill + wear + plan.penalty - terminal,
        terminal_curve=curve.pairs(),
        requests=requests,
        warm=None,
    )
