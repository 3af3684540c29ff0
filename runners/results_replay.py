"""What every policy would have cost over the windows of the reference homes.

A window is a stretch of whole local days of which everything is known, less its last 24 h, which
say what is left in the battery is worth. Every window starts half full and ends on a curve of its
own; costs add up over the windows of a home. They are money alone, SEK: bill + wear - change in the
worth of stored energy. The price of a broken limit is no money; broken slots are counted instead.

Work is cut into tasks that processes share: one of the storage engine and two of HiGHS per window
and battery. Results do not depend on who did what, nor when.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from runners.results_homes import BATTERIES, Period, ReferenceHome, with_battery
from runners.results_pool import Say, run_all
from sim.asof import BaselineForecasts, perfect
from sim.history import Gap, gap_free_stretches, realised, skipped_gaps
from sim.oracle import make_oracle
from sim.regret import ledger
from sim.replay import Dispatch, Policy, Replay, replay
from sim.window import ReplayWindow, replay_window
from telemetry.channels import Quality
from telemetry.store import Store

__all__ = ["BRIDGE_HOURS", "Case", "Course", "Line", "Paid", "Split", "find_case", "replay_cases"]

BRIDGE_HOURS = 2.0
"""PV missing at most so long is read off its neighbours: inverters sleep at dusk and dawn."""

_DAY = timedelta(days=1)
_LEAST_DAYS, _HISTORY_DAYS = 10, 8


class Course(StrEnum):
    """What a home's battery followed, as the tables call it and in their order."""

    NO_BATTERY = "no battery"
    SELF_USE = "self-consumption"
    SETPOINT = "set-points"
    WINDOWS = "windows"
    VALUE_HIGHS = "value, HiGHS"
    VALUE = "value, engine"
    MODES_HIGHS = "modes, HiGHS"
    MODES = "modes, engine"
    ROLLING = "rolling oracle"
    ORACLE = "oracle"


