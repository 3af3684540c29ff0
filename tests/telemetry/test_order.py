"""Parts of the same facts may come in any order, and again: the store ends up the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry import Home
from telemetry.csv_import import import_file
from telemetry.issues import SIMULATED_SOURCE
from telemetry.sql import WriteCounts
from telemetry.store import Store

DAY = datetime(2025, 6, 1, 22, tzinfo=UTC)  # midnight in Brussels
HOUR = timedelta(hours=1)
NAN = math.nan
TABLES = {
    "slot_observations": "home_id, channel, slot_start",
    "prices": "area, start",
    "weather": "home_id, start",
}
HEADS = {
    "home": "home_id,slot_start_utc,slot_minutes,load_kwh,pv_kwh,soc_start,soc_end",
    "prices": "slot_start_utc,slot_minutes,se4_eur_kwh",
    "weather": "slot_start_utc,slot_minutes,temp_c,wind_m_s",
}
COLUMNS = {"home": 4, "prices": 1, "weather": 2}
in_one_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12
)


def _rows(store: Store) -> list[tuple[object, ...]]:
    """Everything a store holds of series."""
    with store._read() as conn:
        return [
            tuple(row)
            for table, key in TABLES.items()
            for row in conn.exec_driver_sql(f"SELECT * FROM {table} ORDER BY {key}")  # noqa: S608
        ]


def _write(path: Path, kind: str, minutes: int, cells: Sequence[Sequence[float | None]]) -> Path:
    step = timedelta(minutes=minutes)
    prefix = "villa," if kind == "home" else ""
    lines = [
        ",".join(
            [f"{prefix}{DAY + place * step:%Y-%m-%dT%H:%M:%SZ}", str(minutes)]
            + ["" if cell is None else str(cell) for cell in row]
        )
        for place, row in enumerate(cells)
    ]
    path.write_text("\n".join([HEADS[kind], *lines, ""]))
    return path


def _files(kind: str) -> st.SearchStrategy[list[list[list[float | None]]]]:
    """Up to two hours in quarters, halves and hours; gaps and ends anywhere."""
    cell = st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    row = st.lists(cell, min_size=COLUMNS[kind], max_size=COLUMNS[kind])
    return st.tuples(*(st.lists(row, max_size=size) for size in (8, 4, 2))).map(list)


@pytest.mark.parametrize("kind", list(HEADS))
@in_one_folder
@given(data=st.data())
def test_any_order_of_imports_gives_the_same_store(
    tmp_path: Path, villa: Home, kind: str, data: st.DataObject
) -> None:
    cells = data.draw(_files(kind))
    files = [
        _write(tmp_path / f"{kind}{minutes}.csv", kind, minutes, part)
        for minutes, part in zip((15, 30, 60), cells, strict=True)
    ]
    ends = []
    for order in permutations(files):
        with Store.open(":memory:") as store:
            for path in order:
                import_file(store, path, {"villa": villa}, weather_home="villa")
            ends.append(_rows(store))
            again = [
                import_file(store, path, {"villa": villa}, weather_home="villa").changed
                for path in order
            ]
            assert again == [False] * 3
    assert all(end == ends[0] for end in ends)


def test_an_hour_does_not_hide_its_quarters(store: Store, tmp_path: Path) -> None:
    fine = _write(
        tmp_path / "fine.csv", "home", 15, [[0.1 * n, None, None, None] for n in range(4)]
    )
    coarse = _write(tmp_path / "coarse.csv", "home", 60, [[8.0, None, None, None]] * 2)
    import_file(store, fine, {})
    load = import_file(store, coarse, {}).series[0]
    # The first hour is known in quarters; of the second there is only the hour.
    assert load.counts == WriteCounts(inserted=4, kept=4)
    found = store.observations("villa", ["load_kwh"], DAY, DAY + 2 * HOUR).of("load_kwh")
    np.testing.assert_allclose(found, [0.0, 0.1, 0.2, 0.3, 2.0, 2.0, 2.0, 2.0])


def test_an_hourly_price_does_not_hide_its_quarters(store: Store, tmp_path: Path) -> None:
    fine = _write(tmp_path / "fine.csv", "prices", 15, [[0.1], [0.2], [0.3], [0.4]])
    coarse = _write(tmp_path / "coarse.csv", "prices", 60, [[0.25], [0.5]])
    import_file(store, fine, {})
    assert import_file(store, coarse, {}).counts == WriteCounts(updated=1)
    assert import_file(store, coarse, {}).counts == WriteCounts(kept=1)
    found = store.prices("SE4", DAY, DAY + 2 * HOUR).values
    np.testing.assert_array_equal(found, [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5])


def _weather(
    store: Store, variables: Sequence[str], minutes: int, values: list[list[float]]
) -> WriteCounts:
    return store.put_weather(
        "villa",
        source="test",
        kind="forecast",
        variables=variables,
        issued_at=DAY,
        start=DAY,
        slot_minutes=minutes,
        values=np.array(values),
    )


def test_weather_of_one_issue_is_joined_by_name(store: Store) -> None:
    _weather(store, ["temp_c", "wind_m_s"], 60, [[1.0, 2.0], [5.0, 6.0]])
    assert _weather(store, ["wind_m_s", "temp_c"], 60, [[5.0, NAN], [1.0, NAN]]).unchanged == 1
    assert _weather(store, ["ghi_w_m2"], 60, [[100.0]]).updated == 1
    assert _weather(store, ["temp_c"], 15, [[3.0, NAN]]).updated == 1
    assert _weather(store, ["temp_c"], 60, [[NAN, NAN, 9.0]]).updated == 1
    found = store.weather("villa", DAY, DAY + 3 * HOUR, as_of=DAY)
    temp = [3.0, *[1.0] * 3, *[2.0] * 4, *[9.0] * 4]
    np.testing.assert_array_equal(found.of("temp_c"), temp)
    np.testing.assert_array_equal(found.of("wind_m_s"), [*[5.0] * 4, *[6.0] * 4, *[NAN] * 4])
    np.testing.assert_array_equal(found.of("ghi_w_m2"), [*[100.0] * 4, *[NAN] * 8])


def test_only_forecasts_that_can_reach_the_window_are_read(store: Store) -> None:
    with pytest.raises(ValueError, match="weather forecast is 33 days"):
        _weather(store, ["temp_c"], 1440, [[0.0] * 33])
    _weather(store, ["temp_c"], 1440, [[float(day) for day in range(32)]])
    last = DAY + timedelta(days=31, hours=23)
    found = store.weather("villa", last, last + HOUR, as_of=DAY)
    np.testing.assert_array_equal(found.of("temp_c"), [31.0] * 4)


@pytest.mark.parametrize("other", ["csv", "a", "zz"])
def test_made_up_prices_are_below_all_others(store: Store, other: str) -> None:
    for source, price in ((other, 1.0), (SIMULATED_SOURCE, 2.0)):
        store.put_prices(
            "SE4",
            source=source,
            currency="EUR",
            start=DAY,
            slot_minutes=60,
            values=np.array([price]),
            issued_at=DAY,
        )
    assert store.prices("SE4", DAY, DAY + HOUR).values.tolist() == [1.0] * 4


def test_a_corrected_position_takes_back_what_was_no_night(
    store: Store, tmp_path: Path, villa: Home
) -> None:
    # At 22:00 UTC in June the sun is down in Skane and high at 160 W.
    text = _write(tmp_path / "a.csv", "home", 60, [[1.0, None, None, None], [1.0, 0.5, None, None]])
    away = replace(villa, latitude=21.0, longitude=-160.0)

    def seen() -> list[float]:
        found = store.observations("villa", ["pv_kwh"], DAY, DAY + HOUR).of("pv_kwh")
        return [float(value) for value in found]

    import_file(store, text, {"villa": villa})
    assert seen() == [0.0] * 4
    pv = import_file(store, text, {"villa": away}).series[1]
    assert pv.counts == WriteCounts(updated=4, unchanged=4)
    assert np.isnan(seen()).all()
    assert import_file(store, text, {"villa": away}).series[1].counts.changed == 0
    assert import_file(store, text, {"villa": villa}).series[1].counts.updated == 4
    assert seen() == [0.0] * 4
    assert store.latest("villa", "pv_kwh", as_of=DAY + HOUR, not_before=DAY) is not None
