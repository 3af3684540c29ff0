"""The store: all facts of all homes in one database.

    with Store.open("darkstar.sqlite") as store:
        store.put_home(home)
        seen = store.observations("villa", ["load_kwh"], start, end, as_of=now)

Single times are aware datetimes, arrays of slots int64 epoch seconds, values float64 with NaN where
missing. Every write is one transaction, or part of the one that ``transaction`` opened; writing the
same again changes nothing. Reads with ``as_of`` see only what was known then. Use one Store per
thread; several processes may open the same file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import final

from telemetry import (
    forecast_table,
    home_table,
    observations,
    plan_table,
    price_table,
    replay_table,
    weather_table,
)
from telemetry.arrays import F64, I64
from telemetry.channels import Channel, Provenance, Quality
from telemetry.forecast_table import ForecastSeries
from telemetry.freshness import FreshnessStore
from telemetry.home import Home
from telemetry.observations import Coverage, Observations, Reading
from telemetry.plan_table import StoredPlan
from telemetry.price_table import PriceSeries
from telemetry.replay_table import ReplayDay, StoredReplay
from telemetry.sql import WriteCounts
from telemetry.store_episodes import EpisodeStore
from telemetry.store_manual import ManualStore
from telemetry.store_quality import QualityStore
from telemetry.weather_table import WeatherIssue, WeatherSeries


@final
class Store(EpisodeStore, FreshnessStore, ManualStore, QualityStore):
    """Facts of homes in an SQLite file (or on MariaDB); made by ``Store.open``."""

    def put_home(self, home: Home) -> WriteCounts:
        """Write a configured home.

        Raises:
            HomeError: the home has no zone.
        """
        with self._write() as conn:
            return home_table.put(conn, home)

    def ensure_home(self, home_id: str) -> WriteCounts:
        """Write a bare home (zone and position unknown) unless it exists."""
        with self._write() as conn:
            return home_table.ensure(conn, home_id)

    def home(self, home_id: str) -> Home:
        """One home.

        Raises:
            UnknownHomeError: the store does not have it. So do all methods that take a home_id.
        """
        with self._read() as conn:
            return home_table.one(conn, home_id)

    def homes(self) -> tuple[Home, ...]:
        """All homes, by home_id."""
        with self._read() as conn:
            return home_table.every(conn)

    def put_observations(
        self,
        home_id: str,
        channel: Channel | str,
        slot_start: I64,
        values: F64,
        *,
        known_at: datetime | I64,
        provenance: Provenance | str,
        quality: int | I64 = Quality.OK,
        revokes: Provenance | None = None,
    ) -> WriteCounts:
        """Write slots of one channel; what wins over what is in ``telemetry.observations``.

        Args:
            home_id: an existing home.
            channel: name or member of ``Channel``.
            slot_start: epoch seconds (N,) on the 15-minute grid, each once, in any order.
            values: (N,) kWh per slot or ratio; NaN = missing.
            known_at: when it became known: one moment, or epoch seconds (N,).
            provenance: where all these values came from.
            quality: bits of ``Quality``: one value, or (N,).
            revokes: a missing value replaces a number of this origin (of the same interval): the
                rule that gave the number does not hold any more.

        Raises:
            SeriesError: shapes differ, a value is infinite, a slot is off the grid or repeated.
        """
        with self._write_home(home_id) as conn:
            return observations.put(
                conn,
                system_id=self.system_id,
                home_id=home_id,
                channel=Channel(channel),
                slot_start=slot_start,
                values=values,
                known_at=known_at,
                provenance=Provenance(provenance),
                quality=quality,
                revokes=revokes,
            )

    def observations(
        self,
        home_id: str,
        channels: Sequence[Channel | str],
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
    ) -> Observations:
        """Slots in [start, end) of C channels; only what was known by ``as_of``, if given.

        Raises:
            TimeError: a bound is naive or off the slot grid.
        """
        with self._read_home(home_id) as conn:
            return observations.read(
                conn, home_id=home_id, channels=channels, start=start, end=end, as_of=as_of
            )

    def latest(
        self, home_id: str, channel: Channel | str, *, as_of: datetime, not_before: datetime
    ) -> Reading | None:
        """The newest number known by ``as_of`` whose slot starts at ``not_before`` or later."""
        with self._read_home(home_id) as conn:
            return observations.latest(
                conn, home_id=home_id, channel=channel, as_of=as_of, not_before=not_before
            )

    def measured_after(self, home_id: str, moment: datetime) -> datetime | None:
        """Start of the newest slot that starts after a moment and that the own meters measured.

        Files and what was made do not count: they follow no clock of this house.
        """
        with self._read_home(home_id) as conn:
            return observations.measured_after(conn, home_id=home_id, moment=moment)

    def coverage(
        self, home_id: str, channel: Channel | str, *, as_of: datetime | None = None
    ) -> Coverage | None:
        """First and last slot with a number, and how many there are; ``None`` without any.

        With ``as_of`` only what was known then counts.
        """
        with self._read_home(home_id) as conn:
            return observations.coverage(conn, home_id, channel, as_of)

    def put_prices(
        self,
        area: str,
        *,
        source: str,
        currency: str,
        start: datetime,
        slot_minutes: int,
        values: F64,
        issued_at: datetime,
        assumed: bool = False,
        source_minutes: I64 | None = None,
    ) -> WriteCounts:
        """Write the prices of a delivery day (T,), currency per kWh, as issued at one moment.

        Parts of one issue are joined: a missing price never hides a number, nor does that of a
        longer interval hide one of a shorter (``telemetry.layers``). Areas and currencies are kept
        in capitals. ``assumed``: the issue time was not recorded. ``source_minutes`` (T,): where
        prices were held from intervals longer than ``slot_minutes``, the length of those.
        """
        with self._write() as conn:
            return price_table.put_prices(
                conn,
                system_id=self.system_id,
                area=area,
                source=source,
                currency=currency,
                start=start,
                slot_minutes=slot_minutes,
                values=values,
                issued_at=issued_at,
                assumed=assumed,
                source_minutes=source_minutes,
            )

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
        """Spot prices of the slots in [start, end), issued by ``as_of``, from ``source``, if given.

        Raises:
            CurrencyError: they are in several currencies, and ``currency`` does not pick one.
        """
        with self._read() as conn:
            return price_table.read_prices(
                conn,
                area=area,
                start=start,
                end=end,
                as_of=as_of,
                currency=currency,
                source=source,
            )

    def price_currencies(
        self, area: str, start: datetime, end: datetime, *, as_of: datetime | None = None
    ) -> tuple[str, ...]:
        """Currencies in which prices of [start, end) are stored, issued by ``as_of`` if given."""
        with self._read() as conn:
            return price_table.read_currencies(conn, area=area, start=start, end=end, as_of=as_of)

    def put_forecast(
        self,
        home_id: str,
        *,
        target: str,
        model: str,
        issued_at: datetime,
        start: datetime,
        values: F64,
        statistic: str = "mean",
        slot_minutes: int = 15,
    ) -> WriteCounts:
        """Write one issue (T,) of a forecast, in the unit of its target, e.g. ``load_kwh``."""
        with self._write_home(home_id) as conn:
            return forecast_table.put_forecast(
                conn,
                system_id=self.system_id,
                home_id=home_id,
                target=target,
                model=model,
                statistic=statistic,
                issued_at=issued_at,
                start=start,
                slot_minutes=slot_minutes,
                values=values,
            )

    def forecast(
        self, home_id: str, target: str, model: str, *, as_of: datetime, statistic: str = "mean"
    ) -> ForecastSeries | None:
        """The latest issue by ``as_of``."""
        with self._read_home(home_id) as conn:
            return forecast_table.read_forecast(
                conn,
                home_id=home_id,
                target=target,
                model=model,
                statistic=statistic,
                as_of=as_of,
            )

    def put_weather(
        self,
        home_id: str,
        *,
        source: str,
        kind: str,
        variables: Sequence[str],
        issued_at: datetime,
        start: datetime,
        slot_minutes: int,
        values: F64,
        source_minutes: I64 | None = None,
    ) -> WriteCounts:
        """Write one issue of weather: ``values`` (V, T), a row for each of the V variables.

        ``kind`` is ``forecast`` (at most 32 days) or ``archive``; names of variables carry their
        unit. Parts of one issue are joined by name, as those of prices are.
        """
        with self._write_home(home_id) as conn:
            return weather_table.put_weather(
                conn,
                system_id=self.system_id,
                home_id=home_id,
                source=source,
                kind=kind,
                variables=variables,
                issued_at=issued_at,
                start=start,
                slot_minutes=slot_minutes,
                values=values,
                source_minutes=source_minutes,
            )

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
        with self._read_home(home_id) as conn:
            return weather_table.read_weather(
                conn, home_id=home_id, start=start, end=end, as_of=as_of, kind=kind
            )

    def weather_issues(
        self, home_id: str, start: datetime, end: datetime
    ) -> tuple[WeatherIssue, ...]:
        """Weather forecasts issued in [start, end), oldest first, each as it was issued."""
        with self._read_home(home_id) as conn:
            return weather_table.read_weather_issues(conn, home_id=home_id, start=start, end=end)

    def put_plan(self, home_id: str, plan: StoredPlan) -> WriteCounts:
        """Write one plan of this system."""
        with self._write_home(home_id) as conn:
            return plan_table.put(conn, system_id=self.system_id, home_id=home_id, plan=plan)

    def plan(
        self, home_id: str, *, as_of: datetime, scenario: str = "live", system_id: str | None = None
    ) -> StoredPlan | None:
        """The latest plan by ``as_of``, of this system unless another is named."""
        with self._read_home(home_id) as conn:
            return plan_table.read(
                conn,
                home_id=home_id,
                system_id=system_id or self.system_id,
                scenario=scenario,
                as_of=as_of,
            )

    def put_replay(
        self, home_id: str, replay: StoredReplay, days: Iterable[ReplayDay]
    ) -> WriteCounts:
        """Write one replay of this system, all its days or nothing.

        One that stands already with equal content keeps its ``made_at``; else its old days go.

        Raises:
            SeriesError: texts, numbers, days or sums that no replay has.
            TimeError: a bound or a day is naive or off the slot grid.
        """
        with self._write_home(home_id) as conn:
            return replay_table.put(
                conn, system_id=self.system_id, home_id=home_id, replay=replay, days=days
            )

    def replays(self, home_id: str, *, system_id: str | None = None) -> tuple[StoredReplay, ...]:
        """All replays in the order they were made, of this system unless another is named."""
        with self._read_home(home_id) as conn:
            return replay_table.read(conn, home_id, system_id or self.system_id)

    def replay_days(
        self, home_id: str, replay_id: str, *, system_id: str | None = None
    ) -> tuple[ReplayDay, ...]:
        """The days of one replay, in order; none where the store does not have it."""
        with self._read_home(home_id) as conn:
            return replay_table.read_days(conn, home_id, system_id or self.system_id, replay_id)
