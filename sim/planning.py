"""From facts to a horizon: what a planner could know at a moment.

    store ──observations, prices known at `at`──> baseline forecast ──> spot, load, PV of T + 24 h
          ──> tariff ──> Horizon of T slots, valued at its end by the 24 h after it

Everything is as of ``at``: observations with ``known_at <= at``, prices with ``issued_at <= at``.
The horizon begins with the slot that contains ``at``. Units: kWh per slot, currency/kWh, UTC.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecast.baseline import load_baseline, pv_baseline
from mpc import Horizon, Site, Tariff, terminal_curve
from mpc.site import as_limit
from sim.errors import KnownInputsError
from sim.facts import Facts
from sim.pairing import PricePairing
from sim.unpublished import PriceForecast, filled_spot, price_history
from telemetry.arrays import F64, I64
from telemetry.home import Home
from telemetry.slots import (
    SLOT_MINUTES,
    SLOT_SECONDS,
    from_epoch,
    local_calendar,
    local_day,
    slot_of,
    slot_range,
    to_epoch,
)

__all__ = [
    "AFTER",
    "HISTORY",
    "HomeModel",
    "KnownInputs",
    "NetLoad",
    "StoredSpot",
    "battery_window",
    "exchange_rate",
    "half_full",
    "has_pv",
    "known_inputs",
    "known_spot",
    "read_spot",
    "settlement_start",
    "settlement_starts",
    "zone_of",
]

HISTORY = timedelta(days=29)
"""How far back the observations reach that a forecast of load or PV is made from."""
AFTER = timedelta(hours=24)
"""How far beyond its horizon a plan looks for the worth of what is left in the battery."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HomeModel:
    """A home as the planner needs it; made from the configuration.

    Attributes:
        home: the house, with zone and area.
        site: battery, grid and options.
        tariff: what is paid on top of spot.
        price_area: whose spot prices it pays.
        price_currency: the stored currency that is preferred; None: the home's own. Others fill
            the slots it leaves out.
        exchange_rates: units of the home's currency per unit of another, by currency.
        pairing: for a home from another place or year than its prices, else None.
        horizon_hours: how far a plan reaches.
        load_days: days the load baseline averages.
        pv_days: days the PV baseline averages.
        price_forecast: what unpublished prices are made from: the same slot yesterday (N2), or
            four weeks of published ones (B6).
    """

    home: Home
    site: Site
    tariff: Tariff
    price_area: str
    exchange_rates: dict[str, float]
    price_currency: str | None = None
    pairing: PricePairing | None = None
    horizon_hours: int = 48
    load_days: int = 7
    pv_days: int = 3
    price_forecast: PriceForecast = PriceForecast.YESTERDAY


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownInputs:
    """What was known at ``as_of``.

    Attributes:
        as_of: the moment, UTC.
        horizon: T slots from the one that contains ``as_of``.
        spot: (T,) spot price in the home's currency per kWh, published or forecast.
        published: (T,) whether the price of the slot was published.
        prices_until: end of the unbroken published prices; the horizon's start if none were.
        price_issued_assumed: whether some issue time was assumed, not recorded.
        observed_until: end of the newest slot with both load and PV known at ``as_of``.
    """

    as_of: datetime
    horizon: Horizon
    spot: F64
    published: NDArray[np.bool_]
    prices_until: datetime
    price_issued_assumed: bool
    observed_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetLoad:
    """Load and PV as expected, (T + 96,) each: the horizon and the 24 h after it, kWh per slot."""

    load_kwh: F64
    pv_kwh: F64


def known_inputs(
    store: Facts, model: HomeModel, at: datetime, expected: NetLoad | None = None
) -> KnownInputs:
    """Return the horizon that could be planned at ``at``, forecasts by the baseline.

    Args:
        store: where the facts are.
        model: the home.
        at: an aware moment.
        expected: load and PV by another forecast; None: by the baseline.

    Raises:
        KnownInputsError: the home has no zone, or no prices of its area are stored.
        ForecastError: too little history for a forecast of load, PV or unpublished prices.
        TelemetryError: the store cannot answer.
    """
    start = slot_of(at)
    end = start + timedelta(hours=model.horizon_hours)
    load, pv, observed_until = _net_load(store, model, at, start, end + AFTER, expected)
    (begin, spot), published, assumed = known_spot(store, model, at, start, end + AFTER)
    imports, exports = model.tariff.prices(begin, SLOT_MINUTES, spot)
    here = spot.size - load.size
    slots = slot_range(start, end).size
    follow = Horizon(
        start=end,
        slot_minutes=SLOT_MINUTES,
        import_price=imports[here + slots :],
        export_price=exports[here + slots :],
        load_kwh=load[slots:],
        pv_kwh=pv[slots:],
    )
    horizon = Horizon(
        start=start,
        slot_minutes=SLOT_MINUTES,
        import_price=imports[here : here + slots],
        export_price=exports[here : here + slots],
        load_kwh=load[:slots],
        pv_kwh=pv[:slots],
        terminal_value=terminal_curve(model.site, follow),
    )
    known = published[:slots]
    unbroken = slots if known.all() else int(np.argmin(known))
    return KnownInputs(
        as_of=at,
        horizon=horizon,
        spot=spot[here : here + slots],
        published=known,
        prices_until=start + timedelta(minutes=SLOT_MINUTES * unbroken),
        price_issued_assumed=assumed,
        observed_until=observed_until,
    )


