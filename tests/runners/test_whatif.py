"""``darkstar whatif day``: it plans as ``darkstar plan --at`` does, and tells what it found.

The house and its store are those of ``tests.runners.test_plan``: 1 to 14 June 2025, every day alike
but for its price.
"""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from forecast.rolling import Chain
from mpc import Plan
from runners.cli_whatif import whatif_day
from runners.errors import ConfigError
from runners.plan import home_model, run_plan
from runners.whatif import Asked, DailyBlock, open_lab, run_whatif_day
from runners.whatif_report import WhatIfDays
from sim.aurora import ISSUE_HISTORY, AuroraForecasts, read_history
from sim.facts_by import FactsBy
from sim.history import realised
from sim.lab import Outcome, WhatIf
from sim.replay import Dispatch, Policy, replay
from sim.window import replay_window
from telemetry.slots import local_day
from telemetry.store import Store
from tests.runners.test_forecaster import config_of, promote, until
from tests.runners.test_plan import PNG, make_folder, put_soc
from tests.runners.test_registry import aurora
from tests.sim.lab_cases import ZONE
from tests.sim.test_lab import reconciled

DAY = date(2025, 6, 12)
MIDNIGHT = local_day(DAY, "Europe/Stockholm")[0]
SOC = ("--soc-kwh", "5")

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
app.command("day")(whatif_day)
app.callback()(lambda: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    return tmp_path


def whatif(folder: Path, *args: str) -> Result:
    """Run ``darkstar whatif day`` on the 12th of June, results in the folder's ``out``."""
    common = ["--config", str(folder / "config.yaml"), "--out", str(folder / "out")]
    day = [] if "--day" in args else ["--day", str(DAY)]
    return CliRunner().invoke(app, ["day", *common, *day, *args], env={"COLUMNS": "80"})


def told(result: Result) -> str:
    """Return what a command printed, blanks as one."""
    assert result.exit_code == 0, (result.exception, result.output)
    return " ".join(result.stdout.split())


def result_of(folder: Path, *args: str) -> dict[str, Any]:
    """Return what ``--json`` writes."""
    path = folder / "result.json"
    told(whatif(folder, "--no-plot", "--json", str(path), *args))
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def found(folder: Path, **asked: Any) -> WhatIfDays:
    """Return the result itself, of the 12th from 5 kWh where nothing else is said."""
    given: dict[str, Any] = {"first": DAY, "soc_kwh": 5.0, "exports_kwh": (2.0,)} | asked
    return run_whatif_day(
        config_path=folder / "config.yaml", home_id=None, asked=Asked(**given), plot=False
    )


def the_plan(folder: Path, at: datetime, soc_kwh: float | None = 5.0) -> Plan:
    """Return the plan of ``darkstar plan --at``."""
    run = run_plan(
        config_path=folder / "config.yaml",
        home_id=None,
        at=at,
        out_dir=folder / "plan",
        soc_kwh=soc_kwh,
        plot=False,
    )
    assert run is not None
    return run.plan


# What it plans


def test_the_baseline_is_the_plan_of_local_midnight(folder: Path) -> None:
    base = found(folder).results[0][0].baseline
    assert base.plan is not None
    assert base.plan.to_json() == the_plan(folder, MIDNIGHT).to_json()


def test_with_a_trained_model_too(folder: Path) -> None:
    """Its means, its scenarios and its prices; a target is planned on the means and says so."""
    promote(folder, until(MIDNIGHT))
    row = found(folder, at_any_cost=True).results[0]
    base, other = row[0].baseline, row[0].scenario
    assert base.told.startswith("aurora ")
    assert base.plan is not None
    assert base.plan.scenarios > 0
    assert base.plan.to_json() == the_plan(folder, MIDNIGHT).to_json()
    assert other.plan is not None
    assert other.plan.scenarios == 0
    case = (*SOC, "--export-kwh", "2", "--at-any-cost", "--no-plot")
    assert "goes with no scenarios" in told(whatif(folder, *case))


def test_without_scenarios_where_the_configuration_says_so(folder: Path) -> None:
    make_folder(folder, home={"forecast": {"scenarios": False}})
    promote(folder, until(MIDNIGHT))
    base = found(folder).results[0][0].baseline
    assert base.plan is not None
    assert base.plan.to_json() == the_plan(folder, MIDNIGHT).to_json()


@pytest.mark.parametrize("late", [False, True])
def test_the_baseline_forecast_where_no_model_can(folder: Path, *, late: bool) -> None:
    """The configuration asks for it, or the model was trained a second later."""
    if late:
        promote(folder, until(MIDNIGHT + timedelta(seconds=1)))
    else:
        make_folder(folder, home={"forecast": {"model": "baseline"}})
        promote(folder, aurora())
    base = found(folder).results[0][0].baseline
    assert base.told == "baseline"
    assert base.plan is not None
    assert base.plan.to_json() == the_plan(folder, MIDNIGHT).to_json()


def test_it_starts_with_what_was_recorded(folder: Path) -> None:
    put_soc(folder, MIDNIGHT - timedelta(minutes=15), 0.42)
    base = found(folder, soc_kwh=None).results[0][0].baseline
    assert base.course.soc_start_kwh == pytest.approx(4.2)
    assert base.soc_source.startswith("recorded at 2025-06-11 22:00Z")


def test_several_days_begin_as_the_closed_loop_left_them(folder: Path) -> None:
    days = found(folder, first=DAY - timedelta(days=1), last=DAY)
    one, two = (row[0] for row in days.results)
    assert one.baseline.course.soc_start_kwh == 5.0
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        lab = open_lab(store, config_of(folder), "demo")
        lived = lab.baseline(DAY - timedelta(days=1), replay=True, soc_kwh=5.0)
    assert two.baseline.course.soc_start_kwh == lived.course.soc_kwh[-1]
    for row in days.results:
        reconciled(row[0])


def test_tomorrow_begins_as_todays_plan_ends(folder: Path) -> None:
    put_soc(folder, MIDNIGHT - timedelta(minutes=15), 0.42)
    noon = MIDNIGHT + timedelta(hours=14)
    days = run_whatif_day(
        config_path=folder / "config.yaml",
        home_id=None,
        asked=Asked(first=DAY + timedelta(days=1), exports_kwh=(1.0,)),
        plot=False,
        now=noon,
    )
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        today = open_lab(store, config_of(folder), "demo").baseline(DAY)
    base = days.results[0][0].baseline
    assert base.course.soc_start_kwh == today.course.soc_kwh[95]
    assert (
        base.soc_source == f"as planned at 00:00 of {DAY} for its end: nothing newer was recorded"
    )


def test_tomorrow_begins_as_planned_from_the_newest_state_and_sees_nothing_later(
    folder: Path,
) -> None:
    """9 kWh at 10:00; what was recorded after 10:00, of which the store is full, is not seen."""
    put_soc(folder, MIDNIGHT - timedelta(minutes=15), 0.42)
    ten = MIDNIGHT + timedelta(hours=10)
    later = ten + timedelta(hours=12)
    put_soc(folder, ten - timedelta(minutes=15), 0.9)
    day = DAY + timedelta(days=1)
    args = ("--now", ten.isoformat(), "--day", str(day), "--export-kwh", "1", "--no-plot")
    text = told(whatif(folder, *args))
    assert "given" not in text
    assert "from what was recorded at 2025-06-12 08:00Z" in text
    assert "seen with planned from local 00:00 on, from what was known at 2025-06-12 10:00" in text
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        early = FactsBy(store, ten)
        assert np.isnan(early.observations("demo", ["load_kwh"], ten, later).values).all()
        assert not np.isnan(store.observations("demo", ["load_kwh"], ten, later).values).any()


@pytest.mark.parametrize(
    ("day", "block"),
    [
        pytest.param("2025-03-30", "hold@02:00-03:00", id="02:00 does not exist"),
        pytest.param("2025-10-26", "hold@02:30-04:00", id="02:30 comes twice"),
    ],
)
def test_a_block_by_a_time_that_the_clock_does_not_show_once(day: str, block: str) -> None:
    kind, span = block.split("@")
    start, end = (time.fromisoformat(text) for text in span.split("-"))
    daily = DailyBlock(kind="hold", start=start, end=end)
    assert kind == daily.kind
    with pytest.raises(ConfigError, match=r"does not show 02:[03]0 exactly once; begin and end"):
        daily.on(date.fromisoformat(day), ZONE)


def test_a_block_over_the_change_of_the_clocks() -> None:
    """From 01:00 to 04:00 it is two hours in spring."""
    block = DailyBlock(kind="hold", start=time(1), end=time(4)).on(date(2025, 3, 30), ZONE)
    assert block.end.astimezone(UTC) - block.start.astimezone(UTC) == timedelta(hours=2)


def test_without_a_day_it_is_today(folder: Path) -> None:
    days = run_whatif_day(
        config_path=folder / "config.yaml",
        home_id=None,
        asked=Asked(exports_kwh=(1.0,), soc_percent=50.0),
        plot=False,
        now=MIDNIGHT + timedelta(hours=20),
    )
    assert (days.first, days.last) == (DAY, DAY)
    assert days.results[0][0].baseline.course.soc_start_kwh == 5.0


@pytest.mark.parametrize("ahead", [0, 1], ids=["today", "tomorrow"])
def test_today_and_tomorrow_stand_on_the_trained_model(folder: Path, ahead: int) -> None:
    """Of tomorrow half a day of readings is still to come; its prices are published."""
    meta = promote(folder, until(MIDNIGHT))
    put_soc(folder, MIDNIGHT - timedelta(minutes=15), 0.42)
    day, noon = DAY + timedelta(days=ahead), MIDNIGHT + timedelta(hours=14)
    args = ("--day", str(day), "--export-kwh", "1", "--now", noon.isoformat())
    found = result_of(folder, *args)
    assert {row["forecast"] for row in found["results"]} == {f"aurora {meta.version}"}
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        today = open_lab(store, config_of(folder), "demo").baseline(DAY)
    assert today.plan is not None
    assert today.plan.to_json() == the_plan(folder, MIDNIGHT, soc_kwh=None).to_json()


# The closed loop


def lived(folder: Path, day: date = DAY) -> Outcome:
    """Return the closed loop of a day from 5 kWh."""
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        lab = open_lab(store, config_of(folder), "demo")
        return lab.baseline(day, replay=True, soc_kwh=5.0)


def test_the_closed_loop_stands_on_the_trained_model(folder: Path) -> None:
    """Every slot is what a replay on Aurora's own forecasts gives, to the last digit."""
    plain, meta = lived(folder), promote(folder, until(MIDNIGHT))
    loop = lived(folder)
    assert (plain.told, loop.told) == ("baseline", f"aurora {meta.version}")
    start, end = local_day(DAY, "Europe/Stockholm")
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        model = home_model(config_of(folder), "demo")
        history = read_history(store, model, start - ISSUE_HISTORY, end)
        chain = Chain.of(until(MIDNIGHT))
        forecasts = AuroraForecasts(store, model, history, chain, start, end)
        window = replay_window(model, realised(store, model, start, end), soc_start_kwh=5.0)
    want = replay(window, Policy.STORAGE, forecasts, Dispatch.VALUE)
    np.testing.assert_array_equal(loop.course.soc_kwh, want.soc_kwh)
    case = (*SOC, "--replay", "--export-kwh", "2", "--at-any-cost", "--no-plot")
    assert "are planned on the means of the forecast" in told(whatif(folder, *case))


def test_a_closed_loop_knows_no_model_before_it_was_trained(folder: Path) -> None:
    """At its start there was none: the baseline; then the newest that was trained by each slot."""
    late = until(MIDNIGHT + timedelta(hours=6))
    promote(folder, late)
    assert lived(folder).told == "baseline"
    first = promote(folder, until(MIDNIGHT - timedelta(hours=3)))
    assert lived(folder).told == f"aurora {first.version}"  # the one in use, though trained earlier
    second = promote(folder, replace(late, trained_until=late.trained_until + 3600))
    assert lived(folder).told == f"aurora {first.version}, then {second.version}"


# What it tells


def test_a_day_with_targets(folder: Path) -> None:
    """Two kWh at the peaks and four; the lines of the table are those of the result."""
    text = told(whatif(folder, *SOC, "--export-kwh", "2", "4", "--at-any-cost"))
    assert "day 2025-06-12; Europe/Stockholm" in text
    assert "seen with planned at local 00:00 from what was known then" in text
    assert "stored at start 5.000 kWh, given" in text
    result = found(folder, exports_kwh=(2.0, 4.0), at_any_cost=True).results[0]
    for row in result:
        assert row.target is not None
        assert f"{row.delta.total:+.2f} {row.day_delta.total:+.2f}" in text
        assert (
            f"{row.target.export_kwh:g} kWh more: {row.target.realised_kwh:+.2f} kWh over the"
            in text
        )
    assert (folder / "out" / "whatif.png").read_bytes().startswith(PNG)


def test_both_ways_to_give_targets(folder: Path) -> None:
    one = result_of(folder, *SOC, "--export-kwh", "2", "4")
    assert one == result_of(folder, *SOC, "--export-kwh", "2", "--export-kwh", "4")
    assert one["cases"] == ["export 2 kWh more", "export 4 kWh more"]


def test_a_target_that_the_economics_close(folder: Path) -> None:
    make_folder(
        folder, home={"options": {"export_margin_per_kwh": 3.0}, "tariff": {"tax_credit": 0.6}}
    )
    closed = whatif(folder, *SOC, "--export-kwh", "2", "--no-plot")
    assert "Not reached (economics): at any cost it would be" in told(closed)
    relaxed = whatif(
        folder, *SOC, "--export-kwh", "2", "--relax-margin", "0", "--relax-wear", "0", "--no-plot"
    )
    assert "2 kWh more: +2." in told(relaxed)
    assert "planned with wear" in told(relaxed)


def test_json_has_every_line(folder: Path) -> None:
    case = ("--export-kwh", "2", "--at-any-cost", "--no-tax-credit", "--both")
    result = result_of(folder, *SOC, *case)
    assert (result["home_id"], result["view"], result["both"]) == ("demo", "known", "other tariff")
    row = result["results"][0]
    case = row["whatifs"][0]
    for line, value in case["delta"].items():
        assert value == pytest.approx(case["scenario"][line] - row["baseline"][line], abs=1e-9)
        more = case["day_scenario"][line] - row["day_baseline"][line]
        assert case["day_delta"][line] == pytest.approx(more, abs=1e-9)
    assert case["target"]["export_kwh"] == 2.0
    assert len(case["target"]["slots"]) > 0


def test_json_to_stdout_leaves_tables_to_stderr(folder: Path) -> None:
    result = whatif(folder, *SOC, "--battery-kwh", "20", "--no-plot", "--json", "-")
    assert json.loads(result.stdout)["cases"] == ["battery 20 kWh"]
    assert "battery 20 kWh" in result.stderr


def test_days_in_rows_and_days_at_once(folder: Path) -> None:
    span = ("--day", "2025-06-11", "--until", "2025-06-12", *SOC)
    rows = told(whatif(folder, *span, "--export-kwh", "2", "130", "--hindsight", "--at-any-cost"))
    assert "Wed 2025-06-11" in rows
    assert "export 130 kWh more, at any cost: not reached:" in rows
    assert "!: target not reached" in rows
    assert (folder / "out" / "whatif.png").read_bytes().startswith(PNG)
    once = told(whatif(folder, *span, "--battery-kwh", "20", "--replay"))
    assert "closed loop: every slot with what was known at its start" in once
    assert "battery 20 kWh" in once
    assert "Wed 2025-06-11" not in once
    result = result_of(folder, *span, "--battery-kwh", "20", "--replay")
    assert len(result["results"]) == 1
    assert result["results"][0]["last"] == "2025-06-12"


def test_hindsight_says_so(folder: Path) -> None:
    result = result_of(folder, "--day", "2025-06-11", *SOC, "--export-kwh", "2", "--hindsight")
    assert result["results"][0]["forecast"] == "hindsight: what happened"


def test_blocks_by_the_wall_clock(folder: Path) -> None:
    blocks = ("--block", "hold@22:00-00:00", "--block", "charge@00:00-03:00=8")
    result = result_of(folder, *SOC, *blocks)
    assert result["cases"] == ["charge 00:00 to 03:00 to 8 kWh, hold 22:00 to 00:00"]


def test_the_tariff_of_another_file(folder: Path, tmp_path: Path) -> None:
    """The other home pays 1 SEK more per kWh, VAT on top: 1.25 on every kWh bought."""
    other = tmp_path / "other"
    other.mkdir()
    make_folder(other, home={"tariff": {"transfer_fee": 1.2456, "energy_tax": 0.439, "vat": 0.25}})
    base = found(
        folder, exports_kwh=(), change=WhatIf(load_scale=1.0), tariff_file=other / "config.yaml"
    )
    row = base.results[0][0]
    more = row.scenario.course.import_price - row.baseline.course.import_price
    assert more == pytest.approx(1.25)


# What it leaves alone


def files(folder: Path) -> dict[str, bytes]:
    """Return every file with its bytes, but SQLite's own index and its log, which must be empty."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    log = found.pop("darkstar.sqlite-wal", None)
    assert log is None or log.stat().st_size == 0
    found.pop("darkstar.sqlite-shm", None)
    return {name: path.read_bytes() for name, path in found.items()}


def test_it_writes_nothing_but_what_was_asked_for(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "schedule.json").write_text('{"slots": []}', "utf-8")
    before = files(folder)
    for args in (
        ("--export-kwh", "2", "4", "--relax-wear", "0"),
        ("--block", "hold@02:00-04:00", "--replay"),
        ("--battery-kwh", "20", "--load-scale", "1.2", "--both"),
    ):
        told(whatif(folder, *SOC, *args))
    told(whatif(folder, "--day", "2025-06-11", *SOC, "--export-kwh", "2", "--hindsight"))
    after = files(folder)
    assert after.pop("out/whatif.png").startswith(PNG)
    assert after == before


# What it refuses


@pytest.mark.parametrize(
    ("args", "code", "match"),
    [
        ((), 2, "nothing is different from the baseline"),
        (("4",), 2, "4 stands alone; write --export-kwh 4"),
        (("--export-kwh", "-1"), 2, "--export-kwh"),
        (("--export-kwh", "2", "--relax-wear", "-0.1"), 2, "--relax-wear"),
        (("--export-kwh", "2", "--relax-wear", "9"), 65, "want at most"),
        (("--relax-wear", "0", "--load-scale", "2"), 2, "--export-kwh"),
        (("--export-kwh", "2", "--hindsight", "--replay"), 2, "--hindsight or --replay, not both"),
        (("--block", "sell@02:00-03:00"), 2, "is no block; write e.g."),
        (("--block", "hold@02:00-25:00"), 2, "is no block; write e.g."),
        (("--block", "hold@02:07-03:00"), 65, "an aware quarter-hour"),
        (("--block", "hold@04:00-02:00"), 2, "does not lie within a local day"),
        (
            ("--block", "charge@01:00-03:00", "--block", "hold@02:00-04:00"),
            65,
            "none over another; cut one",
        ),
        (("--block", "charge@01:00-03:00=40"), 65, "the battery's window"),
        (("--day", "2024-01-01", "--export-kwh", "2"), 65, "import more history"),
        (("--day", "2025-06-14", "--export-kwh", "2", "--hindsight"), 65, "is missing"),
        (
            ("--day", "2025-06-12", "--until", "2025-06-10", "--export-kwh", "2"),
            2,
            "--day: 2025-06-12",
        ),
        (("--day", "12 June", "--export-kwh", "2"), 2, "is no date"),
        (("--export-kwh", "2", "--soc-percent", "50"), 2, "not both"),
    ],
)
def test_bad_input_is_a_line_and_writes_nothing(
    folder: Path, args: tuple[str, ...], code: int, match: str
) -> None:
    before = files(folder)
    result = whatif(folder, *SOC, *args)
    assert result.exit_code == code, (result.exception, result.output)
    assert "Traceback" not in result.output
    assert match in " ".join(result.output.split()).replace("│ ", "")
    assert files(folder) == before


def test_the_day_after_tomorrow_is_refused(folder: Path) -> None:
    result = whatif(
        folder, "--day", "2025-06-14", "--export-kwh", "2", "--now", "2025-06-12T10:00Z"
    )
    assert result.exit_code == 2
    assert "tomorrow, 2025-06-13, can be planned by itself" in result.output


def test_nobody_invents_a_state_of_charge(folder: Path) -> None:
    result = whatif(folder, "--export-kwh", "2")
    assert result.exit_code == 65
    assert "no state of charge was recorded" in result.output
