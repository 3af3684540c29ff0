"""An export target: asked of the planner over the whole local day, and what became of it.

A target is X kWh more battery export over the local day than the baseline's. What a battery sells
in a slot is what it discharges beyond the net load and the grid connection takes beside the PV,
(RQ4) of ``mpc.requests``, by the load and PV that are met:

    sold[t] = min(max(discharge[t] - max(net[t], 0), 0), max(export_max[t] - max(-net[t], 0), 0))
    more    = sum of sold over the day - the same of the baseline >= X                   (LT1)

The planner places it: as it earns most, at the price peaks. It may sell in the slots of the day
that the home's economics leave open, (LT3) of ``lab_economics``. Where that is too little, it is
asked once more at any cost. With bounds, the economics are then relaxed by the most that a slot
used there lacks, and the plan is made in what this opens. Plans cost at most

    max_gap = 0.01 * X * highest import price                                            (LT2)

more than the best there is; their ``gap`` says how much that is at most. A target is missed for
sure where a plan misses more than that bound leaves room for,

    missing - (gap + 2 * X * highest import price) / price of what is missing > 0.1      (LT4)

a kWh that is sold costing no more than to buy it twice; then what is sold is known to half a kWh.
Energy in kWh at the AC bus, money in the home's currency.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mpc import Block, ExportTarget, Horizon, Plan, Planner, Requests, Site
from mpc.problem import make_problem
from mpc.site import as_limit
from sim.lab_case import WhatIf
from sim.lab_economics import Economics, relaxed_by, short_of_margin
from sim.lab_limits import ECONOMICS, binding
from sim.lab_money import Course
from telemetry.arrays import F64, Bool
from telemetry.slots import SLOT_MINUTES

__all__ = ["REACHED_KWH", "Aim", "Found", "Target", "plan_target", "sold_kwh", "target_of"]

REACHED_KWH = 0.1
"""A target counts as reached where at most so much is missing."""
_HOURS = SLOT_MINUTES / 60.0
_GAP_SHARE = 0.01
_COST_SHARE = 2.0
_TIE = 1e-9
_SOLD_KWH = 1e-6
_NODES, _FEW_NODES = 50, 5
_NEARLY_KWH = 0.5
_SHOWN_KWH = 0.005
_SHORT = (
    "at any cost it would be; slots it needs bring up to {short:.3f} per kWh less than wear and "
    "margin ask for"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A target and what became of it.

    Attributes:
        export_kwh: battery export asked for on top of the baseline's, over the day.
        realised_kwh: what the battery exports more than the baseline over the day (LT1).
        baseline_kwh: what the baseline's battery exports over the day.
        horizon_kwh: what it exports more over all that was planned.
        slots: (T,) where more is sold than in the baseline.
        limit: what binds where more than 0.1 kWh are missing, "" where it is reached.
        reason: the same in a sentence.
        economics: planned with.
        relaxed: whether these are less than the home's.
        gap: money that the plan costs more than the best one, at most; NaN in the closed loop, and
            where the target is not reached.
    """

    export_kwh: float
    realised_kwh: float
    baseline_kwh: float
    horizon_kwh: float
    slots: Bool
    limit: str
    reason: str
    economics: Economics
    relaxed: bool
    gap: float

    @property
    def reached(self) -> bool:
        """Whether at most 0.1 kWh are missing."""
        return self.realised_kwh >= self.export_kwh - REACHED_KWH


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aim:
    """What is to be sold, from a plan's first slot to the end of the day.

    Attributes:
        energy_kwh: in all, what the baseline sells included.
        baseline_kwh: (D,) what the baseline sells, slot by slot.
        end_value: worth of a kWh left at the baseline's end, currency; NaN where none is.
        blocks: manual blocks, in the slots of the plan.
        case: with ``export_kwh``.
        search: whether plans are searched where (LT2) asks for it.
    """

    energy_kwh: float
    baseline_kwh: F64
    end_value: float
    blocks: tuple[Block, ...]
    case: WhatIf
    search: bool = True

    @classmethod
    def of(
        cls, baseline: Course, day_slots: int, site: Site, case: WhatIf, blocks: tuple[Block, ...]
    ) -> "Aim":
        """Return what a what-if asks for on top of a baseline.

        Args:
            baseline: from the day's first slot on.
            day_slots: how many of its slots are the day.
            site: of the baseline.
            case: with ``export_kwh``.
            blocks: of the plan.
        """
        sold = sold_kwh(baseline, site)[:day_slots]
        least = float(np.max(np.asarray(site.battery.min_soc_kwh)))
        left = float(baseline.soc_kwh[-1]) > least + _TIE
        return cls(
            energy_kwh=float(sold.sum()) + float(case.export_kwh or 0.0),
            baseline_kwh=sold,
            end_value=float(baseline.energy_value[-1]) if left else np.nan,
            blocks=blocks,
            case=case,
        )

    def later(self, slot: int, sold_kwh: float, blocks: tuple[Block, ...]) -> "Aim":
        """Return what is left of it at a later slot, without a search.

        Args:
            slot: counted from its first one.
            sold_kwh: what was sold until then.
            blocks: in the slots of the later plan.
        """
        return replace(
            self,
            energy_kwh=max(self.energy_kwh - sold_kwh, 0.0),
            baseline_kwh=self.baseline_kwh[slot:],
            blocks=blocks,
            search=False,
        )


