"""From a solution of the program to flows that a house can have, and what they cost.

An LP solution may import and export at once, or charge and discharge at once, where that costs
nothing (a tie) or where it pays (a cheat). ``settle_flows`` nets both out. Netting a tie keeps the
cost, netting a cheat raises it: so the difference between the cost of the flows and the bound of
the program is the certificate, in money.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpc.arrays import F64
from mpc.model import HouseModel
from mpc.problem import Problem
from mpc.requests import Wanted

__all__ = ["Costs", "Flows", "Violation", "cost_of", "settle_flows", "violations_of"]

TINY_KWH = 1e-9
"""Flows below this are rounding of the simplex method, not decisions."""
ENERGY_TOLERANCE_KWH = 1e-7
_MANUAL, _EXPORT_TARGET = "manual_", "export_target"


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """What happens in every slot, (T,) kWh; ``soc`` at the slot's end.

    Attributes:
        both_grid: (T,) whether the solution imported and exported at once.
        both_battery: (T,) whether it charged and discharged at once.
    """

    charge: F64
    discharge: F64
    imports: F64
    exports: F64
    curtail: F64
    soc: F64
    both_grid: NDArray[np.bool_]
    both_battery: NDArray[np.bool_]


class Costs(NamedTuple):
    """Money of a plan: ``objective = bill + wear + penalty - terminal``."""

    bill: float
    wear: float
    penalty: float
    terminal: float
    objective: float


class Violation(NamedTuple):
    """A soft limit that a plan breaks in one slot.

    Attributes:
        limit: name of the limit, as the site or the battery calls it; or of a request: the target
            of a block at its last slot (``manual_charge``, ``manual_export``), what was done
            against one (``manual_hold``, ``manual_no_charge``, ``manual_no_discharge``), or
            ``export_target`` at the last slot that counts.
        slot: index of the slot.
        amount_kwh: by how much: energy in the slot, or stored energy at its end.
        cost: what the objective was charged for it, currency.
    """

    limit: str
    slot: int
    amount_kwh: float
    cost: float

    @property
    def is_block(self) -> bool:
        """Whether it is a block of ``Requests`` that is not done."""
        return self.limit.startswith(_MANUAL)

    @property
    def is_wish(self) -> bool:
        """Whether it is a request that is not met: its cost steers the plan and is no money."""
        return self.is_block or self.limit == _EXPORT_TARGET


def _group(x: F64, columns: tuple[slice, ...]) -> F64:
    """Sum column groups, clipped at zero; rounding noise becomes exactly zero."""
    total = x[columns[0]]
    for more in columns[1:]:
        total = total + x[more]
    return np.where(total > TINY_KWH, total, 0.0)


def settle_flows(problem: Problem, model: HouseModel, x: F64) -> Flows:
    """Return flows without simultaneous opposites that move the battery as ``x`` does."""
    battery = problem.site.battery
    charge = np.minimum(_group(x, (model.charge,)), problem.charge_max)
    discharge = np.minimum(_group(x, model.all_discharge), problem.discharge_max)
    curtail = np.minimum(_group(x, (model.curtail,)), problem.curtail_max)
    imports, exports = _group(x, model.all_import), _group(x, model.all_export)
    both_grid = np.minimum(imports, exports) > ENERGY_TOLERANCE_KWH
    both_battery = np.minimum(charge, discharge) > ENERGY_TOLERANCE_KWH
    stored = battery.charge_efficiency * charge - discharge / battery.discharge_efficiency
    if np.any((charge > 0.0) & (discharge > 0.0)):
        both = (charge > 0.0) & (discharge > 0.0)
        taken = np.where(stored > 0.0, stored, 0.0) / battery.charge_efficiency
        given = np.where(stored < 0.0, -stored, 0.0) * battery.discharge_efficiency
        freed = np.where(both, charge - discharge - (taken - given), 0.0)
        charge, discharge = np.where(both, taken, charge), np.where(both, given, discharge)
        unwanted = problem.export_price <= 0.0
        curtail = np.where(unwanted, np.minimum(curtail + freed, problem.curtail_max), curtail)
    soc = problem.soc_start_kwh + np.cumsum(stored)
    soc = np.where(np.abs(soc) < TINY_KWH, 0.0, soc)
    curtail = _without_ties(problem, charge - discharge + problem.net, curtail)
    grid = problem.net + curtail + charge - discharge
    grid = np.where(np.abs(grid) > TINY_KWH, grid, 0.0)
    return Flows(
        charge,
        discharge,
        np.maximum(grid, 0.0),
        np.maximum(-grid, 0.0),
        curtail,
        _snap(problem, soc),
        both_grid,
        both_battery,
    )


def _without_ties(problem: Problem, net: F64, curtail: F64) -> F64:
    """Curtail nothing where it gains nothing: energy at a price of exactly zero is kept."""
    free_import = (problem.import_price == 0.0) & (curtail > 0.0)
    free_export = (problem.export_price == 0.0) & (curtail > 0.0)
    if free_import.any():
        needed = np.clip(-net, 0.0, curtail)
        curtail = np.where(free_import & (net + curtail > 0.0), needed, curtail)
    if free_export.any():
        needed = np.clip(-net - problem.export_max, 0.0, curtail)
        curtail = np.where(free_export & (net + curtail <= 0.0), needed, curtail)
    return curtail


def _snap(problem: Problem, soc: F64) -> F64:
    """Put states that miss a bound, or what a block wishes, by rounding exactly onto it."""
    bounds = [problem.soc_min, problem.soc_max]
    if problem.wanted is not None:
        bounds += [problem.wanted.soc_low, problem.wanted.soc_high]
    if problem.start_side:
        bounds.append(np.full(soc.size, problem.soc_start_kwh))
    for bound in bounds:
        soc = np.where(np.abs(soc - bound) <= ENERGY_TOLERANCE_KWH, bound, soc)
    return soc


def violations_of(problem: Problem, flows: Flows) -> tuple[Violation, ...]:
    """Return every broken soft limit, slot by slot, with its cost."""
    site, penalty = problem.site, problem.penalty_per_kwh
    found: list[Violation] = []
    broken: list[tuple[str, F64, float]] = [
        ("max_import_kw", flows.imports - problem.import_max, penalty),
        ("max_export_kw", flows.exports - problem.export_max, penalty),
        ("max_soc_kwh", flows.soc - problem.wanted_max, 0.0),
    ]
    if site.planning_import_kw is not None:
        soft = np.minimum(problem.import_soft, problem.import_max)
        above = np.minimum(flows.imports, problem.import_max) - soft
        broken.append(("planning_import_kw", above, site.planning_import_price_per_kwh))
    if site.reserve_price_per_kwh > 0.0:
        short = problem.reserve - flows.soc
        broken.append(("reserve_soc_kwh", short, site.reserve_price_per_kwh))
    broken.append(("min_soc_kwh", problem.wanted_min - flows.soc, 0.0))
    if problem.wanted is not None:
        broken += _unmet(problem.wanted, problem.net, flows)
    for name, amount, price in broken:
        if amount.max() <= ENERGY_TOLERANCE_KWH:
            continue
        found += [
            Violation(name, int(t), float(amount[t]), float(amount[t] * price))
            for t in np.flatnonzero(amount > ENERGY_TOLERANCE_KWH)
        ]
    return tuple(found)


def _unmet(wanted: Wanted, net: F64, flows: Flows) -> list[tuple[str, F64, float]]:
    """Return (name, (T,) kWh, price) of what was asked for and is not done (RQ9)."""
    price, rest = wanted.price_per_kwh, wanted.no_charge & wanted.no_discharge
    unmet = [
        ("manual_charge", wanted.soc_low - flows.soc, price),
        ("manual_export", flows.soc - wanted.soc_high, price),
        ("manual_hold", (flows.charge + flows.discharge) * rest, price),
        ("manual_no_charge", flows.charge * (wanted.no_charge & ~rest), price),
        ("manual_no_discharge", flows.discharge * (wanted.no_discharge & ~rest), price),
    ]
    target = wanted.requests.export_target
    if target is not None:
        missing = np.zeros(net.size)
        counted = float(wanted.counted(flows.discharge, net).sum())
        missing[np.flatnonzero(target.counted)[-1]] = wanted.export_kwh - counted
        unmet.append((_EXPORT_TARGET, missing, price))
    return unmet


def recovery_cost(problem: Problem, flows: Flows) -> float:
    """Return what is charged for a start below the minimum that was not made good (M6)."""
    if problem.start_side >= 0:
        return 0.0
    missing = max(float(problem.soc_min[-1] - flows.soc[-1]), 0.0)
    return problem.site.recovery_price_per_kwh * missing


def cost_of(problem: Problem, flows: Flows, violations: tuple[Violation, ...]) -> Costs:
    """Return what the flows cost, (P4) summed, with penalties and the value of what is left."""
    site = problem.site
    bill = problem.import_price @ flows.imports - problem.export_price @ flows.exports
    wear = site.battery.wear_cost_per_kwh * flows.discharge.sum()
    penalty = sum(v.cost for v in violations) + recovery_cost(problem, flows)
    if site.export_margin_per_kwh > 0.0:
        exported = np.maximum(flows.discharge - np.maximum(problem.net, 0.0), 0.0)
        penalty += site.export_margin_per_kwh * exported.sum()
    terminal = problem.terminal.value(float(flows.soc[-1]))
    objective = float(bill + wear + penalty - terminal)
    return Costs(float(bill), float(wear), float(penalty), terminal, objective)
