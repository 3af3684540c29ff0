"""Every policy as a run over a window: rows of ``sim.slots`` and the energy value beside them.

A run returns (N, 10): the columns of ``sim.slots.COLUMNS``, then what one kWh more stored was taken
to be worth at the slot's end (mean of both sides, NaN for a policy without values).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np

from mpc import Horizon, Plan, Planner, Requests, TerminalCurve
from mpc.arrays import F64
from mpc.errors import EngineError
from mpc.jit import compiled
from mpc.pieces import MOST_PIECES, Pieces, slot_pieces
from mpc.problem import make_problem
from mpc.program import snapped
from mpc.rules import Slot, limits_at, slot_at
from mpc.storage import refuse_defect
from sim.asof import Forecasts, refuse_other_start
from sim.command import plan_command, wish_of
from sim.errors import RefusedError, ReplayError
from sim.known_horizon import end_curve, known_horizon
from sim.known_scenes import known_scenes, scenarios_at, told_in_scenario
from sim.loop import (
    Ask,
    Known,
    KnownScenes,
    Stop,
    make_room,
    make_scene_room,
    run_loop,
    run_scenario_loop,
)
from sim.manual import in_force, requests_for
from sim.slots import COLUMNS, SOC, run_policy, run_slot
from sim.window import ReplayWindow
from telemetry.manual_table import ManualBlock
from telemetry.slots import SLOT_MINUTES

__all__ = [
    "carry_out",
    "empty_rows",
    "highs_plans",
    "last_curve",
    "refuse_first_slots",
    "refuse_start_outside",
    "run_highs",
    "run_storage",
    "run_without_plan",
    "storage_plans",
]

_CHUNK_SLOTS = 96
"""How many slots are asked of the forecasts at once: four arrays of (96, A)."""
_SLOT = timedelta(minutes=SLOT_MINUTES)


def empty_rows(slots: int) -> F64:
    """Return (N, 10) rows of NaN."""
    return np.full((slots, len(COLUMNS) + 1), np.nan)


def run_without_plan(window: ReplayWindow, code: int) -> F64:
    """Return the rows of a battery that rests or serves itself, by a code of ``sim.dispatch``."""
    rows = empty_rows(len(window))
    compiled(run_policy)(
        code, window.soc_start_kwh, window.actual, window.limits, window.rules, rows
    )
    return rows


def run_storage(window: ReplayWindow, forecasts: Forecasts, code: int) -> F64:
    """Return the rows of the closed loop with the storage engine (``sim.loop``).

    Raises:
        ReplayError: where the start lies outside the battery's window, a slot's cost is not
            convex, or the forecasts do not fit.
    """
    refuse_start_outside(window, "storage")
    rows, stored = empty_rows(len(window)), window.soc_start_kwh
    ask = _ask(window, code)
    room = make_room(window.slots_ahead, window.horizon_slots)
    for first in range(0, len(window), _CHUNK_SLOTS):
        part = slice(first, min(first + _CHUNK_SLOTS, len(window)))
        known, scenes = _known(window, forecasts, part)
        inputs = (window.actual[part], window.limits[first:], window.rules, ask)
        if scenes is None:
            stop = Stop(*compiled(run_loop)(stored, known, *inputs, room, rows[part]))
        else:
            both = make_scene_room(scenes.weights.shape[1], room)
            loop = compiled(run_scenario_loop)
            stop = Stop(*loop(stored, scenes, *inputs, both, rows[part]))
        if stop.defect != 0:
            told = told_in_scenario(scenes, stop.scenario) if scenes is not None else known
            raise _refused(window, first + stop.slots, stop, told)
        stored = stop.stored_kwh
    return rows


def run_highs(
    window: ReplayWindow, forecasts: Forecasts, code: int, manual: Sequence[ManualBlock] = ()
) -> F64:
    """Return the rows of the closed loop with HiGHS: one LP after the other.

    The first plan of the window and of each local day is cold, the others start from the one
    before: from the same stored energy a whole day is planned alike in every window. A state that
    misses a bound by rounding is planned from the bound: outside it every plan would be a search.

    Args:
        window: the stretch of history.
        forecasts: what was known at each slot.
        code: of ``sim.dispatch``; the slots of manual blocks go as planned.
        manual: blocks; each plan heeds those that were in force at its slot.

    Raises:
        ReplayError: where the forecasts do not fit.
    """
    rows = empty_rows(len(window))
    for _ in highs_plans(window, forecasts, code, rows, manual):
        pass
    return rows


def highs_plans(
    window: ReplayWindow,
    forecasts: Forecasts,
    code: int,
    rows: F64,
    manual: Sequence[ManualBlock] = (),
) -> Iterator[Plan]:
    """Yield the plan of every slot of ``run_highs``, its row of (N, 10) ``rows`` written.

    Raises:
        ReplayError: as there.
    """
    planner, plan, stored = Planner(window.site), None, window.soc_start_kwh
    for first in range(0, len(window), _CHUNK_SLOTS):
        part = slice(first, min(first + _CHUNK_SLOTS, len(window)))
        known, scenes = _known(window, forecasts, part)
        for n in range(part.start, part.stop):
            if n > 0 and window.local_day[n] != window.local_day[n - 1]:
                plan = None
            horizon = _horizon(window, known, n - first, n)
            start = snapped(stored, limits_at(window.limits, n))
            asked = in_force(manual, horizon.start, horizon.end)
            requests = requests_for(asked, horizon, window.site)
            plan = _planned(planner, horizon, start, plan, scenes, n - first, requests)
            stored = carry_out(window, plan, code, stored, rows, n)
            yield plan


def storage_plans(window: ReplayWindow, forecasts: Forecasts, rows: F64) -> Iterator[Plan]:
    """Yield the storage engine's plan at every slot of ``run_storage``, from the state there.

    The loop itself needs no more of a plan than the value at its first slot's end.

    Args:
        window: the stretch of history.
        forecasts: what was known at each slot.
        rows: (N, 10) of ``run_storage``.

    Raises:
        ReplayError: where the forecasts do not fit.
        EngineError: for a plan whose first slot is not convex; see ``refuse_first_slots``.
    """
    planner = Planner(window.site, engine="storage")
    for first in range(0, len(window), _CHUNK_SLOTS):
        part = slice(first, min(first + _CHUNK_SLOTS, len(window)))
        known, scenes = _known(window, forecasts, part)
        for n in range(part.start, part.stop):
            stored = float(rows[n - 1, SOC]) if n > 0 else window.soc_start_kwh
            horizon = _horizon(window, known, n - first, n)
            start = snapped(stored, limits_at(window.limits, n))
            yield _planned(planner, horizon, start, None, scenes, n - first)


def _planned(
    planner: Planner,
    horizon: Horizon,
    start_kwh: float,
    previous: Plan | None,
    scenes: KnownScenes | None,
    row: int,
    requests: Requests | None = None,
) -> Plan:
    """Plan one slot of a window, on its scenarios where there are any."""
    if scenes is None:
        return planner.plan(horizon, start_kwh, previous, requests=requests)
    return planner.plan(
        horizon,
        start_kwh,
        previous,
        scenarios=scenarios_at(scenes, row, len(horizon)),
        recourse=scenes.recourse,
        requests=requests,
    )


def refuse_first_slots(window: ReplayWindow, forecasts: Forecasts) -> None:
    """Refuse a window where some plan's first slot, as known at its start, is not convex.

    ``run_storage`` does not look at it: what happens there is the dispatch's matter.

    Raises:
        RefusedError: the first such slot is named.
        ReplayError: where the forecasts do not fit.
    """
    pieces, scratch = compiled(slot_pieces), (np.empty(MOST_PIECES), np.empty(MOST_PIECES))
    for first in range(0, len(window), _CHUNK_SLOTS):
        part = slice(first, min(first + _CHUNK_SLOTS, len(window)))
        known, _ = _known(window, forecasts, part)
        for n in range(part.start, part.stop):
            slot = Slot(*(float(values[n - first, 0]) for values in known))
            found = Pieces(*pieces(slot, limits_at(window.limits, n), window.rules, *scratch))
            if found.defect != 0:
                stop = Stop(float(window.limits[n, 0]), n, 0, found.defect, -1)
                raise _refused(window, n, stop, known)


def last_curve(window: ReplayWindow, forecasts: Forecasts) -> TerminalCurve:
    """Return what the last plan of a window takes the energy left at its end to be worth."""
    last = len(window) - 1
    known, _ = _known(window, forecasts, slice(last, last + 1))
    after = np.stack([values[0, window.horizon_slots :] for values in known], axis=1)
    first = last + window.horizon_slots
    return end_curve(after, window.limits[first : first + len(after)], window.rules)


def carry_out(
    window: ReplayWindow, plan: Plan, code: int, stored_kwh: float, rows: F64, n: int
) -> float:
    """Dispatch slot ``n`` by the first slot of a plan; return the energy stored at its end."""
    slot, limits, rules = slot_at(window.actual, n), limits_at(window.limits, n), window.rules
    command = plan_command(plan, code)
    wish = wish_of(command, stored_kwh, slot, limits, rules)
    stored: float = compiled(run_slot)(stored_kwh, wish, slot, limits, rules, rows, n)
    rows[n, -1] = command.value_at(stored)
    return stored


def _horizon(window: ReplayWindow, known: Known, row: int, n: int) -> Horizon:
    """Return what can be planned at slot ``n``, valued by the 24 h known after it."""
    series = np.stack([values[row] for values in known], axis=1)
    start = window.realised.start + n * _SLOT
    return known_horizon(start, series, window.horizon_slots, window.limits[n:], window.rules)


def _ask(window: ReplayWindow, code: int) -> Ask:
    """Return how the plans of a window are made."""
    empty, full = float(window.limits[:, 0].min()), float(window.limits[:, 1].max())
    return Ask(window.horizon_slots, code, empty, full - empty)


def _known(
    window: ReplayWindow, forecasts: Forecasts, part: slice
) -> tuple[Known, KnownScenes | None]:
    """Return what was known at some slots, as kernels read it, and the scenarios if any.

    Raises:
        ReplayError: where the forecasts begin elsewhere, have another shape, or gaps.
    """
    refuse_other_start(forecasts, window.realised)
    found = forecasts.known(part.start, part.stop - part.start)
    series = (found.load_kwh, found.pv_kwh, found.import_price, found.export_price)
    shape = (part.stop - part.start, window.slots_ahead)
    for values in series:
        if values.shape != shape:
            raise ReplayError(
                window.realised.home_id,
                f"forecasts {forecasts.name!r} gave an array of {values.shape}, want {shape}",
                "the plan's slots and the 24 h after them, for every slot asked for",
            )
        if not np.isfinite(values).all():
            row = int(np.isfinite(values).all(axis=1).argmin())
            raise ReplayError(
                window.realised.home_id,
                f"forecasts {forecasts.name!r} have a gap at {window.utc(part.start + row)}",
                "give a finite number for every slot",
            )
    known = Known(*(np.ascontiguousarray(values, dtype=np.float64) for values in series))
    home_id = window.realised.home_id
    return known, known_scenes(found, known, home_id=home_id, name=forecasts.name)


def refuse_start_outside(window: ReplayWindow, policy: str) -> None:
    """Refuse a start outside the battery's window: only HiGHS plans the way back into it."""
    problem = window.problem
    if problem.start_side == 0:
        return
    low, high = float(problem.wanted_min[0]), float(problem.wanted_max[0])
    raise RefusedError(
        window.realised.home_id,
        f"policy {policy} cannot start with {window.soc_start_kwh:g} kWh stored, outside the "
        f"battery's window of {low:g} to {high:g} kWh",
        "start inside it, or replay policy plan",
    )


def _refused(window: ReplayWindow, n: int, stop: Stop, known: Known) -> RefusedError:
    """Return the error of a plan that the storage engine cannot make."""
    row = n % _CHUNK_SLOTS
    problem = make_problem(window.site, _horizon(window, known, row, n), stop.stored_kwh)
    reason = "it is not convex"
    try:
        refuse_defect(problem, stop.plan_slot, stop.defect)
    except EngineError as err:
        reason = str(err)
        if stop.scenario >= 0:
            reason = f"scenario {stop.scenario}: {reason}"
    return RefusedError(
        window.realised.home_id,
        f"the storage engine cannot plan at {window.utc(n)}: {reason}",
        "replay policy plan, which can",
    )
