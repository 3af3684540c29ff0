"""The closed loop: at every slot plan with what was known, move the battery on what happened.

For each slot n, with s the energy stored at its start:

    V      = future cost at the slot's end, of the T slots known at its start            (L1)
    wish   = dispatch of the load and PV that came, by V, the plan's move and the
             prices known at the slot's start                                            (L2)
    s', money = slot_step and slot cost of the wish                                      (L3)

On scenarios V is the blend of ``mpc.blend`` (SV3): they begin to matter with the slot after n, and
the plan's move is the best one on the forecast for slot n by the blend.

The curve that values the end of each plan is made of the 24 h that were known after it (T2 of
``mpc.terminal``). Nothing else goes from one slot to the next: a loop is a pure function of the
start energy, what was known and what happened. Units: kWh per slot, kWh stored, currency/kWh.
"""

from typing import NamedTuple

import numpy as np

from mpc.arrays import F64
from mpc.blend import Bundle, Scenes, blend_after_first, make_bundle
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

__all__ = [
    "Ask",
    "Known",
    "KnownScenes",
    "Room",
    "SceneRoom",
    "Stop",
    "end_of_window",
    "make_room",
    "make_scene_room",
    "run_loop",
    "run_scenario_loop",
]


class Known(NamedTuple):
    """What was known at the starts of n slots, each (n, A): the slot itself first."""

    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64


class KnownScenes(NamedTuple):
    """K scenarios at the starts of n slots; P is K, or 1 where all have the prices of ``Known``.

    Attributes:
        known: the series of which they are scenarios.
        load_kwh: (n, K, A).
        pv_kwh: (n, K, A).
        import_price: (n, P, A).
        export_price: (n, P, A).
        weights: (n, K).
        recourse: share of recourse in every slot (SV1 of ``mpc.blend``).
    """

    known: Known
    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64
    weights: F64
    recourse: float


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


class SceneRoom(NamedTuple):
    """Scratch arrays of one thread for plans on scenarios."""

    room: Room
    bundle: Bundle


class Stop(NamedTuple):
    """Where a loop ended.

    Attributes:
        stored_kwh: at the end of the last slot that was run.
        slots: how many were run.
        plan_slot: slot of the plan that the engine refused, -1 where none.
        defect: why, a code of ``mpc.pieces``; 0 where all slots were run.
        scenario: in which scenario, -1 in none.
    """

    stored_kwh: float
    slots: int
    plan_slot: int
    defect: int
    scenario: int


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


def make_scene_room(scenarios: int, room: Room) -> SceneRoom:
    """Return scratch arrays for plans on K scenarios, ``room`` shared; no kernel."""
    ahead, slots = len(room.series), len(room.flows)
    return SceneRoom(room, make_bundle(scenarios, slots, ahead - slots + 2))


def run_loop(
    stored_kwh: float,
    known: Known,
    actual: F64,
    limits: F64,
    rules: Rules,
    ask: Ask,
    room: Room,
    out: F64,
) -> tuple[float, int, int, int, int]:
    """Plan and move the battery in n slots; a kernel.

    It returns the fields of ``Stop`` as a plain tuple: making a named one calls Python, where a
    Ctrl-C that came while the kernel ran is raised, and numba does not look whether that failed.

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
    stored = stored_kwh
    for n in range(actual.shape[0]):
        write_known(known, n, room.series)
        value, plan_slot, defect = value_at_end(limits[n:], rules, ask, room)
        if defect != 0:
            return stored, n, plan_slot, defect, -1
        stored = move(stored, value, slot_at(actual, n), limits[n:], rules, ask, room, out[n:])
    return stored, actual.shape[0], -1, 0, -1


def run_scenario_loop(
    stored_kwh: float,
    scenes: KnownScenes,
    actual: F64,
    limits: F64,
    rules: Rules,
    ask: Ask,
    scene_room: SceneRoom,
    out: F64,
) -> tuple[float, int, int, int, int]:
    """Plan on scenarios and move the battery in n slots; a kernel.

    Arguments as in ``run_loop``.
    """
    stored, (room, bundle) = stored_kwh, scene_room
    for n in range(actual.shape[0]):
        write_known(scenes.known, n, room.series)
        slope, length = end_curve(limits[n:], rules, ask, room)
        curve, bad = blend_after_first(
            scenes_at(scenes, n),
            scenes.recourse,
            limits[n : n + ask.horizon_slots],
            rules,
            slope,
            length,
            bundle,
        )
        if bad.defect != 0:
            return stored, n, bad.slot, bad.defect, bad.scenario
        value = Value(curve, bundle.out_slope, bundle.out_length)
        stored = move(stored, value, slot_at(actual, n), limits[n:], rules, ask, room, out[n:])
    return stored, actual.shape[0], -1, 0, -1


def scenes_at(scenes: KnownScenes, n: int) -> Scenes:
    """Return the scenarios of one slot's plan."""
    return Scenes(
        scenes.load_kwh[n],
        scenes.pv_kwh[n],
        scenes.import_price[n],
        scenes.export_price[n],
        scenes.weights[n],
    )


