"""Facts with load, PV or prices changed where they are read.

So what happened, what was known of it and what is forecast from it agree; ``known_at``, quality
and origin stay, and missing stays missing. Units: kWh per slot, currency per kWh.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple, Protocol, final

import numpy as np

from sim.errors import KnownInputsError
from sim.facts import Facts
from sim.planning import HomeModel, exchange_rate
from telemetry.arrays import F64, I64
from telemetry.channels import Channel
from telemetry.observations import Coverage, Observations, Reading
from telemetry.price_table import PriceSeries
from telemetry.quality_table import DayQuality
from telemetry.slots import to_epoch
from telemetry.weather_table import WeatherIssue, WeatherSeries

__all__ = ["AS_STORED", "Change", "ChangedFacts", "SpotChange"]


class SpotChange(NamedTuple):
    """What becomes of a spot price: ``scale * price + shift``; the shift in the home's currency."""

    scale: float
    shift_per_kwh: float


AS_STORED = SpotChange(1.0, 0.0)


class Change(Protocol):
    """What is changed."""

    def factors(self, channel: Channel, slots: I64) -> F64:
        """Return what the (N,) slots of a channel, epoch seconds, are multiplied with."""

    def spot(self) -> SpotChange:
        """Return what becomes of spot prices."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChangedFacts:
    """The facts of a home under a change; ``sim.facts.Facts``.

    Attributes:
        facts: as recorded.
        model: the home, for its exchange rates.
        change: of load, PV and prices.
    """

    facts: Facts
    model: HomeModel
    change: Change

    def observations(
        self,
        home_id: str,
        channels: Sequence[Channel | str],
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
    ) -> Observations:
        """Slots with load and PV changed."""
        seen = self.facts.observations(home_id, channels, start, end, as_of=as_of)
        values = seen.values.copy()
        for row, channel in enumerate(seen.channels):
            values[row] *= self.change.factors(channel, seen.slot_start)
        return replace(seen, values=values)

    def latest(
        self, home_id: str, channel: Channel | str, *, as_of: datetime, not_before: datetime
    ) -> Reading | None:
        """The newest number, changed as ``observations`` changes it."""
        found = self.facts.latest(home_id, channel, as_of=as_of, not_before=not_before)
        if found is None:
            return None
        slot = np.array([to_epoch(found.slot_start)], dtype=np.int64)
        factor = float(self.change.factors(Channel(channel), slot)[0])
        return replace(found, value=found.value * factor)

    def coverage(
        self, home_id: str, channel: Channel | str, *, as_of: datetime | None = None
    ) -> Coverage | None:
        """As recorded: nothing appears or disappears."""
        return self.facts.coverage(home_id, channel, as_of=as_of)

    def prices(
        self,
        area: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        currency: str | None = None,
        source: str | None = None,
    ) -> PriceSeries:
        """Spot prices, changed; in a currency without a rate, which no plan uses, not shifted."""
        found = self.facts.prices(area, start, end, as_of=as_of, currency=currency, source=source)
        change = self.change.spot()
        if change == AS_STORED or found.currency is None:
            return found
        try:
            shift = change.shift_per_kwh / exchange_rate(self.model, found.currency)
        except KnownInputsError:
            shift = 0.0
        return replace(found, values=change.scale * found.values + shift)

    def price_currencies(
        self, area: str, start: datetime, end: datetime, *, as_of: datetime | None = None
    ) -> tuple[str, ...]:
        """As stored."""
        return self.facts.price_currencies(area, start, end, as_of=as_of)

    def weather(
        self,
        home_id: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None,
        kind: str = "forecast",
    ) -> WeatherSeries:
        """As recorded."""
        return self.facts.weather(home_id, start, end, as_of=as_of, kind=kind)

    def weather_issues(
        self, home_id: str, start: datetime, end: datetime
    ) -> tuple[WeatherIssue, ...]:
        """As recorded."""
        return self.facts.weather_issues(home_id, start, end)

    def day_quality(self, home_id: str, first: date, last: date) -> tuple[DayQuality, ...]:
        """As judged."""
        return self.facts.day_quality(home_id, first, last)
