"""Planning with facts missing or old: what stands in is told, with its age, and nothing is made up.

The house and its store are those of ``tests.runners.test_plan``: 1 to 14 June 2025, prices of a day
known at 11:15 UTC the day before, readings until midnight in Stockholm after the 14th, 22:00 UTC.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners.plan import run_plan
from telemetry import database
from telemetry.store import Store
from tests.runners.test_forecaster import promote, until
from tests.runners.test_plan import (
    NOW,
    make_folder,
    one_line,
    plan,
    put_soc,
    rows,
    schedule,
    stop_clock,
)
from tests.runners.test_registry import aurora

SOC_AT = datetime(2025, 6, 12, 11, 0, tzinfo=UTC)
"""Start of the slot at whose end, 11:15, the state of charge is 37 %."""
NOWHERE = 9
"""A port that nobody listens at."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    put_soc(tmp_path, SOC_AT, 0.37)
    return tmp_path


def live(folder: Path, now: datetime, **changes: Any) -> dict[str, Any]:
    """Plan live at a moment and return the schedule."""
    run_plan(
        config_path=folder / "config.yaml",
        home_id=None,
        at=None,
        out_dir=folder / "out",
        plot=False,
        now=now,
        **changes,
    )
    return schedule(folder)


def of(found: dict[str, Any], what: str) -> dict[str, Any] | None:
    """Return the substitution of something; None where nothing stood in for it."""
    return next((one for one in found["substitutions"] if what in one["what"]), None)


def minutes(count: float) -> datetime:
    """Return the moment so many minutes after the state of charge was recorded."""
    return SOC_AT + timedelta(minutes=15 + count)


# The state of charge


def test_a_fresh_state_of_charge_stands_for_itself(folder: Path) -> None:
    found = live(folder, minutes(30))
    assert (found["fit_for_control"], of(found, "state of charge")) == (True, None)
    assert found["ages_minutes"]["soc"] == 30.0


def test_an_old_state_of_charge_is_planned_from_told_and_unfit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, minutes(31))
    result = plan(folder, "--no-plot")
    assert result.exit_code == 0, result.output
    found = schedule(folder)
    assert found["soc_start_kwh"] == pytest.approx(3.7)
    assert found["fit_for_control"] is False
    assert found["reasons"] == [
        "the state of charge is 31 min old, want at most 30 min; record a newer one, or give "
        "--soc-kwh"
    ]
    assert of(found, "state of charge") == {
        "what": "a state of charge of the last 30 minutes",
        "instead": "37%, the newest one, recorded at 2025-06-12 11:15Z (live)",
        "age_minutes": 31.0,
    }
    told = " ".join(result.stdout.split())
    assert "substituted a state of charge of the last 30 minutes: 37%, the newest one" in told
    assert "(31 min old)" in told
    assert "not for control the state of charge is 31 min old" in told


def test_the_store_knows_that_a_plan_is_unfit(folder: Path) -> None:
    live(folder, minutes(31))
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        kept = store.plan("demo", as_of=minutes(31))
    assert kept is not None
    assert kept.fitness is not None
    assert kept.fitness.valid_until == minutes(31 + 120)
    assert kept.fitness.reasons[0].startswith("the state of charge is 31 min old")
    assert kept.fitness.substitutions[0].startswith("a state of charge of the last 30 minutes")


def test_a_state_of_charge_given_by_hand_makes_it_fit(folder: Path) -> None:
    found = live(folder, minutes(31), soc_kwh=5.0)
    assert (found["fit_for_control"], of(found, "state of charge")) == (True, None)
    assert found["ages_minutes"]["soc"] is None


def test_a_state_of_charge_of_a_day_is_the_oldest_that_is_planned_from(folder: Path) -> None:
    found = live(folder, minutes(1440))
    assert (found["soc_start_kwh"], found["fit_for_control"]) == (pytest.approx(3.7), False)


@pytest.mark.parametrize(
    ("config", "age"), [({}, 1441.0), ({"soc_refuse_age_minutes": 45}, 46.0)], ids=str
)
def test_nobody_plans_from_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], age: float
) -> None:
    make_folder(tmp_path, home=config)
    put_soc(tmp_path, SOC_AT, 0.37)
    counts = rows(tmp_path)
    stop_clock(monkeypatch, minutes(age))
    line = one_line(plan(tmp_path, "--no-plot"), 65)
    told = "24 h old" if age > 60.0 else "46 min old"
    assert f"(the newest is {told}); give --soc-kwh or --soc-percent" in line
    assert rows(tmp_path) == counts
    assert not (tmp_path / "out").exists()


