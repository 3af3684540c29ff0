"""Prices as they were known at each of many issues, published or filled, through the tariff.

What is published changes only when an issue arrives, about once a day. Between two of them (an
epoch) the filled price of a slot is the same for every plan, as it comes from the prices that were
published before it (N2, B6); what differs is the settlement: a period that began before a plan
counts from its first slot (or after the last hole), and one that the plan cuts off is averaged over
the part it sees. So one row of spot per epoch is kept, and a kernel settles it for each plan.

Currency per kWh; slots are counted from the window's first (negative before it).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from math import isnan
from typing import final

import numpy as np

from forecast.errors import ForecastError, MissingHistoryError
from mpc import Tariff
from mpc.jit import compiled
from sim.facts import Facts
from sim.planning import (
    HomeModel,
    known_spot,
    read_spot,
    settlement_starts,
    zone_of,
)
from sim.unpublished import filled_spot, price_history, spot_scenarios
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, from_epoch, slot_range, to_epoch

__all__ = ["KnownPrices", "settled_as_of", "too_early"]

_BLOCK = 100  # issues looked at together: the slots of the longest local day


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Epoch:
    """Issues that knew the same prices.

    Attributes:
        first: its first issue, in slots.
        stop: the issue after its last.
        begin: slot of the first price.
        published: (E,) spot, NaN where not published.
        filled: (E,) spot, filled from the first issue on.
        scenarios: (K, E) spot, filled by scenarios from the first issue on.
    """

    first: int
    stop: int
    begin: int
    published: F64
    filled: F64
    scenarios: F64


@final
class KnownPrices:
    """Import and export prices as known at every slot of a window."""

    def __init__(
        self,
        store: Facts,
        model: HomeModel,
        start: datetime,
        end: datetime,
        ahead: int,
        scenarios: int = 0,
    ) -> None:
        """Read every epoch of the window.

        Args:
            store: where the prices are.
            model: the home.
            start: the window's first slot.
            end: the window's end.
            ahead: slots (A) that each issue looks ahead, its own slot first.
            scenarios: K of ``scenarios``.

        Raises:
            KnownInputsError: no prices were known at some slot, or one has no exchange rate.
            MissingHistoryError: too few of them to fill the unpublished ones.
            TariffError: a component has no entry in force.
        """
        self._store, self._model, self._ahead = store, model, ahead
        self._start, self._scenarios = to_epoch(start), scenarios
        issues = slot_range(start, end)
        self._issues = issues
        tariff = model.tariff
        self._period_starts = self._earliest(issues)
        slots = self._slots(int(self._period_starts[0]), issues.size - 1 + ahead)
        self._key_begin = int(self._period_starts[0])
        self._keys = tuple(
            settlement_starts(slots, tariff.zone, period)
            for period in (tariff.import_settlement_minutes, tariff.export_settlement_minutes)
        )
        self._fees, self._factors = _additions(tariff, start, issues.size - 1 + ahead)
        self._epochs = self._read_epochs()

    def known(self, first: int, count: int) -> tuple[F64, F64]:
        """Return (import_price, export_price), (count, A) each, as known from ``first`` on."""
        return self._priced(first, count, None)

    def scenarios(self, first: int, count: int) -> tuple[F64, F64]:
        """Return (import_price, export_price), (count, K, A) each: ways they may turn out.

        Their mean over the K scenarios, which are equally likely, is what ``known`` gives.
        """
        prices = np.empty((2, count, self._scenarios, self._ahead))
        for k in range(self._scenarios):
            prices[:, :, k] = self._priced(first, count, k)
        return prices[0], prices[1]

    def _priced(self, first: int, count: int, scenario: int | None) -> tuple[F64, F64]:
        """Return (import_price, export_price), (count, A) each, by a scenario, or as expected."""
        prices = np.empty((2, count, self._ahead))
        for epoch in self._epochs:
            low, high = max(first, epoch.first), min(first + count, epoch.stop)
            spot = epoch.filled if scenario is None else epoch.scenarios[scenario]
            if low < high:
                for side in range(2):
                    self._settle(epoch, spot, side, low, prices[side, low - first : high - first])
        for side in range(2):
            later = np.arange(first, first + count)[:, None] + np.arange(self._ahead)
            prices[side] = (prices[side] + self._fees[side][later]) * self._factors[side][later]
        return prices[0], prices[1]

    def published_until(self, first: int, count: int, most: int) -> I64:
        """Return where the prices published at each slot first break off, epoch seconds.

        Args:
            first: the first slot.
            count: how many slots.
            most: how many slots ahead to look.
        """
        ends = np.empty(count, dtype=np.int64)
        for epoch in self._epochs:
            low, high = max(first, epoch.first), min(first + count, epoch.stop)
            if low < high:
                issues = np.arange(low, high, dtype=np.int64)
                gaps = np.flatnonzero(np.isnan(epoch.published)) + epoch.begin
                gaps = np.append(gaps, epoch.begin + epoch.published.size)
                until = np.minimum(gaps[np.searchsorted(gaps, issues)], issues + most)
                ends[low - first : high - first] = until
        return self._start + SLOT_SECONDS * ends

    def _settle(self, epoch: _Epoch, spot: F64, side: int, first: int, out: F64) -> None:
        """Write the settled (E,) spot of some issues of an epoch, side 0 import, 1 export."""
        keys = self._keys[side][epoch.begin - self._key_begin :]
        begins = self._period_starts[first : first + out.shape[0]] - epoch.begin
        kernel = compiled(settled_as_of)
        kernel(epoch.published, spot, keys, begins, first - epoch.begin, out)

    def _earliest(self, slots: I64) -> I64:
        """Return where the settlement period of each slot began at the earliest, in slots."""
        tariff = self._model.tariff
        periods = (tariff.import_settlement_minutes, tariff.export_settlement_minutes)
        starts = [settlement_starts(slots, tariff.zone, period) for period in periods]
        earliest: I64 = (np.minimum(*starts) - self._start) // SLOT_SECONDS
        return earliest

    def _slots(self, begin: int, end: int) -> I64:
        """Return the epoch seconds of the slots from ``begin`` to ``end``."""
        return self._start + SLOT_SECONDS * np.arange(begin, end, dtype=np.int64)

    def _read_epochs(self) -> tuple[_Epoch, ...]:
        """Return all epochs, walking back from the last issue.

        The newest issue among the prices that were known at a slot says since when they were.
        """
        pairing = self._model.pairing
        moments = self._issues if pairing is None else pairing.to_price_time(self._issues)
        found: list[_Epoch] = []
        last = self._issues.size - 1
        while last >= 0:
            epoch = self._read_epoch(moments, last)
            found.append(epoch)
            last = epoch.first - 1
        return tuple(reversed(found))

    def _read_epoch(self, moments: I64, last: int) -> _Epoch:
        """Return the epoch that ends with an issue; ``moments`` are the issues' in price time.

        In a doubled hour of the home, price time runs twice: then the epoch ends there.
        """
        low = max(0, last + 1 - _BLOCK)
        history = int(price_history(self._model.price_forecast).total_seconds()) // SLOT_SECONDS
        begin = min(int(self._period_starts[low]), low - history)
        slots = self._slots(begin, last + self._ahead)
        spot = read_spot(self._store, self._model, slots, from_epoch(int(self._issues[last])))
        first = last
        while first > low and spot.newest_issue <= moments[first - 1] <= moments[last]:
            first -= 1
        now, keep = first - begin, int(self._period_starts[first]) - begin
        kind, zone = self._model.price_forecast, zone_of(self._model)
        try:
            filled = filled_spot(kind, zone, spot.values, slots, now)
            told = self._told(spot.values, slots, now)
        except ForecastError:
            self._refuse(first, last)
            raise
        return _Epoch(
            first=first,
            stop=last + 1,
            begin=begin + keep,
            published=spot.values[keep:].copy(),
            filled=np.concatenate((spot.values[keep:now], filled)),
            scenarios=np.concatenate(
                (np.tile(spot.values[keep:now], (self._scenarios, 1)), told), axis=1
            ),
        )

    def _told(self, spot: F64, slots: I64, now: int) -> F64:
        """Return the (K, T) scenarios of spot from place ``now`` on, where any are wanted."""
        if self._scenarios == 0:
            return np.empty((0, spot.size - now))
        model = self._model
        kind, zone = model.price_forecast, zone_of(model)
        return spot_scenarios(kind, zone, spot, slots, now, self._scenarios)

    def _refuse(self, first: int, last: int) -> None:
        """Raise what a plan at the first issue without prices would raise."""
        for issue in self._issues[first : last + 1].tolist():
            at, end = from_epoch(issue), from_epoch(issue + self._ahead * SLOT_SECONDS)
            try:
                known_spot(self._store, self._model, at, at, end)
            except MissingHistoryError as err:
                raise too_early(err, at) from None


def too_early(err: MissingHistoryError, at: datetime) -> MissingHistoryError:
    """Return the same error with the slot at which too little was known."""
    return MissingHistoryError(
        err.series,
        local_time=err.local_time,
        zone=err.zone,
        lookback_days=err.lookback_days,
        cure=f"{err.cure}, or choose a period without {at.isoformat()}, whose plan needs it",
    )


def _additions(tariff: Tariff, start: datetime, slots: int) -> tuple[tuple[F64, F64], ...]:
    """Return ((fees, benefits), (1 + VAT of each)): price = (settled + fee) * factor (R1, R2)."""
    raw = replace(tariff, import_settlement_minutes=15, export_settlement_minutes=15)
    untaxed = replace(raw, vat=0.0, export_vat=0.0)
    taxes = Tariff(zone=tariff.zone, vat=tariff.vat, export_vat=tariff.export_vat)
    return (
        untaxed.prices(start, SLOT_MINUTES, np.zeros(slots)),
        taxes.prices(start, SLOT_MINUTES, np.ones(slots)),
    )


def settled_as_of(
    published: F64, filled: F64, keys: I64, begins: I64, first: int, out: F64
) -> None:
    """Average spot over settlement periods, as each issue sees them; a kernel.

    Args:
        published: (E,) spot, NaN where not published.
        filled: (E,) spot, none missing from ``first`` on.
        keys: (>= E,) equal in slots of one settlement period, which follow one another.
        begins: (N,) where the settlement period of each issue began at the earliest.
        first: slot of the first issue; the others follow.
        out: (N, A) settled spot.
    """
    for n in range(out.shape[0]):
        now = first + n
        end = now + out.shape[1]
        place = now
        while place > begins[n] and not isnan(published[place - 1]):
            place -= 1
        while place < end:
            stop, total, minutes = place, 0.0, 0.0
            while stop < end and keys[stop] == keys[place]:
                total += filled[stop] * SLOT_MINUTES
                minutes += SLOT_MINUTES
                stop += 1
            mean = filled[place] if stop == place + 1 else total / minutes
            for slot in range(max(place, now), stop):
                out[n, slot - now] = mean
            place = stop
