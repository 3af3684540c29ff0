"""The facts of homes as they were known at one moment, whatever a reader asks for.

A day that is still to come is planned from what is known now: nothing that was recorded, published
or issued later is seen. Verdicts are those of today. UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import final

from sim.facts import Facts
from telemetry.channels import Channel
from telemetry.observations import Coverage, Observations, Reading
from telemetry.price_table import PriceSeries
from telemetry.quality_table import DayQuality
from telemetry.slots import to_epoch
from telemetry.weather_table import WeatherIssue, WeatherSeries

__all__ = ["FactsBy"]


@final
@dataclass(frozen=True, slots=True)
class FactsBy:
    """Facts known by a moment; ``sim.facts.Facts``.

    Attributes:
        facts: all that is known.
        moment: by when.
    """

    facts: Facts
    moment: datetime

    def _by(self, as_of: datetime | None) -> datetime:
        """Return the earlier of both."""
        return self.moment if as_of is None else min(as_of, self.moment)

    def observations(
        self,
        home_id: str,
        channels: Sequence[Channel | str],
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
    ) -> Observations:
        """Slots in [start, end), as known by the moment."""
        return self.facts.observations(home_id, channels, start, end, as_of=self._by(as_of))

    def latest(
        self, home_id: str, channel: Channel | str, *, as_of: datetime, not_before: datetime
    ) -> Reading | None:
        """The newest number known by the moment."""
        by = self._by(as_of)
        return self.facts.latest(home_id, channel, as_of=by, not_before=not_before)

    def coverage(
        self, home_id: str, channel: Channel | str, *, as_of: datetime | None = None
    ) -> Coverage | None:
        """First and last slot with a number known by the moment."""
        return self.facts.coverage(home_id, channel, as_of=self._by(as_of))

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
        """Spot prices of the slots in [start, end), issued by the moment."""
        by = self._by(as_of)
        return self.facts.prices(area, start, end, as_of=by, currency=currency, source=source)

    def price_currencies(
        self, area: str, start: datetime, end: datetime, *, as_of: datetime | None = None
    ) -> tuple[str, ...]:
        """Currencies of prices issued by the moment."""
        return self.facts.price_currencies(area, start, end, as_of=self._by(as_of))

    def weather(
        self,
        home_id: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None,
        kind: str = "forecast",
    ) -> WeatherSeries:
        """Weather of the slots in [start, end) issued by the moment."""
        return self.facts.weather(home_id, start, end, as_of=self._by(as_of), kind=kind)

    def weather_issues(
        self, home_id: str, start: datetime, end: datetime
    ) -> tuple[WeatherIssue, ...]:
        """Weather forecasts issued in [start, end) and by the moment."""
        found = self.facts.weather_issues(home_id, start, end)
        return tuple(issue for issue in found if issue.issued_at <= to_epoch(self.moment))

    def day_quality(self, home_id: str, first: date, last: date) -> tuple[DayQuality, ...]:
        """Verdicts on the local days from ``first`` to ``last``."""
        return self.facts.day_quality(home_id, first, last)
