"""``darkstar replay``: sums that add up, rows that stand once, errors in a line, numba left alone.

The store holds 1 to 14 June 2025 of a house whose load and PV differ from day to day; the 11th and
12th are replayed, and the 13th says what is left in the battery is worth.
"""

import json
import math
import sqlite3
import tempfile
import time
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from runners.cli import app
from runners.config import load_config
from runners.replay_names import DispatchName, PolicyName
from sim.replay import Dispatch, Policy
from telemetry.channels import Quality
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import to_epoch
from telemetry.store import Store
from tests.runners.test_plan import make_folder, template
from tests.runners.test_replay_report import fields
from tests.sim.test_planning import load_of, midnight, new_store, put_prices, pv_of, slots_of, wall
from tests.test_floors import loaded

FIRST, LAST, AFTER = date(2025, 6, 1), date(2025, 6, 15), date(2025, 6, 13)
DAYS = ("--start-date", "2025-06-11", "--end-date", "2025-06-12")
ALL = [f"--policy={name}" for name in PolicyName]
PNG = b"\x89PNG\r\n\x1a\n"
HOURLY = int(Quality.RESAMPLED | Quality.HOURLY)


@cache
def june(quality: int = 0, *, load: bool = True, asleep: int = 0) -> bytes:
    """Return the store: the wall clock's load and PV, each day with a factor of its own.

    Args:
        quality: of the load.
        load: whether there is any.
        asleep: quarters from 20:00 on for which PV is missing every evening.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(template(), "utf-8")
        home = load_config(folder / "config.yaml").home("demo")
        moments = slots_of(midnight(FIRST), midnight(LAST))
        starts = np.array([to_epoch(moment) for moment in moments], dtype=np.int64)
        clock = [wall(moment) for moment in moments]
        rng = np.random.default_rng(4)
        factor = {
            (channel, day): rng.uniform(0.4, 1.8)
            for channel in ("load_kwh", "pv_kwh")
            for day in sorted({day for day, _, _ in clock})
        }
        path = new_store(folder / "darkstar.sqlite")
        with Store.open(path, system_id="dev") as store, store.transaction():
            store.put_home(home)
            put_prices(store, FIRST, LAST)
            for channel, value in (("load_kwh", load_of), ("pv_kwh", pv_of)):
                if channel == "load_kwh" and not load:
                    continue
                gone = range(80, 80 + asleep if channel == "pv_kwh" else 80)
                values = [
                    math.nan if quarter in gone else factor[channel, day] * value(quarter)
                    for day, quarter, _ in clock
                ]
                store.put_observations(
                    "demo",
                    channel,
                    starts,
                    np.array(values),
                    known_at=starts + 900,
                    provenance="import",
                    quality=quality if channel == "load_kwh" else 0,
                )
        return path.read_bytes()


def make_house(folder: Path, store: bytes | None = None, **home: Any) -> Path:
    """Write configuration and store."""
    make_folder(folder, home=home)
    (folder / "darkstar.sqlite").write_bytes(june() if store is None else store)
    return folder


@pytest.fixture
def house(tmp_path: Path) -> Path:
    return make_house(tmp_path)


def replay(folder: Path, *args: str, days: tuple[str, ...] = DAYS) -> Result:
    """Run ``darkstar replay`` on the folder, results in its ``out``."""
    common = ["--config", str(folder / "config.yaml"), "--out", str(folder / "out")]
    return CliRunner().invoke(app, ["replay", *common, *days, *args], env={"COLUMNS": "80"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Every policy, two dispatches; compiles the kernels for all tests that follow."""
    folder = make_house(tmp_path_factory.mktemp("replay"))
    argv = ["--json", str(folder / "result.json"), "--dispatch=setpoint", "--dispatch=value"]
    return folder, replay(folder, *ALL, *argv)


@pytest.fixture(scope="module")
def result(made: tuple[Path, Result]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made[0] / "result.json").read_text("utf-8"))
    return found


def rows(folder: Path) -> list[tuple[object, ...]]:
    """Return every row of both tables."""
    db = sqlite3.connect(folder / "darkstar.sqlite")
    found = [
        row
        for table in ("replays", "replay_slots")
        for row in db.execute(f"SELECT * FROM {table} ORDER BY replay_id, home_id")  # noqa: S608
    ]
    db.close()
    return found


