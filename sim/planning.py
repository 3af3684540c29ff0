"""From facts to a horizon: what a planner could know at a moment.

    store ──observations, prices known at `at`──> baseline forecast ──> spot, load, PV of T + 24 h
          ──> tariff ──> Horizon of T slots, valued at its end by the 24 h after it

Everything is as of ``at``: observations with ``known_at <= at``, prices with ``issued_at <= at``.
The horizon begins with the slot that contains ``at``. Units: kWh per slot, currency/kWh, UTC.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from forecast.baseline import fill_unpublished_prices, load_baseline, pv_baseline
from mpc import Horizon, Site, Tariff, terminal_curve
from sim.errors import KnownInputsError
from sim.pairing import PricePairing
from telemetry.arrays import F64, I64
from telemetry.home import Home
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, from_epoch, slot_of, slot_range, to_epoch
from telemetry.store import Store

__all__ = ["HomeModel", "KnownInputs", "known_inputs"]


_HISTORY = timedelta(days=29)
_AFTER = timedelta(hours=24)
_PRICE_HISTORY = timedelta(days=8)


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


def known_inputs(store: Store, model: HomeModel, at: datetime) -> KnownInputs:
    """Return the horizon that could be planned at ``at``, forecasts by the baseline.

    Args:
        store: where the facts are.
        model: the home.
        at: an aware moment.

    Raises:
        KnownInputsError: the home has no zone, or no prices of its area are stored.
        ForecastError: too little history for a forecast of load, PV or unpublished prices.
        TelemetryError: the store cannot answer.
    """
    start = slot_of(at)
    end = start + timedelta(hours=model.horizon_hours)
    load, pv, observed_until = _net_load(store, model, at, start, end + _AFTER)
    (begin, spot), published, assumed = _spot(store, model, at, start, end + _AFTER)
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


def _zone(model: HomeModel) -> str:
    """Return the home's zone, without which no wall clock and no tariff exists."""
    if model.home.zone is None:
        raise KnownInputsError(
            model.home.home_id, "its time zone is unknown", "give `zone` in its configuration"
        )
    return model.home.zone


def _net_load(
    store: Store, model: HomeModel, at: datetime, start: datetime, end: datetime
) -> tuple[F64, F64, datetime]:
    """Return (load, PV, observed until): baseline forecasts, kWh per slot ``start`` to ``end``.

    A home without panels, of which no PV was ever recorded, has none.
    """
    home, zone = model.home, _zone(model)
    first = start - _HISTORY
    seen = store.observations(home.home_id, ["load_kwh", "pv_kwh"], first, start, as_of=at)
    targets = slot_range(start, end)
    load = load_baseline(
        seen.of("load_kwh"), to_epoch(first), targets, zone=zone, days=model.load_days
    )
    if not home.planes and store.coverage(home.home_id, "pv_kwh", as_of=at) is None:
        return load, np.zeros(targets.size), _observed_until(seen.of("load_kwh"), first)
    pv = pv_baseline(seen.of("pv_kwh"), to_epoch(first), targets, zone=zone, days=model.pv_days)
    both = seen.of("load_kwh") + seen.of("pv_kwh")
    return load, pv, _observed_until(both, first)


def _observed_until(values: F64, first: datetime) -> datetime:
    """Return the end of the newest slot that has a value."""
    known = np.flatnonzero(~np.isnan(values))
    slots = int(known[-1]) + 1 if known.size else 0
    return first + timedelta(minutes=SLOT_MINUTES * slots)


def _spot(
    store: Store, model: HomeModel, at: datetime, start: datetime, end: datetime
) -> tuple[tuple[datetime, F64], NDArray[np.bool_], bool]:
    """Return ((first slot, spot), published from ``start`` on, any issue time assumed).

    The spot series, in the home's currency, begins at or before ``start``: where a settlement
    period began earlier, so that its mean is whole.
    """
    first = min(_settlement_start(model.tariff, start), start - _PRICE_HISTORY)
    slots = slot_range(first, end)
    values, assumed = _read_prices(store, model, at, slots)
    now = int((to_epoch(start) - slots[0]) // SLOT_SECONDS)
    if np.isnan(values).all():
        raise _no_prices(model, at, first)
    published = ~np.isnan(values[now:])
    filled = fill_unpublished_prices(
        values[now:],
        to_epoch(start),
        zone=_zone(model),
        history=values[:now],
        history_start=int(slots[0]),
    )
    whole = np.concatenate([values[:now], filled])
    since = int((to_epoch(_settlement_start(model.tariff, start)) - slots[0]) // SLOT_SECONDS)
    gaps = np.flatnonzero(np.isnan(whole[since:now]))
    since = since if gaps.size == 0 else since + int(gaps[-1]) + 1
    begin = first + timedelta(seconds=SLOT_SECONDS * since)
    return (begin, whole[since:]), published, assumed


def _no_prices(model: HomeModel, at: datetime, first: datetime) -> KnownInputsError:
    """Return the error of a home without a single price."""
    return KnownInputsError(
        model.home.home_id,
        f"no prices of area {model.price_area} were known at {at.isoformat()} for the "
        f"days from {first.date()}",
        "fetch them (darkstar prices), import them (darkstar import FILE), or correct `area`",
    )


def _settlement_start(tariff: Tariff, start: datetime) -> datetime:
    """Return where the settlement period of ``start`` began, at the earliest."""
    periods = (tariff.import_settlement_minutes, tariff.export_settlement_minutes)
    local = start.astimezone(ZoneInfo(tariff.zone))
    if "month" in periods:
        return local.replace(day=1, hour=0, minute=0, fold=0).astimezone(start.tzinfo)
    return start - timedelta(minutes=local.minute % max(int(p) for p in periods))


def _read_prices(store: Store, model: HomeModel, at: datetime, slots: I64) -> tuple[F64, bool]:
    """Return stored prices of ``slots`` in the home's currency, NaN where not yet published.

    Where prices are stored in several currencies, the preferred one counts slot by slot and the
    others fill what it leaves out.
    """
    wanted, as_of = slots, at
    if model.pairing is not None:
        wanted, as_of = model.pairing.to_price_time(slots), model.pairing.as_of(at)
    first, last = int(wanted.min()), int(wanted.max()) + SLOT_SECONDS
    area, window = model.price_area, (from_epoch(first), from_epoch(last))
    values, assumed = np.full(wanted.size, np.nan), np.zeros(wanted.size, dtype=np.bool_)
    places = (wanted - first) // SLOT_SECONDS
    for currency in _by_preference(model, store.price_currencies(area, *window, as_of=as_of)):
        series = store.prices(area, *window, as_of=as_of, currency=currency)
        take = np.isnan(values) & ~np.isnan(series.values[places])
        if take.any():
            values[take] = series.values[places][take] * _rate(model, currency)
            assumed[take] = series.assumed[places][take]
    return values, bool(assumed.any())


def _by_preference(model: HomeModel, stored: tuple[str, ...]) -> list[str]:
    """Return the stored currencies: the configured one, the home's own, then by name."""
    first = (model.price_currency, model.home.currency)
    return sorted(stored, key=lambda name: (name != first[0], name != first[1], name))


def _rate(model: HomeModel, currency: str) -> float:
    """Return units of the home's currency per unit of another."""
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