def zone_of(model: HomeModel) -> str:
    """Return the home's zone, without which no wall clock and no tariff exists."""
    if model.home.zone is None:
        raise KnownInputsError(
            model.home.home_id, "its time zone is unknown", "give `zone` in its configuration"
        )
    return model.home.zone


def _net_load(
    store: Facts,
    model: HomeModel,
    at: datetime,
    start: datetime,
    end: datetime,
    expected: NetLoad | None,
) -> tuple[F64, F64, datetime]:
    """Return (load, PV, observed until): forecasts, kWh per slot ``start`` to ``end``.

    A home without panels, of which no PV was ever recorded, has none.
    """
    home, zone = model.home, zone_of(model)
    first = start - HISTORY
    seen = store.observations(home.home_id, ["load_kwh", "pv_kwh"], first, start, as_of=at)
    panels = has_pv(store, model, at)
    both = seen.of("load_kwh") + seen.of("pv_kwh") if panels else seen.of("load_kwh")
    until = _observed_until(both, first)
    if expected is not None:
        return expected.load_kwh, expected.pv_kwh, until
    targets = slot_range(start, end)
    load = load_baseline(
        seen.of("load_kwh"), to_epoch(first), targets, zone=zone, days=model.load_days
    )
    if not panels:
        return load, np.zeros(targets.size), until
    pv = pv_baseline(seen.of("pv_kwh"), to_epoch(first), targets, zone=zone, days=model.pv_days)
    return load, pv, until


def has_pv(store: Facts, model: HomeModel, at: datetime | None) -> bool:
    """Return whether the home has panels, or any PV of it was recorded by ``at`` (None: ever)."""
    home = model.home
    return bool(home.planes) or store.coverage(home.home_id, "pv_kwh", as_of=at) is not None


def _observed_until(values: F64, first: datetime) -> datetime:
    """Return the end of the newest slot that has a value."""
    known = np.flatnonzero(~np.isnan(values))
    slots = int(known[-1]) + 1 if known.size else 0
    return first + timedelta(minutes=SLOT_MINUTES * slots)


