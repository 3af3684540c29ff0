"""A month of savings: which of its days can be compared, each course on them, and the meters.

    month = savings_of(store, model, date(2025, 8, 1), date(2025, 8, 31))

A replay crosses no gap: days of which something is missing are left out, each with its reason, and
the others are compared in stretches of consecutive days. Money in the home's currency, UTC.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from forecast.errors import ForecastError
from sim.day_forecasts import reason_of
from sim.day_runs import DayRun, day_runs, followed, plannable, run_of
from sim.errors import KnownInputsError, ReplayError
from sim.facts import Facts
from sim.history import Gap
from sim.metered import Meters, MeterTotals, meter_totals, read_meters, slot_prices
from sim.planning import HomeModel, zone_of
from sim.regret import Ledger
from sim.savings import Account, Course, Stretch, compare, joined, joined_ledger
from sim.simulation_days import ChosenDay, choose_days
from telemetry.quality_table import DayClass
from telemetry.slots import local_day

__all__ = ["LeftOut", "Savings", "savings_of"]

_DAYS_AFTER = 2  # 24 h are more than a day where the clocks go forward
_DOUBTFUL = {
    DayClass.EXCLUDE: "judged exclude",
    DayClass.MASK_BATTERY: "judged mask_battery: what its battery did is in doubt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A local day that is not compared, and why."""

    local_date: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Savings:
    """What some local days cost.

    Attributes:
        first: the first of them.
        last: the last of them.
        stretches: those that could be compared, one or more stretches.
        left_out: those that could not.
        meters: what was recorded of all of them; None: they have no readings of the grid. What was
            paid is compared where at least one day has all its readings.
        totals: sums of the meters over all of them.
        unjudged: of the days compared, how many had no verdict in the store.
    """

    first: date
    last: date
    stretches: tuple[Stretch, ...]
    left_out: tuple[LeftOut, ...]
    meters: Meters | None
    totals: MeterTotals | None
    unjudged: int

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The account of every course on all days compared."""
        return joined(self.stretches)

    @property
    def ledger(self) -> Ledger:
        """Regret of Darkstar's replays on all days compared."""
        return joined_ledger(self.stretches)

    @property
    def metered(self) -> bool:
        """Whether what was paid is among the courses."""
        return any(account.course is Course.PAID for account in self.stretches[0].accounts)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Slots without a reading of the meters."""
        return () if self.meters is None else self.meters.gaps()

    @property
    def bridged(self) -> int:
        """How many slots of PV were read off their neighbours."""
        return sum(stretch.bridged for stretch in self.stretches)

    @property
    def days(self) -> int:
        """How many days are compared."""
        return sum(stretch.run.days for stretch in self.stretches)


def savings_of(
    store: Facts,
    model: HomeModel,
    first: date,
    last: date,
    *,
    judged: Mapping[date, DayClass],
    bridge_hours: float = 0.0,
) -> Savings:
    """Compare the local days from ``first`` to ``last``, at most a month.

    Args:
        store: where the facts are.
        model: the home; it has a battery.
        first: the first day.
        last: the last day, included.
        judged: verdicts that the store does not have.
        bridge_hours: how long PV may be missing to be read off its neighbours.

    Raises:
        ReplayError: not one day can be compared; the reasons are told.
        SimError, ForecastError, PlanError, TelemetryError: facts that cannot be replayed.
    """
    zone = zone_of(model)
    whole = run_of(first, last, zone)
    meters = read_meters(store, model, whole.start, whole.end)
    around = _around(store, model, whole, judged, bridge_hours)
    days, paid = _days(store, model, whole, around, meters), meters
    if all(day.skipped for day in days):  # perhaps for want of readings alone
        days, paid = _days(store, model, whole, around, None), None
    stretches, refused = list[Stretch](), dict[date, str]()
    for run in day_runs(days, zone):
        for found in _compared(store, model, run, paid, bridge_hours):
            if isinstance(found, Stretch):
                stretches.append(found)
            else:
                refused[found.local_date] = found.reason
    left_out = tuple(
        LeftOut(local_date=day.local_day, reason=refused.get(day.local_day, day.skipped))
        for day in days
        if day.skipped or day.local_day in refused
    )
    if not stretches:
        raise _none(model, left_out)
    totals = None
    if meters is not None:
        totals = meter_totals(meters, *slot_prices(store, model, whole.start, whole.end))
    compared = {day.local_day for day in days} - {day.local_date for day in left_out}
    return Savings(
        first=first,
        last=last,
        stretches=tuple(stretches),
        left_out=left_out,
        meters=meters,
        totals=totals,
        unjudged=sum(day in judged for day in compared),
    )


def _around(
    store: Facts,
    model: HomeModel,
    whole: DayRun,
    judged: Mapping[date, DayClass],
    bridge_hours: float,
) -> tuple[ChosenDay, ...]:
    """Return every day and those after it that may value what is left, with their verdicts."""
    end = whole.last + timedelta(days=1 + _DAYS_AFTER)
    return choose_days(
        store,
        model,
        whole.first,
        end,
        classes=frozenset(),
        every_day=True,
        judged=judged,
        bridge_hours=bridge_hours,
    )


def _days(
    store: Facts,
    model: HomeModel,
    whole: DayRun,
    around: Sequence[ChosenDay],
    meters: Meters | None,
) -> tuple[ChosenDay, ...]:
    """Return every day, skipped where it cannot be compared."""
    zone = zone_of(model)
    inside = [_judged(day, zone, meters) for day in around[: whole.days]]
    after = [replace(day, skipped="later") for day in around[whole.days :]]
    return followed([*plannable(store, model, inside), *after], zone)[: whole.days]


def _judged(day: ChosenDay, zone: str, meters: Meters | None) -> ChosenDay:
    """Return a day, skipped also for what the meters lack and for its verdict.

    What is missing comes first: it says more than a verdict that may have come of it.
    """
    fault = day.skipped
    if not fault and meters is not None:
        fault = meters.fault(*local_day(day.local_day, zone))
    masked = day.quality_class == DayClass.MASK_BATTERY
    if not fault and day.quality_class and not (masked and meters is None):
        fault = _DOUBTFUL.get(DayClass(day.quality_class), "")
    return replace(day, skipped=fault)


def _compared(
    store: Facts, model: HomeModel, run: DayRun, meters: Meters | None, bridge_hours: float
) -> Iterator[Stretch | LeftOut]:
    """Yield a run compared; halved until single days are left where it cannot be as a whole."""
    try:
        yield compare(store, model, run, meters, bridge_hours=bridge_hours)
    except (ForecastError, KnownInputsError, ReplayError) as err:
        if run.days == 1:
            yield LeftOut(local_date=run.first, reason=reason_of(err))
            return
    else:
        return
    zone, middle = zone_of(model), run.first + timedelta(days=run.days // 2)
    for part in (
        run_of(run.first, middle - timedelta(days=1), zone),
        run_of(middle, run.last, zone),
    ):
        yield from _compared(store, model, part, meters, bridge_hours)


def _none(model: HomeModel, left_out: Sequence[LeftOut]) -> ReplayError:
    """Return the error of days of which not one can be compared."""
    days = dict[str, list[date]]()
    for day in left_out:
        days.setdefault(day.reason, []).append(day.local_date)
    told = "; ".join(f"{_dates(found)}: {reason}" for reason, found in days.items())
    first, last = left_out[0].local_date, left_out[-1].local_date
    cure = "choose another month, or import or record what is missing"
    if not days.keys().isdisjoint(_DOUBTFUL.values()):
        cure += "; darkstar validate says why a day is judged so"
    return ReplayError(
        model.home.home_id,
        f"no day from {first} to {last} can be compared ({told})",
        cure,
    )


def _dates(days: Sequence[date]) -> str:
    """Return one date, or the first and how many."""
    return str(days[0]) if len(days) == 1 else f"{days[0]} and {len(days) - 1} more"
