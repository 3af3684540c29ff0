"""Homes, ranks, blobs and resampling: the parts that need no database."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql

from telemetry import Channel, Home, Plane, Provenance
from telemetry.arrays import divide, hold
from telemetry.blobs import pack, pack_text, unpack, unpack_text
from telemetry.channels import UNKNOWN_RANK, rank_of
from telemetry.errors import HomeError, MissingExtraError, SeriesError, TimeError
from telemetry.schema import UtcSeconds, metadata, slot_observations
from telemetry.sql import upsert_statement
from telemetry.sun import is_night, solar_elevation_deg

cells = st.one_of(st.floats(allow_infinity=False), st.just(math.nan))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"zone": "Mars/Olympus"}, "zone is 'Mars/Olympus', want an IANA", id="zone"),
        pytest.param({"latitude": 91.0}, r"latitude is 91.0, want .* \[-90, 90\]", id="latitude"),
        pytest.param({"longitude": math.nan}, "longitude is nan, want", id="longitude"),
        pytest.param({"elevation_m": 1e5}, "elevation_m is 100000.0, want", id="elevation"),
        pytest.param({"home_id": ""}, "home_id is '', want 1 to 64", id="empty id"),
        pytest.param({"home_id": "x" * 65}, "want 1 to 64 characters", id="long id"),
        pytest.param({"currency": "kr"}, "currency is 'kr', want an ISO 4217", id="currency"),
    ],
)
def test_home_refuses(fields: dict[str, object], message: str) -> None:
    with pytest.raises(HomeError, match=message):
        Home(**{"home_id": "a", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tilt", "azimuth", "peak", "field"),
    [(91.0, 180.0, 1.0, "tilt_deg"), (10.0, -1.0, 1.0, "azimuth"), (10.0, 180.0, 0.0, "peak_kw")],
)
def test_plane_refuses(tilt: float, azimuth: float, peak: float, field: str) -> None:
    with pytest.raises(HomeError, match=field):
        Plane(tilt_deg=tilt, azimuth_deg=azimuth, peak_kw=peak)


def test_position_needs_both_coordinates() -> None:
    assert Home(home_id="a", latitude=0.0, longitude=0.0).position == (0.0, 0.0)
    assert Home(home_id="a", latitude=1.0).position is None


def test_ranks_follow_the_order_of_trust() -> None:
    best_first = [
        "repaired",
        "live",
        "statistics_5min",
        "statistics_hourly",
        "import",
        "night",
        "spread",
    ]
    ranks = [rank_of(name) for name in [*best_first, "simulated"]]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(Provenance)
    assert rank_of("from the future") == UNKNOWN_RANK > max(ranks)


def test_energy_channels() -> None:
    assert Channel.LOAD_KWH.is_energy
    assert not Channel.SOC_START.is_energy


@given(st.lists(cells, max_size=50))
def test_blob_round_trip_is_exact(numbers: list[float]) -> None:
    values = np.array(numbers, dtype=np.float64)
    back = unpack(pack(values))
    np.testing.assert_array_equal(back, values)
    np.testing.assert_array_equal(np.signbit(back[back == 0]), np.signbit(values[values == 0]))


def test_equal_content_gives_equal_bytes() -> None:
    other_nan = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)
    assert pack(other_nan) == pack(np.array([np.nan]))


def test_blob_keeps_rows() -> None:
    values = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(unpack(pack(values), 2), values)


def test_blob_refuses_infinity_and_damage() -> None:
    with pytest.raises(SeriesError, match="values is infinite in places"):
        pack(np.array([1.0, np.inf]))
    with pytest.raises(SeriesError, match="the row is damaged"):
        unpack(b"nonsense")
    with pytest.raises(SeriesError, match="the row is damaged"):
        unpack_text(b"nonsense")
    assert unpack_text(pack_text("åäö")) == "åäö"


@given(
    energies=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=20),
    parts=st.sampled_from([1, 2, 4]),
)
def test_dividing_keeps_the_energy(energies: list[float], parts: int) -> None:
    values = np.array(energies)
    quarters = divide(values, parts).reshape(-1, parts)
    for whole, row in zip(energies, quarters.tolist(), strict=True):
        # A subnormal number has no exact quarter; every energy a meter shows has.
        assert math.fsum(row) == pytest.approx(whole, rel=0.0, abs=1e-300)


def test_divide_and_hold_mixed_lengths() -> None:
    values, parts = np.array([4.0, 3.0, np.nan]), np.array([4, 1, 2])
    nan = np.nan
    np.testing.assert_array_equal(divide(values, parts), [1.0, 1.0, 1.0, 1.0, 3.0, nan, nan])
    np.testing.assert_array_equal(hold(values, parts), [4.0, 4.0, 4.0, 4.0, 3.0, nan, nan])


def test_times_of_the_schema_are_never_text_or_flags() -> None:
    dialect = mysql.dialect()
    for wrong in ("2025-01-01", True, 1.5):
        with pytest.raises(TimeError, match="want an aware datetime or UTC epoch seconds"):
            UtcSeconds().process_bind_param(wrong, dialect)
    assert UtcSeconds().process_bind_param(900, dialect) == 900


def test_mariadb_words() -> None:
    dialect = mysql.dialect()
    text = str(upsert_statement("mariadb", slot_observations).compile(dialect=dialect))
    assert "ON DUPLICATE KEY UPDATE value = VALUES(value)" in text
    assert "slot_start = " not in text.split("UPDATE")[1]
    ddl = {
        t.name: str(sa.schema.CreateTable(t).compile(dialect=dialect))
        for t in metadata.tables.values()
    }
    assert "COLLATE utf8mb4_bin" in ddl["homes"]
    assert "data BLOB(16777215) NOT NULL" in ddl["plans"]
    assert "value DOUBLE" in ddl["slot_observations"]
    with pytest.raises(SeriesError, match="database is oracle, want sqlite, mysql or mariadb"):
        upsert_statement("oracle", slot_observations)


def test_sun_at_the_equator() -> None:
    # Equinox 2025-03-20, 0 N 0 E: the sun stands near the zenith at 12:07 and is down at midnight.
    noon, midnight = 1742472420, 1742428800
    high, low = solar_elevation_deg(np.array([noon, midnight]), 0.0, 0.0)
    assert high == pytest.approx(90.0, abs=0.5)
    assert low < -80.0


def test_night_is_the_whole_interval() -> None:
    # Equator, equinox: sunrise is near 06:04 UTC.
    five, hour = 1742428800 + 5 * 3600, 3600
    start = np.array([five - hour, five, five + hour, five + 7 * hour])
    night = is_night(start, np.full(4, hour), 0.0, 0.0)
    assert night.tolist() == [True, True, False, False]


def test_missing_pvlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pvlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'darkstar-energy\[forecast\]'"):
        solar_elevation_deg(np.array([0]), 0.0, 0.0)


def test_the_sun_needs_numpy_alone_and_stands_where_pvlib_says() -> None:
    code = (
        "import sys, numpy as np\nfrom telemetry.sun import solar_elevation_deg\n"
        "at = np.arange(1735689600, 1735689600 + 86400 * 40, 900)\n"
        "found = solar_elevation_deg(at, 55.6, 13.0)\n"
        "print([m for m in ('pvlib', 'pandas', 'scipy') if m in sys.modules])\n"
        "each = np.concatenate([solar_elevation_deg(p, 55.6, 13.0) for p in np.split(at, 40)])\n"
        "from pvlib import spa\n"
        "same = spa.solar_position(at, 55.6, 13.0, 0.0, 1013.25, 12.0, 69.0, 0.5667)[3]\n"
        "print(np.array_equal(found, each), np.array_equal(found, same))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True True"]


def test_opening_a_store_stays_light(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("light") / "facts.sqlite"
    code = (
        "import sys\nimport telemetry\nassert 'sqlalchemy' not in sys.modules\n"
        "from telemetry.store import Store\nimport telemetry.csv_import\n"
        f"Store.open({str(path)!r}).close()\n"
        "print([m for m in ('alembic', 'pvlib', 'pandas', 'scipy') if m in sys.modules])"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in runs] == ["['alembic']", "[]"]
