"""What a course of a house costs, line by line, and the course itself.

    import cost    = sum of import_price * import                                        (LM1)
    export revenue = sum of export_price * export
    wear           = wear of the home * discharge
    penalty        = what broken limits of the site cost; steering options and wishes are no money
    stored         = worth of the energy left at the end, and of what rested beside the battery
    total          = import cost - export revenue + wear + penalty - stored              (LM2)

Wear and prices are always the true ones, whatever the plan was made with. The span of a result is
all that was planned (its end valued by its own terminal curve), or the local day alone (its end
valued at one price, the energy value that the baseline has there, on both sides). Arrays are (T,),
kWh per slot at the AC bus, ``soc_kwh`` at the slot's end; money in the home's currency.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from mpc import Horizon, Plan, Site, TerminalCurve
from mpc.horizon import slot_starts
from mpc.problem import make_problem
from sim.replay import Replay
from telemetry.arrays import F64
from telemetry.slots import SLOT_MINUTES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Course", "Money", "course_of_plan", "course_of_replay", "money_of"]

LINES = ("import_cost", "export_revenue", "wear", "penalty", "stored")
_GRID_LIMITS = ("max_import_kw", "max_export_kw")
_PRICED_LIMITS = ("planning_import_kw", "reserve_soc_kwh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Lines of a bill (LM1); a difference of two has the same lines."""

    import_cost: float
    export_revenue: float
    wear: float
    penalty: float
    stored: float

    @property
    def total(self) -> float:
        """What it costs; below 0 what it earns (LM2)."""
        costs = self.import_cost + self.wear + self.penalty
        return costs - self.export_revenue - self.stored

    def __sub__(self, other: "Money") -> "Money":
        """Return the difference, line by line."""
        return Money(**{line: getattr(self, line) - getattr(other, line) for line in LINES})

    def __add__(self, other: "Money") -> "Money":
        """Return the sum, line by line."""
        return Money(**{line: getattr(self, line) + getattr(other, line) for line in LINES})

    def items(self) -> tuple[tuple[str, float], ...]:
        """Return every line with its name, the total last."""
        return (*((line, getattr(self, line)) for line in LINES), ("total", self.total))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """What a house does over T slots; arrays are (T,).

    Attributes:
        start: of the first slot, UTC.
        soc_start_kwh: stored there.
        load_kwh, pv_kwh, import_price, export_price: what is met.
        charge_kwh, discharge_kwh, import_kwh, export_kwh, curtail_kwh: what is done.
        soc_kwh: stored at each slot's end.
        energy_value: what a kWh more stored there was taken to be worth, per kWh; NaN where
            nothing told.
        penalty: of broken limits of the site, money of each slot.
        wear_cost_per_kwh: the true one.
        terminal: worth of the energy left.
        rests_kwh: stored at the start, but more than the battery can hold: it rests beside it.
        rests_worth: what that is worth at the end of all that was planned.
    """

    start: datetime
    soc_start_kwh: float
    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64
    charge_kwh: F64
    discharge_kwh: F64
    import_kwh: F64
    export_kwh: F64
    curtail_kwh: F64
    soc_kwh: F64
    energy_value: F64
    penalty: F64
    wear_cost_per_kwh: float
    terminal: TerminalCurve
    rests_kwh: float = 0.0
    rests_worth: float = 0.0

    def __len__(self) -> int:
        """Return T, the number of slots."""
        return int(self.soc_kwh.size)

    @property
    def battery_export_kwh(self) -> F64:
        """(T,) battery discharge beyond the net load; PV that is exported is no part of it."""
        net = self.load_kwh - self.pv_kwh
        return np.maximum(self.discharge_kwh - np.maximum(net, 0.0), 0.0)

    def frame(self) -> "pd.DataFrame":
        """Return the course as a DataFrame, one row per slot, indexed by UTC slot start.

        Raises:
            ModuleNotFoundError: where pandas is not installed (extra ``plot``).
        """
        import pandas as pd  # noqa: PLC0415 - heavy, and only needed here

        series = {f.name: getattr(self, f.name) for f in fields(self)}
        columns = {name: value for name, value in series.items() if np.ndim(value) == 1}
        columns["battery_export_kwh"] = self.battery_export_kwh
        starts = slot_starts(self.start, np.full(len(self), float(SLOT_MINUTES)))
        return pd.DataFrame(columns, index=pd.DatetimeIndex(starts, name="slot_start", tz="UTC"))


