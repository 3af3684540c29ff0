"""MariaDB as the store: it gives what SQLite gives, to the bit; and servers that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command

from telemetry import Home, database
from telemetry.channels import Channel, Quality
from telemetry.episode import EpisodeFilter
from telemetry.errors import (
    CurrencyError,
    SchemaVersionError,
    SeriesError,
    StoreBusyError,
    StoreError,
    StoreUnreachableError,
    UnknownHomeError,
)
from telemetry.manual_table import BlockKind, ManualBlock
from telemetry.migrate import alembic_config
from telemetry.plan_table import StoredPlan
from telemetry.quality_table import DayClass, DayQuality
from telemetry.repairs_table import Repair
from telemetry.schema import metadata
from telemetry.sql import WriteCounts
from telemetry.store import Store
from telemetry.store_episodes import SimulatedDay
from telemetry.upgrade import upgrade_store
from tests.peers.fixtures import MakeMariaDB
from tests.peers.mariadb import RealMariaDB
from tests.telemetry.an_episode import ODD, an_episode
from tests.telemetry.test_replay_table import DAYS, REPLAY

pytestmark = pytest.mark.integration

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
END = NOON + timedelta(hours=24)
LATER = NOON + timedelta(days=30)
SLOTS = int(NOON.timestamp()) + 900 * np.arange(96, dtype=np.int64)
VALUES = np.random.default_rng(3).normal(size=96)
VALUES[:6] = [0.0, 5e-324, 1.7976931348623157e308, -1e-310, 0.1 + 0.2, np.nan]
REPAIR = Repair(
    channel=Channel.LOAD_KWH,
    slot_start=int(SLOTS[7]),
    value=np.nan,
    quality=int(Quality.OK),
    known_at=int(SLOTS[8]),
    rule="spike",
    group_start=int(SLOTS[7]),
)
VERDICT = DayQuality(
    local_date=date(2025, 6, 1),
    day_start=datetime(2025, 5, 31, 22, tzinfo=UTC),
    day_class=DayClass.MASK_BATTERY,
    reference="none",
    slots=96,
    counts={"soc_jump": 3},
    reasons=(ODD,),
    checked_at=NOON,
)
PLAN = StoredPlan(
    scenario="live",
    issued_at=NOON,
    start=NOON,
    end=NOON + timedelta(hours=48),
    engine="highs",
    status="optimal",
    objective=1 / 3,
    plan_schema="plan/1",
    plan_json=f'{{"note": "{ODD}"}}',
)
MARK = SimulatedDay(
    scenario="0-recorded",
    config_hash="0123456789abcdef",
    engine="storage",
    local_day=date(2025, 10, 25),
    task_hash="a" * 32,
    episodes=96,
)
BLOCK = ManualBlock(
    block_id="0123abcd",
    kind=BlockKind.CHARGE,
    start=NOON,
    end=END,
    target_soc=0.1 + 0.2,
    created_at=NOON - timedelta(hours=1),
)
EPISODES = [an_episode(number, schedule_json=ODD * number) for number in range(120)]

WRITES: dict[str, Callable[[Store], object]] = {
    "observations": lambda store: store.put_observations(
        "villa", "load_kwh", SLOTS, VALUES, known_at=SLOTS + 900, provenance="import"
    ),
    "better observations": lambda store: store.put_observations(
        "villa", "load_kwh", SLOTS[90:], VALUES[:6], known_at=LATER, provenance="live", quality=2
    ),
    "prices": lambda store: store.put_prices(
        "SE4",
        source="nordpool",
        currency="SEK",
        start=NOON,
        slot_minutes=15,
        values=VALUES,
        issued_at=NOON - timedelta(hours=9, seconds=0.5),
        assumed=True,
    ),
    "forecast": lambda store: store.put_forecast(
        "villa", target="load_kwh", model="aurora", issued_at=NOON, start=NOON, values=VALUES
    ),
    "weather": lambda store: store.put_weather(
        "villa",
        source="open-meteo",
        kind="forecast",
        variables=["temperature_c", "cloud_cover"],
        issued_at=NOON,
        start=NOON,
        slot_minutes=60,
        values=np.stack([VALUES[:24], VALUES[24:48]]),
    ),
    "plan": lambda store: store.put_plan("villa", PLAN),
    "quality": lambda store: store.put_day_quality("villa", [VERDICT]),
    "repairs": lambda store: store.put_repairs("villa", [REPAIR], repaired_at=LATER),
    "replay": lambda store: store.put_replay("villa", REPLAY, DAYS),
    "episodes": lambda store: store.put_episodes("villa", EPISODES),
    "mirrored": lambda store: store.mark_mirrored(
        [(one.episode_id, one.content_hash) for one in EPISODES[:50]]
    ),
    "simulated day": lambda store: store.put_simulated_day("villa", MARK),
    "manual block": lambda store: store.put_manual_block("villa", BLOCK),
}
READS: dict[str, Callable[[Store], object]] = {
    "homes": lambda store: store.homes(),
    "observations": lambda store: store.observations("villa", ["load_kwh", "soc_end"], NOON, END),
    "as of": lambda store: store.observations("villa", ["load_kwh"], NOON, END, as_of=END),
    "latest": lambda store: store.latest("villa", "load_kwh", as_of=END, not_before=NOON),
    "coverage": lambda store: store.coverage("villa", "load_kwh"),
    "prices": lambda store: store.prices("se4", NOON, END),
    "currencies": lambda store: store.price_currencies("SE4", NOON, END),
    "forecast": lambda store: store.forecast("villa", "load_kwh", "aurora", as_of=LATER),
    "weather": lambda store: store.weather("villa", NOON, END, as_of=None),
    "plan": lambda store: store.plan("villa", as_of=LATER),
    "quality": lambda store: store.day_quality("villa", date(2025, 1, 1), date(2025, 12, 31)),
    "repairs": lambda store: store.repairs("villa", NOON, END),
    "repaired": lambda store: store.repaired_span("villa"),
    "replays": lambda store: store.replays("villa"),
    "replay days": lambda store: store.replay_days("villa", REPLAY.replay_id),
    "episodes": lambda store: tuple(store.episodes(EpisodeFilter())),
    "to mirror": lambda store: store.episodes_to_mirror(1000),
    "summary": lambda store: store.episode_summary(EpisodeFilter()),
    "manual plan": lambda store: store.manual_blocks("villa", NOON, END, as_of=NOON),
    "simulated": lambda store: store.simulated_days("villa", "0-recorded", MARK.config_hash),
}


def _bits(value: object) -> object:
    """Facts in a form that compares to the bit: arrays as their bytes, floats by their digits."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if is_dataclass(value):
        return [(field.name, _bits(getattr(value, field.name))) for field in fields(value)]
    if isinstance(value, (tuple, list)):
        return [_bits(part) for part in value]
    if isinstance(value, dict):
        return [(_bits(key), _bits(part)) for key, part in value.items()]
    return (type(value).__name__, repr(value))


