"""Storage engine: one storage behind one grid connection, planned exactly and very fast.

The dynamic program of ``program`` on a ``Problem``: a plan, and the curve of future cost for every
slot and every stored energy, whose slope is minus the energy value. It refuses what it cannot do
exactly: a slot whose prices reward two opposite flows at once, where the cost is not convex, and a
start outside the battery's window. HiGHS plans both. Needs numba (extra ``replay``).
"""

from dataclasses import dataclass

import numpy as np

from mpc.arrays import F64
from mpc.curves import Curve, cost_at, slopes_at
from mpc.errors import EngineError
from mpc.flows import Flows, cost_of, violations_of
from mpc.jit import compiled
from mpc.pieces import BURNS, EXPORT_ABOVE_IMPORT
from mpc.plan import Plan, make_plan
from mpc.problem import Problem
from mpc.program import (
    CHARGE,
    CURTAIL,
    DISCHARGE,
    EXPORT,
    FLOWS,
    IMPORT,
    SOC,
    VALUE_DOWN,
    VALUE_UP,
    Packed,
    Work,
    all_values,
    curve_of,
    follow,
    make_work,
)
from mpc.rules import Limits

__all__ = [
    "ValueFunctions",
    "limits_of",
    "plan_of_flows",
    "plan_storage",
    "plan_with_values",
    "refuse_defect",
    "refuse_requests",
    "refuse_start",
    "series_of",
    "terminal_of",
    "value_functions",
]

_CURE = "or plan with engine='auto' or 'highs', which search such slots with binaries"


@dataclass(frozen=True, slots=True, eq=False)
class ValueFunctions:
    """Future cost against stored energy, one convex piecewise-linear curve per slot edge.

    Index 0 is the start of slot 0, index t + 1 the end of slot t, with the price of that slot's
    missing reserve. A curve is not cut to the battery's window: what lies outside tells what
    energy beyond it would be worth.

    Attributes:
        packed: all curves in two arrays, as kernels read them.
    """

    packed: Packed

    def __len__(self) -> int:
        """Return T + 1, the number of curves."""
        return int(self.packed.first.size)

    def cost(self, index: int, soc_kwh: float) -> float:
        """Return what the future costs from ``soc_kwh``, currency; end slopes go on outside."""
        return float(cost_at(self._curve(index), self.packed.slope, self.packed.length, soc_kwh))

    def marginal(self, index: int, soc_kwh: float) -> tuple[float, float]:
        """Return what the (next, last) stored kWh is worth, currency per kWh."""
        below, above = slopes_at(self._curve(index), self.packed.slope, self.packed.length, soc_kwh)
        return 0.0 - float(above), 0.0 - float(below)

    def pieces(self, index: int) -> tuple[float, F64, F64]:
        """Return (stored energy where the curve begins, slopes (K,), lengths (K,) in kWh)."""
        curve = self._curve(index)
        run = slice(curve.first, curve.last)
        return float(curve.start_kwh), self.packed.slope[run], self.packed.length[run]

    def _curve(self, index: int) -> Curve:
        """Return one curve, counted from the start, or from the end where negative."""
        return curve_of(self.packed, range(len(self))[index])


def plan_storage(problem: Problem) -> Plan:
    """Plan with the storage engine.

    Raises:
        EngineError: for a slot whose cost is not convex, or a start outside the window.
        KernelError: where numba is not installed.
    """
    return plan_with_values(problem)[0]


def value_functions(problem: Problem) -> ValueFunctions:
    """Return the value function of every slot; the start's state plays no part.

    Raises:
        EngineError: for a slot whose cost is not convex.
        KernelError: where numba is not installed.
    """
    return _values(problem, series_of(problem), limits_of(problem))[0]


def plan_with_values(problem: Problem) -> tuple[Plan, ValueFunctions]:
    """Return the plan, and the value functions it follows from.

    Raises:
        EngineError: for a slot whose cost is not convex, a start outside the window, or requests.
        KernelError: where numba is not installed.
    """
    refuse_start(problem)
    refuse_requests(problem)
    series, limits = series_of(problem), limits_of(problem)
    values, work = _values(problem, series, limits)
    out = np.empty((len(series), FLOWS))
    start, rules = problem.soc_start_kwh, problem.rules
    compiled(follow)(series, limits, rules, values.packed, start, work, out)
    return plan_of_flows(problem, out), values


