"""What ``darkstar replay`` replays: the days, what happened on them, what was known, the start.

Days are local and included at both ends; the 24 h that follow them must be known too, because they
say what the energy left in the battery is worth. Units: kWh, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from mpc.site import as_limit
from runners.dates import refuse_reversed
from runners.errors import EX_DATAERR, EX_USAGE, ConfigError, Problem
from sim.asof import BaselineForecasts
from sim.errors import ReplayError
from sim.history import Realised, gap_free_stretches, realised
from sim.planning import HomeModel, zone_of
from sim.window import ReplayWindow, replay_window
from telemetry.channels import Quality
from telemetry.quality_table import DayClass
from telemetry.slots import local_day, zone_info

if TYPE_CHECKING:
    from telemetry.store import Store

__all__ = ["Days", "HeldFlat", "ReplayInputs", "StartEnergy"]
__all__ += ["battery_window", "read_inputs", "start_energy"]

_DAY = timedelta(days=1)
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
class StartEnergy:
    """Stored energy at the start, and where it is known from."""

    soc_kwh: float
    source: str


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
    """

    model: HomeModel
    days: Days
    start: StartEnergy
    window: ReplayWindow
    forecasts: BaselineForecasts
    held_flat: tuple[HeldFlat, ...]
    excluded: tuple[date, ...]


def read_inputs(
    store: Store, model: HomeModel, start: StartEnergy, first: date | None, last: date | None
) -> ReplayInputs:
    """Read all that a replay of local days needs.

    Args:
        store: where the facts are.
        model: the home.
        start: stored energy at the start.
        first: first local day; None: as the longest stretch without gaps begins.
        last: last local day, included; None: as that stretch ends.

    Raises:
        ConfigError: days in the wrong order, none without gaps, or no facts after them.
        SimError, ForecastError, PlanError, TelemetryError: facts that cannot be replayed.
    """
    days = _choose_days(store, model, first, last)
    begin, end = _bounds(model, days)
    happened = _realised(store, model, begin, end)
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
    )


def start_energy(
    model: HomeModel, soc_kwh: float | None = None, soc_percent: float | None = None
) -> StartEnergy:
    """Return the energy given, else half the capacity, or the edge of the window next to it.

    Raises:
        ConfigError: what was given lies outside the battery's window, where no oracle starts.
    """
    battery = model.site.battery
    low, high = battery_window(model)
    if soc_kwh is None and soc_percent is None:
        half = 0.5 * battery.capacity_kwh
        start = min(max(half, low), high)
        source = "half full" if start == half else "the edge of its window next to half full"
        return StartEnergy(soc_kwh=start, source=source)
    option, given = ("--soc-kwh", soc_kwh) if soc_kwh is not None else ("--soc-percent", None)
    start = battery.capacity_kwh * (soc_percent or 0.0) / 100.0 if given is None else given
    if not low <= start <= high:
        message = (
            f"{start:g} kWh lies outside the battery's window of {low:g} to {high:g} kWh; "
            "start inside it"
        )
        raise ConfigError(option, [Problem("", "", message)], exit_code=EX_USAGE)
    return StartEnergy(soc_kwh=start, source=option)


def battery_window(model: HomeModel) -> tuple[float, float]:
    """Return the least and the most stored energy that hold in every slot, kWh."""
    battery = model.site.battery
    low, high = as_limit(battery.min_soc_kwh), as_limit(battery.max_soc_kwh)
    return float(np.max(low)), float(np.min(high))


def _bounds(model: HomeModel, days: Days) -> tuple[datetime, datetime]:
    """Return [start, end) of local days, UTC."""
    zone = zone_of(model)
    return local_day(days.first, zone)[0], local_day(days.last, zone)[1]


def _choose_days(store: Store, model: HomeModel, first: date | None, last: date | None) -> Days:
    """Return the days that were given; where one was not, of the longest stretch without gaps.

    Raises:
        ConfigError: days in the wrong order, or no stretch fits.
    """
    if first is not None and last is not None:
        refuse_reversed(first, last)
        return Days(first=first, last=last)
    zone = zone_info(zone_of(model))
    found = []
    for stretch in gap_free_stretches(store, model, least_days=2):
        begin = stretch.start.astimezone(zone).date()
        # The 24 h that a window needs after it are more than a day where the clocks go forward.
        end = (stretch.end - _DAY).astimezone(zone).date() - _DAY
        begin, end = max(begin, first or begin), min(end, last or end)
        if begin <= end:
            found.append(Days(first=begin, last=end, chosen="the longest stretch without gaps"))
    if not found:
        given = [f"from {first}"] * (first is not None) + [f"to {last}"] * (last is not None)
        message = (
            f"no day {' '.join([*given, ''])}has load, PV and prices without gaps, 8 days of "
            "history before it and a day after it; import more, or give --start-date and --end-date"
        )
        raise ConfigError(model.home.home_id, [Problem("", "", message)], exit_code=EX_DATAERR)
    return max(found, key=lambda days: days.count)


def _realised(store: Store, model: HomeModel, start: datetime, end: datetime) -> Realised:
    """Return what happened in [start, end) and in the 24 h after it.

    Raises:
        ConfigError: the window is known, the hours after it are not.
        ReplayError: a slot of the window is not known.
    """
    try:
        return realised(store, model, start, end)
    except ReplayError:
        realised(store, model, start, end, after_hours=0)  # raises where the window has the gap
        last = end.astimezone(zone_info(zone_of(model))).date() - _DAY
        message = (
            f"the 24 h after {last} are not all known, and they say what is left in the battery "
            f"is worth; end with {last - _DAY} or earlier, or import them"
        )
        raise ConfigError("--end-date", [Problem("", "", message)], exit_code=EX_DATAERR) from None


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
