"""Dispatch: from a plan, or none, to the net battery energy of a slot.

One code per manner, so that a kernel can branch on it:

    VALUE     ideal dispatch on the value of stored energy, with the actual net load  (``ideal``)
    MODES     a mode fixed before the net load is known                               (``modes``)
    SETPOINT  the planned energy, whatever load and PV do
    WINDOWS   grid charging and export while the plan has them, else self-use (V7), (V8)
    SELF_USE  store surplus, serve the load: wish = -net load
    HOLD      rest

Windows are what most systems make of a plan. A slot belongs to a charging window where the plan
charges more than the expected surplus, to an export window where it discharges beyond the expected
net load; with net = load - PV, actual, and the target that the plan reaches at the window's end,

    charging:  wish = max(min(charge_max, (target - s) / eta_c, import_max - net), -net, 0)     (V7)
    export:    wish = min(-min(discharge_max, (s - target) * eta_d, export_max + net), -net)    (V8)

at full power towards the target, as such systems do; then PV surplus alone is stored in a charging
window, and self-use follows in an export window. ``slot_step`` limits every wish to what battery,
site options and SoC bounds allow. Prices are those known at the slot's start: what it is billed at
may become known later (a month that is settled as one). Units: kWh, > 0 charges. Kernels.
"""

from mpc.rules import Limits, Rules, Slot
from sim.ideal import Advice, Scratch, Value, value_wish
from sim.modes import decide_mode, mode_wish

__all__ = [
    "DISPATCH_NAMES",
    "HOLD",
    "MODES",
    "SELF_USE",
    "SETPOINT",
    "VALUE",
    "WINDOWS",
    "Advice",
    "Scratch",
    "Value",
    "dispatch_wish",
    "window_of",
    "windows_wish",
]

VALUE, MODES, SETPOINT, WINDOWS, SELF_USE, HOLD = range(6)
DISPATCH_NAMES = ("value", "modes", "setpoint", "windows", "self_use", "hold")
_PLAN_NOISE_KWH = 1e-6
"""A plan from a linear program rounds: less than this is no window."""


def dispatch_wish(
    code: int,
    stored_kwh: float,
    advice: Advice,
    value: Value,
    slot: Slot,
    limits: Limits,
    rules: Rules,
    scratch: Scratch,
) -> float:
    """Return the wished net battery energy of a slot at the AC bus, kWh.

    Args:
        code: ``VALUE`` to ``HOLD``.
        stored_kwh: at the slot's start.
        advice: of the plan; read by the first four codes.
        value: at the slot's end; read by ``VALUE`` and ``MODES``.
        slot: ACTUAL load and PV, and the prices known at its start.
        limits: of the slot.
        rules: of the site.
        scratch: overwritten by ``VALUE`` and ``MODES``.
    """
    if code == VALUE:
        return value_wish(stored_kwh, advice.planned_kwh, value, slot, limits, rules, scratch)
    if code == MODES:
        expected = Slot(advice.load_kwh, advice.pv_kwh, slot.import_price, slot.export_price)
        command = decide_mode(stored_kwh, advice, value, expected, limits, rules, scratch)
        return mode_wish(command, stored_kwh, slot, limits, rules)
    if code == SETPOINT:
        return advice.planned_kwh
    if code == WINDOWS:
        return windows_wish(stored_kwh, advice, slot, limits, rules)
    if code == SELF_USE:
        return slot.pv_kwh - slot.load_kwh
    return 0.0


def windows_wish(
    stored_kwh: float, advice: Advice, slot: Slot, limits: Limits, rules: Rules
) -> float:
    """Return what a system with charging and export windows asks for, kWh (V7, V8)."""
    net, target = slot.load_kwh - slot.pv_kwh, advice.target_soc_kwh
    kind = window_of(advice.planned_kwh, advice.load_kwh - advice.pv_kwh)
    if kind > 0:
        room = (target - stored_kwh) / rules.charge_efficiency
        return max(min(limits.charge, room, limits.import_max - net), -net, 0.0)
    if kind < 0:
        usable = (stored_kwh - target) * rules.discharge_efficiency
        feed = min(limits.discharge, usable, limits.export_max + net)
        return min(-feed, -net) if feed > 0.0 else -net
    return -net


def window_of(planned_kwh: float, net_kwh: float) -> int:
    """Return 1 for a charging window, -1 for an export window, else 0 (V7, V8).

    Args:
        planned_kwh: net battery energy of the plan, > 0 charges.
        net_kwh: load minus PV that it expects.
    """
    if planned_kwh > max(-net_kwh, 0.0) + _PLAN_NOISE_KWH:
        return 1
    return -1 if -planned_kwh > max(net_kwh, 0.0) + _PLAN_NOISE_KWH else 0
