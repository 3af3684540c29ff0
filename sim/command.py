"""What a controller in the house is told for one slot, to carry out on whatever then happens.

    plan_command(plan, MODES)      act on a plan of HiGHS: its first slot and one-sided values
    value_command(...)             act on a whole curve of future cost, as the storage engine has it
    SELF_USE_COMMAND, REST_COMMAND

A command is made before load and PV of the slot are known; ``wish_of`` turns it into the net
battery energy by ``dispatch.dispatch_wish`` when they are. Units: kWh, currency/kWh.
"""

from dataclasses import dataclass

import numpy as np

from mpc import Plan
from mpc.arrays import F64
from mpc.curves import Curve, slopes_at
from mpc.jit import compiled
from mpc.pieces import MOST_PIECES
from mpc.problem import PENALTY_FACTOR
from mpc.program import CHARGE, DISCHARGE, FLOWS, SOC
from mpc.requests import GRID_RANK
from mpc.rules import Limits, Rules, Slot
from sim.dispatch import (
    HOLD,
    SELF_USE,
    SETPOINT,
    VALUE,
    WINDOWS,
    Advice,
    Scratch,
    Value,
    dispatch_wish,
    window_of,
)
from sim.loop import end_of_window

__all__ = [
    "REST_COMMAND",
    "SELF_USE_COMMAND",
    "Command",
    "plan_command",
    "setpoint_command",
    "value_command",
    "wish_of",
]

_GRID_LIMITS = ("max_import_kw", "max_export_kw")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Command:
    """How the battery is to answer one slot.

    Attributes:
        dispatch: code of ``sim.dispatch``.
        advice: what the plan expects and wants in the slot.
        value: future cost by energy stored at the slot's end.
        told: (import, export) price known at the slot's start; None: that of the slot.
        penalty_per_kwh: the plan's own price of a limit that it breaks; None: the site's.
    """

    dispatch: int
    advice: Advice
    value: Value
    told: tuple[float, float] | None = None
    penalty_per_kwh: float | None = None

    def value_at(self, stored_kwh: float) -> float:
        """Return the worth of one more kWh at a stored energy, mean of both sides; NaN without."""
        value = self.value
        if not value.slope.size:
            return float("nan")
        below, above = slopes_at(value.curve, value.slope, value.length, stored_kwh)
        return -0.5 * (below + above)


_NO_VALUE = Value(Curve(0, 0, 0.0, 0.0, 0.0, 0.0), np.empty(0), np.empty(0))
_NO_ADVICE = Advice(0.0, 0.0, 0.0, 0.0)
SELF_USE_COMMAND = Command(dispatch=SELF_USE, advice=_NO_ADVICE, value=_NO_VALUE)
REST_COMMAND = Command(dispatch=HOLD, advice=_NO_ADVICE, value=_NO_VALUE)


def setpoint_command(moved_kwh: float) -> Command:
    """Return the command to move so much net energy at the AC bus, whatever load and PV do."""
    return Command(dispatch=SETPOINT, advice=Advice(0.0, 0.0, moved_kwh, 0.0), value=_NO_VALUE)


def value_command(value: Value, advice: Advice, told: tuple[float, float]) -> Command:
    """Return the command to act on a curve of future cost, of which the arrays are kept."""
    return Command(dispatch=VALUE, advice=advice, value=value, told=told)


def plan_command(plan: Plan, dispatch: int) -> Command:
    """Return what the first slot of a plan tells the controller.

    In a slot of a block the battery does what was planned, whatever load and PV do: energy values
    and prices tell nothing of what was asked for.

    Args:
        plan: of which the duals tell the value on both sides of its state.
        dispatch: code of ``sim.dispatch``.
    """
    asked = plan.requests is not None and plan.requests.block_at(0) is not None
    return Command(
        dispatch=SETPOINT if asked else dispatch,
        advice=_advice(plan, dispatch),
        value=_value(plan),
        told=(float(plan.import_price[0]), float(plan.export_price[0])),
        penalty_per_kwh=_penalty(plan),
    )


def wish_of(command: Command, stored_kwh: float, slot: Slot, limits: Limits, rules: Rules) -> float:
    """Return the wished net battery energy of a slot at the AC bus, kWh, > 0 charges.

    Args:
        command: for the slot.
        stored_kwh: at its start.
        slot: what happened in it.
        limits: of the slot.
        rules: of the site.
    """
    met, own = slot, rules
    if command.told is not None:
        met = Slot(slot.load_kwh, slot.pv_kwh, *command.told)
    if command.penalty_per_kwh is not None:
        own = rules._replace(penalty=command.penalty_per_kwh)
    scratch = Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES))
    kernel = compiled(dispatch_wish)
    wish: float = kernel(
        command.dispatch, stored_kwh, command.advice, command.value, met, limits, own, scratch
    )
    return wish


def _penalty(plan: Plan) -> float | None:
    """Return the plan's own price of a broken limit (Q4 of ``mpc.problem``), if it breaks one.

    It is part of the plan's energy values then; compared with another price, dispatch would break
    limits now to keep them later, or the reverse. Requests too are part of them, at a price as high
    as that of limits without requests: a fuse comes before a wish, so limits cost more than any
    value of a plan with requests (RQ5).
    """
    for broken in plan.violations:
        if broken.limit in _GRID_LIMITS:
            return broken.cost / broken.amount_kwh
    if plan.requests is None:
        return None
    values = (plan.energy_value_up[0], plan.energy_value_down[0])
    prices = (plan.import_price, plan.export_price)
    highest = max(float(np.abs(price).max()) for price in prices)
    return GRID_RANK * max(*(abs(float(v)) for v in values), PENALTY_FACTOR * highest)


def _value(plan: Plan) -> Value:
    """Return the future cost as a plan's duals tell it: one slope to each side of its state."""
    soc, most = float(plan.soc_kwh[0]), float(plan.max_soc_kwh[0])
    slope = -np.array([plan.energy_value_down[0], plan.energy_value_up[0]])
    return Value(
        Curve(0, 2, 0.0, 0.0, 0.0, 0.0), slope, np.array([soc, max(most - soc, 0.0) + 1.0])
    )


def _advice(plan: Plan, dispatch: int) -> Advice:
    """Return what a plan expects and wants in its first slot."""
    load, pv = float(plan.load_kwh[0]), float(plan.pv_kwh[0])
    planned, target = float(plan.charge_kwh[0] - plan.discharge_kwh[0]), float(plan.soc_kwh[0])
    kind = window_of(planned, load - pv)
    if dispatch == WINDOWS and kind != 0:
        target = end_of_window(kind, *_course(plan), target)
    return Advice(load, pv, planned, target)


def _course(plan: Plan) -> tuple[F64, F64]:
    """Return ((T, 2) load and PV, (T, FLOWS) battery) of a plan."""
    flows = np.zeros((len(plan), FLOWS))
    flows[:, CHARGE], flows[:, DISCHARGE] = plan.charge_kwh, plan.discharge_kwh
    flows[:, SOC] = plan.soc_kwh
    return np.stack([plan.load_kwh, plan.pv_kwh], axis=1), flows
