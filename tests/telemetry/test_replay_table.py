"""Replays in the store: back to the bit, twice is once, all or nothing; the upgrade from 0002."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sqlalchemy.dialects import mysql

from telemetry import Home, database
from telemetry.arrays import F64
from telemetry.blobs import pack
from telemetry.errors import ReadOnlyError, SeriesError, StoreError, TimeError, UnknownHomeError
from telemetry.migrate import alembic_config
from telemetry.replay_table import SERIES, ReplayDay, StoredReplay, _day, _day_of
from telemetry.schema import metadata
from telemetry.sql import WriteCounts
from telemetry.store import Store
from telemetry.upgrade import upgrade_store

# Three local days of Stockholm around the end of summer time: 96, 100 and 96 slots.
STARTS = (
    datetime(2025, 10, 24, 22, tzinfo=UTC),
    datetime(2025, 10, 25, 22, tzinfo=UTC),
    datetime(2025, 10, 26, 23, tzinfo=UTC),
)
SLOTS = (96, 100, 96)
END = datetime(2025, 10, 27, 23, tzinfo=UTC)
MADE_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = "0123456789abcdef"


def _values(slots: int, seed: int = 0) -> F64:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(SERIES), slots))
    values[SERIES.index("regret"), ::7] = np.nan
    values[SERIES.index("export_price")] = -0.0
    values[0, :4] = [0.0, 5e-324, -1e-310, 1.7976931348623157e308]
    return values


def _a_day(number: int, **changes: Any) -> ReplayDay:
    facts: dict[str, Any] = {
        "day_start": STARTS[number],
        "local_date": date(2025, 10, 25) + timedelta(days=number),
        "bill": 10.0,
        "wear": 0.5,
        "penalty": 0.25,
        "regret": 0.1,
        "load_kwh": 20.0,
        "pv_kwh": 1 / 3,
        "import_kwh": 21.0,
        "export_kwh": 0.0,
        "charge_kwh": 2.5,
        "discharge_kwh": 2.25,
        "curtail_kwh": 0.0,
        "values": _values(SLOTS[number], seed=number),
    }
    return ReplayDay(**(facts | changes))


DAYS = tuple(_a_day(number) for number in range(3))
REPLAY = StoredReplay(
    replay_id=ID,
    policy="storage",
    dispatch="value",
    forecast="baseline",
    engine="storage",
    start=STARTS[0],
    end=END,
    slots=292,  # 96 + 100 + 96
    soc_start_kwh=5.0,
    soc_end_kwh=0.1 + 0.2,
    bill=30.0,  # 3 * 10.0
    wear=1.5,  # 3 * 0.5
    penalty=0.75,  # 3 * 0.25
    terminal=-2.0,
    cost=34.25,  # 30 + 1.5 + 0.75 + 2
    oracle_cost=33.95,
    regret=0.3,
    currency="SEK",
    settings='{"site": {"öre": 1}}',
    inputs_hash="f" * 64,
    made_at=MADE_AT,
)


def _rows(store: Store) -> tuple[int, int]:
    with store._read() as conn:
        counts = [
            conn.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()  # noqa: S608
            for name in ("replays", "replay_slots")
        ]
    return counts[0], counts[1]


def _facts(day: ReplayDay) -> dict[str, object]:
    """All of a day in comparable form; arrays as their bytes."""
    facts = {field.name: getattr(day, field.name) for field in fields(day)}
    return facts | {"values": (day.values.shape, day.values.tobytes())}


def test_a_replay_comes_back_to_the_bit(store: Store) -> None:
    assert store.put_replay("villa", REPLAY, DAYS) == WriteCounts(inserted=4)
    assert store.replays("villa") == (REPLAY,)
    found = store.replay_days("villa", ID)
    assert [_facts(day) for day in found] == [_facts(day) for day in DAYS]
    long = found[1]
    assert long.slots == 100
    assert long.slot_start[[0, -1]].tolist() == [1761429600, 1761429600 + 99 * 900]
    assert long.of("soc_kwh").tobytes() == DAYS[1].values[9].tobytes()


@given(
    values=hnp.arrays(
        np.float64,
        st.tuples(st.just(len(SERIES)), st.integers(1, 100)),
        elements=st.floats(allow_infinity=False),
    )
)
def test_any_numbers_come_back_to_the_bit(values: F64) -> None:
    row = {name: getattr(DAYS[0], name) for name in ("bill", "wear", "penalty", "regret")}
    back = _day_of(row | _day(replace(DAYS[0], values=values))).values
    # NaN has many bit patterns; it comes back as NaN, all else as it was.
    missing = np.isnan(values)
    assert (np.isnan(back) == missing).all()
    assert back[~missing].tobytes() == values[~missing].tobytes()


def test_twice_is_once(store: Store) -> None:
    store.put_replay("villa", REPLAY, DAYS)
    later = replace(REPLAY, made_at=MADE_AT + timedelta(days=1))
    assert store.put_replay("villa", later, DAYS) == WriteCounts(unchanged=4)
    assert store.replays("villa") == (REPLAY,)
    assert _rows(store) == (1, 3)


def test_another_content_replaces_the_old_days(store: Store) -> None:
    store.put_replay("villa", REPLAY, DAYS)
    later = replace(REPLAY, made_at=MADE_AT + timedelta(days=1))
    changed = (DAYS[0], replace(DAYS[1], values=_values(100, seed=9)), DAYS[2])
    assert store.put_replay("villa", later, changed) == WriteCounts(updated=2, unchanged=2)
    assert store.replays("villa") == (later,)
    assert [_facts(day) for day in store.replay_days("villa", ID)] == [_facts(d) for d in changed]
    # Without its middle day: 20 + 1 + 0.5 + 2 = 23.5.
    shorter = replace(later, slots=192, bill=20.0, wear=1.0, penalty=0.5, cost=23.5)
    counts = store.put_replay("villa", shorter, (DAYS[0], DAYS[2]))
    assert counts == WriteCounts(updated=1, unchanged=2)
    assert [day.local_date.day for day in store.replay_days("villa", ID)] == [25, 27]


def test_only_the_head_or_only_a_sum_changes(store: Store) -> None:
    store.put_replay("villa", REPLAY, DAYS)
    unscored = replace(REPLAY, oracle_cost=None, regret=math.nan)
    assert store.put_replay("villa", unscored, DAYS) == WriteCounts(updated=1, unchanged=3)
    assert store.replays("villa") == (replace(unscored, regret=None),)
    assert store.put_replay("villa", unscored, DAYS) == WriteCounts(unchanged=4)
    days = (*DAYS[:2], replace(DAYS[2], regret=None))
    assert store.put_replay("villa", unscored, days) == WriteCounts(updated=2, unchanged=2)
    assert [day.regret for day in store.replay_days("villa", ID)] == [0.1, 0.1, None]


def test_systems_homes_and_replays_are_apart(store: Store, tmp_path: Path) -> None:
    other_id = replace(REPLAY, replay_id="f" * 16, made_at=MADE_AT - timedelta(hours=1))
    store.ensure_home("cabin")
    with Store.open(tmp_path / "facts.sqlite", system_id="simulation") as other:
        for each, home_id, replay in (
            (store, "villa", REPLAY),
            (store, "villa", other_id),
            (store, "cabin", REPLAY),
            (other, "villa", replace(REPLAY, policy="plan")),
        ):
            assert each.put_replay(home_id, replay, DAYS).inserted == 4
        assert store.replays("villa") == (other_id, REPLAY)  # in the order they were made
        assert [found.policy for found in other.replays("villa")] == ["plan"]
    assert store.replays("villa", system_id="simulation")[0].policy == "plan"
    assert len(store.replay_days("villa", ID, system_id="simulation")) == 3
    assert store.replay_days("villa", "f" * 16, system_id="simulation") == ()
    assert _rows(store) == (4, 12)


def test_what_is_not_there(store: Store, tmp_path: Path) -> None:
    assert store.replays("villa") == ()
    assert store.replay_days("villa", ID) == ()
    with pytest.raises(UnknownHomeError, match="no home 'vila'"):
        store.put_replay("vila", REPLAY, DAYS)
    with pytest.raises(UnknownHomeError, match="no home 'vila'"):
        store.replay_days("vila", ID)
    with (
        Store.open(tmp_path / "facts.sqlite", read_only=True) as closed,
        pytest.raises(ReadOnlyError, match="read-only"),
    ):
        closed.put_replay("villa", REPLAY, DAYS)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"replay_id": ID.upper()}, "replay_id is '0123456789ABCDEF', want 16 hexadecimal"),
        ({"policy": "p" * 65}, r"replays\.policy is .* at most 64 characters"),
        ({"engine": "e" * 33}, r"replays\.engine is .* at most 32 characters"),
        ({"currency": "kronor"}, r"replays\.currency is 'kronor', want at most 3"),
        ({"settings": "å" * 40_000}, r"replays\.settings is 80000 bytes, want at most 65535"),
        ({"soc_end_kwh": math.nan}, r"replays\.soc_end_kwh is nan, want a finite number"),
        ({"oracle_cost": math.inf}, r"replays\.oracle_cost is inf, want a finite number"),
        ({"cost": 30.25}, r"replays\.cost is 30\.25, want the sum of its parts, 34\.25"),
        ({"bill": 31.0, "cost": 35.25}, r"replays\.bill is 31\.0, want .* 30\.0"),
        ({"slots": 288}, r"slots of the days is 292, want those of the replay, 288"),
        ({"end": END - timedelta(hours=1)}, "overlapping or out of place, want days in order"),
        ({"start": STARTS[0] + timedelta(hours=1)}, "overlapping or out of place"),
    ],
)
def test_replays_that_are_refused(store: Store, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(SeriesError, match=match):
        store.put_replay("villa", replace(REPLAY, **changes), DAYS)
    assert _rows(store) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"load_kwh": math.nan}, "load_kwh of 2025-10-27 is nan, want a finite number"),
        ({"values": _values(96)[1:]}, r"is of shape \(12, 96\), want \(13, T\)"),
        ({"values": _values(101)}, "slots of 2025-10-27 is 101, want 1 to 100"),
        ({"values": np.full((13, 96), np.inf)}, "values is infinite in places"),
        ({"day_start": STARTS[1] + timedelta(hours=24)}, "overlapping or out of place"),
        ({"local_date": date(2025, 10, 26)}, "overlapping or out of place"),
    ],
)
def test_days_that_are_refused(store: Store, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(SeriesError, match=match):
        store.put_replay("villa", REPLAY, (*DAYS[:2], replace(DAYS[2], **changes)))
    assert _rows(store) == (0, 0)


def test_a_replay_without_days_and_times_off_the_grid(store: Store) -> None:
    with pytest.raises(SeriesError, match=r"slots of the days is 0, want .* \(> 0\)"):
        store.put_replay("villa", replace(REPLAY, slots=0), ())
    odd = STARTS[0] + timedelta(minutes=1)
    with pytest.raises(TimeError, match="want a slot start"):
        store.put_replay("villa", replace(REPLAY, start=odd), DAYS)
    with pytest.raises(TimeError, match="want a slot start"):
        store.put_replay("villa", REPLAY, (replace(DAYS[0], day_start=odd), *DAYS[1:]))


def test_all_or_nothing_when_the_database_fails(store: Store) -> None:
    store.put_replay("villa", REPLAY, DAYS)
    with store._engine.begin() as conn:
        conn.exec_driver_sql(
            "CREATE TRIGGER full_disk BEFORE INSERT ON replay_slots "
            "WHEN NEW.local_date = '2025-10-27' BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    changed = replace(REPLAY, policy="plan")
    with pytest.raises(StoreError, match="no room"):
        store.put_replay("villa", changed, DAYS)
    assert store.replays("villa") == (REPLAY,)
    assert [_facts(day) for day in store.replay_days("villa", ID)] == [_facts(d) for d in DAYS]


def test_numbers_of_numpy_become_plain(store: Store) -> None:
    """PyMySQL writes ``np.float64(30.0)`` into its statement, which no server reads."""
    assert type(_day(replace(DAYS[0], bill=np.float64(10.0)))["bill"]) is float
    given_numpy = replace(REPLAY, slots=np.int64(292), bill=np.float64(30.0))  # type: ignore[arg-type]
    store.put_replay("villa", given_numpy, DAYS)
    assert store.put_replay("villa", REPLAY, DAYS).unchanged == 4


@pytest.mark.parametrize(
    ("blob", "match"),
    [
        (pack(np.zeros((13, 92))), "blob is 1196 values, want 13 series of 96 slots"),
        (b"no zlib", "blob is 7 bytes, want zlib"),
    ],
)
def test_damaged_days_are_told(store: Store, blob: bytes, match: str) -> None:
    store.put_replay("villa", REPLAY, DAYS)
    with store._engine.begin() as conn:
        conn.exec_driver_sql("UPDATE replay_slots SET data = ? WHERE slots = 96", (blob,))
    with pytest.raises(SeriesError, match=match):
        store.replay_days("villa", ID)


def test_a_day_of_slots_needs_its_replay(store: Store) -> None:
    store.put_replay("villa", REPLAY, DAYS)
    with pytest.raises(StoreError, match="FOREIGN KEY"), store._write() as conn:
        conn.exec_driver_sql("DELETE FROM replays")


def test_a_replayed_day_takes_at_most_6_kb() -> None:
    """A winter and a summer day in which load, PV and both prices change every quarter."""
    rng = np.random.default_rng(1)
    for sun in (0.0, 1.0):
        load, spot = rng.gamma(2.0, 0.2, 96), rng.normal(1.0, 0.4, 96)
        pv = sun * rng.uniform(0.5, 1.0, 96) * np.maximum(np.sin(np.linspace(-2, 5, 96)), 0.0)
        surplus = np.maximum(pv - load, 0.0)
        charge = np.where(np.cumsum(surplus) < 9.0, surplus, 0.0)
        discharge = np.where(spot > 1.2, np.maximum(load - pv, 0.0), 0.0)
        net = load - pv + charge - discharge
        imports, exports = np.maximum(net, 0.0), np.maximum(-net, 0.0)
        soc = 5.0 + np.cumsum(0.95 * charge - discharge / 0.95)
        value = np.repeat(rng.uniform(0.5, 2.0, 24), 4)  # constant until a bound is met
        price = 1.25 * (spot + 0.6846)
        cost = price * imports - spot * exports + 0.2 * discharge
        flows = [charge, discharge, imports, exports, np.zeros(96), soc]
        values = np.array([load, pv, price, spot, *flows, value, cost, rng.gamma(1.0, 0.01, 96)])
        assert 2_000 < len(pack(values)) < 6_000


def test_mariadb_words() -> None:
    ddl = {
        name: str(sa.schema.CreateTable(metadata.tables[name]).compile(dialect=mysql.dialect()))
        for name in ("replays", "replay_slots")
    }
    assert "PRIMARY KEY (home_id, system_id, replay_id)" in ddl["replays"]
    assert "replay_id VARCHAR(16) NOT NULL" in ddl["replays"]
    assert "oracle_cost DOUBLE, " in ddl["replays"]
    assert "data BLOB(16777215) NOT NULL" in ddl["replay_slots"]
    assert "REFERENCES replays (home_id, system_id, replay_id)" in ddl["replay_slots"]
    assert all("COLLATE utf8mb4_bin" in text for text in ddl.values())


def test_a_store_of_0002_keeps_its_data(tmp_path: Path, villa: Home) -> None:
    path = tmp_path / "old.sqlite"
    engine = database.connect(path, read_only=False)
    with database.writing(engine) as conn:
        config = alembic_config()
        config.attributes["connection"] = conn
        command.upgrade(config, "0002")
        assert "replays" not in sa.inspect(conn).get_table_names()
        for statement in (
            "INSERT INTO homes (home_id, name, zone, planes, currency) "
            "VALUES ('old', 'Old', 'Europe/Stockholm', '[]', 'SEK')",
            "INSERT INTO slot_observations VALUES ('old','load_kwh',900,1.5,'live',0,1800,'dev')",
            "INSERT INTO data_quality_daily VALUES "
            "('old', 0, '1970-01-01', 'clean', 'none', 96, '{}', '[]', 0, 'dev')",
        ):
            conn.exec_driver_sql(statement)
    engine.dispose()
    start = datetime(1970, 1, 1, tzinfo=UTC)
    assert upgrade_store(path) == "0002"
    with Store.open(path) as store:
        assert [home.home_id for home in store.homes()] == ["old"]
        seen = store.observations("old", ["load_kwh"], start, start + timedelta(hours=1))
        assert np.array_equal(seen.values[0], [np.nan, 1.5, np.nan, np.nan], equal_nan=True)
        first = date(1970, 1, 1)
        assert [day.slots for day in store.day_quality("old", first, first)] == [96]
        store.put_home(villa)
        assert store.put_replay("villa", REPLAY, DAYS).inserted == 4
    with Store.open(path, read_only=True) as store:
        assert store.replays("villa") == (REPLAY,)
