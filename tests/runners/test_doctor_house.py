"""What the doctor reads off measurements: signs, a car, the battery, the tariff, ages, models.

The house is that of ``tests.runners.lived_in``.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners.config import load_config
from runners.doctor_house import (
    check_car,
    check_efficiency,
    check_freshness,
    check_models,
    check_peak_fee,
    check_wiring,
)
from runners.doctor_line import Level, Line
from telemetry.store import Store
from tests.runners.lived_in import LAST, metered
from tests.runners.test_forecaster import promote, until
from tests.runners.test_plan import make_folder
from tests.runners.test_registry import aurora

NOW = LAST + timedelta(minutes=5)
"""Midnight after the 14th of June."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    metered(tmp_path)
    return tmp_path


@contextmanager
def reading(folder: Path) -> Iterator[Store]:
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        yield store


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        db.execute(statement)


def wiring(folder: Path) -> list[Line]:
    with reading(folder) as store:
        return list(check_wiring(store, load_config(folder / "config.yaml"), "demo", NOW))


# Signs and units


def test_a_house_that_balances(folder: Path) -> None:
    (found,) = wiring(folder)
    assert (found.level, found.text) == (Level.OK, "the last 7 days balance")


@pytest.mark.parametrize(
    ("one", "other", "keys"),
    [
        ("import_kwh", "export_kwh", "total_grid_import and total_grid_export"),
        ("charge_kwh", "discharge_kwh", "total_battery_charge and total_battery_discharge"),
    ],
)
def test_swapped_meters_are_a_failure(folder: Path, one: str, other: str, keys: str) -> None:
    swap = f"CASE channel WHEN '{one}' THEN '{other}' ELSE '{one}' END"
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        db.execute("CREATE TEMP TABLE old AS SELECT * FROM slot_observations")
        where = f"channel IN ('{one}', '{other}')"
        db.execute(f"DELETE FROM slot_observations WHERE {where}")  # noqa: S608
        db.execute(f"UPDATE old SET channel = {swap} WHERE {where}")  # noqa: S608
        db.execute(f"INSERT INTO slot_observations SELECT * FROM old WHERE {where}")  # noqa: S608
    found = [line for line in wiring(folder) if line.level is Level.FAILURE]
    assert f"{one} and {other} are swapped" in found[0].text
    assert keys in found[0].cure


def test_watt_hours_taken_for_kilowatt_hours_are_a_failure(folder: Path) -> None:
    change(folder, "UPDATE slot_observations SET value = 1000 * value WHERE channel = 'import_kwh'")
    found = wiring(folder)
    assert found[0].level is Level.FAILURE
    assert "import_kwh looks like Wh" in found[0].text


def test_without_meters_of_the_grid_nothing_balances(tmp_path: Path) -> None:
    make_folder(tmp_path)  # load and PV alone
    (found,) = wiring(tmp_path)
    assert found.level is Level.WARNING
    assert found.text.startswith("cannot be told: nothing balances without ")
    assert "import_kwh, export_kwh" in found.text


def test_days_that_do_not_balance_are_a_warning(folder: Path) -> None:
    change(folder, "UPDATE slot_observations SET value = 0.5 WHERE channel = 'export_kwh'")
    (found,) = wiring(folder)
    assert found.level is Level.WARNING
    assert "of 7 days are doubtful; 2025-06-14: exclude" in found.text
    assert "darkstar validate" in found.cure


# A car


def put_car(folder: Path, channel: str, nights: int, kw: float = 7.4) -> None:
    """Let something take power from 01:00 to 04:00 UTC, on top of what is there."""
    with Store.open(folder / "darkstar.sqlite") as store:
        for night in range(nights):
            start = datetime(2025, 6, 3 + 2 * night, 1, tzinfo=UTC)
            seen = store.observations("demo", ["load_kwh"], start, start + timedelta(hours=3))
            more = np.full(seen.slot_start.size, kw / 4)
            values = more if channel == "ev_kwh" else seen.of("load_kwh") + more
            store.put_observations(
                "demo",
                channel,
                seen.slot_start,
                values,
                known_at=seen.slot_start + 900,
                provenance="live",
            )


def car(folder: Path) -> Line:
    with reading(folder) as store:
        (found,) = check_car(store, "demo", NOW)
    return found


def test_no_car(folder: Path) -> None:
    assert (car(folder).level, car(folder).text) == (Level.OK, "no car shows in 28 days of load")


@pytest.mark.parametrize(("nights", "level"), [(2, Level.OK), (4, Level.WARNING)])
def test_a_car_shows_by_its_habit(folder: Path, nights: int, level: Level) -> None:
    put_car(folder, "load_kwh", nights)
    found = car(folder)
    assert found.level is level
    if level is Level.WARNING:
        assert "4 blocks above 3 kW in 28 days look like a car" in found.text
        # The house takes some 1.1 kW at that time of the night: load_of(12) to load_of(24) by 4.
        assert "8.5 kW for 3.0 h as a rule, the last on 2025-06-09 01:00Z" in found.text
        assert "ev_consumption" in found.cure


def test_a_car_with_a_meter_of_its_own_is_no_surprise(folder: Path) -> None:
    put_car(folder, "load_kwh", 4)
    put_car(folder, "ev_kwh", 4)
    assert (car(folder).level, car(folder).text[:27]) == (Level.OK, "a car has its own meter in ")


def test_no_load_at_all(folder: Path) -> None:
    change(folder, "DELETE FROM slot_observations WHERE channel = 'load_kwh'")
    assert car(folder).level is Level.WARNING


# The battery


def efficiency(folder: Path) -> list[Line]:
    with reading(folder) as store:
        return list(check_efficiency(store, load_config(folder / "config.yaml"), "demo", NOW))


