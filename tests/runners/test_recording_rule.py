"""Only live plans and simulations become episodes: by construction, and by trying everything else.

The store is that of ``test_plan``: 1 to 14 June 2025 of the demo home.
"""

import ast
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mpc import Plan
from runners.cli import app
from runners.config import load_config
from runners.plan import home_model
from runners.settings import config_hash
from sim.episode_format import read_episode
from telemetry.episode import Episode, EpisodeFilter
from telemetry.errors import ReadOnlyError, SeriesError
from telemetry.slots import to_epoch
from telemetry.store import Store
from tests.runners.test_plan import AT, NOW, make_folder, plan, rows, stop_clock
from tests.sim.test_planning import QUARTER, load_of, pv_of, wall
from tests.test_floors import REPO, parsed

PACKAGES = ("mpc", "telemetry", "forecast", "sim", "runners", "benchmarks")
LIVE = ("--no-plot", "--soc-kwh", "5")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    return tmp_path


def episodes(folder: Path, name: str = "darkstar.sqlite") -> list[Episode]:
    with Store.open(folder / name, read_only=True) as store:
        return list(store.episodes(EpisodeFilter()))


# By construction


def users(name: str) -> dict[str, list[ast.AST]]:
    """Where the house's modules import or use a name, its definition apart."""
    found: dict[str, list[ast.AST]] = {}
    for package in PACKAGES:
        for path in sorted((REPO / package).rglob("*.py")):
            nodes = list(uses(parsed(path), name))
            if nodes:
                found[str(path.relative_to(REPO))] = nodes
    return found


def uses(tree: ast.AST, name: str) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        imported = isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names)
        named = isinstance(node, ast.Name) and node.id == name
        attribute = isinstance(node, ast.Attribute) and node.attr == name
        if imported or named or attribute:
            yield node


