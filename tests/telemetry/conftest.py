"""Fixtures of the store: an empty one, one with a home, and the folder of real data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from telemetry import Home, Plane
from telemetry.schema import metadata
from telemetry.store import Store

OpenStore = Callable[..., Store]


@pytest.fixture
def villa() -> Home:
    return Home(
        home_id="villa",
        name="Villa",
        zone="Europe/Stockholm",
        latitude=55.5,
        longitude=13.1,
        elevation_m=20.0,
        planes=(Plane(tilt_deg=45.0, azimuth_deg=150.0, peak_kw=8.0),),
        area="SE4",
    )


@pytest.fixture
def store(tmp_path: Path, villa: Home) -> Iterator[Store]:
    with Store.open(tmp_path / "facts.sqlite", system_id="test") as opened:
        opened.put_home(villa)
        yield opened


@pytest.fixture(scope="session")
def data_dir(real_data: Path) -> Path:
    """The folder of real data."""
    return real_data


@pytest.fixture(scope="session")
def emptied_dsn(request: pytest.FixtureRequest) -> str:
    """A database of the real server, migrated once for all tests of stores."""
    dsn: str = request.getfixturevalue("mariadb").make_database("store_tests")
    Store.open(dsn).close()
    return dsn


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.integration)])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Open stores of one empty database, on SQLite and on MariaDB."""
    place = str(tmp_path / "facts.sqlite")
    if request.param == "mariadb":
        place = request.getfixturevalue("emptied_dsn")
    opened: list[Store] = []

    def opener(system_id: str = "test", **options: Any) -> Store:
        opened.append(Store.open(place, system_id=system_id, **options))
        return opened[-1]

    with opener()._write() as conn:
        for table in reversed(metadata.sorted_tables):
            conn.execute(sa.delete(table))
    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def each_store(open_store: OpenStore) -> Store:
    """A store with two homes and nothing else, on SQLite and on MariaDB."""
    store = open_store()
    for home_id in ("cabin", "villa"):
        store.ensure_home(home_id)
    return store


@pytest.fixture
def two_homes(store: Store) -> Store:
    """A store with two homes on SQLite alone."""
    store.ensure_home("cabin")
    return store
