"""Savings: what was paid, and what the same days would have cost without a battery, or with others.

    cost    = bill + wear - (terminal(stored at the end) - terminal(at the start))        (SA1)
    paid    = (SA1) of what the meters recorded (MT1, MT2)
    savings = cost of another course - cost of this one                                   (SA2)

Every course starts with the energy that the real battery had stored, and what it leaves is worth
the same to all, by one curve. A day is credited for its own midnights by that curve, so that the
days of a stretch sum to it. Broken limits are priced in the penalty of a replay, which is no money
and stands beside it; the regret counts it (K3). Money in the home's currency, kWh, UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from math import fsum

import numpy as np

from mpc import TerminalCurve
from sim.asof import BaselineForecasts
from sim.day_runs import DayRun
from sim.facts import Facts
from sim.history import realised
from sim.metered import Meters
from sim.oracle import make_oracle
from sim.planning import HomeModel, battery_window
from sim.regret import FACTORS, Ledger, ledger
from sim.replay import Dispatch, Policy, Replay, day_sums, replay
from sim.simulation_days import StartSoc, start_soc
from sim.window import ReplayWindow, replay_window
from telemetry.arrays import F64, I64

__all__ = [
    "Account",
    "Course",
    "DayAccount",
    "Stretch",
    "compare",
    "joined",
    "joined_ledger",
    "paid_account",
    "replay_account",
]


_SUMMED = ("import_kwh", "export_kwh", "discharge_kwh", "bill", "wear", "penalty")


class Course(StrEnum):
    """Whose costs are compared."""

    PAID = "paid"
    NO_BATTERY = "no_battery"
    SELF_USE = "self_use"
    DARKSTAR = "darkstar"
    ORACLE = "oracle"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAccount:
    """What one course took, gave and cost on a local day, kWh and money.

    Attributes:
        local_date: the day in the home's zone.
        import_kwh: from the grid.
        export_kwh: to the grid.
        discharge_kwh: out of the battery.
        bill: what is paid for the grid.
        wear: of the battery.
        stored_gained: by how much what is stored is worth more at the end than at the start.
        penalty: price of broken limits; no money.
    """

    local_date: date
    import_kwh: float
    export_kwh: float
    discharge_kwh: float
    bill: float
    wear: float
    stored_gained: float
    penalty: float

    @property
    def cost(self) -> float:
        """What the day cost (SA1)."""
        return self.bill + self.wear - self.stored_gained


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one course cost, day by day."""

    course: Course
    days: tuple[DayAccount, ...]

    def total(self, name: str) -> float:
        """Return the sum of a number of all days: ``cost`` or a field."""
        return fsum(getattr(day, name) for day in self.days)

    @property
    def cost(self) -> float:
        """What the days cost."""
        return self.total("cost")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """Consecutive days on which courses were compared.

    Attributes:
        run: the days.
        start: what the real battery had stored at their start, and where it is known from.
        soc_start_kwh: what every course starts with: that, or the nearest edge of the battery's
            window where it lies outside.
        accounts: of every course.
        ledger: regret of Darkstar's replay by cause and day.
        bridged: slots of PV, of the days and the 24 h after them, read off their neighbours.
    """

    run: DayRun
    start: StartSoc
    soc_start_kwh: float
    accounts: tuple[Account, ...]
    ledger: Ledger
    bridged: int = 0


