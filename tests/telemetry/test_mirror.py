"""The mirror against a real MariaDB: equal rows, whatever goes wrong on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from telemetry.episode import EpisodeFilter
from telemetry.errors import (
    PeerAuthError,
    PeerNotReadyError,
    PeerReplyError,
    PeerUnreachableError,
)
from telemetry.mirror import Mirror, MirrorReport
from telemetry.store import Store
from tests.peers.fixtures import MakeMariaDB
from tests.peers.mariadb import RealMariaDB
from tests.telemetry.mirrors import HOME, ODD, episode, put, rows, server_of

pytestmark = pytest.mark.integration

DATABASE = "mirror_test"
DELETE = "DELETE FROM training_episodes WHERE episode_id = '{}'"
FOREIGN = (
    "CREATE TEMPORARY TABLE one SELECT * FROM training_episodes LIMIT 1;"
    "UPDATE one SET episode_id = 'another';"
    "INSERT INTO training_episodes SELECT * FROM one"
)
LARGE = "x" * 8000  # over a hundred of them make several batches


@pytest.fixture
def peer(mariadb: RealMariaDB) -> Iterator[RealMariaDB]:
    """The running server, without the database of these tests."""
    mariadb.sql(f"DROP DATABASE IF EXISTS {DATABASE}")
    yield mariadb
    mariadb.sql(f"DROP DATABASE IF EXISTS {DATABASE}")


def push(store: Store, peer: RealMariaDB, **options: Any) -> MirrorReport:
    with Mirror.open(server_of(peer, DATABASE)) as mirror:
        return mirror.push(store, **options)


def assert_equal(store: Store, peer: RealMariaDB) -> None:
    """Both tables hold the same rows, every column of them, and nothing waits."""
    here = rows(store.name)
    assert here
    assert rows(peer.dsn(DATABASE)) == here
    assert store.waiting_episodes() == 0


def test_every_column_arrives(store: Store, peer: RealMariaDB) -> None:
    put(store, [episode(number) for number in range(120)])
    report = push(store, peer)
    assert report == MirrorReport(pushed=120, too_large=(), waiting=0, created=True)
    assert_equal(store, peer)
    assert push(store, peer) == MirrorReport(pushed=0, too_large=(), waiting=0, created=False)


def test_only_what_is_new_or_changed_is_pushed(store: Store, peer: RealMariaDB) -> None:
    put(store, [episode(number) for number in range(10)])
    push(store, peer)
    put(store, [episode(3, text="better"), episode(4), episode(10)])
    assert push(store, peer).pushed == 2
    assert_equal(store, peer)


def test_what_changes_while_it_is_pushed_keeps_waiting(
    store: Store, peer: RealMariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, [episode(number) for number in range(3)])
    mark = store.mark_mirrored

    def changed_meanwhile(pushed: list[tuple[str, str]]) -> int:
        put(store, [episode(1, text="newer")])
        return mark(pushed)

    monkeypatch.setattr(store, "mark_mirrored", changed_meanwhile)
    report = push(store, peer)
    assert (report.pushed, report.waiting) == (3, 1)
    monkeypatch.undo()
    assert push(store, peer).pushed == 1
    assert_equal(store, peer)


def test_episodes_are_read_back_as_they_were(store: Store, peer: RealMariaDB) -> None:
    put(store, [episode(number) for number in range(110)])
    push(store, peer)
    some = EpisodeFilter(
        home_id=HOME, first_day=episode(9).local_day, last_day=episode(9).local_day
    )
    with Mirror.open(server_of(peer, DATABASE)) as mirror:
        assert list(mirror.episodes(EpisodeFilter())) == list(store.episodes(EpisodeFilter()))
        found = list(mirror.episodes(some))
        assert found == list(store.episodes(some))
        # from 22:00 UTC on it is 26 October in +02:00, 24 hours of it by this made-up clock
        assert len(found) == 96
        assert mirror.exists()


def test_nothing_is_read_from_a_mirror_that_is_none(peer: RealMariaDB) -> None:
    with Mirror.open(server_of(peer, DATABASE)) as mirror:
        assert not mirror.exists()
        with pytest.raises(PeerReplyError, match="run darkstar mirror first"):
            next(mirror.episodes(EpisodeFilter()))


@pytest.mark.parametrize("harm", ["DROP TABLE", "TRUNCATE TABLE"])
def test_a_mirror_that_lost_its_rows_gets_them_again(
    store: Store, peer: RealMariaDB, harm: str
) -> None:
    put(store, [episode(number) for number in range(5)])
    push(store, peer)
    peer.sql(f"{harm} training_episodes", DATABASE)
    report = push(store, peer)
    assert (report.pushed, report.created) == (5, harm == "DROP TABLE")
    assert_equal(store, peer)


def test_a_mirror_of_an_old_backup_is_noticed(store: Store, peer: RealMariaDB) -> None:
    """One row is enough: the newest is looked up, and all are counted."""
    made = sorted((episode(number) for number in range(60)), key=lambda one: one.episode_id)
    put(store, made)
    push(store, peer)
    newest = max(made, key=lambda one: one.episode_start)
    other = next(one for one in made[20:] if one.episode_start < episode(30).episode_start)
    for lost, masked in ((newest, True), (other, False)):
        peer.sql(DELETE.format(lost.episode_id), DATABASE)
        if masked:  # of another system: the count alone would not tell
            peer.sql(FOREIGN, DATABASE)
        assert push(store, peer).pushed == 60
        peer.sql(DELETE.format("another"), DATABASE)
        assert_equal(store, peer)
        assert push(store, peer).pushed == 0


@pytest.mark.parametrize(
    ("option", "fails"),
    [("--innodb-file-per-table=OFF", False), ("--innodb-read-only-compressed=ON", True)],
)
def test_a_server_that_does_not_compress(
    store: Store, make_mariadb: MakeMariaDB, option: str, *, fails: bool
) -> None:
    peer = make_mariadb(options=[option, "--innodb-strict-mode=ON"]).start()
    put(store, [episode(0)])
    if fails:
        with pytest.raises(PeerReplyError, match="set innodb_read_only_compressed = OFF"):
            push(store, peer)
        peer.sql("SET GLOBAL innodb_read_only_compressed = OFF")
    else:
        with Store.open(peer.make_database("primary"), system_id="test") as primary:
            put(primary, [episode(0)])
            assert primary.waiting_episodes() == 1
    push(store, peer)
    assert_equal(store, peer)


def test_a_socket_needs_no_network(store: Store, peer: RealMariaDB) -> None:
    put(store, [episode(0)])
    server = replace(server_of(peer, DATABASE), host="", socket=str(peer.socket))
    with Mirror.open(server) as mirror:
        assert mirror.push(store).pushed == 1
    assert_equal(store, peer)


def test_a_server_that_is_down_delays_and_loses_nothing(
    store: Store, make_mariadb: MakeMariaDB
) -> None:
    peer = make_mariadb()
    put(store, [episode(number) for number in range(4)])
    with pytest.raises(PeerUnreachableError, match=r"gives no answer.*Connection refused"):
        push(store, peer)
    assert store.waiting_episodes() == 4
    peer.start()
    assert push(store, peer).pushed == 4
    assert_equal(store, peer)


def test_a_server_killed_between_and_in_batches(store: Store, make_mariadb: MakeMariaDB) -> None:
    """After the second batch of several; and while a batch is on its way."""
    peer = make_mariadb().start()
    put(store, [episode(number, text=LARGE) for number in range(300)])

    def kill_after_two(pushed: int) -> None:
        if pushed > 100:
            peer.kill()

    with pytest.raises(PeerUnreachableError, match="what waits is mirrored next time"):
        push(store, peer, on_batch=kill_after_two)
    assert 0 < store.waiting_episodes() < 300
    peer.start()
    pushed_again = threading.Event()

    def announce(_pushed: int) -> None:
        pushed_again.set()

    def kill_meanwhile() -> None:
        assert pushed_again.wait(30.0)
        peer.kill()

    def push_on_and_on(announce: Callable[[int], None]) -> None:
        for _ in range(50):
            store.requeue_episodes()
            push(store, peer, on_batch=announce)

    killer = threading.Thread(target=kill_meanwhile)
    killer.start()
    with pytest.raises(PeerUnreachableError, match="what waits is mirrored next time"):
        push_on_and_on(announce)
    killer.join()
    peer.start()
    push(store, peer)
    assert_equal(store, peer)


def test_one_mirror_outlives_a_restart(store: Store, make_mariadb: MakeMariaDB) -> None:
    peer = make_mariadb().start()
    with Mirror.open(server_of(peer, DATABASE)) as mirror:
        put(store, [episode(0)])
        assert mirror.push(store).pushed == 1
        peer.kill()
        peer.start()
        put(store, [episode(1)])
        assert mirror.push(store).pushed == 1
    assert_equal(store, peer)


def test_wrong_password(store: Store, peer: RealMariaDB) -> None:
    put(store, [episode(0)])
    wrong = replace(server_of(peer, DATABASE), password="mistyped-7")  # noqa: S106 - a wrong one
    with (
        Mirror.open(wrong) as mirror,
        pytest.raises(PeerAuthError, match=r"check mirror.user and mirror.password") as caught,
    ):
        mirror.push(store)
    assert "mistyped-7" not in f"{caught.value}{caught.value.__cause__!r}{mirror!r}{wrong!r}"
    assert store.waiting_episodes() == 1


def test_too_few_rights(store: Store, peer: RealMariaDB) -> None:
    put(store, [episode(0)])
    push(store, peer)
    peer.sql(
        "CREATE OR REPLACE USER reader@'127.0.0.1' IDENTIFIED BY 'reads-only';"
        f"GRANT SELECT ON {DATABASE}.* TO reader@'127.0.0.1'"
    )
    put(store, [episode(1)])
    reader = replace(server_of(peer, DATABASE), user="reader", password="reads-only")  # noqa: S106
    with Mirror.open(reader) as mirror:
        assert len(list(mirror.episodes(EpisodeFilter()))) == 1
        with pytest.raises(PeerAuthError, match=f"GRANT ALL ON {DATABASE}"):
            mirror.push(store)
    assert store.waiting_episodes() == 1


def test_rights_on_its_database_are_enough(store: Store, peer: RealMariaDB) -> None:
    """To make it, too; and to make an index that is missing since a crash."""
    put(store, [episode(0)])
    peer.sql(
        "CREATE OR REPLACE USER writer@'127.0.0.1' IDENTIFIED BY 'writes-there';"
        f"GRANT ALL ON {DATABASE}.* TO writer@'127.0.0.1'"
    )
    writer = replace(server_of(peer, DATABASE), user="writer", password="writes-there")  # noqa: S106
    index = "SHOW INDEX FROM training_episodes WHERE Key_name = 'ix_training_episodes_read'"
    with Mirror.open(writer) as mirror:
        assert mirror.push(store).created
        made = peer.sql(index, DATABASE)
        assert len(made.splitlines()) == 3
        peer.sql("DROP INDEX ix_training_episodes_read ON training_episodes", DATABASE)
        assert not mirror.push(store).created
    assert peer.sql(index, DATABASE) == made
    assert_equal(store, peer)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP COLUMN engine", "without engine"),
        ("ADD COLUMN score DOUBLE", "with score"),
        ("DROP PRIMARY KEY", "with another key"),
    ],
)
def test_a_table_of_something_else_is_left_alone(
    store: Store, peer: RealMariaDB, change: str, said: str
) -> None:
    put(store, [episode(0)])
    push(store, peer)
    peer.sql(f"ALTER TABLE training_episodes {change}", DATABASE)
    put(store, [episode(1)])
    with pytest.raises(PeerReplyError, match=f"is another table, {said}; nothing was written"):
        push(store, peer)
    assert peer.sql("SELECT COUNT(*) FROM training_episodes", DATABASE) == "1\n"
    assert store.waiting_episodes() == 1


def test_a_locked_table_is_for_later(store: Store, make_mariadb: MakeMariaDB) -> None:
    peer = make_mariadb(options=["--read-only"]).start()
    put(store, [episode(0)])
    peer.sql("REVOKE READ ONLY ADMIN, SUPER ON *.* FROM 'darkstar'@'127.0.0.1'")
    with pytest.raises(PeerNotReadyError, match=r"read-only.*try again later"):
        push(store, peer)
    assert store.waiting_episodes() == 1


ODD_SERVER = ("--max-allowed-packet=64K", "--default-time-zone=+05:30", "--sql-mode=")


def test_a_server_with_ways_of_its_own(store: Store, make_mariadb: MakeMariaDB) -> None:
    """Small packets, another time zone, and a mode in which it cuts texts to fit."""
    peer = make_mariadb(options=ODD_SERVER).start()
    huge = episode(60, text="y" * 100_000)
    # 16 kB of JSON in two texts, but twice that in a statement, and with a row's rest over 60 kB
    quoted = episode(61, text='"' * 8_000)
    put(store, [episode(number, text=f"{number}{LARGE}") for number in range(60)])
    put(store, [huge, quoted])
    report = push(store, peer)
    assert report.pushed == 60
    assert set(report.too_large) == {huge.episode_id, quoted.episode_id}
    assert report.waiting == 2
    shown = peer.sql(
        "SELECT created_at, episode_start FROM training_episodes ORDER BY created_at LIMIT 1",
        DATABASE,
    )
    assert shown == "2025-10-25 22:00:00\t2025-10-25 22:00:00\n"
    peer.sql("SET GLOBAL max_allowed_packet = 1048576")
    assert push(store, peer) == MirrorReport(pushed=2, too_large=(), waiting=0, created=False)
    assert_equal(store, peer)
    with Mirror.open(server_of(peer, DATABASE)) as mirror:
        found = next(mirror.episodes(EpisodeFilter()))
        assert found.episode_start == datetime(2025, 10, 25, 22, 0, tzinfo=UTC)


def test_no_text_is_cut_to_fit(store: Store, make_mariadb: MakeMariaDB) -> None:
    peer = make_mariadb(options=ODD_SERVER).start()
    put(store, [episode(0)])
    push(store, peer)
    peer.sql("ALTER TABLE training_episodes MODIFY inputs_json TINYTEXT NOT NULL", DATABASE)
    put(store, [episode(1, text=ODD * 10)])
    with pytest.raises(PeerReplyError, match=r"1406.*inputs_json"):
        push(store, peer)
    assert peer.sql("SELECT COUNT(*) FROM training_episodes", DATABASE) == "1\n"
    assert store.waiting_episodes() == 1


def test_a_mirror_takes_the_rows_of_several_systems(
    store: Store, peer: RealMariaDB, tmp_path: Path
) -> None:
    put(store, [episode(number) for number in range(3)])
    push(store, peer)
    with Store.open(tmp_path / "other.sqlite", system_id="prod") as other:
        put(other, [replace(episode(number), system_id="prod") for number in range(3)])
        push(other, peer)
        both = rows(store.name) + rows(other.name)
        assert sorted(rows(peer.dsn(DATABASE)), key=str) == sorted(both, key=str)
        assert len({row[0] for row in both}) == 6
        peer.sql("DROP TABLE training_episodes", DATABASE)
        assert (push(store, peer).pushed, push(other, peer).pushed) == (3, 3)
    assert len(rows(peer.dsn(DATABASE))) == 6