def run_of(result: dict[str, Any], policy: str, dispatch: str | None = None) -> dict[str, Any]:
    """Return one run."""
    (found,) = (
        run for run in result["runs"] if (run["policy"], run["dispatch"]) == (policy, dispatch)
    )
    return dict(found)


def test_every_policy_runs_and_those_that_plan_with_every_dispatch(
    made: tuple[Path, Result], result: dict[str, Any]
) -> None:
    assert made[1].exit_code == 0, made[1].output
    assert [(run["policy"], run["dispatch"]) for run in result["runs"]] == [
        ("no_battery", None),
        ("self_use", None),
        ("plan", "setpoint"),
        ("plan", "value"),
        ("storage", "setpoint"),
        ("storage", "value"),
        ("rolling_oracle", "value"),
        ("oracle", None),
    ]
    assert (result["days"], result["slots"], result["soc_start_kwh"]) == (2, 192, 5.0)


def test_costs_are_the_sums_of_their_parts_and_days(result: dict[str, Any]) -> None:
    for run in result["runs"]:
        spent = run["bill"] + run["wear"] + run["penalty"]
        assert run["cost"] == pytest.approx(spent - run["stored_value_gained"], abs=1e-9)
        assert run["cost_per_day"] == pytest.approx(run["cost"] / 2)
        assert [day["local_date"] for day in run["days"]] == ["2025-06-11", "2025-06-12"]
        for name in ("bill", "wear", "penalty", "charge_kwh", "import_kwh", "regret"):
            days = math.fsum(day[name] for day in run["days"])
            assert run[name] == pytest.approx(days, abs=1e-9), name


def test_regret_and_share_are_counted_from_oracle_and_no_battery(result: dict[str, Any]) -> None:
    least, most = result["oracle_cost"], result["no_battery_cost"]
    assert run_of(result, "oracle")["cost"] == pytest.approx(least)
    assert run_of(result, "no_battery")["cost"] == pytest.approx(most)
    for run in result["runs"]:
        assert run["regret"] == pytest.approx(run["cost"] - least, abs=1e-6)
        assert run["share_of_gain"] == pytest.approx((most - run["cost"]) / (most - least))
        assert run["cost"] >= least - 1e-6
    assert run_of(result, "storage", "value")["regret"] > 0.01, "the house is no riddle"


def test_the_ledger_is_that_of_the_first_plan_and_adds_up(result: dict[str, Any]) -> None:
    ledger = result["ledger"]
    first = result["runs"][ledger["run"]]
    assert (first["policy"], first["dispatch"], ledger["orders"]) == ("plan", "setpoint", 1)
    parts = ("dispatch", "load", "pv", "remainder")
    assert ledger["total"] == pytest.approx(first["regret"], abs=1e-9)
    for place, day in enumerate(ledger["days"]):
        assert day["total"] == pytest.approx(math.fsum(day[part] for part in parts), abs=1e-9)
        assert day["total"] == pytest.approx(first["days"][place]["regret"], abs=1e-9)
    for name in ("total", *parts):
        assert ledger[name] == pytest.approx(math.fsum(day[name] for day in ledger["days"]))
    value = run_of(result, "plan", "value")["regret"]
    assert ledger["dispatch"] == pytest.approx(ledger["total"] - value, abs=1e-9)


def test_the_report_fits_80_columns_and_says_what_ran(made: tuple[Path, Result]) -> None:
    text = made[1].output
    assert "2025-06-11 to 2025-06-12, 2 days, 192 slots; Europe/Stockholm" in text
    for said in (
        "storage setpoint",
        "rolling_oracle",
        "PV forecast",
        "Thu 2025-06-12",
        "half full",
    ):
        assert said in text
    tables = [line for line in text.splitlines() if "picture:" not in line]
    assert max(map(len, tables)) <= 80
    assert "…" not in text
    assert "bridged" not in text
    assert "held flat" not in text
    assert "exclude" not in text


def test_the_picture_is_drawn(made: tuple[Path, Result]) -> None:
    picture = (made[0] / "out" / "replay.png").read_bytes()
    assert picture.startswith(PNG)
    assert len(picture) > 20_000


