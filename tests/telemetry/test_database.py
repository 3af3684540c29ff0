"""What the database refuses, told in one line; drivers that name their parameters."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

from telemetry import database
from telemetry.errors import SeriesError, StoreBusyError, StoreError, TelemetryError, TimeError
from telemetry.schema import metadata, slot_observations
from telemetry.sql import upsert_columns
from telemetry.store import Store

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
COLUMNS: dict[str, list[object]] = {
    "home_id": ["villa", "villa"],
    "channel": ["load_kwh", "load_kwh"],
    "slot_start": [0, 900],
    "value": [1.5, None],
    "provenance": ["import", "import"],
    "quality": [0, 1],
    "known_at": [900, 1800],
    "system_id": ["test", "test"],
}


class _Recorder:
    """A connection that keeps what it is given."""

    dialect: sa.Dialect = MySQLDialect_pymysql(paramstyle="pyformat")

    def __init__(self) -> None:
        self.given: list[tuple[Any, Any]] = []

    def execute(self, statement: Any, rows: Any) -> None:
        self.given.append((statement, rows))

    exec_driver_sql = execute


def test_rows_are_built_for_drivers_that_name_parameters() -> None:
    conn = _Recorder()
    upsert_columns(conn, slot_observations, COLUMNS)  # type: ignore[arg-type]
    [(statement, rows)] = conn.given
    compiled = statement.compile(dialect=conn.dialect, column_keys=list(rows[0]))
    assert compiled.positiontup is None
    assert "%(slot_start)s" in str(compiled)
    first, second = [compiled.construct_params(row) for row in rows]
    assert (first["slot_start"], first["value"], first["known_at"]) == (0, 1.5, 900)
    assert (second["slot_start"], second["value"], second["quality"]) == (900, None, 1)


@pytest.mark.parametrize("paramstyle", ["qmark", "named"])
def test_rows_arrive_whatever_the_paramstyle(paramstyle: Any) -> None:
    engine = sa.create_engine("sqlite://", paramstyle=paramstyle)
    metadata.create_all(engine)
    with engine.begin() as conn:
        for _ in range(2):
            upsert_columns(conn, slot_observations, COLUMNS)
        found = conn.exec_driver_sql("SELECT slot_start, value, known_at FROM slot_observations")
        assert found.all() == [(0, 1.5, 900), (900, None, 1800)]
    engine.dispose()


def test_columns_that_are_not_the_tables() -> None:
    conn: Any = _Recorder()
    wrongs: list[dict[str, list[object]]] = [{**COLUMNS, "value": [1.0]}, {"value": [1.0]}]
    for wrong in wrongs:
        with pytest.raises(SeriesError, match=r"columns of slot_observations is .* equally long"):
            upsert_columns(conn, slot_observations, wrong)
    upsert_columns(conn, slot_observations, {name: [] for name in COLUMNS})
    assert conn.given == []


def test_a_locked_database_is_busy(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 20)
    path = tmp_path / "facts.sqlite"
    with Store.open(path) as other, store.transaction():
        store.ensure_home("cabin")
        with pytest.raises(
            StoreBusyError, match=r"facts\.sqlite: is busy: .* locked; .* again"
        ) as e:
            other.ensure_home("hut")
    assert isinstance(e.value.__cause__, sa.exc.OperationalError)
    assert "\n" not in str(e.value)
    assert [home.home_id for home in store.homes()] == ["cabin", "villa"]


def test_a_locked_database_is_busy_when_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 20)
    with sqlite3.connect(tmp_path / "new.sqlite", isolation_level=None) as raw:
        raw.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreBusyError, match="is busy"):
            Store.open(tmp_path / "new.sqlite")
    raw.close()


def test_a_full_disk(store: Store) -> None:
    with store._engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes the present size
    slots = 900 * np.arange(20_000, dtype=np.int64)
    with pytest.raises(StoreError, match="the disk is full; free some space and repeat") as caught:
        store.put_observations(
            "villa", "load_kwh", slots, np.ones(slots.size), known_at=NOON, provenance="live"
        )
    assert not isinstance(caught.value, StoreBusyError)
    assert isinstance(caught.value.__cause__, sa.exc.DBAPIError)
    assert store.coverage("villa", "load_kwh") is None


def test_reads_of_a_broken_store(store: Store) -> None:
    with store._engine.begin() as conn:
        conn.exec_driver_sql("DROP TABLE prices")
    with pytest.raises(StoreError, match="cannot be used: no such table: prices"):
        store.prices("SE4", NOON, NOON)


def test_a_naive_time_stays_a_time_error(store: Store) -> None:
    with pytest.raises(TimeError, match="want an aware datetime"):
        store.latest("villa", "soc_end", as_of=datetime(2025, 1, 1), not_before=NOON)  # noqa: DTZ001


@pytest.mark.parametrize("code", [1205, 1213])
def test_locks_of_mariadb_are_busy(code: int) -> None:
    orig = Exception(code, "Lock wait timeout exceeded")
    with pytest.raises(StoreBusyError, match="Lock wait"), database.faults_told("there"):
        raise sa.exc.OperationalError("SELECT 1", {}, orig)
    with pytest.raises(StoreError, match="Access denied") as caught, database.faults_told("there"):
        raise sa.exc.OperationalError("SELECT 1", {}, Exception(1045, "Access denied"))
    assert not isinstance(caught.value, StoreBusyError)


SECRET = "s3cr@t:w0rd"  # noqa: S105 - of no server


@pytest.mark.parametrize(
    "url",
    [
        f"mysql+foo://me:{SECRET}@host/db",
        f"mysql+pymysql://me:{SECRET}@host/db",
        f"mysql+pymysql://me:{SECRET}@host:port/db",
        "mysql+pymysql://me:s3cr@t@host/db",
        f"mysql+aiomysql://me/{SECRET}@host/db",
        f"sqlite+aiosqlite://{SECRET}",
        f"sqlite://{SECRET}/y",
        f"sqlite:///x.db?{SECRET}=1",
        f"postgresql://me:{SECRET}@host/db",
        f"oracle+{SECRET}://host/db",
        f"me:{SECRET}@mysql://host/db",
        "://",
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_wrong_urls_tell_nothing_of_a_password(url: str, *, read_only: bool) -> None:
    with pytest.raises(TelemetryError, match=r"want|needs pymysql") as caught:
        Store.open(url, read_only=read_only)
    told: BaseException | None = caught.value
    while told is not None:
        assert not any(part in str(told) for part in ("s3cr", "w0rd", "t:w", "t@h"))
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ("ssl_disabled=true", "no URL of a store"),
        ("ssl_verify_cert=false", "no URL of a store"),
        ("ssl_check_hostname=false", "no URL of a store"),
        ("allow_plaintext=yes", "no URL of a store"),
        ("ssl_ca=/nowhere/ca.pem", "its ssl_ca is no file of certificates"),
    ],
)
def test_options_that_weaken_tls_are_refused(option: str, match: str) -> None:
    with pytest.raises(StoreError, match=match):
        database.connect(f"mysql+pymysql://me:word@nas/facts?{option}", read_only=False)


def test_a_place_is_shown_without_user_password_and_options() -> None:
    url = sa.make_url("mysql+pymysql://me:pass%40word@host:3307/facts?passwd=other")
    assert database.shown(url) == "mysql+pymysql://host:3307/facts"
