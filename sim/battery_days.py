"""Which days of a year a what-if goes through, and what happened and was known on them.

Only clean days of which load, PV and price are known throughout count. Runs of them follow one
another as if nothing lay between: a battery carries its energy across. Times in UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sim.asof import BaselineForecasts
from sim.battery_sizes import Stretches
from sim.day_runs import DayRun, day_runs, followed, plannable
from sim.facts import Facts
from sim.history import realised
from sim.planning import HomeModel, zone_of
from sim.simulation_days import ChosenDay, choose_days
from telemetry.quality_table import DayClass

__all__ = ["YearDays", "stretches_of", "year_days"]

_DAYS_AFTER = 2  # 24 h are more than a day where the clocks go forward
_END = "it lies behind the last day whose next 24 h are known, which value what is left"


@dataclass(frozen=True, slots=True, kw_only=True)
class YearDays:
    """The days of a year.

    Attributes:
        days: every day that was asked for, in order, with the reason where it is left out.
        runs: consecutive days that are gone through.
        unjudged: how many days had no verdict in the store and were judged on the spot.
    """

    days: tuple[ChosenDay, ...]
    runs: tuple[DayRun, ...]
    unjudged: int

    @property
    def count(self) -> int:
        """How many days are gone through."""
        return sum(run.days for run in self.runs)

    def left_out(self) -> dict[str, int]:
        """Return how many days are left out for each reason, in order of the first of them."""
        found = dict[str, int]()
        for day in self.days:
            if day.skipped:
                found[day.skipped] = found.get(day.skipped, 0) + 1
        return found


def year_days(
    store: Facts,
    model: HomeModel,
    first: date,
    last: date,
    *,
    classes: frozenset[DayClass] | None,
    judged: Mapping[date, DayClass],
) -> YearDays:
    """Return which days from ``first`` to ``last`` can be gone through.

    Args:
        store: where the facts are.
        model: the home.
        first: the first day.
        last: the last day, included.
        classes: verdicts that count as clean; None: all, and days without one.
        judged: verdicts that the store does not have.

    Raises:
        KnownInputsError: the home has no zone, or a price has no exchange rate.
        TelemetryError: the store cannot answer.
    """
    end, zone = last + timedelta(days=1 + _DAYS_AFTER), zone_of(model)
    around = choose_days(
        store,
        model,
        first,
        end,
        classes=frozenset() if classes is None else classes,
        every_day=classes is None,
        judged=judged,
    )
    count = (last - first).days + 1
    inside = plannable(store, model, around[:count])
    beyond = [replace(day, skipped="later") for day in around[count:]]
    ends = [day.local_day for day in followed([*inside, *beyond], zone) if not day.skipped]
    days = inside if not ends else tuple(_until(day, ends[-1]) for day in inside)
    return YearDays(days=days, runs=day_runs(days, zone) if ends else (), unjudged=len(judged))


def _until(day: ChosenDay, last: date) -> ChosenDay:
    """Return a day, skipped where it lies behind the last one."""
    return replace(day, skipped=_END) if not day.skipped and day.local_day > last else day


def stretches_of(store: Facts, model: HomeModel, runs: Sequence[DayRun]) -> Stretches:
    """Return what happened in runs of days, and what was known there.

    Raises:
        SimError, ForecastError, TelemetryError: facts that cannot be read.
    """
    return [
        (
            realised(store, model, run.start, run.end, after_hours=24 if run is runs[-1] else 0),
            BaselineForecasts(store, model, run.start, run.end),
        )
        for run in runs
    ]
