"""``darkstar plan``: files, exit codes, the state it starts from, and what it keeps to itself.

The store holds 1 to 14 June 2025 of the house of ``tests.sim.test_planning``, which repeats itself
every local day. Most plans are made on Thursday the 12th at 13:20 in Stockholm, when the prices of
Friday are five minutes old.
"""

import hashlib
import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

import runners.plan
import runners.plan_report
from mpc import Plan
from runners.cli import app
from runners.config import load_config
from telemetry.slots import to_epoch
from telemetry.store import Store
from tests.sim.test_planning import fill, load_of, new_store, put_price_day

NOW = datetime(2025, 6, 12, 11, 20, tzinfo=UTC)
AT = "2025-06-12T13:20+02:00"
PNG = b"\x89PNG\r\n\x1a\n"


@cache
def template() -> str:
    """Return the configuration that ``darkstar init`` writes."""
    return (Path(runners.plan.__file__).parent / "templates" / "config.yaml").read_text("utf-8")


@cache
def june() -> bytes:
    """Return the store of the demo home of the template, 1 to 14 June 2025."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(template(), "utf-8")
        home = load_config(folder / "config.yaml").home("demo")
        path = new_store(folder / "darkstar.sqlite")
        with Store.open(path, system_id="dev") as store, store.transaction():
            fill(store, home, date(2025, 6, 1), date(2025, 6, 15))
        return path.read_bytes()


def make_folder(
    folder: Path,
    *,
    top: dict[str, Any] | None = None,
    home: dict[str, Any] | None = None,
    home_id: str = "demo",
) -> Path:
    """Write the template as config.yaml, and its store; ``None`` as a value removes a key."""
    raw = yaml.safe_load(template()) | (top or {})
    house = raw["homes"].pop("demo") | (home or {})
    raw["homes"][home_id] = {key: value for key, value in house.items() if value is not None}
    (folder / "config.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    (folder / "darkstar.sqlite").write_bytes(june())
    return folder / "config.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    return tmp_path


def plan(folder: Path, *args: str) -> Result:
    """Run ``darkstar plan`` on the folder's configuration, results in its ``out``."""
    common = ["--config", str(folder / "config.yaml"), "--out", str(folder / "out")]
    return CliRunner().invoke(app, ["plan", *common, *args], env={"COLUMNS": "80"})


def looked_back(folder: Path, *args: str) -> Result:
    """Plan at 13:20 from 5 kWh, without a picture."""
    return plan(folder, "--at", AT, "--no-plot", "--soc-kwh", "5", *args)