def test_the_store_keeps_what_the_report_says(
    made: tuple[Path, Result], result: dict[str, Any]
) -> None:
    with Store.open(made[0] / "darkstar.sqlite", system_id="dev") as store:
        kept = {replay.replay_id: replay for replay in store.replays("demo")}
        assert len(kept) == len(result["runs"])
        for run in result["runs"]:
            head, days = kept[run["replay_id"]], store.replay_days("demo", run["replay_id"])
            assert (head.policy, head.cost) == (run["policy"], run["cost"])
            assert head.oracle_cost == pytest.approx(result["oracle_cost"])
            assert [day.regret for day in days] == [day["regret"] for day in run["days"]]
            for day in days:
                spent = day.bill + day.wear + day.penalty
                assert day.of("cost").sum() == pytest.approx(spent)
                assert day.slots == 96
            values = np.concatenate([day.of("energy_value") for day in days])
            assert np.isnan(values).all() == (run["policy"] in {"no_battery", "self_use"})
    engines = {replay.policy: replay.engine for replay in kept.values()}
    assert engines == {
        "no_battery": "none",
        "self_use": "none",
        "plan": "highs",
        "storage": "storage",
        "rolling_oracle": "storage",
        "oracle": "storage",
    }


def test_the_same_replay_twice_adds_no_row(house: Path) -> None:
    first = replay(house, "--no-plot", "--no-store")
    assert rows(house) == []
    assert "stored:" not in first.output
    once = replay(house, "--no-plot")
    assert "stored: 5 replays, 5 of them new or changed" in once.output
    kept = rows(house)
    assert len(kept) == 5 * (1 + 2)
    again = replay(house, "--no-plot")
    assert "stored: 5 replays, 0 of them new or changed" in again.output
    assert rows(house) == kept
    replay(house, "--no-plot", "--soc-kwh", "6", "--policy=self_use")
    assert len(rows(house)) == 6 * (1 + 2)
    assert not (house / "out").exists()


def test_facts_that_a_policy_never_reads_leave_its_name_alone(house: Path) -> None:
    """A better reading of the 10th changes what was known on the 11th, not what happened then."""

    def names() -> dict[str, str]:
        path = house / "names.json"
        done = replay(house, "--no-plot", "--json", str(path))
        assert done.exit_code == 0, done.output
        return {run["policy"]: run["replay_id"] for run in json.loads(path.read_text())["runs"]}

    before = names()
    eve = np.array([to_epoch(datetime(2025, 6, 10, 12, tzinfo=UTC))], dtype=np.int64)
    with Store.open(house / "darkstar.sqlite", system_id="dev") as store:
        for channel, at in (("load_kwh", eve), ("load_kwh", eve + 5 * 86_400)):
            store.put_observations(
                "demo", channel, at, np.array([2.5]), known_at=at + 900, provenance="live"
            )
    after = names()
    same = {policy for policy, name in after.items() if before[policy] == name}
    assert same == {"no_battery", "self_use", "oracle"}


def test_json_on_stdout_is_alone_there(house: Path) -> None:
    done = replay(house, "--no-plot", "--policy=no_battery", "--json", "-")
    found = json.loads(done.stdout)
    assert found["ledger"] is None
    assert [run["policy"] for run in found["runs"]] == ["no_battery"]
    assert "no_battery" in done.stderr
    assert not (house / "out").exists()


def test_without_a_plan_there_is_no_ledger_but_a_picture(house: Path) -> None:
    done = replay(house, "--policy=self_use", "--no-store")
    assert done.exit_code == 0
    assert "regret" not in done.output
    assert (house / "out" / "replay.png").read_bytes().startswith(PNG)


def test_shapley_averages_over_six_orders(house: Path) -> None:
    path = house / "result.json"
    replay(house, "--no-plot", "--policy=storage", "--shapley", "--json", str(path))
    ledger = json.loads(path.read_text("utf-8"))["ledger"]
    assert ledger["orders"] == 6
    parts = math.fsum(ledger[part] for part in ("dispatch", "load", "pv", "remainder"))
    assert ledger["total"] == pytest.approx(parts, abs=1e-9)


def test_days_not_given_are_the_longest_stretch(house: Path) -> None:
    """8 days of history from the 1st; the 14th is the day after."""
    done = replay(house, "--no-plot", "--policy=no_battery", days=())
    assert "2025-06-09 to 2025-06-13, 5 days" in done.output
    assert "the longest stretch without gaps" in done.output
    done = replay(house, "--no-plot", "--policy=no_battery", days=("--end-date", "2025-06-10"))
    assert "2025-06-09 to 2025-06-10, 2 days" in done.output


