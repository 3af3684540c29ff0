"""What the Lab plans a day on: what was known at its local midnight, or all that happened.

Units: kWh per 15-minute slot at the AC bus, kWh stored, currency per kWh, UTC.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from mpc import Block, Horizon, Scenarios, TerminalCurve, terminal_curve
from sim.asof import Forecasts
from sim.errors import KnownInputsError, ScenarioError
from sim.facts import Facts
from sim.history import Realised, realised
from sim.lab_case import TimedBlock
from sim.planning import HomeModel, KnownInputs, battery_window, known_inputs, zone_of
from sim.window import horizon_slots
from telemetry.slots import SLOT_MINUTES, local_day, slot_range

__all__ = [
    "DayInputs",
    "Forecast",
    "LabDays",
    "LoopForecast",
    "blocks_of",
    "by_baseline",
    "hindsight_inputs",
    "known_day_inputs",
    "lab_days",
    "start_energy",
]

_SLOT = timedelta(minutes=SLOT_MINUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabDays:
    """Local days, both included: the first slot, UTC, and how many (92, 96 or 100 in a day)."""

    first: date
    last: date
    start: datetime
    slots: int

    @property
    def end(self) -> datetime:
        """Their end, UTC."""
        return self.start + self.slots * _SLOT


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayInputs:
    """What a day is planned on.

    Attributes:
        horizon: from its local midnight on.
        scenarios: how it may turn out; None: plans are made on the horizon alone.
        told: where the forecast comes from, in words.
    """

    horizon: Horizon
    scenarios: Scenarios | None
    told: str


class Forecast(Protocol):
    """What was known at a moment, and what was expected; as ``darkstar plan`` has it."""

    def __call__(
        self, store: Facts, model: HomeModel, at: datetime
    ) -> tuple[KnownInputs, Scenarios | None, str]:
        """Return the inputs, the scenarios if any, and where the forecast comes from."""


class LoopForecast(Protocol):
    """What was known and expected at every slot of a stretch of history; for the closed loop."""

    def __call__(self, store: Facts, model: HomeModel, start: datetime, end: datetime) -> Forecasts:
        """Return the forecasts of [start, end); their name says where they come from."""


def by_baseline(
    store: Facts, model: HomeModel, at: datetime
) -> tuple[KnownInputs, Scenarios | None, str]:
    """Return what the baseline expects.

    Raises:
        KnownInputsError, ForecastError: too little was known.
    """
    return known_inputs(store, model, at), None, "baseline"


def lab_days(model: HomeModel, first: date, last: date) -> LabDays:
    """Return local days of a home, both included.

    Raises:
        KnownInputsError: the home has no zone.
        ScenarioError: the last lies before the first.
    """
    if last < first:
        raise ScenarioError("last day", last, f"{first} or later")
    start, end = local_day(first, zone_of(model))[0], local_day(last, zone_of(model))[1]
    return LabDays(first=first, last=last, start=start, slots=slot_range(start, end).size)


def known_day_inputs(
    store: Facts, model: HomeModel, days: LabDays, forecast: Forecast
) -> DayInputs:
    """Return what was known at the local midnight of a day.

    Raises:
        KnownInputsError, ForecastError: too little was known.
        ScenarioError: the home's horizon is shorter than the day.
    """
    _refuse_short(model, days)
    inputs, scenarios, told = forecast(store, model, days.start)
    return DayInputs(horizon=inputs.horizon, scenarios=scenarios, told=told)


def hindsight_inputs(
    store: Facts, model: HomeModel, days: LabDays, *, bridge_hours: float
) -> DayInputs:
    """Return what happened from the local midnight of a day on, as if it had been known.

    Raises:
        ReplayError: load, PV or price of a slot of the horizon, or of the 24 h after it, is
            missing; it is named.
        ScenarioError: the home's horizon is shorter than the day.
    """
    _refuse_short(model, days)
    end = days.start + timedelta(hours=model.horizon_hours)
    real = realised(store, model, days.start, end, bridge_hours=bridge_hours)
    after = _horizon(real, slice(real.slots, None))
    horizon = _horizon(real, slice(0, real.slots), terminal_curve(model.site, after))
    return DayInputs(horizon=horizon, scenarios=None, told="hindsight: what happened")


def _horizon(real: Realised, part: slice, terminal: TerminalCurve | None = None) -> Horizon:
    """Return some realised slots as a horizon."""
    return Horizon(
        start=real.start + (part.start or 0) * _SLOT,
        slot_minutes=SLOT_MINUTES,
        import_price=real.import_price[part],
        export_price=real.export_price[part],
        load_kwh=real.load_kwh[part],
        pv_kwh=real.pv_kwh[part],
        terminal_value=terminal,
    )


def _refuse_short(model: HomeModel, days: LabDays) -> None:
    """Refuse a home whose plans do not reach the end of the day."""
    if horizon_slots(model) < days.slots:
        want = f"{-(-days.slots // 4)} or more: the Lab plans whole days"
        raise ScenarioError("horizon_hours", model.horizon_hours, want)


def start_energy(
    store: Facts, model: HomeModel, at: datetime, *, max_age_hours: float
) -> tuple[float, str]:
    """Return the newest recorded stored energy that is not too old, kWh, and where it is from.

    Raises:
        KnownInputsError: none was recorded.
    """
    home, capacity = model.home, model.site.battery.capacity_kwh
    if capacity == 0.0:
        return 0.0, "no battery"
    oldest = at - timedelta(hours=max_age_hours) - _SLOT
    found = store.latest(home.home_id, "soc_end", as_of=at, not_before=oldest)
    if found is None:
        what = f"no state of charge was recorded in the {max_age_hours:g} hours before {at}"
        raise KnownInputsError(home.home_id, what, "give the stored energy at the start")
    end = found.slot_start + _SLOT
    return found.value * capacity, f"recorded at {end:%Y-%m-%d %H:%M}Z ({found.provenance})"


def blocks_of(
    model: HomeModel, start: datetime, slots: int, blocks: tuple[TimedBlock, ...]
) -> tuple[Block, ...]:
    """Return manual blocks in the slots of a plan; what of them is over is left out.

    Args:
        model: whose battery they are for.
        start: of the plan's first slot.
        slots: T of the plan.
        blocks: by time.

    Raises:
        ScenarioError: a block that ends after the plan, or a target the battery cannot hold.
    """
    low, high = battery_window(model)
    found = []
    for block in blocks:
        first, stop = ((moment - start) // _SLOT for moment in (block.start, block.end))
        if stop > slots:
            want = f"an end by {start + slots * _SLOT:%Y-%m-%d %H:%M}Z, where the plan ends"
            raise ScenarioError("block", block, want)
        target = block.target_soc_kwh
        if target is None and block.kind != "hold":
            target = high if block.kind == "charge" else low
        if target is not None and not low <= target <= high:
            want = f"{low:g} to {high:g} kWh, the battery's window"
            raise ScenarioError("block.target_soc_kwh", target, want)
        if stop > 0:
            kind = block.kind
            found.append(Block(kind=kind, first=max(first, 0), stop=stop, target_soc_kwh=target))
    return tuple(found)
