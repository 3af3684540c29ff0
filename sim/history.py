"""What happened to a home in a window, as arrays, and which windows are known without a gap.

    stretches = gap_free_stretches(store, model)
    real = realised(store, model, stretches[0].start, stretches[0].end - timedelta(days=1))

A replay needs every slot: a missing value is refused by name. Nothing is guessed unless asked for:
with ``bridge_hours``, PV that is missing for at most so long is read off the line between its
neighbours, as an inverter that falls asleep at dusk leaves it, and counted. Units: kWh per slot,
currency per kWh, UTC. Prices are settled and paired as ``sim.planning`` does it.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from forecast.errors import ForecastError
from sim.errors import KnownInputsError, ReplayError
from sim.facts import Facts
from sim.measured import measured
from sim.planning import (
    HomeModel,
    has_pv,
    known_inputs,
    read_spot,
    settlement_start,
    zone_of,
)
from telemetry.arrays import F64, I64, Bool
from telemetry.quality_table import DayClass
from telemetry.slots import (
    SLOT_MINUTES,
    SLOT_SECONDS,
    from_epoch,
    local_calendar,
    local_day,
    slot_range,
    to_epoch,
)

__all__ = ["Gap", "Realised", "Stretch", "gap_free_stretches", "realised", "skipped_gaps"]

_SLOT = timedelta(minutes=SLOT_MINUTES)
_PRICE = "price"
_VERDICT = "verdict"
_LONGEST_MONTH = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Realised:
    """What happened in N slots and some that followed, M in all.

    Attributes:
        home_id: the home.
        start: start of the first slot, UTC.
        slots: N, the length of the window.
        load_kwh: (M,).
        pv_kwh: (M,), zeros for a home without panels.
        import_price: (M,), settled, with fees and VAT.
        export_price: (M,).
        spot: (M,) as published, not settled, in the home's currency.
        bridged: how many of the M slots have a PV that was read off its neighbours.
    """

    home_id: str
    start: datetime
    slots: int
    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64
    spot: F64
    bridged: int = 0

    @property
    def after(self) -> int:
        """Slots that follow the window: M - N."""
        return self.load_kwh.size - self.slots

    @property
    def end(self) -> datetime:
        """End of the window, UTC."""
        return self.start + self.slots * _SLOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Slots in [start, end), both local midnights in UTC, of which everything is known."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Slots in [start, end) that are missing in a channel.

    Attributes:
        start: UTC.
        end: UTC.
        channel: ``load_kwh``, ``pv_kwh``, ``price``, or ``verdict``: a day that is excluded.
    """

    start: datetime
    end: datetime
    channel: str


