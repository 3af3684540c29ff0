"""The house in cvxpy: vectors as one writes them on paper, linear relaxation only."""

from collections.abc import Sequence

import cvxpy as cp
import numpy as np

from mpc.horizon import Horizon
from mpc.reference.scalars import limits_of
from mpc.site import Site


def solve_cvxpy(
    site: Site,
    horizon: Horizon,
    soc_kwh: float,
    *,
    terminal: Sequence[tuple[float, float]],
    penalty_per_kwh: float,
) -> float:
    """Return the least objective, currency. Arguments as in ``solve_pyomo``."""
    problem = build_cvxpy(
        site, horizon, soc_kwh, terminal=terminal, penalty_per_kwh=penalty_per_kwh
    )
    problem.solve(solver=cp.HIGHS)
    if problem.status != cp.OPTIMAL:
        raise RuntimeError(f"reference ended {problem.status}, want optimal")
    return float(problem.value)


def build_cvxpy(
    site: Site,
    horizon: Horizon,
    soc_kwh: float,
    *,
    terminal: Sequence[tuple[float, float]],
    penalty_per_kwh: float,
) -> cp.Problem:
    """Write the linear program down, with the piecewise costs as max and min of lines."""
    battery, limits, hours = site.battery, limits_of(site), horizon.slot_hours
    slots = len(horizon)
    buy_price, sell_price = np.asarray(horizon.import_price), np.asarray(horizon.export_price)
    net, pv = horizon.net_load_kwh, np.asarray(horizon.pv_kwh)
    charge, discharge, imports, exports, curtail, soc = (
        cp.Variable(slots, nonneg=True) for _ in range(6)
    )
    charge_max = limits.charge_kw * hours
    if not site.allow_grid_charge:
        charge_max = np.minimum(charge_max, np.maximum(-net, 0.0))
    elif site.fuse_headroom_kw:
        room = (limits.import_kw - site.fuse_headroom_kw) * hours - net
        charge_max = np.minimum(charge_max, np.maximum(room, np.maximum(-net, 0.0)))
    discharge_max = limits.discharge_kw * hours
    if not site.allow_battery_export:
        discharge_max = np.minimum(discharge_max, np.maximum(net, 0.0))
    before = cp.hstack([soc_kwh, soc[:-1]]) if slots > 1 else np.array([soc_kwh])
    rules = [
        imports - exports == net + curtail + charge - discharge,
        soc
        == before + battery.charge_efficiency * charge - discharge / battery.discharge_efficiency,
        charge <= charge_max,
        discharge <= discharge_max,
        curtail <= (pv if site.pv_curtailable else 0.0),
        soc >= min(limits.low_kwh, soc_kwh),
        soc <= max(limits.high_kwh, soc_kwh),
        # beyond these no plan gains; they keep the relaxation bounded where export pays more
        imports <= np.maximum(net, 0.0) + pv + charge_max,
        exports <= np.maximum(-net, 0.0) + discharge_max,
    ]
    over = cp.Variable(slots, nonneg=True)
    rules.append(imports <= limits.import_kw * hours + over)
    spill = cp.pos(exports - limits.export_kw * hours)
    cost = (
        buy_price @ imports - sell_price @ exports + battery.wear_cost_per_kwh * cp.sum(discharge)
    )
    cost += penalty_per_kwh * cp.sum(over + spill)
    if site.export_margin_per_kwh:
        cost += site.export_margin_per_kwh * cp.sum(cp.pos(discharge - np.maximum(net, 0.0)))
    if site.planning_import_kw is not None:
        soft = min(limits.soft_kw, limits.import_kw) * hours
        above = cp.Variable(slots, nonneg=True)
        rules += [imports <= soft + above + over, above <= limits.import_kw * hours - soft]
        cost += site.planning_import_price_per_kwh * cp.sum(above)
    cost += site.reserve_price_per_kwh * cp.sum(cp.pos(limits.reserve_kwh - soc))
    cost += site.recovery_price_per_kwh * cp.pos(limits.low_kwh - soc[-1])
    return cp.Problem(cp.Minimize(cost - _worth(soc[-1], terminal)), rules)


def _worth(soc: cp.Expression, terminal: Sequence[tuple[float, float]]) -> cp.Expression:
    """The concave terminal value: the least of the lines its pieces lie on."""
    lines, value_at = [], 0.0
    for k, (start, price) in enumerate(terminal):
        begin = start if k else 0.0
        if k:
            previous_start = terminal[k - 1][0] if k > 1 else 0.0
            value_at += terminal[k - 1][1] * (begin - previous_start)
        lines.append(value_at + price * (soc - begin))
    return lines[0] if len(lines) == 1 else cp.min(cp.hstack(lines))