@pytest.fixture
def stores(tmp_path: Path, mariadb: RealMariaDB, villa: Home) -> Iterator[tuple[Store, Store]]:
    """One on SQLite and one on MariaDB, with the same home."""
    dsn = mariadb.make_database("whole_store")
    with (
        Store.open(tmp_path / "facts.sqlite", system_id="test") as lite,
        Store.open(dsn, system_id="test") as server,
    ):
        for store in (lite, server):
            assert store.put_home(villa) == WriteCounts(inserted=1)
            assert store.put_home(villa) == WriteCounts(unchanged=1)
        yield lite, server


def test_both_databases_give_the_same_to_the_bit(stores: tuple[Store, Store]) -> None:
    lite, server = stores
    for name, write in WRITES.items():
        assert write(lite) == write(server), name
    for name, read in READS.items():
        found = _bits(read(lite))
        assert found == _bits(read(server)), name
        assert found not in ([], ("NoneType", "None")), name
    # Once more: what comes again changes nothing, and what a repair put right stays.
    before = {name: _bits(read(server)) for name, read in READS.items()}
    for name, write in WRITES.items():
        assert write(lite) == write(server), name
    assert {name: _bits(read(server)) for name, read in READS.items()} == before
    for store in stores:
        assert store.undo_repairs("villa", NOON, END) == 1
        assert store.requeue_episodes() == 120
    assert _bits(READS["observations"](lite)) == _bits(READS["observations"](server))


