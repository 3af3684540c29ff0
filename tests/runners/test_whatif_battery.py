"""``darkstar whatif battery``: a year of the demo home, payback reckoned anew, refusals."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from mpc import Battery
from runners.plot_payback import plot_payback
from runners.whatif_battery import Costs
from runners.whatif_battery_report import BatteryYear, SizeLine, result_dict
from sim.battery_days import YearDays
from sim.day_runs import run_of
from sim.simulation_days import ChosenDay
from tests.runners.report_cases import (
    ZONE,
    demo_folder,
    forget,
    put_verdicts,
    run,
    store_bytes,
)

PNG = b"\x89PNG\r\n\x1a\n"
BATTERY = Battery(
    capacity_kwh=10.0,
    min_soc_kwh=1.0,
    max_charge_kw=5.0,
    max_discharge_kw=5.0,
    wear_cost_per_kwh=0.2,
)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Two sizes over the demo year, one of its days excluded; verdicts are in the store."""
    folder = demo_folder(tmp_path_factory.mktemp("year"))
    put_verdicts(folder, [date(2025, 5, 20)])
    words = "whatif battery --kwh 0 10 20 --year --cost 0 30000 1000000 --subsidy 0.5 --fade 0.02"
    return folder, run(folder, *words.split(), "--json", str(folder / "result.json"))


@pytest.fixture(scope="module")
def result(year: tuple[Path, Result]) -> dict[str, Any]:
    assert year[1].exit_code == 0, year[1].output
    found: dict[str, Any] = json.loads((year[0] / "result.json").read_text("utf-8"))
    return found


def test_the_days_and_their_scale_are_told(result: dict[str, Any]) -> None:
    assert result["stretches"] == [["2025-01-02", "2025-05-19"], ["2025-05-21", "2025-12-30"]]
    assert result["days"] == 362
    assert result["scale_to_365_days"] == pytest.approx(365 / 362)
    assert result["left_out"]["verdict exclude"] == 1
    assert result["unjudged_days"] == 0
    assert result["tariff_year"] is None
    assert result["tariff_changes_later"] == [["tax_credit", "2026-01-01"]]


def test_larger_batteries_save_more_and_each_kwh_less(result: dict[str, Any]) -> None:
    none, ten, twenty = result["sizes"]
    assert none["bill_saving"] == none["wear"] == none["full_cycles"] == 0.0
    assert 0.0 < ten["bill_saving"] < twenty["bill_saving"] < 2.0 * ten["bill_saving"]
    for size in (ten, twenty):
        assert size["bill_saving"] == pytest.approx(none["bill"] - size["bill"], abs=1e-9)
        assert size["self_use_saving"] < size["bill_saving"]
        assert size["max_charge_kw"] == 0.5 * size["capacity_kwh"], "the C-rate is kept"
        # Wear is 0.2 a kWh discharged: cycles times capacity times efficiency.
        given = size["full_cycles"] * size["capacity_kwh"] * 0.95
        assert size["wear"] == pytest.approx(0.2 * given)


def test_payback_is_cost_after_subsidy_over_bills_saved(result: dict[str, Any]) -> None:
    none, ten, twenty = result["sizes"]
    assert none["payback_years"] is None
    assert (ten["cost"], twenty["cost"]) == (15_000.0, 500_000.0)
    saved, years = 0.0, ten["payback_years"]
    for part in range(int(years * 1000)):
        saved += ten["bill_saving"] / 1000 * 0.98 ** ((part + 0.5) / 1000)
    assert saved == pytest.approx(ten["cost"], rel=1e-3)
    assert years > ten["cost"] / ten["bill_saving"], "savings fade"
    assert twenty["never_pays_back"]
    assert twenty["payback_years"] is None, "infinity is no number in JSON"


def test_the_table_states_what_it_rests_on(year: tuple[Path, Result]) -> None:
    lines = year[1].output.splitlines()
    free = ("note: ", "picture: ", "slots with")
    assert max(len(line) for line in lines if not line.startswith(free)) <= 80
    text = " ".join(year[1].output.split())
    for said in (
        "362 clean of 365, 2025-01-02 to 2025-12-30, in 2 stretches",
        "times 1.0083 are those of 365",
        "left out 1 day: verdict exclude",
        "as dated: each day pays what was in force on it",
        "efficiency 0.95 in, 0.95 out; used from 10 to 100 %; wear 0.2 SEK per kWh",
        "power in proportion to capacity",
        "50 % subsidy taken off",
        "2 % a year: savings shrink",
        "wear is not taken off",
        "tax_credit from 2026-01-01); --tariff-year 2026",
        "never",
    ):
        assert said in text, said
    assert (year[0] / "out" / "battery.png").read_bytes().startswith(PNG)