def compare(
    store: Facts,
    model: HomeModel,
    run: DayRun,
    meters: Meters | None,
    *,
    bridge_hours: float = 0.0,
) -> Stretch:
    """Return what every course costs on consecutive days of which everything is known.

    Args:
        store: where the facts are.
        model: the home; it has a battery.
        run: the days; load, PV and prices of the 24 h after them are known too.
        meters: what was recorded, of these days and more, none of them at fault; None: nothing.
        bridge_hours: how long PV may be missing to be read off its neighbours.

    Raises:
        ReplayError: a slot whose cost is not convex, which the storage engine cannot plan.
        SimError, ForecastError, PlanError, TelemetryError: facts that cannot be replayed.
    """
    happened = realised(store, model, run.start, run.end, bridge_hours=bridge_hours)
    start = start_soc(store, model, run.first)
    low, high = battery_window(model)
    inside = min(max(start.soc_kwh, low), high)
    window = replay_window(model, happened, soc_start_kwh=inside)
    forecasts = BaselineForecasts(store, model, run.start, run.end)
    oracle = make_oracle(window)
    made = replay(window, Policy.STORAGE, forecasts, Dispatch.VALUE)
    accounts = [
        replay_account(Course.NO_BATTERY, replay(window, Policy.NO_BATTERY)),
        replay_account(Course.SELF_USE, replay(window, Policy.SELF_USE)),
        replay_account(Course.DARKSTAR, made),
        replay_account(Course.ORACLE, replay(window, Policy.ORACLE)),
    ]
    if meters is not None:
        accounts.insert(0, paid_account(window, meters))
    return Stretch(
        run=run,
        start=start,
        soc_start_kwh=inside,
        accounts=tuple(accounts),
        ledger=ledger(window, oracle, forecasts, Dispatch.VALUE, made=made),
        bridged=happened.bridged,
    )


def replay_account(course: Course, result: Replay) -> Account:
    """Return the account of a replay by local day."""
    columns = {name: getattr(result, name) for name in _SUMMED}
    stored = np.concatenate(([result.soc_start_kwh], result.soc_kwh))
    return _account(course, result.local_day, columns, result.terminal, stored)


def paid_account(window: ReplayWindow, meters: Meters) -> Account:
    """Return what was paid in a window by what the meters recorded, by local day (SA1).

    Where no discharge, or no state of charge, was recorded at all, wear, or what the stored energy
    gained, is left out as 0.

    Args:
        window: prices, and the curve that values what is stored.
        meters: of its slots and more, none of them at fault.
    """
    first, slots = meters.place(window.realised.start), len(window)
    part = slice(first, first + slots)
    prices, nothing = window.actual[:, 2:4], np.zeros(slots)
    imports, exports = meters.import_kwh[part], meters.export_kwh[part]
    discharge = meters.discharge_kwh[part] if meters.wear_known else nothing
    columns = {
        "import_kwh": imports,
        "export_kwh": exports,
        "discharge_kwh": discharge,
        "bill": prices[:, 0] * imports - prices[:, 1] * exports,
        "wear": window.site.battery.wear_cost_per_kwh * discharge,
        "penalty": nothing,
    }
    stored = meters.stored_kwh[first : first + slots + 1] if meters.stored_known else None
    return _account(Course.PAID, window.local_day, columns, window.terminal, stored)


def _account(
    course: Course,
    local_day: I64,
    columns: Mapping[str, F64],
    terminal: TerminalCurve,
    stored_kwh: F64 | None,
) -> Account:
    """Return the account of N slots.

    Args:
        course: whose.
        local_day: (N,) ordinal of each slot's local date.
        columns: (N,) of each slot, by name.
        terminal: worth of what is stored.
        stored_kwh: (N + 1,) at the edges of the slots, known at midnights; None: left out.
    """
    dates, firsts = np.unique(local_day, return_index=True)
    worth = np.zeros(dates.size + 1)
    if stored_kwh is not None:
        edges = stored_kwh[np.append(firsts, local_day.size)].tolist()
        worth[:] = [terminal.value(stored) for stored in edges]
    sums = {name: day_sums(values, local_day) for name, values in columns.items()}
    return Account(
        course=course,
        days=tuple(
            DayAccount(
                local_date=date.fromordinal(day),
                stored_gained=float(worth[n + 1] - worth[n]),
                **{name: float(values[n]) for name, values in sums.items()},
            )
            for n, day in enumerate(dates.tolist())
        ),
    )


def joined(stretches: Sequence[Stretch]) -> tuple[Account, ...]:
    """Return the accounts of several stretches, each of which has the same courses, as one."""
    return tuple(
        Account(
            course=parts[0].course, days=tuple(day for account in parts for day in account.days)
        )
        for parts in zip(*(stretch.accounts for stretch in stretches), strict=True)
    )


def joined_ledger(stretches: Sequence[Stretch]) -> Ledger:
    """Return the ledgers of one or more stretches as one."""
    parts = [stretch.ledger for stretch in stretches]
    names = ("total", *FACTORS, "remainder")
    return Ledger(
        days=tuple(day for part in parts for day in part.days),
        orders=parts[0].orders,
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
    )
