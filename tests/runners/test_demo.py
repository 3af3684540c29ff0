"""``darkstar demo``: a made-up house that obeys physics, stored once however often it is made."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from runners.cli import app
from runners.config import load_config
from runners.init import run_init, template
from sim.demo import DEMO_HOME
from telemetry.episode import EpisodeFilter
from telemetry.observations import Observations
from telemetry.store import Store

START, END = datetime(2024, 12, 31, 23, tzinfo=UTC), datetime(2025, 12, 31, 23, tzinfo=UTC)
FLOWS = ("load_kwh", "pv_kwh", "charge_kwh", "discharge_kwh", "import_kwh", "export_kwh")
STATES = ("soc_start", "soc_end")


def demo(folder: Path, *args: str) -> Result:
    argv = ["demo", "--out", str(folder), *args]
    return CliRunner().invoke(app, argv, env={"COLUMNS": "80"})


def rows(path: Path) -> dict[str, tuple[int, str]]:
    """Return count and hash of the rows of every table."""
    found = {}
    db = sqlite3.connect(path)
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        total, count = hashlib.sha256(), 0
        for row in db.execute(f"SELECT * FROM {name} "):  # noqa: S608
            total.update(repr(row).encode())
            count += 1
        found[name] = count, total.hexdigest()
    db.close()
    return found


def timeless(schedule: bytes) -> bytes:
    """Return a schedule without the wall clock."""
    lines = schedule.splitlines(keepends=True)
    rest = [line for line in lines if not line.startswith(b'  "generated_at"')]
    assert len(rest) == len(lines) - 1
    return b"".join(rest)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A demo folder after its first run."""

    folder: Path
    result: Result
    schedule: bytes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("demo") / "new" / "place"
    result = demo(folder)
    return Made(folder=folder, result=result, schedule=(folder / "schedule.json").read_bytes())


