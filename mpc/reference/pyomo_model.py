"""The house in Pyomo: the linear relaxation, or the exact program with a binary in every slot."""

from collections.abc import Sequence

import numpy as np
import pyomo.environ as pyo

from mpc.horizon import Horizon
from mpc.reference.pyomo_requests import request_cost
from mpc.reference.scalars import Model, limits_of
from mpc.requests import Requests
from mpc.site import Site

Pairs = Sequence[tuple[float, float]]


def solve_pyomo(
    site: Site,
    horizon: Horizon,
    soc_kwh: float,
    *,
    terminal: Pairs,
    penalty_per_kwh: float,
    requests: Requests | None = None,
    request_price_per_kwh: float = 0.0,
    exact: bool = False,
) -> float:
    """Return the least objective, currency.

    Args:
        site: the house; limits as numbers.
        horizon: slots, prices, load and PV.
        soc_kwh: stored energy at the start.
        terminal: (soc_kwh, marginal price) pairs of the terminal curve.
        penalty_per_kwh: price of exceeding a grid limit.
        requests: what is asked of the plan.
        request_price_per_kwh: of every kWh that is missing or done against a block.
        exact: put binaries on every slot, for directions and for a start outside the window.
    """
    m = build_pyomo(site, horizon, soc_kwh, terminal=terminal, penalty_per_kwh=penalty_per_kwh)
    if requests is not None:
        asked = request_cost(m, site, horizon, requests, request_price_per_kwh)
        m.objective.set_value(m.objective.expr + asked)
    if exact:
        _forbid_opposites(m, site, horizon)
        _start_outside(m, site, soc_kwh)
    solver = pyo.SolverFactory("appsi_highs")
    solver.highs_options = {"mip_rel_gap": 0.0, "mip_abs_gap": 1e-9, "threads": 1}
    solver.solve(m)
    return float(pyo.value(m.objective))


def build_pyomo(
    site: Site, horizon: Horizon, soc_kwh: float, *, terminal: Pairs, penalty_per_kwh: float
) -> Model:
    """Write the linear program down (M1)-(M6)."""
    battery, hours = site.battery, horizon.slot_hours.tolist()
    m = pyo.ConcreteModel()
    m.T = pyo.RangeSet(0, len(horizon) - 1)
    for name in ("charge", "serve", "sell", "buy", "above", "over", "export", "spill"):
        m.add_component(name, pyo.Var(m.T, domain=pyo.NonNegativeReals))
    for name in ("curtail", "soc", "short"):
        m.add_component(name, pyo.Var(m.T, domain=pyo.NonNegativeReals))
    load, pv = np.asarray(horizon.load_kwh).tolist(), np.asarray(horizon.pv_kwh).tolist()
    m.balance = pyo.Constraint(
        m.T,
        rule=lambda m, t: (
            m.buy[t] + m.above[t] + m.over[t] + m.serve[t] + m.sell[t] + pv[t] - m.curtail[t]
            == load[t] + m.charge[t] + m.export[t] + m.spill[t]
        ),
    )
    m.storage = pyo.Constraint(
        m.T,
        rule=lambda m, t: (
            m.soc[t]
            == (m.soc[t - 1] if t else soc_kwh)
            + battery.charge_efficiency * m.charge[t]
            - (m.serve[t] + m.sell[t]) / battery.discharge_efficiency
        ),
    )
    _limit(m, site, load, pv, hours, soc_kwh)
    _value(m, site, horizon, terminal, penalty_per_kwh)
    return m


def _limit(
    m: Model, site: Site, load: list[float], pv: list[float], hours: list[float], soc_kwh: float
) -> None:
    """Bounds of battery, grid and options."""
    limits = limits_of(site)
    for t, h in enumerate(hours):
        surplus, need = max(pv[t] - load[t], 0.0), max(load[t] - pv[t], 0.0)
        charge = limits.charge_kw * h
        if not site.allow_grid_charge:
            charge = min(charge, surplus)
        elif site.fuse_headroom_kw:
            room = (limits.import_kw - site.fuse_headroom_kw) * h - load[t] + pv[t]
            charge = min(charge, max(room, surplus))
        m.charge[t].setub(charge)
        m.serve[t].setub(need)
        m.sell[t].setub(0.0 if not site.allow_battery_export else None)
        m.curtail[t].setub(pv[t] if site.pv_curtailable else 0.0)
        m.buy[t].setub(
            min(
                limits.import_kw,
                limits.soft_kw,
            )
            * h
        )
        m.export[t].setub(limits.export_kw * h)
        m.soc[t].setlb(min(limits.low_kwh, soc_kwh))
        m.soc[t].setub(max(limits.high_kwh, soc_kwh))
    m.power = pyo.Constraint(
        m.T,
        rule=lambda m, t: m.serve[t] + m.sell[t] <= limits.discharge_kw * hours[t],
    )
    m.fuse = pyo.Constraint(
        m.T,
        rule=lambda m, t: m.buy[t] + m.above[t] <= limits.import_kw * hours[t],
    )
    m.reserve = pyo.Constraint(m.T, rule=lambda m, t: m.soc[t] + m.short[t] >= limits.reserve_kwh)


