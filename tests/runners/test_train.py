"""``darkstar train``: promoted or not and why, once is twice, lists, ways back, refusals.

The store holds 75 days of a made-up house from 1 February 2025 on; the clock stands a day later.
"""

import json
import tempfile
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import runners.contract
from runners.cli import app
from runners.config import load_config
from runners.lock import only_one
from runners.registry import Registry, load_current
from telemetry.channels import Quality
from telemetry.store import Store
from tests.forecast.small_homes import DAY, SLOT, START, small_home, small_training
from tests.runners.test_plan import make_folder, template
from tests.sim.test_planning import new_store, put_price_day

DAYS = 75
PLACELESS: dict[str, Any] = {"latitude": None, "longitude": None, "elevation_m": None, "planes": []}
"""Without a place no sun is computed, which would take pvlib a second."""


def price_of(day: date, quarter: int, _fold: int) -> float:
    """EUR/kWh: dear evenings, and dearer on some days."""
    return 0.04 + 0.06 * (68 <= quarter < 84) + 0.01 * (day.toordinal() % 3)


@cache
def store_of(
    days: int, *, hourly: bool = False, pv: bool = True, silent_day: int | None = None
) -> bytes:
    """Return a store of so many days, with prices; on one of them the load may be missing."""
    home = small_home(days, source_slots=4 if hourly else 1)
    assert home.pv is not None
    if silent_day is not None:
        home.load.values[silent_day * 96 : (silent_day + 1) * 96] = np.nan
    quality = int(Quality.RESAMPLED | Quality.HOURLY) if hourly else 0
    first = date(2025, 2, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(template(), "utf-8")
        house = load_config(folder / "config.yaml").home("demo")
        path = new_store(folder / "darkstar.sqlite")
        with Store.open(path, system_id="dev") as store, store.transaction():
            store.put_home(house)
            for k in range(days + 1):
                put_price_day(store, first + timedelta(days=k), value=price_of)
            channels = {"load_kwh": home.load.values} | ({"pv_kwh": home.pv.values} if pv else {})
            for channel, values in channels.items():
                starts = START + SLOT * np.arange(values.size, dtype=np.int64)
                store.put_observations(
                    "demo",
                    channel,
                    starts,
                    values,
                    known_at=starts + SLOT,
                    provenance="import",
                    quality=quality,
                )
        return path.read_bytes()


def make_house(folder: Path, days: int = DAYS, **home: Any) -> Path:
    """Write configuration and store."""
    make_folder(folder, home=PLACELESS | home)
    (folder / "darkstar.sqlite").write_bytes(store_of(days))
    return folder


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    set_clock(monkeypatch, DAYS + 1)
    return make_house(tmp_path)


def set_clock(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let so many days have passed since the first slot."""
    now = datetime.fromtimestamp(START + days * DAY, UTC) + timedelta(hours=4)
    monkeypatch.setattr(runners.contract, "utc_now", lambda: now)


def train(folder: Path, *args: str) -> Result:
    """Run ``darkstar train`` on the folder."""
    argv = ["train", "--config", str(folder / "config.yaml"), *args]
    with small_training():
        return CliRunner().invoke(app, argv, env={"COLUMNS": "100"})


def told(folder: Path, *args: str) -> dict[str, Any]:
    """Run ``darkstar train --json`` and return what it tells."""
    path = folder / "told.json"
    done = train(folder, *args, "--json", str(path))
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Return every file of the home's registry."""
    return {p.name: p.read_bytes() for p in sorted((folder / "models" / "demo").glob("*"))}


def test_a_model_is_trained_tested_and_kept(house: Path) -> None:
    found = told(house, "--force")
    assert found["outcome"] in ("promoted", "forced")
    assert found["promoted"] is True
    assert found["was_in_use"] is None
    # The clocks went forward, so local midnight comes an hour earlier than 75 days of 24 h.
    assert found["days_of_load"] == DAYS - 1 / 24
    # 60 days to learn from, the rest is left for the test; it begins at a full hour.
    assert found["test"]["days"] == pytest.approx(15.0 - 1 / 24)
    assert [one["name"] for one in found["test"]["contestants"]] == ["candidate", "baseline"]
    assert found["test"]["contestants"][0]["load"]["mae_kwh"] > 0.0
    current = load_current(load_config(house / "config.yaml"), "demo")
    assert current is not None
    model, meta = current
    assert meta.version == found["version"]
    assert model.trained_until == START + DAYS * DAY - 3600
    assert meta.test["contestants"] == found["test"]["contestants"]
    assert meta.libraries["numpy"] == np.__version__


def test_a_second_run_changes_nothing(house: Path) -> None:
    told(house, "--force")
    before = files(house)
    again = told(house)
    assert again["outcome"] == "no test"
    assert "too few unseen days" in again["reason"]
    assert again["promoted"] is False
    forced = told(house, "--force")
    assert forced["promoted"] is False
    assert files(house) == before


def test_a_dry_run_writes_nothing(house: Path) -> None:
    found = told(house, "--force", "--dry-run")
    assert found["dry_run"] is True
    assert found["promoted"] is False
    assert found["version"] is not None
    assert files(house) == {}
    assert "nothing was changed" in train(house, "--force", "--dry-run").output


def test_after_two_weeks_the_next_one_must_beat_it(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(house, "--force")
    first = files(house)
    (house / "darkstar.sqlite").write_bytes(store_of(DAYS + 14))
    set_clock(monkeypatch, DAYS + 14)
    found = told(house)
    assert found["test"]["opponent"] == "in use"
    assert found["test"]["days"] == 7.0
    names = [one["name"] for one in found["test"]["contestants"]]
    assert sorted(names) == ["baseline", "candidate", "in use"]
    assert found["outcome"] == ("promoted" if found["test"]["ratio"] < 1.0 else "kept")
    assert (files(house) == first) is (found["outcome"] == "kept")
    told(house, "--force")
    registry = Registry(house / "models", "demo")
    assert len(registry.history()) == 2
    back = told(house, "--rollback")
    assert back["in_use"] == registry.history()[-1].version
    assert {name: files(house)[name] for name in first if name != "current.json"} == {
        name: content for name, content in first.items() if name != "current.json"
    }


def test_the_clock_ends_what_is_looked_at(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 70)
    assert told(house, "--force", "--dry-run")["days_of_load"] == 70.0 - 1 / 24


def test_with_too_little_history_the_baseline_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, 30)
    make_house(tmp_path, 30)
    done = train(tmp_path)
    assert done.exit_code == 0
    assert "30 days of load are known" in done.output
    assert "the baseline forecasts" in done.output
    assert told(tmp_path, "--force")["outcome"] == "too little history"
    assert files(tmp_path) == {}


def test_models_are_listed_and_taken_back(house: Path) -> None:
    assert "no model was promoted" in train(house, "--list").output
    version = told(house, "--force")["version"]
    assert version in train(house, "--list").output
    listed = told(house, "--list")["models"]
    assert [one["version"] for one in listed] == [version]
    tried = told(house, "--rollback", "--dry-run")
    assert tried == {
        "home_id": "demo",
        "rolled_back": version,
        "in_use": None,
        "dry_run": True,
    }
    assert load_current(load_config(house / "config.yaml"), "demo") is not None
    assert told(house, "--rollback")["rolled_back"] == version
    assert load_current(load_config(house / "config.yaml"), "demo") is None
    done = train(house, "--rollback")
    assert done.exit_code == 65
    assert "there is nothing to go back to" in done.output


def test_a_damaged_model_stops_the_training_until_forced(house: Path) -> None:
    version = told(house, "--force")["version"]
    path = house / "models" / "demo" / f"{version}.model"
    path.write_bytes(b"gone")
    done = train(house)
    assert done.exit_code == 65
    assert "is damaged" in done.output
    assert "darkstar train --force" in done.output
    forced = train(house, "--force")
    assert forced.exit_code == 0
    assert "passed over, because it was forced" in forced.output
    assert path.read_bytes() != b"gone"
    assert load_current(load_config(house / "config.yaml"), "demo") is not None


@pytest.mark.parametrize(
    ("args", "code", "want"),
    [
        (("--home", "nowhere"), 78, "no such home, known: demo"),
        (("--force", "--rollback"), 2, "give one of --force, --rollback and --list"),
    ],
)
def test_what_cannot_be_is_refused(
    house: Path, args: tuple[str, ...], code: int, want: str
) -> None:
    done = train(house, *args)
    assert done.exit_code == code
    assert want in done.output


def test_a_home_without_load_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path)
    new_store(tmp_path / "darkstar.sqlite")
    with Store.open(tmp_path / "darkstar.sqlite", system_id="dev") as store:
        store.put_home(load_config(tmp_path / "config.yaml").home("demo"))
    done = train(tmp_path)
    assert done.exit_code == 65
    assert "no load_kwh is stored" in done.output


def test_of_two_trainings_the_second_leaves(house: Path) -> None:
    with only_one(house / ".darkstar.sqlite-train.lock") as alone:
        assert alone
        done = train(house, "--force")
        back = train(house, "--rollback")
    assert (done.exit_code, back.exit_code) == (0, 0)
    assert "another darkstar train is at work here" in done.output
    assert "another darkstar train is at work here" in back.output
    assert files(house) == {}