def test_new_content_replaces_on_both(stores: tuple[Store, Store]) -> None:
    changed = [replace(DAYS[0], regret=None), *DAYS[1:]]
    for store in stores:
        for write in WRITES.values():
            write(store)
        assert store.put_plan("villa", replace(PLAN, objective=-0.5)) == WriteCounts(updated=1)
        assert store.put_replay("villa", REPLAY, changed) == WriteCounts(updated=2, unchanged=2)
        worse = store.put_observations(
            "villa", "load_kwh", SLOTS, np.ones(96), known_at=LATER, provenance="spread"
        )
        assert (worse.kept, worse.updated) == (95, 1)  # one value was missing, one is repaired
        better = store.put_observations(
            "villa", "load_kwh", SLOTS[:1], VALUES[:1], known_at=NOON, provenance="live"
        )
        assert better == WriteCounts(updated=1)
    lite, server = stores
    for name, read in READS.items():
        assert _bits(read(lite)) == _bits(read(server)), name


def test_refusals_are_the_same(stores: tuple[Store, Store]) -> None:
    for store in stores:
        with pytest.raises(UnknownHomeError, match="no home 'vila' in the store, want one of"):
            store.put_episodes("vila", [])
        with pytest.raises(SeriesError, match="at most 64 characters"):
            store.put_episodes("villa", [an_episode(scenario="s" * 65)])
        with pytest.raises(StoreError, match=r"(?i)foreign key"), store._write() as conn:
            conn.exec_driver_sql(
                "INSERT INTO slot_observations VALUES ('nobody','pv_kwh',0,1.0,'live',0,0,'test')"
            )
        for currency in ("SEK", "EUR"):
            store.put_prices(
                "SE3",
                source="s",
                currency=currency,
                start=NOON,
                slot_minutes=60,
                values=np.ones(24),
                issued_at=NOON,
            )
        with pytest.raises(CurrencyError, match="EUR, SEK"):
            store.prices("SE3", NOON, END)


def test_names_compare_letter_by_letter(stores: tuple[Store, Store]) -> None:
    names = ["VILLA", "Villa", "villa", "vílla"]
    for store in stores:
        for name in names:
            store.ensure_home(name)
        assert [home.home_id for home in store.homes()] == names
        made = an_episode(home_id="Villa")
        store.put_episodes("Villa", [made])
        assert list(store.episodes(EpisodeFilter(home_id="villa"))) == []


# --- schema ---------------------------------------------------------------------------------------


def _tables(conn: sa.Connection) -> dict[str, str]:
    return {
        name: conn.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1] for name in metadata.tables
    }


def test_migrations_make_the_schema(mariadb: RealMariaDB) -> None:
    with Store.open(mariadb.make_database("migrated")) as store, store._read() as conn:
        migrated = _tables(conn)
    made = sa.create_engine(mariadb.make_database("created"))
    metadata.create_all(made)
    with made.connect() as conn:
        assert _tables(conn) == migrated
    made.dispose()
    episodes = migrated["training_episodes"]
    assert "`created_at` datetime NOT NULL" in episodes
    assert "`schedule_json` mediumtext NOT NULL" in episodes
    assert "KEY `ix_training_episodes_read` (`home_id`,`episode_start`,`episode_id`)" in episodes
    assert all("ENGINE=InnoDB" in text and "utf8mb4_bin" in text for text in migrated.values())


