"""A day of the Lab, planned or lived again: as the home is, and with a what-if.

Units: kWh, the home's currency, UTC.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from mpc import Plan, Planner, Requests, Site
from sim.facts import Facts
from sim.lab_case import WhatIf
from sim.lab_inputs import (
    DayInputs,
    LabDays,
    blocks_of,
    hindsight_inputs,
    known_day_inputs,
    start_energy,
)
from sim.lab_money import Course, course_of_plan, course_of_replay
from sim.lab_options import LabOptions
from sim.lab_replay import Loop, follow_wishes, make_loop, replayed
from sim.lab_result import LabResult, Outcome, View
from sim.lab_target import Aim, Target, plan_target, target_of
from sim.lab_world import changed_facts, changed_model
from sim.planning import HomeModel, zone_of
from sim.replay import Replay
from telemetry.slots import (
    SLOT_SECONDS,
    from_epoch,
    local_day,
    slot_range,
    to_epoch,
    zone_info,
)

__all__ = [
    "GIVEN",
    "Lived",
    "Planned",
    "World",
    "foreseen",
    "live",
    "live_case",
    "plan_case",
    "plan_day",
    "read_day",
]

_LOOP_MEANS = "targets and blocks of a closed loop are planned on the means of the forecast"
_MEANS = "the target is planned on the means of the forecast: it goes with no scenarios"
GIVEN = "given"
"""Where a stored energy is from that a caller gave."""
_FRESH_HOURS = 1.0
"""So old a state of charge is at most that a plan of the present moment begins with."""
_RESTS = (
    "{rests:.2f} kWh stored at the start are more than the battery holds: they rest beside it, "
    "worth in the end what they would have been"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """A home and its facts.

    Attributes:
        facts: to be read.
        model: the home.
        recorded: the home whose state of charge was recorded: ``model`` where nothing is changed.
        options: how it is planned.
    """

    facts: Facts
    model: HomeModel
    recorded: HomeModel
    options: LabOptions

    def under(self, case: WhatIf) -> "World":
        """Return the world as a what-if has it; itself where the what-if leaves it.

        Raises:
            ScenarioError, SiteError: a battery that cannot be.
        """
        if case.world == WhatIf():
            return self
        return World(
            facts=changed_facts(self.facts, self.model, case),
            model=changed_model(self.model, case),
            recorded=self.recorded,
            options=self.options,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planned:
    """A baseline that was planned, of which house and what on."""

    outcome: Outcome
    site: Site
    inputs: DayInputs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lived:
    """A baseline that was lived again, and how."""

    outcome: Outcome
    loop: Loop
    replay: Replay


def read_day(world: World, days: LabDays, view: View) -> DayInputs:
    """Return what a day is planned on.

    Raises:
        SimError, ForecastError, TelemetryError: a day that cannot be planned.
    """
    if view is View.HINDSIGHT:
        hours = world.options.bridge_hours
        return hindsight_inputs(world.facts, world.model, days, bridge_hours=hours)
    return known_day_inputs(world.facts, world.model, days, world.options.forecast)


def plan_day(
    world: World,
    days: LabDays,
    view: View,
    inputs: DayInputs,
    start: tuple[float | None, str],
) -> Planned:
    """Return the plan of a day's local midnight, cold.

    Raises:
        SimError, PlanError: a start that nobody knows, or no plan.
    """
    soc, source = _start(world, days, start)
    site = world.model.site
    plan = Planner(site).plan(inputs.horizon, soc, scenarios=inputs.scenarios)
    course = course_of_plan(plan, site, inputs.horizon)
    outcome = _outcome(days, view, course, plan, (inputs.told, source))
    return Planned(outcome=outcome, site=site, inputs=inputs)


def plan_case(
    world: World, days: LabDays, base: Planned, case: WhatIf, inputs: DayInputs
) -> LabResult:
    """Return the plan of a what-if beside its baseline.

    Args:
        world: as the what-if has it.
        days: the day.
        base: its baseline.
        case: the what-if.
        inputs: of the day in ``world``.

    Raises:
        SimError, PlanError: a what-if that cannot be planned.
    """
    horizon, site, outcome = inputs.horizon, world.model.site, base.outcome
    blocks = blocks_of(world.model, horizon.start, len(horizon), case.blocks)
    soc = _held(world, outcome.course.soc_start_kwh)
    aim, found = None, None
    if case.export_kwh is not None:
        aim = Aim.of(outcome.course, days.slots, base.site, case, blocks)
        found = plan_target(site, horizon, soc, aim)
    plan = None if found is None else found.plan
    note = _MEANS if plan is not None and inputs.scenarios is not None else ""
    if plan is None:
        wishes = Requests(blocks=blocks) if blocks else None
        plan = Planner(site).plan(horizon, soc, scenarios=inputs.scenarios, requests=wishes)
    course = _rested(course_of_plan(plan, site, horizon), outcome.course)
    other = _outcome(days, outcome.view, course, plan, (inputs.told, outcome.soc_source))
    target = None
    if aim is not None and found is not None:
        target = target_of(found, outcome.course, course, (base.site, site), aim)
    return _result(case, outcome, other, target, note)


def foreseen(world: World, now: datetime) -> tuple[float, str]:
    """Return what is foreseen to be stored at the end of a local day, and why so.

    Raises:
        KnownInputsError: no state of charge was recorded in the hour before.
        SimError, ForecastError, PlanError, TelemetryError: a plan that cannot be made.
    """
    at = from_epoch(to_epoch(now) // SLOT_SECONDS * SLOT_SECONDS)
    hours, model = min(world.options.max_age_hours, _FRESH_HOURS), world.model
    soc, source = start_energy(world.facts, world.recorded, at, max_age_hours=hours)
    inputs, scenarios, _ = world.options.forecast(world.facts, model, at)
    plan = Planner(model.site).plan(inputs.horizon, _held(world, soc), scenarios=scenarios)
    today = at.astimezone(zone_info(zone_of(model))).date()
    slots = slot_range(at, local_day(today, zone_of(model))[1]).size
    told = f"as planned at {at:%Y-%m-%d %H:%M}Z for the end of that day, from what was {source}"
    return float(plan.soc_kwh[slots - 1]), told


def live(world: World, days: LabDays, start: tuple[float | None, str]) -> Lived:
    """Return the closed loop of local days.

    Raises:
        SimError, ForecastError, TelemetryError: days that cannot be lived again.
    """
    soc, source = _start(world, days, start)
    loop = _loop(world, days, soc)
    lived = replayed(loop)
    course = course_of_replay(lived, world.model.site)
    told = (loop.forecasts.name, source)
    return Lived(outcome=_outcome(days, View.REPLAY, course, None, told), loop=loop, replay=lived)


def live_case(world: World, days: LabDays, base: Lived, case: WhatIf) -> LabResult:
    """Return the closed loop of a what-if beside its baseline.

    Args:
        world: as the what-if has it.
        days: the days; one where the what-if has wishes.
        base: their baseline.
        case: the what-if.

    Raises:
        SimError, ForecastError, PlanError: a what-if that cannot be lived.
    """
    outcome, site = base.outcome, world.model.site
    same, target, note = case.world == WhatIf(), None, ""
    loop = base.loop if same else _loop(world, days, _held(world, outcome.course.soc_start_kwh))
    lived, found = base.replay if same else replayed(loop), None
    own = base.loop.model.site
    aim = None if case.export_kwh is None else Aim.of(outcome.course, days.slots, own, case, ())
    if case.has_wishes:
        scenarios = loop.forecasts.known(0, 1).scenario_load_kwh is not None
        note = _LOOP_MEANS if scenarios else ""
        lived, found = follow_wishes(loop, case, aim, lived)
    course = _rested(course_of_replay(lived, site), outcome.course)
    told = (loop.forecasts.name, outcome.soc_source)
    other = _outcome(days, View.REPLAY, course, None, told)
    if aim is not None and found is not None:
        target = target_of(found, outcome.course, course, (own, site), aim)
    return _result(case, outcome, other, target, note)


def _loop(world: World, days: LabDays, soc_kwh: float) -> Loop:
    """Read the closed loop of local days."""
    return make_loop(
        world.facts,
        world.model,
        days.start,
        days.end,
        soc_start_kwh=soc_kwh,
        forecast=world.options.loop_forecast,
        bridge_hours=world.options.bridge_hours,
    )


def _start(world: World, days: LabDays, start: tuple[float | None, str]) -> tuple[float, str]:
    """Return the stored energy at the start, and where it is known from."""
    soc_kwh, told = start
    if soc_kwh is not None:
        return _held(world, soc_kwh), told
    hours = world.options.max_age_hours
    soc, source = start_energy(world.facts, world.recorded, days.start, max_age_hours=hours)
    return _held(world, soc), source


def _held(world: World, soc_kwh: float) -> float:
    """Return a stored energy as far as the battery can hold it: one that was made smaller."""
    most = np.max(np.asarray(world.model.site.battery.max_soc_kwh, dtype=np.float64))
    return min(soc_kwh, float(most)) if world.model is not world.recorded else soc_kwh


def _rested(course: Course, base: Course) -> Course:
    """Return a what-if's course with what its baseline had stored and it cannot hold.

    As in ``darkstar report`` that is not lost: it rests, and is worth in the end what it would
    have been worth in the baseline's battery.
    """
    held, stored = course.soc_start_kwh, base.soc_start_kwh
    if held >= stored:
        return course
    worth = base.terminal.value(stored) - base.terminal.value(held)
    return replace(course, rests_kwh=stored - held, rests_worth=worth)


def _outcome(
    days: LabDays, view: View, course: Course, plan: Plan | None, told: tuple[str, str]
) -> Outcome:
    """Put an outcome together."""
    return Outcome(
        first=days.first,
        last=days.last,
        view=view,
        course=course,
        day_slots=days.slots,
        plan=plan,
        told=told[0],
        soc_source=told[1],
    )


def _result(
    case: WhatIf, base: Outcome, other: Outcome, target: Target | None, note: str
) -> LabResult:
    """Put a result together."""
    rests = other.course.rests_kwh
    notes = [note] if note else []
    if rests > 0.0:
        notes.append(_RESTS.format(rests=rests))
    return LabResult(case=case, baseline=base, scenario=other, target=target, note=". ".join(notes))