def test_hourly_readings_are_told_beside_every_share(tmp_path: Path) -> None:
    done = replay(make_house(tmp_path, june(HOURLY)), "--no-plot", "--policy=storage")
    for title in ("gain %*", "% of regret*", "% of gain*"):
        assert title in done.output
    said = "* shares on hourly readings held flat over their quarters (100% of load_kwh)"
    assert said in done.output
    half = tmp_path / "half"
    half.mkdir()
    done = replay(make_house(half, june(int(Quality.RESAMPLED))), "--no-plot", "--policy=self_use")
    assert "* shares on half-hourly readings" in done.output


def test_excluded_days_are_named_and_replayed(house: Path) -> None:
    verdicts = [
        DayQuality(
            local_date=day,
            day_start=midnight(day),
            day_class=kind,
            reference="none",
            slots=96,
            counts={},
            reasons=("as the test says",),
            checked_at=midnight(LAST),
        )
        for day, kind in (
            (date(2025, 6, 10), DayClass.EXCLUDE),
            (date(2025, 6, 11), DayClass.MASK_BATTERY),
            (date(2025, 6, 12), DayClass.EXCLUDE),
        )
    ]
    with Store.open(house / "darkstar.sqlite", system_id="dev") as store:
        store.put_day_quality("demo", verdicts)
    done = replay(house, "--no-plot", "--policy=no_battery")
    assert "warning: judged exclude, replayed nevertheless: 2025-06-12\n" in done.output
    assert "2 days, 192 slots" in done.output
    assert "not judged" not in done.output


def test_a_home_without_battery_has_nothing_to_gain(tmp_path: Path) -> None:
    done = replay(make_house(tmp_path, battery=None), "--no-plot")
    assert done.exit_code == 0, done.output
    (row,) = (line.split() for line in done.output.splitlines() if "storage value  " in line)
    assert row[3] == "-"
    assert "battery          none" in done.output


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        pytest.param(
            ("--start-date", "2025-06-12", "--end-date", "2025-06-11"),
            2,
            "2025-06-12 lies after the last day, 2025-06-11",
            id="end before start",
        ),
        pytest.param((*DAYS, "--home", "villa"), 78, "no such home, known: demo", id="home"),
        pytest.param((*DAYS, "--policy", "best"), 2, "'best' is not one of", id="policy"),
        pytest.param((*DAYS, "--dispatch", "best"), 2, "'best' is not one of", id="dispatch"),
        pytest.param(
            (*DAYS, "--soc-kwh", "5", "--soc-percent", "50"), 2, "not both", id="two starts"
        ),
        pytest.param(
            (*DAYS, "--soc-kwh", "0.5"),
            2,
            "0.5 kWh lies outside the battery's window of 1 to 10 kWh",
            id="start below the window",
        ),
        pytest.param((*DAYS, "--soc-percent", "5"), 2, "--soc-percent: 0.5 kWh lies", id="percent"),
        pytest.param(
            ("--start-date", "2025-06-11", "--end-date", "2025-06-14"),
            65,
            "the 24 h after 2025-06-14 are not all known (load_kwh of 2025-06-14T22:00:00+00:00 is "
            "missing, the first of 96 slots with gaps), and they say what is left in the battery "
            "is worth; end with 2025-06-13 or earlier, or import them",
            id="nothing after the window",
        ),
        pytest.param(
            ("--start-date", "2025-06-11", "--end-date", "2025-06-16"),
            65,
            "load_kwh of 2025-06-14T22:00:00+00:00 is missing, the first of 192 slots with gaps; "
            "replay --start-date 2025-06-11 --end-date 2025-06-13, or choose other days (load is "
            "known from 2025-06-01 to 2025-06-14), or import",
            id="a gap in the window",
        ),
        pytest.param(
            ("--start-date", "2025-06-01", "--end-date", "2025-06-01"),
            65,
            "no load_kwh at 00:00 local time",
            id="early",
        ),
        pytest.param(
            ("--start-date", "2025-07-01"), 65, "no day from 2025-07-01 has load", id="no stretch"
        ),
        pytest.param((*DAYS, "--bridge-hours", "-1"), 2, "--bridge-hours", id="bridge"),
    ],
)
def test_what_cannot_be_is_one_line(
    house: Path, args: tuple[str, ...], code: int, said: str
) -> None:
    done = replay(house, "--no-plot", days=args)
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert rows(house) == []


