"""``darkstar episodes``: tables, files, what is refused, and what is never deleted.

The store holds 3 x 4 simulated episodes of 1 to 3 June 2025 in two scenarios, of which the first
day's are mirrored, and those of one live plan.
"""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

import runners.episodes_export
from runners.cli import app
from sim.episode_format import read_episode
from telemetry.episode import Episode, EpisodeFilter
from telemetry.store import Store
from tests.runners.test_plan import NOW, make_folder, one_line, plan, stop_clock
from tests.sim.test_episode_format import CONTEXT, episode_of, plan_of
from tests.sim.test_planning import QUARTER

MIDNIGHT = datetime(2025, 5, 31, 22, tzinfo=UTC)
FIRST = date(2025, 6, 1)
SCENARIOS = ("0-recorded", "1-load-noise")
CLASSES = ("clean", "mask_battery", "")


def simulated(scenario: str, **changes: Any) -> list[Episode]:
    """Three days, each with the episodes of its first two slots."""
    made = plan_of()
    return [
        episode_of(
            replace(made, start=MIDNIGHT + day * timedelta(days=1) + slot * QUARTER),
            home_id="demo",
            scenario=scenario,
            local_day=FIRST + timedelta(days=day),
            context=replace(CONTEXT, quality_class=CLASSES[day]),
            **changes,
        )
        for day in range(3)
        for slot in range(2)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration and its store."""
    make_folder(tmp_path)
    with Store.open(tmp_path / "darkstar.sqlite", system_id="simulation") as store:
        for scenario in SCENARIOS:
            made = simulated(scenario)
            store.put_episodes("demo", made)
            store.mark_mirrored([(one.episode_id, one.content_hash) for one in made[:2]])
    return tmp_path


def episodes(folder: Path, *args: str) -> Result:
    """Run ``darkstar episodes``."""
    name, *rest = args
    config = ["--config", str(folder / "config.yaml")]
    return CliRunner().invoke(app, ["episodes", name, *config, *rest], env={"COLUMNS": "80"})


def stored(folder: Path) -> list[Episode]:
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        return list(store.episodes(EpisodeFilter()))


def others(folder: Path) -> set[str]:
    """Names of all files but the store's own."""
    return {path.name for path in folder.iterdir() if not path.name.startswith("darkstar.sqlite")}


def tables(folder: Path) -> bytes:
    """All rows of the three tables, as text."""
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        names = ("training_episodes", "episode_outbox", "simulated_days")
        found = [db.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names]  # noqa: S608
    db.close()
    return repr(found).encode()


# list


def test_list_has_a_row_for_each_series(folder: Path) -> None:
    result = episodes(folder, "list")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if line.split()[:1] == ["simulation"]]
    assert [(row[1], row[4], row[6]) for row in rows] == [
        ("0-recorded", "6", "4"),
        ("1-load-noise", "6", "4"),
    ]
    assert "episodes of demo" in result.stdout
    assert "8 to mirror, but no mirror is configured" in result.stdout


def test_list_as_json(folder: Path) -> None:
    result = episodes(folder, "list", "--scenario", "0-recorded", "--json", "-")
    (found,) = json.loads(result.stdout)["series"]
    assert (found["episodes"], found["waiting"]) == (6, 4)
    assert (found["first_day"], found["last_day"]) == ("2025-06-01", "2025-06-03")
    rows = [one for one in stored(folder) if one.scenario == "0-recorded"]
    texts = [
        (r.inputs_json, r.context_json, r.schedule_json, r.config_overrides_json) for r in rows
    ]
    assert found["json_bytes"] == sum(len(text) for row in texts for text in row)


def test_list_by_days(folder: Path) -> None:
    args = ("--start-date", "2025-06-02", "--end-date", "2025-06-02", "--json", "-")
    found = json.loads(episodes(folder, "list", *args).stdout)["series"]
    assert [one["episodes"] for one in found] == [2, 2]


def test_list_of_nothing_says_how_there_comes_something(tmp_path: Path) -> None:
    make_folder(tmp_path)
    result = episodes(tmp_path, "list")
    assert result.exit_code == 0, result.output
    assert "no episodes: darkstar plan records live ones" in result.stdout
    filtered = episodes(tmp_path, "list", "--scenario", "nope")
    assert filtered.stdout == "no episodes fit these filters\n"


def test_list_shows_a_long_scenario_whole(tmp_path: Path) -> None:
    make_folder(tmp_path)
    with Store.open(tmp_path / "darkstar.sqlite", system_id="simulation") as store:
        store.put_episodes("demo", simulated("1-load-noise-seed7"))
    lines = episodes(tmp_path, "list").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("1-load-noise-seed7" in line for line in lines)


# show


