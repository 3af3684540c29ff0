"""Fixtures of the store: an empty one, one with a home, and the folder of real data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry import Home, Plane
from telemetry.store import Store


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