def plan_of_flows(problem: Problem, out: F64) -> Plan:
    """Return the plan of what ``program.follow`` wrote, (T, FLOWS)."""
    column = np.ascontiguousarray(out.T)
    never = np.zeros(len(out), bool)
    flows = Flows(
        column[CHARGE],
        column[DISCHARGE],
        column[IMPORT],
        column[EXPORT],
        column[CURTAIL],
        column[SOC],
        never,
        never,
    )
    violations = violations_of(problem, flows)
    costs = cost_of(problem, flows, violations)
    values = (column[VALUE_UP], column[VALUE_DOWN])
    return make_plan(problem, flows, costs, violations, values, engine="storage")


def series_of(problem: Problem) -> F64:
    """Return (T, 4) load, PV and prices, columns as in ``rules.Slot``."""
    columns = (problem.load, problem.pv, problem.import_price, problem.export_price)
    return np.ascontiguousarray(np.stack(columns, axis=1))


def limits_of(problem: Problem) -> F64:
    """Return (T, 9) limits with the bounds of stored energy that can be kept (Q3)."""
    limits = problem.limits.copy()
    limits[:, Limits._fields.index("soc_min")] = problem.soc_min
    limits[:, Limits._fields.index("soc_max")] = problem.soc_max
    return limits


def terminal_of(problem: Problem) -> tuple[F64, F64]:
    """Return (slopes, lengths) of the curve behind the last slot.

    It reaches one kWh above the most that may be stored, so that there too the next kWh has a
    worth.
    """
    length, price = problem.terminal.pieces(float(problem.soc_max[-1]) + 1.0)
    return np.ascontiguousarray(-price), np.ascontiguousarray(length)


def refuse_start(problem: Problem) -> None:
    """Refuse a start outside the window: what holds until it is reached depends on the path."""
    if problem.start_side == 0:
        return
    low, high = float(problem.wanted_min[0]), float(problem.wanted_max[0])
    side = "below" if problem.start_side < 0 else "above"
    raise EngineError(
        f"entered with {problem.soc_start_kwh} kWh stored, {side} the battery's window",
        f"a start between {low} and {high} kWh; or plan with engine='auto' or 'highs'",
        0,
    )


def refuse_requests(problem: Problem) -> None:
    """Refuse blocks and export targets: what one slot owes another is no convex cost of slots."""
    if problem.wanted is not None:
        got = f"planned with {len(problem.wanted.requests)} requests (blocks, an export target)"
        raise EngineError(got, f"none; {_CURE}")


def refuse_defect(problem: Problem, slot: int, defect: int) -> None:
    """Refuse a slot whose cost is not convex; nothing where ``defect`` is 0."""
    if defect == 0:
        return
    curtailable = problem.site.pv_curtailable
    buy, sell = float(problem.import_price[slot]), float(problem.export_price[slot])
    if defect == EXPORT_ABOVE_IMPORT:
        got = f"one whose export price {sell} is above its import price {buy}"
        want = "one where buying to sell cannot pay"
    elif defect == BURNS and problem.net[slot] < -problem.export_max[slot] and not curtailable:
        got = "one whose PV exceeds the export limit: burning it in the battery would pay"
        want = "PV that may be curtailed (pv_curtailable=True), or a higher max_export_kw"
    elif defect == BURNS:
        got = f"one whose prices (import {buy:g}, export {sell:g}) reward burning stored energy"
        want = "one where charging and discharging at once cannot pay"
    else:
        got = f"one whose import price {buy:g} pays for curtailing PV that the battery could store"
        want = "a price of 0 or more where allow_grid_charge=False and PV is curtailable"
    raise EngineError(got, f"{want}; {_CURE}", slot)


def _values(problem: Problem, series: F64, limits: F64) -> tuple[ValueFunctions, Work]:
    """Return the value functions and the scratch they were made with."""
    slope, length = terminal_of(problem)
    work = make_work(len(series), slope.size)
    packed, slot, defect = compiled(all_values)(series, limits, problem.rules, slope, length, work)
    refuse_defect(problem, slot, defect)
    return ValueFunctions(packed), work
