"""Streams of episodes: everything once, what a filter lets through, and nothing damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from telemetry import episode_table
from telemetry.episode import Episode, EpisodeFilter
from telemetry.errors import SeriesError
from telemetry.schema import training_episodes
from telemetry.store import Store
from tests.telemetry.an_episode import an_episode, put_all

ALL = EpisodeFilter()
DAY = date(2025, 10, 25)


def _read(store: Store, **wanted: Any) -> list[Episode]:
    return list(store.episodes(EpisodeFilter(**wanted)))


def test_a_stream_yields_everything_once_while_rows_come(
    each_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episode_table, "_PAGE_ROWS", 4)
    there = [an_episode(4 * number) for number in range(20)]
    there += [an_episode(4 * number, home_id="cabin") for number in range(5)]
    there += [an_episode(4 * number, engine="highs") for number in range(20)]  # equal starts
    put_all(each_store, *there)
    seen: list[Episode] = []
    for step, episode in enumerate(each_store.episodes(ALL)):
        seen.append(episode)
        put_all(each_store, an_episode(4 * ((7 * step) % 21) + 1))
        put_all(each_store, replace(there[(11 * step) % 45], planned_cost=step))
    ids = [episode.episode_id for episode in seen]
    assert len(ids) == len(set(ids))
    assert {episode.episode_id for episode in there} <= set(ids)
    order = [(one.home_id, one.episode_start, one.episode_id) for one in seen]
    assert order == sorted(order)


def _some() -> list[Episode]:
    """Days, homes, scenarios, engines and classes, each with each other."""
    classes = ("clean", "mask_battery", "exclude", "")
    return [
        an_episode(
            number,
            home_id=("villa", "cabin")[number % 2],
            scenario=("live", "0-recorded")[number // 2 % 2],
            engine=("storage", "highs")[number // 4 % 2],
            context_json=json.dumps({"quality_class": classes[number % 4]}),
        )
        for number in range(-40, 240, 5)
    ]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"home_id": "villa"},
        {"home_id": "nobody"},
        {"system_id": "test"},
        {"system_id": "prod"},
        {"scenario": "live", "engine": "highs"},
        {"first_day": date(2025, 10, 26)},
        {"last_day": date(2025, 10, 25)},
        {"first_day": date(2025, 10, 25), "last_day": date(2025, 10, 25), "home_id": "cabin"},
        {"first_day": date(2025, 10, 26), "last_day": date(2025, 10, 25)},
        {"day_classes": frozenset({"clean", ""})},
        {"day_classes": frozenset(), "engine": "highs"},
        {"day_classes": frozenset({"exclude"}), "scenario": "live"},
    ],
    ids=lambda wanted: " ".join(wanted) or "all",
)
def test_filters(
    each_store: Store, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any]
) -> None:
    monkeypatch.setattr(episode_table, "_PAGE_ROWS", 5)
    made = _some()
    put_all(each_store, *made)
    want = sorted(
        (one for one in made if _passes(one, EpisodeFilter(**wanted))),
        key=lambda one: (one.home_id, one.episode_start, one.episode_id),
    )
    assert _read(each_store, **wanted) == want


def _passes(episode: Episode, wanted: EpisodeFilter) -> bool:
    exact = all(
        getattr(wanted, name) in (None, getattr(episode, name))
        for name in ("home_id", "system_id", "scenario", "engine")
    )
    first, last = wanted.first_day or date.min, wanted.last_day or date.max
    judged = json.loads(episode.context_json)["quality_class"]
    classes = wanted.day_classes
    return exact and first <= episode.local_day <= last and (classes is None or judged in classes)


@pytest.mark.parametrize("hours", [-12, 14])
def test_local_days_of_every_zone_are_found(two_homes: Store, hours: int) -> None:
    """The bounds of the start cut nothing off the ends of the day: UTC-12 and UTC+14."""
    zone = timezone(timedelta(hours=hours))
    midnight = datetime(2025, 10, 25, tzinfo=zone)
    day = [
        an_episode(episode_start=midnight + timedelta(minutes=15 * slot), local_day=DAY)
        for slot in (0, 95)
    ]
    put_all(two_homes, *day)
    assert _read(two_homes, first_day=DAY, last_day=DAY) == day


@pytest.mark.parametrize(
    "change",
    [
        "inputs_json = '{}'",
        "schedule_json = replace(schedule_json, '0.5', '0.6')",
        "planned_cost = 1",
        "realised_wear = NULL",
        "content_hash = 'ffffffffffffffffffffffffffffffff'",
        "scenario = 'live'",
        "local_day = 'Friday'",
        'context_json = \'{"quality_class":"exclude"}\'',
    ],
)
def test_damaged_rows_are_told(two_homes: Store, change: str) -> None:
    made = an_episode()
    put_all(two_homes, made)
    with two_homes._engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE training_episodes SET {change}")  # noqa: S608
    told = rf"episode {made.episode_id} is damaged \(.*\), want delete that row .*--recompute"
    reads: list[Callable[[], object]] = [
        lambda: list(two_homes.episodes(ALL)),
        lambda: two_homes.episode(made.episode_id),
        lambda: two_homes.episodes_to_mirror(9),
    ]
    for read in reads:
        with pytest.raises(SeriesError, match=told):
            read()


def test_classes_that_no_context_has(two_homes: Store) -> None:
    for number, text in enumerate(("[]", "{}", "no json")):
        episode = an_episode(number, context_json=text)
        put_all(two_homes, episode)
        with pytest.raises(SeriesError, match="without a quality_class in its context_json"):
            _read(two_homes, day_classes=frozenset({"clean"}), first_day=episode.local_day)
        with two_homes._write() as conn:
            conn.execute(sa.delete(training_episodes))