def known_spot(
    store: Facts, model: HomeModel, at: datetime, start: datetime, end: datetime
) -> tuple[tuple[datetime, F64], NDArray[np.bool_], bool]:
    """Return ((first slot, spot), published from ``start`` on, any issue time assumed).

    The spot series, in the home's currency, begins at or before ``start``: where a settlement
    period began earlier, so that its mean is whole.
    """
    first = min(settlement_start(model.tariff, start), start - price_history(model.price_forecast))
    slots = slot_range(first, end)
    stored = read_spot(store, model, slots, at)
    values = stored.values
    now = int((to_epoch(start) - slots[0]) // SLOT_SECONDS)
    if np.isnan(values).all():
        raise _no_prices(model, at, first)
    published = ~np.isnan(values[now:])
    filled = filled_spot(model.price_forecast, zone_of(model), values, slots, now)
    whole = np.concatenate([values[:now], filled])
    since = int((to_epoch(settlement_start(model.tariff, start)) - slots[0]) // SLOT_SECONDS)
    gaps = np.flatnonzero(np.isnan(whole[since:now]))
    since = since if gaps.size == 0 else since + int(gaps[-1]) + 1
    begin = first + timedelta(seconds=SLOT_SECONDS * since)
    return (begin, whole[since:]), published, stored.assumed


def _no_prices(model: HomeModel, at: datetime, first: datetime) -> KnownInputsError:
    """Return the error of a home without a single price."""
    return KnownInputsError(
        model.home.home_id,
        f"no prices of area {model.price_area} were known at {at.isoformat()} for the "
        f"days from {first.date()}",
        "fetch them (darkstar prices), import them (darkstar import FILE), or correct `area`",
    )


def settlement_start(tariff: Tariff, start: datetime) -> datetime:
    """Return where the settlement period of ``start`` began, at the earliest."""
    slot = np.array([to_epoch(start)], dtype=np.int64)
    periods = (tariff.import_settlement_minutes, tariff.export_settlement_minutes)
    return from_epoch(min(int(settlement_starts(slot, tariff.zone, p)[0]) for p in periods))


def settlement_starts(slots: I64, zone: str, period: int | str) -> I64:
    """Return where the settlement period of each of the (N,) slots began, epoch seconds."""
    calendar = local_calendar(slots, zone)
    if period != "month":
        return slots - 60 * (calendar.minute % int(period))
    days, where = np.unique(calendar.day, return_inverse=True)
    firsts = [date.fromordinal(day).replace(day=1) for day in days.tolist()]
    starts = [to_epoch(local_day(first, zone)[0]) for first in firsts]
    return np.array(starts, dtype=np.int64)[where]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredSpot:
    """Spot prices of a home's slots, as the store has them.

    Attributes:
        values: (N,) the home's currency per kWh, NaN where not published.
        assumed: whether some issue time was assumed, not recorded.
        newest_issue: epoch second, on the side of the prices, of the last issue among all that was
            read; -1 without any. What is known changed then and not since.
    """

    values: F64
    assumed: bool
    newest_issue: int


def read_spot(store: Facts, model: HomeModel, slots: I64, at: datetime | None) -> StoredSpot:
    """Return the prices of ``slots`` that were published by ``at`` (None: by today).

    Where prices are stored in several currencies, the preferred one counts slot by slot and the
    others fill what it leaves out.

    Raises:
        KnownInputsError: a price is in a currency without exchange rate.
    """
    wanted, as_of = slots, at
    if model.pairing is not None:
        wanted = model.pairing.to_price_time(slots)
        as_of = None if at is None else model.pairing.as_of(at)
    first, last = int(wanted.min()), int(wanted.max()) + SLOT_SECONDS
    area, window = model.price_area, (from_epoch(first), from_epoch(last))
    values, assumed = np.full(wanted.size, np.nan), np.zeros(wanted.size, dtype=np.bool_)
    places, newest = (wanted - first) // SLOT_SECONDS, -1
    for currency in _by_preference(model, store.price_currencies(area, *window, as_of=as_of)):
        series = store.prices(area, *window, as_of=as_of, currency=currency)
        newest = max(newest, int(series.issued_at.max()))
        take = np.isnan(values) & ~np.isnan(series.values[places])
        if take.any():
            values[take] = series.values[places][take] * exchange_rate(model, currency)
            assumed[take] = series.assumed[places][take]
    return StoredSpot(values=values, assumed=bool(assumed.any()), newest_issue=newest)


def _by_preference(model: HomeModel, stored: tuple[str, ...]) -> list[str]:
    """Return the stored currencies: the configured one, the home's own, then by name."""
    first = (model.price_currency, model.home.currency)
    return sorted(stored, key=lambda name: (name != first[0], name != first[1], name))


def exchange_rate(model: HomeModel, currency: str) -> float:
    """Return units of the home's currency per unit of another.

    Raises:
        KnownInputsError: it is not configured.
    """
    if currency == model.home.currency:
        return 1.0
    if currency not in model.exchange_rates:
        raise KnownInputsError(
            model.home.home_id,
            f"prices of {model.price_area} are in {currency}, the home pays in "
            f"{model.home.currency}",
            f"give `exchange_rates: {{{currency}: ...}}`, or that of {model.home.currency} "
            f"where {currency} is the top-level currency",
        )
    return model.exchange_rates[currency]


def battery_window(model: HomeModel) -> tuple[float, float]:
    """Return the least and the most stored energy that hold in every slot, kWh."""
    battery = model.site.battery
    low, high = as_limit(battery.min_soc_kwh), as_limit(battery.max_soc_kwh)
    return float(np.max(low)), float(np.min(high))


def half_full(model: HomeModel) -> tuple[float, str]:
    """Return half the capacity, or the edge of the battery's window next to it, and which it is."""
    low, high = battery_window(model)
    half = 0.5 * model.site.battery.capacity_kwh
    start = min(max(half, low), high)
    return start, "half full" if start == half else "the edge of its window next to half full"
