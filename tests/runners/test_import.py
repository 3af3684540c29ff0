"""``darkstar import``: what it stores, what it prints, how it ends."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import runners.import_
from runners.cli import app
from telemetry.csv_import import import_file
from telemetry.csv_report import ImportReport
from telemetry.errors import UnknownHomeError
from telemetry.store import Store

HOME_CSV = """\
slot_start_utc,slot_minutes,home_id,load_kwh,colour
2025-09-01T00:00:00Z,60,{home},1.0,red
2025-09-01T01:00:00Z,60,{home},,red
2025-09-01T02:00:00Z,60,{home},2.0,red
noon,60,{home},2.0,red
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert (
        CliRunner().invoke(app, ["init", "--config", str(tmp_path / "config.yaml")]).exit_code == 0
    )
    (tmp_path / "demo.csv").write_text(HOME_CSV.format(home="demo"), encoding="utf-8")
    (tmp_path / "other.csv").write_text(HOME_CSV.format(home="cabin"), encoding="utf-8")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return tmp_path


def imported(folder: Path, *args: str) -> Result:
    files = [str(folder / name) if name.endswith(".csv") else name for name in args]
    config = ["--config", str(folder / "config.yaml")]
    return CliRunner().invoke(app, ["import", *files, *config], env={"COLUMNS": "80"})


def test_table_rejected_rows_and_skipped_columns(folder: Path) -> None:
    result = imported(folder, "demo.csv")
    assert result.exit_code == 0, result.output
    assert "demo.csv: column colour skipped" in result.stdout
    assert "1 rows rejected" in result.stdout
    assert "line 5: " in result.stdout
    assert max(len(line) for line in result.stdout.splitlines() if "─" in line) <= 80
    # 3 good hours: one is empty, so 2 x 4 quarters or 3 x 4 with the gap noted.
    row = next(line for line in result.stdout.splitlines() if "demo.csv" in line)
    assert "4" in row.split()
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        assert store.home("demo").zone == "Europe/Stockholm"


def test_twice_is_once(folder: Path) -> None:
    first = folder / "first.json"
    second = folder / "second.json"
    assert imported(folder, "demo.csv", "--json", str(first)).exit_code == 0
    assert imported(folder, "demo.csv", "--json", str(second)).exit_code == 0
    written = [
        json.loads(path.read_text(encoding="utf-8"))["files"][0]["series"][0]["counts"]
        for path in (first, second)
    ]
    assert written[0]["inserted"] > 0
    assert (written[1]["inserted"], written[1]["updated"]) == (0, 0)
    assert written[1]["unchanged"] == written[0]["inserted"]


def test_unknown_home_is_imported_and_named(folder: Path) -> None:
    result = imported(folder, "other.csv", "--json", "-")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["homes_not_configured"] == ["cabin"]
    assert "to plan it add there" in result.stderr
    assert "cabin: {zone: ..." in result.stderr


@pytest.mark.parametrize(("bad", "code"), [("bad.csv", 65), ("absent.csv", 66)])
def test_refused_file_does_not_stop_the_others(folder: Path, bad: str, code: int) -> None:
    result = imported(folder, bad, "demo.csv", "--json", "-")
    assert result.exit_code == code
    report = json.loads(result.stdout)
    assert [Path(one["path"]).name for one in report["files"]] == ["demo.csv"]
    assert [Path(one["path"]).name for one in report["refused"]] == [bad]
    line = next(line for line in result.stderr.splitlines() if line.startswith("refused: "))
    assert bad in line


def test_a_crash_does_not_lose_the_report_of_files_before_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash_on_the_second(store: Store, path: Path, *args: Any, **kwargs: Any) -> ImportReport:
        if path.name == "other.csv":
            raise ZeroDivisionError("a bug")
        return import_file(store, path, *args, **kwargs)

    monkeypatch.setattr(runners.import_, "import_file", crash_on_the_second)
    report = folder / "report.json"
    result = imported(folder, "demo.csv", "bad.csv", "other.csv", "--json", str(report))
    assert isinstance(result.exception, ZeroDivisionError)
    assert "demo.csv: home, " in result.stdout
    assert "refused: " in result.stderr
    found = json.loads(report.read_text("utf-8"))
    assert [Path(one["path"]).name for one in found["files"]] == ["demo.csv"]


