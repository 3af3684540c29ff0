"""What forecasts are worth in money: closed loops over the test days of a reference home.

A plan by the storage engine in every slot, value dispatch; windows, start, end and costs as in
``runners.results_replay``. Shares are (no battery - this) / (no battery - oracle). To see what the
price forecast alone is worth, load and PV are taken as they came:

    won back = (yesterday's prices - Aurora's) / (yesterday's prices - known 48 h and a day)   (RM1)

of costs. Money in SEK.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from threading import Barrier, BrokenBarrierError
from typing import TypeVar, final

import numpy as np

from forecast.inputs import HomeHistory
from forecast.rolling import Chain
from runners.results_homes import BATTERIES, Period, ReferenceHome, with_battery
from runners.results_replay import BRIDGE_HOURS
from sim.asof import BaselineForecasts, Forecasts, KnownForecasts, perfect, with_actual
from sim.aurora import AuroraForecasts, priced
from sim.history import realised
from sim.planning import HomeModel
from sim.replay import Dispatch, Policy, Replay, replay
from sim.window import ReplayWindow, replay_window
from telemetry.store import Store

__all__ = [
    "LEAST_DAYS",
    "Bill",
    "Knows",
    "Prices",
    "bills",
    "closed_loop",
    "price_horizon",
    "within",
]

_Key = TypeVar("_Key")
LEAST_DAYS = 5
"""What is left of a window within the test days must be this long."""


class Knows(StrEnum):
    """What plans knew, as the tables call it and in their order."""

    NO_BATTERY = "no battery"
    SELF_USE = "self-consumption"
    BASELINE = "7-day mean"
    PRICED = "7-day mean, Aurora's prices"
    MEANS = "Aurora, means alone"
    LIVE = "Aurora, recourse 0 (HiGHS)"
    AURORA = "Aurora"
    LOAD = "Aurora, actual load"
    PV = "Aurora, actual PV"
    PERFECT = "rolling oracle"
    ORACLE = "oracle"


class Prices(StrEnum):
    """What plans knew of unpublished prices, load and PV being known."""

    YESTERDAY = "yesterday's"
    AURORA = "Aurora's"
    KNOWN = "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What was paid with a battery over the windows of a home.

    Attributes:
        battery: "A" or "B".
        days: of all windows.
        windows: how many.
        paid: by what plans knew, SEK.
        horizon: the same with load and PV known, by what they knew of prices.
        whole_days: of all windows of the home, in and before the test days.
        whole_horizon: as ``horizon``, over those.
    """

    battery: str
    days: float
    windows: int
    paid: Mapping[Knows, float]
    horizon: Mapping[Prices, float]
    whole_days: float
    whole_horizon: Mapping[Prices, float]

    def per_day(self, knows: Knows) -> float:
        """Return what was paid, SEK a day."""
        return self.paid[knows] / self.days

    def share(self, knows: Knows) -> float:
        """Return a gain over no battery as a share of the oracle's."""
        none = self.paid[Knows.NO_BATTERY]
        return (none - self.paid[knows]) / (none - self.paid[Knows.ORACLE])


def within(windows: Iterable[Period], test: Period, least_days: float = LEAST_DAYS) -> list[Period]:
    """Return what of each window lies in the test days, where it is long enough."""
    cut = (Period(start=max(w.start, test.start), end=min(w.end, test.end)) for w in windows)
    return [one for one in cut if one.end > one.start and one.days >= least_days]


def bills(
    store: Store,
    home: ReferenceHome,
    known: tuple[HomeHistory, Chain],
    windows: tuple[Iterable[Period], Iterable[Period]],
) -> tuple[Bill, ...]:
    """Return what was paid with every reference battery.

    Args:
        store: the facts.
        home: the home.
        known: its history and the models in force.
        windows: those in the test days, and all.

    Raises:
        SimError, ForecastError: a window that cannot be replayed.
    """
    tested, whole = (tuple(part) for part in windows)
    if not tested:
        return ()
    loops = [closed_loop(store, home, known, one) for one in tested]
    found = []
    for battery in BATTERIES:
        model = with_battery(home.model, battery)
        everywhere = {one: price_horizon(store, model, one) for one in dict.fromkeys(whole)}
        here = [price_horizon(store, model, one) for one in tested]
        found.append(
            Bill(
                battery=battery,
                days=sum(one.days for one in tested),
                windows=len(tested),
                paid=_added(loop[battery] for loop in loops),
                horizon=_added(here),
                whole_days=sum(one.days for one in whole),
                whole_horizon=_added(everywhere.values()),
            )
        )
    return tuple(found)


def _added(parts: Iterable[Mapping[_Key, float]]) -> dict[_Key, float]:
    """Return the sums by key."""
    total: dict[_Key, float] = {}
    for part in parts:
        for key, money in part.items():
            total[key] = total.get(key, 0.0) + money
    return total


def closed_loop(
    store: Store, home: ReferenceHome, known: tuple[HomeHistory, Chain], period: Period
) -> dict[str, dict[Knows, float]]:
    """Return what was paid over a window by battery and by what plans knew, SEK.

    Aurora's forecasts are made once and asked for in step by all replays that plan on them.
    """
    windows = {name: _window(store, with_battery(home.model, name), period) for name in BATTERIES}
    aurora = AuroraForecasts(store, home.model, *known, period.start, period.end)
    shared = _InStep(aurora, len(_BY_AURORA) * len(windows))
    with ThreadPoolExecutor(shared.replays) as pool:
        running = {
            (name, knows): pool.submit(shared.run, window, _BY_AURORA[knows](shared, window))
            for name, window in windows.items()
            for knows in _BY_AURORA
        }
    shared.refuse()
    return {
        name: _plainly(store, home.model, window, period)
        | {knows: running[name, knows].result() for knows in _BY_AURORA}
        for name, window in windows.items()
    }