def realised(
    store: Facts,
    model: HomeModel,
    start: datetime,
    end: datetime,
    *,
    after_hours: int = 24,
    bridge_hours: float = 0.0,
) -> Realised:
    """Return what happened in [start, end) and in the hours that follow.

    Args:
        store: where the facts are.
        model: the home.
        start: the window's first slot.
        end: the window's end.
        after_hours: how far beyond the end to read.
        bridge_hours: how long PV may be missing between two readings to be read off the line
            between them.

    Raises:
        ReplayError: the window is empty, or load, PV or price of a slot is missing.
        KnownInputsError: the home has no zone, or a price has no exchange rate.
        TelemetryError: the store cannot answer, or a bound is no slot start.
    """
    slots = slot_range(start, end)
    if not slots.size:
        raise ReplayError(
            model.home.home_id,
            f"the period from {start.isoformat()} to {end.isoformat()} has no slot",
            "choose an end after the start",
        )
    facts = _facts(store, model, start, end + timedelta(hours=after_hours), bridge_hours)
    _refuse_gaps(model, facts)
    imports, exports = _settled(store, model, facts)
    return Realised(
        home_id=model.home.home_id,
        start=from_epoch(to_epoch(start)),
        slots=slots.size,
        load_kwh=facts.load_kwh,
        pv_kwh=facts.pv_kwh,
        import_price=imports,
        export_price=exports,
        spot=facts.spot,
        bridged=facts.bridged,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Facts:
    """Load, PV and spot of (M,) slots, NaN where missing; how many of PV were bridged."""

    slots: I64
    load_kwh: F64
    pv_kwh: F64
    spot: F64
    bridged: int

    def channels(self) -> tuple[tuple[str, F64], ...]:
        """Return each series with its name."""
        return (("load_kwh", self.load_kwh), ("pv_kwh", self.pv_kwh), (_PRICE, self.spot))

    @property
    def whole(self) -> Bool:
        """(M,) whether everything is known."""
        return ~np.isnan(self.load_kwh + self.pv_kwh + self.spot)


def _facts(
    store: Facts, model: HomeModel, start: datetime, end: datetime, bridge_hours: float
) -> _Facts:
    """Read everything that is known of [start, end) today."""
    zone_of(model)
    slots = slot_range(start, end)
    seen = measured(store, model, start, end, bridge_hours)
    return _Facts(
        slots=slots,
        load_kwh=seen.load_kwh,
        pv_kwh=seen.pv_kwh,
        spot=read_spot(store, model, slots, None).values,
        bridged=seen.bridged,
    )


def _refuse_gaps(model: HomeModel, facts: _Facts) -> None:
    """Raise for the first slot of which something is missing."""
    whole = facts.whole
    if whole.all():
        return
    first = int(np.argmin(whole))
    missing = next(name for name, values in facts.channels() if np.isnan(values[first]))
    runs = _runs(whole)
    fix = "choose another period, or import what is missing"
    if runs:
        low, high = max(runs, key=lambda run: run[1] - run[0])
        since, until = (from_epoch(int(facts.slots[0]) + k * SLOT_SECONDS) for k in (low, high))
        fix += (
            "; the longest part of this one without gaps, with the hours after it, is "
            f"{since.isoformat()} to {until.isoformat()}"
        )
    at = from_epoch(int(facts.slots[first])).isoformat()
    count = int((~whole).sum())
    raise ReplayError(
        model.home.home_id,
        f"{missing} of {at} is missing, the first of {count} slots with gaps",
        fix,
    )


def _settled(store: Facts, model: HomeModel, facts: _Facts) -> tuple[F64, F64]:
    """Return (import_price, export_price), (M,), of whole settlement periods as far as stored."""
    start, end = (from_epoch(int(facts.slots[0])), from_epoch(int(facts.slots[-1])) + _SLOT)
    around = slot_range(settlement_start(model.tariff, start), end + _settlement(model))
    known = ~np.isnan(spot := read_spot(store, model, around, None).values)
    here = int((facts.slots[0] - around[0]) // SLOT_SECONDS)
    low, high = next(run for run in _runs(known) if run[0] <= here < run[1])
    begin = from_epoch(int(around[low]))
    imports, exports = model.tariff.prices(begin, SLOT_MINUTES, spot[low:high])
    cut = slice(here - low, here - low + facts.slots.size)
    return imports[cut], exports[cut]


def _settlement(model: HomeModel) -> timedelta:
    """Return the length of the longest settlement period."""
    tariff = model.tariff
    periods = (tariff.import_settlement_minutes, tariff.export_settlement_minutes)
    if "month" in periods:
        return _LONGEST_MONTH
    return timedelta(minutes=max(int(period) for period in periods))


def _runs(there: Bool) -> list[tuple[int, int]]:
    """Return [first, stop) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], there, [False]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def gap_free_stretches(
    store: Facts,
    model: HomeModel,
    *,
    least_days: int = 10,
    history_days: int = 8,
    without_excluded: bool = False,
    bridge_hours: float = 0.0,
) -> tuple[Stretch, ...]:
    """Return the stretches of whole local days of which load, PV and prices are known throughout.

    A replay of a stretch ends a day earlier where it needs the 24 h that follow it.

    Args:
        store: where the facts are.
        model: the home.
        least_days: the shortest stretch.
        history_days: days from the first observation to the first stretch, for the forecasts made
            at its beginning; these may have gaps, as long as a plan can be made there.
        without_excluded: leave out days whose verdict is ``exclude``.
        bridge_hours: as ``realised`` takes it.

    Raises:
        ReplayError: the home has no load, or no PV where it has panels.
        KnownInputsError: the home has no zone, or a price has no exchange rate.
        TelemetryError: the store cannot answer.
    """
    found = _survey(store, model, bridge_hours)
    bad = ~found.facts.whole
    if without_excluded:
        bad = bad | _excluded(store, model, found.facts.slots)
    days = np.unique(found.day)
    good = ~np.isin(days, found.day[bad])
    earliest = found.since + timedelta(days=history_days)
    stretches = []
    for low, high in _runs(good):
        first, last = date.fromordinal(int(days[low])), date.fromordinal(int(days[high - 1]))
        stretch = _stretch(store, model, (first, last), earliest, least_days)
        if stretch is not None:
            stretches.append(stretch)
    return tuple(stretches)


def skipped_gaps(
    store: Facts,
    model: HomeModel,
    *,
    without_excluded: bool = False,
    bridge_hours: float = 0.0,
) -> tuple[Gap, ...]:
    """Return what ``gap_free_stretches`` finds missing, in order.

    Raises:
        ReplayError, KnownInputsError, TelemetryError: as there.
    """
    facts = _survey(store, model, bridge_hours).facts
    missing = [(name, np.isnan(values)) for name, values in facts.channels()]
    if without_excluded:
        missing.append((_VERDICT, _excluded(store, model, facts.slots)))
    begin = int(facts.slots[0])
    gaps = [
        Gap(
            start=from_epoch(begin + low * SLOT_SECONDS),
            end=from_epoch(begin + high * SLOT_SECONDS),
            channel=name,
        )
        for name, gone in missing
        for low, high in _runs(gone)
    ]
    return tuple(sorted(gaps, key=lambda gap: (gap.start, gap.end, gap.channel)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Survey:
    """All that is known of a home.

    Attributes:
        facts: the whole local days from the first to the last observation.
        day: (M,) ordinal of the local day of each slot.
        since: the first slot from which on both load and PV are recorded, UTC.
    """

    facts: _Facts
    day: I64
    since: datetime


def _survey(store: Facts, model: HomeModel, bridge_hours: float) -> _Survey:
    """Read all that is known of a home."""
    home_id, zone = model.home.home_id, zone_of(model)
    names = ("load_kwh", "pv_kwh") if has_pv(store, model, None) else ("load_kwh",)
    reaches = []
    for name in names:
        reach = store.coverage(home_id, name)
        if reach is None:
            raise ReplayError(
                home_id, f"no {name} is stored", "import it (darkstar import FILE), or record it"
            )
        reaches.append(reach)
    edges = (min(reach.first for reach in reaches), max(reach.last for reach in reaches))
    days = local_calendar(np.array([to_epoch(edge) for edge in edges], dtype=np.int64), zone).day
    first, last = (date.fromordinal(day) for day in days.tolist())
    window = (local_day(first, zone)[0], local_day(last, zone)[1])
    facts = _facts(store, model, *window, bridge_hours)
    return _Survey(
        facts=facts,
        day=local_calendar(facts.slots, zone).day,
        since=max(reach.first for reach in reaches),
    )


def _excluded(store: Facts, model: HomeModel, slots: I64) -> Bool:
    """Return (M,) whether each slot lies in a day with the verdict ``exclude``."""
    day = local_calendar(slots, zone_of(model)).day
    first, last = date.fromordinal(int(day[0])), date.fromordinal(int(day[-1]))
    verdicts = store.day_quality(model.home.home_id, first, last)
    bad = [v.local_date.toordinal() for v in verdicts if v.day_class is DayClass.EXCLUDE]
    return np.isin(day, np.array(bad, dtype=np.int64))


def _stretch(
    store: Facts, model: HomeModel, days: tuple[date, date], earliest: datetime, least_days: int
) -> Stretch | None:
    """Return the part of a run of whole days from which on plans can be made, if long enough."""
    zone = zone_of(model)
    first, end = days[0], local_day(days[1], zone)[1]
    while (days[1] - first).days + 1 >= least_days:
        start = local_day(first, zone)[0]
        if start >= earliest and _can_plan(store, model, start):
            return Stretch(start=start, end=end)
        first += timedelta(days=1)
    return None


def _can_plan(store: Facts, model: HomeModel, at: datetime) -> bool:
    """Return whether enough was known at a moment to plan."""
    try:
        known_inputs(store, model, at)
    except (KnownInputsError, ForecastError):
        return False
    return True
