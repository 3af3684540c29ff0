"""``darkstar status``: what holds now, from the store alone, in a moment.

The house is that of ``tests.runners.lived_in``: 2 to 12 June, metered until 13:15 in Stockholm.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from runners.cli_status import status as status_command
from runners.plan import run_plan
from tests.runners.lived_in import forget, metered
from tests.runners.test_forecaster import promote
from tests.runners.test_plan import NOW, make_folder
from tests.runners.test_registry import aurora
from tests.test_floors import loaded

UNTIL = datetime(2025, 6, 12, 11, 15, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    metered(tmp_path, end=UNTIL)
    return tmp_path


def planned(folder: Path, now: datetime = NOW) -> None:
    run_plan(
        config_path=folder / "config.yaml",
        home_id=None,
        at=None,
        out_dir=folder / "out",
        plot=False,
        now=now,
    )


def status(folder: Path, now: datetime = LATER) -> Result:
    app = typer.Typer()
    app.command()(status_command)
    words = ["--config", str(folder / "config.yaml"), "--now", now.isoformat()]
    result = CliRunner().invoke(app, [*words, "--json", str(folder / "told.json")])
    assert result.exit_code == 0, (result.exception, result.output)
    return result


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "told.json").read_text("utf-8"))["demo"]
    return found


def flat(result: Result) -> str:
    return " ".join(result.stdout.split())


def test_it_tells_plan_savings_regret_and_what_ran(folder: Path) -> None:
    planned(folder)
    text = flat(status(folder))
    assert "demo, Thu 12 Jun 13:25" in text
    assert "last plan 5 min old, fit for control, valid until Thu 12 Jun 15:20" in text
    assert "plan says self_use, until 10 %; a stored kWh is worth" in text
    assert "substituted prices from 2025-06-13 22:00Z on" in text
    assert "SEK against no battery until 13:15" in text
    assert "kWh stored" in text
    assert "recorded load 10 min ago, PV 10 min ago, import 10 min ago, state of charge" in text
    assert "prices until Sat 14 Jun 00:00, issued 10 min ago" in text
    assert "weather none yet" in text
    assert "verdicts none yet" in text
    assert "mirror" not in text
    assert "model none: the baseline forecasts" in text


def test_savings_are_those_of_the_meters(folder: Path) -> None:
    planned(folder)
    status(folder)
    found = told(folder)
    today = found["today"]
    assert (today["slots"], today["counted"]) == (53, 53)
    worth = today["stored_kwh"] * found["plan"]["energy_value"]
    assert today["stored_worth"] == pytest.approx(worth)


def test_every_day_like_the_other_has_the_same_regret(folder: Path) -> None:
    """Self-consumption in a house that repeats itself, under prices that rise a little a day."""
    status(folder)
    days = told(folder)["regret"]
    assert [day["local_date"] for day in days] == [f"2025-06-{day:02d}" for day in range(5, 12)]
    regrets = [day["regret"] for day in days]
    assert min(regrets) > 0.0
    assert max(regrets) == pytest.approx(min(regrets), rel=0.01)
    total = sum(regrets)
    assert f"regret of 7 days {total:.2f} SEK, {total / 7:.2f} a day" in flat(status(folder))


def test_a_day_with_a_gap_is_left_out_and_named(folder: Path) -> None:
    forget(folder, "import_kwh", datetime(2025, 6, 8, 10, 0, tzinfo=UTC), 3)
    text = flat(status(folder))
    assert "1 day not known, 2025-06-08: import_kwh of 3 slots" in text
    assert sum(day["regret"] is None for day in told(folder)["regret"]) == 1


def test_without_meters_and_plan_it_says_what_is_missing(tmp_path: Path) -> None:
    make_folder(tmp_path)
    text = flat(status(tmp_path))
    assert "last plan none yet: darkstar plan" in text
    assert "saved today not known: load, PV, grid or prices of today are not recorded" in text
    assert "regret of 7 days not known: readings of the grid missing on 2025-06-11" in text


def test_an_expired_and_an_unfit_plan_say_so(folder: Path) -> None:
    planned(folder, NOW + timedelta(minutes=40))
    text = flat(status(folder, NOW + timedelta(hours=3)))
    assert "last plan 2 h old, not for control, valid until Thu 12 Jun 16:00" in text
    assert "the state of charge is 45 min old, want at most 30 min" in text
    assert "the plan was valid until 2025-06-12 14:00Z" in text
    assert "plan says" not in text
    assert told(folder)["plan"]["fit"] is False


def test_the_model_in_use_is_named(folder: Path) -> None:
    meta = promote(folder, aurora())
    assert f"model {meta.version}, promoted" in flat(status(folder))


def test_a_home_the_store_does_not_know(tmp_path: Path) -> None:
    make_folder(tmp_path, home_id="cabin")
    app = typer.Typer()
    app.command()(status_command)
    result = CliRunner().invoke(app, ["--config", str(tmp_path / "config.yaml")])
    assert result.exit_code == 0, result.output
    text = flat(result)
    assert "recorded nothing yet" in text
    assert "saved today not known: nothing of this home is recorded yet" in text
    assert "regret of 7 days not known: nothing of this home is recorded yet" in text


def test_what_waits_for_the_mirror_is_told_where_there_is_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(folder)
    monkeypatch.setenv("mirror_password", "hunter2")
    raw = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    raw["mirror"] = {"host": "nas", "user": "darkstar", "password": "${mirror_password}"}
    (folder / "config.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    assert "mirror 1 episode waiting" in flat(status(folder))


def test_before_anything_is_recorded(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "darkstar.sqlite").unlink()
    app = typer.Typer()
    app.command()(status_command)
    result = CliRunner().invoke(app, ["--config", str(tmp_path / "config.yaml")])
    assert result.exit_code == 65
    assert "it is not there yet, and darkstar record or darkstar import FILE makes it" in (
        result.stderr
    )


def test_a_home_without_battery(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"battery": None})
    text = flat(status(tmp_path))
    assert "saved today not known: the home has no battery" in text


def test_it_is_quick(folder: Path) -> None:
    planned(folder)
    took = []
    for _ in range(3):  # other processes may be at work here
        began = time.perf_counter()
        status(folder)
        took.append(time.perf_counter() - began)
    assert min(took) < 2.0


@pytest.mark.integration
def test_it_compiles_and_draws_nothing(folder: Path) -> None:
    planned(folder)
    heavy = ("matplotlib", "pandas", "pvlib", "alembic", "lightgbm", "numba", "scipy", "httpx")
    code = (
        "from pathlib import Path\n"
        "from datetime import datetime\n"
        "from runners.status import run_status\n"
        f"run_status(config_path=Path({str(folder / 'config.yaml')!r}),"
        f" now=datetime.fromisoformat({LATER.isoformat()!r}))\n"
    )
    assert loaded(code, *heavy, "highspy") == ["highspy"]
