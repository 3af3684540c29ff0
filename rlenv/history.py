"""The history that environments run on: days of a home as arrays, and nothing that leads back.

    history = demo_history()
    history = read_history(store, model, date(2025, 7, 3), date(2025, 9, 29))
    history.days, history.skipped

A history holds what happened on each day, what was known at the start of each of its slots, and
what the energy left at its end is worth: it can be pickled, sent to a worker, and outlives its
store. It is never written to, so a copy of it is itself. Units: kWh, currency/kWh, UTC.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Self

import numpy as np

from forecast.errors import ForecastError
from mpc import Horizon, Site, TerminalCurve
from mpc.rules import Rules
from rlenv.day_rows import DayRows, read_day
from rlenv.errors import DayError, HistoryError
from rlenv.kernel import Data, rules_row
from rlenv.layout import SERIES
from sim.asof import BaselineForecasts, Forecasts
from sim.asof_prices import KnownPrices
from sim.day_forecasts import days_with_forecasts, reason_of
from sim.demo_house import demo_facts, demo_model
from sim.errors import KnownInputsError, ReplayError
from sim.facts import Facts
from sim.history import Realised
from sim.known_horizon import known_horizon
from sim.planning import HomeModel, zone_of
from sim.simulation_days import ChosenDay, choose_days
from sim.window import (
    DAY_AFTER_SLOTS,
    ReplayWindow,
    horizon_slots,
    refuse_limits_by_slot,
    window_of,
)
from telemetry.arrays import F64, I64
from telemetry.quality_table import DayClass
from telemetry.slots import SLOT_MINUTES, local_day

__all__ = ["History", "ReadForecasts", "begins", "demo_history", "read_history"]

_SLOT = timedelta(minutes=SLOT_MINUTES)
ReadForecasts = Callable[[datetime, datetime], Forecasts]
"""Makes the forecasts of a period from its start and end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """D days of a home, in order.

    Attributes:
        home_id: the home.
        zone: of its wall clock.
        currency: of all money.
        site: battery, grid and options; the same on every day.
        horizon_slots: T of a plan.
        days: (D,) local dates.
        classes: (D,) verdict on each day; "" where nobody judged it.
        skipped: days of the period that are not here, and why.
        data: the days as kernels read them; read-only.
    """

    home_id: str
    zone: str
    currency: str
    site: Site
    horizon_slots: int
    days: tuple[date, ...]
    classes: tuple[str, ...]
    skipped: Mapping[date, str]
    data: Data

    def __copy__(self) -> Self:
        """Return itself: nobody can write to it."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return itself: nobody can write to it."""
        return self

    def __reduce__(self) -> tuple[Callable[..., "History"], tuple[object, ...]]:
        """Survive the way to a worker, read-only again."""
        facts = (self.home_id, self.zone, self.currency, self.site, self.horizon_slots)
        return _remade, (*facts, self.days, self.classes, dict(self.skipped), tuple(self.data))

    @property
    def slots_ahead(self) -> int:
        """A, the slots of a plan and those that value its end."""
        return self.horizon_slots + DAY_AFTER_SLOTS

    @property
    def lookahead(self) -> int:
        """Slots after its own that an observation can see at most."""
        return self.slots_ahead - 1

    def find(self, day: date) -> int:
        """Return the place of a day.

        Raises:
            DayError: it is not here; why, and which are.
        """
        try:
            return self.days.index(day)
        except ValueError:
            reach = f"one of the {len(self.days)} days from {self.days[0]} to {self.days[-1]}"
            why = self.skipped.get(day)
            cure = reach if why is None else f"{reach}; this one was skipped: {why}"
            raise DayError("day", day.isoformat(), cure) from None

    def start(self, place: int) -> datetime:
        """Return the first slot of a day, UTC."""
        return local_day(self.days[place], self.zone)[0]

    def rules(self, place: int) -> Rules:
        """Return what holds in every slot of a day, with the day's price of a broken limit."""
        numbers = self.data.rules[place].tolist()
        return Rules(*numbers[:7], *(number != 0.0 for number in numbers[7:]))

    def terminal(self, place: int) -> TerminalCurve:
        """Return what the energy left at a day's end is worth, by the 24 h that followed."""
        there = np.isfinite(self.data.terminal_soc[place])
        data = self.data
        return TerminalCurve(data.terminal_soc[place][there], data.terminal_price[place][there])

    def known(self, place: int, slot: int) -> F64:
        """Return what was known at a slot, (A, 4): load, PV, import and export price.

        Args:
            place: of the day.
            slot: of the day; the number of its slots is the midnight it ends with.
        """
        data, ahead = self.data, np.arange(self.slots_ahead)
        first = data.first_quarter[place] + slot
        columns = {}
        for number, name in enumerate(SERIES):
            begin = data.base[data.first[place] + slot, number]
            by_clock = data.by_clock[place, number]
            columns[name] = data.values[
                begin + (data.quarter[first + ahead] if by_clock else ahead)
            ]
        order = ("load_kwh", "pv_kwh", "import_price", "export_price")
        return np.stack([columns[name] for name in order], axis=1)

    def horizon(self, place: int, slot: int) -> Horizon:
        """Return what could be planned at a slot, from what was known then and nothing else."""
        limits = np.tile(self.data.limits[place], (self.slots_ahead, 1))
        start, series = self.start(place) + slot * _SLOT, self.known(place, slot)
        return known_horizon(start, series, self.horizon_slots, limits, self.rules(place))

    def window(self, place: int, soc_kwh: float, first: int = 0) -> ReplayWindow:
        """Return a day as replays see it, its end valued as the environment values it.

        Args:
            place: of the day.
            soc_kwh: stored energy at the start.
            first: slot of the day to start with.

        Raises:
            StateError: the battery cannot hold it.
        """
        data = self.data
        begin = data.first[place]
        rows = slice(begin + first, begin + data.slots[place])
        load, pv, imports, exports = (np.ascontiguousarray(row) for row in data.actual[rows, :4].T)
        happened = Realised(
            home_id=self.home_id,
            start=self.start(place) + first * _SLOT,
            slots=load.size,
            load_kwh=load,
            pv_kwh=pv,
            import_price=imports,
            export_price=exports,
            spot=np.full(load.size, np.nan),
        )
        window = window_of(
            self.site,
            self.zone,
            happened,
            soc_kwh,
            self.terminal(place),
            horizon_slots=self.horizon_slots,
        )
        problem = replace(window.problem, penalty_per_kwh=self.rules(place).penalty)
        return replace(window, problem=problem, rules=problem.rules)