@pytest.fixture(scope="module")
def store(made: Made) -> Iterator[Store]:
    with Store.open(made.folder / "darkstar.sqlite", read_only=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def year(store: Store) -> Observations:
    return store.observations("demo", [*FLOWS, *STATES, "water_heater_kwh"], START, END)


def test_files_and_exit_code(made: Made) -> None:
    assert made.result.exit_code == 0, made.result.output
    names = sorted(path.name for path in made.folder.iterdir())
    wanted = [
        ".darkstar.sqlite-store.lock",
        "config.yaml",
        "darkstar.sqlite",
        "plan.png",
        "schedule.json",
    ]
    assert names == wanted
    assert "optimal: no plan is cheaper on these inputs" in made.result.stdout
    assert max(map(len, made.result.stdout.splitlines())) <= 80


def test_the_plan_spans_the_longest_day(made: Made) -> None:
    # Saturday 16:00 CEST to Monday 15:00 CET: 48 h of which Sunday has 25.
    plan: dict[str, Any] = json.loads(made.schedule)
    assert (plan["slots"][0]["start"], plan["slots"][-1]["end"]) == (
        "2025-10-25T14:00:00Z",
        "2025-10-27T14:00:00Z",
    )
    assert len(plan["slots"]) == 192
    sunday = [s for s in plan["slots"] if "2025-10-25T22" <= s["start"] < "2025-10-26T23"]
    assert len(sunday) == 100
    assert (plan["look_back"], plan["fit_for_control"]) == (True, False)
    assert plan["reasons"] == ["a look back at 2025-10-25T14:00:00Z, not made live"]
    # Sunday's prices came on Saturday at 13:15; they end at its midnight, 23:00 UTC.
    assert plan["prices_until"] == "2025-10-26T23:00:00Z"
    assert plan["soc_source"] == "recorded at 2025-10-25 14:00Z (simulated)"


def test_every_slot_of_the_year_is_there(year: Observations) -> None:
    assert year.values.shape == (9, 365 * 96)
    assert np.isfinite(year.values).all()
    assert (year.values >= 0.0).all()
    np.testing.assert_array_equal(year.known_at, np.tile(year.slot_start + 900, (9, 1)))


def test_energy_is_conserved_in_every_slot(year: Observations) -> None:
    load, pv, charge, discharge, bought, sold = (year.of(name) for name in FLOWS)
    # Nothing is curtailed: the roof gives less than the 10 kW that may be fed in, at a price of 0.
    assert 1.0 < pv.max() < 10.0 * 0.25
    np.testing.assert_allclose(load + charge + sold, pv + discharge + bought, atol=1e-12)


def test_the_battery_lived_within_itself(year: Observations) -> None:
    before, after = year.of("soc_start"), year.of("soc_end")
    charge, discharge = year.of("charge_kwh"), year.of("discharge_kwh")
    # Config template: 10 kWh, 10 to 100 %, 5 kW, 0.95 each way; half full at new year.
    assert before[0] == 0.5
    assert after.min() >= 0.1 - 1e-12
    assert after.max() <= 1.0 + 1e-12
    assert after.max() - after.min() > 0.8
    np.testing.assert_array_equal(before[1:], after[:-1])
    np.testing.assert_allclose(
        after, before + (0.95 * charge - discharge / 0.95) / 10.0, atol=1e-12
    )
    assert max(charge.max(), discharge.max()) <= 5.0 * 0.25
    # Self-consumption: never from the grid, never to it.
    assert not ((charge > 0.0) & (year.of("import_kwh") > 0.0)).any()
    assert not ((discharge > 0.0) & (year.of("export_kwh") > 0.0)).any()


def test_prices_are_known_at_a_quarter_past_one(store: Store) -> None:
    prices = store.prices("DEMO", START, END)
    assert prices.currency == "EUR"
    assert np.isfinite(prices.values).all()
    # 26 October 2025 begins on the 25th at 22:00 UTC; issued on the 25th at 13:15 CEST.
    at = int((datetime(2025, 10, 25, 22, tzinfo=UTC) - START) / timedelta(minutes=15))
    issue = int(datetime(2025, 10, 25, 11, 15, tzinfo=UTC).timestamp())
    assert prices.issued_at[at : at + 100].tolist() == [issue] * 100
    assert prices.issued_at[at - 1] < issue < prices.issued_at[at + 100]


def test_twice_is_once(made: Made) -> None:
    before = rows(made.folder / "darkstar.sqlite")
    config = (made.folder / "config.yaml").read_bytes()
    again = demo(made.folder, "--no-plot")
    assert again.exit_code == 0, again.output
    assert rows(made.folder / "darkstar.sqlite") == before
    assert timeless((made.folder / "schedule.json").read_bytes()) == timeless(made.schedule)
    assert (made.folder / "config.yaml").read_bytes() == config
    assert before["slot_observations"][0] == 9 * 365 * 96
    assert before["prices"][0] == 365
    assert before["plans"][0] == before["forecasts"][0] == 0


def test_a_made_up_plan_is_no_training_episode(store: Store) -> None:
    assert list(store.episodes(EpisodeFilter())) == []


def test_the_demo_home_is_planned_like_any_other(made: Made, tmp_path: Path) -> None:
    config = str(made.folder / "config.yaml")
    argv = ["plan", "--config", config, "--out", str(tmp_path), "--no-plot"]
    result = CliRunner().invoke(app, [*argv, "--at", "2025-10-25T14:00Z"])
    assert result.exit_code == 0, result.output
    assert timeless((tmp_path / "schedule.json").read_bytes()) == timeless(made.schedule)


def test_the_configuration_is_the_template_in_an_area_of_its_own(made: Made) -> None:
    assert load_config(made.folder / "config.yaml").home("demo") == DEMO_HOME
    mark, _, text = (made.folder / "config.yaml").read_text("utf-8").partition("\n")
    assert mark.startswith("# made by `darkstar demo`")
    changed = [
        (a, b) for a, b in zip(text.split("\n"), template().split("\n"), strict=True) if a != b
    ]
    assert [(a.split()[:2], b.split()[:2]) for a, b in changed] == [
        (["area:", "DEMO"], ["area:", "se4"])
    ]


def test_prices_are_kept_apart_from_imported_ones(store: Store) -> None:
    assert np.isnan(store.prices("SE4", START, END).values).all()


# Folders of real homes


def refused(folder: Path) -> str:
    """Run a demo that must leave every file of the folder as it is; return its line."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = demo(folder, "--no-plot")
    assert result.exit_code == 73, (result.exception, result.output)
    assert result.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    return result.stderr


def test_a_real_configuration_is_left_alone(tmp_path: Path) -> None:
    run_init(tmp_path / "config.yaml", force=False)
    Store.open(tmp_path / "darkstar.sqlite").close()
    assert "the demo did not make this file" in refused(tmp_path)
    (tmp_path / "darkstar.sqlite").unlink()
    assert "config.yaml: the demo did not make this file" in refused(tmp_path)


def test_a_real_store_is_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path / "darkstar.sqlite").close()
    line = refused(tmp_path)
    assert "darkstar.sqlite: the demo did not make this file" in line
    assert "name another --out" in line


def test_a_demo_configuration_that_points_elsewhere_is_left_alone(
    made: Made, tmp_path: Path
) -> None:
    text = (made.folder / "config.yaml").read_text("utf-8")
    text = text.replace("url: darkstar.sqlite", "url: ../real.sqlite")
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    assert "its store is not darkstar.sqlite beside it" in refused(tmp_path)


def test_a_place_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", "utf-8")
    result = demo(tmp_path / "file")
    assert result.exit_code == 73, repr(result.exception)
    assert "cannot be made" in result.stderr
