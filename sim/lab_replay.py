"""The Lab's closed loop: what a home does slot by slot, with what was known at each, on what came.

Without wishes it is ``sim.replay`` with the storage engine, and HiGHS where that cannot plan a
slot. With an export target or blocks every slot is planned by HiGHS with what is left of them. At a
price peak the battery serves the load that comes and exports what is planned, in a block it moves
as planned, in every other slot by the value of its energy.
Units: kWh per 15-minute slot, currency per kWh.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from mpc import Horizon, Plan, Planner, Requests
from mpc.jit import compiled
from mpc.program import snapped
from mpc.rules import limits_at, slot_at
from sim.asof import Forecasts
from sim.dispatch import SETPOINT, VALUE
from sim.errors import RefusedError
from sim.facts import Facts
from sim.history import realised
from sim.known_horizon import known_horizon
from sim.lab_case import WhatIf
from sim.lab_inputs import LoopForecast, blocks_of
from sim.lab_peaks import Before, Peaks, find_peaks
from sim.lab_serve import plan_serving
from sim.planning import HomeModel
from sim.policies import carry_out, empty_rows
from sim.replay import Dispatch, Policy, Replay, replay
from sim.slots import COLUMNS, DISCHARGE, run_slot
from sim.window import ReplayWindow, replay_window
from telemetry.arrays import F64
from telemetry.slots import SLOT_MINUTES

__all__ = ["Loop", "follow_wishes", "make_loop", "replayed"]

_SLOT = timedelta(minutes=SLOT_MINUTES)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loop:
    """A stretch of a home's history, ready to be lived again.

    Attributes:
        model: the home.
        window: what happened, and the value of what is left at its end.
        forecasts: what was known at each slot.
    """

    model: HomeModel
    window: ReplayWindow
    forecasts: Forecasts


def make_loop(
    store: Facts,
    model: HomeModel,
    start: datetime,
    end: datetime,
    *,
    soc_start_kwh: float,
    forecast: LoopForecast,
    bridge_hours: float,
) -> Loop:
    """Read all that the closed loop from ``start`` to ``end`` needs.

    Raises:
        ReplayError: a slot of it, or of the 24 h after it, is not known.
        KnownInputsError, ForecastError: too little was known at some slot.
    """
    real = realised(store, model, start, end, bridge_hours=bridge_hours)
    return Loop(
        model=model,
        window=replay_window(model, real, soc_start_kwh=soc_start_kwh),
        forecasts=forecast(store, model, start, end),
    )


def replayed(loop: Loop) -> Replay:
    """Return the closed loop without wishes.

    Raises:
        ReplayError, ForecastError: it cannot be lived again.
    """
    try:
        return replay(loop.window, Policy.STORAGE, loop.forecasts, Dispatch.VALUE)
    except RefusedError:
        return replay(loop.window, Policy.PLAN, loop.forecasts, Dispatch.VALUE)


def follow_wishes(
    loop: Loop, case: WhatIf, before: Before, like: Replay
) -> tuple[Replay, Peaks | None]:
    """Return the closed loop with wishes, and where its target was exported; None without one.

    The peaks are found anew at every slot, for what is left of the target.

    Args:
        loop: the stretch of history, at most a day.
        case: with wishes.
        before: what a target comes on top of.
        like: a replay of the window, for what happened.

    Raises:
        ScenarioError: a block that the battery or the plan cannot hold.
        ReplayError, ForecastError: the window cannot be lived again.
    """
    window, rows, first = loop.window, empty_rows(len(loop.window)), None
    stored, more, done = window.soc_start_kwh, 0.0, np.zeros(window.horizon_slots, dtype=np.bool_)
    for n, horizon in enumerate(_horizons(loop)):
        start = snapped(stored, limits_at(window.limits, n))
        peaks = None
        if case.export_kwh is not None:
            left = replace(case, export_kwh=max(case.export_kwh - more, 0.0))
            later = before.later(n, start)
            peaks = find_peaks(window.site, horizon, later, left, thorough=n == 0)
            first = peaks if first is None else first
        plan = _planned(loop, horizon, start, case, peaks)
        if peaks is not None and peaks.slots[0]:
            stored = _export(window, plan, stored, rows, n)
            more += _sold(window, rows, n, float(peaks.grid_kwh[0])) - float(before.sold_kwh[n])
            done[n] = True
        else:
            code = VALUE if plan.requests is None or not plan.requests.block_at(0) else SETPOINT
            stored = carry_out(window, plan, code, stored, rows, n)
    columns = np.ascontiguousarray(rows.T)
    lived = replace(like, **dict(zip((*COLUMNS, "energy_value"), columns, strict=True)))
    return lived, None if first is None else replace(first, slots=done)


def _planned(
    loop: Loop, horizon: Horizon, start_kwh: float, case: WhatIf, peaks: Peaks | None
) -> Plan:
    """Plan one slot with what is left of the wishes."""
    manual = blocks_of(loop.model, horizon.start, len(horizon), case.blocks)
    site, target = loop.window.site, None if peaks is None else peaks.request
    asked = Requests(blocks=manual, export_target=target)
    if peaks is not None and target is not None:
        return plan_serving(peaks.economics.on(site), horizon, start_kwh, asked)
    return Planner(site).plan(horizon, start_kwh, requests=asked if manual else None)


def _export(window: ReplayWindow, plan: Plan, stored_kwh: float, rows: F64, n: int) -> float:
    """Export what is planned for a peak, on top of the net load that comes; return what is left."""
    slot = slot_at(window.actual, n)
    planned = float(plan.discharge_kwh[0]) - max(float(plan.load_kwh[0] - plan.pv_kwh[0]), 0.0)
    wish = -(max(planned, 0.0) + max(slot.load_kwh - slot.pv_kwh, 0.0))
    limits, kernel = limits_at(window.limits, n), compiled(run_slot)
    stored: float = kernel(stored_kwh, wish, slot, limits, window.rules, rows, n)
    rows[n, -1] = float(plan.energy_value[0])
    return stored


def _sold(window: ReplayWindow, rows: F64, n: int, most_kwh: float) -> float:
    """Return what the battery exported in a slot, as a target counts it."""
    load, pv = float(window.actual[n, 0]), float(window.actual[n, 1])
    return min(max(float(rows[n, DISCHARGE]) - max(load - pv, 0.0), 0.0), most_kwh)


def _horizons(loop: Loop) -> Iterator[Horizon]:
    """Yield what could be planned at every slot."""
    window, forecasts = loop.window, loop.forecasts
    found = forecasts.known(0, len(window))
    series = (found.load_kwh, found.pv_kwh, found.import_price, found.export_price)
    for n in range(len(window)):
        known = np.stack([values[n] for values in series], axis=1)
        start = window.realised.start + n * _SLOT
        yield known_horizon(start, known, window.horizon_slots, window.limits[n:], window.rules)