def test_the_limits_must_be_in_order(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"soc_max_age_minutes": 60, "soc_refuse_age_minutes": 45})
    line = one_line(plan(tmp_path, "--no-plot"), 78)
    assert "soc_refuse_age_minutes 45 is below soc_max_age_minutes; write 60 or more" in line


# Prices


LAST_DAY = datetime(2025, 6, 14, tzinfo=UTC)
END = LAST_DAY + timedelta(hours=22)
"""Where published prices end: at midnight in Stockholm."""


@pytest.mark.parametrize(
    ("hours_left", "reason"),
    [
        pytest.param(10.0, None, id="as on any morning"),
        pytest.param(2.0, None, id="as much as is wanted"),
        pytest.param(1.5, "until 2025-06-14T22:00:00Z only, want 2 h ahead; fetch", id="less"),
        pytest.param(0.0, "until 2025-06-14T22:00:00Z only; fetch", id="none"),
    ],
)
def test_without_prices_of_tomorrow(folder: Path, hours_left: float, reason: str | None) -> None:
    now = END - timedelta(hours=hours_left)
    found = live(folder, now, soc_kwh=5.0)
    issued = datetime(2025, 6, 13, 11, 15, tzinfo=UTC)
    assert of(found, "prices from 2025-06-14 22:00Z on") == {
        "what": "prices from 2025-06-14 22:00Z on",
        "instead": "those of the same time a day before",
        "age_minutes": (now - issued) / timedelta(minutes=1),
    }
    assert found["fit_for_control"] is (reason is None)
    assert (reason or "") in " ".join(found["reasons"])
    prices = {slot["start"]: slot["import_price"] for slot in found["slots"]}
    # The price of the 14th stands in: 0.14 EUR and as much again as its quarter, 72 at 18:00.
    want = ((0.14 + 0.0072) * 11.0 + 0.2456 + 0.439) * 1.25
    assert prices["2025-06-15T16:00:00Z"] == pytest.approx(want)


def test_more_hours_may_be_asked_for(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"min_published_hours": 4})
    found = live(tmp_path, END - timedelta(hours=3.5), soc_kwh=5.0)
    assert "only, want 4 h ahead" in found["reasons"][0]


def test_prices_that_ended_yesterday_are_no_zeros(folder: Path) -> None:
    found = live(folder, END + timedelta(hours=23), soc_kwh=5.0)
    assert found["fit_for_control"] is False
    assert min(slot["import_price"] for slot in found["slots"]) > (0.13 * 11.0 + 0.2456) * 1.25
    assert not any(slot["price_published"] for slot in found["slots"])


def test_without_any_price_the_last_schedule_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(folder, NOW)
    stop_clock(monkeypatch, NOW + timedelta(minutes=15))
    before = (folder / "out" / "schedule.json").read_bytes()
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        db.execute("DELETE FROM prices")
    line = one_line(plan(folder, "--soc-kwh", "5", "--no-plot"), 65)
    assert "no prices of area SE4 were known" in line
    assert "fetch them (darkstar prices)" in line
    assert (folder / "out" / "schedule.json").read_bytes() == before


# Forecasts and readings


def test_a_home_without_any_model_lacks_none(folder: Path) -> None:
    """The forecast's own line says what there could be."""
    found = live(folder, NOW)
    assert of(found, "a trained model") is None
    assert "mean of load" in found["forecast"]["told"]
    assert "no model is in use: darkstar train" in found["forecast"]["told"]
    assert (found["fit_for_control"], found["forecast"]["model"]) == (True, "baseline")


def test_a_model_that_came_later_is_lacked_in_a_look_back(folder: Path) -> None:
    promote(folder, until(NOW + timedelta(days=1)))
    assert plan(folder, "--at", f"{NOW:%Y-%m-%dT%H:%MZ}", "--no-plot").exit_code == 0
    found = schedule(folder)
    told = of(found, "a trained model")
    assert told is not None
    assert "mean of load" in told["instead"]
    assert told["instead"].endswith("(no model was trained by then)")


def test_who_asks_for_the_baseline_lacks_no_model(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"forecast": {"model": "baseline"}})
    assert of(live(tmp_path, NOW, soc_kwh=5.0), "a trained model") is None


def test_a_model_that_cannot_be_read_is_told_with_its_cure(folder: Path) -> None:
    meta = promote(folder, aurora())
    (folder / "models" / "demo" / f"{meta.version}.model").write_bytes(b"no model")
    found = live(folder, NOW)
    told = of(found, "a trained model")
    assert told is not None
    assert "damaged" in told["instead"]
    assert "darkstar train" in told["instead"]
    assert (found["fit_for_control"], found["forecast"]["model"]) == (True, "baseline")


