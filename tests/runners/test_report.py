"""``darkstar report``: money that reconciles, a page that needs nothing else, refusals.

The demo home lived on plain self-consumption: what its meters recorded is what a replay of it pays.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from runners.config import load_config
from telemetry.csv_import import import_file
from telemetry.store import Store
from tests.runners.report_cases import demo_folder, forget, put_verdicts, run, store_bytes

PNG = b"\x89PNG\r\n\x1a\n"
ALWAYS = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
METERS = ("import_kwh", "export_kwh")
REAL = """
exchange_rates: {EUR: 11.0}
homes:
  se4_darkstar:
    zone: Europe/Stockholm
    latitude: 55.5
    longitude: 13.1
    area: se4
    battery: {capacity_kwh: 10, min_soc_percent: 10, max_charge_kw: 5, max_discharge_kw: 5}
    grid: {max_import_kw: 11, max_export_kw: 10}
    tariff: {transfer_fee: 0.2456, energy_tax: 0.439, vat: 0.25}
"""
_VOID = {"meta", "img", "br", "hr"}
_ASSETS = {"script", "link", "iframe", "object", "embed", "audio", "video", "form", "base"}


class Page(HTMLParser):
    """Reads a page: every tag that opens must close, in order; keeps text, tables and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and its attributes."""
        self.seen.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text.append(data)


def read(path: Path) -> Page:
    """Parse a page to its end."""
    parsed = Page()
    parsed.feed(path.read_text("utf-8"))
    parsed.close()
    assert parsed.open == [], "tags that never close"
    return parsed


@pytest.fixture(scope="module")
def august(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """August with all its readings."""
    folder = demo_folder(tmp_path_factory.mktemp("august"))
    argv = ("report", "--month", "2025-08", "--json", str(folder / "result.json"))
    return folder, run(folder, *argv)


@pytest.fixture(scope="module")
def result(august: tuple[Path, Result]) -> dict[str, Any]:
    assert august[1].exit_code == 0, august[1].output
    found: dict[str, Any] = json.loads((august[0] / "result.json").read_text("utf-8"))
    return found


def test_days_sum_to_the_month(result: dict[str, Any]) -> None:
    assert (result["days"], result["left_out"], result["gaps"]) == (31, [], [])
    for course in result["courses"].values():
        assert len(course["days"]) == 31
        for name in ("cost", "bill", "wear", "stored_gained", "import_kwh", "discharge_kwh"):
            days = math.fsum(day[name] for day in course["days"])
            assert course[name] == pytest.approx(days, abs=1e-9), name
        parts = course["bill"] + course["wear"] - course["stored_gained"]
        assert course["cost"] == pytest.approx(parts, abs=1e-9)


def test_savings_are_differences_of_costs(result: dict[str, Any]) -> None:
    courses = result["courses"]
    none, oracle = courses["no_battery"]["cost"], courses["oracle"]["cost"]
    assert list(courses) == ["paid", "no_battery", "self_use", "darkstar", "oracle"]
    for course in courses.values():
        assert course["saved"] == pytest.approx(none - course["cost"], abs=1e-9)
        assert course["share_of_gain"] == pytest.approx(course["saved"] / (none - oracle))
        assert course["cost"] >= oracle - 1e-6
    assert courses["darkstar"]["cost"] < courses["self_use"]["cost"] < none


def test_the_demo_home_paid_what_self_consumption_pays(result: dict[str, Any]) -> None:
    paid, self_use = result["courses"]["paid"], result["courses"]["self_use"]
    for name in ("bill", "wear", "stored_gained"):
        assert paid[name] == pytest.approx(self_use[name], abs=1e-9)
    meters = result["meters"]
    assert (meters["slots"], meters["counted"]) == (31 * 96, 31 * 96)
    assert meters["bill"] == pytest.approx(paid["bill"], abs=1e-9)
    assert meters["import_kwh"] == pytest.approx(paid["import_kwh"], abs=1e-9)


def test_all_begin_with_the_energy_that_the_battery_held(result: dict[str, Any]) -> None:
    (stretch,) = result["stretches"]
    assert stretch["stored_source"] == "recorded"
    assert stretch["soc_start_kwh"] == stretch["stored_kwh"]
    assert stretch["soc_start_kwh"] != 5.0, "not just half full"


def test_the_regret_by_cause_is_what_the_replay_paid_above_the_oracle(
    result: dict[str, Any],
) -> None:
    regret, courses = result["regret"], result["courses"]
    causes = ("dispatch", "load", "pv", "remainder")
    assert regret["total"] == pytest.approx(sum(regret[cause] for cause in causes), abs=1e-9)
    above = courses["darkstar"]["cost"] - courses["oracle"]["cost"]
    assert courses["darkstar"]["penalty"] == courses["oracle"]["penalty"] == 0.0
    assert regret["total"] == pytest.approx(above, abs=1e-6)
    for day in regret["days"]:
        assert day["total"] == pytest.approx(sum(day[cause] for cause in causes), abs=1e-9)


def test_the_report_fits_80_columns(august: tuple[Path, Result]) -> None:
    lines = august[1].output.splitlines()
    notes = ("note: ", "picture: ", "page: ")
    assert max(len(line) for line in lines if not line.startswith(notes)) <= 80
    text = " ".join(august[1].output.split())
    for said in (
        "2025-08: 31 of 31 days compared",
        "read in 2976 of 2976 slots: 300.7 kWh in, 492.5 kWh out, bill 99.41 SEK",
        "99.41 SEK were paid for the grid in 31 days.",
        "and as much as on plain self-consumption.",
        "Darkstar, replayed",
        "price horizon, end value",
        "Sun 31 Aug",
        "judged on the spot: 31 days without a verdict",
    ):
        assert said in text, said


def test_the_page_needs_nothing_else_and_fits_a_phone(august: tuple[Path, Result]) -> None:
    folder = august[0] / "out"
    found = read(folder / "report-2025-08.html")
    assert not _ASSETS & set(found.seen)
    addresses = [
        value for _, name, value in found.attributes if name in ("src", "href", "srcset", "action")
    ]
    assert len(addresses) == 1
    assert addresses[0].startswith("data:image/png;base64,")
    assert not any(name.startswith("on") for _, name, _ in found.attributes), "no script"
    contents = [
        value for tag, name, value in found.attributes if (tag, name) == ("meta", "content")
    ]
    assert "width=device-width, initial-scale=1" in contents
    assert any(value.startswith("default-src 'none'") for value in contents)
    source = (folder / "report-2025-08.html").read_text("utf-8")
    assert not re.search(r"https?://|@import|url\(", source)
    columns = [row.count("<td") + row.count("<th") for row in re.findall("<tr.*?</tr>", source)]
    assert max(columns) <= 6, "no wide tables"
    text = " ".join(found.text)
    for said in ("Demo home, August 2025", "99.41 SEK were paid", "PV forecast", "Sun 31"):
        assert said in text, said
    assert (folder / "report-2025-08.png").read_bytes().startswith(PNG)


def test_the_same_month_gives_the_same_page(august: tuple[Path, Result]) -> None:
    folder = august[0]
    before, store = (folder / "out" / "report-2025-08.html").read_bytes(), store_bytes(folder)
    assert run(folder, "report", "--month", "2025-08").exit_code == 0
    assert (folder / "out" / "report-2025-08.html").read_bytes() == before
    assert store_bytes(folder) == store, "it judged August on the spot, and wrote nothing"


def test_a_store_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    (folder / "darkstar.sqlite").unlink()
    done = run(folder, "report", "--month", "2025-08", "--no-plot")
    assert done.exit_code == 65
    assert "darkstar record or darkstar import FILE makes it" in " ".join(done.output.split())
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


def test_without_meters_it_says_so_and_tells_darkstars_own_plans(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    assert forget(folder, METERS, *ALWAYS) > 0
    done = run(folder, "report", "--month", "2025-03", "--json", str(folder / "r.json"))
    assert done.exit_code == 0, done.output
    found = json.loads((folder / "r.json").read_text("utf-8"))
    assert (found["metered"], found["meters"]) == (False, None)
    assert list(found["courses"]) == ["no_battery", "self_use", "darkstar", "oracle"]
    assert found["headline"].startswith("What was paid is not known: there are no readings")
    assert found["days"] == 31, "the 30th has 23 hours"
    page = " ".join(read(folder / "out" / "report-2025-03.html").text)
    assert "What was paid is not known" in page
    assert "no readings of the grid meters in this month" in page


def test_slots_without_a_reading_are_counted_and_named(tmp_path: Path) -> None:
    """Three quarters of the 12th are gone, and the whole 20th is excluded: two stretches more."""
    folder = demo_folder(tmp_path)
    hole = (datetime(2025, 8, 12, 8, tzinfo=UTC), datetime(2025, 8, 12, 8, 45, tzinfo=UTC))
    assert forget(folder, ("import_kwh",), *hole) == 3
    put_verdicts(folder, [datetime(2025, 8, 20, tzinfo=UTC).date()])
    done = run(folder, "report", "--month", "2025-08", "--json", "-", "--no-plot")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [(s["first"], s["last"]) for s in found["stretches"]] == [
        ("2025-08-01", "2025-08-11"),
        ("2025-08-13", "2025-08-19"),
        ("2025-08-21", "2025-08-31"),
    ]
    assert [(day["local_date"], day["reason"]) for day in found["left_out"]] == [
        ("2025-08-12", "import_kwh has no reading in 3 of 96 slots"),
        ("2025-08-20", "judged exclude"),
    ]
    assert found["meters"]["counted"] == 31 * 96 - 3
    (gap,) = found["gaps"]
    assert (gap["channel"], gap["start"]) == ("import_kwh", "2025-08-12T08:00:00+00:00")
    assert "leaves out 3 of 2976 slots" in " ".join(found["notes"])
    page = " ".join(read(folder / "out" / "report-2025-08.html").text)
    assert "import_kwh 12 Aug 10:00 to 12 Aug 10:45, 3 slots" in page
    assert not (folder / "out" / "report-2025-08.png").exists()
    paid, self_use = found["courses"]["paid"], found["courses"]["self_use"]
    assert paid["cost"] == pytest.approx(self_use["cost"], abs=1e-9), "each from its own midnight"


def test_names_are_text_and_no_tags(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    config = folder / "config.yaml"
    text = config.read_text("utf-8")
    config.write_text(text.replace("name: Demo home", "name: <b>Tom & 'Ann'</b>"), "utf-8")
    done = run(folder, "report", "--month", "2025-08", "--no-plot")
    assert done.exit_code == 0, done.output
    found = read(folder / "out" / "report-2025-08.html")
    assert "b" not in found.seen
    assert "<b>Tom & 'Ann'</b>, August 2025" in found.text


def test_a_month_without_a_day_is_refused_with_the_reason(august: tuple[Path, Result]) -> None:
    done = run(august[0], "report", "--month", "2024-02")
    assert done.exit_code == 65
    assert "no day from 2024-02-01 to 2024-02-29 can be compared" in done.output
    assert "load_kwh is not known throughout" in done.output


def test_a_home_without_a_battery_is_refused(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    config = folder / "config.yaml"
    text = config.read_text("utf-8")
    config.write_text(text.replace("capacity_kwh: 10.0", "capacity_kwh: 0.0"), "utf-8")
    done = run(folder, "report", "--month", "2025-08")
    assert done.exit_code == 78
    assert "the home has no battery" in done.output
    assert "darkstar whatif battery" in done.output


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    (folder / "out").write_text("in the way", "utf-8")
    done = run(folder, "report", "--month", "2025-08", "--no-plot")
    assert done.exit_code == 73
    assert "cannot be made a folder" in done.output


@pytest.mark.real_data
def test_a_real_home_without_meters(real_data: Path, tmp_path: Path) -> None:
    """The home in SE4: load and PV by the hour, no meters of the grid, to its last day."""
    config = tmp_path / "config.yaml"
    config.write_text(REAL, "utf-8")
    homes = {"se4_darkstar": load_config(config).home("se4_darkstar")}
    with Store.open(tmp_path / "darkstar.sqlite", system_id="dev") as store:
        for name in ("prices_se3_se4.csv.gz", "home_se4_hourly.csv.gz"):
            import_file(store, real_data / name, homes)
    done = run(tmp_path, "report", "--month", "2025-09", "--json", "-", "--no-plot")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["days"], found["metered"]) == (29, False)
    assert [day["local_date"] for day in found["left_out"]] == ["2025-09-30"]
    cost = {name: course["cost"] for name, course in found["courses"].items()}
    assert cost["oracle"] < cost["darkstar"] < cost["self_use"] < cost["no_battery"]
    assert found["courses"]["darkstar"]["share_of_gain"] > 0.8


def test_days_without_a_verdict_are_judged_on_the_spot(tmp_path: Path) -> None:
    """The load of the 12th is a hundredfold: who believes it pays for it; nothing is written."""
    folder = demo_folder(tmp_path)
    begin, end = (int(datetime(2025, 8, d, 22, tzinfo=UTC).timestamp()) for d in (11, 12))
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        change = "UPDATE slot_observations SET value = 100 * value WHERE channel = 'load_kwh'"
        rows = db.execute(f"{change} AND slot_start >= ? AND slot_start < ?", (begin, end))
        assert rows.rowcount == 96
    done = run(folder, "report", "--month", "2025-08", "--json", str(folder / "r.json"))
    assert done.exit_code == 0, done.output
    found = json.loads((folder / "r.json").read_text("utf-8"))
    assert found["left_out"] == [{"local_date": "2025-08-12", "reason": "judged exclude"}]
    assert (found["days"], found["unjudged_days"]) == (30, 30)
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        assert store.day_quality("demo", date(2025, 8, 1), date(2025, 8, 31)) == ()


def test_pv_asleep_at_dusk_is_bridged_where_asked(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path)
    dusk = [datetime(2025, 8, 12, hour, tzinfo=UTC) for hour in (18, 19)]  # the sun sets at 18:50
    assert forget(folder, ("pv_kwh",), *dusk) == 4
    argv = ("report", "--month", "2025-08", "--no-plot", "--json", str(folder / "r.json"))
    done = run(folder, *argv)
    found = json.loads((folder / "r.json").read_text("utf-8"))
    reason = "pv_kwh is not known throughout"
    assert {day["reason"] for day in found["left_out"] if day["local_date"] == "2025-08-12"} == {
        reason
    }, done.output
    done = run(folder, *argv, "--bridge-hours", "1")
    assert done.exit_code == 0, done.output
    assert "bridged: 4 slots of pv_kwh" in " ".join(done.output.split())
    found = json.loads((folder / "r.json").read_text("utf-8"))
    assert (found["left_out"], found["bridged_slots"], found["bridge_hours"]) == ([], 4, 1.0)
