"""``darkstar validate`` and ``darkstar repair``: what they print, draw, and how they end."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner, Result

import runners.quality_report
import runners.validate
from runners.cli import app
from runners.config import load_config
from runners.plot_quality import plot_quality
from runners.validate import limits_of
from telemetry.channels import Channel
from telemetry.errors import PeerUnreachableError
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import local_day, slot_range
from telemetry.store import Store

FIRST, LAST = date(2025, 6, 1), date(2025, 6, 14)
WIRING = """
    home_assistant: {url: "http://127.0.0.1:9", token: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
    input_sensors: {total_load_consumption: sensor.load_total}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home with two weeks of load: one day missing, one hour standing still and caught up."""
    assert run(tmp_path, "init").exit_code == 0
    config = load_config(tmp_path / "config.yaml")
    zone = config.home_config("demo").zone
    slots = slot_range(local_day(FIRST, zone)[0], local_day(LAST, zone)[1])
    load, quality = np.full(slots.size, 0.25), np.zeros(slots.size, dtype=np.int64)
    noon = 3 * 96 + 48  # 4 June
    load[noon : noon + 4], quality[noon : noon + 4] = 0.0, 64
    load[noon + 4], quality[noon + 4] = 1.25, 256
    load[5 * 96 : 6 * 96] = np.nan  # 6 June
    with Store.open(tmp_path / "darkstar.sqlite") as store:
        store.put_home(config.home("demo"))
        store.put_observations(
            "demo",
            "load_kwh",
            slots,
            load,
            known_at=slots + 900,
            provenance="live",
            quality=quality,
        )
    return tmp_path


def run(folder: Path, command: str, *args: str) -> Result:
    argv = [command, "--config", str(folder / "config.yaml"), *args]
    return CliRunner().invoke(app, argv, env={"COLUMNS": "80"})


def validated(folder: Path, *args: str) -> Result:
    days = ("--start-date", str(FIRST), "--end-date", str(LAST), "--out", str(folder / "out"))
    return run(folder, "validate", *days, *args)


def test_a_table_a_picture_and_json(folder: Path) -> None:
    result = validated(folder, "--json", str(folder / "days.json"))
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith(" 2025")]
    assert [row[:2] for row in rows] == [["2025-06-04", "clean"], ["2025-06-06", "exclude"]]
    assert "13 clean (1 flagged), 0 mask_battery, 1 exclude" in result.stdout
    assert "reference: none" in result.stdout
    assert "1 exclude (1 without data)" in result.stdout
    lines = result.stdout.splitlines()
    assert lines[-1] == f"picture: {folder / 'out' / 'quality.png'}"
    assert max(len(line) for line in lines if line.startswith(" ")) <= 80
    assert (folder / "out" / "quality.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((folder / "days.json").read_text(encoding="utf-8"))
    assert found["totals"] == {"clean": 13, "mask_battery": 0, "exclude": 1}
    assert [day["local_date"] for day in found["days"]] == [
        str(FIRST + timedelta(days=k)) for k in range(14)
    ]


def test_repair_and_undo(folder: Path) -> None:
    days = ("--start-date", str(FIRST), "--end-date", str(LAST))
    first = run(folder, "repair", *days)
    assert first.stdout.splitlines()[1].split() == ["slots", "by", "lump", "5"]
    again = run(folder, "repair", *days)
    assert "slots repaired" in again.stdout
    assert again.stdout.splitlines()[1].split() == ["slots", "repaired", "0"]
    assert "13 clean (0 flagged)" in validated(folder, "--no-plot").stdout
    assert not (folder / "out").exists()
    assert "picture" not in validated(folder, "--no-plot").stdout
    assert "5 slots as they were" in run(folder, "repair", *days, "--undo").stdout
    assert "13 clean (1 flagged)" in validated(folder, "--no-plot").stdout


def test_two_weeks_up_to_yesterday(folder: Path) -> None:
    config = load_config(folder / "config.yaml")
    # 22:30 UTC is 00:30 on 3 July in Sweden: 2 July has ended.
    now = datetime(2025, 7, 2, 22, 30, tzinfo=UTC)
    dates = runners.validate.local_dates(config, "demo", None, None, now)
    assert dates == (date(2025, 6, 19), date(2025, 7, 2))


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("--start-date", "2100-01-01", "--end-date", "2100-01-02"), 65, "has ended"),
        (
            ("--start-date", "2025-06-02", "--end-date", "2025-06-01"),
            2,
            "--start-date: 2025-06-02 lies after the last day, 2025-06-01",
        ),
        (("--start-date", "yesterday"), 2, "is no date"),
    ],
)
def test_dates_that_cannot_be(folder: Path, args: tuple[str, ...], code: int, told: str) -> None:
    for command in ("validate", "repair"):
        result = run(folder, command, *args)
        assert result.exit_code == code
        assert told in result.output


def test_undo_looks_at_its_dates_too(folder: Path) -> None:
    days = ("--start-date", "2025-06-02", "--end-date", "2025-06-01")
    result = run(folder, "repair", *days, "--undo")
    assert result.exit_code == 2
    assert "lies after the last day" in result.output


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), "demo: 2025-06-04 to 2025-06-04: 5 slots as they were before"),
        (("--start-date", "2025-06-01"), "2025-06-01 to 2025-06-04: 5 slots"),
        (("--end-date", "2025-12-31"), "2025-06-04 to 2025-12-31: 5 slots"),
        (("--start-date", "2025-06-05"), "2025-06-05 to 2025-06-05: 0 slots"),
        (("--end-date", "2025-06-03"), "2025-06-03 to 2025-06-03: 0 slots"),
    ],
)
def test_undo_without_dates_is_undoing_all(folder: Path, args: tuple[str, ...], told: str) -> None:
    assert "demo: no slot is repaired" in run(folder, "repair", "--undo").stdout
    days = ("--start-date", str(FIRST), "--end-date", str(LAST))
    assert run(folder, "repair", *days).exit_code == 0
    result = run(folder, "repair", "--undo", *args, "--json", str(folder / "undone.json"))
    assert told in result.stdout
    undone = json.loads((folder / "undone.json").read_text(encoding="utf-8"))
    assert undone["undone"] == int(told.partition(" slots")[0].split()[-1])


def put(folder: Path, channel: str, first: date, values: list[float]) -> None:
    """Write days of one channel, each with the same number in all slots, NaN: missing."""
    zone = load_config(folder / "config.yaml").home_config("demo").zone
    last = first + timedelta(days=len(values) - 1)
    slots = slot_range(local_day(first, zone)[0], local_day(last, zone)[1])
    with Store.open(folder / "darkstar.sqlite") as store:
        store.put_observations(
            "demo",
            channel,
            slots,
            np.repeat(np.array(values), 96),
            known_at=slots + 900,
            provenance="live",
        )


def test_days_with_one_verdict_are_one_row(folder: Path) -> None:
    put(folder, "pv_kwh", FIRST, [0.2, *[np.nan] * 9, 0.2, 0.2, 0.2, np.nan])
    put(folder, "ev_kwh", FIRST, [0.1, *[np.nan] * 9, 0.1, 0.1, 0.1, 0.1])
    result = validated(folder, "--json", str(folder / "days.json"))
    rows = [line.rstrip() for line in result.stdout.splitlines() if line.startswith(" 2025")]
    gone = "missing all day: pv_kwh, ev_kwh"
    assert [" ".join(row.split()) for row in rows] == [
        "2025-06-01 clean pv_kwh: 0.2 kWh in a slot at",  # night, in the next line
        f"2025-06-02 to 2025-06-03 (2 days) exclude {gone}",
        "2025-06-04 exclude load_kwh: 1 h stood still and",  # caught up; what is gone comes last
        f"2025-06-05 exclude {gone}",
        "2025-06-06 exclude nothing is recorded",
        f"2025-06-07 to 2025-06-10 (4 days) exclude {gone}",
        "2025-06-11 to 2025-06-13 (3 days) clean pv_kwh: 0.2 kWh in a slot at",
        "2025-06-14 exclude missing all day: pv_kwh",
    ]
    assert "4 clean (4 flagged), 0 mask_battery, 10 exclude (1 without data)" in result.stdout
    found = json.loads((folder / "days.json").read_text(encoding="utf-8"))
    assert found["totals"]["exclude"] == 10


def test_no_reason_that_differs_is_hidden() -> None:
    lines = runners.quality_report._lines
    before, after = ["a", "b", "c"], ["a", "f"]
    assert lines(["a", "b", "c", "d"], before, after) == ["d", "b", "c", "a"]
    assert lines(["a", "b", "c", "d", "e"], before, after) == [
        "d",
        "e",
        "b",
        "c",
        "and 1 more, as on the day before",
    ]
    assert lines(["d", "e", "f", "g", "h", "a"], before, after) == [
        "d",
        "e",
        "g",
        "h",
        "f",
        "and 1 more, as on the day before",
    ]


def told(folder: Path) -> list[str]:
    """The lines after the totals."""
    lines = validated(folder, "--no-plot").stdout.splitlines()
    return lines[next(k for k, line in enumerate(lines) if line.startswith("reference")) + 1 :]


def test_what_was_not_checked_is_told(folder: Path) -> None:
    what = "not checked: energy balance"
    flows = ["import_kwh", "export_kwh", "charge_kwh", "discharge_kwh"]
    assert told(folder) == [f"{what}, because the files have no pv_kwh, {', '.join(flows)}"]
    for channel in ("pv_kwh", *flows[1:]):
        put(folder, channel, FIRST, [0.0] * 14)
    assert told(folder) == [f"{what}, because the files have no import_kwh"]
    put(folder, "import_kwh", date(2025, 6, 9), [0.25] * 6)
    put(folder, "soc_end", date(2025, 6, 9), [0.5] * 6)
    assert told(folder) == [
        "import_kwh, state of charge begin 2025-06-09: not judged before",
        f"{what} before 2025-06-09, because there is no import_kwh until then",
    ]
    put(folder, "import_kwh", FIRST, [0.25] * 14)
    assert told(folder) == ["state of charge begins 2025-06-09: not judged before"]


def test_what_is_wired_and_silent_is_told(folder: Path) -> None:
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    for extra, want in (
        ("", "not checked: energy balance, because input_sensors has no total_pv_production, "),
        (
            ", total_pv_production: sensor.pv, total_grid_import: sensor.a, total_grid_export: "
            "sensor.b, total_battery_charge: sensor.c, total_battery_discharge: sensor.d",
            "not checked: energy balance, because there is no reading of import_kwh, ",
        ),
    ):
        wiring = WIRING.replace("load_total}", f"load_total{extra}}}")
        wired = text.replace(
            "    zone: Europe/Stockholm ", f"{wiring}    zone: Europe/Stockholm ", 1
        )
        (folder / "config.yaml").write_text(wired, encoding="utf-8")
        lines = validated(folder, "--no-plot", "--no-reference").stdout.splitlines()
        assert any(line.startswith(want) for line in lines), lines
    assert (
        "import_kwh, export_kwh, charge_kwh, discharge_kwh have no reading yet: not judged" in lines
    )


def test_home_assistant_that_does_not_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    wired = text.replace("    zone: Europe/Stockholm ", f"{WIRING}    zone: Europe/Stockholm ", 1)
    (folder / "config.yaml").write_text(wired, encoding="utf-8")

    def silent(*_: object, **__: object) -> None:
        raise PeerUnreachableError("Home Assistant", "no answer", "check that it runs")

    monkeypatch.setattr(runners.validate, "hourly_reference", silent)
    result = validated(folder, "--no-plot")
    assert result.exit_code == 69
    assert "no answer; check that it runs" in result.output
    assert "--no-reference" in result.output
    assert validated(folder, "--no-plot", "--no-reference").exit_code == 0


def days_of(count: int, *, empty: int = 0) -> list[DayQuality]:
    """Days from 2024 of each class in turn; the first ``empty`` of the excluded hold nothing."""
    first = date(2024, 1, 1)
    return [
        DayQuality(
            local_date=first + timedelta(days=k),
            day_start=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=k),
            day_class=list(DayClass)[k % 3],
            reference="none",
            slots=96,
            counts={"empty": 1} if k % 3 == 2 and k // 3 < empty else {},
            reasons=("said",) if k % 2 else (),
            checked_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for k in range(count)
    ]


def test_a_picture_of_two_years(tmp_path: Path) -> None:
    path = tmp_path / "new" / "quality.png"
    plot_quality(days_of(731), path, title="two years")
    header = path.read_bytes()[16:24]
    width, height = (int.from_bytes(header[k : k + 4], "big") for k in (0, 4))
    assert (width, height) == (1200, 943)  # 1.75 + 24 * 0.32 inches at 100 dpi


def test_the_legend_adds_up_to_the_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    plot_quality(days_of(12, empty=1), tmp_path / "quality.png", title="twelve days")
    legend = drawn[0].axes[0].get_legend()
    assert legend is not None
    # Four of each class; days 3 and 9 of the clean ones (0, 3, 6, 9) have something to tell.
    assert [text.get_text() for text in legend.get_texts()] == [
        "clean (4)",
        "mask battery (4)",
        "exclude (4)",
        "of these without data (1)",
        "clean, flagged (2)",
    ]


BARE = """
homes:
  villa:
    zone: Europe/Stockholm
    area: se4
    grid: {max_import_kw: 11, max_export_kw: 10}
    tariff: {}
"""


def test_what_files_have_and_nobody_described_is_unknown_not_absent(tmp_path: Path) -> None:
    """Panels and battery without a section: 0 kW would make every reading of them a spike."""
    path = tmp_path / "config.yaml"
    path.write_text(BARE, "utf-8")
    config = load_config(path)
    found = limits_of(config, "villa", (Channel.LOAD_KWH,))
    assert (found.pv_peak_kw, found.charge_kw, found.capacity_kwh) == (0.0, 0.0, 0.0)
    found = limits_of(config, "villa", (Channel.PV_KWH, Channel.DISCHARGE_KWH))
    assert (found.pv_peak_kw, found.charge_kw, found.capacity_kwh) == (None, None, None)
    assert (found.import_kw, found.load_kw) == (11.0, None)