def money_of(course: Course, slots: int | None = None, end_price: float | None = None) -> Money:
    """Return what a course costs.

    Args:
        course: what the house does.
        slots: how many of its slots count; None: all.
        end_price: what a kWh stored at the end of the last is worth; None: by its own curve.
    """
    part = slice(0, len(course) if slots is None else slots)
    left = float(course.soc_kwh[part][-1])
    if end_price is None:
        worth = course.terminal.value(left) + course.rests_worth
    else:
        worth = end_price * (left + course.rests_kwh)
    return Money(
        import_cost=float(course.import_price[part] @ course.import_kwh[part]),
        export_revenue=float(course.export_price[part] @ course.export_kwh[part]),
        wear=course.wear_cost_per_kwh * float(course.discharge_kwh[part].sum()),
        penalty=float(course.penalty[part].sum()),
        stored=worth,
    )


def course_of_plan(plan: Plan, site: Site, horizon: Horizon) -> Course:
    """Return what a plan does, settled for the true site.

    Args:
        plan: whatever economics it was made with.
        site: with the true wear.
        horizon: that was planned.
    """
    return Course(
        start=plan.start,
        soc_start_kwh=plan.soc_start_kwh,
        load_kwh=plan.load_kwh,
        pv_kwh=plan.pv_kwh,
        import_price=plan.import_price,
        export_price=plan.export_price,
        charge_kwh=plan.charge_kwh,
        discharge_kwh=plan.discharge_kwh,
        import_kwh=plan.import_kwh,
        export_kwh=plan.export_kwh,
        curtail_kwh=plan.curtail_kwh,
        soc_kwh=plan.soc_kwh,
        energy_value=plan.energy_value,
        penalty=_penalty(plan, site, horizon),
        wear_cost_per_kwh=site.battery.wear_cost_per_kwh,
        terminal=TerminalCurve.of(plan.terminal_curve),
    )


def _penalty(plan: Plan, site: Site, horizon: Horizon) -> F64:
    """Return (T,) what broken limits of the site cost, a grid limit at the price without wishes."""
    penalty = np.zeros(len(plan))
    broken = [one for one in plan.violations if one.limit in _GRID_LIMITS + _PRICED_LIMITS]
    if not broken:
        return penalty
    price = make_problem(site, horizon, plan.soc_start_kwh).penalty_per_kwh
    for one in broken:
        grid = one.limit in _GRID_LIMITS
        penalty[one.slot] += one.amount_kwh * price if grid else one.cost
    return penalty


def course_of_replay(result: Replay, site: Site) -> Course:
    """Return what a replay did; its penalty without the margin, which is no money."""
    net = result.load_kwh - result.pv_kwh
    sold = np.maximum(result.discharge_kwh - np.maximum(net, 0.0), 0.0)
    return Course(
        start=result.start,
        soc_start_kwh=result.soc_start_kwh,
        load_kwh=result.load_kwh,
        pv_kwh=result.pv_kwh,
        import_price=result.import_price,
        export_price=result.export_price,
        charge_kwh=result.charge_kwh,
        discharge_kwh=result.discharge_kwh,
        import_kwh=result.import_kwh,
        export_kwh=result.export_kwh,
        curtail_kwh=result.curtail_kwh,
        soc_kwh=result.soc_kwh,
        energy_value=result.energy_value,
        penalty=result.penalty - site.export_margin_per_kwh * sold,
        wear_cost_per_kwh=site.battery.wear_cost_per_kwh,
        terminal=result.terminal,
    )