def test_nothing_is_written_to_the_store(year: tuple[Path, Result]) -> None:
    before = store_bytes(year[0])
    done = run(year[0], "whatif", "battery", "--kwh", "5", "--no-plot")
    assert done.exit_code == 0, done.output
    assert store_bytes(year[0]) == before


def test_a_store_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    (folder / "darkstar.sqlite").unlink()
    done = run(folder, "whatif", "battery", "--kwh", "5", "--no-plot")
    assert done.exit_code == 65
    assert "darkstar record or darkstar import FILE makes it" in " ".join(done.output.split())
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


def test_a_year_with_too_few_clean_days_is_refused(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    first = date(2025, 6, 1)
    put_verdicts(folder, [first + timedelta(days=n) for n in range(34)])
    done = run(folder, "whatif", "battery", "--kwh", "5", "--no-plot")
    assert done.exit_code == 65
    assert "34 days: verdict exclude" in done.output
    assert "329 clean days from 2025-01-01 to 2025-12-31, want 330" in done.output
    assert not (folder / "out").exists()


def test_a_year_without_readings_is_refused(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    put_verdicts(folder)
    forget(
        folder,
        ("load_kwh",),
        datetime(2025, 1, 1, tzinfo=UTC),
        datetime(2025, 11, 1, tzinfo=UTC),
    )
    done = run(folder, "whatif", "battery", "--kwh", "5", "--year", "2025", "--no-plot")
    assert done.exit_code == 65
    assert "days: load_kwh is not known throughout" in done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--kwh 5 5", "a size stands twice"),
        ("--kwh 5 10 --cost 1", "1 costs for 2 sizes; give one a size"),
    ],
)
def test_sizes_and_costs_must_fit(year: tuple[Path, Result], words: str, told: str) -> None:
    done = run(year[0], "whatif", "battery", *words.split())
    assert done.exit_code == 2
    assert told in done.output


def test_a_home_without_a_battery_needs_a_power(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    config = folder / "config.yaml"
    text = config.read_text("utf-8")
    config.write_text(text.replace("capacity_kwh: 10.0", "capacity_kwh: 0.0"), "utf-8")
    done = run(folder, "whatif", "battery", "--kwh", "5")
    assert done.exit_code == 2
    assert "--kw: the home has no battery whose C-rate could be kept" in done.output


@pytest.mark.parametrize(
    ("costs", "want"),
    [
        (Costs(), [None, None]),
        (Costs(totals=(0.0, 200.0), subsidy=0.25), [0.0, 150.0]),
        (Costs(per_kwh=10.0, fixed=100.0, subsidy=0.5), [0.0, 75.0]),
        (Costs(per_kwh=0.0, fixed=100.0), [0.0, 100.0]),
    ],
)
def test_costs_after_subsidy(costs: Costs, want: list[float | None]) -> None:
    assert costs.after_subsidy([0.0, 5.0]) == want


def made_up(cost: float | None, payback: float | None) -> BatteryYear:
    """A year of three sizes, without going through it."""
    sizes = [
        SizeLine(
            capacity_kwh=kwh,
            max_charge_kw=0.5 * kwh,
            max_discharge_kw=0.5 * kwh,
            bill=1000.0 - 10.0 * kwh,
            bill_saving=10.0 * kwh,
            self_use_saving=5.0 * kwh,
            wear=kwh,
            full_cycles=300.0,
            import_kwh=1.0,
            export_kwh=1.0,
            cost=cost,
            payback_years=payback if kwh else None,
            broken_slots=0,
            highs_days=3,
        )
        for kwh in (0.0, 5.0, 20.0)
    ]
    day = ChosenDay(local_day=date(2025, 1, 1), quality_class="clean")
    return BatteryYear(
        home_id="h",
        name="House",
        currency="SEK",
        price_area="SE4",
        price_pairing=364,
        forecast="baseline",
        kind="clean",
        days=YearDays(days=(day,), runs=(run_of(day.local_day, day.local_day, ZONE),), unjudged=0),
        tariff_year=2026,
        later_changes=(),
        max_kw=None,
        configured=BATTERY,
        subsidy=0.0,
        fade=0.0,
        sizes=tuple(sizes),
        read_seconds=0.0,
        loop_seconds=0.0,
    )


@pytest.mark.parametrize(("cost", "payback"), [(None, None), (100.0, 7.5), (100.0, float("inf"))])
def test_every_year_is_drawn(tmp_path: Path, cost: float | None, payback: float | None) -> None:
    plot_payback(made_up(cost, payback), tmp_path / "new" / "a.png")
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(PNG)


def test_json_tells_synthetic_prices_and_the_tariff_year() -> None:
    found = result_dict(made_up(None, None))
    assert (found["price_pairing_days"], found["tariff_year"]) == (364, 2026)