class Found(NamedTuple):
    """How a target is planned.

    Attributes:
        plan: that sells it, or as much as it can; None where nothing is to be sold or nothing
            may be: plan without a target.
        economics: planned with.
        limit: what keeps it from being reached, "" where nothing does.
        reason: the same in a sentence.
    """

    plan: Plan | None
    economics: Economics
    limit: str = ""
    reason: str = ""


def sold_kwh(course: Course | Plan, site: Site) -> F64:
    """Return (T,) what the battery sells (LT1)."""
    net = course.load_kwh - course.pv_kwh
    limit = np.asarray(as_limit(site.grid.max_export_kw)) * _HOURS
    most = limit[: net.size] if limit.ndim else limit
    beyond = np.maximum(course.discharge_kwh - np.maximum(net, 0.0), 0.0)
    sold: F64 = np.minimum(beyond, np.maximum(most - np.maximum(-net, 0.0), 0.0))
    return sold


def target_of(
    found: Found, base: Course, other: Course, sites: tuple[Site, Site], aim: Aim
) -> Target:
    """Return what became of a target.

    Args:
        found: how it was planned.
        base: what the baseline does.
        other: what the what-if does.
        sites: of both, with the home's own economics.
        aim: of the whole day.
    """
    before, after = sold_kwh(base, sites[0]), sold_kwh(other, sites[1])
    day = slice(0, aim.baseline_kwh.size)
    return Target(
        export_kwh=float(aim.case.export_kwh or 0.0),
        realised_kwh=float(after[day].sum() - before[day].sum()),
        baseline_kwh=float(before[day].sum()),
        horizon_kwh=float(after.sum() - before.sum()),
        slots=after > before + _SOLD_KWH,
        limit=found.limit,
        reason=found.reason,
        economics=found.economics,
        relaxed=found.economics != Economics.of(sites[1]),
        gap=np.nan if found.plan is None or found.limit else found.plan.gap,
    )


def plan_target(site: Site, horizon: Horizon, soc_kwh: float, aim: Aim) -> Found:
    """Plan a target, and find out what keeps it from being reached where it is not.

    Args:
        site: with the home's own economics.
        horizon: of the plan.
        soc_kwh: stored at its start.
        aim: what is to be sold.

    Raises:
        ScenarioError: bounds of the economics above what the home has.
        PlanError: what cannot be planned.
    """
    asked, own, case = _Asked(site, horizon, soc_kwh, aim), Economics.of(site), aim.case
    if aim.energy_kwh <= _TIE:
        return Found(None, own)
    problem = make_problem(site, horizon, soc_kwh)
    lacks = short_of_margin(problem, aim.end_value)[: asked.day]
    open_slots = (lacks <= _TIE) | (aim.baseline_kwh > _SOLD_KWH) | case.at_any_cost
    plan = asked.sold(open_slots, own)
    if asked.reaches(plan) or (not aim.search and case.relaxed is None):
        return Found(asked.near(plan, open_slots, own), own)
    most = asked.sold(asked.every, own)
    used = asked.sells(most) & ~open_slots
    if case.relaxed is not None and used.any():
        economics, relief = relaxed_by(site, case.relaxed, float(lacks[used].max()))
        own, lacks = economics, lacks - relief
        open_slots |= lacks <= _TIE
        plan, used = asked.sold(open_slots, own), used & ~open_slots
    plan = asked.near(plan, open_slots, own)
    if asked.reaches(plan) or not aim.search:
        return Found(plan, own)
    if not asked.reaches(most):
        most = asked.near(most, asked.every, Economics.of(site))
    if asked.reaches(most):
        short = float(lacks[used].max(initial=0.0))
        return Found(plan, own, ECONOMICS, _SHORT.format(short=short))
    wanted = (aim.energy_kwh, asked.day)
    limit, reason = binding(problem, wanted, aim.blocks, asked.missing_kwh)
    return Found(plan, own, limit, f"{reason}; {asked.possible(most)}")


