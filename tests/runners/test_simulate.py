"""``darkstar simulate`` on the demo home: a row a quarter, the same rows however they are made."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

import runners.simulate_scenario
from runners.cli import app  # noqa: F401 - the commands are wired
from sim.episode_day import DayResult, DayTask, run_day
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import local_day, to_epoch
from telemetry.store import Store
from tests.runners.simulate_cases import (
    Rows,
    column,
    command,
    demo_folder,
    rows,
    simulate,
)

ROOT = Path(__file__).parents[2]
ZONE = "Europe/Stockholm"
FIRST, END = "2025-06-02", "2025-06-06"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    return demo_folder(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Four days, two scenarios, computed by this process."""
    folder = demo_folder(tmp_path_factory.mktemp("undisturbed"))
    done = simulate(folder, FIRST, END, "--scenarios", "2")
    assert done.exit_code == 0, done.output
    found = rows(folder)
    assert len(found["training_episodes"]) == 2 * 4 * 96
    return found


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """Return the days that are computed in this process from now on, as they are."""
    found: list[date] = []

    def watched(task: DayTask) -> DayResult:
        found.append(task.local_day)
        return run_day(task)

    monkeypatch.setattr(runners.simulate_scenario, "run_day", watched)
    return found


def test_a_day_adds_96_rows_and_then_none(house: Path, computed: list[date]) -> None:
    done = simulate(house, "2025-06-02", "2025-06-03", "--scenarios", "1")
    assert done.exit_code == 0, done.output
    assert computed == [date(2025, 6, 2)]
    first = rows(house)
    assert len(first["training_episodes"]) == len(set(column(house, "episode_id"))) == 96
    assert set(column(house, "system_id")) == {"simulation"}
    assert set(column(house, "scenario")) == {"0-recorded"}
    assert set(column(house, "local_day")) == {"2025-06-02"}
    assert column(house, "created_at") == column(house, "episode_start")
    start = to_epoch(local_day(date(2025, 6, 2), ZONE)[0])
    assert column(house, "episode_start") == [start + 900 * n for n in range(96)]
    assert len(first["episode_outbox"]) == 96
    again = simulate(house, "2025-06-02", "2025-06-03", "--scenarios", "1")
    assert again.exit_code == 0, again.output
    assert "0-recorded: 0 days simulated, 1 done before, 0 skipped" in again.stderr
    assert computed == [date(2025, 6, 2)]
    assert rows(house) == first


@pytest.mark.parametrize(
    ("day", "end", "count"),
    [
        pytest.param("2025-03-30", "2025-03-31", 92, id="clocks go forward"),
        pytest.param("2025-10-26", "2025-10-27", 100, id="clocks go back"),
    ],
)
def test_days_of_23_and_25_hours(house: Path, day: str, end: str, count: int) -> None:
    done = simulate(house, day, end)
    assert done.exit_code == 0, done.output
    starts = column(house, "episode_start")
    assert len(starts) == count
    assert np.unique(np.diff(np.array(starts, dtype=np.int64))).tolist() == [900]
    assert set(column(house, "local_day")) == {day}


def test_all_comes_again_with_recompute(house: Path, computed: list[date]) -> None:
    simulate(house, "2025-06-02", "2025-06-03")
    first = rows(house)
    again = simulate(house, "2025-06-02", "2025-06-03", "--recompute", "--json", "-")
    assert again.exit_code == 0, again.output
    assert computed == [date(2025, 6, 2)] * 2
    (run,) = json.loads(again.stdout)["scenarios"]
    assert run["episodes"] == {"inserted": 0, "updated": 0, "unchanged": 96, "kept": 0}
    assert rows(house) == first


def test_systems_never_meet_in_a_row(house: Path) -> None:
    for system in ("dev", "prod"):
        done = simulate(house, "2025-06-02", "2025-06-03", "--system-id", system)
        assert done.exit_code == 0, done.output
    assert Counter(column(house, "system_id")) == {"dev": 96, "prod": 96}


def test_a_longer_period_leaves_other_days_as_they_are(house: Path, computed: list[date]) -> None:
    simulate(house, "2025-06-02", "2025-06-04")
    first = set(rows(house)["training_episodes"])
    simulate(house, "2025-06-02", "2025-06-05")
    assert computed == [date(2025, 6, day) for day in (2, 3, 4)]
    found = rows(house)
    assert first < set(found["training_episodes"])
    assert len(found["training_episodes"]) == 3 * 96
    assert len(found["replays"]) == 1
    assert len(found["replay_slots"]) == 3