def test_the_battery_gives_back_what_it_is_configured_to(folder: Path) -> None:
    (found,) = efficiency(folder)
    # 0.95 either way.
    assert found.level is Level.OK
    assert "round trip measured 0.90" in found.text
    assert "configured 0.902" in found.text


def with_battery(folder: Path, **changes: Any) -> None:
    """Configure another battery than the one that was metered."""
    kept = (folder / "darkstar.sqlite").read_bytes()
    battery = {"capacity_kwh": 10.0, "max_charge_kw": 5.0, "max_discharge_kw": 5.0, **changes}
    make_folder(folder, home={"battery": battery})
    (folder / "darkstar.sqlite").write_bytes(kept)


def test_a_battery_that_gives_back_less_is_a_warning(folder: Path) -> None:
    with_battery(folder, charge_efficiency=1.0, discharge_efficiency=1.0)
    (found,) = efficiency(folder)
    assert found.level is Level.WARNING
    assert "configured 1.000" in found.text
    assert "0.950" in found.cure  # the root of 0.9025


def test_more_out_than_in_is_a_failure(folder: Path) -> None:
    change(folder, "UPDATE slot_observations SET value = 2 * value WHERE channel = 'discharge_kwh'")
    (found,) = efficiency(folder)
    assert found.level is Level.FAILURE
    assert "more comes out than went in" in found.text


def test_what_was_hardly_used_is_not_judged(tmp_path: Path) -> None:
    make_folder(tmp_path)
    metered(tmp_path, start=LAST - timedelta(days=2))
    (found,) = efficiency(tmp_path)
    assert (found.level, "is not known" in found.text) == (Level.OK, True)


def test_no_battery_no_line(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"battery": None})
    assert efficiency(tmp_path) == []


# Peaks


@pytest.mark.parametrize(
    ("home", "levels"),
    [
        ({}, []),
        ({"peak_fee_per_kw": 81.25}, [Level.WARNING]),
        (
            {
                "peak_fee_per_kw": 81.25,
                "options": {"planning_import_kw": 5.0, "planning_import_price_per_kwh": 2.0},
            },
            [Level.OK],
        ),
        ({"options": {"planning_import_kw": 5.0}}, [Level.WARNING]),
    ],
)
def test_a_fee_on_peaks_wants_a_limit(
    tmp_path: Path, home: dict[str, Any], levels: list[Level]
) -> None:
    config = load_config(make_folder(tmp_path, home=home))
    assert [line.level for line in check_peak_fee(config, "demo")] == levels


# Ages

THERE = {"home_assistant": {"url": "http://ha:8123", "token": "abcdefghijklmnopqrstuvwxyz"}}


def ages(folder: Path, now: datetime) -> dict[str, Line]:
    config = load_config(folder / "config.yaml")
    with reading(folder) as store:
        found = store.freshness("demo", "SE4", as_of=now)
    return {line.name.split()[0]: line for line in check_freshness(config, "demo", found, now)}


@pytest.mark.parametrize(
    ("hours", "readings"),
    [(0.5, Level.OK), (2.0, Level.WARNING), (7.0, Level.FAILURE)],
)
def test_how_old_readings_are(tmp_path: Path, hours: float, readings: Level) -> None:
    make_folder(tmp_path, home=THERE)
    assert ages(tmp_path, LAST + timedelta(hours=hours))["readings"].level is readings


@pytest.mark.parametrize(
    ("before_end_hours", "prices"),
    [
        pytest.param(11.0, Level.OK, id="in the morning"),
        pytest.param(8.0, Level.WARNING, id="at 16:00 without those of tomorrow"),
        pytest.param(0.0, Level.FAILURE, id="none left"),
    ],
)
def test_how_far_prices_reach(folder: Path, before_end_hours: float, prices: Level) -> None:
    found = ages(folder, LAST - timedelta(hours=before_end_hours))
    assert found["prices"].level is prices


def test_what_never_came(tmp_path: Path) -> None:
    make_folder(tmp_path, home=THERE)
    with closing(sqlite3.connect(tmp_path / "darkstar.sqlite")) as db, db:
        db.execute("DELETE FROM prices")
        db.execute("DELETE FROM slot_observations")
    found = ages(tmp_path, NOW)
    assert {name: line.level for name, line in found.items()} == {
        "plan": Level.WARNING,
        "readings": Level.FAILURE,
        "prices": Level.FAILURE,
        "weather": Level.WARNING,
        "verdicts": Level.WARNING,
    }


# Models


def model(folder: Path, now: datetime = NOW) -> Line:
    (found,) = check_models(load_config(folder / "config.yaml"), "demo", now)
    return found


def test_no_model_and_none_wanted(tmp_path: Path) -> None:
    make_folder(tmp_path)
    assert (model(tmp_path).level, "darkstar train" in model(tmp_path).cure) == (
        Level.WARNING,
        True,
    )
    make_folder(tmp_path, home={"forecast": {"model": "baseline"}})
    assert model(tmp_path).level is Level.OK


@pytest.mark.parametrize(("days", "level"), [(20, Level.OK), (30, Level.WARNING)])
def test_the_age_of_a_model(folder: Path, days: int, level: Level) -> None:
    meta = promote(folder, until(NOW - timedelta(days=days)))
    found = model(folder)
    assert found.level is level
    assert found.text == f"{meta.version}, trained until {days} days ago"


def test_a_model_that_cannot_be_read_is_a_failure(folder: Path) -> None:
    meta = promote(folder, aurora())
    (folder / "models" / "demo" / f"{meta.version}.model").write_bytes(b"no model")
    found = model(folder)
    assert found.level is Level.FAILURE
    assert "the baseline forecasts instead" in found.text
    assert "darkstar train" in found.cure
