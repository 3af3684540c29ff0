"""The facts of one home as arrays in memory: what ``sim`` reads, without a store.

    facts = ArrayFacts(
        home, start=..., load_kwh=..., pv_kwh=..., spot=..., spot_known_at=..., area="SE4",
        currency="EUR",
    )

Series are (N,) for N slots in a row. Missing is NaN. Load and PV are known at their slot's end
unless ``known_at`` says otherwise; a price when it was published. Who hands over arrays vouches for
them: every day is ``clean`` unless ``verdicts`` say otherwise. No weather is known. Units: kWh per
slot at the AC bus, currency per kWh, UTC.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import final

import numpy as np

from sim.errors import ReplayError
from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Channel, Quality
from telemetry.home import Home
from telemetry.observations import Coverage, Observations, Reading
from telemetry.price_table import PriceSeries
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import SLOT_SECONDS, from_epoch, local_day, slot_range, to_epoch
from telemetry.weather_table import WeatherIssue, WeatherSeries

__all__ = ["ArrayFacts"]

_UNKNOWN = -1
_PROVENANCE = "array"


@final
class ArrayFacts:
    """Load, PV and prices of one home; ``sim.facts.Facts``."""

    def __init__(
        self,
        home: Home,
        *,
        start: datetime,
        load_kwh: F64,
        pv_kwh: F64,
        spot: F64,
        spot_known_at: I64,
        area: str,
        currency: str,
        known_at: I64 | None = None,
        verdicts: Mapping[date, DayClass] | None = None,
    ) -> None:
        """Keep the series; they are not copied.

        Args:
            home: whose facts they are.
            start: the first slot.
            load_kwh: (N,) load of each slot.
            pv_kwh: (N,) PV of each slot.
            spot: (N,) price without tax and fees, per kWh.
            spot_known_at: (N,) epoch second at which each price was published.
            area: of the prices.
            currency: of the prices.
            known_at: (N,) epoch second at which load and PV became known; None: at the slot's end.
            verdicts: on local days that are not clean.

        Raises:
            ReplayError: series of different lengths.
            TimeError: a start that is no slot.
        """
        slots = int(load_kwh.size)
        self._first = int(slot_range(start, from_epoch(to_epoch(start) + SLOT_SECONDS))[0])
        ends = self._first + SLOT_SECONDS * (1 + np.arange(slots, dtype=np.int64))
        known = ends if known_at is None else known_at
        given = {"pv_kwh": pv_kwh, "spot": spot, "spot_known_at": spot_known_at, "known_at": known}
        for name, values in given.items():
            if values.shape != (slots,):
                what = f"{name} has shape {values.shape}, load_kwh ({slots},)"
                raise ReplayError(home.home_id, what, "give one value per slot in each series")
        self._home, self._slots = home, slots
        self._values = {Channel.LOAD_KWH: load_kwh, Channel.PV_KWH: pv_kwh}
        self._known_at, self._spot, self._spot_known_at = known, spot, spot_known_at
        self._area, self._currency = area, currency
        self._verdicts = {} if verdicts is None else dict(verdicts)

    def observations(
        self,
        home_id: str,
        channels: Sequence[Channel | str],
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
    ) -> Observations:
        """Slots in [start, end) of C channels; only what was known by ``as_of``, if given."""
        names = tuple(Channel(name) for name in channels)
        slots = slot_range(start, end)
        values = np.full((len(names), slots.size), np.nan)
        known_at = np.full((len(names), slots.size), _UNKNOWN, dtype=np.int64)
        for row, name in enumerate(names):
            if name in self._values and home_id == self._home.home_id:
                found, known = self._values[name], self._known_at
                self._copy(found, known, slots, as_of, values[row], known_at[row])
        quality = np.zeros(values.shape, dtype=np.int64)
        return Observations(
            start=start,
            slot_start=slots,
            channels=names,
            values=values,
            quality=quality,
            known_at=known_at,
        )

    def latest(
        self, home_id: str, channel: Channel | str, *, as_of: datetime, not_before: datetime
    ) -> Reading | None:
        """The newest number known by ``as_of`` whose slot starts at ``not_before`` or later."""
        there = self._there(home_id, channel, as_of)
        there = there[self._first + SLOT_SECONDS * there >= to_epoch(not_before)]
        if not there.size:
            return None
        last = int(there[-1])
        return Reading(
            slot_start=from_epoch(self._first + SLOT_SECONDS * last),
            value=float(self._values[Channel(channel)][last]),
            provenance=_PROVENANCE,
            quality=Quality(0),
        )

    def coverage(
        self, home_id: str, channel: Channel | str, *, as_of: datetime | None = None
    ) -> Coverage | None:
        """First and last slot with a number, and how many there are; ``None`` without any."""
        there = self._there(home_id, channel, as_of)
        if not there.size:
            return None
        first, last = (from_epoch(self._first + SLOT_SECONDS * int(there[k])) for k in (0, -1))
        return Coverage(first=first, last=last, count=int(there.size))

    def prices(
        self,
        area: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        currency: str | None = None,
        source: str | None = None,  # noqa: ARG002 - there is one
    ) -> PriceSeries:
        """Spot prices of the slots in [start, end), issued by ``as_of``, if given."""
        slots = slot_range(start, end)
        values, issued = np.full(slots.size, np.nan), np.full(slots.size, _UNKNOWN, dtype=np.int64)
        ours = area.upper() == self._area.upper() and currency in (None, self._currency)
        if ours:
            self._copy(self._spot, self._spot_known_at, slots, as_of, values, issued)
        return PriceSeries(
            area=area,
            currency=self._currency if ours and not np.isnan(values).all() else None,
            start=start,
            slot_start=slots,
            values=values,
            issued_at=issued,
            assumed=np.zeros(slots.size, dtype=np.bool_),
        )

    def price_currencies(
        self, area: str, start: datetime, end: datetime, *, as_of: datetime | None = None
    ) -> tuple[str, ...]:
        """Currencies in which prices of [start, end) are known, issued by ``as_of`` if given."""
        found = self.prices(area, start, end, as_of=as_of).currency
        return () if found is None else (found,)

    def weather(
        self,
        home_id: str,  # noqa: ARG002 - no home has any
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None,  # noqa: ARG002
        kind: str = "forecast",
    ) -> WeatherSeries:
        """No weather."""
        slots = slot_range(start, end)
        return WeatherSeries(
            kind=kind,
            variables=(),
            start=start,
            slot_start=slots,
            values=np.empty((0, slots.size)),
            issued_at=np.empty((0, slots.size), dtype=np.int64),
        )

    def weather_issues(
        self,
        home_id: str,  # noqa: ARG002 - no home has any
        start: datetime,  # noqa: ARG002
        end: datetime,  # noqa: ARG002
    ) -> tuple[WeatherIssue, ...]:
        """No forecasts of weather."""
        return ()

    def day_quality(self, home_id: str, first: date, last: date) -> tuple[DayQuality, ...]:
        """Verdicts on the local days from ``first`` to ``last`` that the series touch, in order."""
        zone, end = str(self._home.zone), self._first + SLOT_SECONDS * self._slots
        if home_id != self._home.home_id:
            return ()
        found = []
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            day = date.fromordinal(ordinal)
            begin, stop = local_day(day, zone)
            if to_epoch(begin) < end and to_epoch(stop) > self._first:
                found.append(self._verdict(day, begin, stop))
        return tuple(found)

    def _verdict(self, day: date, begin: datetime, end: datetime) -> DayQuality:
        """Return the verdict on a day, known at its end."""
        return DayQuality(
            local_date=day,
            day_start=begin,
            day_class=self._verdicts.get(day, DayClass.CLEAN),
            reference="none",
            slots=(to_epoch(end) - to_epoch(begin)) // SLOT_SECONDS,
            counts={},
            reasons=(),
            checked_at=end,
        )

    def _there(self, home_id: str, channel: Channel | str, as_of: datetime | None) -> I64:
        """Return the places of the numbers of a channel."""
        values = self._values.get(Channel(channel))
        if values is None or home_id != self._home.home_id:
            return np.empty(0, dtype=np.int64)
        there: Bool = ~np.isnan(values)
        if as_of is not None:
            there = there & (self._known_at <= to_epoch(as_of))
        return np.flatnonzero(there)

    def _copy(
        self,
        values: F64,
        known_at: I64,
        slots: I64,
        as_of: datetime | None,
        out: F64,
        out_known_at: I64,
    ) -> None:
        """Write what is known of some slots in a row, and since when."""
        if not slots.size:
            return
        first = int((slots[0] - self._first) // SLOT_SECONDS)
        low, high = max(first, 0), min(first + slots.size, self._slots)
        if low >= high:
            return
        here, there = slice(low - first, high - first), slice(low, high)
        known = ~np.isnan(values[there])
        if as_of is not None:
            known &= known_at[there] <= to_epoch(as_of)
        out[here] = np.where(known, values[there], np.nan)
        out_known_at[here] = np.where(known, known_at[there], _UNKNOWN)