def read_history(
    facts: Facts,
    model: HomeModel,
    first: date,
    end: date,
    *,
    forecasts: ReadForecasts | None = None,
    currency: str | None = None,
) -> History:
    """Read the local days of [``first``, ``end``) of which everything is known.

    Each day needs load, PV and prices of itself and of the 24 h after it, and forecasts at each of
    its slots and at the midnight it ends with. The others are named in ``skipped``.

    Args:
        facts: a store, or ``sim.array_facts.ArrayFacts``.
        model: the home.
        first: the first day.
        end: the day after the last.
        forecasts: makes what was known at each slot; None: by the baseline. Scenarios are left
            out: planners of an environment plan on the means.
        currency: of the home; None: as ``model.home`` has it.

    Raises:
        HistoryError: the home has no battery, or no day is left.
        KnownInputsError: the home has no zone, or a price has no exchange rate.
        SiteError: a limit differs from slot to slot.
        TelemetryError: the store cannot answer.
    """
    home_id = model.home.home_id
    if model.site.battery.capacity_kwh == 0.0:
        raise HistoryError(home_id, "it has no battery", "configure `battery:`")
    refuse_limits_by_slot(model.site)
    chosen = choose_days(
        facts, model, first, end, classes=frozenset(DayClass), every_day=True, judged={}
    )
    skipped = {day.local_day: day.skipped for day in chosen if day.skipped}
    days = tuple(_readable(facts, model, chosen, forecasts, skipped))
    if not days:
        reasons = "; ".join(f"{day}: {why}" for day, why in list(skipped.items())[:3])
        what = f"no day from {first} to {end} can be lived ({reasons or 'the period is empty'})"
        raise HistoryError(home_id, what, "choose days with history, or import what is missing")
    return History(
        home_id=home_id,
        zone=zone_of(model),
        currency=model.home.currency if currency is None else currency,
        site=model.site,
        horizon_slots=horizon_slots(model),
        days=tuple(day.local_day for day in days),
        classes=tuple(day.quality_class for day in days),
        skipped=skipped,
        data=_frozen(_packed(days)),
    )


@lru_cache(maxsize=2)
def demo_history(seed: int = 0, year: int = 2025) -> History:
    """Return the demo home's year, from the eighth day on; made once a process."""
    first, end = date(year, 1, 8), date(year + 1, 1, 1)
    return read_history(demo_facts(seed, year), demo_model(), first, end)


