"""The Lab: what a home would have paid, or would pay, if something were different.

    lab = Lab(store, home, site, tariff)
    lab.baseline(day)                                     # the plan of that day's local midnight
    lab.run(day, WhatIf(export_kwh=4.0))                  # 4 kWh more from the battery
    lab.run(day, WhatIf(battery_kwh=20.0), View.REPLAY)
    lab.under(WhatIf(tariff=other)).run(day, WhatIf(export_kwh=4.0))

A baseline is the plan that ``darkstar plan --at`` gives for local 00:00, cold, from what was known
then (``View.KNOWN``); a plan on what then happened (``HINDSIGHT``); or the closed loop of the day
(``REPLAY``). A what-if is planned the same way with its changes, by HiGHS where it has wishes, from
the same stored energy, and settled with true prices and wear. Facts go in and results come out: the
Lab reads through ``sim.facts.Facts``, which has no method that writes, and opens no file. Units:
kWh, the home's currency, UTC.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import final

from mpc import Site, Tariff
from sim.asof import BaselineForecasts
from sim.errors import ScenarioError
from sim.facts import Facts
from sim.lab_case import Relaxed, TimedBlock, WhatIf
from sim.lab_economics import Economics, refuse_bounds
from sim.lab_inputs import DayInputs, Forecast, LabDays, LoopForecast, by_baseline, lab_days
from sim.lab_limits import ECONOMICS
from sim.lab_money import Course, Money
from sim.lab_options import LabOptions
from sim.lab_plan import (
    GIVEN,
    Lived,
    Planned,
    World,
    foreseen,
    live,
    live_case,
    plan_case,
    plan_day,
    read_day,
)
from sim.lab_result import LabResult, Outcome, View
from sim.lab_target import Target
from sim.planning import HomeModel
from telemetry.home import Home

__all__ = [
    "Course",
    "Economics",
    "Lab",
    "LabOptions",
    "LabResult",
    "Money",
    "Outcome",
    "Relaxed",
    "Target",
    "TimedBlock",
    "View",
    "WhatIf",
]


@dataclass(frozen=True, slots=True)
class _Key:
    """What a baseline depends on beside the Lab."""

    days: LabDays
    view: View
    soc_kwh: float | None
    soc_source: str = GIVEN


@final
class Lab:
    """What-ifs of one home; keeps what it has read and the baselines it has made."""

    def __init__(
        self,
        store: Facts,
        home: Home,
        site: Site,
        tariff: Tariff,
        options: LabOptions | None = None,
    ) -> None:
        """Keep what every plan needs; nothing is read yet.

        Args:
            store: the facts, only to be read: one opened with ``read_only=True`` will do.
            home: the house.
            site: battery, grid and options.
            tariff: what is paid on top of spot.
            options: all else; None: each its default.
        """
        given = LabOptions() if options is None else options
        model = given.model(home, site, tariff)
        self._world = World(facts=store, model=model, recorded=model, options=given)
        self._read: dict[tuple[LabDays, View, WhatIf], DayInputs] = {}
        self._planned: dict[_Key, Planned] = {}
        self._lived: dict[_Key, Lived] = {}
        self._results: dict[tuple[_Key, WhatIf], LabResult] = {}

    @classmethod
    def of(
        cls,
        store: Facts,
        model: HomeModel,
        *,
        forecast: Forecast = by_baseline,
        loop_forecast: LoopForecast = BaselineForecasts,
        max_age_hours: float = 24.0,
        bridge_hours: float = 0.0,
    ) -> "Lab":
        """Return the Lab of a home as the planner knows it; arguments as in ``LabOptions``."""
        options = LabOptions(
            price_area=model.price_area,
            price_currency=model.price_currency,
            exchange_rates=model.exchange_rates,
            pairing=model.pairing,
            horizon_hours=model.horizon_hours,
            load_days=model.load_days,
            pv_days=model.pv_days,
            forecast=forecast,
            loop_forecast=loop_forecast,
            max_age_hours=max_age_hours,
            bridge_hours=bridge_hours,
        )
        return cls(store, model.home, model.site, model.tariff, options)

    @property
    def model(self) -> HomeModel:
        """The home as the baselines have it."""
        return self._world.model

    def under(self, case: WhatIf) -> "Lab":
        """Return the Lab of the changed home: its baselines have the change, too.

        Args:
            case: without wishes: battery, tariff, prices, load, PV.

        Raises:
            ScenarioError: for wishes, or a battery that cannot be.
        """
        if case.has_wishes:
            raise ScenarioError("under", str(case), "a change of the home, without wishes")
        world = self._world.under(case)
        home = world.model
        lab = Lab(world.facts, home.home, home.site, home.tariff, world.options)
        lab._world = world  # as it was recorded: the home before any change
        return lab

    def baseline(
        self,
        day: date,
        *,
        replay: bool = False,
        hindsight: bool = False,
        soc_kwh: float | None = None,
    ) -> Outcome:
        """Return the real thing: the plan of a day's local 00:00, or the closed loop of the day.

        Args:
            day: the local day.
            replay: the closed loop instead.
            hindsight: a plan on what happened instead.
            soc_kwh: stored energy at the start; None: what was recorded.

        Raises:
            ScenarioError: both replay and hindsight.
            SimError, ForecastError, PlanError, TelemetryError: a day that cannot be planned or
                lived again.
        """
        if replay and hindsight:
            raise ScenarioError("replay and hindsight", "both asked for", "one of them")
        days = lab_days(self.model, day, day)
        if replay:
            return self._live(_Key(days, View.REPLAY, soc_kwh)).outcome
        view = View.HINDSIGHT if hindsight else View.KNOWN
        return self._plan(_Key(days, view, soc_kwh)).outcome

    def tonight(self, now: datetime) -> tuple[float, str]:
        """Return what is foreseen to be stored at the end of the local day, kWh, and why so.

        Args:
            now: planned from the newest recorded state of charge, as known in the slot of this.

        Raises:
            KnownInputsError: no state of charge was recorded in the hour before.
            SimError, ForecastError, PlanError, TelemetryError: a plan that cannot be made.
        """
        return foreseen(self._world, now)

    def run(
        self,
        day: date,
        case: WhatIf,
        view: View = View.KNOWN,
        *,
        soc_kwh: float | None = None,
        soc_source: str = GIVEN,
    ) -> LabResult:
        """Return a what-if of a day beside its baseline.

        Args:
            day: the local day.
            case: what is different.
            view: what the day is seen with.
            soc_kwh: stored energy at the start; None: what was recorded.
            soc_source: where ``soc_kwh`` is from, in words.

        Raises:
            ScenarioError: a change that cannot be.
            SimError, ForecastError, PlanError, TelemetryError: a day that cannot be planned or
                lived again.
        """
        days = lab_days(self.model, day, day)
        return self._result(_Key(days, view, soc_kwh, soc_source), case)

    def period(
        self, first: date, last: date, case: WhatIf, *, soc_kwh: float | None = None
    ) -> LabResult:
        """Return a what-if of local days, both included, in one closed loop.

        Args:
            first: local day.
            last: local day.
            case: what is different; with wishes for one day alone.
            soc_kwh: stored energy at the start; None: what was recorded.

        Raises:
            ScenarioError: a change that cannot be, or wishes of several days.
            SimError, ForecastError, PlanError, TelemetryError: days that cannot be lived again.
        """
        if first != last and case.has_wishes:
            want = "one day: a target and blocks are for a day"
            raise ScenarioError("days", f"{first} to {last}", want)
        days = lab_days(self.model, first, last)
        return self._result(_Key(days, View.REPLAY, soc_kwh), case)

    def _result(self, key: _Key, case: WhatIf) -> LabResult:
        """Return a what-if, computed once; relaxed only where the economics bind."""
        known = self._results.get((key, case))
        if known is not None:
            return known
        result = None
        if case.relaxed is not None:
            refuse_bounds(self.model.site, case.relaxed)
            plain = self._result(key, replace(case, relaxed=None))
            if plain.target is not None and plain.target.limit != ECONOMICS:
                result = replace(plain, case=case)
        self._results[key, case] = result or self._compute(key, case)
        return self._results[key, case]

    def _compute(self, key: _Key, case: WhatIf) -> LabResult:
        """Plan or live a what-if."""
        world = self._world.under(case)
        if key.view is View.REPLAY:
            return live_case(world, key.days, self._live(key), case)
        inputs = self._inputs(world, key.days, key.view, case.world)
        return plan_case(world, key.days, self._plan(key), case, inputs)

    def _inputs(self, world: World, days: LabDays, view: View, case: WhatIf) -> DayInputs:
        """Return what a day is planned on in a world, read once."""
        key = (days, view, case)
        if key not in self._read:
            self._read[key] = read_day(world, days, view)
        return self._read[key]

    def _plan(self, key: _Key) -> Planned:
        """Return a baseline, planned once."""
        if key not in self._planned:
            inputs = self._inputs(self._world, key.days, key.view, WhatIf())
            start = (key.soc_kwh, key.soc_source)
            self._planned[key] = plan_day(self._world, key.days, key.view, inputs, start)
        return self._planned[key]

    def _live(self, key: _Key) -> Lived:
        """Return a closed loop, lived once."""
        if key not in self._lived:
            self._lived[key] = live(self._world, key.days, (key.soc_kwh, key.soc_source))
        return self._lived[key]