def test_a_store_of_0003_keeps_its_data(mariadb: RealMariaDB) -> None:
    dsn = mariadb.make_database("older")
    engine = database.connect(dsn, read_only=False)
    with database.writing(engine) as conn:
        config = alembic_config()
        config.attributes["connection"] = conn
        command.upgrade(config, "0003")
        assert "training_episodes" not in sa.inspect(conn).get_table_names()
        conn.exec_driver_sql(
            "INSERT INTO homes (home_id, name, planes, currency) VALUES ('villa', 'V', '[]', 'SEK')"
        )
    engine.dispose()
    with pytest.raises(SchemaVersionError, match="revision is 0003, want 0006"):
        Store.open(dsn, read_only=True)
    assert upgrade_store(dsn) == "0003"
    with Store.open(dsn, system_id="test") as store:
        assert [home.name for home in store.homes()] == ["V"]
        assert store.put_episodes("villa", EPISODES) == WriteCounts(inserted=120)
    with Store.open(dsn) as store:
        assert list(store.episodes(EpisodeFilter())) == EPISODES


@pytest.mark.parametrize(
    "undone",
    [
        "DROP TABLE simulated_days",
        "DROP TABLE simulated_days, episode_outbox;"
        "DROP INDEX ix_training_episodes_read ON training_episodes",
    ],
)
def test_a_migration_that_was_cut_off_is_finished(mariadb: RealMariaDB, undone: str) -> None:
    dsn = mariadb.make_database("cut_off")
    with Store.open(dsn) as store, store._read() as conn:
        whole = _tables(conn)
    mariadb.sql(undone, "cut_off")
    mariadb.sql("UPDATE alembic_version SET version_num = '0003'", "cut_off")
    assert upgrade_store(dsn) == "0003"
    with Store.open(dsn) as store, store._read() as conn:
        assert _tables(conn) == whole


def test_two_programs_migrate_one_after_the_other(
    mariadb: RealMariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = mariadb.make_database("raced")
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Store.open(dsn), range(4)))
    for store in opened:
        store.ensure_home("villa")
        store.close()
    dsn = mariadb.make_database("held")
    monkeypatch.setattr(database, "_LOCK_SECONDS", 0)
    engine = sa.create_engine(dsn)
    with engine.connect() as conn:
        conn.exec_driver_sql("DO GET_LOCK(CONCAT('darkstar.', MD5(DATABASE())), 0)")
        with pytest.raises(StoreBusyError, match="is being migrated by another process"):
            Store.open(dsn)
    engine.dispose()


def test_another_database_is_left_alone(mariadb: RealMariaDB) -> None:
    dsn = mariadb.make_database("cookbook")
    mariadb.sql("CREATE TABLE recipes (name TEXT)", "cookbook")
    with pytest.raises(StoreError, match=r"is another database \(tables recipes\)"):
        Store.open(dsn)
    assert mariadb.sql("SHOW TABLES", "cookbook").split() == ["recipes"]


# --- servers that fail ----------------------------------------------------------------------------


def test_a_server_that_is_down_or_refuses(make_mariadb: MakeMariaDB) -> None:
    server = make_mariadb()  # never started: nobody listens there
    with pytest.raises(
        StoreUnreachableError, match=r"cannot be used: .*2003.* for a server, that it runs"
    ):
        Store.open(server.dsn("facts"))
    server.start()
    with pytest.raises(StoreError, match="Unknown database 'facts'"):
        Store.open(server.dsn("facts"))
    server.make_database("facts")
    with pytest.raises(StoreError, match="Access denied") as caught:
        Store.open(server.dsn("facts").replace(":s%3A3", ":s%3A4"))
    told = f"{caught.value!r} {caught.value.__cause__!r}"
    assert server.password[5:14] not in told
    assert "s:4" not in told