def _readable(
    facts: Facts,
    model: HomeModel,
    chosen: Sequence[ChosenDay],
    forecasts: ReadForecasts | None,
    skipped: dict[date, str],
) -> list[DayRows]:
    """Return the days that can be lived, and note why the others cannot."""

    def baseline(start: datetime, end: datetime) -> Forecasts:
        return BaselineForecasts(facts, model, start, end)

    make, found = forecasts or baseline, list[DayRows]()
    for day, told in days_with_forecasts(make, chosen, zone_of(model), beyond=_SLOT):
        try:
            if isinstance(told, ForecastError | KnownInputsError):
                raise told
            begin, end = local_day(day.local_day, zone_of(model))
            first, rows = (begin - told.start) // _SLOT, (end - begin) // _SLOT + 1
            until = _published_until(facts, model, told, begin, rows)
            found.append(
                read_day(facts, model, day.local_day, day.quality_class, told, until, first)
            )
        except (ForecastError, KnownInputsError, ReplayError) as err:
            skipped[day.local_day] = reason_of(err)
    return found


def _published_until(
    facts: Facts, model: HomeModel, forecasts: Forecasts, begin: datetime, rows: int
) -> I64:
    """Return the end of the published prices at each row of a day, epoch seconds."""
    if isinstance(forecasts, BaselineForecasts):
        return forecasts.prices_until((begin - forecasts.start) // _SLOT, rows)
    slots = horizon_slots(model)
    prices = KnownPrices(facts, model, begin, begin + rows * _SLOT, slots + DAY_AFTER_SLOTS)
    return prices.published_until(0, rows, slots)


def _packed(days: Sequence[DayRows]) -> Data:
    """Return days as kernels read them."""
    rows = [len(day.now) for day in days]
    kept = [part for day in days for part in day.ahead]
    offset = np.cumsum([0] + [part.values.size for part in kept[:-1]])
    base = [part.base + begin for part, begin in zip(kept, offset, strict=True)]
    width = len(SERIES)
    soc, price = _terminal([day.terminal for day in days])
    return Data(
        slots=np.array([len(day.window) for day in days], dtype=np.int64),
        first=begins(rows),
        capacity=np.array([day.window.site.battery.capacity_kwh for day in days]),
        limits=np.stack([day.window.limits[0] for day in days]),
        rules=np.stack([rules_row(day.window.rules) for day in days]),
        terminal_soc=soc,
        terminal_price=price,
        actual=np.concatenate([_closed(day) for day in days]),
        now=np.concatenate([day.now for day in days]),
        values=np.concatenate([part.values for part in kept]),
        base=np.concatenate(
            [np.stack(base[k : k + width], axis=1) for k in range(0, len(base), width)]
        ),
        by_clock=np.array([[part.by_clock for part in day.ahead] for day in days]),
        quarter=np.concatenate([day.quarter for day in days]),
        first_quarter=begins([day.quarter.size for day in days]),
    )


def begins(sizes: Sequence[int]) -> I64:
    """Return where parts of these sizes begin, one behind the other."""
    return np.cumsum([0, *sizes[:-1]], dtype=np.int64)


def _closed(day: DayRows) -> F64:
    """Return (n + 1, 6): what happened and what prices were known; nothing of what followed."""
    actual = day.window.actual
    closing = np.full((1, actual.shape[1]), np.nan)
    return np.concatenate([np.concatenate([actual, closing]), day.told], axis=1)


def _terminal(curves: Sequence[TerminalCurve]) -> tuple[F64, F64]:
    """Return (D, P) begins and prices; behind its last piece a curve has infinity and 0."""
    most = max(curve.price.size for curve in curves)
    soc, price = np.full((len(curves), most), np.inf), np.zeros((len(curves), most))
    for row, curve in enumerate(curves):
        soc[row, : curve.soc_kwh.size], price[row, : curve.price.size] = curve.soc_kwh, curve.price
    return soc, price


def _frozen(data: Data) -> Data:
    """Return the same arrays, read-only."""
    for values in data:
        values.flags.writeable = False
    return data


def _remade(*facts: object) -> History:
    """Return what ``History.__reduce__`` took apart."""
    names = ("home_id", "zone", "currency", "site", "horizon_slots", "days", "classes")
    given: dict[str, Any] = dict(zip((*names, "skipped", "data"), facts, strict=True))
    given["data"] = _frozen(Data(*given["data"]))
    return History(**given)