_BY_ENGINE = {
    Course.SETPOINT: Dispatch.SETPOINT,
    Course.WINDOWS: Dispatch.WINDOWS,
    Course.VALUE: Dispatch.VALUE,
    Course.MODES: Dispatch.MODES,
}
_BY_HIGHS = {Course.VALUE_HIGHS: Dispatch.VALUE, Course.MODES_HIGHS: Dispatch.MODES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A home and what of its history is replayed.

    Attributes:
        home: the home.
        windows: the windows, in order.
        readings: what its slots were made from: "15 min", "half-hourly" or "hourly".
        bridged: of each window and the 24 h after it, slots whose PV was read off its neighbours.
        gaps: what is missing; days with a gap are skipped.
    """

    home: ReferenceHome
    windows: tuple[Period, ...]
    readings: str
    bridged: tuple[int, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Regret of mode dispatch by cause (K4 of ``sim.regret``), SEK."""

    total: float = 0.0
    dispatch: float = 0.0
    load: float = 0.0
    pv: float = 0.0
    remainder: float = 0.0

    def __add__(self, other: "Split") -> "Split":
        """Return the sum of every part."""
        return Split(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What a course cost, SEK, and in how many slots it broke a limit."""

    money: float = 0.0
    broken_slots: int = 0

    def __add__(self, other: "Paid") -> "Paid":
        """Return the sums."""
        return Paid(
            money=self.money + other.money, broken_slots=self.broken_slots + other.broken_slots
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A home with a battery: sums over its windows.

    Attributes:
        home_id: the home.
        battery: "A" or "B".
        readings: as in ``Case``.
        days: of all windows.
        paid: by every course that was replayed.
        split: where the regret of mode dispatch comes from.
    """

    home_id: str
    battery: str
    readings: str
    days: float
    paid: dict[Course, Paid]
    split: Split

    def per_day(self, course: Course) -> float | None:
        """Return what a course cost, SEK a day; None where it was not replayed."""
        paid = self.paid.get(course)
        return None if paid is None else paid.money / self.days

    def share(self, course: Course, best: Course) -> float | None:
        """Return the gain of a course over no battery as a ratio of that of ``best``."""
        none, paid = self.paid[Course.NO_BATTERY].money, self.paid.get(course)
        return None if paid is None else (none - paid.money) / (none - self.paid[best].money)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What one process does at a time; ``course`` is one of HiGHS, None for all others.

    Attributes:
        store: the file with the facts.
        case: place of the home among the cases.
        home: the home.
        battery: "A" or "B".
        window: the window.
        course: what is replayed.
    """

    store: Path
    case: int
    home: ReferenceHome
    battery: str
    window: Period
    course: Course | None

    def text(self) -> str:
        """Say what is done."""
        return (
            f"{self.home.home_id} {self.battery} {self.window.start:%Y-%m-%d} "
            f"{self.window.days:.0f} days, {self.course or 'engine'}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What a task found."""

    paid: dict[Course, Paid]
    split: Split


def find_case(
    store: Store,
    home: ReferenceHome,
    windows: tuple[Period, ...] | None = None,
    least_days: int = _LEAST_DAYS,
) -> Case:
    """Return what of a home is replayed: given windows, else all that is known without gaps."""
    gaps: tuple[Gap, ...] = ()
    if windows is None:
        gaps = skipped_gaps(store, home.model, bridge_hours=BRIDGE_HOURS)
        found = gap_free_stretches(
            store,
            home.model,
            least_days=least_days,
            history_days=_HISTORY_DAYS,
            bridge_hours=BRIDGE_HOURS,
        )
        windows = tuple(Period(start=s.start, end=s.end - _DAY) for s in found)
    return Case(
        home=home,
        windows=windows,
        readings=_readings(store, home, windows),
        bridged=tuple(
            realised(store, home.model, one.start, one.end, bridge_hours=BRIDGE_HOURS).bridged
            for one in windows
        ),
        gaps=gaps,
    )


def replay_cases(
    path: Path,
    cases: Sequence[Case],
    *,
    highs: bool,
    say: Say,
    workers: int | None = None,
) -> list[Line]:
    """Replay every course of every home with every battery.

    Args:
        path: the file of the store.
        cases: the homes and their windows.
        highs: also replay what HiGHS plans, which takes most of the time.
        say: told what was done, a line at a time.
        workers: processes; 0: none but this one; None: as many as there are cores.

    Raises:
        SimError, ForecastError: a window that cannot be replayed; it is named.
    """
    tasks = _tasks(path, cases, highs=highs)
    done = run_all(tasks, _run, _Task.text, workers=workers, say=say)
    return [
        _line(case, battery, [done[n] for n in _places(tasks, number, battery)])
        for number, case in enumerate(cases)
        if case.windows
        for battery in BATTERIES
    ]


def _readings(store: Store, home: ReferenceHome, windows: Iterable[Period]) -> str:
    """Return what the slots of a home were made from, by the first day that is replayed."""
    for window in windows:
        seen = store.observations(
            home.home_id, ("load_kwh", "pv_kwh"), window.start, window.start + _DAY
        )
        if (seen.quality & Quality.HOURLY).any():
            return "hourly"
        if (seen.quality & Quality.RESAMPLED).any():
            return "half-hourly"
    return "15 min"


def _tasks(path: Path, cases: Sequence[Case], *, highs: bool) -> list[_Task]:
    """Return the tasks in an order that keeps all processes busy: what may fail, then the long."""
    courses: tuple[Course | None, ...] = (None, *_BY_HIGHS) if highs else (None,)
    tasks = [
        _Task(
            store=path,
            case=number,
            home=case.home,
            battery=battery,
            window=window,
            course=course,
        )
        for number, case in enumerate(cases)
        for battery in BATTERIES
        for window in case.windows
        for course in courses
    ]
    return sorted(tasks, key=lambda task: (task.course is not None, -task.window.days))


def _places(tasks: Sequence[_Task], case: int, battery: str) -> list[int]:
    """Return which tasks belong to a home and a battery."""
    return [n for n, task in enumerate(tasks) if (task.case, task.battery) == (case, battery)]


def _run(task: _Task) -> _Done:
    """Replay one window with one battery."""
    model = with_battery(task.home.model, task.battery)
    start, end = task.window.start, task.window.end
    with Store.open(task.store, system_id="simulation") as store:
        happened = realised(store, model, start, end, bridge_hours=BRIDGE_HOURS)
        forecasts = BaselineForecasts(store, model, start, end)
        window = replay_window(model, happened)
        if task.course is None:
            return _by_engine(window, forecasts)
        result = replay(window, Policy.PLAN, forecasts, _BY_HIGHS[task.course])
    return _Done(paid={task.course: _paid(result)}, split=Split())


def _by_engine(window: ReplayWindow, forecasts: BaselineForecasts) -> _Done:
    """Replay everything that needs no HiGHS."""
    known = perfect(forecasts, window.realised)
    results = {
        Course.NO_BATTERY: replay(window, Policy.NO_BATTERY),
        Course.SELF_USE: replay(window, Policy.SELF_USE),
        Course.ROLLING: replay(window, Policy.STORAGE, known, Dispatch.VALUE),
        Course.ORACLE: replay(window, Policy.ORACLE),
    }
    for course, dispatch in _BY_ENGINE.items():
        results[course] = replay(window, Policy.STORAGE, forecasts, dispatch)
    parts = ledger(window, make_oracle(window), forecasts, Dispatch.MODES)
    return _Done(
        paid={course: _paid(result) for course, result in results.items()},
        split=Split(**{f.name: float(getattr(parts, f.name).sum()) for f in fields(Split)}),
    )


def _paid(result: Replay) -> Paid:
    """Return what a replay cost."""
    money = float((result.bill + result.wear).sum()) - result.stored_value_gained
    return Paid(money=money, broken_slots=int((result.penalty > 0.0).sum()))


def _line(case: Case, battery: str, done: Sequence[_Done]) -> Line:
    """Return the sums of a home with a battery over its windows."""
    paid = dict.fromkeys((course for one in done for course in one.paid), Paid())
    split = Split()
    for one in done:
        split += one.split
        for course, part in one.paid.items():
            paid[course] += part
    return Line(
        home_id=case.home.home_id,
        battery=battery,
        readings=case.readings,
        days=sum(window.days for window in case.windows),
        paid=paid,
        split=split,
    )
