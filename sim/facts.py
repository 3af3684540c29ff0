"""What ``sim`` reads: a store, or one whose history was changed (``sim.augment``)."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from telemetry.channels import Channel
from telemetry.observations import Coverage, Observations, Reading
from telemetry.price_table import PriceSeries
from telemetry.quality_table import DayQuality
from telemetry.weather_table import WeatherIssue, WeatherSeries

__all__ = ["Facts"]


class Facts(Protocol):
    """The facts of homes, to be read; every method is one of ``telemetry.Store``."""

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

    def latest(
        self, home_id: str, channel: Channel | str, *, as_of: datetime, not_before: datetime
    ) -> Reading | None:
        """The newest number known by ``as_of`` whose slot starts at ``not_before`` or later."""

    def coverage(
        self, home_id: str, channel: Channel | str, *, as_of: datetime | None = None
    ) -> Coverage | None:
        """First and last slot with a number, and how many there are; ``None`` without any."""

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
        """Spot prices of the slots in [start, end), issued by ``as_of``, if given."""

    def price_currencies(
        self, area: str, start: datetime, end: datetime, *, as_of: datetime | None = None
    ) -> tuple[str, ...]:
        """Currencies in which prices of [start, end) are stored, issued by ``as_of`` if given."""

    def weather(
        self,
        home_id: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None,
        kind: str = "forecast",
    ) -> WeatherSeries:
        """Weather of the slots in [start, end): in each the latest number issued by ``as_of``."""

    def weather_issues(
        self, home_id: str, start: datetime, end: datetime
    ) -> tuple[WeatherIssue, ...]:
        """Weather forecasts issued in [start, end), oldest first, each as it was issued."""

    def day_quality(self, home_id: str, first: date, last: date) -> tuple[DayQuality, ...]:
        """Verdicts on the local days from ``first`` to ``last``, in order; unjudged are absent."""