def function(tree: ast.Module, name: str) -> ast.FunctionDef:
    (found,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    return found


def test_the_scan_sees_what_is_planted() -> None:
    text = "from a import put\nput()\nstore.put(1)\nputs()\n'put'"
    assert [type(n).__name__ for n in uses(ast.parse(text), "put")] == [
        "ImportFrom",
        "Name",
        "Attribute",
    ]


def test_only_the_live_plan_records() -> None:
    """One call, in ``_save``, which ``run_plan`` alone calls, where no ``--at`` was given."""
    assert set(users("record_training_episode")) == {"runners/plan.py"}
    tree = parsed(REPO / "runners" / "plan.py")
    assert len(list(uses(tree, "record_training_episode"))) == 2
    assert len(list(uses(function(tree, "_save"), "record_training_episode"))) == 1
    (call,) = uses(tree, "_save")
    branches = [n for n in ast.walk(function(tree, "run_plan")) if isinstance(n, ast.If)]
    guards = [ast.unparse(n.test) for n in branches if any(m is call for m in ast.walk(n))]
    assert guards == ["at is None"]
    assert set(users("run_plan")) == {"runners/cli.py", "runners/demo.py"}


def test_only_the_live_plan_and_the_simulation_write_episodes() -> None:
    writers = set(users("put_episodes"))
    assert "runners/record_episode.py" in writers
    others = writers - {"runners/record_episode.py"}
    assert all(Path(path).name.startswith("simulate") for path in others), others
    makers = set(users("make_episode")) - {"sim/episode_format.py", "benchmarks/test_episodes.py"}
    assert makers == {"runners/record_episode.py", "sim/episode_day.py"}


# By trying


def test_a_live_plan_is_an_episode(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)
    assert plan(folder, *LIVE).exit_code == 0
    (found,) = episodes(folder)
    assert (found.system_id, found.home_id, found.scenario) == ("dev", "demo", "live")
    assert (found.created_at, found.local_day) == (NOW, date(2025, 6, 12))
    assert found.episode_start == datetime(2025, 6, 12, 11, 15, tzinfo=UTC)
    assert found.config_hash == config_hash(home_model(load_config(folder / "config.yaml"), "demo"))
    assert (found.replay_id, found.realised_cost) == (None, None)
    assert found.config_overrides_json == "{}"
    with Store.open(folder / "darkstar.sqlite", system_id="dev", read_only=True) as store:
        stored = store.plan("demo", as_of=NOW)
        assert store.waiting_episodes() == 1
    assert stored is not None
    saved, read = Plan.from_json(stored.plan_json), read_episode(found)
    assert (found.planned_cost, found.engine) == (saved.objective, saved.engine)
    np.testing.assert_allclose(read.soc_kwh, saved.soc_kwh, rtol=0.0, atol=0.5e-4 + 1e-9)
    np.testing.assert_allclose(read.import_price, saved.import_price, rtol=0.0, atol=0.5e-4 + 1e-9)
    assert read.as_of == NOW
    assert read.prices_until == datetime(2025, 6, 13, 22, tzinfo=UTC)
    assert read.quality_class == ""
    assert read.context.soc_source == "--soc-kwh"
    assert read.context.price_volatility == pytest.approx(saved.import_price.std(), abs=0.5e-4)
    # Nothing of weather, vacation or alarm was ever stored.
    assert np.isnan([read.context.vacation, read.context.alarm]).all()
    assert np.isnan([read.context.cloud_volatility, read.context.temp_volatility]).all()


def test_it_tells_the_last_24_hours_as_they_were_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest load came a minute after the plan, the newest PV a second before it."""
    newest = NOW - timedelta(minutes=20)
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        for channel, known in (("load_kwh", 60), ("pv_kwh", -1)):
            db.execute(
                "UPDATE slot_observations SET known_at = ? WHERE channel = ? AND slot_start = ?",
                (to_epoch(NOW) + known, channel, to_epoch(newest)),
            )
    db.close()
    stop_clock(monkeypatch, NOW)
    assert plan(folder, *LIVE).exit_code == 0
    read = read_episode(episodes(folder)[0])
    clock = [wall(read.start - n * QUARTER)[1] for n in range(96, 0, -1)]
    load = np.array([load_of(quarter) for quarter in clock])
    load[-1] = np.nan
    np.testing.assert_allclose(read.observed_load_kwh, load, rtol=0.0, atol=0.5e-4 + 1e-9)
    pv = [pv_of(quarter) for quarter in clock]
    np.testing.assert_allclose(read.observed_pv_kwh, pv, rtol=0.0, atol=0.5e-4 + 1e-9)


def test_what_was_known_of_the_house_and_the_sky(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forecast issued after midnight says nothing: a day's context is that of its start."""
    midnight = datetime(2025, 6, 11, 22, tzinfo=UTC)
    cloud = np.tile([0.0, 1.0], 48 * 2)
    with Store.open(folder / "darkstar.sqlite", system_id="dev") as store:
        for issued, values in ((-60, cloud), (60, np.zeros(192))):
            store.put_weather(
                "demo",
                source="s",
                kind="forecast",
                variables=("cloud_cover",),
                issued_at=midnight + timedelta(seconds=issued),
                start=midnight,
                slot_minutes=15,
                values=values[None, :],
            )
        for channel, value in (("vacation", 1.0), ("alarm_armed", 0.25)):
            slot = np.array([to_epoch(NOW - timedelta(hours=2)) // 900 * 900], dtype=np.int64)
            store.put_observations(
                "demo", channel, slot, np.array([value]), known_at=slot + 900, provenance="live"
            )
    stop_clock(monkeypatch, NOW)
    assert plan(folder, *LIVE).exit_code == 0
    context = read_episode(episodes(folder)[0]).context
    assert (context.vacation, context.alarm) == (1.0, 0.25)
    # As many clear as cloudy slots from the plan's start to the end of the forecast; one is odd.
    assert context.cloud_volatility == pytest.approx(0.5, abs=1e-4)
    assert np.isnan(context.temp_volatility)


def test_a_plan_made_again_in_its_slot_replaces_the_episode(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in (0, 4, 5):  # 11:20, 11:24, 11:25: one slot; the next begins at 11:30
        stop_clock(monkeypatch, NOW + timedelta(minutes=minute))
        assert plan(folder, *LIVE).exit_code == 0
    (found,) = episodes(folder)
    assert found.created_at == NOW + timedelta(minutes=5)
    stop_clock(monkeypatch, NOW + timedelta(minutes=10))
    assert plan(folder, *LIVE).exit_code == 0
    assert [one.episode_start.minute for one in episodes(folder)] == [15, 30]
    assert rows(folder)["episode_outbox"] == 2


def test_plan_and_episode_stand_or_fall_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: Store, home_id: str, episodes: list[Episode]) -> None:
        raise SeriesError(
            f"{store.system_id} {home_id}", f"{len(episodes)} episodes", "none: planted"
        )

    stop_clock(monkeypatch, NOW)
    before = rows(folder)
    monkeypatch.setattr(Store, "put_episodes", full)
    assert plan(folder, *LIVE).exit_code == 65
    assert rows(folder) == before


def test_a_store_for_reading_takes_no_episode(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, NOW)
    assert plan(folder, *LIVE).exit_code == 0
    found = episodes(folder)
    with (
        Store.open(folder / "darkstar.sqlite", system_id="dev", read_only=True) as store,
        pytest.raises(ReadOnlyError, match="opened read-only"),
    ):
        store.put_episodes("demo", found)


JUNE_CSV = "home_id,slot_start_utc,slot_minutes,load_kwh,pv_kwh\ndemo,2025-06-12T00:00:00Z,15,1,0\n"
OTHERS = (
    ("plan", "--at", AT, "--no-plot", "--soc-kwh", "5"),
    ("validate", "--start-date", "2025-06-10", "--end-date", "2025-06-11", "--no-reference"),
    ("repair", "--start-date", "2025-06-10", "--end-date", "2025-06-11"),
    ("repair", "--undo", "--start-date", "2025-06-10", "--end-date", "2025-06-11"),
    ("replay", "--start-date", "2025-06-11", "--end-date", "2025-06-11", "--policy", "plan"),
    ("import", "june.csv"),
    ("episodes", "list"),
    ("episodes", "prune", "--before", "2030-01-01", "--apply"),
)


@pytest.mark.parametrize("command", OTHERS, ids=lambda args: " ".join(args[:2]))
def test_every_other_command_records_nothing(folder: Path, command: tuple[str, ...]) -> None:
    (folder / "june.csv").write_text(JUNE_CSV, "utf-8")
    args = [str(folder / one) if one.endswith(".csv") else one for one in command]
    out = ["--out", str(folder / "out")] if command[0] in ("plan", "validate", "replay") else []
    plot = ["--no-plot"] if command[0] in ("validate", "replay") else []
    config = ["--config", str(folder / "config.yaml")]
    result = CliRunner().invoke(app, [*args, *config, *out, *plot])
    assert result.exit_code == 0, (result.exception, result.output)
    assert rows(folder)["training_episodes"] == rows(folder)["episode_outbox"] == 0


def test_a_live_day_of_plans_stays_below_two_megabytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three hours of plans with their forecasts and episodes, eight times."""

    def size() -> int:
        with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        return (folder / "darkstar.sqlite").stat().st_size

    before = size()
    for slot in range(12):
        stop_clock(monkeypatch, NOW + slot * QUARTER)
        assert plan(folder, *LIVE).exit_code == 0
    assert rows(folder)["training_episodes"] == 12
    assert 8 * (size() - before) <= 2_000_000


def test_a_live_episode_takes_at_most_12_kilobytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, NOW)
    assert plan(folder, *LIVE).exit_code == 0
    (found,) = episodes(folder)
    texts = (found.inputs_json, found.context_json, found.schedule_json)
    assert 4_000 < sum(len(text) for text in texts) < 12_000
    assert len(json.loads(found.schedule_json)["soc_kwh"]) == 192
