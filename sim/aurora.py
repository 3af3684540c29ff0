"""Aurora in the time machine, and for a live plan: the facts it reads, and what a plan is fed.

    history = read_history(store, model, first, end)
    forecasts = AuroraForecasts(store, model, history, chain, start, end)     # sim.asof.Forecasts
    inputs, scenarios = aurora_inputs(store, model, at, aurora)               # a live plan's

What is read carries the second from which it may be used (H1), so one history serves every issue
and no issue sees the future. A plan is fed the means, and scenarios around them; prices that are
not published come from ``forecast.price``. Units: kWh per slot, currency per kWh.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import final

import numpy as np

from forecast.aurora import Aurora, Issued
from forecast.inputs import HomeHistory, Measured, WeatherIssues
from forecast.rolling import Chain
from forecast.scenarios import SCENARIOS
from mpc import Scenarios, risk_weights
from mpc.errors import TariffError
from sim.asof import KnownForecasts, issues_of, refuse_outside, refuse_unforecast
from sim.asof_prices import KnownPrices
from sim.errors import ReplayError
from sim.facts import Facts
from sim.planning import (
    AFTER,
    HomeModel,
    KnownInputs,
    NetLoad,
    has_pv,
    known_inputs,
    read_spot,
    zone_of,
)
from sim.unpublished import PriceForecast
from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Channel, Quality
from telemetry.country import country_of
from telemetry.slots import (
    SLOT_MINUTES,
    SLOT_SECONDS,
    from_epoch,
    slot_of,
    slot_range,
    to_epoch,
)
from telemetry.weather_table import WeatherIssue

__all__ = ["ISSUE_HISTORY", "AuroraForecasts", "aurora_inputs", "priced", "read_history"]

ISSUE_HISTORY = timedelta(days=36)
"""How far back an issue looks: four weeks of local days, and some to spare."""
_READ_AT_ONCE = timedelta(days=32)  # rows of the store take far more room than their arrays
_FLEXIBLE = (Channel.EV_KWH, Channel.WATER_HEATER_KWH)
_AWAY = (Channel.VACATION, Channel.ALARM_ARMED)
_DOUBTFUL = Quality.SUSPECT | Quality.SPIKE | Quality.STUCK
_WEATHER = ("temp_c", "ghi_w_m2", "dni_w_m2", "dhi_w_m2", "cloud_cover", "wind_m_s")
_WEATHER_SLOTS = 320  # 80 h: the horizon, the day after it and the age of an issue
_WEATHER_BEFORE = timedelta(days=3)
_SLOT = timedelta(minutes=SLOT_MINUTES)  # a plan knows what was issued within its first slot
_NEUTRAL = 3


def priced(model: HomeModel) -> HomeModel:
    """Return the home with unpublished prices forecast as Aurora does it."""
    return replace(model, price_forecast=PriceForecast.AURORA)


def read_history(store: Facts, model: HomeModel, start: datetime, end: datetime) -> HomeHistory:
    """Return everything recorded of a home in [start, end), slot starts in UTC.

    Loads that answer prices (car, water heater) are taken out of the load from their first reading
    on. Readings that a rule calls suspect, a spike or stuck teach nothing and are no history.

    Raises:
        KnownInputsError: the home has no zone.
        ReplayError: no load is stored.
        TelemetryError: the store cannot answer, or a bound is no slot start.
    """
    home = model.home
    channels = (Channel.LOAD_KWH, Channel.PV_KWH, *_FLEXIBLE, *_AWAY)
    values, known, quality = _read(store, home.home_id, channels, start, end)
    if np.isnan(values[0]).all():
        raise ReplayError(
            home.home_id,
            f"no load is stored from {start.isoformat()} to {end.isoformat()}",
            "import it (darkstar import FILE), or record it",
        )
    doubtful = (quality & int(_DOUBTFUL)) != 0
    first = to_epoch(start)
    load = Measured.of(first, values[0], known[0]).without(doubtful[0])
    flexible = _flexible(first, values[2:4], known[2:4])
    if flexible is not None:
        load = _less(load, flexible)
    pv = None
    if has_pv(store, model, None):
        pv = Measured.of(first, values[1], known[1]).without(doubtful[1])
    latitude, longitude = home.position or (None, None)
    return HomeHistory(
        zone=zone_of(model),
        latitude=latitude,
        longitude=longitude,
        elevation_m=home.elevation_m,
        planes=home.planes,
        country=country_of(home.zone),
        load=load,
        flexible=flexible,
        pv=pv,
        pv_teaches=None if pv is None else ~doubtful[1],
        pv_may_curtail=None if pv is None else _may_curtail(store, model, start, end),
        away=_away(first, values[4:], known[4:]),
        weather=weather_issues(
            store.weather_issues(home.home_id, start - _WEATHER_BEFORE, end + _SLOT)
        ),
        source_slots=_source_slots(quality[0], ~np.isnan(values[0])),
        pv_source_slots=None if pv is None else _source_slots(quality[1], ~np.isnan(values[1])),
    )


def _may_curtail(store: Facts, model: HomeModel, start: datetime, end: datetime) -> Bool:
    """Return (S,) whether feeding in cost money, so that PV may have been held down.

    Where the tariff has no entry in force yet, nobody knows, and nothing is taken for held down.
    """
    slots = slot_range(start, end)
    spot = read_spot(store, model, slots, None).values
    known = ~np.isnan(spot)
    try:
        _, exports = model.tariff.prices(start, SLOT_MINUTES, np.where(known, spot, 0.0))
    except TariffError:
        return np.zeros(slots.size, dtype=np.bool_)
    costs: Bool = known & (exports < 0.0)
    return costs


def _read(
    store: Facts, home_id: str, channels: Sequence[Channel], start: datetime, end: datetime
) -> tuple[F64, I64, I64]:
    """Return (values, known_at, quality), (C, S) each, read in parts."""
    parts, first = [], start
    while first < end:
        until = min(first + _READ_AT_ONCE, end)
        seen = store.observations(home_id, channels, first, until)
        parts.append((seen.values, seen.known_at, seen.quality))
        first = until
    if not parts:
        none = np.empty((len(channels), 0))
        return none, none.astype(np.int64), none.astype(np.int64)
    values, known, quality = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return values, known, quality


def _flexible(start: int, values: F64, known_at: I64) -> Measured | None:
    """Return car and water heater together, between the first and last readings of each."""
    total, known = np.zeros(values.shape[1]), np.zeros(values.shape[1], dtype=np.int64)
    for row, when in zip(values, known_at, strict=True):
        there = np.flatnonzero(~np.isnan(row))
        if there.size:
            measured = slice(there[0], there[-1] + 1)  # a meter that was taken away counts nothing
            total[measured] += row[measured]
            known = np.maximum(known, when)
    return Measured.of(start, total, known) if known.any() else None


def _less(load: Measured, flexible: Measured) -> Measured:
    """Return the load without the flexible loads; missing where either is."""
    return Measured(
        start=load.start,
        values=np.maximum(load.values - flexible.values, 0.0),
        usable_from=np.maximum(load.usable_from, flexible.usable_from),
    )


def _away(start: int, values: F64, known_at: I64) -> Measured | None:
    """Return the share of each slot in which nobody was at home; None where nothing tells."""
    there = ~np.isnan(values)
    if not there.any():
        return None
    share = np.where(there.any(axis=0), np.where(there, values, 0.0).max(axis=0), np.nan)
    return Measured.of(start, share, known_at.max(axis=0))


def _source_slots(quality: I64, there: Bool) -> int:
    """Return how many slots a meter reports at once: 1, 2 or 4."""
    longer = (quality & int(Quality.RESAMPLED)) != 0
    hours = longer & ((quality & int(Quality.HOURLY)) != 0)
    if 2 * int((hours & there).sum()) > int(there.sum()):
        return 4
    return 2 if 2 * int((longer & there).sum()) > int(there.sum()) else 1


def weather_issues(stored: Sequence[WeatherIssue]) -> WeatherIssues | None:
    """Return weather forecasts as arrays, 80 h of each; None without any."""
    if not stored:
        return None
    names = tuple(name for name in _WEATHER if any(name in one.variables for one in stored))
    slots = min(max(one.values.shape[1] for one in stored), _WEATHER_SLOTS)
    values = np.full((len(stored), len(names), slots), np.nan, dtype=np.float32)
    for n, one in enumerate(stored):
        for name in one.variables:
            if name in names:
                row = one.values[one.variables.index(name), :slots]
                values[n, names.index(name), : row.size] = row
    return WeatherIssues(
        variables=names,
        issued_at=np.array([one.issued_at for one in stored], dtype=np.int64),
        start=np.array([one.start for one in stored], dtype=np.int64),
        values=values,  # float32: half the memory of a year of issues
    )


@final
class AuroraForecasts:
    """What Aurora would have said at every slot of a window; ``sim.asof.Forecasts``."""

    def __init__(
        self,
        store: Facts,
        model: HomeModel,
        history: HomeHistory,
        chain: Chain,
        start: datetime,
        end: datetime,
        *,
        scenarios: bool = True,
        risk_appetite: int = _NEUTRAL,
        recourse: float = 0.5,
        price_scenarios: bool = False,
        name: str = "aurora",
    ) -> None:
        """Read the prices of the window.

        Args:
            store: where the prices are.
            model: the home.
            history: of ``read_history``, from ``ISSUE_HISTORY`` before the window to its end.
            chain: the models in force.
            start: the window's first slot.
            end: the window's end, after its start.
            scenarios: whether plans are made on scenarios.
            risk_appetite: 1 (cautious) to 5 (bold); 3 weighs all scenarios alike.
            recourse: as in ``mpc.Planner.plan``.
            price_scenarios: whether unpublished prices differ between scenarios.
            name: how reports call them.

        Raises:
            ReplayError: the window is empty.
            KnownInputsError: no prices were known at some slot.
            MissingHistoryError: too few prices were known to forecast the unpublished ones.
        """
        self._issues = issues_of(model.home.home_id, start, end)
        hours = timedelta(hours=model.horizon_hours) + AFTER
        self._ahead = hours // timedelta(minutes=SLOT_MINUTES)
        self._price_ways = SCENARIOS if scenarios and price_scenarios else 0
        self._prices = KnownPrices(
            store, priced(model), start, end, self._ahead, scenarios=self._price_ways
        )
        self._home_id, self._zone = model.home.home_id, zone_of(model)
        self._history, self._chain, self._scenarios = history, chain, scenarios
        self._risk_appetite, self._recourse = risk_appetite, recourse
        self.name = name

    @property
    def start(self) -> datetime:
        """Start of the window's first slot, UTC."""
        return from_epoch(int(self._issues[0]))

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return what was known at the slots ``first`` to ``first + count``.

        Raises:
            ReplayError: the window has no such slots.
            MissingHistoryError: too little load was known at one; it is named.
        """
        refuse_outside(self._home_id, first, count, self._issues.size)
        issues = self._issues[first : first + count]
        parts = [
            model.issue(self._history, issues[part], self._ahead, scenarios=self._scenarios)
            for model, part in self._chain.parts(issues)
        ]
        load = np.concatenate([part.load.mean_kwh for part in parts])
        pv = np.concatenate([part.pv.mean_kwh for part in parts])
        refuse_unforecast(issues, self._zone, load_kwh=load)
        imports, exports = self._prices.known(first, count)
        known = KnownForecasts(load_kwh=load, pv_kwh=pv, import_price=imports, export_price=exports)
        if not self._scenarios:
            return known
        ways = [_ways(part) for part in parts]
        load_ways, pv_ways = (np.concatenate(part) for part in zip(*ways, strict=True))
        price_ways = self._prices.scenarios(first, count) if self._price_ways else (None, None)
        return replace(
            known,
            scenario_import_price=price_ways[0],
            scenario_export_price=price_ways[1],
            scenario_load_kwh=load_ways,
            scenario_pv_kwh=pv_ways,
            weights=self._weights(load_ways - pv_ways, imports, price_ways[0]),
            recourse=self._recourse,
        )

    def _weights(self, net_kwh: F64, price: F64, price_ways: F64 | None) -> F64 | None:
        """Return (N, K) weights by risk appetite, of a plan's horizon (``mpc.scenarios``)."""
        if self._risk_appetite == _NEUTRAL:
            return None
        slots = self._ahead - AFTER // timedelta(minutes=SLOT_MINUTES)
        prices = price[:, None] if price_ways is None else price_ways
        cost = (net_kwh[..., :slots] * prices[..., :slots]).sum(axis=2)
        return np.stack([risk_weights(row, self._risk_appetite) for row in cost])