def test_show_by_the_beginning_of_an_id(folder: Path) -> None:
    wanted = stored(folder)[3]
    result = episodes(folder, "show", wanted.episode_id[:8])
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    flat = " ".join(result.stdout.split())
    assert f"episode {wanted.episode_id}" in flat
    assert f"demo, simulation, {wanted.scenario}, 0123456789abcdef" in flat
    assert "first slot cost 0.1235 (bill 0.1235)" in flat
    assert "changed pv_scale 1.25" in flat
    assert "vacation, alarm 0.250, unknown" in flat
    # 0.001 + ... + 0.095, the first one missing.
    assert "load 4.56 kWh (1 slots missing)" in flat
    # 1 June, a Sunday, from 00:15 in Stockholm to 00:15 of the next day, by the hour.
    assert sum("Sun " in line for line in result.stdout.splitlines()) == 24


def test_show_as_json_has_every_array(folder: Path) -> None:
    wanted = stored(folder)[0]
    result = episodes(folder, "show", wanted.episode_id, "--json", "-")
    found = json.loads(result.stdout)
    want = read_episode(wanted)
    assert found["import_price"] == want.import_price.tolist()
    assert found["charge_kwh"] == want.charge_kwh.tolist()
    assert found["observed_load_kwh"][0] is None
    assert found["context"]["alarm"] is None


def test_show_by_time(folder: Path) -> None:
    """Any moment within the slot; two scenarios start then, so one must be named."""
    at = "2025-06-02T00:20+02:00"
    result = episodes(folder, "show", "--at", at, "--scenario", "1-load-noise")
    assert result.exit_code == 0, result.output
    assert "2025-06-01 22:15Z of 2025-06-02" in result.stdout
    text = one_line(episodes(folder, "show", "--at", at), 65)
    assert text.startswith("2025-06-01T22:15Z")
    assert "2 start then; give one of" in text
    ids = [one.episode_id for one in stored(folder) if one.episode_start == MIDNIGHT + 97 * QUARTER]
    assert len(ids) == 2
    assert all(name in text for name in ids)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("show", "00000000"), 65, "00000000: no episode has an id that begins so"),
        (("show", "xyz1"), 65, "want 4 to 36 characters of 0-9 a-f and -"),
        (("show", "--at", "2030-01-01T00:00Z"), 65, "no such episode starts then"),
        (("list", "--start-date", "2025-06-03", "--end-date", "2025-06-01"), 2, "after the last"),
        (("export", "--out", "x", "--scenario", "9-none"), 65, "no episodes fit these filters"),
    ],
)
def test_what_is_not_there_is_one_line(
    folder: Path, args: tuple[str, ...], code: int, message: str
) -> None:
    assert message in one_line(episodes(folder, *args), code)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("show",), "give the id of an episode, or --at, not both"),
        (("show", "abcd", "--at", "2025-06-01T00:00Z"), "give the id of an episode, or --at"),
        (("show", "--at", "2025-06-01T00:00"), "has no UTC offset"),
        (
            ("export", "--out", "x", "--format", "csv"),
            "'csv' is not one of 'parquet', 'jsonl', 'minari'",
        ),
        (("export", "--out", "x", "--quality", "good"), "'good' is not one of"),
        (("prune",), "Missing option '--before'"),
        (("prune", "--before", "yesterday"), "is no date"),
    ],
)
def test_options_that_cannot_be_used(folder: Path, args: tuple[str, ...], message: str) -> None:
    result = episodes(folder, *args)
    assert result.exit_code == 2
    flat = " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.output).split())
    assert message in flat


# export


def test_parquet_holds_the_arrays(folder: Path) -> None:
    out = folder / "all.parquet"
    result = episodes(folder, "export", "--out", str(out), "--json", "-")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["episodes"] == 12
    table = pq.read_table(out)
    assert table.schema.metadata[b"schema"] == b"darkstar.episode/1"
    rows, kept = table.to_pylist(), stored(folder)
    assert [row["episode_id"] for row in rows] == [one.episode_id for one in kept]
    for row, episode in zip(rows, kept, strict=True):
        want = read_episode(episode)
        assert row["episode_start"] == episode.episode_start
        assert row["local_day"] == episode.local_day
        assert row["content_hash"] == episode.content_hash
        assert row["planned_cost"] == episode.planned_cost
        for name in ("import_price", "soc_kwh", "charge_kwh", "export_kwh", "energy_value_up"):
            assert row[name] == getattr(want, name).tolist()
        assert row["observed_pv_kwh"][0] is None
        assert row["observed_pv_kwh"][1:] == want.observed_pv_kwh[1:].tolist()
        assert row["alarm"] is None
        assert row["vacation"] == 0.25
        assert json.loads(row["changes"]) == {"pv_scale": 1.25}
        assert row["realised_cost"] == 0.1234567
        assert list(zip(row["terminal_soc_kwh"], row["terminal_price"], strict=True)) == list(
            want.terminal_curve
        )
    assert pq.ParquetFile(out).metadata.row_group(0).column(0).compression == "ZSTD"


def test_parquet_is_written_in_groups(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners.episodes_export, "_GROUP_ROWS", 5)
    out = folder / "all.parquet"
    assert episodes(folder, "export", "--out", str(out)).exit_code == 0
    file = pq.ParquetFile(out)
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [5, 5, 2]


