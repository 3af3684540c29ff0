"""Prices, forecasts and weather: issues over issues."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.errors import CurrencyError, SeriesError, TimeError
from telemetry.slots import MARKET_ZONE, assumed_issue_time, local_day, to_epoch
from telemetry.sql import WriteCounts
from telemetry.store import Store

START = datetime(2025, 6, 1, 22, tzinfo=UTC)
ISSUED = datetime(2025, 6, 1, 11, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAN = math.nan


def _put(
    store: Store,
    values: list[float],
    issued_at: datetime = ISSUED,
    minutes: int = 60,
    currency: str = "EUR",
    source: str = "test",
    area: str = "SE4",
) -> WriteCounts:
    return store.put_prices(
        area,
        source=source,
        currency=currency,
        start=START,
        slot_minutes=minutes,
        values=np.array(values),
        issued_at=issued_at,
    )


def test_hours_are_held_and_all_prices_survive(store: Store) -> None:
    _put(store, [0.0, -0.5, NAN, 2.0])
    found = store.prices("se4", START - HOUR, START + 5 * HOUR)
    want = [NAN] * 4 + [0.0] * 4 + [-0.5] * 4 + [NAN] * 4 + [2.0] * 4 + [NAN] * 4
    np.testing.assert_array_equal(found.values, want)
    assert (found.area, found.currency, found.start) == ("SE4", "EUR", START - HOUR)
    assert found.issued_at[[3, 4, 12]].tolist() == [-1, to_epoch(ISSUED), -1]


def test_a_window_inside_an_issue(store: Store) -> None:
    _put(store, [1.0, 2.0, 3.0])
    half = timedelta(minutes=30)
    found = store.prices("SE4", START + half, START + HOUR + half)
    np.testing.assert_array_equal(found.values, [1.0, 1.0, 2.0, 2.0])


def test_the_latest_known_issue_wins_and_a_gap_hides_nothing(store: Store) -> None:
    _put(store, [1.0, 2.0])
    _put(store, [NAN, 5.0], ISSUED + HOUR)
    _put(store, [9.0, 9.0], ISSUED + 2 * HOUR)

    def seen(as_of: datetime) -> list[float]:
        found = store.prices("SE4", START, START + 2 * HOUR, as_of=as_of)
        return [float(price) for price in found.values[::4]]

    assert np.isnan(seen(ISSUED - timedelta(seconds=1))).all()
    assert seen(ISSUED) == [1.0, 2.0]
    assert seen(ISSUED + HOUR) == [1.0, 5.0]
    assert seen(ISSUED + 2 * HOUR) == [9.0, 9.0]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30
)
@given(
    issues=st.lists(
        st.tuples(
            st.integers(0, 5),
            st.lists(st.one_of(st.floats(-1, 1), st.just(NAN)), min_size=3, max_size=3),
        ),
        max_size=5,
        unique_by=lambda issue: issue[0],
    ),
    as_of=st.integers(-1, 6),
)
def test_as_of_never_sees_later_issues(
    store: Store, issues: list[tuple[int, list[float]]], as_of: int
) -> None:
    with store._write() as conn:
        conn.exec_driver_sql("DELETE FROM prices")
    for hours, values in issues:
        _put(store, values, ISSUED + hours * HOUR)
    want = [NAN] * 3
    for hours, values in sorted(issues):
        if hours <= as_of:
            want = [old if math.isnan(new) else new for old, new in zip(want, values, strict=True)]
    found = store.prices("SE4", START, START + 3 * HOUR, as_of=ISSUED + as_of * HOUR)
    np.testing.assert_array_equal(found.values[::4], want)


def test_twice_is_once_and_halves_of_an_issue_are_joined(store: Store) -> None:
    assert _put(store, [1.0, NAN]) == WriteCounts(inserted=1)
    assert _put(store, [1.0, NAN]) == WriteCounts(unchanged=1)
    assert _put(store, [NAN, 2.0]) == WriteCounts(updated=1)
    assert _put(store, [1.0, NAN]) == WriteCounts(unchanged=1)
    # The same issue in quarters: the numbers of both.
    assert _put(store, [3.0, NAN, NAN, NAN], minutes=15) == WriteCounts(updated=1)
    found = store.prices("SE4", START, START + 2 * HOUR)
    np.testing.assert_array_equal(found.values, [3.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0])


def test_two_currencies(store: Store) -> None:
    _put(store, [1.0])
    _put(store, [11.0], currency="sek")
    with pytest.raises(
        CurrencyError,
        match="prices of SE4 are stored in EUR, SEK, want one currency; pick one: pass currency",
    ):
        store.prices("SE4", START, START + HOUR)
    found = store.prices("SE4", START, START + HOUR, currency="SEK")
    assert (found.currency, found.values.tolist()) == ("SEK", [11.0] * 4)
    assert store.prices("SE3", START, START + HOUR).currency is None


@pytest.mark.parametrize(
    ("day", "slots"), [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100), (date(2025, 6, 1), 96)]
)
def test_delivery_days_of_any_length(store: Store, day: date, slots: int) -> None:
    hourly = np.arange(slots // 4, dtype=np.float64)
    store.put_prices(
        "SE4",
        source="csv",
        currency="EUR",
        start=local_day(day, MARKET_ZONE)[0],
        slot_minutes=60,
        values=hourly,
        issued_at=assumed_issue_time(day),
        assumed=True,
    )
    found = store.prices("SE4", *local_day(day, "Europe/Stockholm"))
    np.testing.assert_array_equal(found.values, np.repeat(hourly, 4))
    assert found.values.size == slots
    assert found.assumed.all()


def test_bad_issues(store: Store) -> None:
    with pytest.raises(SeriesError, match="slot_minutes is 5, want a multiple of 15"):
        _put(store, [1.0], minutes=5)
    with pytest.raises(SeriesError, match=r"values is of shape \(0,\), want at least one"):
        _put(store, [])
    with pytest.raises(SeriesError, match="values is infinite"):
        _put(store, [math.inf])
    with pytest.raises(TimeError, match="want an aware datetime"):
        _put(store, [1.0], datetime(2025, 1, 1))  # noqa: DTZ001


def test_forecasts(store: Store) -> None:
    def put(hours: int, value: float, statistic: str = "mean") -> WriteCounts:
        at = START + hours * HOUR
        return store.put_forecast(
            "villa",
            target="load_kwh",
            model="week mean",
            issued_at=at,
            start=at,
            values=np.array([value, NAN]),
            statistic=statistic,
        )

    assert put(0, 1.0) == WriteCounts(inserted=1)
    assert put(0, 1.0) == WriteCounts(unchanged=1)
    put(2, 2.0)
    put(1, 0.5, "q10")
    found = store.forecast("villa", "load_kwh", "week mean", as_of=START + HOUR)
    assert found is not None
    assert (found.issued_at, found.start, found.slot_minutes) == (START, START, 15)
    np.testing.assert_array_equal(found.values, [1.0, NAN])
    assert found.slot_start.tolist() == [to_epoch(START), to_epoch(START) + 900]
    low = store.forecast("villa", "load_kwh", "week mean", as_of=START + HOUR, statistic="q10")
    assert low is not None
    assert low.values[0] == 0.5
    assert store.forecast("villa", "load_kwh", "week mean", as_of=START - HOUR) is None


def _weather(
    store: Store,
    values: list[list[float]],
    variables: list[str],
    hours: int = 0,
    kind: str = "forecast",
) -> WriteCounts:
    return store.put_weather(
        "villa",
        source="test",
        kind=kind,
        variables=variables,
        issued_at=ISSUED + hours * HOUR,
        start=START,
        slot_minutes=60,
        values=np.array(values),
    )


def test_weather_issues(store: Store) -> None:
    _weather(store, [[1.0, 2.0], [100.0, 200.0]], ["temp_c", "ghi_w_m2"])
    _weather(store, [[NAN, 5.0]], ["temp_c"], hours=1)
    _weather(store, [[77.0, 77.0]], ["temp_c"], hours=2, kind="archive")
    found = store.weather("villa", START, START + 2 * HOUR, as_of=ISSUED + 3 * HOUR)
    assert set(found.variables) == {"temp_c", "ghi_w_m2"}
    np.testing.assert_array_equal(found.of("temp_c")[::4], [1.0, 5.0])
    np.testing.assert_array_equal(found.of("ghi_w_m2")[::4], [100.0, 200.0])
    before = store.weather("villa", START, START + 2 * HOUR, as_of=ISSUED)
    np.testing.assert_array_equal(before.of("temp_c")[::4], [1.0, 2.0])
    past = store.weather("villa", START, START + 2 * HOUR, as_of=None, kind="archive")
    np.testing.assert_array_equal(past.of("temp_c"), [77.0] * 8)
    none = store.weather("villa", START, START + HOUR, as_of=ISSUED - HOUR)
    assert (none.variables, none.values.shape) == ((), (0, 4))


def test_bad_weather(store: Store) -> None:
    with pytest.raises(SeriesError, match="weather kind is 'guess', want forecast or archive"):
        _weather(store, [[1.0]], ["temp_c"], kind="guess")
    with pytest.raises(SeriesError, match=r"weather is of shape \(1, 1\), want \(2, T\)"):
        _weather(store, [[1.0]], ["temp_c", "wind_m_s"])
    with pytest.raises(SeriesError, match="want names, each once"):
        _weather(store, [[1.0], [1.0]], ["temp_c", "temp_c"])