def test_a_row_of_the_table_adds_up(made: tuple[Path, Result]) -> None:
    """The total is bill + wear - stored, as far as it is printed."""
    for name in ("no_battery", "self_use", "storage value", "oracle"):
        per_day, _, total, bill, wear, stored = map(float, fields(made[1].output, name)[:6])
        assert total == pytest.approx(bill + wear - stored, abs=0.12)  # a digit after the point
        assert total == pytest.approx(2 * per_day, abs=0.07)
    assert float(fields(made[1].output, "self_use")[5]) != 0.0
    assert "total = bill + wear - stored" in " ".join(made[1].output.split())


def test_short_gaps_of_pv_are_bridged_where_asked_for(tmp_path: Path) -> None:
    """Each evening 4 quarters are missing: 3 evenings with the day after, 12 of 288 slots."""
    folder = make_house(tmp_path, june(asleep=4))
    refused = replay(folder, "--no-plot")
    assert refused.exit_code == 65
    assert "pv_kwh of 2025-06-11T18:00:00+00:00 is missing, the first of 8 slots" in refused.stderr
    assert "bridge PV missing for at most 2 h: --bridge-hours 2, or" in refused.stderr
    refused = replay(folder, "--no-plot", days=())
    assert "--bridge-hours 2 with --start-date 2025-06-09 --end-date 2025-06-13" in refused.stderr
    path = folder / "result.json"
    argv = ("--no-plot", "--policy=storage", "--json", str(path))
    done = replay(folder, *argv, "--bridge-hours", "1")
    assert done.exit_code == 0, done.output
    assert "bridged: 12 of 288 slots of pv_kwh" in done.output
    found = json.loads(path.read_text("utf-8"))
    assert (found["bridge_hours"], found["bridged_slots"]) == (1.0, 12)
    assert replay(folder, *argv, "--bridge-hours", "0.75").exit_code == 65


def test_gaps_that_no_bridge_spans_are_not_offered_one(tmp_path: Path) -> None:
    done = replay(make_house(tmp_path, june(asleep=9)), "--no-plot")
    assert (done.exit_code, "--bridge-hours" in done.stderr) == (65, False)


def test_waiting_for_the_compiler_is_told_on_stderr(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runners.patience._LOADED_SECONDS", 0.0)
    monkeypatch.setattr("runners.replay._warm_up", lambda *_: time.sleep(0.2))
    said = "compiling the kernels, once: about half a minute\n"
    assert said in replay(house, "--no-plot", "--policy=no_battery").stderr
    monkeypatch.setattr("runners.patience._LOADED_SECONDS", 60.0)
    assert said not in replay(house, "--no-plot", "--policy=no_battery").stderr


def test_a_dispatch_that_nothing_uses_is_told(house: Path) -> None:
    said = "--dispatch changed nothing: it is for --policy plan and storage"
    args = ("--no-plot", "--no-store", "--dispatch=modes")
    assert said in replay(house, "--policy=oracle", *args).output
    assert said not in replay(house, "--policy=storage", *args).output


def test_days_that_nobody_judged_are_counted(house: Path) -> None:
    done = replay(house, "--no-plot", "--policy=no_battery")
    assert "not judged: 2 of 2 days; `darkstar validate`" in done.output


def test_a_home_without_load_is_told_to_import(tmp_path: Path) -> None:
    folder = make_house(tmp_path, june(load=False))
    done = replay(folder, "--no-plot", days=())
    assert (done.exit_code, "no load_kwh is stored" in done.stderr) == (65, True)


def test_names_are_those_of_the_simulator() -> None:
    assert {str(name) for name in PolicyName} == {*map(str, Policy), "rolling_oracle"}
    assert [str(name) for name in DispatchName] == [str(name) for name in Dispatch]


@pytest.mark.integration
def test_the_command_line_loads_none_of_it() -> None:
    code = "from runners.cli import app\nimport runners.replay_names"
    assert loaded(code, "numba", "numpy", "sim", "matplotlib", "highspy", "typer") == ["typer"]