def test_a_backfill_makes_anew_the_days_it_touches(
    house: Path, tmp_path: Path, computed: list[date]
) -> None:
    """A load of 3 June is in the forecasts of the seven days after it, and in no plan before."""
    period = ("2025-06-01", "2025-06-13")
    simulate(house, *period)
    old, ids = rows(house), column(house, "episode_id")
    slot = np.array([to_epoch(datetime(2025, 6, 3, 10, tzinfo=UTC))], dtype=np.int64)
    other = demo_folder(tmp_path / "other")
    for folder in (house, other):
        with Store.open(folder / "darkstar.sqlite", system_id="dev") as store:
            counts = store.put_observations(
                "demo", "load_kwh", slot, np.array([1.9]), known_at=slot + 900, provenance="live"
            )
            assert counts.changed == 1
    computed.clear()
    done = simulate(house, *period, "--json", "-")
    assert done.exit_code == 0, done.output
    touched, found = set(computed), rows(house)
    computed.clear()
    simulate(other, *period)
    assert found == {**rows(other), "episode_outbox": found["episode_outbox"]}
    assert column(house, "episode_id") == ids
    changed = set(found["training_episodes"]) - set(old["training_episodes"])
    assert touched == {date.fromisoformat(str(row[6])) for row in changed}
    assert {date(2025, 6, day) for day in range(3, 11)} <= touched
    assert touched & {date(2025, 6, 1), date(2025, 6, 2), date(2025, 6, 12)} == set()
    (run,) = json.loads(done.stdout)["scenarios"]
    assert run["episodes"]["updated"] == len(changed)
    assert (run["days"], run["passed_by"]) == (len(touched), 12 - len(touched))


# --- the same rows, however they are made -------------------------------------------------------


@pytest.mark.integration
def test_processes_make_the_same_rows(house: Path, undisturbed: Rows) -> None:
    done = simulate(house, FIRST, END, "--scenarios", "2", "--workers", "2")
    assert done.exit_code == 0, done.output
    assert rows(house) == undisturbed


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, Callable[[], dict[str, int]]]]:
    """A scheduler with two workers, each a process: its address, and the workers' process ids."""
    distributed = pytest.importorskip(
        "distributed", reason="pip install 'darkstar-energy[cluster]'"
    )
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as running:

        def pids() -> dict[str, int]:
            with distributed.Client(running, set_as_default=False) as client:
                found: dict[str, int] = client.run(os.getpid)
            return found

        yield running.scheduler_address, pids