def _ways(issued: Issued) -> tuple[F64, F64]:
    """Return the scenarios of load and PV, which were asked for."""
    if issued.load_scenarios is None or issued.pv_scenarios is None:
        raise AssertionError("scenarios were asked for")
    return issued.load_scenarios, issued.pv_scenarios


def aurora_inputs(
    store: Facts, model: HomeModel, at: datetime, aurora: Aurora, *, risk_appetite: int = _NEUTRAL
) -> tuple[KnownInputs, Scenarios, Issued]:
    """Return the horizon that Aurora lets plan at a moment, its scenarios, and all it says.

    Args:
        store: where the facts are.
        model: the home.
        at: an aware moment.
        aurora: the model in use.
        risk_appetite: 1 (cautious) to 5 (bold).

    Raises:
        KnownInputsError: the home has no zone, or no prices of its area are stored.
        ForecastError: too little history for a forecast.
        TelemetryError: the store cannot answer.
    """
    start = slot_of(at)
    history = read_history(store, model, start - ISSUE_HISTORY, start)
    slots = int(timedelta(hours=model.horizon_hours) / timedelta(minutes=SLOT_MINUTES))
    ahead = slots + AFTER // timedelta(minutes=SLOT_MINUTES)
    issue = np.array([to_epoch(start)], dtype=np.int64)
    issued = aurora.issue(as_known(history, to_epoch(at)), issue, ahead, scenarios=True)
    load, pv = issued.load.mean_kwh, issued.pv.mean_kwh
    refuse_unforecast(issue, history.zone, load_kwh=load)
    expected = NetLoad(load_kwh=load[0], pv_kwh=pv[0])
    inputs = known_inputs(store, priced(model), at, expected)
    load_ways, pv_ways = (ways[0, :, :slots] for ways in _ways(issued))
    scenarios = Scenarios(load_kwh=load_ways, pv_kwh=pv_ways)
    return inputs, scenarios.tilted(inputs.horizon, risk_appetite), issued


def as_known(history: HomeHistory, at: int) -> HomeHistory:
    """Return a history with what was known at a moment within the issue's slot usable in it.

    An issue stands at a slot's start; a plan within the slot knows what came in meanwhile.
    """
    start = at // SLOT_SECONDS * SLOT_SECONDS

    def earlier(measured: Measured | None) -> Measured | None:
        if measured is None:
            return None
        usable = np.where(
            (measured.usable_from > start) & (measured.usable_from <= at),
            start,
            measured.usable_from,
        )
        return replace(measured, usable_from=usable)

    load, weather = earlier(history.load), history.weather
    if weather is not None:
        late = (weather.issued_at > start) & (weather.issued_at <= at)
        weather = replace(weather, issued_at=np.where(late, start, weather.issued_at))
    return replace(
        history,
        weather=weather,
        load=history.load if load is None else load,
        flexible=earlier(history.flexible),
        pv=earlier(history.pv),
        away=earlier(history.away),
    )
