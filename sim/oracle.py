"""The oracle: the optimum of a whole window by who knew everything.

    V[t](s) = least bill + wear + penalty of the slots t, t + 1, ... less the worth of what is left
              in the end, from s kWh stored at the start of slot t                       (O1)
    cost    = V[0](s[0]) + terminal(s[0])                                                (O2)

by the storage engine, exact, with the window's own start energy, physics, limits, penalties and
terminal curve. (O2) is the cost (K1) of ``sim.replay``: no policy of that window costs less. A
rolling run that sees 48 h perfectly is another thing: ``storage`` on ``sim.asof.perfect``.
"""

from dataclasses import dataclass

import numpy as np

from mpc.arrays import F64
from mpc.curves import cost_at, slopes_at
from mpc.errors import EngineError
from mpc.jit import compiled
from mpc.program import Packed, curve_of
from mpc.rules import Rules
from mpc.storage import ValueFunctions, plan_with_values
from sim.errors import ModelError, ReplayError
from sim.policies import empty_rows, refuse_start_outside
from sim.slots import BILL, PENALTY, SOC, run_wishes
from sim.window import ReplayWindow

__all__ = ["Oracle", "make_oracle", "values_along"]

_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Oracle:
    """The optimum of a window.

    Attributes:
        window: the stretch of history.
        values: the value function of every slot (O1), reserves of the slot that ends included.
        rows: (N, 10) what it does, columns of ``sim.slots`` and the energy value.
    """

    window: ReplayWindow
    values: ValueFunctions
    rows: F64

    @property
    def least_cost(self) -> float:
        """Bill, wear and penalty less the worth of what is left: V[0] at the start."""
        return self.values.cost(0, self.window.soc_start_kwh)

    @property
    def cost(self) -> float:
        """The cost of the window as replays count it (O2)."""
        return self.least_cost + self.window.terminal.value(self.window.soc_start_kwh)

    def future_costs(self, soc_kwh: F64) -> F64:
        """Return (N,) least cost after each slot from ``soc_kwh`` (N,) stored at its end.

        The price of a reserve missing at that end belongs to the slot and is left out.
        """
        return _along(self.window, self.values, soc_kwh)[:, 0]


def make_oracle(window: ReplayWindow) -> Oracle:
    """Return the optimum of a window.

    Raises:
        ReplayError: where the start lies outside the battery's window, or the cost of a slot is not
            convex; it is named.
        ModelError: where the plan, carried out, does not cost what the value function says.
    """
    refuse_start_outside(window, "oracle")
    home_id, problem = window.realised.home_id, window.problem
    try:
        plan, values = plan_with_values(problem)
    except EngineError as err:
        at = window.utc(0 if err.slot is None else err.slot)
        raise ReplayError(
            home_id,
            f"the oracle cannot plan the slot of {at}: {err}",
            "choose a period without such a slot",
        ) from err
    rows, start = empty_rows(len(window)), window.soc_start_kwh
    compiled(run_wishes)(
        start, plan.net_battery_kwh, window.actual, window.limits, window.rules, rows
    )
    rows[:, -1] = _along(window, values, np.ascontiguousarray(rows[:, SOC]))[:, 1]
    oracle = Oracle(window=window, values=values, rows=rows)
    spent = float(rows[:, BILL : PENALTY + 1].sum()) - window.terminal.value(float(rows[-1, SOC]))
    if abs(spent - oracle.least_cost) > _TOLERANCE * problem.money_scale:
        raise ModelError(
            home_id,
            f"the oracle's plan costs {spent!r} when carried out, its value function says "
            f"{oracle.least_cost!r}",
            "report it with the window's inputs",
        )
    return oracle


def _along(window: ReplayWindow, values: ValueFunctions, soc_kwh: F64) -> F64:
    """Return what ``values_along`` writes."""
    out = np.empty((soc_kwh.size, 2))
    reserve = np.ascontiguousarray(window.problem.reserve)
    compiled(values_along)(values.packed, soc_kwh, reserve, window.rules, out)
    return out


def values_along(values: Packed, soc_kwh: F64, reserve_kwh: F64, rules: Rules, out: F64) -> None:
    """Write (cost after each slot, energy value at its end) along a course; a kernel.

    Args:
        values: N + 1 curves.
        soc_kwh: (N,) stored at the end of each slot.
        reserve_kwh: (N,) wished there, whose price the curves include and the cost leaves out.
        rules: of the site.
        out: (N, 2) out: currency, and currency per kWh stored, the mean of both sides.
    """
    for t in range(soc_kwh.size):
        curve, stored = curve_of(values, t + 1), soc_kwh[t]
        short = max(reserve_kwh[t] - stored, 0.0)
        out[t, 0] = cost_at(curve, values.slope, values.length, stored)
        out[t, 0] -= rules.reserve_price * short
        below, above = slopes_at(curve, values.slope, values.length, stored)
        out[t, 1] = -0.5 * (below + above)
