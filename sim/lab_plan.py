"""A day of the Lab, planned or lived again: as the home is, and with a what-if.

Units: kWh, the home's currency, UTC.
"""

from dataclasses import dataclass

import numpy as np

from mpc import Plan, Planner, Requests
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
from sim.lab_peaks import Before, Peaks, find_peaks
from sim.lab_replay import Loop, follow_wishes, make_loop, replayed
from sim.lab_result import LabResult, Outcome, View
from sim.lab_serve import plan_serving
from sim.lab_target import target_of
from sim.lab_world import changed_facts, changed_model
from sim.planning import HomeModel
from sim.replay import Replay

__all__ = ["Lived", "Planned", "World", "live", "live_case", "plan_case", "plan_day", "read_day"]

_LOOP_MEANS = "targets and blocks of a closed loop are planned on the means of the forecast"
_MEANS = "the target is planned on the means of the forecast: it goes with no scenarios"


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
    """A baseline that was planned, and what on."""

    outcome: Outcome
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
    world: World, days: LabDays, view: View, inputs: DayInputs, soc_kwh: float | None
) -> Planned:
    """Return the plan of a day's local midnight, cold.

    Raises:
        SimError, PlanError: a start that nobody knows, or no plan.
    """
    soc, source = _start(world, days, soc_kwh)
    site = world.model.site
    plan = Planner(site).plan(inputs.horizon, soc, scenarios=inputs.scenarios)
    course = course_of_plan(plan, site, inputs.horizon)
    return Planned(outcome=_outcome(days, view, course, plan, (inputs.told, source)), inputs=inputs)


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
    peaks = None
    if case.export_kwh is not None:
        peaks = find_peaks(site, horizon, Before.of(outcome.course, days.slots, site), case)
    target = None if peaks is None else peaks.request
    asked = Requests(
        blocks=blocks_of(world.model, horizon.start, len(horizon), case.blocks),
        export_target=target,
    )
    soc = _held(world, outcome.course.soc_start_kwh)
    if peaks is not None and target is not None:
        plan = plan_serving(peaks.economics.on(site), horizon, soc, asked)
    else:
        wishes = asked if len(asked) else None
        plan = Planner(site).plan(horizon, soc, scenarios=inputs.scenarios, requests=wishes)
    course = course_of_plan(plan, site, horizon)
    other = _outcome(days, outcome.view, course, plan, (inputs.told, outcome.soc_source))
    note = _MEANS if inputs.scenarios is not None and target is not None else ""
    return _result(world, case, (outcome, other), peaks, note)


def live(world: World, days: LabDays, soc_kwh: float | None) -> Lived:
    """Return the closed loop of local days.

    Raises:
        SimError, ForecastError, TelemetryError: days that cannot be lived again.
    """
    soc, source = _start(world, days, soc_kwh)
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
    same, peaks = case.world == WhatIf(), None
    loop = base.loop if same else _loop(world, days, _held(world, outcome.course.soc_start_kwh))
    lived, note = base.replay if same else replayed(loop), ""
    if case.has_wishes:
        scenarios = loop.forecasts.known(0, 1).scenario_load_kwh is not None
        note = _LOOP_MEANS if scenarios else ""
        before = Before.of(outcome.course, days.slots, site)
        lived, peaks = follow_wishes(loop, case, before, lived)
    course = course_of_replay(lived, site)
    told = (loop.forecasts.name, outcome.soc_source)
    other = _outcome(days, View.REPLAY, course, None, told)
    return _result(world, case, (outcome, other), peaks, note)


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


def _start(world: World, days: LabDays, soc_kwh: float | None) -> tuple[float, str]:
    """Return the stored energy at the start, and where it is known from."""
    if soc_kwh is not None:
        return _held(world, soc_kwh), "given"
    hours = world.options.max_age_hours
    soc, source = start_energy(world.facts, world.recorded, days.start, max_age_hours=hours)
    return _held(world, soc), source


def _held(world: World, soc_kwh: float) -> float:
    """Return a stored energy as far as the battery can hold it: one that was made smaller."""
    most = np.max(np.asarray(world.model.site.battery.max_soc_kwh, dtype=np.float64))
    return min(soc_kwh, float(most)) if world.model is not world.recorded else soc_kwh


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
    world: World,
    case: WhatIf,
    outcomes: tuple[Outcome, Outcome],
    peaks: Peaks | None,
    note: str = "",
) -> LabResult:
    """Put a result together."""
    base, other = outcomes
    target = None if peaks is None else target_of(peaks, other.course, world.model.site, case)
    return LabResult(case=case, baseline=base, scenario=other, target=target, note=note)