def _missed(plan: Plan | None) -> tuple[float, float]:
    """Return what a plan misses of its target, kWh, and the price of that; 0 and 1 without."""
    found = () if plan is None else plan.violations
    missed = [(v.amount_kwh, v.cost / v.amount_kwh) for v in found if v.limit == "export_target"]
    return missed[-1] if missed else (0.0, 1.0)


class _Asked(NamedTuple):
    """One target, asked of the planner in this way or that."""

    site: Site
    horizon: Horizon
    soc_kwh: float
    aim: Aim

    @property
    def day(self) -> int:
        """How many slots are left of the day."""
        return int(self.aim.baseline_kwh.size)

    @property
    def every(self) -> Bool:
        """(D,) all slots of the day."""
        return np.ones(self.day, dtype=np.bool_)

    def sold(
        self,
        slots: Bool,
        economics: Economics,
        *,
        max_gap: float = np.inf,
        max_nodes: int = _NODES,
    ) -> Plan | None:
        """Plan the target in some slots (D,) of the day; None where there are none."""
        if not slots.any():
            return None
        planner = Planner(economics.on(self.site), max_nodes=max_nodes, max_gap=max_gap)
        return planner.plan(self.horizon, self.soc_kwh, requests=self._requests(slots))

    def near(self, plan: Plan | None, slots: Bool, economics: Economics) -> Plan | None:
        """Return a plan as good as (LT2) asks for: searched where it is not known to be."""
        if plan is None or not self.aim.search:
            return plan
        worth = float(np.abs(np.asarray(self.horizon.import_price)).max())
        worth *= float(self.aim.case.export_kwh or 0.0)
        gap, nodes = _GAP_SHARE * worth, _NODES
        missing, price = _missed(plan)
        if missing - (plan.gap + _COST_SHARE * worth) / price > REACHED_KWH:  # (LT4)
            gap, nodes = max(gap, _NEARLY_KWH * price), _FEW_NODES
        if plan.gap <= gap:
            return plan
        return self.sold(slots, economics, max_gap=gap, max_nodes=nodes)

    def _requests(self, slots: Bool) -> Requests:
        """Return the target in some slots, beside the blocks."""
        counted = np.zeros(len(self.horizon), dtype=np.bool_)
        counted[: self.day] = slots
        target = ExportTarget(energy_kwh=self.aim.energy_kwh, slots=counted)
        return Requests(blocks=self.aim.blocks, export_target=target)

    def missing_kwh(self, site: Site, blocks: tuple[Block, ...]) -> float:
        """Return what is missing at any cost with other limits or blocks, to about 0.1 kWh."""
        price = make_problem(site, self.horizon, self.soc_kwh).penalty_per_kwh
        other = self._replace(site=site, aim=replace(self.aim, blocks=blocks))
        gap = REACHED_KWH * price
        plan = other.sold(self.every, Economics.of(site), max_gap=gap, max_nodes=_FEW_NODES)
        return self.aim.energy_kwh - other.total(plan)

    def possible(self, most: Plan | None) -> str:
        """Say how much more than the baseline can be sold, by the plan that sells most."""
        more = self.total(most) - float(self.aim.baseline_kwh.sum())
        open_kwh = 0.0 if most is None else most.gap / _missed(most)[1]
        text = f"{more:.2f} kWh are possible"
        return text if open_kwh < _SHOWN_KWH else f"{text}, at most {more + open_kwh:.2f}"

    def sells(self, plan: Plan | None) -> Bool:
        """Return (D,) where a plan sells."""
        if plan is None:
            return np.zeros(self.day, dtype=np.bool_)
        return sold_kwh(plan, self.site)[: self.day] > _SOLD_KWH

    def total(self, plan: Plan | None) -> float:
        """Return what a plan sells over the day, kWh."""
        return 0.0 if plan is None else float(sold_kwh(plan, self.site)[: self.day].sum())

    def reaches(self, plan: Plan | None) -> bool:
        """Return whether a plan sells the target."""
        return self.total(plan) >= self.aim.energy_kwh - REACHED_KWH
