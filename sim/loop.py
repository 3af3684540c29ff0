"""The closed loop: at every slot plan with what was known, move the battery on what happened.

For each slot n, with s the energy stored at its start:

    V      = future cost at the slot's end, of the T slots known at its start            (L1)
    wish   = dispatch of the load and PV that came, by V, the plan's move and the
             prices known at the slot's start                                            (L2)
    s', money = slot_step and slot cost of the wish                                      (L3)

The curve that values the end of each plan is made of the 24 h that were known after it (T2 of
``mpc.terminal``). Nothing else goes from one slot to the next: a loop is a pure function of the
start energy, what was known and what happened. Units: kWh per slot, kWh stored, currency/kWh.
"""

from typing import NamedTuple

import numpy as np

from mpc.arrays import F64
from mpc.curves import slopes_at
from mpc.physics import slot_step
from mpc.pieces import MOST_PIECES
from mpc.program import (
    CHARGE,
    DISCHARGE,
    FLOWS,
    SOC,
    Work,
    all_values,
    follow,
    make_work,
    value_after_first,
)
from mpc.rules import Rules, Slot, limits_at, slot_at
from mpc.terminal import follow_on_pieces, pieces_below
from sim.dispatch import WINDOWS, Advice, Scratch, Value, dispatch_wish, window_of
from sim.ideal import value_wish
from sim.slots import run_slot

__all__ = ["Ask", "Known", "Room", "Stop", "end_of_window", "make_room", "run_loop"]


class Known(NamedTuple):
    """What was known at the starts of n slots, each (n, A): the slot itself first."""

    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64


class Ask(NamedTuple):
    """How to plan and to move.

    Attributes:
        horizon_slots: T of a plan; the other A - T slots value its end.
        dispatch: code of ``sim.dispatch``.
        empty_kwh: least energy the battery holds.
        usable_kwh: from there to the most it holds.
    """

    horizon_slots: int
    dispatch: int
    empty_kwh: float
    usable_kwh: float


class Room(NamedTuple):
    """Scratch arrays of one thread.

    Attributes:
        series: (A, 4) what was known, columns as in ``mpc.rules.Slot``.
        work: of the dynamic program; holds the curve of the slot.
        follow_work: of a plan that is followed further.
        flows: (T, FLOWS) of that plan.
        scratch: of the dispatch.
    """

    series: F64
    work: Work
    follow_work: Work
    flows: F64
    scratch: Scratch


class Stop(NamedTuple):
    """Where a loop ended.

    Attributes:
        stored_kwh: at the end of the last slot that was run.
        slots: how many were run.
        plan_slot: slot of the plan that the engine refused, -1 where none.
        defect: why, a code of ``mpc.pieces``; 0 where all slots were run.
    """

    stored_kwh: float
    slots: int
    plan_slot: int
    defect: int


def make_room(ahead: int, horizon_slots: int) -> Room:
    """Return scratch arrays for plans that know ``ahead`` slots; no kernel."""
    terminal_pieces = ahead - horizon_slots + 2
    return Room(
        series=np.empty((ahead, 4)),
        work=make_work(horizon_slots, terminal_pieces),
        follow_work=make_work(horizon_slots, terminal_pieces),
        flows=np.empty((horizon_slots, FLOWS)),
        scratch=Scratch(np.empty(MOST_PIECES), np.empty(MOST_PIECES)),
    )


def run_loop(
    stored_kwh: float,
    known: Known,
    actual: F64,
    limits: F64,
    rules: Rules,
    ask: Ask,
    room: Room,
    out: F64,
) -> Stop:
    """Plan and move the battery in n slots; a kernel.

    Args:
        stored_kwh: at the start of the first slot.
        known: at the start of each.
        actual: (n, 4) what happened, columns as in ``mpc.rules.Slot``.
        limits: (n + A or more, 9) from the first slot on, columns as in ``mpc.rules.Limits``.
        rules: of the site.
        ask: how to plan and to move.
        room: scratch arrays.
        out: (n, 10) out: columns of ``sim.slots`` and the energy value at the slot's end.
    """
    stored, last = stored_kwh, out.shape[1] - 1
    for n in range(actual.shape[0]):
        write_known(known, n, room.series)
        here = limits_at(limits, n)
        value, advice, plan_slot, defect = advise(stored, limits[n:], rules, ask, room)
        if defect != 0:
            return Stop(stored, n, plan_slot, defect)
        slot, told = slot_at(actual, n), slot_at(room.series, 0)
        met = Slot(slot.load_kwh, slot.pv_kwh, told.import_price, told.export_price)
        wish = dispatch_wish(ask.dispatch, stored, advice, value, met, here, rules, room.scratch)
        stored = run_slot(stored, wish, slot, here, rules, out, n)
        below, above = slopes_at(value.curve, value.slope, value.length, stored)
        out[n, last] = -0.5 * (below + above)
    return Stop(stored, actual.shape[0], -1, 0)