def put_weather(folder: Path, issued: datetime) -> None:
    """Store sixty hours of 15 degrees."""
    with Store.open(folder / "darkstar.sqlite") as store:
        store.put_weather(
            "demo",
            source="test",
            kind="forecast",
            variables=["temp_c"],
            issued_at=issued,
            start=issued.replace(minute=0, second=0),
            slot_minutes=60,
            values=np.full((1, 60), 15.0),
        )


@pytest.mark.parametrize(
    ("age_hours", "instead"),
    [
        (None, "the sky and the temperatures of recent days"),
        (13, "that of 2025-06-11 22:20Z where it reaches"),
        (12, None),
    ],
)
def test_an_old_weather_forecast_is_told(
    folder: Path, age_hours: int | None, instead: str | None
) -> None:
    promote(folder, aurora())
    if age_hours is not None:
        put_weather(folder, NOW - timedelta(hours=age_hours))
    found = live(folder, NOW)
    told = of(found, "weather")
    assert (told is None) is (instead is None)
    if told is not None and instead is not None:
        assert told["instead"].startswith(instead)
    want = None if age_hours is None else 60.0 * age_hours
    assert found["ages_minutes"]["weather"] == want


def test_old_readings_are_told_and_beyond_a_day_unfit(folder: Path) -> None:
    fresh = live(folder, END + timedelta(hours=2), soc_kwh=5.0)
    assert of(fresh, "readings") is None
    old = live(folder, END + timedelta(hours=3), soc_kwh=5.0)
    assert of(old, "readings") == {
        "what": "readings of load and PV of the last 2 hours",
        "instead": "those until 2025-06-14 22:00Z",
        "age_minutes": 180.0,
    }
    assert "readings" not in " ".join(old["reasons"])
    assert "25 h old" in str(live(folder, END + timedelta(hours=25), soc_kwh=5.0)["reasons"])


def test_how_old_readings_may_be_is_configured(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"readings_max_age_hours": 2.5})
    found = live(tmp_path, END + timedelta(hours=3), soc_kwh=5.0)
    assert "the newest readings of load and PV are 3 h old" in " ".join(found["reasons"])


def test_without_load_there_is_no_plan(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        db.execute("DELETE FROM slot_observations WHERE channel = 'load_kwh'")
    line = one_line(plan(folder, "--soc-kwh", "5", "--no-plot", "--at", NOW.isoformat()), 65)
    assert "no load_kwh at" in line
    assert "days: " in line  # then comes the cure


# Services that are down


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the store as a process that writes does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def test_a_locked_store_leaves_the_last_schedule_in_force(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live(folder, NOW)
    kept = rows(folder)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    stop_clock(monkeypatch, NOW + timedelta(minutes=15))
    with locked(folder / "darkstar.sqlite"):
        line = one_line(plan(folder, "--no-plot"), 75)
    assert "is busy" in line
    assert schedule(folder) == before
    assert before["valid_until"] == "2025-06-12T13:20:00Z"  # where it ends by itself
    assert rows(folder) == kept


def test_a_home_assistant_that_is_down_is_not_missed(tmp_path: Path) -> None:
    there = {"url": f"http://127.0.0.1:{NOWHERE}", "token": "abcdefghijklmnopqrstuvwxyz"}
    make_folder(tmp_path, home={"home_assistant": there})
    put_soc(tmp_path, SOC_AT, 0.37)
    found = live(tmp_path, NOW)
    assert found["fit_for_control"] is True
    # Prices of the 13th were issued at 11:15, readings and state of charge are of 11:15 too.
    ages = {"soc": 5.0, "readings": 5.0, "prices": 5.0, "weather": None}
    assert found["ages_minutes"] == ages


def test_a_mirror_that_is_down_is_not_missed(tmp_path: Path) -> None:
    mirror = {"host": "127.0.0.1", "port": NOWHERE, "user": "u", "password": "${mirror_password}"}
    make_folder(tmp_path, top={"mirror": mirror})
    (tmp_path / "secrets.yaml").write_text("mirror_password: hush\n", "utf-8")
    (tmp_path / "secrets.yaml").chmod(0o600)
    put_soc(tmp_path, SOC_AT, 0.37)
    assert live(tmp_path, NOW)["fit_for_control"] is True
    assert rows(tmp_path)["episode_outbox"] == 1  # waits for better days


# Rehearsals


def test_a_dry_run_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = rows(folder)
    run_plan(
        config_path=folder / "config.yaml",
        home_id=None,
        at=None,
        out_dir=folder / "out",
        json_path=str(folder / "result.json"),
        now=NOW,
        dry_run=True,
    )
    assert rows(folder) == counts
    assert not (folder / "out").exists()
    assert json.loads((folder / "result.json").read_text("utf-8"))["fit_for_control"] is True
    assert "nothing: a dry run" in " ".join(capsys.readouterr().out.split())
