"""The Lab's closed loop: what a home does slot by slot, with what was known at each, on what came.

Without wishes it is ``sim.replay`` with the storage engine, and HiGHS where that cannot plan a
slot. With an export target or blocks every slot is planned by HiGHS with what is left of them.
Where the plan sells, the battery serves the load that comes and exports what is planned; in a block
it moves as planned, in every other slot by the value of its energy.
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
from sim.lab_limits import FORECAST, FORECAST_REASON
from sim.lab_target import REACHED_KWH, Aim, Found, plan_target
from sim.planning import HomeModel
from sim.policies import carry_out, empty_rows
from sim.replay import Dispatch, Policy, Replay, replay
from sim.slots import COLUMNS, DISCHARGE, run_slot
from sim.window import ReplayWindow, replay_window
from telemetry.arrays import F64
from telemetry.slots import SLOT_MINUTES

__all__ = ["Loop", "follow_wishes", "make_loop", "replayed"]

_SLOT = timedelta(minutes=SLOT_MINUTES)
_TINY_KWH = 1e-6


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
    loop: Loop, case: WhatIf, aim: Aim | None, like: Replay
) -> tuple[Replay, Found | None]:
    """Return the closed loop with wishes, and how its target was planned; None without one.

    Every slot is planned for what is left of the target after what was truly sold.

    Args:
        loop: the stretch of history, at most a day.
        case: with wishes.
        aim: what is to be sold, of the whole day; None without a target.
        like: a replay of the window, for what happened.

    Raises:
        ScenarioError: a block that the battery or the plan cannot hold.
        ReplayError, ForecastError: the window cannot be lived again.
    """
    window, rows = loop.window, empty_rows(len(loop.window))
    stored, sold = window.soc_start_kwh, 0.0
    site, first = window.site, None
    for n, horizon in enumerate(_horizons(loop)):
        start = snapped(stored, limits_at(window.limits, n))
        blocks = blocks_of(loop.model, horizon.start, len(horizon), case.blocks)
        later = None if aim is None else aim.later(n, sold, blocks)
        found = None if later is None else plan_target(site, horizon, start, later)
        plan = None if found is None else found.plan
        if plan is None:
            wishes = Requests(blocks=blocks) if blocks else None
            plan = Planner(site).plan(horizon, start, requests=wishes)
        first = first or (found and (found, horizon, start))
        stored = _done(window, plan, stored, rows, n)
        sold += _sold(window, rows, n)
    columns = np.ascontiguousarray(rows.T)
    lived = replace(like, **dict(zip((*COLUMNS, "energy_value"), columns, strict=True)))
    if aim is None or first is None:
        return lived, None
    missing = aim.energy_kwh - sold
    return lived, _explained(loop, case, aim, first, reached=missing <= REACHED_KWH)


def _explained(
    loop: Loop, case: WhatIf, aim: Aim, first: tuple[Found, Horizon, float], *, reached: bool
) -> Found:
    """Return how a target was planned, with what kept the loop from it where something did."""
    found, horizon, start = first
    economics = found.economics
    if reached:
        return Found(None, economics)
    blocks = blocks_of(loop.model, horizon.start, len(horizon), case.blocks)
    asked = replace(aim, blocks=blocks)
    seen = plan_target(loop.window.site, horizon, start, asked)
    if seen.limit:
        return Found(None, economics, seen.limit, seen.reason)
    return Found(None, economics, FORECAST, FORECAST_REASON)


def _done(window: ReplayWindow, plan: Plan, stored_kwh: float, rows: F64, n: int) -> float:
    """Carry out a slot and return what is stored at its end.

    A sale of the target, on top of the net load that comes, and as much as the grid connection
    takes then; a block as planned; every other slot by the value of its energy.
    """
    asked = plan.requests
    if asked is not None and asked.block_at(0) is not None:
        return carry_out(window, plan, SETPOINT, stored_kwh, rows, n)
    planned = float(plan.discharge_kwh[0]) - max(float(plan.load_kwh[0] - plan.pv_kwh[0]), 0.0)
    counted = asked is not None and asked.export_target is not None
    if not counted or planned <= _TINY_KWH:
        return carry_out(window, plan, VALUE, stored_kwh, rows, n)
    slot, limits = slot_at(window.actual, n), limits_at(window.limits, n)
    net = slot.load_kwh - slot.pv_kwh
    room = max(limits.export_max - max(-net, 0.0), 0.0)
    wish, kernel = -(min(planned, room) + max(net, 0.0)), compiled(run_slot)
    stored: float = kernel(stored_kwh, wish, slot, limits, window.rules, rows, n)
    rows[n, -1] = float(plan.energy_value[0])
    return stored


def _sold(window: ReplayWindow, rows: F64, n: int) -> float:
    """Return what the battery sold in a slot, by the load and PV that came (LT1)."""
    net = float(window.actual[n, 0]) - float(window.actual[n, 1])
    room = max(float(limits_at(window.limits, n).export_max) - max(-net, 0.0), 0.0)
    return min(max(float(rows[n, DISCHARGE]) - max(net, 0.0), 0.0), room)


def _horizons(loop: Loop) -> Iterator[Horizon]:
    """Yield what could be planned at every slot."""
    window, forecasts = loop.window, loop.forecasts
    found = forecasts.known(0, len(window))
    series = (found.load_kwh, found.pv_kwh, found.import_price, found.export_price)
    for n in range(len(window)):
        known = np.stack([values[n] for values in series], axis=1)
        start = window.realised.start + n * _SLOT
        yield known_horizon(start, known, window.horizon_slots, window.limits[n:], window.rules)
