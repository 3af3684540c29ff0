"""Which local days of a window are simulated, and how full the battery is at its start.

Units: kWh, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from sim.facts import Facts
from sim.measured import measured
from sim.planning import HomeModel, half_full, read_spot, zone_of
from telemetry.arrays import I64, Bool
from telemetry.quality_table import DayClass
from telemetry.slots import SLOT_MINUTES, from_epoch, local_calendar, local_day, slot_range

__all__ = ["ChosenDay", "StartSoc", "choose_days", "start_soc"]

_DAY = timedelta(days=1)
_READ_AT_ONCE = timedelta(days=32)  # rows of the store take far more room than their arrays
_SLOT = timedelta(minutes=SLOT_MINUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenDay:
    """A local day of the window.

    Attributes:
        local_day: the day in the home's zone.
        quality_class: verdict on it; "" where nobody judged it.
        skipped: why it is not simulated, in words; "" where it is.
        complete: whether load, PV and price of every slot are known.
    """

    local_day: date
    quality_class: str
    skipped: str = ""
    complete: bool = True


def choose_days(
    store: Facts,
    model: HomeModel,
    first: date,
    end: date,
    *,
    classes: frozenset[DayClass],
    every_day: bool,
    judged: Mapping[date, DayClass],
    bridge_hours: float = 0.0,
) -> tuple[ChosenDay, ...]:
    """Return the local days of a window, those to be simulated and the others.

    Whether enough was known before a day to plan it, only the chain finds out.

    Args:
        store: where the facts are.
        model: the home.
        first: the first day.
        end: the day after the last.
        classes: verdicts that are simulated.
        every_day: simulate whatever the verdict is, where the facts are complete.
        judged: verdicts that the store does not have.
        bridge_hours: how long PV may be missing to be read off its neighbours.

    Raises:
        KnownInputsError: the home has no zone, or a price has no exchange rate.
        TelemetryError: the store cannot answer.
    """
    if end <= first:
        return ()
    found = store.day_quality(model.home.home_id, first, end - _DAY)
    verdicts = {verdict.local_date: verdict.day_class for verdict in found} | dict(judged)
    missing = _missing(store, model, first, end, bridge_hours)
    days = (first + k * _DAY for k in range((end - first).days))
    return tuple(
        _chosen(day, verdicts.get(day), None if every_day else classes, missing.get(day, ""))
        for day in days
    )


def _chosen(
    day: date, verdict: DayClass | None, classes: frozenset[DayClass] | None, missing: str
) -> ChosenDay:
    """Return one day; ``classes`` of ``None`` are all, and no verdict as well."""
    quality = "" if verdict is None else verdict.value
    skipped = f"{missing} is not known throughout" if missing else ""
    if classes is not None and verdict not in classes:
        skipped = "no verdict" if verdict is None else f"verdict {quality}"
    return ChosenDay(local_day=day, quality_class=quality, skipped=skipped, complete=not missing)


def _missing(
    store: Facts, model: HomeModel, first: date, end: date, bridge_hours: float
) -> dict[date, str]:
    """Return what is missing of each day that is not known throughout."""
    zone, found = zone_of(model), dict[date, str]()
    start, stop = local_day(first, zone)[0], local_day(end, zone)[0]
    while start < stop:
        until = min(start + _READ_AT_ONCE, stop)
        slots = slot_range(start, until)
        days = local_calendar(slots, zone).day
        for name, gone in _gaps(store, model, slots, bridge_hours):
            for day in np.unique(days[gone]).tolist():
                found.setdefault(date.fromordinal(day), name)
        start = until
    return found


def _gaps(
    store: Facts, model: HomeModel, slots: I64, bridge_hours: float
) -> list[tuple[str, Bool]]:
    """Return the (N,) slots of which load, PV or price is missing, each with its name."""
    start, end = from_epoch(int(slots[0])), from_epoch(int(slots[-1])) + _SLOT
    seen = measured(store, model, start, end, bridge_hours)
    return [
        ("load_kwh", np.isnan(seen.load_kwh)),
        ("pv_kwh", np.isnan(seen.pv_kwh)),
        ("price", np.isnan(read_spot(store, model, slots, None).values)),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSoc:
    """Stored energy at the start of a simulation, and where it is known from."""

    soc_kwh: float
    source: str


def start_soc(
    facts: Facts, model: HomeModel, first_day: date, given_kwh: float | None = None
) -> StartSoc:
    """Return the energy stored at the start of a local day.

    What was recorded for that moment counts, by the slot that ends there or the one that begins;
    else what is given, else half the capacity, or the edge of the battery's window next to it.

    Args:
        facts: where the facts are.
        model: the home.
        first_day: the day.
        given_kwh: what the user says.

    Raises:
        KnownInputsError: the home has no zone.
        TelemetryError: the store cannot answer.
    """
    capacity = model.site.battery.capacity_kwh
    start = local_day(first_day, zone_of(model))[0]
    seen = facts.observations(
        model.home.home_id, ["soc_start", "soc_end"], start - _SLOT, start + _SLOT
    )
    for ratio in (float(seen.of("soc_end")[0]), float(seen.of("soc_start")[1])):
        if not np.isnan(ratio):
            return StartSoc(soc_kwh=ratio * capacity, source="recorded")
    if given_kwh is not None:
        return StartSoc(soc_kwh=given_kwh, source="--start-soc")
    half, source = half_full(model)
    return StartSoc(soc_kwh=half, source=source)