def as_process(folder: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m runners.plan`` at 13:20."""
    common = ["--config", str(folder / "config.yaml"), "--out", str(folder / "out"), "--at", AT]
    return subprocess.run(
        [sys.executable, "-m", "runners.plan", *common, *args],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def schedule(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "schedule.json").read_text("utf-8"))
    return found


def rows(folder: Path) -> dict[str, int]:
    """Count the rows of every table."""
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {n: db.execute(f"SELECT count(*) FROM {n}").fetchone()[0] for n in names}  # noqa: S608
    db.close()
    return counts


def put_soc(folder: Path, slot_start: datetime, ratio: float) -> None:
    """Record the state of charge at the end of a slot."""
    with Store.open(folder / "darkstar.sqlite") as store:
        start = np.array([to_epoch(slot_start)], dtype=np.int64)
        store.put_observations(
            "demo", "soc_end", start, np.array([ratio]), known_at=start + 900, provenance="live"
        )


def one_line(result: Result, code: int) -> str:
    """Return the only line, beside a job's summary, of a command that ended in a known error."""
    assert result.exit_code == code, (result.exception, result.output)
    assert "Traceback" not in result.output
    lines = [line for line in result.stderr.splitlines() if not line.startswith("job=")]
    assert len(lines) == 1
    assert result.stdout == ""
    return lines[0] + "\n"


def stop_clock(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Let ``runners.plan`` believe that it is ``moment``."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return moment.astimezone(tz)

    monkeypatch.setattr(runners.plan, "datetime", Stopped)


# What it writes


def test_schedule_and_picture(folder: Path) -> None:
    before = datetime.now(UTC)
    result = plan(folder, "--at", AT, "--soc-kwh", "5")
    assert result.exit_code == 0, result.output
    found = schedule(folder)
    assert found["schema"] == "darkstar.schedule/1"
    assert (found["home_id"], found["system_id"]) == ("demo", "dev")
    assert before <= datetime.fromisoformat(found["generated_at"]) <= datetime.now(UTC)
    assert found["inputs_as_of"] == "2025-06-12T11:20:00Z"
    # Two hours on come before the end of Friday's prices (22:00 UTC) and of the plan.
    assert found["valid_until"] == "2025-06-12T13:20:00Z"
    assert found["prices_until"] == "2025-06-13T22:00:00Z"
    assert (found["look_back"], found["fit_for_control"]) == (True, False)
    assert found["reasons"] == ["a look back at 2025-06-12T11:20:00Z, not made live"]
    assert found["safe_action"] == "self_use"
    assert (found["soc_start_kwh"], found["soc_source"]) == (5.0, "--soc-kwh")
    assert found["certificate"]["status"] == "optimal"
    slots = found["slots"]
    assert len(slots) == 192
    assert (slots[0]["start"], slots[-1]["end"]) == ("2025-06-12T11:15:00Z", "2025-06-14T11:15:00Z")
    # 11:15 to 22:00 of the next day: 34.75 h.
    assert sum(slot["price_published"] for slot in slots) == 139
    # 13:15 is quarter 53 of the wall clock: 0.1253 EUR at 11, fees and VAT of the template.
    assert slots[0]["load_kwh"] == pytest.approx(load_of(53))
    assert slots[0]["import_price"] == pytest.approx((1.3783 + 0.2456 + 0.439) * 1.25)
    assert slots[0]["export_price"] == pytest.approx(1.3783 + 0.60)
    picture = (folder / "out" / "plan.png").read_bytes()
    assert picture.startswith(PNG)
    assert len(picture) > 10_000


def test_no_plot_draws_none(folder: Path) -> None:
    result = looked_back(folder)
    assert result.exit_code == 0, result.output
    assert [path.name for path in (folder / "out").iterdir()] == ["schedule.json"]
    assert "plan.png" not in result.stdout


def test_table_and_summary(folder: Path) -> None:
    result = looked_back(folder)
    # 13:15 Thursday to 13:15 Saturday: 48 rows of an hour and one of the first quarter's hour.
    hours = [
        line for line in result.stdout.splitlines() if line.lstrip()[:3] in ("Thu", "Fri", "Sat")
    ]
    assert len(hours) == 49
    assert max(map(len, result.stdout.splitlines())) <= 80
    flat = " ".join(result.stdout.split())
    assert "stored at start 5.000 kWh, --soc-kwh" in flat
    assert "published until 2025-06-13 22:00Z, then the day before's" in flat
    assert "optimal: no plan is cheaper on these inputs" in flat


def test_explain_has_a_sentence_for_every_slot(folder: Path) -> None:
    result = looked_back(folder, "--explain")
    assert sum("+0200 " in line for line in result.stdout.splitlines()) == 192


def test_json_to_a_file(folder: Path) -> None:
    result = looked_back(folder, "--json", str(folder / "result.json"))
    assert result.exit_code == 0, result.output
    found = json.loads((folder / "result.json").read_text("utf-8"))
    comparison, seconds = found.pop("comparison"), found.pop("solve_seconds")
    assert found == schedule(folder)
    assert seconds > 0.0
    assert set(comparison) == {"no_battery", "self_consumption", "plan"}
    assert comparison["plan"] <= min(comparison["no_battery"], comparison["self_consumption"])


def test_json_to_stdout_has_it_alone(folder: Path) -> None:
    result = looked_back(folder, "--json", "-")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["slots"]) == 192
    assert "stored at start" in result.stderr


def test_the_same_facts_give_the_same_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apart from the wall clock, which is held."""
    stop_clock(monkeypatch, NOW + timedelta(days=300))
    plan(folder, "--at", AT, "--soc-kwh", "5")
    first = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    plan(folder, "--at", "2025-06-12T11:20Z", "--soc-kwh", "5")
    second = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    assert sorted(first) == ["plan.png", "schedule.json"]
    assert first["schedule.json"] == second["schedule.json"]
    assert first["plan.png"] == second["plan.png"]


def test_a_look_back_from_before_the_news_is_not_fit_for_long(folder: Path) -> None:
    # At 23:30 without tomorrow's prices the schedule ends with the day, half an hour on. The
    # store's last day is the 14th.
    result = plan(folder, "--at", "2025-06-14T21:30Z", "--no-plot", "--soc-kwh", "5")
    assert result.exit_code == 0, result.output
    assert schedule(folder)["valid_until"] == "2025-06-14T22:00:00Z"
    result = plan(folder, "--at", "2025-06-14T22:00Z", "--no-plot", "--soc-kwh", "5")
    assert result.exit_code == 0, result.output
    found = schedule(folder)
    assert found["fit_for_control"] is False
    assert "published until 2025-06-14T22:00:00Z only" in found["reasons"][1]


def test_the_out_folder_must_be_one(folder: Path) -> None:
    (folder / "out").write_text("a file", "utf-8")
    result = looked_back(folder)
    assert result.exit_code == 73
    assert "cannot be made a folder" in result.stderr


def test_old_readings_are_no_basis_for_control(folder: Path) -> None:
    """Two days after the last reading: planned, and called unfit on the screen as in the file."""
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        reach = store.coverage("demo", "load_kwh")
    assert reach is not None
    at = (reach.last + timedelta(minutes=15, hours=49)).isoformat()
    result = plan(folder, "--at", at, "--no-plot", "--soc-kwh", "5")
    assert result.exit_code == 0, result.output
    assert any("49 h old" in reason for reason in schedule(folder)["reasons"])
    assert "not for control" in result.stdout


def test_without_matplotlib_there_is_a_plan_and_no_picture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners.plan_report, "find_spec", lambda name: None)  # noqa: ARG005
    result = plan(folder, "--at", AT, "--soc-kwh", "5")
    assert result.exit_code == 0, result.output
    assert "no picture: it needs the extra `plot`" in " ".join(result.stdout.split())
    assert not (folder / "out" / "plan.png").exists()


# The state it starts from


def test_no_state_of_charge(folder: Path) -> None:
    line = one_line(plan(folder, "--at", AT, "--no-plot"), 65)
    assert "no state of charge was recorded in the 24 hours before 2025-06-12 11:20Z" in line
    assert line.rstrip().endswith("give --soc-kwh or --soc-percent")
    assert not (folder / "out").exists()


def test_no_state_of_charge_beside_a_home_assistant(folder: Path) -> None:
    config = folder / "config.yaml"
    there = "    home_assistant: {url: 'http://ha:8123', token: abcdefghijklmnopqrstuvwxyz}\n"
    text = config.read_text("utf-8").replace("    zone: ", f"{there}    zone: ", 1)
    config.write_text(text, "utf-8")
    line = one_line(plan(folder, "--at", AT, "--no-plot"), 65)
    assert "--soc-percent, or run darkstar record (of the past: darkstar backfill)" in line


@pytest.mark.parametrize(
    ("now", "source"),
    [
        # Known at its end, 11:15: five minutes old.
        pytest.param(NOW, "recorded at 2025-06-12 11:15Z (live)", id="fresh"),
        pytest.param(NOW + timedelta(minutes=25), "recorded at 2025-06-12 11:15Z", id="30 minutes"),
    ],
)
def test_a_fresh_state_of_charge_is_used(folder: Path, now: datetime, source: str) -> None:
    put_soc(folder, datetime(2025, 6, 12, 11, 0, tzinfo=UTC), 0.37)
    result = plan(folder, "--at", now.isoformat(), "--no-plot")
    assert result.exit_code == 0, result.output
    assert f"stored at start 3.700 kWh, {source}" in " ".join(result.stdout.split())
    assert schedule(folder)["soc_start_kwh"] == pytest.approx(3.7)
    assert schedule(folder)["soc_source"].startswith(source)


def test_a_state_of_charge_that_was_not_known_yet_is_not_used(folder: Path) -> None:
    put_soc(folder, datetime(2025, 6, 12, 11, 0, tzinfo=UTC), 0.37)
    now = datetime(2025, 6, 12, 11, 14, tzinfo=UTC)
    line = one_line(plan(folder, "--at", now.isoformat(), "--no-plot"), 65)
    assert "no state of charge was recorded" in line


def test_options_outrank_the_record(folder: Path) -> None:
    put_soc(folder, datetime(2025, 6, 12, 11, 0, tzinfo=UTC), 0.37)
    result = plan(folder, "--at", AT, "--no-plot", "--soc-percent", "80")
    assert result.exit_code == 0, result.output
    # 80 % of the template's 10 kWh.
    assert (schedule(folder)["soc_start_kwh"], schedule(folder)["soc_source"]) == (
        8.0,
        "--soc-percent",
    )


def test_an_empty_battery_is_a_state(folder: Path) -> None:
    result = plan(folder, "--at", AT, "--no-plot", "--soc-kwh", "0")
    assert result.exit_code == 0, result.output
    assert schedule(folder)["soc_start_kwh"] == 0.0


def test_more_than_the_battery_holds(folder: Path) -> None:
    line = one_line(plan(folder, "--at", AT, "--no-plot", "--soc-kwh", "50"), 65)
    assert "soc_kwh is 50.0, want stored energy in kWh between 0 and capacity_kwh = 10.0" in line


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--soc-kwh", "5", "--soc-percent", "50"], "not both"),
        (["--soc-percent", "101"], "--soc-percent"),
        (["--soc-kwh", "-1"], "--soc-kwh"),
        (["--at", "2025-06-12T13:20"], "no UTC offset; add Z or +02:00"),
    ],
)
def test_options_that_cannot_be_used(folder: Path, args: list[str], message: str) -> None:
    result = plan(folder, *args)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (folder / "out").exists()


# Homes and facts


def test_an_unknown_home_lists_those_there_are(folder: Path) -> None:
    line = one_line(looked_back(folder, "--home", "demmo"), 78)
    assert "demmo -> no such home, known: demo; did you mean demo?" in line


def test_a_home_never_imported(tmp_path: Path) -> None:
    make_folder(tmp_path, home_id="cabin")
    line = one_line(looked_back(tmp_path), 65)
    assert "no home 'cabin' in the store" in line


def test_an_area_without_prices_is_one_line(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"area": "se1"})
    line = one_line(looked_back(tmp_path), 65)
    assert "no prices of area SE1 were known" in line
    assert "import them (darkstar import FILE), or correct `area`" in line


def test_a_currency_without_rate_is_one_line(tmp_path: Path) -> None:
    make_folder(tmp_path, top={"exchange_rates": {"USD": 9.0}})
    line = one_line(looked_back(tmp_path), 65)
    assert "prices of SE4 are in EUR, the home pays in SEK" in line
    assert "exchange_rates: {EUR: ...}" in line


def test_too_little_history_is_one_line(folder: Path) -> None:
    line = one_line(plan(folder, "--at", "2025-06-01T08:00Z", "--no-plot", "--soc-kwh", "5"), 65)
    assert "no load_kwh at 10:00 local time (Europe/Stockholm)" in line


def test_a_home_without_area(tmp_path: Path) -> None:
    make_folder(tmp_path, home={"area": None})
    line = one_line(looked_back(tmp_path), 78)
    assert "homes.demo.area -> missing; the area of its prices, e.g. se4" in line


@pytest.fixture
def paired(tmp_path: Path) -> Path:
    """The same house in New York, paired with the prices by its wall clock."""
    pairing = {"zone": "Europe/Stockholm"}
    make_folder(tmp_path, home={"zone": "America/New_York", "price_pairing": pairing})
    return tmp_path


# 13:20 in New York, when Friday's prices are five minutes old there.
NEW_YORK = ("--at", "2025-06-12T13:20-04:00", "--no-plot", "--soc-kwh", "5")


def test_a_paired_home_is_planned_by_its_own_clock(paired: Path) -> None:
    result = plan(paired, *NEW_YORK)
    assert result.exit_code == 0, result.output
    # Midnight after Friday in New York.
    assert schedule(paired)["prices_until"] == "2025-06-14T04:00:00Z"


def test_a_paired_plan_says_that_its_prices_are_a_synthetic_pairing(paired: Path) -> None:
    """As ``sim.pairing`` promises for wherever such results are reported."""
    result = plan(paired, *NEW_YORK)
    assert "synthetic pairing" in " ".join(result.stdout.split())


# Live, and not


def test_a_look_back_writes_nothing_to_the_store(folder: Path) -> None:
    before = hashlib.sha256((folder / "darkstar.sqlite").read_bytes()).hexdigest()
    counts = rows(folder)
    assert looked_back(folder).exit_code == 0
    assert rows(folder) == counts
    assert counts["plans"] == counts["forecasts"] == 0
    assert hashlib.sha256((folder / "darkstar.sqlite").read_bytes()).hexdigest() == before


def test_a_live_plan_is_kept_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)
    counts = rows(folder)
    for _ in range(2):
        result = plan(folder, "--no-plot", "--soc-kwh", "5")
        assert result.exit_code == 0, result.output
    episode = {"training_episodes": 1, "episode_outbox": 1}
    assert rows(folder) == {**counts, "plans": 1, "plan_fitness": 1, "forecasts": 2, **episode}
    with Store.open(folder / "darkstar.sqlite", system_id="dev", read_only=True) as store:
        stored = store.plan("demo", as_of=NOW)
        load = store.forecast("demo", "load_kwh", "baseline", as_of=NOW)
        assert store.plan("demo", as_of=NOW - timedelta(seconds=1)) is None
    assert stored is not None
    assert load is not None
    assert (stored.scenario, stored.issued_at) == ("live", NOW)
    assert stored.start == datetime(2025, 6, 12, 11, 15, tzinfo=UTC)
    assert stored.end - stored.start == timedelta(hours=48)
    saved = Plan.from_json(stored.plan_json)
    assert saved.soc_kwh.tolist() == [slot["soc_kwh"] for slot in schedule(folder)["slots"]]
    np.testing.assert_array_equal(load.values, saved.load_kwh)


def test_a_live_plan_of_the_next_minute_is_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in (0, 1):
        stop_clock(monkeypatch, NOW + timedelta(minutes=minute))
        assert plan(folder, "--no-plot", "--soc-kwh", "5").exit_code == 0
    found = rows(folder)
    assert (found["plans"], found["forecasts"]) == (2, 4)


def test_a_failed_live_plan_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)
    counts = rows(folder)
    one_line(plan(folder, "--no-plot", "--soc-kwh", "50"), 65)
    assert rows(folder) == counts


def test_a_live_plan_and_a_look_back_at_its_moment_agree(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, NOW)
    plan(folder, "--no-plot", "--soc-kwh", "5")
    live = schedule(folder)
    assert live["generated_at"] == live["inputs_as_of"] == "2025-06-12T11:20:00Z"
    assert (live["look_back"], live["fit_for_control"], live["reasons"]) == (False, True, [])
    looked_back(folder)
    back = schedule(folder)
    differs = {key for key in live if back[key] != live[key]}
    assert differs == {"look_back", "fit_for_control", "reasons"}


def test_a_look_back_does_not_overwrite_the_live_schedule(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    stop_clock(monkeypatch, NOW)
    runner, common = CliRunner(), ["plan", "--no-plot", "--soc-kwh", "5"]
    assert runner.invoke(app, common).exit_code == 0
    live = (folder / "out" / "schedule.json").read_bytes()
    assert runner.invoke(app, [*common, "--at", "2025-06-11T13:20:30+02:00"]).exit_code == 0
    assert (folder / "out" / "schedule.json").read_bytes() == live
    assert (folder / "out" / "at-20250611T112030Z" / "schedule.json").exists()


# Currencies


def test_a_home_in_euro_pays_prices_in_the_top_currency(tmp_path: Path) -> None:
    # 0.1253 EUR are stored; of a home in SEK under EUR at the top, 1 SEK is 1/11 EUR.
    top = {"currency": "EUR", "exchange_rates": {"SEK": 1 / 11}}
    make_folder(tmp_path, top=top, home={"currency": "SEK"})
    assert looked_back(tmp_path).exit_code == 0
    want = (11 * 0.1253 + 0.2456 + 0.439) * 1.25
    assert schedule(tmp_path)["slots"][0]["import_price"] == pytest.approx(want)


def test_a_home_whose_currency_has_no_rate_may_pay_prices_in_it(tmp_path: Path) -> None:
    make_folder(tmp_path, top={"exchange_rates": {"USD": 9.0}}, home={"currency": "EUR"})
    assert looked_back(tmp_path).exit_code == 0
    want = (0.1253 + 0.2456 + 0.439) * 1.25
    assert schedule(tmp_path)["slots"][0]["import_price"] == pytest.approx(want)


def test_of_prices_in_two_currencies_one_is_preferred(folder: Path) -> None:
    with Store.open(folder / "darkstar.sqlite") as store:
        put_price_day(
            store, date(2025, 6, 12), currency="SEK", source="other", value=lambda *_: 0.5
        )
    assert looked_back(folder).exit_code == 0  # the home's own
    own = (0.5 + 0.2456 + 0.439) * 1.25
    assert schedule(folder)["slots"][0]["import_price"] == pytest.approx(own)
    for currency, spot in (("SEK", 0.5), ("EUR", 1.3783)):
        text = template().replace("    # price_currency: EUR ", f"    price_currency: {currency} ")
        (folder / "config.yaml").write_text(text, "utf-8")
        assert looked_back(folder).exit_code == 0
        want = (spot + 0.2456 + 0.439) * 1.25
        assert schedule(folder)["slots"][0]["import_price"] == pytest.approx(want)


# Secrets


@pytest.fixture
def far_store(tmp_path: Path) -> Path:
    """A configuration whose store is a MariaDB that is not there, with a password."""
    url = "mysql+pymysql://darkstar:${db_password}@127.0.0.1:9/darkstar"
    make_folder(tmp_path, top={"store": {"url": url}})
    (tmp_path / "secrets.yaml").write_text("db_password: hush-7391\n", "utf-8")
    (tmp_path / "secrets.yaml").chmod(0o600)
    return tmp_path


@pytest.mark.integration
def test_a_password_is_never_shown(far_store: Path) -> None:
    """Not even in the traceback of an error that nobody expected."""
    done = as_process(far_store, "--soc-kwh", "5", "--json", "-")
    assert done.returncode not in (0, 2, 78)
    assert done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_a_store_out_of_reach_is_one_line(far_store: Path) -> None:
    """Without pymysql the extra is named; with it the server does not answer."""
    result = looked_back(far_store)
    assert result.exit_code in (65, 69), repr(result.exception)
    assert result.stderr.count("\n") == 1
    assert "hush" not in result.stderr


def test_a_secret_place_does_not_reach_the_results(tmp_path: Path) -> None:
    make_folder(tmp_path, top={"store": {"url": "${place}"}})
    (tmp_path / "secrets.yaml").write_text("place: hush-7391.sqlite\n", "utf-8")
    (tmp_path / "darkstar.sqlite").rename(tmp_path / "hush-7391.sqlite")
    result = looked_back(tmp_path, "--json", str(tmp_path / "result.json"))
    assert result.exit_code == 0, result.output
    written = [tmp_path / "result.json", *(tmp_path / "out").iterdir()]
    assert len(written) == 2
    assert "hush" not in result.output + "".join(path.read_text("utf-8") for path in written)


# The real thing


@pytest.mark.integration
def test_as_a_process(folder: Path) -> None:
    done = as_process(folder, "--soc-percent", "50", "--no-plot", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["soc_start_kwh"] == 5.0
    assert (folder / "out" / "schedule.json").exists()


@pytest.mark.integration
def test_as_a_process_without_facts(folder: Path) -> None:
    done = as_process(folder)
    assert done.returncode == 65
    assert done.stderr.count("\n") == 1
    assert "give --soc-kwh or --soc-percent" in done.stderr
