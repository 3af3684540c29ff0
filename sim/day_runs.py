"""Runs of whole local days that a closed loop can go through, and why the other days cannot.

    days = plannable(store, model, choose_days(...))
    for run in day_runs(days, zone): ...               # every slot known, from midnight to midnight

A loop guesses nothing, so a day of which something is missing ends a run. Times in UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from forecast.errors import ForecastError
from sim.day_forecasts import reason_of
from sim.errors import KnownInputsError
from sim.facts import Facts
from sim.planning import AFTER, HomeModel, known_inputs, zone_of
from sim.simulation_days import ChosenDay
from telemetry.slots import local_day

__all__ = ["DayRun", "day_runs", "followed", "plannable", "run_of"]

_NOT_FOLLOWED = "the 24 h after it, which value what is left in the battery, are not all known"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRun:
    """Consecutive local days, both included.

    Attributes:
        first: the first.
        last: the last.
        start: local midnight before the first, UTC.
        end: local midnight after the last, UTC.
    """

    first: date
    last: date
    start: datetime
    end: datetime

    @property
    def days(self) -> int:
        """How many they are."""
        return (self.last - self.first).days + 1


def run_of(first: date, last: date, zone: str) -> DayRun:
    """Return the run of the days from ``first`` to ``last``."""
    return DayRun(
        first=first, last=last, start=local_day(first, zone)[0], end=local_day(last, zone)[1]
    )


def day_runs(days: Sequence[ChosenDay], zone: str) -> tuple[DayRun, ...]:
    """Return the longest runs of days that are not skipped.

    Args:
        days: one after the other.
        zone: of the home.
    """
    runs, first = list[DayRun](), None
    for n, day in enumerate(days):
        if day.skipped:
            first = None
            continue
        first = day.local_day if first is None else first
        if n + 1 == len(days) or days[n + 1].skipped:
            runs.append(run_of(first, day.local_day, zone))
    return tuple(runs)


def plannable(store: Facts, model: HomeModel, days: Sequence[ChosenDay]) -> tuple[ChosenDay, ...]:
    """Return the days, skipped also where a run begins before enough was known to plan.

    Args:
        store: where the facts are.
        model: the home.
        days: one after the other.

    Raises:
        KnownInputsError: the home has no zone.
        TelemetryError: the store cannot answer.
    """
    found, zone = list[ChosenDay](), zone_of(model)
    for day in days:
        begins = not found or found[-1].skipped
        fault = ""
        if begins and not day.skipped:
            fault = _too_little(store, model, local_day(day.local_day, zone)[0])
        found.append(replace(day, skipped=fault) if fault else day)
    return tuple(found)


def _too_little(store: Facts, model: HomeModel, at: datetime) -> str:
    """Return why no plan could be made at a moment, "" where one could."""
    try:
        known_inputs(store, model, at)
    except (ForecastError, KnownInputsError) as err:
        return reason_of(err)
    return ""


def followed(days: Sequence[ChosenDay], zone: str) -> tuple[ChosenDay, ...]:
    """Return the days, skipped also where a run ends and the 24 h after it are not all known.

    A day that is skipped for another reason may follow: load, PV and prices of it are known.

    Args:
        days: one after the other; what lies beyond the last is not known.
        zone: of the home.
    """
    found = list[ChosenDay]()
    for n in reversed(range(len(days))):
        day = days[n]
        ends = not found or found[-1].skipped
        if ends and not day.skipped and not _is_followed(days[n:], zone):
            day = replace(day, skipped=_NOT_FOLLOWED)
        found.append(day)
    return tuple(reversed(found))


def _is_followed(days: Sequence[ChosenDay], zone: str) -> bool:
    """Return whether load, PV and prices of the 24 h after the first of some days are known."""
    until = local_day(days[0].local_day, zone)[1] + AFTER
    for day in days[1:]:
        if not day.complete:
            return False
        if local_day(day.local_day, zone)[1] >= until:
            return True
    return False
