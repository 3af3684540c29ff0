"""Episodes in the store: once, whole or not at all, waiting until the mirror has that content."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from telemetry import episode_table
from telemetry.episode import Episode, EpisodeFilter
from telemetry.errors import (
    ReadOnlyError,
    SeriesError,
    StoreError,
    TimeError,
    UnknownHomeError,
)
from telemetry.sql import WriteCounts
from telemetry.store import Store
from telemetry.store_episodes import PruneCounts, SimulatedDay
from tests.telemetry.an_episode import ODD, START, an_episode, put_all
from tests.telemetry.conftest import OpenStore

ALL = EpisodeFilter()
DAY = date(2025, 10, 25)


def _read(store: Store, **wanted: Any) -> list[Episode]:
    return list(store.episodes(EpisodeFilter(**wanted)))


def _waiting(store: Store) -> list[str]:
    return [episode.episode_id for episode in store.episodes_to_mirror(1000)]


def _pairs(*episodes: Episode) -> list[tuple[str, str]]:
    return [(episode.episode_id, episode.content_hash) for episode in episodes]


def test_an_episode_comes_back_to_the_bit(each_store: Store) -> None:
    tiny = an_episode(
        inputs_json=json.dumps({"text": ODD}),
        schedule_json=ODD,
        planned_cost=5e-324,
        soc_start_kwh=1.7976931348623157e308,
        realised_bill=-1 / 3,
    )
    unknown = an_episode(
        1, replay_id=None, realised_bill=None, realised_wear=None, realised_cost=None
    )
    large = an_episode(2, schedule_json="å" * 100_000)
    assert put_all(each_store, tiny, unknown, large) == WriteCounts(inserted=3)
    assert _read(each_store) == [tiny, unknown, large]
    assert each_store.episode(tiny.episode_id) == tiny
    assert each_store.episode("0" * 36) is None
    again = each_store.episode(tiny.episode_id)
    assert again is not None
    assert again.created_at.tzinfo is not None
    assert again.created_at.utcoffset() == timedelta(0)


def test_an_episode_is_what_the_store_keeps(each_store: Store) -> None:
    """Fractions of a second, offsets, the sign of zero, integers and NaN are none of it."""
    stockholm = timezone(timedelta(hours=2))
    given = an_episode(
        episode_start=datetime(2025, 10, 25, 0, 0, tzinfo=stockholm),
        created_at=datetime(2025, 10, 25, 0, 0, 7, 999_999, tzinfo=stockholm),
        planned_cost=-0.0,
        soc_start_kwh=5,
        realised_bill=math.nan,
        realised_wear=-0.0,
    )
    assert (given.episode_start, given.created_at) == (START, START + timedelta(seconds=7))
    assert math.copysign(1.0, given.planned_cost) == 1.0
    assert given.realised_bill is None
    plain = an_episode(planned_cost=0.0, soc_start_kwh=5.0, realised_bill=None)
    assert (given.episode_id, given.content_hash) == (plain.episode_id, plain.content_hash)
    put_all(each_store, given)
    assert _read(each_store) == [given]
    assert put_all(each_store, plain) == WriteCounts(unchanged=1)


def test_twice_is_once(each_store: Store) -> None:
    first = [an_episode(number) for number in range(3)]
    assert put_all(each_store, *first) == WriteCounts(inserted=3)
    assert each_store.waiting_episodes() == 3
    assert each_store.mark_mirrored(_pairs(first[0])) == 1
    later = [replace(one, created_at=one.created_at + timedelta(days=9)) for one in first]
    assert put_all(each_store, *later) == WriteCounts(unchanged=3)
    assert _read(each_store) == first
    assert _waiting(each_store) == sorted(one.episode_id for one in first[1:])
    assert put_all(each_store, *first, an_episode(3)) == WriteCounts(inserted=1, unchanged=3)


def test_new_content_replaces_and_waits_again(each_store: Store) -> None:
    old, other = an_episode(), an_episode(1)
    put_all(each_store, old, other)
    each_store.mark_mirrored(_pairs(old, other))
    assert each_store.waiting_episodes() == 0
    new = replace(old, realised_cost=None, created_at=START + timedelta(hours=1))
    assert put_all(each_store, new, other) == WriteCounts(updated=1, unchanged=1)
    assert _read(each_store) == [new, other]
    assert each_store.episodes_to_mirror(9) == (new,)
    assert each_store.mark_mirrored(_pairs(old)) == 0  # what the mirror got is not what stands here
    assert _waiting(each_store) == [old.episode_id]
    assert each_store.mark_mirrored(_pairs(new, new)) == 1
    assert each_store.mark_mirrored([]) == 0
    assert each_store.waiting_episodes() == 0


def test_systems_never_overwrite_each_other(open_store: OpenStore) -> None:
    systems = ("prod", "dev", "simulation")
    stores = [open_store(system_id) for system_id in systems]
    stores[0].ensure_home("villa")
    made = [an_episode(system_id=name, planned_cost=i) for i, name in enumerate(systems)]
    for store, episode in zip(stores, made, strict=True):
        assert put_all(store, episode) == WriteCounts(inserted=1)
    assert sorted(_read(stores[0]), key=lambda one: one.planned_cost) == made
    assert _read(stores[0], system_id="dev") == [made[1]]
    with pytest.raises(SeriesError, match="of system 'dev' and home 'villa', want system 'prod'"):
        put_all(stores[0], made[1])
    assert put_all(stores[1], replace(made[1], planned_cost=7.0)) == WriteCounts(updated=1)
    assert _read(stores[1], system_id="prod") == [made[0]]


def test_a_transaction_is_whole_or_nothing(each_store: Store) -> None:
    kept = an_episode()
    put_all(each_store, kept)
    each_store.mark_mirrored(_pairs(kept))
    mark = SimulatedDay(
        scenario="0-recorded",
        config_hash=kept.config_hash,
        engine="storage",
        local_day=DAY,
        task_hash="a" * 32,
        episodes=2,
    )

    def fail() -> None:
        with each_store.transaction():
            put_all(each_store, replace(kept, planned_cost=9.0), an_episode(1))
            each_store.put_simulated_day("villa", mark)
            assert each_store.waiting_episodes() == 2
            each_store.put_episodes("nobody", [])

    with pytest.raises(UnknownHomeError, match="nobody"):
        fail()
    assert _read(each_store) == [kept]
    assert each_store.waiting_episodes() == 0
    assert each_store.simulated_days("villa", "0-recorded", kept.config_hash) == {}


def test_older_content_that_was_pushed_last_waits_again(each_store: Store) -> None:
    """Of two pushes at once the slow one put the older content over the newer."""
    old, new = an_episode(0), an_episode(0, schedule_json='{"charge":[9.0]}')
    each_store.put_episodes("villa", [old])
    each_store.put_episodes("villa", [new])
    assert each_store.mark_mirrored([(new.episode_id, new.content_hash)]) == 1
    assert each_store.mark_mirrored([(old.episode_id, old.content_hash)]) == 0
    assert each_store.episodes_to_mirror(10) == (new,)
    assert each_store.mark_mirrored([(new.episode_id, new.content_hash)]) == 1
    assert each_store.mark_mirrored([("0" * 36, "0" * 32)]) == 0
    assert each_store.waiting_episodes() == 0


def test_everything_waits_again(each_store: Store) -> None:
    made = [an_episode(number) for number in range(3)]
    put_all(each_store, *made)
    each_store.mark_mirrored(_pairs(made[0], made[2]))
    assert each_store.requeue_episodes() == 3
    assert _waiting(each_store) == sorted(one.episode_id for one in made)
    assert each_store.mark_mirrored(_pairs(*made)) == 3


def test_what_waits_is_read_in_parts(each_store: Store) -> None:
    made = [an_episode(number) for number in range(7)]
    put_all(each_store, *made)
    found: list[str] = []
    while part := each_store.episodes_to_mirror(3, found[-1] if found else ""):
        assert len(part) <= 3
        found += [episode.episode_id for episode in part]
    assert found == sorted(episode.episode_id for episode in made)


def test_summary_counts_by_series(each_store: Store) -> None:
    texts = {"inputs_json": "åä", "context_json": "abc", "schedule_json": "€"}  # 4 + 3 + 3 bytes
    made = [an_episode(number, **texts, config_overrides_json="{}") for number in (0, 95, 96)]
    other = an_episode(5, home_id="cabin", scenario="live", engine="highs")
    put_all(each_store, *made, other)
    each_store.mark_mirrored(_pairs(made[0]))
    cabin, villa = each_store.episode_summary(ALL)
    assert (cabin.home_id, cabin.scenario, cabin.engine) == ("cabin", "live", "highs")
    assert (cabin.episodes, cabin.waiting) == (1, 1)
    assert (villa.system_id, villa.config_hash) == ("test", "0123456789abcdef")
    assert (villa.episodes, villa.waiting) == (3, 2)
    assert (villa.first_day, villa.last_day) == (DAY, date(2025, 10, 26))
    assert villa.json_bytes == 3 * (4 + 3 + 3 + 2)
    assert [one.home_id for one in each_store.episode_summary(EpisodeFilter(home_id="villa"))] == [
        "villa"
    ]
    assert each_store.episode_summary(EpisodeFilter(system_id="prod")) == ()
    with pytest.raises(SeriesError, match=r"day_classes is \['clean'\], want none here"):
        each_store.episode_summary(EpisodeFilter(day_classes=frozenset({"clean"})))


def test_ids_are_found_by_their_beginning(each_store: Store) -> None:
    made = [an_episode(number) for number in range(40)]
    put_all(each_store, *made)
    ids = sorted(episode.episode_id for episode in made)
    for one in ids:
        assert each_store.find_episodes(one[:13].upper()) == (one,)
        assert each_store.find_episodes(one) == (one,)
    assert each_store.find_episodes("0000") == tuple(one for one in ids if one.startswith("0000"))
    for wrong in ("abc", "%%%%", "ghij", "", ids[0] + "0"):
        with pytest.raises(SeriesError, match=r"episode_id is .* want 4 to 36 characters"):
            each_store.find_episodes(wrong)


def test_at_most_ten_ids_are_found(two_homes: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episode_table, "MOST_FOUND", 2)
    put_all(two_homes, *(an_episode(number) for number in range(5)))
    with two_homes._engine.begin() as conn:
        conn.exec_driver_sql("UPDATE training_episodes SET episode_id = 'abcd' || episode_start")
    assert len(two_homes.find_episodes("abcd")) == 2


# --- pruning --------------------------------------------------------------------------------------


def _days(store: Store, **changes: Any) -> list[Episode]:
    """Two episodes on each of three days, all marked as simulated; the first two are mirrored."""
    made = [an_episode(number, **changes) for number in (0, 1, 96, 97, 196, 197)]
    put_all(store, *made)
    for episode in made[::2]:
        mark = SimulatedDay(
            scenario=episode.scenario,
            config_hash=episode.config_hash,
            engine=episode.engine,
            local_day=episode.local_day,
            task_hash="a" * 32,
            episodes=2,
        )
        store.put_simulated_day(episode.home_id, mark)
    return made


def _marked(store: Store, home_id: str = "villa") -> list[int]:
    days = store.simulated_days(home_id, "0-recorded", "0123456789abcdef")
    return sorted(day.day for day, _ in days)


def test_pruning_is_a_dry_run_unless_told(each_store: Store) -> None:
    made = _days(each_store)
    each_store.mark_mirrored(_pairs(*made))
    size = sum(
        len(one.inputs_json + one.context_json + one.schedule_json + one.config_overrides_json)
        for one in made[:4]
    )
    counts = each_store.prune_episodes(ALL, before=date(2025, 10, 27))
    assert counts == PruneCounts(deleted=4, kept_unmirrored=0, json_bytes=size)
    assert _read(each_store) == made
    assert _marked(each_store) == [25, 26, 27]
    assert each_store.prune_episodes(ALL, before=date(2025, 10, 27), dry_run=False) == counts
    assert _read(each_store) == made[4:]
    assert _marked(each_store) == [27]
    nothing = PruneCounts(deleted=0, kept_unmirrored=0, json_bytes=0)
    assert each_store.prune_episodes(ALL, before=date(2025, 10, 27), dry_run=False) == nothing


def test_pruning_never_takes_what_waits(each_store: Store) -> None:
    made = _days(each_store)
    each_store.mark_mirrored(_pairs(made[0], made[4]))
    counts = each_store.prune_episodes(ALL, before=date(2025, 10, 28), dry_run=False)
    assert (counts.deleted, counts.kept_unmirrored) == (2, 4)
    assert _read(each_store) == [made[1], made[2], made[3], made[5]]
    assert _marked(each_store) == [26]  # of the others an episode is gone: they would be made again
    assert each_store.waiting_episodes() == 4


def test_pruning_keeps_to_the_filter(each_store: Store) -> None:
    villa, cabin = _days(each_store), _days(each_store, home_id="cabin")
    each_store.mark_mirrored(_pairs(*villa, *cabin))
    wanted = EpisodeFilter(home_id="villa", first_day=date(2025, 10, 26), scenario="0-recorded")
    counts = each_store.prune_episodes(wanted, before=date(2025, 10, 27), dry_run=False)
    assert counts.deleted == 2
    assert _read(each_store) == cabin + villa[:2] + villa[4:]
    assert (_marked(each_store), _marked(each_store, "cabin")) == ([25, 27], [25, 26, 27])
    early = EpisodeFilter(last_day=DAY)
    assert each_store.prune_episodes(early, before=date(2026, 1, 1)).deleted == 4
    with pytest.raises(SeriesError, match="day_classes"):
        each_store.prune_episodes(EpisodeFilter(day_classes=frozenset()), before=DAY)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"home_id": "cabin"}, "of system 'test' and home 'cabin', want system 'test' and home"),
        ({"planned_cost": math.nan}, r"training_episodes\.planned_cost is nan, want a finite"),
        ({"soc_start_kwh": math.inf}, r"soc_start_kwh is inf, want a finite number"),
        ({"realised_bill": -math.inf}, r"realised_bill is -inf, want a finite number"),
        ({"scenario": "s" * 65}, r"scenario is .* want at most 64 characters"),
        ({"engine": "e" * 33}, r"engine is .* want at most 32 characters"),
        ({"config_hash": "c" * 17}, r"config_hash is .* want at most 16 characters"),
        ({"replay_id": "r" * 17}, r"replay_id is .* want at most 16 characters"),
    ],
)
def test_episodes_that_are_refused(two_homes: Store, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(SeriesError, match=match):
        two_homes.put_episodes("villa", [an_episode(1), an_episode(**changes)])
    assert _read(two_homes) == []
    assert two_homes.waiting_episodes() == 0


def test_naive_times_are_refused() -> None:
    naive = datetime(2025, 10, 25)  # noqa: DTZ001
    with pytest.raises(TimeError, match="want an aware datetime"):
        an_episode(episode_start=naive)
    with pytest.raises(TimeError, match="want an aware datetime"):
        an_episode(created_at=naive)


def test_refusals_of_a_store(two_homes: Store, tmp_path: Path) -> None:
    with pytest.raises(TimeError, match="want a slot start"):
        put_all(two_homes, an_episode(episode_start=START + timedelta(minutes=1)))
    with pytest.raises(SeriesError, match="an episode is given twice, want each once"):
        put_all(two_homes, an_episode(), an_episode(planned_cost=1.0))
    with pytest.raises(UnknownHomeError, match="no home 'vila'"):
        two_homes.put_episodes("vila", [])
    with pytest.raises(UnknownHomeError, match="no home 'vila'"):
        two_homes.simulated_days("vila", "live", "0")
    put_all(two_homes, an_episode())
    with Store.open(tmp_path / "facts.sqlite", read_only=True) as closed:
        assert _read(closed) == [an_episode()]
        assert closed.prune_episodes(ALL, before=date(2026, 1, 1)).kept_unmirrored == 1
        writes: Sequence[Callable[[], object]] = (
            lambda: closed.put_episodes("villa", []),
            lambda: closed.mark_mirrored([]),
            closed.requeue_episodes,
            lambda: closed.prune_episodes(ALL, before=DAY, dry_run=False),
        )
        for write in writes:
            with pytest.raises(ReadOnlyError, match="read-only"):
                write()


def test_all_or_nothing_when_the_database_fails(two_homes: Store) -> None:
    with two_homes._engine.begin() as conn:
        conn.exec_driver_sql(
            "CREATE TRIGGER full_disk BEFORE INSERT ON episode_outbox "
            "WHEN (SELECT count(*) FROM episode_outbox) = 2 "
            "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    with pytest.raises(StoreError, match="no room"):
        put_all(two_homes, *(an_episode(number) for number in range(4)))
    assert _read(two_homes) == []
    assert two_homes.waiting_episodes() == 0


# --- simulated days -------------------------------------------------------------------------------


def test_marks_of_simulated_days(open_store: OpenStore) -> None:
    store, other = open_store(), open_store("simulation")
    store.ensure_home("villa")
    mark = SimulatedDay(
        scenario="1-load-noise",
        config_hash="0123456789abcdef",
        engine="storage",
        local_day=DAY,
        task_hash="a" * 32,
        episodes=96,
    )
    exact = replace(mark, engine="highs", local_day=date(2025, 10, 26), episodes=100)
    for each_mark in (exact, mark):
        assert store.put_simulated_day("villa", each_mark) == WriteCounts(inserted=1)
    assert store.put_simulated_day("villa", mark) == WriteCounts(unchanged=1)
    again = replace(mark, task_hash="b" * 32)
    assert store.put_simulated_day("villa", again) == WriteCounts(updated=1)
    found = store.simulated_days("villa", mark.scenario, mark.config_hash)
    assert list(found.items()) == [
        ((DAY, "storage"), again),
        ((date(2025, 10, 26), "highs"), exact),
    ]
    assert store.simulated_days("villa", "0-recorded", mark.config_hash) == {}
    assert store.simulated_days("villa", mark.scenario, "f" * 16) == {}
    assert other.simulated_days("villa", mark.scenario, mark.config_hash) == {}


# --- size -----------------------------------------------------------------------------------------


def test_the_file_is_little_larger_than_its_texts(tmp_path: Path) -> None:
    """So that 14,304 episodes of 11.2 kB stay below 180 MB: less than 12 % beside the texts."""
    path = tmp_path / "facts.sqlite"
    with Store.open(path, system_id="test") as store:
        store.ensure_home("villa")
        store.put_episodes("villa", [])
        with store._engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        empty = path.stat().st_size
        made = [
            an_episode(n, inputs_json="i" * (6000 + n), schedule_json="s" * (5150 - n // 2))
            for n in range(480)
        ]
        store.put_episodes("villa", made)
    texts = sum(len(one.inputs_json + one.schedule_json) + 30 for one in made)
    assert 1.0 < (path.stat().st_size - empty) / texts < 1.12


def test_utc_moments_are_kept_in_utc(each_store: Store) -> None:
    """Whatever the driver does with zones: naive UTC on MariaDB, epoch seconds on SQLite."""
    put_all(each_store, an_episode(created_at=datetime(2025, 10, 25, 0, 0, 7, tzinfo=UTC)))
    with each_store._read() as conn:
        raw = conn.exec_driver_sql("SELECT created_at FROM training_episodes").scalar_one()
    naive = datetime(2025, 10, 25, 0, 0, 7)  # noqa: DTZ001
    assert raw in (naive, 1761350407)