def test_a_login_goes_to_another_machine_over_trusted_tls_alone(
    make_mariadb: MakeMariaDB, mariadb: RealMariaDB
) -> None:
    peer = make_mariadb(tls=True, tls_names=["127.0.0.1", "0.0.0.0"]).start()  # noqa: S104
    remote = "0.0.0.0"  # noqa: S104 - reaches this machine, is no loopback
    here = sa.make_url(peer.make_database("facts"))
    away = here.set(host=remote)

    def cipher(url: sa.URL) -> str:
        text = url.render_as_string(hide_password=False)
        with Store.open(text) as store, store._read() as conn:
            return str(conn.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").one()[1])

    assert cipher(here) == ""
    assert cipher(here.update_query_dict({"ssl_ca": str(peer.ca)})) != ""
    assert cipher(away.update_query_dict({"ssl_ca": str(peer.ca)})) != ""
    assert cipher(away.update_query_dict({"allow_plaintext": "true"})) == ""
    by_socket = {"unix_socket": str(peer.socket)}
    assert cipher(away.update_query_dict(by_socket)) == ""
    plain = sa.make_url(mariadb.make_database("facts"))
    for url in (
        away,
        here.update_query_dict({"host": remote}),
        plain.set(host=remote),
        plain.update_query_dict({"ssl_ca": str(peer.ca)}),
    ):
        with pytest.raises(StoreError, match=r"nothing was sent.*allow_plaintext=true") as caught:
            cipher(url)
        assert str(peer.password) not in str(caught.value)


def test_a_server_has_little_time(mariadb: RealMariaDB) -> None:
    dsn = mariadb.make_database("patience")
    for url, want in ((dsn, (2, 60, 60)), (f"{dsn}&connect_timeout=7&read_timeout=5", (7, 5, 60))):
        with Store.open(url) as store, store._engine.connect() as conn:
            raw = conn.connection.driver_connection
            assert raw is not None
            found = (raw.connect_timeout, raw._read_timeout, raw._write_timeout)
            assert found == want


def test_a_connection_that_died_is_replaced(stores: tuple[Store, Store]) -> None:
    _, server = stores
    with server._read() as conn:
        number = conn.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
    other = sa.create_engine(server._engine.url)
    with other.connect() as conn:
        conn.exec_driver_sql(f"KILL {number}")
    other.dispose()
    assert [home.home_id for home in server.homes()] == ["villa"]
    with server._read() as conn:
        assert conn.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one() != number


def test_a_server_lost_within_a_transaction_keeps_nothing_of_it(make_mariadb: MakeMariaDB) -> None:
    server = make_mariadb().start()
    store = Store.open(server.make_database("facts"), system_id="test")
    store.ensure_home("villa")
    store.put_episodes("villa", EPISODES[:50])

    def lose() -> None:
        with store.transaction():
            store.put_episodes("villa", EPISODES)
            store.put_simulated_day("villa", MARK)
            server.kill()
            store.put_plan("villa", PLAN)

    with pytest.raises(StoreUnreachableError, match=r"cannot be used: .*Lost connection"):
        lose()
    with pytest.raises(StoreUnreachableError, match="2003"):
        store.waiting_episodes()
    server.start()
    assert list(store.episodes(EpisodeFilter())) == EPISODES[:50]
    assert store.waiting_episodes() == 50
    assert store.simulated_days("villa", "0-recorded", MARK.config_hash) == {}
    assert store.put_episodes("villa", EPISODES) == WriteCounts(inserted=70, unchanged=50)
    store.close()


def test_nothing_is_cut_to_fit_whatever_the_mode_of_the_server(make_mariadb: MakeMariaDB) -> None:
    server = make_mariadb(options=["--sql-mode=", "--default-time-zone=+09:00"]).start()
    with Store.open(server.make_database("facts"), system_id="test") as store:
        store.ensure_home("villa")
        store.put_episodes("villa", EPISODES)
        with pytest.raises(StoreError, match="Data too long"), store._write() as conn:
            conn.exec_driver_sql("UPDATE training_episodes SET config_hash = REPEAT('a', 99)")
        assert list(store.episodes(EpisodeFilter())) == EPISODES
    start = server.sql("SELECT min(episode_start), min(created_at) FROM training_episodes", "facts")
    assert start.split("\t") == ["2025-10-24 22:00:00", "2025-10-24 22:00:00\n"]