def write_known(known: Known, n: int, series: F64) -> None:
    """Write what was known at a slot as (A, 4) rows."""
    for t in range(series.shape[0]):
        series[t, 0] = known.load_kwh[n, t]
        series[t, 1] = known.pv_kwh[n, t]
        series[t, 2] = known.import_price[n, t]
        series[t, 3] = known.export_price[n, t]


def advise(
    stored_kwh: float, limits: F64, rules: Rules, ask: Ask, room: Room
) -> tuple[Value, Advice, int, int]:
    """Plan from ``room.series``; return value and advice for its first slot (L1).

    Returns:
        The value at the slot's end; the plan's move; the plan's first bad slot, or -1; its defect.
    """
    slots, known = ask.horizon_slots, room.series
    soc, price = follow_on_pieces(
        known[slots:], limits[slots : known.shape[0]], rules, ask.empty_kwh, ask.usable_kwh
    )
    # One kWh further than full, so that there too the next kWh has a worth.
    length, price = pieces_below(soc, price, ask.empty_kwh + ask.usable_kwh + 1.0)
    series, limits, slope = known[:slots], limits[:slots], -price
    curve, bad, defect = value_after_first(series, limits, rules, slope, length, room.work)
    value = Value(curve, room.work.slope, room.work.length)
    slot, planned, target = slot_at(series, 0), 0.0, 0.0
    if defect == 0:
        # Of equally cheap moves a plan takes the one nearest to rest.
        here = limits_at(limits, 0)
        planned = value_wish(stored_kwh, 0.0, value, slot, here, rules, room.scratch)
        if ask.dispatch == WINDOWS:
            target = slot_step(stored_kwh, planned, slot, here, rules)[0]
            kind = window_of(planned, slot.load_kwh - slot.pv_kwh)
            if kind != 0 and slots > 1:
                target = window_target(kind, target, limits, rules, slope, length, room)
    return value, Advice(slot.load_kwh, slot.pv_kwh, planned, target), bad, defect


def window_target(
    kind: int,
    stored_kwh: float,
    limits: F64,
    rules: Rules,
    terminal_slope: F64,
    terminal_length: F64,
    room: Room,
) -> float:
    """Return the stored energy planned where the window of the first slot ends, kWh.

    Args:
        kind: of the window, as ``dispatch.window_of`` says it.
        stored_kwh: planned at the first slot's end.
        limits: (T, 9) of the plan's slots.
        rules: of the site.
        terminal_slope: (K,) behind the last slot.
        terminal_length: (K,).
        room: with what is known of the slots.
    """
    slots, work = limits.shape[0], room.follow_work
    series, flows = room.series[1:slots], room.flows[1:]
    values, _, _ = all_values(series, limits[1:], rules, terminal_slope, terminal_length, work)
    follow(series, limits[1:], rules, values, stored_kwh, work, flows)
    return end_of_window(kind, series, flows, stored_kwh)


def end_of_window(kind: int, series: F64, flows: F64, stored_kwh: float) -> float:
    """Return the stored energy planned at the end of the slots of one kind, kWh.

    Args:
        kind: of the window, as ``dispatch.window_of`` says it.
        series: (T, 4) what the plan expected, columns as in ``mpc.rules.Slot``.
        flows: (T, FLOWS) what it does.
        stored_kwh: where the first slot does not belong to the window any more.
    """
    for t in range(series.shape[0]):
        planned = flows[t, CHARGE] - flows[t, DISCHARGE]
        if window_of(planned, series[t, 0] - series[t, 1]) != kind:
            break
        stored_kwh = flows[t, SOC]
    return stored_kwh
