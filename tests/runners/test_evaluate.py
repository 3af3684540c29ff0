"""``darkstar evaluate``: which days, what is scored, gaps, money, a picture, refusals.

The stores hold days of a made-up house from 1 February 2025 on (``tests.runners.test_train``).
"""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from runners.cli import app
from runners.config import load_config
from telemetry.store import Store
from tests.forecast.small_homes import small_training
from tests.runners.test_train import make_house, store_of
from tests.sim.test_planning import new_store

DAYS = 30
PNG = b"\x89PNG\r\n\x1a\n"


def evaluate(folder: Path, *args: str) -> Result:
    """Run ``darkstar evaluate`` on the folder, results in its ``out``."""
    common = ["--config", str(folder / "config.yaml"), "--out", str(folder / "out")]
    with small_training():
        return CliRunner().invoke(app, ["evaluate", *common, *args], env={"COLUMNS": "80"})


def told(folder: Path, *args: str) -> dict[str, Any]:
    """Return what ``--json`` tells, without money and picture unless asked for."""
    path = folder / "told.json"
    done = evaluate(folder, "--no-plot", "--json", str(path), *args)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


@pytest.fixture
def house(tmp_path: Path) -> Path:
    return make_house(tmp_path, DAYS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, dict[str, Any]]:
    """Everything, money and picture included; compiles the kernels."""
    folder = make_house(tmp_path_factory.mktemp("evaluate"), DAYS)
    done = evaluate(folder, "--json", str(folder / "told.json"), "--start-date", "2025-02-24")
    assert done.exit_code == 0, done.output
    return folder, done, json.loads((folder / "told.json").read_text("utf-8"))


def test_tables_money_and_picture(made: tuple[Path, Result, dict[str, Any]]) -> None:
    folder, done, found = made
    for words in ("24-48 h", "best naive", "SEK/day", "PV counts only where the sun is up"):
        assert words in done.output
    # A slot begins at an issue every hour, 48 h ahead; days that were not measured are left out.
    days = found["days"]
    assert found["start_date"] == "2025-02-24"
    assert found["end_date"] == "2025-03-02"
    # Each of the 7 days has 24 issues of 192 targets; what lies after the last day is not known.
    beyond = sum(max(0, 192 - (days * 96 - 4 * n)) for n in range(24 * days))
    assert found["load"][-1]["count"] == 24 * days * 192 - beyond
    assert found["load"][-1]["mae_kwh"] > 0.0
    assert len(found["pv"]) == 7
    content = (folder / "out" / "evaluate.png").read_bytes()
    assert content.startswith(PNG)
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == (1400, 940)


def test_money_adds_up(made: tuple[Path, Result, dict[str, Any]]) -> None:
    priced = made[2]["money"]
    money = priced["money"]
    # The 24 h after the window must be known: it ends a day before the last one.
    assert (priced["first"], priced["last"], money["days"]) == ("2025-02-24", "2025-03-01", 6)
    rows = {row["name"]: row for row in money["rows"]}
    assert list(rows) == ["self-use", "baseline", "aurora, means", "aurora", "perfect"]
    for row in rows.values():
        assert row["regret"] == pytest.approx(row["cost"] - money["oracle_cost"], abs=1e-6)
        assert row["cost_per_day"] == pytest.approx(row["cost"] / 6)
        gain = money["no_battery_cost"] - money["oracle_cost"]
        assert row["share_of_gain"] == pytest.approx(
            (money["no_battery_cost"] - row["cost"]) / gain
        )
        assert row["regret"] >= rows["perfect"]["regret"] - 1e-9


def test_without_dates_the_last_third_is_scored(house: Path) -> None:
    found = told(house, "--no-money")
    assert (found["start_date"], found["end_date"]) == ("2025-02-21", "2025-03-02")
    assert found["known_from"] == "2025-02-01"
    assert found["money"] is None
    assert [model["naive"] for model in found["models"]] == [True]
    assert "plain profiles, for lack of history" in " ".join(
        evaluate(house, "--no-money", "--no-plot").output.split()
    )


