"""What was known at the start of every slot of a window, as arrays: the forecasts of a replay.

    forecasts = BaselineForecasts(store, model, start, end)
    known = forecasts.known(0, 96)             # a day of issues: (96, A) of load, PV and prices
    better = with_actual(forecasts, realised, load=True, pv=False)      # "baseline+load"

The issue of slot n is made at its start, from observations with ``known_at`` and prices with
``issued_at`` at or before it, and looks A slots ahead, slot n first: the horizon and the 24 h after
it, from which a plan's terminal curve is made. It is what ``sim.planning.known_inputs`` gives
there; a test holds the two equal. Units: kWh per slot, currency per kWh.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecast.asof import AsOfMean, Averaging
from forecast.baseline import MAX_LOOKBACK_DAYS, PV_BRIDGE_QUARTERS, refuse_gap
from forecast.errors import MissingHistoryError
from sim.asof_prices import KnownPrices, too_early
from sim.errors import ReplayError
from sim.facts import Facts
from sim.history import Realised
from sim.planning import AFTER, HISTORY, HomeModel, has_pv, zone_of
from telemetry.arrays import F64, I64
from telemetry.slots import (
    SLOT_MINUTES,
    SLOT_SECONDS,
    from_epoch,
    local_calendar,
    slot_range,
    to_epoch,
)

__all__ = [
    "BaselineForecasts",
    "Forecasts",
    "KnownForecasts",
    "issues_of",
    "perfect",
    "refuse_other_start",
    "refuse_outside",
    "refuse_unforecast",
    "with_actual",
]

_HISTORY_SLOTS = int(HISTORY.total_seconds()) // SLOT_SECONDS
_READ_AT_ONCE = timedelta(days=32)  # rows of the store take far more room than their arrays


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownForecasts:
    """What was known at the start of each of N consecutive slots, A slots ahead.

    Attributes:
        load_kwh: (N, A), the slot itself first.
        pv_kwh: (N, A).
        import_price: (N, A), settled, with fees and VAT.
        export_price: (N, A).
        scenario_load_kwh: (N, K, A), K ways the slots after the first may turn out; None: plans
            are made on the series above alone.
        scenario_pv_kwh: (N, K, A), given where ``scenario_load_kwh`` is.
        scenario_import_price: (N, K, A); None: ``import_price`` in every scenario.
        scenario_export_price: (N, K, A); None: ``export_price``.
        weights: (N, K), 0 or more, each row of sum 1; None: equal.
        recourse: as in ``mpc.Planner.plan``.
    """

    load_kwh: F64
    pv_kwh: F64
    import_price: F64
    export_price: F64
    scenario_load_kwh: F64 | None = None
    scenario_pv_kwh: F64 | None = None
    scenario_import_price: F64 | None = None
    scenario_export_price: F64 | None = None
    weights: F64 | None = None
    recourse: float = 0.5


class Forecasts(Protocol):
    """Forecasts for the slots of a window, each as of its start."""

    @property
    def name(self) -> str:
        """How reports call them."""

    @property
    def start(self) -> datetime:
        """Start of the slot that ``known`` counts as 0, UTC."""

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return what was known at ``count`` slots, the first counted from the window's start."""