def test_json_lines_are_the_rows_as_stored(folder: Path) -> None:
    out = folder / "clean.jsonl"
    args = ("--format", "jsonl", "--out", str(out), "--quality", "clean", "--quality", "unjudged")
    result = episodes(folder, "export", *args)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    kept = [one for one in stored(folder) if one.local_day != date(2025, 6, 2)]
    assert [line["episode_id"] for line in lines] == [one.episode_id for one in kept]
    for line, episode in zip(lines, kept, strict=True):
        assert line["inputs"] == json.loads(episode.inputs_json)
        assert line["schedule"] == json.loads(episode.schedule_json)
        assert line["context"]["quality_class"] in ("clean", "")
        assert line["config_overrides"] == {}
        assert line["episode_start"] == episode.episode_start.isoformat()
        assert line["realised_cost"] == 0.1234567


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_file_that_cannot_be_written_is_one_line(folder: Path, kind: str) -> None:
    out = folder / "no" / "folder" / "x"
    text = one_line(episodes(folder, "export", "--format", kind, "--out", str(out)), 73)
    assert "cannot be written" in text
    assert "name another place" in text


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_an_export_that_fails_leaves_what_stood_there(folder: Path, kind: str) -> None:
    """The last row is damaged."""
    out = folder / "old"
    out.write_text("old", "utf-8")
    last = stored(folder)[-1].episode_id
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        db.execute("UPDATE training_episodes SET planned_cost = 1 WHERE episode_id = ?", (last,))
    db.close()
    before = others(folder)
    text = one_line(episodes(folder, "export", "--format", kind, "--out", str(out)), 65)
    assert last in text
    assert "damaged" in text
    assert out.read_text("utf-8") == "old"
    assert others(folder) == before


def test_parquet_without_pyarrow_names_the_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    text = one_line(episodes(folder, "export", "--out", str(folder / "x")), 65)
    assert "pip install 'darkstar-energy[parquet]'" in text


# prune


def test_prune_only_says_what_would_go(folder: Path) -> None:
    before = tables(folder)
    result = episodes(folder, "prune", "--before", "2025-06-03")
    assert result.exit_code == 0, result.output
    assert "would delete 4 episodes before 2025-06-03" in result.stdout
    assert "4 stay: the mirror has not got them yet; no mirror is configured" in result.stdout
    assert "nothing was deleted; add --apply" in result.stdout
    assert tables(folder) == before


def test_prune_deletes_what_the_mirror_holds_and_nothing_else(folder: Path) -> None:
    kept = [one.episode_id for one in stored(folder) if one.local_day > FIRST]
    args = ("prune", "--before", "2025-06-03", "--apply", "--json", "-")
    found = json.loads(episodes(folder, *args).stdout)
    assert (found["deleted"], found["kept_unmirrored"], found["applied"]) == (4, 4, True)
    assert [one.episode_id for one in stored(folder)] == kept
    again = json.loads(episodes(folder, *args).stdout)
    assert (again["deleted"], again["kept_unmirrored"]) == (0, 4)


def test_prune_of_one_scenario(folder: Path) -> None:
    args = ("--before", "2025-07-01", "--scenario", "0-recorded", "--apply")
    assert episodes(folder, "prune", *args).exit_code == 0
    assert {one.scenario for one in stored(folder) if one.local_day == FIRST} == {"1-load-noise"}


def test_with_a_mirror_the_cure_is_to_run_it(folder: Path) -> None:
    server = {"host": "127.0.0.1", "user": "u", "password": "!secret mirror_password"}
    text = (folder / "config.yaml").read_text("utf-8")
    lines = "".join(f"  {key}: {value}\n" for key, value in server.items())
    (folder / "config.yaml").write_text(f"{text}\nmirror:\n{lines}", "utf-8")
    (folder / "secrets.yaml").write_text("mirror_password: s3cr3t\n", "utf-8")
    (folder / "secrets.yaml").chmod(0o600)
    result = episodes(folder, "prune", "--before", "2025-06-03")
    assert result.exit_code == 0, result.output
    assert "the mirror has not got them yet; run darkstar mirror" in result.stdout


def test_a_live_episode_is_listed_beside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)
    assert plan(folder, "--no-plot", "--soc-kwh", "5").exit_code == 0
    found = json.loads(episodes(folder, "list", "--json", "-").stdout)["series"]
    assert [(one["system_id"], one["scenario"], one["episodes"]) for one in found] == [
        ("dev", "live", 1),
        ("simulation", "0-recorded", 6),
        ("simulation", "1-load-noise", 6),
    ]
    result = episodes(folder, "show", "--at", "2025-06-12T13:29:59+02:00")
    assert result.exit_code == 0, result.output
    assert "not known" in result.stdout


@pytest.mark.integration
def test_as_a_process(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runners.episodes", "list", "--config", folder / "config.yaml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "1-load-noise" in done.stdout
