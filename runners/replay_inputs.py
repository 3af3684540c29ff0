"""What ``darkstar replay`` replays: the days, what happened on them, what was known, the start.

Days are local and included at both ends; the 24 h that follow them must be known too, because they
say what the energy left in the battery is worth. PV that is missing for a short while is bridged
where that is asked for. Units: kWh, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from runners.dates import refuse_reversed
from runners.errors import EX_DATAERR, EX_USAGE, ConfigError, Problem
from runners.plan import StartState
from sim.asof import BaselineForecasts
from sim.errors import ReplayError
from sim.history import Realised, gap_free_stretches, realised
from sim.planning import HomeModel, battery_window, half_full, zone_of
from sim.window import ReplayWindow, replay_window
from telemetry.channels import Quality
from telemetry.quality_table import DayClass
from telemetry.slots import local_day, zone_info

if TYPE_CHECKING:
    from telemetry.store import Store

__all__ = ["Days", "HeldFlat", "ReplayInputs"]
__all__ += ["read_inputs", "start_energy"]

_DAY = timedelta(days=1)
_EASY_BRIDGE_HOURS = 2.0
"""Gaps of PV that an error offers to bridge: an inverter falls asleep at dusk."""
_READ_AT_ONCE = timedelta(days=32)  # rows of the store take far more room than their arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Local days, both included, and how they were found ("" where both were given)."""

    first: date
    last: date
    chosen: str = ""

    @property
    def count(self) -> int:
        """How many they are."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFlat:
    """Share of the slots of a channel that were made from a longer interval, held flat over it."""

    channel: str
    hourly: float
    half_hourly: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplayInputs:
    """A stretch of a home's history, ready for every policy.

    Attributes:
        model: the home.
        days: the local days.
        start: stored energy at the start.
        window: what happened, and the common end value.
        forecasts: what was known at each slot.
        held_flat: channels with slots that were not measured by the quarter.
        excluded: days of the window with the verdict ``exclude``.
        judged: how many days of the window have a verdict.
        bridge_hours: how long PV could be missing to be read off its neighbours.
    """

    model: HomeModel
    days: Days
    start: StartState
    window: ReplayWindow
    forecasts: BaselineForecasts
    held_flat: tuple[HeldFlat, ...]
    excluded: tuple[date, ...]
    judged: int
    bridge_hours: float


def read_inputs(
    store: Store,
    model: HomeModel,
    start: StartState,
    first: date | None,
    last: date | None,
    *,
    bridge_hours: float = 0.0,
) -> ReplayInputs:
    """Read all that a replay of local days needs.

    Args:
        store: where the facts are.
        model: the home.
        start: stored energy at the start.
        first: first local day; None: as the longest stretch without gaps begins.
        last: last local day, included; None: as that stretch ends.
        bridge_hours: how long PV may be missing between two readings to be read off the line
            between them.

    Raises:
        ConfigError: days in the wrong order, with gaps, or without facts after them.
        SimError, ForecastError, PlanError, TelemetryError: facts that cannot be replayed.
    """
    days = _choose_days(store, model, first, last, bridge_hours)
    begin, end = _bounds(model, days)
    happened = _realised(store, model, days, bridge_hours)
    home_id = model.home.home_id
    verdicts = store.day_quality(home_id, days.first, days.last)
    return ReplayInputs(
        model=model,
        days=days,
        start=start,
        window=replay_window(model, happened, soc_start_kwh=start.soc_kwh),
        forecasts=BaselineForecasts(store, model, begin, end),
        held_flat=_held_flat(store, home_id, begin, end),
        excluded=tuple(v.local_date for v in verdicts if v.day_class is DayClass.EXCLUDE),
        judged=len({v.local_date for v in verdicts}),
        bridge_hours=bridge_hours,
    )


def start_energy(
    model: HomeModel, soc_kwh: float | None = None, soc_percent: float | None = None
) -> StartState:
    """Return the energy given, else half the capacity, or the edge of the window next to it.

    Raises:
        ConfigError: what was given lies outside the battery's window, where no oracle starts.
    """
    battery = model.site.battery
    low, high = battery_window(model)
    if soc_kwh is not None:
        option, start = "--soc-kwh", soc_kwh
    elif soc_percent is not None:
        option, start = "--soc-percent", battery.capacity_kwh * soc_percent / 100.0
    else:
        start, source = half_full(model)
        return StartState(soc_kwh=start, source=source)
    if not low <= start <= high:
        message = (
            f"{start:g} kWh lies outside the battery's window of {low:g} to {high:g} kWh; "
            "start inside it"
        )
        raise ConfigError(option, [Problem("", "", message)], exit_code=EX_USAGE)
    return StartState(soc_kwh=start, source=option)


def _bounds(model: HomeModel, days: Days) -> tuple[datetime, datetime]:
    """Return [start, end) of local days, UTC."""
    zone = zone_of(model)
    return local_day(days.first, zone)[0], local_day(days.last, zone)[1]


def _choose_days(
    store: Store, model: HomeModel, first: date | None, last: date | None, bridge_hours: float
) -> Days:
    """Return the days that were given; where one was not, of the longest stretch without gaps.

    Raises:
        ConfigError: days in the wrong order, or no stretch fits.
    """
    if first is not None and last is not None:
        refuse_reversed(first, last)
        return Days(first=first, last=last)
    days = _longest(store, model, first, last, bridge_hours)
    if days is None:
        given = [f"from {first}"] * (first is not None) + [f"to {last}"] * (last is not None)
        message = (
            f"no day {' '.join([*given, ''])}has load, PV and prices without gaps, 8 days of "
            "history before it and a day after it"
        )
        cures = _bridge_cure(store, model, first, last, bridge_hours)
        cures += ["import more", "give --start-date and --end-date"]
        raise _refusal(model.home.home_id, message, cures)
    return days


def _longest(
    store: Store, model: HomeModel, first: date | None, last: date | None, bridge_hours: float
) -> Days | None:
    """Return the longest run of days between two that can be replayed; None where there is none."""
    zone = zone_info(zone_of(model))
    found = []
    for stretch in gap_free_stretches(store, model, least_days=2, bridge_hours=bridge_hours):
        begin = stretch.start.astimezone(zone).date()
        # The 24 h that a window needs after it are more than a day where the clocks go forward.
        end = (stretch.end - _DAY).astimezone(zone).date() - _DAY
        begin, end = max(begin, first or begin), min(end, last or end)
        if begin <= end:
            found.append(Days(first=begin, last=end, chosen="the longest stretch without gaps"))
    return max(found, key=lambda days: days.count, default=None)


def _bridge_cure(
    store: Store, model: HomeModel, first: date | None, last: date | None, bridge_hours: float
) -> list[str]:
    """Return the option that bridges short gaps of PV, where it makes more days replayable."""
    if bridge_hours >= _EASY_BRIDGE_HOURS:
        return []
    now = _longest(store, model, first, last, bridge_hours)
    then = _longest(store, model, first, last, _EASY_BRIDGE_HOURS)
    if then is None or (now is not None and now.count >= then.count):
        return []
    whole = (then.first, then.last) == (first, last)
    days = "" if whole else f" with --start-date {then.first} --end-date {then.last}"
    return [f"bridge PV missing for at most 2 h: --bridge-hours 2{days}"]


def _refusal(source: str, message: str, cures: list[str]) -> ConfigError:
    """Return the error of days that cannot be replayed."""
    text = f"{message}; {', or '.join(cures)}"
    return ConfigError(source, [Problem("", "", text)], exit_code=EX_DATAERR)


def _realised(store: Store, model: HomeModel, days: Days, bridge_hours: float) -> Realised:
    """Return what happened on the days and in the 24 h after them.

    Raises:
        ConfigError: a slot of the days, or of the hours after them, is not known.
    """
    begin, end = _bounds(model, days)
    try:
        return realised(store, model, begin, end, bridge_hours=bridge_hours)
    except ReplayError as err:
        fault = err
    try:
        realised(store, model, begin, end, after_hours=0, bridge_hours=bridge_hours)
    except ReplayError as err:
        raise _with_gaps(store, model, days, bridge_hours, err) from None
    message = (
        f"the 24 h after {days.last} are not all known ({fault.what}), and they say what is left "
        "in the battery is worth"
    )
    cures = _bridge_cure(store, model, days.first, days.last, bridge_hours)
    cures.append(f"end with {days.last - _DAY} or earlier, or import them")
    raise _refusal("--end-date", message, cures)


def _with_gaps(
    store: Store, model: HomeModel, days: Days, bridge_hours: float, fault: ReplayError
) -> ConfigError:
    """Return the error of days with gaps: the first gap, and which days can be replayed."""
    cures = _bridge_cure(store, model, days.first, days.last, bridge_hours)
    part = _longest(store, model, days.first, days.last, bridge_hours)
    if part is not None:
        cures.append(f"replay --start-date {part.first} --end-date {part.last}")
    reach = store.coverage(model.home.home_id, "load_kwh")
    if reach is not None:
        zone = zone_info(zone_of(model))
        first, last = (edge.astimezone(zone).date() for edge in (reach.first, reach.last))
        cures.append(f"choose other days (load is known from {first} to {last})")
    return _refusal(f"home {fault.home_id}", fault.what, [*cures, "import what is missing"])


def _held_flat(store: Store, home_id: str, start: datetime, end: datetime) -> tuple[HeldFlat, ...]:
    """Return which channels were not measured by the quarter."""
    channels = ("load_kwh", "pv_kwh")
    counts, first = np.zeros((2, len(channels))), start
    while first < end:
        until = min(first + _READ_AT_ONCE, end)
        quality = store.observations(home_id, channels, first, until).quality
        longer = (quality & Quality.RESAMPLED) != 0
        hours = longer & ((quality & Quality.HOURLY) != 0)
        counts += np.stack([hours.sum(axis=1), (longer & ~hours).sum(axis=1)])
        first = until
    shares = counts / ((end - start) / timedelta(minutes=15))
    return tuple(
        HeldFlat(channel=name, hourly=hourly, half_hourly=half)
        for name, (hourly, half) in zip(channels, shares.T.tolist(), strict=True)
        if hourly or half
    )