@final
class BaselineForecasts:
    """The naive forecasts that ``known_inputs`` makes, for every slot of a window."""

    name = "baseline"

    def __init__(self, store: Facts, model: HomeModel, start: datetime, end: datetime) -> None:
        """Read what was ever known in the window.

        Args:
            store: where the facts are.
            model: the home.
            start: the window's first slot.
            end: the window's end, after its start.

        Raises:
            ReplayError: the window is empty.
            KnownInputsError: the home has no zone, or no prices were known at some slot.
            MissingHistoryError: too few prices were known to fill the unpublished ones.
            TelemetryError: the store cannot answer, or a bound is no slot start.
        """
        self._issues = issues_of(model.home.home_id, start, end)
        self._home_id, self._zone = model.home.home_id, zone_of(model)
        ahead = (timedelta(hours=model.horizon_hours) + AFTER) // timedelta(minutes=SLOT_MINUTES)
        last = end + timedelta(minutes=SLOT_MINUTES * (ahead - 1))
        self._targets = slot_range(start, last)
        self._horizon_slots = ahead - AFTER // timedelta(minutes=SLOT_MINUTES)
        quarters = local_calendar(self._targets, self._zone).minute // SLOT_MINUTES
        self._quarters = sliding_window_view(quarters, ahead)
        self._prices = KnownPrices(store, model, start, end, ahead)
        self._pv_from = _first_with_pv(store, model, self._issues)
        self._load, self._pv = _means(store, model, start, end)

    @property
    def start(self) -> datetime:
        """Start of the window's first slot, UTC."""
        return from_epoch(int(self._issues[0]))

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return what was known at the slots ``first`` to ``first + count``.

        Memory grows by four arrays of (count, A): ask for a day or a few.

        Raises:
            ReplayError: the window has no such slots.
            MissingHistoryError: too little load or PV was known at one; it is named.
        """
        refuse_outside(self._home_id, first, count, self._issues.size)
        load = self._spread(self._load, first, count)
        pv = self._spread(self._pv, first, count)
        pv[: max(0, min(self._pv_from - first, count))] = 0.0
        issues = self._issues[first : first + count]
        refuse_unforecast(issues, self._zone, load_kwh=load, pv_kwh=pv)
        imports, exports = self._prices.known(first, count)
        return KnownForecasts(load_kwh=load, pv_kwh=pv, import_price=imports, export_price=exports)

    def prices_until(self, first: int, count: int) -> I64:
        """Return the end of the unbroken published prices at each slot, (count,) epoch seconds.

        It is the slot's own start where none were published, at most the horizon's end.
        """
        return self._prices.published_until(first, count, self._horizon_slots)

    def _spread(self, mean: AsOfMean, first: int, count: int) -> F64:
        """Return the (count, A) forecasts: every slot has that of its wall clock."""
        profiles = mean.profiles(self._issues[first : first + count])
        spread = np.take_along_axis(profiles, self._quarters[first : first + count], axis=1)
        return np.maximum(spread, 0.0, out=spread)


def issues_of(home_id: str, start: datetime, end: datetime) -> I64:
    """Return the (N,) issues of a window, epoch seconds, one a slot.

    Raises:
        ReplayError: the window is empty.
        TelemetryError: a bound is no slot start.
    """
    issues = slot_range(start, end)
    if not issues.size:
        raise ReplayError(
            home_id,
            f"the period from {start.isoformat()} to {end.isoformat()} has no slot",
            "choose an end after the start",
        )
    return issues


def refuse_outside(home_id: str, first: int, count: int, size: int) -> None:
    """Refuse to tell of slots that a window of ``size`` slots does not have.

    Raises:
        ReplayError: it has not all of them.
    """
    if first < 0 or count < 1 or first + count > size:
        raise ReplayError(
            home_id,
            f"slots {first} to {first + count} were asked for, the period has {size}",
            "ask for slots of the period",
        )


def refuse_unforecast(issues: I64, zone: str, **series: F64) -> None:
    """Raise for the first of the (N,) issues that lacks a forecast of some series, (N, A) each.

    Raises:
        MissingHistoryError: there is one; series, issue and wall clock are named.
    """
    gap = np.isnan(sum(series.values())).any(axis=1)
    if not gap.any():
        return
    n = int(gap.argmax())
    for name, values in series.items():
        targets = issues[n] + SLOT_SECONDS * np.arange(values.shape[1], dtype=np.int64)
        try:
            refuse_gap(
                values[n],
                targets,
                zone=zone,
                series=name,
                lookback_days=MAX_LOOKBACK_DAYS,
                cure="import more history",
            )
        except MissingHistoryError as err:
            raise too_early(err, from_epoch(int(issues[n]))) from None


def _means(
    store: Facts, model: HomeModel, start: datetime, end: datetime
) -> tuple[AsOfMean, AsOfMean]:
    """Return the forecasts of load and PV at any slot of [start, end)."""
    channels = ("load_kwh", "pv_kwh")
    averaging = (
        Averaging(model.load_days, MAX_LOOKBACK_DAYS, _HISTORY_SLOTS),
        Averaging(model.pv_days, MAX_LOOKBACK_DAYS, _HISTORY_SLOTS, PV_BRIDGE_QUARTERS),
    )
    first, values, known_at = start - HISTORY, [], []
    while first < end:
        until = min(first + _READ_AT_ONCE, end)
        seen = store.observations(model.home.home_id, channels, first, until)
        values.append(seen.values)
        known_at.append(seen.known_at)
        first = until
    load, pv = (
        AsOfMean(
            np.concatenate([part[row] for part in values]),
            np.concatenate([part[row] for part in known_at]),
            to_epoch(start - HISTORY),
            zone=zone_of(model),
            averaging=averaging[row],
        )
        for row in range(2)
    )
    return load, pv


def _first_with_pv(store: Facts, model: HomeModel, issues: I64) -> int:
    """Return the first issue at which the home was known to have PV; their number if none."""
    low, high = 0, int(issues.size)
    if has_pv(store, model, from_epoch(int(issues[0]))):
        return 0
    while low < high:
        middle = (low + high) // 2
        if has_pv(store, model, from_epoch(int(issues[middle]))):
            high = middle
        else:
            low = middle + 1
    return low


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Informed:
    """Forecasts that know some of what happened."""

    name: str
    forecasts: Forecasts
    realised: Realised
    load: bool
    pv: bool
    prices: bool

    @property
    def start(self) -> datetime:
        """Start of the first slot, UTC."""
        return self.forecasts.start

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return the forecasts, with what happened where it is known."""
        known, real = self.forecasts.known(first, count), self.realised
        load = real.load_kwh if self.load else None
        pv = real.pv_kwh if self.pv else None
        informed = replace(
            known,
            load_kwh=_overlaid(known.load_kwh, load, first),
            pv_kwh=_overlaid(known.pv_kwh, pv, first),
            scenario_load_kwh=_each_overlaid(known.scenario_load_kwh, load, first),
            scenario_pv_kwh=_each_overlaid(known.scenario_pv_kwh, pv, first),
        )
        if not self.prices:
            return informed
        # who knows everything plans on that alone
        return KnownForecasts(
            load_kwh=informed.load_kwh,
            pv_kwh=informed.pv_kwh,
            import_price=_overlaid(known.import_price, real.import_price, first),
            export_price=_overlaid(known.export_price, real.export_price, first),
        )