def write_known(known: Known, n: int, series: F64) -> None:
    """Write what was known at a slot as (A, 4) rows."""
    for t in range(series.shape[0]):
        series[t, 0] = known.load_kwh[n, t]
        series[t, 1] = known.pv_kwh[n, t]
        series[t, 2] = known.import_price[n, t]
        series[t, 3] = known.export_price[n, t]


def end_curve(limits: F64, rules: Rules, ask: Ask, room: Room) -> tuple[F64, F64]:
    """Return (slopes, lengths) of the curve behind the last slot of a plan."""
    slots, known = ask.horizon_slots, room.series
    soc, price = follow_on_pieces(
        known[slots:], limits[slots : known.shape[0]], rules, ask.empty_kwh, ask.usable_kwh
    )
    # One kWh further than full, so that there too the next kWh has a worth.
    length, price = pieces_below(soc, price, ask.empty_kwh + ask.usable_kwh + 1.0)
    return -price, length


def value_at_end(limits: F64, rules: Rules, ask: Ask, room: Room) -> tuple[Value, int, int]:
    """Plan from ``room.series``; return the value at the first slot's end (L1).

    Returns:
        The value; the plan's first bad slot, or -1; its defect.
    """
    slope, length = end_curve(limits, rules, ask, room)
    slots = ask.horizon_slots
    series, limits = room.series[:slots], limits[:slots]
    curve, bad, defect = value_after_first(series, limits, rules, slope, length, room.work)
    return Value(curve, room.work.slope, room.work.length), bad, defect


def move(
    stored_kwh: float,
    value: Value,
    slot: Slot,
    limits: F64,
    rules: Rules,
    ask: Ask,
    room: Room,
    out: F64,
) -> float:
    """Carry out a slot by the value at its end (L2, L3); return the energy stored there.

    Args:
        stored_kwh: at the slot's start.
        value: at its end.
        slot: what happened.
        limits: (A or more, 9) from this slot on.
        rules: of the site.
        ask: how to plan and to move.
        room: with what was known.
        out: (1 or more, 10) whose first row is written.
    """
    here, told, last = limits_at(limits, 0), slot_at(room.series, 0), out.shape[1] - 1
    advice = advise(stored_kwh, value, limits, rules, ask, room)
    met = Slot(slot.load_kwh, slot.pv_kwh, told.import_price, told.export_price)
    wish = dispatch_wish(ask.dispatch, stored_kwh, advice, value, met, here, rules, room.scratch)
    stored = run_slot(stored_kwh, wish, slot, here, rules, out, 0)
    below, above = slopes_at(value.curve, value.slope, value.length, stored)
    out[0, last] = -0.5 * (below + above)
    return stored


def advise(
    stored_kwh: float, value: Value, limits: F64, rules: Rules, ask: Ask, room: Room
) -> Advice:
    """Return what the plan expects and wants in the first slot of ``room.series``.

    Where its window ends is read off the plan of the forecast itself, on scenarios too.
    """
    slots = ask.horizon_slots
    slot, here, target = slot_at(room.series, 0), limits_at(limits, 0), 0.0
    # Of equally cheap moves a plan takes the one nearest to rest.
    planned = value_wish(stored_kwh, 0.0, value, slot, here, rules, room.scratch)
    if ask.dispatch == WINDOWS:
        target = slot_step(stored_kwh, planned, slot, here, rules)[0]
        kind = window_of(planned, slot.load_kwh - slot.pv_kwh)
        if kind != 0 and slots > 1:
            slope, length = end_curve(limits, rules, ask, room)
            target = window_target(kind, target, limits[:slots], rules, slope, length, room)
    return Advice(slot.load_kwh, slot.pv_kwh, planned, target)


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
