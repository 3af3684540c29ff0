"""Weather forecasts as they were issued: each by itself, oldest first, held over its quarters."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from telemetry import Home
from telemetry.errors import TimeError, UnknownHomeError
from telemetry.slots import to_epoch
from telemetry.store import Store

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FAR = (NOON - timedelta(days=400), NOON + timedelta(days=400))


def put(
    store: Store,
    issued_at: datetime,
    *rows: list[float],
    variables: tuple[str, ...] = ("temp_c",),
    start: datetime = NOON,
    minutes: int = 60,
    source: str = "open-meteo",
    kind: str = "forecast",
) -> None:
    store.put_weather(
        "villa",
        source=source,
        kind=kind,
        variables=variables,
        issued_at=issued_at,
        start=start,
        slot_minutes=minutes,
        values=np.array(rows),
    )


def test_an_issue_comes_back_in_quarters(store: Store) -> None:
    put(
        store, NOON + timedelta(minutes=7), [1.0, np.nan], [200.0, 300.0],
        variables=("temp_c", "ghi_w_m2"),
    )  # fmt: skip
    (found,) = store.weather_issues("villa", *FAR)
    assert set(found.variables) == {"temp_c", "ghi_w_m2"}
    assert found.issued_at == to_epoch(NOON) + 420
    assert found.start == to_epoch(NOON)
    assert found.values.shape == (2, 8)
    temp = found.values[found.variables.index("temp_c")]
    np.testing.assert_array_equal(temp, [1.0] * 4 + [np.nan] * 4)
    light = found.values[found.variables.index("ghi_w_m2")]
    np.testing.assert_array_equal(light, [200.0] * 4 + [300.0] * 4)


def test_quarters_stay_quarters(store: Store) -> None:
    put(store, NOON, [1.0, 2.0, 3.0], minutes=15, start=NOON + timedelta(minutes=15))
    (found,) = store.weather_issues("villa", *FAR)
    assert found.start == to_epoch(NOON) + 900
    assert found.values.tolist() == [[1.0, 2.0, 3.0]]


def test_issues_of_a_window_oldest_first_and_none_laid_over_another(store: Store) -> None:
    """By when they were issued, whatever hours they speak of; the end does not count."""
    for k in (2, 0, 3, 1):
        put(store, NOON + k * HOUR, [float(k), float(k)], start=NOON - 9 * HOUR)
    every = store.weather_issues("villa", *FAR)
    assert [one.values[0, 0] for one in every] == [0.0, 1.0, 2.0, 3.0]
    assert [one.issued_at for one in every] == [to_epoch(NOON + k * HOUR) for k in range(4)]
    some = store.weather_issues("villa", NOON + HOUR, NOON + 3 * HOUR)
    assert [one.values[0, 0] for one in some] == [1.0, 2.0]
    assert store.weather_issues("villa", NOON + 3.5 * HOUR, NOON + 9 * HOUR) == ()
    second = timedelta(seconds=1)
    assert len(store.weather_issues("villa", NOON, NOON + second)) == 1
    assert store.weather_issues("villa", NOON + second, NOON + 2 * second) == ()


def test_of_one_moment_the_best_source_is_last(store: Store) -> None:
    """Who reads them in order ends with what outranks the others: made-up weather is first."""
    for value, source in ((1.0, "zeta"), (2.0, "demo"), (3.0, "alpha")):
        put(store, NOON, [value], source=source)
    found = store.weather_issues("villa", *FAR)
    assert [one.values[0, 0] for one in found] == [2.0, 3.0, 1.0]


def test_what_happened_is_no_forecast(store: Store) -> None:
    put(store, NOON, [1.0], kind="archive")
    assert store.weather_issues("villa", *FAR) == ()


def test_weather_of_other_homes_is_not_read(store: Store) -> None:
    store.put_home(Home(home_id="cabin", zone="Europe/Stockholm"))
    put(store, NOON, [1.0])
    assert store.weather_issues("cabin", *FAR) == ()


def test_parts_of_one_issue_are_one(store: Store) -> None:
    """Two calls for two variables of the same hours."""
    put(store, NOON, [1.0])
    put(store, NOON, [200.0], variables=("ghi_w_m2",))
    (found,) = store.weather_issues("villa", *FAR)
    assert set(found.variables) == {"temp_c", "ghi_w_m2"}


def test_they_are_what_the_laid_out_weather_is_made_of(store: Store) -> None:
    """Laid over each other in order, issues give ``Store.weather`` at every moment."""
    rng = np.random.default_rng(0)
    for k in range(6):
        values = rng.uniform(-5.0, 5.0, 8)
        values[rng.random(8) < 0.3] = np.nan
        put(store, NOON + k * HOUR, values.tolist(), start=NOON + (k - 2) * HOUR)
    slots = to_epoch(NOON) + 900 * np.arange(32)
    for k in range(6):
        as_of = NOON + k * HOUR
        want = store.weather("villa", NOON, NOON + 8 * HOUR, as_of=as_of).of("temp_c")
        got = np.full(32, np.nan)
        for one in store.weather_issues("villa", FAR[0], as_of + timedelta(seconds=1)):
            place = (slots - one.start) // 900
            inside = (place >= 0) & (place < one.values.shape[1])
            value = one.values[0][np.where(inside, place, 0)]
            got = np.where(inside & ~np.isnan(value), value, got)
        np.testing.assert_array_equal(got, want)


def test_refusals(store: Store) -> None:
    with pytest.raises(UnknownHomeError, match="no home 'cabin'"):
        store.weather_issues("cabin", *FAR)
    with pytest.raises(TimeError, match="want an aware datetime"):
        store.weather_issues("villa", NOON.replace(tzinfo=None), FAR[1])
