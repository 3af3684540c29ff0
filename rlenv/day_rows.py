"""One local day of a home as rows: what happened, and what was known at each slot of it.

Units: kWh per slot at the AC bus, currency/kWh, epoch seconds, UTC.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mpc import TerminalCurve
from rlenv.ahead import Ahead, keep
from rlenv.kernel import NOW
from rlenv.layout import MOST_KWH, MOST_PRICE, SERIES
from sim.asof import Forecasts
from sim.errors import ReplayError
from sim.facts import Facts
from sim.history import Realised, realised
from sim.planning import HomeModel, has_pv, zone_of
from sim.window import ReplayWindow, day_after_curve, horizon_slots, window_of
from telemetry.arrays import F64, I64
from telemetry.slots import (
    SLOT_MINUTES,
    SLOT_SECONDS,
    from_epoch,
    local_calendar,
    local_day,
    to_epoch,
)

__all__ = ["DayRows", "clock_features", "read_day"]

_QUARTER = timedelta(minutes=SLOT_MINUTES)
_LOOK_BACK = timedelta(hours=48)
_LONGEST_DAY_SLOTS = 100
_YEAR_DAYS = 365.25
_CHANNELS, _NET = ("load_kwh", "pv_kwh"), "load minus pv before it"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayRows:
    """A local day of n slots; rows are n + 1: the last one is the midnight it ends with.

    Attributes:
        local_day: the day.
        quality_class: verdict on it; "" where nobody judged it.
        window: what happened, and the rules; what is left in the end is worth nothing by itself.
        terminal: worth of what is left, from the 24 h that followed.
        now: (n + 1, 11) float32, columns as ``kernel.NOW``.
        told: (n + 1, 2) import and export price of the slot itself, as known at its start.
        ahead: each series of ``layout.SERIES`` as known at the rows.
        quarter: (n + A,) quarter on the wall clock from the first slot on.
    """

    local_day: date
    quality_class: str
    window: ReplayWindow
    terminal: TerminalCurve
    now: NDArray[np.float32]
    told: F64
    ahead: tuple[Ahead, ...]
    quarter: I64


def read_day(
    facts: Facts,
    model: HomeModel,
    day: date,
    quality_class: str,
    forecasts: Forecasts,
    published_until: I64,
    first: int,
) -> DayRows:
    """Read one day.

    Args:
        facts: where the facts are.
        model: the home.
        day: the local day.
        quality_class: verdict on it.
        forecasts: of a period that holds the day and the slot after it.
        published_until: (n + 1,) end of the published prices at each row, epoch seconds.
        first: the day's first slot, counted from the start of ``forecasts``.

    Raises:
        ReplayError: load, PV or price of the day or of the 24 h after it is missing, or beyond what
            an observation can hold.
        ForecastError: too little was known for a forecast.
    """
    zone = zone_of(model)
    bounds = local_day(day, zone)
    happened = realised(facts, model, *bounds)
    rows = happened.slots + 1
    issues = to_epoch(bounds[0]) + SLOT_SECONDS * np.arange(rows, dtype=np.int64)
    known = forecasts.known(first, rows)
    series = tuple(np.ascontiguousarray(getattr(known, name)) for name in SERIES)
    seen = (*(series), happened.import_price, happened.export_price)
    net = _last_net(facts, model, bounds)
    _refuse_beyond(model.home.home_id, day, seen, (happened.load_kwh, happened.pv_kwh, net))
    reach = issues.size - 1 + series[0].shape[1]
    later = issues[0] + SLOT_SECONDS * np.arange(reach, dtype=np.int64)
    quarter = local_calendar(later, zone).minute // SLOT_MINUTES
    now = np.empty((rows, len(NOW)), dtype=np.float32)
    now[:, :5] = clock_features(issues, happened.slots, zone)
    now[:, 5] = net
    now[:, 6] = (published_until - issues) / 3600.0
    now[:, 7:] = np.stack([values[:, 0] for values in series], axis=1)
    return DayRows(
        local_day=day,
        quality_class=quality_class,
        window=_window(model, zone, happened),
        terminal=day_after_curve(model.site, happened),
        now=now,
        told=np.stack([series[0][:, 0], series[1][:, 0]], axis=1),
        ahead=tuple(keep(values, quarter) for values in series),
        quarter=quarter,
    )


def clock_features(issues: I64, slots: int, zone: str) -> F64:
    """Return (M, 5) time and date as turns, and what is left of the day (OB1).

    Args:
        issues: (M,) epoch seconds of slots in a row, from a local midnight on; M is at most the
            slots of the day and the midnight it ends with, which belongs to the next day.
        slots: of the local day that they begin.
        zone: of the wall clock.
    """
    calendar = local_calendar(issues, zone)
    days = [date.fromordinal(day).timetuple().tm_yday for day in calendar.day.tolist()]
    turn = 2.0 * np.pi * calendar.minute / (24.0 * 60.0)
    year = 2.0 * np.pi * np.array(days) / _YEAR_DAYS
    left = (slots - np.arange(issues.size)) / _LONGEST_DAY_SLOTS
    if issues.size > slots:
        begin, end = local_day(date.fromordinal(int(calendar.day[-1])), zone)
        left[-1] = (end - begin) / _QUARTER / _LONGEST_DAY_SLOTS
    return np.stack([np.sin(turn), np.cos(turn), np.sin(year), np.cos(year), left], axis=1)


def _window(model: HomeModel, zone: str, happened: Realised) -> ReplayWindow:
    """Return the day by itself, as ``sim.simulation`` has it: limits cost the same there."""
    battery = model.site.battery
    start = float(np.max(battery.min_soc_kwh))
    slots = horizon_slots(model)
    return window_of(model.site, zone, happened, start, TerminalCurve.of(0.0), horizon_slots=slots)


def _last_net(facts: Facts, model: HomeModel, bounds: tuple[datetime, datetime]) -> F64:
    """Return load minus PV of the newest slot known at each row, (n + 1,) kWh.

    Raises:
        ReplayError: none was known in 48 hours.
    """
    home_id, start = model.home.home_id, bounds[0] - _LOOK_BACK
    seen = facts.observations(home_id, _CHANNELS, start, bounds[1])
    pv, pv_known_at = seen.values[1], seen.known_at[1]
    if not has_pv(facts, model, None):
        pv, pv_known_at = np.zeros(pv.size), np.zeros(pv.size, dtype=np.int64)
    net = seen.values[0] - pv
    there = np.flatnonzero(~np.isnan(net))
    known_at = np.maximum(seen.known_at[0], pv_known_at)[there]
    order = np.argsort(known_at, kind="stable")
    newest = np.maximum.accumulate(there[order]) if there.size else there
    issues = np.arange(to_epoch(bounds[0]), to_epoch(bounds[1]) + 1, SLOT_SECONDS)
    place = np.searchsorted(known_at[order], issues, side="right") - 1
    if place[0] < 0:
        at = from_epoch(int(issues[0])).isoformat()
        what = f"neither load nor PV of the 48 h before {at} was known then"
        raise ReplayError(home_id, what, "choose a day with history, or import it")
    return np.asarray(net[newest[place]], dtype=np.float64)


def _refuse_beyond(
    home_id: str, day: date, prices_and_energies: tuple[F64, ...], energies: tuple[F64, ...]
) -> None:
    """Refuse numbers beyond the bounds of an observation, and energies below zero.

    Args:
        home_id: the home.
        day: the local day.
        prices_and_energies: series as known, and the prices that came.
        energies: load and PV that came, and the last net load.

    Raises:
        ReplayError: there are some; the greatest is named.
    """
    named = zip((*SERIES, "import_price", "export_price"), prices_and_energies, strict=True)
    for name, values in (*named, *zip((*_CHANNELS, _NET), energies, strict=True)):
        if name in _CHANNELS and values.min() < 0.0:
            what = f"{name} of {day} is {values.min():g} kWh in a slot, below zero"
            raise ReplayError(home_id, what, "repair the reading")
        most = MOST_PRICE if name.endswith("_price") else MOST_KWH
        worst = float(values.flat[int(np.abs(values).argmax())])
        if abs(worst) > most:
            unit = "per kWh" if name.endswith("_price") else "kWh a slot"
            what = f"{name} of {day} reaches {worst:g} {unit}, an observation holds {most:g}"
            raise ReplayError(home_id, what, "correct the unit, or repair the reading")
