"""Rows of homes: a Home in, a Home out."""

from __future__ import annotations

import json
from dataclasses import asdict

import sqlalchemy as sa

from telemetry.errors import HomeError, UnknownHomeError
from telemetry.home import Home, Plane
from telemetry.schema import homes
from telemetry.sql import WriteCounts, put_row


def put(conn: sa.Connection, home: Home) -> WriteCounts:
    """Write a configured home; it replaces the bare row that an import may have left.

    Raises:
        HomeError: the home has no zone.
    """
    if home.zone is None:
        want = "an IANA name; only a home met by an import may lack its zone"
        raise HomeError("zone", None, want)
    return put_row(conn, homes, _row(home))


def ensure(conn: sa.Connection, home_id: str) -> WriteCounts:
    """Write a bare home, all facts unknown, unless the home exists."""
    if known(conn, home_id):
        return WriteCounts(unchanged=1)
    return put_row(conn, homes, _row(Home(home_id=home_id, name=home_id)))


def _row(home: Home) -> dict[str, object]:
    return {
        "home_id": home.home_id,
        "name": home.name,
        "zone": home.zone,
        "latitude": home.latitude,
        "longitude": home.longitude,
        "elevation_m": home.elevation_m,
        "planes": json.dumps([asdict(plane) for plane in home.planes]),
        "area": home.area,
        "currency": home.currency,
    }


def known(conn: sa.Connection, home_id: str) -> bool:
    """Whether the store has the home."""
    statement = sa.select(homes.c.home_id).where(homes.c.home_id == home_id)
    return conn.execute(statement).first() is not None


def require(conn: sa.Connection, home_id: str) -> None:
    """Refuse a home that the store does not have.

    Raises:
        UnknownHomeError: always then; the message lists the homes there are.
    """
    if not known(conn, home_id):
        listed = conn.execute(sa.select(homes.c.home_id).order_by(homes.c.home_id)).scalars()
        raise UnknownHomeError(home_id, tuple(listed))


def one(conn: sa.Connection, home_id: str) -> Home:
    """The home of that name.

    Raises:
        UnknownHomeError: there is none.
    """
    require(conn, home_id)
    return next(home for home in every(conn) if home.home_id == home_id)


def every(conn: sa.Connection) -> tuple[Home, ...]:
    """All homes by name of their key."""
    rows = conn.execute(sa.select(homes).order_by(homes.c.home_id)).mappings()
    return tuple(
        Home(
            home_id=row["home_id"],
            name=row["name"],
            zone=row["zone"],
            latitude=row["latitude"],
            longitude=row["longitude"],
            elevation_m=row["elevation_m"],
            planes=tuple(Plane(**plane) for plane in json.loads(row["planes"])),
            area=row["area"],
            currency=row["currency"],
        )
        for row in rows
    )