def _value(m: Model, site: Site, horizon: Horizon, terminal: Pairs, penalty: float) -> None:
    """The objective, with the terminal curve as pieces and the recovery as a last shortfall."""
    prices = zip(
        np.asarray(horizon.import_price).tolist(),
        np.asarray(horizon.export_price).tolist(),
        strict=True,
    )
    wear, last = site.battery.wear_cost_per_kwh, len(horizon) - 1
    edges = [0.0, *[s for s, _ in terminal[1:]], np.inf]
    m.P = pyo.RangeSet(0, len(terminal) - 1)
    m.left = pyo.Var(m.P, domain=pyo.NonNegativeReals)
    for k in range(len(terminal)):
        m.left[k].setub(edges[k + 1] - edges[k])
    low = limits_of(site).low_kwh
    m.ending = pyo.Constraint(expr=m.soc[last] == sum(m.left[k] for k in m.P))
    m.missing = pyo.Var(domain=pyo.NonNegativeReals)
    m.recovered = pyo.Constraint(expr=m.soc[last] + m.missing >= low)
    slot_costs = (
        buy * (m.buy[t] + m.above[t] + m.over[t])
        - sell * (m.export[t] + m.spill[t])
        + wear * (m.serve[t] + m.sell[t])
        + site.export_margin_per_kwh * m.sell[t]
        + site.planning_import_price_per_kwh * m.above[t]
        + site.reserve_price_per_kwh * m.short[t]
        + penalty * (m.over[t] + m.spill[t])
        for t, (buy, sell) in enumerate(prices)
    )
    m.objective = pyo.Objective(
        expr=sum(slot_costs)
        + site.recovery_price_per_kwh * m.missing
        - sum(price * m.left[k] for k, (_, price) in enumerate(terminal))
    )


def _forbid_opposites(m: Model, site: Site, horizon: Horizon) -> None:
    """Binaries in every slot: one direction at the grid, one at the battery."""
    limits = limits_of(site)
    big = 10.0 + float(np.sum(horizon.load_kwh) + np.sum(horizon.pv_kwh))
    big += float(limits.charge_kw + limits.discharge_kw) * 24.0
    for name in ("importing", "charging", "storing"):
        m.add_component(name, pyo.Var(m.T, domain=pyo.Binary))
    bought = {t: m.buy[t] + m.above[t] + m.over[t] for t in m.T}
    m.x1 = pyo.Constraint(m.T, rule=lambda m, t: bought[t] <= big * m.importing[t])
    m.x2 = pyo.Constraint(
        m.T, rule=lambda m, t: m.export[t] + m.spill[t] <= big * (1 - m.importing[t])
    )
    m.x3 = pyo.Constraint(m.T, rule=lambda m, t: m.charge[t] <= big * m.charging[t])
    m.x4 = pyo.Constraint(
        m.T, rule=lambda m, t: m.serve[t] + m.sell[t] <= big * (1 - m.charging[t])
    )
    if not site.allow_grid_charge:
        m.x5 = pyo.Constraint(m.T, rule=lambda m, t: m.charge[t] <= big * m.storing[t])
        m.x6 = pyo.Constraint(m.T, rule=lambda m, t: bought[t] <= big * (1 - m.storing[t]))


def _start_outside(m: Model, site: Site, soc_kwh: float) -> None:
    """Keep the bound at the start until the window is reached, with one binary a slot."""
    limits = limits_of(site)
    low, high = limits.low_kwh, limits.high_kwh
    if low <= soc_kwh <= high:
        return
    m.inside = pyo.Var(m.T, domain=pyo.Binary)
    before = {t: m.inside[t - 1] if t else 0 for t in m.T}
    m.o1 = pyo.Constraint(m.T, rule=lambda m, t: m.inside[t] >= before[t])
    hours = 24.0
    if soc_kwh < low:
        power = limits.discharge_kw * hours
        m.o2 = pyo.Constraint(m.T, rule=lambda m, t: m.serve[t] + m.sell[t] <= power * before[t])
        m.o3 = pyo.Constraint(
            m.T, rule=lambda m, t: m.soc[t] >= soc_kwh + (low - soc_kwh) * m.inside[t]
        )
    else:
        power = limits.charge_kw * hours
        m.o2 = pyo.Constraint(m.T, rule=lambda m, t: m.charge[t] <= power * before[t])
        m.o3 = pyo.Constraint(
            m.T, rule=lambda m, t: m.soc[t] <= soc_kwh + (high - soc_kwh) * m.inside[t]
        )