def test_twice_says_the_same(house: Path) -> None:
    one, other = (told(house, "--no-money") for _ in range(2))
    assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_models_are_trained_on_the_past_alone(tmp_path: Path) -> None:
    make_house(tmp_path, 75)
    days = ("--start-date", "2025-04-05", "--end-date", "2025-04-12")
    found = told(tmp_path, "--no-money", *days, "--retrain-days", "4")
    assert [model["naive"] for model in found["models"]] == [False, False]
    assert found["models"][0]["trained_until"] == "2025-04-04T22:00:00Z"
    assert found["models"][1]["trained_until"] == "2025-04-08T22:00:00Z"
    assert found["load"][-1]["count"] == 8 * 24 * 192


def test_gaps_are_told_and_not_scored(house: Path) -> None:
    (house / "darkstar.sqlite").write_bytes(store_of(DAYS, silent_day=25))
    found = told(house, "--no-money")
    assert found["gaps"] == [{"local_date": "2025-02-26", "load_slots": 96, "pv_slots": 0}]
    assert (found["days"], found["scored_days"]) == (10, 9)
    text = " ".join(evaluate(house, "--no-money", "--no-plot").output.split())
    assert "gaps are not scored; load on 9 of 10 days" in text
    assert "2025-02-26 (load 96)" in text


def test_a_home_without_panels(tmp_path: Path) -> None:
    make_house(tmp_path, DAYS)
    (tmp_path / "darkstar.sqlite").write_bytes(store_of(DAYS, pv=False))
    done = evaluate(tmp_path, "--no-money", "--json", str(tmp_path / "told.json"))
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "told.json").read_text("utf-8"))["pv"] is None
    assert (tmp_path / "out" / "evaluate.png").exists()


def test_hourly_readings_are_scored_by_the_hour(tmp_path: Path) -> None:
    make_house(tmp_path, DAYS)
    (tmp_path / "darkstar.sqlite").write_bytes(store_of(DAYS, hourly=True))
    found = told(tmp_path, "--no-money", "--end-date", "2025-02-28")
    assert found["source_minutes"] == 60
    assert found["load"][-1]["count"] == found["days"] * 24 * 48
    text = evaluate(tmp_path, "--no-money", "--no-plot").output
    assert "hourly readings" in text


def test_without_a_battery_there_is_no_money(tmp_path: Path) -> None:
    make_house(tmp_path, DAYS, battery=None)
    found = told(tmp_path)
    assert found["money"]["money"] is None
    assert found["money"]["reason"] == "the home has no battery"
    assert "no money: the home has no battery" in evaluate(tmp_path, "--no-plot").output


@pytest.mark.parametrize(
    ("args", "code", "want"),
    [
        (("--home", "nowhere"), 78, "no such home, known: demo"),
        (("--start-date", "2025-03-01", "--end-date", "2025-02-01"), 2, "lies after the last day"),
        (("--start-date", "2025-02-03"), 65, "begin with 2025-02-10 or later"),
        (("--start-date", "2026-02-03"), 65, "load is known from 2025-02-01 to 2025-03-02"),
        (("--end-date", "2024-12-31"), 65, "cannot be scored"),
        (("--start-date", "yesterday"), 2, "is no date"),
        (("--retrain-days", "0"), 2, "--retrain-days"),
    ],
)
def test_what_cannot_be_is_refused(
    house: Path, args: tuple[str, ...], code: int, want: str
) -> None:
    done = evaluate(house, *args)
    assert done.exit_code == code
    assert want in " ".join(done.output.replace("│", " ").split())


def test_a_home_without_load_is_refused(tmp_path: Path) -> None:
    make_house(tmp_path, DAYS)
    new_store(tmp_path / "darkstar.sqlite")
    with Store.open(tmp_path / "darkstar.sqlite", system_id="dev") as store:
        store.put_home(load_config(tmp_path / "config.yaml").home("demo"))
    done = evaluate(tmp_path)
    assert done.exit_code == 65
    assert "no load_kwh is stored" in done.output
