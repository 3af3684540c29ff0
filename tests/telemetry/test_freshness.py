"""The newest facts of a home at a moment, each from the end of its table."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from telemetry.channels import Channel
from telemetry.errors import UnknownHomeError
from telemetry.home import Home
from telemetry.plan_table import Fitness, StoredPlan
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import to_epoch
from telemetry.store import Store
from tests.telemetry.an_episode import an_episode
from tests.telemetry.conftest import OpenStore

NOON = datetime(2025, 6, 12, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def put(store: Store, channel: str, start: datetime, value: float = 1.0) -> None:
    first = np.array([to_epoch(start)], dtype=np.int64)
    store.put_observations(
        "villa", channel, first, np.array([value]), known_at=first + 900, provenance="live"
    )


def put_plan(store: Store, issued: datetime, scenario: str = "live") -> None:
    plan = StoredPlan(
        scenario=scenario,
        issued_at=issued,
        start=issued,
        end=issued + 48 * HOUR,
        engine="highs",
        status="optimal",
        objective=1.0,
        plan_schema="a",
        plan_json="{}",
        fitness=Fitness(
            valid_until=issued + 2 * HOUR,
            reasons=("the state of charge is 40 min old",),
            substitutions=("prices: those of yesterday", "a model: the baseline"),
        ),
    )
    store.put_plan("villa", plan)


@pytest.fixture
def home(open_store: OpenStore, villa: Home) -> Store:
    """A store on SQLite and on MariaDB."""
    opened = open_store(system_id="test")
    opened.put_home(villa)
    return opened


def test_an_empty_home_has_nothing(home: Store) -> None:
    found = home.freshness("villa", "SE4", as_of=NOON)
    assert found.observed_until == {}
    assert found.waiting == 0
    times = (found.prices_issued, found.prices_until, found.weather_issued, found.planned)
    assert {*times, found.judged, found.judged_at, found.replayed} == {None}
    with pytest.raises(UnknownHomeError):
        home.freshness("cabin", None, as_of=NOON)


def test_readings_count_when_they_are_numbers_and_known(home: Store) -> None:
    put(home, "load_kwh", NOON - HOUR)
    put(home, "load_kwh", NOON - HOUR / 4, np.nan)
    put(home, "load_kwh", NOON)  # known at 12:15
    put(home, "pv_kwh", NOON - 2 * HOUR, 0.0)
    at = home.freshness("villa", "SE4", as_of=NOON).observed_until
    assert at == {
        Channel.LOAD_KWH: NOON - HOUR * 3 / 4,
        Channel.PV_KWH: NOON - HOUR * 7 / 4,
    }
    later = home.freshness("villa", "SE4", as_of=NOON + HOUR / 4).observed_until
    assert later[Channel.LOAD_KWH] == NOON + HOUR / 4


def test_prices_and_weather_are_the_last_issued_by_then(home: Store) -> None:
    for day in range(3):
        issued = NOON + timedelta(days=day - 1)
        home.put_prices(
            "SE4",
            source="market",
            currency="EUR",
            start=issued.replace(hour=22),
            slot_minutes=60,
            values=np.ones(24),
            issued_at=issued,
        )
        home.put_weather(
            "villa",
            source="test",
            kind="forecast",
            variables=["temp_c"],
            issued_at=issued + HOUR,
            start=issued,
            slot_minutes=60,
            values=np.ones((1, 48)),
        )
    found = home.freshness("villa", "se4", as_of=NOON)
    assert found.prices_issued == NOON
    assert found.prices_until == NOON.replace(hour=22) + timedelta(days=1)
    assert found.weather_issued == NOON - timedelta(days=1) + HOUR
    assert home.weather_issued("villa", as_of=NOON) == found.weather_issued
    assert home.freshness("villa", None, as_of=NOON).prices_issued is None


def test_plans_verdicts_and_what_waits(home: Store) -> None:
    put_plan(home, NOON - HOUR)
    put_plan(home, NOON - HOUR / 2, "a what-if")
    put_plan(home, NOON + HOUR)
    verdict = DayQuality(
        local_date=date(2025, 6, 11),
        day_start=datetime(2025, 6, 10, 22, tzinfo=UTC),
        day_class=DayClass.CLEAN,
        reference="none",
        slots=96,
        counts={},
        reasons=(),
        checked_at=NOON - 8 * HOUR,
    )
    home.put_day_quality("villa", [verdict])
    home.put_episodes("villa", [an_episode(0), an_episode(1)])
    found = home.freshness("villa", "SE4", as_of=NOON)
    assert found.planned == NOON - HOUR
    assert found.waiting == home.episodes_waiting() == 2
    assert (found.judged, found.judged_at) == (date(2025, 6, 11), NOON - 8 * HOUR)


def test_a_plan_comes_back_with_what_it_is_fit_for(home: Store) -> None:
    put_plan(home, NOON)
    put_plan(home, NOON)  # once more is the same
    kept = home.plan("villa", as_of=NOON)
    assert kept is not None
    assert kept.fitness == Fitness(
        valid_until=NOON + 2 * HOUR,
        reasons=("the state of charge is 40 min old",),
        substitutions=("prices: those of yesterday", "a model: the baseline"),
    )
