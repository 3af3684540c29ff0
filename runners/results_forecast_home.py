"""How far forecasts of a reference home lie from what came, on the last third of its days.

Models are trained on what was known, anew every 30 days, and forecast every full hour up to 48 h
ahead, at the meter's own resolution (``forecast.rolling``, ``forecast.metrics``). Beside Aurora
stand the plain rules, and a naive band:

    band = [Q10, Q90] of the same slot on the newest 14 days known at the issue               (RE1)

empirical quantiles, linear between ranks; PV is 0 where the clear sky is. Energies are kWh per
slot of 15 min.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np

from forecast.aurora import Forecast, Issued
from forecast.inputs import HomeHistory, Measured
from forecast.metrics import (
    NAIVES,
    Speaker,
    Sums,
    backtest,
    naive_forecasts,
    speaker_of,
)
from forecast.recent import recent_cells, target_places
from forecast.rolling import Chain, rolling
from forecast.roof import Roof
from runners.results_homes import Period, ReferenceHome
from runners.train import span_of_load
from sim.aurora import read_history
from sim.planning import zone_of
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_SECONDS, local_day, to_epoch, zone_info
from telemetry.store import Store

__all__ = [
    "RETRAIN_DAYS",
    "Errors",
    "LastThird",
    "find_test_days",
    "measure_errors",
    "naive_band",
    "naive_rule",
]

RETRAIN_DAYS = 30
"""How long a model is in force."""
_DAY = timedelta(days=1)
_HOUR = 3600
_BAND_DAYS, _LOOK_BACK_DAYS = 14, 29
_QUANTILES = (0.1, 0.5, 0.9)
_AURORA, _BAND = "aurora", "band"

_Way = Callable[[Measured, str, I64, int], F64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastThird:
    """The last third of a home's whole local days.

    Attributes:
        first, last: both included.
        period: the same in UTC.
        history: [start, end) of everything known, UTC.
    """

    first: date
    last: date
    period: Period
    history: Period


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errors:
    """Sums over the targets of the test days.

    Attributes:
        load: of Aurora.
        pv: of Aurora without weather forecasts.
        pv_by_weather: of Aurora with them; None for a home without.
        load_band: of the naive band (RE1).
        pv_band: of the naive band.
        naive_square: (5, 48) squared distance of each plain rule of load by lead hour, kWh**2.
    """

    load: Sums
    pv: Sums
    pv_by_weather: Sums | None
    load_band: Sums
    pv_band: Sums
    naive_square: F64


def find_test_days(store: Store, home: ReferenceHome) -> LastThird:
    """Return the last third of the whole local days with load of a home."""
    first, end = span_of_load(store, home.model)
    zone = zone_of(home.model)
    known_from, last = (at.astimezone(zone_info(zone)).date() for at in (first, end))
    begin = known_from if local_day(known_from, zone)[0] == first else known_from + _DAY
    count = max((last - begin).days // 3, 1)
    start = last - count * _DAY
    return LastThird(
        first=start,
        last=last - _DAY,
        period=Period(start=local_day(start, zone)[0], end=local_day(last, zone)[0]),
        history=Period(start=first, end=end),
    )


def measure_errors(
    store: Store, home: ReferenceHome, days: LastThird
) -> tuple[Errors, HomeHistory, Chain]:
    """Forecast every hour of the test days and score it; return history and models too."""
    history = read_history(store, home.model, days.history.start, days.history.end)
    start, end = _seconds(days.period.start), _seconds(days.period.end)
    issues = np.arange(start, end, _HOUR, dtype=np.int64)
    chain = rolling(history, start, end, retrain_days=RETRAIN_DAYS)
    roof = _roof(chain)
    speakers: dict[str, Speaker] = {
        _AURORA: speaker_of(chain),
        _BAND: naive_band(roof),
        **{name: naive_rule(k) for k, name in enumerate(NAIVES)},
    }
    found = backtest(history, speakers, issues, roof=roof)
    (load, pv), (load_band, pv_band) = found[_AURORA], found[_BAND]
    with_weather = None
    if history.weather is not None:
        with_weather, pv, pv_band = pv, *_without_weather(history, issues, end)
    errors = Errors(
        load=load,
        pv=_there(pv),
        pv_by_weather=with_weather,
        load_band=load_band,
        pv_band=_there(pv_band),
        naive_square=np.stack([found[name][0].square for name in NAIVES]),
    )
    return errors, history, chain


def _without_weather(
    history: HomeHistory, issues: I64, end: int
) -> tuple[Sums | None, Sums | None]:
    """Return the sums of PV of models that never saw a weather forecast, and of the band."""
    blind = replace(history, weather=None)
    chain = rolling(blind, int(issues[0]), end, retrain_days=RETRAIN_DAYS)
    roof = _roof(chain)
    speakers: dict[str, Speaker] = {_AURORA: speaker_of(chain), _BAND: naive_band(roof)}
    found = backtest(blind, speakers, issues, roof=roof)
    return found[_AURORA][1], found[_BAND][1]


def _roof(chain: Chain) -> Roof | None:
    """Return the roof as the newest model sees it."""
    newest = chain.models[-1].pv
    return None if newest is None else newest.roof


def _there(sums: Sums | None) -> Sums:
    """Return the sums of a target; none for a house without it."""
    return Sums.nothing() if sums is None else sums


def _seconds(moment: datetime) -> int:
    """Return epoch seconds, up to the next full hour."""
    return -(-to_epoch(moment) // _HOUR) * _HOUR


def naive_rule(number: int) -> Speaker:
    """Return a plain rule of load, by its place in ``NAIVES``; of PV it says nothing, 0."""

    def speak(history: HomeHistory, issues: I64, ahead: int) -> Issued:
        load = naive_forecasts(history.whole_load, history.zone, issues, ahead)[number]
        return _issued((load, load, load, load), np.zeros((4, issues.size, ahead)))

    return speak


def naive_band(roof: Roof | None) -> Speaker:
    """Return what says the naive band (RE1); its means are its medians."""

    def speak(history: HomeHistory, issues: I64, ahead: int) -> Issued:
        load = _empirical(history.whole_load, history.zone, issues, ahead)
        pv = np.zeros_like(load)
        if history.pv is not None:
            slots = issues[:, None] + SLOT_SECONDS * np.arange(ahead, dtype=np.int64)
            pv = _empirical(history.pv, history.zone, issues, ahead)
            if roof is not None and roof.has_sky:
                clear = roof.clear_kwh(slots.ravel()).reshape(slots.shape)
                pv = np.where(clear > 0.0, pv, 0.0)
        return _issued((load[1], *load), (pv[1], *pv))

    return speak


def _empirical(measured: Measured, zone: str, issues: I64, ahead: int) -> F64:
    """Return (3, N, A) the quantiles of (RE1)."""
    cells = recent_cells(measured, zone, issues, _LOOK_BACK_DAYS)
    known = ~np.isnan(cells)
    use = known & (np.cumsum(known, axis=1) <= _BAND_DAYS)
    ranked = np.sort(np.where(use, cells, np.nan), axis=1)
    most = np.maximum(use.sum(axis=1) - 1, 0)
    _, clock = target_places(issues, np.arange(ahead, dtype=np.int64), zone)
    rows = np.arange(issues.size)[:, None]
    return np.stack([_at_rank(ranked, q * most)[rows, clock.quarter] for q in _QUANTILES])


def _at_rank(ranked: F64, rank: F64) -> F64:
    """Return (N, 96) what stands at a rank of (N, D, 96) ascending values, between two by line."""
    low = np.floor(rank).astype(np.int64)
    high = np.ceil(rank).astype(np.int64)
    below, above = (np.take_along_axis(ranked, at[:, None], axis=1)[:, 0] for at in (low, high))
    found: F64 = below + (rank - low) * (above - below)
    return found


def _issued(load: tuple[F64, ...] | F64, pv: tuple[F64, ...] | F64) -> Issued:
    """Return (mean, low, median, high) of load and PV as a forecast without scenarios."""
    names = ("mean_kwh", "low_kwh", "median_kwh", "high_kwh")
    return Issued(
        load=Forecast(**dict(zip(names, load, strict=True))),
        pv=Forecast(**dict(zip(names, pv, strict=True))),
        load_scenarios=None,
        pv_scenarios=None,
    )