def with_actual(forecasts: Forecasts, realised: Realised, *, load: bool, pv: bool) -> Forecasts:
    """Return the forecasts with load or PV as they were, as far as ``realised`` reaches.

    In every scenario too, where there are any.

    Raises:
        ReplayError: the two begin with different slots.
    """
    refuse_other_start(forecasts, realised)
    if not (load or pv):
        return forecasts
    name = f"{forecasts.name}{'+load' if load else ''}{'+pv' if pv else ''}"
    return _Informed(
        name=name, forecasts=forecasts, realised=realised, load=load, pv=pv, prices=False
    )


def perfect(forecasts: Forecasts, realised: Realised) -> Forecasts:
    """Return perfect foresight as far as ``realised`` reaches, the forecasts beyond it.

    It has no scenarios.

    Raises:
        ReplayError: the two begin with different slots.
    """
    refuse_other_start(forecasts, realised)
    return _Informed(
        name="perfect", forecasts=forecasts, realised=realised, load=True, pv=True, prices=True
    )


def refuse_other_start(forecasts: Forecasts, realised: Realised) -> None:
    """Refuse forecasts whose first slot is not the first one of what happened.

    Raises:
        ReplayError: it is another.
    """
    if forecasts.start != realised.start:
        raise ReplayError(
            realised.home_id,
            f"forecasts {forecasts.name!r} begin at {forecasts.start.isoformat()}, the window at "
            f"{realised.start.isoformat()}",
            "make both for the same slots",
        )


def _overlaid(forecast: F64, actual: F64 | None, first: int) -> F64:
    """Return (N, A) forecasts with the (M,) actual values where those reach."""
    if actual is None:
        return forecast
    count, ahead = forecast.shape
    slots = np.arange(first, first + count)[:, None] + np.arange(ahead)
    there = slots < actual.size
    return np.where(there, actual[np.where(there, slots, 0)], forecast)


def _each_overlaid(scenarios: F64 | None, actual: F64 | None, first: int) -> F64 | None:
    """Return (N, K, A) scenarios with the (M,) actual values where those reach."""
    if scenarios is None or actual is None:
        return scenarios
    each = [_overlaid(scenarios[:, k], actual, first) for k in range(scenarios.shape[1])]
    return np.stack(each, axis=1)