def test_weather_home_must_be_configured(folder: Path) -> None:
    result = imported(folder, "demo.csv", "--weather-home", "dem")
    assert result.exit_code == 78
    assert "no such home, known: demo; did you mean demo?" in result.stderr


def test_a_file_of_which_every_row_is_rejected_is_a_failure(folder: Path) -> None:
    """A job that runs every night must notice."""
    (folder / "bad.csv").write_text(
        "home_id,slot_start_utc,slot_minutes,load_kwh\ndemo,2025-08-01T00:00:00,60,0.4\n", "utf-8"
    )
    result = imported(folder, "bad.csv")
    assert result.exit_code == 65
    assert "line 2" in result.stdout


def test_without_configuration(tmp_path: Path) -> None:
    result = imported(tmp_path, "demo.csv")
    assert result.exit_code == 78
    assert "no such file; run `darkstar init`" in result.stderr
    assert result.stderr.count("\n") == 1


def legacy(path: Path) -> Path:
    """Write a learning database of an earlier Darkstar with a good row."""
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(
            "CREATE TABLE slot_observations (slot_start TEXT, slot_end TEXT, created_at TEXT, "
            "load_kwh REAL, soc_start_percent REAL, soc_end_percent REAL)"
        )
        conn.execute(
            "INSERT INTO slot_observations VALUES ('2025-11-03T13:00:00+01:00', "
            "'2025-11-03T13:15:00+01:00', '2025-11-03 12:16:00', 0.5, 50, 51)"
        )
        conn.commit()
    return path


@pytest.mark.parametrize("name", ["old.sqlite", "old.sqlite3", "old.db", "old"])
def test_a_learning_database_is_known_by_its_content(folder: Path, name: str) -> None:
    result = imported(folder, str(legacy(folder / name)), "demo.csv")
    assert result.exit_code == 0, result.output
    assert f"{name}: home, 1 rows, 0 rejected" in result.stdout
    assert "exactly 50 %" not in result.stdout  # 51 supports it
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        found = store.coverage("demo", "soc_end")
        assert found is not None
        assert found.count == 1


def test_a_learning_database_names_no_home(folder: Path) -> None:
    path, config = legacy(folder / "old.db"), folder / "config.yaml"
    text = config.read_text("utf-8")
    start = text.index("  demo:")
    block = text[start:].split("\n\n#")[0]
    config.write_text(text[:start] + block.replace("demo:", "cabin:", 1) + "\n" + text[start:])
    result = imported(folder, str(path))
    assert result.exit_code == 65
    assert "say whose it is with --home ID, known: cabin, demo" in result.stderr
    assert imported(folder, str(path), "--home", "hut").exit_code == 78
    assert imported(folder, str(path), "--home", "cabin").exit_code == 0
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        assert [home.home_id for home in store.homes()] == ["cabin"]


def test_a_home_is_not_given_to_csv_files(folder: Path) -> None:
    before = imported(folder, str(legacy(folder / "old.db")), "other.csv", "--home", "demo")
    assert before.exit_code == 2
    assert "other.csv -> is no database; a CSV file names its homes itself" in before.stderr
    assert "old.db ->" not in before.stderr
    assert not (folder / "darkstar.sqlite").exists()
    assert imported(folder, "absent.csv", "--home", "demo").exit_code == 66


def test_a_home_without_data_is_told_every_way_to_bring_them() -> None:
    want = r"\(darkstar record or backfill, or darkstar import FILE\)$"
    with pytest.raises(UnknownHomeError, match=want), Store.open("sqlite://") as store:
        store.home("villa")


def test_the_own_store_is_no_file_to_import(folder: Path) -> None:
    assert imported(folder, "demo.csv").exit_code == 0
    result = imported(folder, str(folder / "darkstar.sqlite"))
    assert result.exit_code == 65
    assert "is a store of this Darkstar" in result.stderr
