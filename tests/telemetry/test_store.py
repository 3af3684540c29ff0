"""Opening, migrating and refusing stores; homes; plans."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from telemetry import Home
from telemetry.database import cure_of
from telemetry.errors import (
    HomeError,
    ReadOnlyError,
    SchemaVersionError,
    SeriesError,
    StoreError,
    UnknownHomeError,
)
from telemetry.migrate import alembic_config
from telemetry.plan_table import StoredPlan
from telemetry.schema import SCHEMA_HEAD, metadata
from telemetry.store import Store

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def _ddl(engine: sa.Engine) -> set[str]:
    with engine.connect() as conn:
        found = conn.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'table'").scalars()
        return {" ".join(text.split()).replace('"', "") for text in found}


def test_migrations_make_the_schema(store: Store) -> None:
    with store._engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    # Also what alembic does not compare: WITHOUT ROWID, order of columns, keys.
    fresh = sa.create_engine("sqlite://")
    metadata.create_all(fresh)
    migrated = {text for text in _ddl(store._engine) if "alembic_version" not in text}
    assert migrated == _ddl(fresh)
    assert sum("WITHOUT ROWID" in text for text in migrated) == 2
    fresh.dispose()


def test_head_is_alembics_head() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [SCHEMA_HEAD]


def test_pragmas(store: Store) -> None:
    with store._engine.connect() as conn:
        found = [
            conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        ]
    assert found == ["wal", 1, 10_000, 1]


def test_foreign_keys_hold(store: Store) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"), store._write() as conn:
        conn.exec_driver_sql(
            "INSERT INTO slot_observations VALUES ('nobody','load_kwh',0,1.0,'live',0,0,'test')"
        )


def test_newer_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "facts.sqlite"
    Store.open(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(SchemaVersionError, match="revision is 9999, want 0006; a newer Darkstar"):
        Store.open(path)
    with pytest.raises(SchemaVersionError, match="revision is 9999, want 0006; a newer Darkstar"):
        Store.open(path, read_only=True)


def test_other_databases_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE recipes (name TEXT)")
    raw.close()
    with pytest.raises(StoreError, match=r"is another database \(tables recipes\)"):
        Store.open(path)
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]
    raw.close()


def test_unreadable_places(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("no database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store.open(tmp_path / "text.sqlite")
    with pytest.raises(StoreError, match="unable to open"):
        Store.open(tmp_path / "absent" / "facts.sqlite")
    with pytest.raises(StoreError, match="unable to open"):
        Store.open(tmp_path / "absent.sqlite", read_only=True)
    assert not (tmp_path / "absent.sqlite").exists()


def test_a_full_disk_may_look_like_a_broken_one() -> None:
    """With not one byte free SQLite says SQLITE_IOERR."""
    fault = sqlite3.OperationalError("disk I/O error")
    fault.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    assert cure_of(fault).startswith("the disk is full or does not answer")


def test_read_only_store(tmp_path: Path, villa: Home) -> None:
    path = tmp_path / "100% #1?.sqlite"
    with Store.open(path) as store:
        store.put_home(villa)
    with Store.open(path, read_only=True) as store:
        assert store.home("villa") == villa
        with pytest.raises(ReadOnlyError, match="opened read-only"):
            store.put_home(villa)
        with (
            pytest.raises(sa.exc.OperationalError, match="readonly database"),
            store._engine.begin() as conn,
        ):
            conn.exec_driver_sql("DELETE FROM homes")


def test_read_only_store_is_not_migrated(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.sqlite").execute("VACUUM").connection.close()
    with pytest.raises(SchemaVersionError, match="revision is none, want 0006; a store opened"):
        Store.open(tmp_path / "empty.sqlite", read_only=True)


def test_homes_round_trip(store: Store, villa: Home) -> None:
    assert store.homes() == (villa,)
    assert store.put_home(villa).unchanged == 1
    moved = replace(villa, area="SE3")
    assert store.put_home(moved).updated == 1
    assert store.home("villa") == moved


def test_home_met_by_an_import(store: Store) -> None:
    assert store.ensure_home("cabin").inserted == 1
    assert store.ensure_home("cabin").unchanged == 1
    assert (store.home("cabin").zone, store.home("cabin").position) == (None, None)
    with pytest.raises(HomeError, match="zone is None, want an IANA name; only a home met by"):
        store.put_home(store.home("cabin"))


def test_unknown_home(store: Store) -> None:
    with pytest.raises(UnknownHomeError, match="no home 'vila' in the store, want one of: villa"):
        store.observations("vila", ["load_kwh"], NOON, NOON)


def test_texts_that_mariadb_would_cut(store: Store) -> None:
    with pytest.raises(SeriesError, match=r"prices.area is .* want at most 32 characters"):
        _ = store.put_prices(
            "X" * 33,
            source="s",
            currency="SEK",
            start=NOON,
            slot_minutes=15,
            values=np.zeros(1),
            issued_at=NOON,
        )
    with pytest.raises(SeriesError, match="system_id is '', want 1 to 64"):
        Store.open(":memory:", system_id="")


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    def fail() -> None:
        with store.transaction():
            store.ensure_home("cabin")
            store.observations("nobody", [], NOON, NOON)

    with pytest.raises(UnknownHomeError, match="nobody"):
        fail()
    assert [home.home_id for home in store.homes()] == ["villa"]
    with store.transaction():
        store.ensure_home("cabin")
    assert len(store.homes()) == 2


def test_two_stores_of_one_file(tmp_path: Path, villa: Home) -> None:
    path = tmp_path / "facts.sqlite"
    with Store.open(path) as one, Store.open(path) as other:
        one.put_home(villa)
        assert other.home("villa") == villa


def _plan(minutes: int = 0, scenario: str = "live", objective: float | None = 1.5) -> StoredPlan:
    at = NOON + timedelta(minutes=minutes)
    return StoredPlan(
        scenario=scenario,
        issued_at=at,
        start=at,
        end=at + timedelta(hours=48),
        engine="highs",
        status="optimal",
        objective=objective,
        plan_schema="plan/1",
        plan_json='{"å": [1, 2.5]}',
    )


def test_plans(store: Store) -> None:
    assert store.put_plan("villa", _plan()).inserted == 1
    assert store.put_plan("villa", _plan()).unchanged == 1
    store.put_plan("villa", _plan(15))
    store.put_plan("villa", _plan(30, scenario="bigger battery"))
    assert store.plan("villa", as_of=NOON + timedelta(hours=1)) == _plan(15)
    assert store.plan("villa", as_of=NOON + timedelta(minutes=14)) == _plan()
    assert store.plan("villa", as_of=NOON - timedelta(seconds=1)) is None
    assert store.plan("villa", as_of=NOON, system_id="prod") is None


def test_a_plan_without_an_objective(store: Store) -> None:
    store.put_plan("villa", _plan(objective=math.nan))
    found = store.plan("villa", as_of=NOON)
    assert found is not None
    assert found.objective is None