def _plainly(
    store: Store, model: HomeModel, window: ReplayWindow, period: Period
) -> dict[Knows, float]:
    """Return what was paid over a window without Aurora's load and PV, SEK."""
    span = (period.start, period.end)
    baseline = BaselineForecasts(store, model, *span)
    return {
        Knows.NO_BATTERY: _money(replay(window, Policy.NO_BATTERY)),
        Knows.SELF_USE: _money(replay(window, Policy.SELF_USE)),
        Knows.ORACLE: _money(replay(window, Policy.ORACLE)),
        Knows.BASELINE: _planned(window, baseline),
        Knows.PRICED: _planned(window, BaselineForecasts(store, priced(model), *span)),
        Knows.PERFECT: _planned(window, perfect(baseline, window.realised)),
    }


@final
class _InStep:
    """Forecasts for several replays of the same slots at once: each answer is made once.

    Every replay asks for the same slots in the same order; who comes first waits for the others.
    """

    def __init__(self, forecasts: Forecasts, replays: int) -> None:
        """Wait for as many replays."""
        self.name, self.start, self.replays = forecasts.name, forecasts.start, replays
        self._forecasts, self._gate = forecasts, Barrier(replays)
        self._answer: KnownForecasts | None = None
        self._failures: list[Exception] = []

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return what was known at some slots, once all replays have asked for them."""
        if self._gate.wait() == 0:
            self._answer = self._forecasts.known(first, count)
        self._gate.wait()
        if self._answer is None:
            raise AssertionError("one of the replays makes the answer")
        return self._answer

    def run(self, window: ReplayWindow, forecasts: Forecasts) -> float:
        """Return what plans on these forecasts paid; a failure lets the other replays go."""
        try:
            return _planned(window, forecasts)
        except BrokenBarrierError:
            return np.nan
        except Exception as err:  # whatever it is, the others would wait for ever
            self._failures.append(err)
            self._gate.abort()
            return np.nan

    def refuse(self) -> None:
        """Raise what the first replay failed with, if one did."""
        if self._failures:
            raise self._failures[0]


@final
class _MeansAlone:
    """Forecasts without their scenarios."""

    def __init__(self, forecasts: Forecasts) -> None:
        """Leave out the scenarios of some forecasts."""
        self.name, self.start = f"{forecasts.name}, means", forecasts.start
        self._forecasts = forecasts

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return what was known at some slots."""
        known = self._forecasts.known(first, count)
        return KnownForecasts(
            load_kwh=known.load_kwh,
            pv_kwh=known.pv_kwh,
            import_price=known.import_price,
            export_price=known.export_price,
        )


@final
class _TwoStages:
    """Forecasts whose scenarios are whole days alone, as HiGHS plans a live plan."""

    def __init__(self, forecasts: Forecasts) -> None:
        """Take the scenarios of some forecasts."""
        self.name, self.start = f"{forecasts.name}, recourse 0", forecasts.start
        self._forecasts = forecasts

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return what was known at some slots."""
        return replace(self._forecasts.known(first, count), recourse=0.0)


_BY_AURORA: dict[Knows, Callable[[Forecasts, ReplayWindow], Forecasts]] = {
    Knows.MEANS: lambda known, _: _MeansAlone(known),
    Knows.LIVE: lambda known, _: _TwoStages(known),
    Knows.AURORA: lambda known, _: known,
    Knows.LOAD: lambda known, window: with_actual(known, window.realised, load=True, pv=False),
    Knows.PV: lambda known, window: with_actual(known, window.realised, load=False, pv=True),
}


def price_horizon(store: Store, model: HomeModel, period: Period) -> dict[Prices, float]:
    """Return what was paid over a window, load and PV known, by what plans knew of prices, SEK."""
    window = _window(store, model, period)
    real, span = window.realised, (period.start, period.end)
    baseline = BaselineForecasts(store, model, *span)
    forecasts: dict[Prices, Forecasts] = {
        Prices.YESTERDAY: with_actual(baseline, real, load=True, pv=True),
        Prices.AURORA: with_actual(
            BaselineForecasts(store, priced(model), *span), real, load=True, pv=True
        ),
        Prices.KNOWN: perfect(baseline, real),
    }
    return {prices: _planned(window, one) for prices, one in forecasts.items()}


def _window(store: Store, model: HomeModel, period: Period) -> ReplayWindow:
    """Return what happened in a period."""
    real = realised(store, model, period.start, period.end, bridge_hours=BRIDGE_HOURS)
    return replay_window(model, real)


def _planned(window: ReplayWindow, forecasts: Forecasts) -> float:
    """Return what plans on these forecasts paid."""
    return _money(replay(window, Policy.STORAGE, forecasts, Dispatch.VALUE))


def _money(result: Replay) -> float:
    """Return bill and wear less what the battery gained, SEK."""
    return float((result.bill + result.wear).sum()) - result.stored_value_gained
