"""What a plan tells an inverter in one of its slots, and what another command would cost there.

    cost(c)  = money of the slot + worth of what is then stored, by physics, on expected load and
               PV, with the wish of command c (``sim.modes``, V5)                          (MC1)
    gain     = cost(command that stands) - cost(command that the plan tells)               (MC2)

The worth is the plan's energy value at the slot's end, up and down. (MC2) is what changing over is
worth in that slot: 0 or more, but for rounding and for plans that do not follow their own values.
Energy at the slot's start is what the plan expects there.

A plan knows the value next to its own course alone. So the stop of ``grid_charge`` and ``export``
reaches no further than the plan goes in the slots that it goes on charging, or exporting: whoever
follows a command for longer than its slot does no more than was planned. Units: kWh, currency.
"""

from dataclasses import dataclass, fields, replace
from datetime import timedelta

import numpy as np

from mpc import Horizon, Plan, Site
from mpc.arrays import F64
from mpc.pieces import MOST_PIECES
from mpc.problem import make_problem
from mpc.rules import Limits, Rules, Slot, limits_at, slot_limits
from sim.command import Command, plan_command
from sim.dispatch import MODES, SETPOINT, WINDOWS, window_of
from sim.ideal import Scratch, cost_of_wish
from sim.modes import (
    EXPORT,
    GRID_CHARGE,
    HOLD,
    STORE_SURPLUS,
    ModeCommand,
    decide_mode,
    mode_wish,
    only_ideal,
)

__all__ = ["SlotChoice", "from_slot", "slot_choice", "stop_kwh"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlotChoice:
    """One slot of a plan, as an inverter meets it.

    Attributes:
        stored_kwh: expected at the slot's start.
        command: what the plan tells.
        hours: length of the slot.
        energy_value: what a kWh stored at the slot's end is worth, currency; mean of both sides.
    """

    stored_kwh: float
    command: ModeCommand
    hours: float
    energy_value: float
    _told: Command
    _expected: Slot
    _limits: Limits
    _rules: Rules

    def cost(self, command: ModeCommand) -> float:
        """Return the cost of a command in this slot, currency (MC1)."""
        wish = mode_wish(command, self.stored_kwh, self._expected, self._limits, self._rules)
        money, _ = cost_of_wish(
            self.stored_kwh, wish, self._told.value, self._expected, self._limits, self._rules
        )
        return float(money)

    def gain_over(self, standing: ModeCommand) -> float:
        """Return what changing over from a command to that of the plan is worth (MC2)."""
        if self._told.dispatch == SETPOINT:  # asked for by hand: no price speaks against it
            return np.inf
        return self.cost(standing) - self.cost(self.command)


def slot_choice(site: Site, plan: Plan, slot: int) -> SlotChoice:
    """Return what a plan tells in a slot.

    Args:
        site: the house it was made for.
        plan: as it was made.
        slot: 0 to T - 1.

    Raises:
        StateError: the battery cannot hold what the plan expects there.
    """
    rest = from_slot(plan, slot)
    hours, told = rest.slot_minutes / 60.0, plan_command(rest, MODES)
    rules, limits = _rules(site, rest, told), limits_at(slot_limits(site, hours), 0)
    advice, prices = told.advice, (float(rest.import_price[0]), float(rest.export_price[0]))
    expected = Slot(advice.load_kwh, advice.pv_kwh, *prices)
    scratch = Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES))
    stored = rest.soc_start_kwh
    if told.dispatch == SETPOINT:  # a block of the manual plan: what was planned, no more
        command = only_ideal(stored, advice.planned_kwh, expected, limits, rules)
    else:
        command = decide_mode(stored, advice, told.value, expected, limits, rules, scratch)
        command = _as_planned(command, rest)
    return SlotChoice(
        stored_kwh=stored,
        command=command,
        hours=float(hours[0]),
        energy_value=float(rest.energy_value[0]),
        _told=told,
        _expected=expected,
        _limits=limits,
        _rules=rules,
    )


def from_slot(plan: Plan, slot: int) -> Plan:
    """Return the rest of a plan from a slot on, started with the energy it expects there."""
    if slot == 0:
        return plan
    series: dict[str, F64] = {}
    for field in fields(plan):
        value = getattr(plan, field.name)
        if isinstance(value, np.ndarray):
            series[field.name] = value[slot:]
    start = plan.start + timedelta(minutes=float(plan.slot_minutes[:slot].sum()))
    return replace(
        plan,
        start=start,
        soc_start_kwh=float(plan.soc_kwh[slot - 1]),
        requests=None if plan.requests is None else plan.requests.rest(slot),
        warm=None,
        **series,  # type: ignore[arg-type] # names of arrays alone
    )


def stop_kwh(command: ModeCommand, stored_kwh: float) -> float:
    """Return the stored energy at which a mode ends what it is named for, kWh.

    ``self_use`` has two ends, of which this is the lower; ``hold`` rests where it is.
    """
    if command.mode == HOLD:
        return stored_kwh
    high = command.mode in (STORE_SURPLUS, EXPORT)
    return command.stop_high_kwh if high else command.stop_low_kwh


def _as_planned(command: ModeCommand, plan: Plan) -> ModeCommand:
    """Return the command of a plan's first slot with a stop no further than the plan goes."""
    advice = plan_command(plan, WINDOWS).advice
    kind = window_of(advice.planned_kwh, advice.load_kwh - advice.pv_kwh)
    if command.mode == GRID_CHARGE and kind > 0:
        return command._replace(stop_low_kwh=min(command.stop_low_kwh, advice.target_soc_kwh))
    if command.mode == EXPORT and kind < 0:
        return command._replace(stop_high_kwh=max(command.stop_high_kwh, advice.target_soc_kwh))
    return command


def _rules(site: Site, plan: Plan, told: Command) -> Rules:
    """Return the rules of the site, limits priced as the plan has them."""
    horizon = Horizon(
        start=plan.start,
        slot_minutes=plan.slot_minutes,
        import_price=plan.import_price,
        export_price=plan.export_price,
        load_kwh=plan.load_kwh,
        pv_kwh=plan.pv_kwh,
        terminal_value=np.array(plan.terminal_curve),
    )
    rules = make_problem(site, horizon, plan.soc_start_kwh).rules
    return rules if told.penalty_per_kwh is None else rules._replace(penalty=told.penalty_per_kwh)
