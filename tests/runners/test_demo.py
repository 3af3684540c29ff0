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
    assert names == ["config.yaml", "darkstar.sqlite", "plan.png", "schedule.json"]
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
    assert plan["fit_for_control"] is True
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
    prices = store.prices("SE4", START, END)
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
    assert (made.folder / "schedule.json").read_bytes() == made.schedule
    assert (made.folder / "config.yaml").read_bytes() == config
    assert before["slot_observations"][0] == 9 * 365 * 96
    assert before["prices"][0] == 365
    assert before["plans"][0] == before["forecasts"][0] == 0


def test_the_demo_home_is_planned_like_any_other(made: Made, tmp_path: Path) -> None:
    config = str(made.folder / "config.yaml")
    argv = ["plan", "--config", config, "--out", str(tmp_path), "--no-plot"]
    result = CliRunner().invoke(app, [*argv, "--at", "2025-10-25T14:00Z"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "schedule.json").read_bytes() == made.schedule
