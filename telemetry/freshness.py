"""How new the newest facts of a home are; a part of ``telemetry.store.Store``.

Every question is answered from the end of an index, so that it costs the same after years.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from telemetry.channels import Channel
from telemetry.schema import (
    data_quality_daily,
    episode_outbox,
    plans,
    prices,
    replays,
    slot_observations,
    weather,
)
from telemetry.slots import SLOT_SECONDS
from telemetry.store_base import StoreBase
from telemetry.weather_table import LONGEST_FORECAST

__all__ = ["Freshness", "FreshnessStore"]

_SLOT = timedelta(seconds=SLOT_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """The newest facts of a home at a moment, UTC; None where there are none.

    Attributes:
        observed_until: end of the newest slot with a number, of each channel that has one.
        prices_issued: when the newest prices of the home's area were issued.
        prices_until: end of the last delivery day of which there are prices.
        weather_issued: when the newest weather forecast was issued.
        planned: when the last plan for control was made, by this system.
        judged: the last local day with a verdict.
        judged_at: when the newest verdict was given.
        replayed: when the last replay was made, by this system.
        waiting: episodes of all homes that the mirror has not got yet.
    """

    observed_until: Mapping[Channel, datetime]
    prices_issued: datetime | None
    prices_until: datetime | None
    weather_issued: datetime | None
    planned: datetime | None
    judged: date | None
    judged_at: datetime | None
    replayed: datetime | None
    waiting: int


class FreshnessStore(StoreBase):
    """How new the newest facts are."""

    def freshness(self, home_id: str, area: str | None, *, as_of: datetime) -> Freshness:
        """The newest facts at a moment.

        Args:
            home_id: an existing home.
            area: whose prices it pays; None: it has none.
            as_of: only what was known by then counts.
        """
        with self._read_home(home_id) as conn:
            issued, until = _prices(conn, area, as_of)
            judged, judged_at = _verdicts(conn, home_id)
            return Freshness(
                observed_until=_observed(conn, home_id, as_of),
                prices_issued=issued,
                prices_until=until,
                weather_issued=_weather(conn, home_id, as_of),
                planned=_planned(conn, home_id, self.system_id, as_of),
                judged=judged,
                judged_at=judged_at,
                replayed=_replayed(conn, home_id, self.system_id),
                waiting=_waiting(conn),
            )

    def episodes_waiting(self) -> int:
        """How many episodes of all homes wait for the mirror."""
        with self._read() as conn:
            return _waiting(conn)

    def weather_issued(self, home_id: str, *, as_of: datetime) -> datetime | None:
        """When the newest weather forecast was issued that was known by ``as_of``."""
        with self._read_home(home_id) as conn:
            return _weather(conn, home_id, as_of)


def _observed(conn: sa.Connection, home_id: str, as_of: datetime) -> dict[Channel, datetime]:
    """End of the newest known slot of each channel."""
    c, found = slot_observations.c, {}
    for channel in Channel:
        statement = (
            sa.select(c.slot_start)
            .where(c.home_id == home_id, c.channel == channel.value)
            .where(c.value.is_not(None), c.known_at <= as_of)
            .order_by(c.slot_start.desc())
            .limit(1)
        )
        start = conn.execute(statement).scalar()
        if start is not None:
            found[channel] = start + _SLOT
    return found


def _prices(
    conn: sa.Connection, area: str | None, as_of: datetime
) -> tuple[datetime | None, datetime | None]:
    """(Issue time, end) of the newest prices of an area."""
    if area is None:
        return None, None
    c = prices.c
    statement = sa.select(sa.func.max(c.issued_at), sa.func.max(c.end)).where(
        c.area == area.upper(), c.issued_at <= as_of
    )
    issued, until = conn.execute(statement).one()
    return issued, until


def _weather(conn: sa.Connection, home_id: str, as_of: datetime) -> datetime | None:
    """Issue time of the newest weather forecast; one that reached no further is none."""
    c = weather.c
    statement = sa.select(sa.func.max(c.issued_at)).where(
        c.home_id == home_id,
        c.kind == "forecast",
        c.start >= as_of - LONGEST_FORECAST,
        c.issued_at <= as_of,
    )
    found: datetime | None = conn.execute(statement).scalar()
    return found


def _planned(conn: sa.Connection, home_id: str, system_id: str, as_of: datetime) -> datetime | None:
    """When the last live plan was made."""
    c = plans.c
    statement = sa.select(sa.func.max(c.issued_at)).where(
        c.home_id == home_id,
        c.system_id == system_id,
        c.scenario == "live",
        c.issued_at <= as_of,
    )
    found: datetime | None = conn.execute(statement).scalar()
    return found


def _verdicts(conn: sa.Connection, home_id: str) -> tuple[date | None, datetime | None]:
    """(Last day that is judged, when the newest verdict was given)."""
    c = data_quality_daily.c
    statement = sa.select(sa.func.max(c.local_date), sa.func.max(c.checked_at)).where(
        c.home_id == home_id
    )
    day, checked_at = conn.execute(statement).one()
    return None if day is None else date.fromisoformat(day), checked_at


def _replayed(conn: sa.Connection, home_id: str, system_id: str) -> datetime | None:
    """When the last replay was made."""
    c = replays.c
    statement = sa.select(sa.func.max(c.made_at)).where(
        c.home_id == home_id, c.system_id == system_id
    )
    found: datetime | None = conn.execute(statement).scalar()
    return found


def _waiting(conn: sa.Connection) -> int:
    """How many episodes wait for the mirror."""
    return int(conn.execute(sa.select(sa.func.count()).select_from(episode_outbox)).scalar() or 0)