@pytest.mark.integration
def test_a_cluster_whose_worker_dies_halfway_makes_the_same_rows(
    house: Path,
    undisturbed: Rows,
    cluster: tuple[str, Callable[[], dict[str, int]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, pids = cluster
    victim, kept = min(pids().values()), list[date]()
    keep = runners.simulate_scenario._Work.keep

    def kill_halfway(work: runners.simulate_scenario._Work, result: DayResult) -> None:
        keep(work, result)
        kept.append(result.local_day)
        if len(kept) == 3:
            os.kill(victim, signal.SIGKILL)

    monkeypatch.setattr(runners.simulate_scenario._Work, "keep", kill_halfway)
    done = simulate(house, FIRST, END, "--scenarios", "2", "--scheduler", address)
    assert done.exit_code == 0, done.output
    assert f"the cluster of {address}" in " ".join(done.stdout.split())
    assert len(kept) == 8
    assert rows(house) == undisturbed
    assert victim not in pids().values()


@pytest.mark.integration
def test_ctrl_c_keeps_what_is_finished(house: Path, undisturbed: Rows) -> None:
    words = command(house, FIRST, END, "--scenarios", "2", "--workers", "2")
    with subprocess.Popen(
        [sys.executable, "-m", "runners.cli", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as batch:
        while batch.poll() is None and len(column(house, "episode_id")) < 96:
            time.sleep(0.01)
        os.killpg(batch.pid, signal.SIGINT)
        _, errors = batch.communicate(timeout=60)
    assert batch.returncode == 130
    assert "stopped: finished days are kept, run the same again to go on from there" in errors
    assert "Traceback" not in errors
    count = len(column(house, "episode_id"))
    assert 96 <= count < 2 * 4 * 96
    assert count % 96 == 0
    assert simulate(house, FIRST, END, "--scenarios", "2").exit_code == 0
    assert rows(house) == undisturbed


# --- days and verdicts --------------------------------------------------------------------------


def verdict(day: date, kind: DayClass) -> DayQuality:
    return DayQuality(
        local_date=day,
        day_start=local_day(day, ZONE)[0],
        day_class=kind,
        reference="none",
        slots=96,
        counts={},
        reasons=("as the test says",),
        checked_at=datetime(2025, 7, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("args", "days", "said"),
    [
        pytest.param((), {2}, "verdict mask_battery", id="clean days"),
        pytest.param(("--include", "mask_battery"), {2, 3}, "verdict exclude", id="masked too"),
        pytest.param(("--all-days",), {2, 3, 4}, "", id="all"),
    ],
)
def test_verdicts_decide_and_skipped_days_are_named(
    house: Path, args: tuple[str, ...], days: set[int], said: str
) -> None:
    """The 2nd is judged on the spot, and that is not written."""
    with Store.open(house / "darkstar.sqlite", system_id="dev") as store:
        given = ((3, DayClass.MASK_BATTERY), (4, DayClass.EXCLUDE))
        store.put_day_quality("demo", [verdict(date(2025, 6, day), kind) for day, kind in given])
    done = simulate(house, "2025-06-02", "2025-06-05", *args)
    assert done.exit_code == 0, done.output
    assert set(column(house, "local_day")) == {f"2025-06-{day:02}" for day in days}
    skipped = re.findall(r"skipped: (.*): (verdict \w+)", done.stdout)
    assert {day for day, _ in skipped} == {
        f"2025-06-{day:02}" for day in (2, 3, 4) if day not in days
    }
    assert said in done.stdout
    with Store.open(house / "darkstar.sqlite", read_only=True) as store:
        judged = store.day_quality("demo", date(2025, 6, 1), date(2025, 6, 6))
    assert [day.local_date.day for day in judged] == [3, 4]


def test_the_first_day_without_history_is_skipped_by_name(house: Path) -> None:
    done = simulate(house, "2025-01-01", "2025-01-03")
    assert done.exit_code == 0, done.output
    assert set(column(house, "local_day")) == {"2025-01-02"}
    assert re.search(r"skipped: 2025-01-01: too (little|few) .* known before it", done.stdout)


def test_scenarios_are_named_in_rows_and_report(house: Path) -> None:
    path = house / "result.json"
    args = ("--scenarios", "4", "--seed", "7", "--json", str(path))
    done = simulate(house, "2025-06-02", "2025-06-03", *args)
    assert done.exit_code == 0, done.output
    kinds = ("load-noise", "pv-scale", "price-shift")
    names = ["0-recorded", *(f"{n}-{kind}-seed7" for n, kind in enumerate(kinds, start=1))]
    assert Counter(column(house, "scenario")) == dict.fromkeys(names, 96)
    found = json.loads(path.read_text("utf-8"))
    assert [run["scenario"] for run in found["scenarios"]] == names
    assert len({run["replay_id"] for run in found["scenarios"]}) == 4
    assert set(column(house, "replay_id")) == {run["replay_id"] for run in found["scenarios"]}
    for run in found["scenarios"][1:]:
        assert run["changes"]["seed"] == 7.0
        told = ", ".join(f"{name} {value:g}" for name, value in run["changes"].items())
        assert f"{run['scenario']}: {told}" in done.stdout
    assert found["seed"] == 7
    assert all(len(line) <= 80 for line in done.stdout.splitlines()[:20])


@pytest.mark.parametrize("engine", ["storage", "highs"])
def test_the_engine_asked_for_makes_the_plans(house: Path, engine: str) -> None:
    done = simulate(house, "2025-06-02", "2025-06-03", "--engine", engine)
    assert done.exit_code == 0, done.output
    assert Counter(column(house, "engine")) == {engine: 96}
    assert f"{engine}: {engine} 1 day\n" in done.stdout.replace("  ", "").replace(" \n", "\n")


def test_the_start_is_recorded_else_given(house: Path) -> None:
    with closing(sqlite3.connect(house / "darkstar.sqlite")) as db, db:
        (ratio,) = db.execute(
            "SELECT value FROM slot_observations WHERE channel = 'soc_start' AND slot_start = ?",
            [to_epoch(local_day(date(2025, 6, 2), ZONE)[0])],
        ).fetchone()
    done = simulate(house, "2025-06-02", "2025-06-03", "--start-soc", "4.5")
    assert f"{10.0 * ratio:.3f} kWh, recorded" in done.stdout
    assert column(house, "soc_start_kwh")[0] == pytest.approx(10.0 * ratio, abs=1e-12)
    with closing(sqlite3.connect(house / "darkstar.sqlite")) as db, db:
        db.execute("DELETE FROM slot_observations WHERE channel IN ('soc_start', 'soc_end')")
    db.close()
    done = simulate(house, "2025-06-02", "2025-06-03", "--start-soc", "4.5")
    assert "4.500 kWh, --start-soc" in done.stdout
    assert column(house, "soc_start_kwh")[0] == 4.5
    done = simulate(house, "2025-06-02", "2025-06-03")
    assert "5.000 kWh, half full" in done.stdout


# --- what cannot be -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "args", "code", "said"),
    [
        pytest.param(
            ("2025-06-03", "2025-06-02"), (), 2, "2025-06-02 is not after 2025-06-03", id="order"
        ),
        pytest.param(
            ("2025-06-03", "2025-06-03"), (), 2, "it is the day after the last one", id="empty"
        ),
        pytest.param((FIRST, END), ("--home", "villa"), 78, "no such home", id="home"),
        pytest.param((FIRST, END), ("--scenarios", "0"), 2, "--scenarios", id="no scenario"),
        pytest.param((FIRST, END), ("--seed", "-1"), 2, "--seed", id="seed"),
        pytest.param((FIRST, END), ("--workers", "0"), 2, "--workers", id="no worker"),
        pytest.param((FIRST, END), ("--engine", "best"), 2, "--engine", id="engine"),
        pytest.param((FIRST, END), ("--include", "exclude"), 2, "--include", id="include"),
        pytest.param((FIRST, END), ("--system-id", ""), 65, "1 to 64 characters", id="system"),
        pytest.param(
            (FIRST, END),
            ("--start-soc", "10.5"),
            2,
            "10.5 kWh lies outside the battery's window of 1 to 10 kWh; start inside it",
            id="start",
        ),
        pytest.param(
            (FIRST, END),
            ("--workers", "2", "--scheduler", "tcp://127.0.0.1:1"),
            2,
            "give --workers or --scheduler, not both",
            id="workers and scheduler",
        ),
        pytest.param(
            (FIRST, END), ("--scheduler", "nas"), 2, "is no address of a scheduler", id="scheduler"
        ),
        pytest.param(
            ("2026-06-01", "2026-06-03"),
            (),
            65,
            "no day to simulate; choose other days (load is known from 2024-12-31 to 2025-12-31)",
            id="no data",
        ),
        pytest.param(
            ("2026-06-01", "2026-06-03"),
            ("--all-days",),
            65,
            "skipped: 2026-06-01, 2026-06-02: load_kwh is not known throughout",
            id="no data, all days",
        ),
        pytest.param(
            ("2025-01-01", "2025-01-02"), (), 65, "skipped: 2025-01-01: too ", id="no history"
        ),
    ],
)
def test_what_cannot_be_is_told_and_writes_nothing(
    house: Path, days: tuple[str, str], args: tuple[str, ...], code: int, said: str
) -> None:
    before = (house / "darkstar.sqlite").read_bytes()
    done = simulate(house, *days, *args)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert all(not found for found in rows(house).values())
    assert (house / "darkstar.sqlite").read_bytes() == before


def test_a_home_without_battery_has_nothing_to_plan(house: Path) -> None:
    path = house / "config.yaml"
    text = re.sub(r"\n    battery:.*?\n\n", "\n", path.read_text("utf-8"), flags=re.DOTALL)
    path.write_text(text, "utf-8")
    done = simulate(house, FIRST, END)
    assert done.exit_code == 78
    assert "demo: the home has no battery, so there is nothing to plan" in done.stderr
    assert all(not found for found in rows(house).values())


def test_only_loading_kernels_is_told_as_such(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days that are passed by take their time, too: that is no compiling."""
    simulate(house, "2025-06-02", "2025-06-05")
    is_open = runners.simulate_scenario._Work._is_open

    def slow(work: runners.simulate_scenario._Work, task: DayTask) -> bool:
        time.sleep(0.3)
        return is_open(work, task)

    monkeypatch.setattr("runners.patience._LOADED_SECONDS", 0.5)
    monkeypatch.setattr(runners.simulate_scenario._Work, "_is_open", slow)
    again = simulate(house, "2025-06-02", "2025-06-05")
    assert "3 done before" in again.stderr
    assert "compiling" not in again.stderr
