"""Importing CSV files: kinds, dirt, night, and that twice is once."""

from __future__ import annotations

import gzip
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from telemetry import Home, Quality
from telemetry.csv_import import import_file
from telemetry.csv_report import ImportReport
from telemetry.errors import ImportFileError, MissingExtraError
from telemetry.slots import to_epoch
from telemetry.store import Store

HEAD = "home_id,slot_start_utc,slot_minutes,load_kwh,pv_kwh\n"
DAY = datetime(2025, 6, 1, tzinfo=UTC)
NAN = math.nan


def _file(folder: Path, text: str, name: str = "facts.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def _import(store: Store, folder: Path, text: str, *homes: Home) -> ImportReport:
    return import_file(store, _file(folder, text), {home.home_id: home for home in homes})


def _seen(store: Store, channel: str, hours: float, as_of: datetime | None = None) -> list[float]:
    end = DAY + timedelta(hours=hours)
    found: list[float] = (
        store.observations("villa", [channel], DAY, end, as_of=as_of).of(channel).tolist()
    )
    return found


def test_energy_is_divided_and_known_at_the_end(store: Store, tmp_path: Path) -> None:
    text = HEAD + "villa,2025-06-01T00:00:00Z,60,2.0,0\nvilla,2025-06-01T01:00:00Z,30,,0.5\n"
    report = _import(store, tmp_path, text)
    np.testing.assert_array_equal(_seen(store, "load_kwh", 1.5), [0.5] * 4 + [NAN] * 2)
    np.testing.assert_array_equal(_seen(store, "pv_kwh", 1.5), [0.0] * 4 + [0.25] * 2)
    assert np.isnan(_seen(store, "load_kwh", 1, DAY + timedelta(minutes=59))).all()
    assert _seen(store, "load_kwh", 1, DAY + timedelta(minutes=60)) == [0.5] * 4
    load, pv = report.series
    assert (load.missing, pv.missing, load.counts.inserted) == (1, 0, 6)
    assert (load.start, load.end) == (DAY, DAY + timedelta(minutes=90))
    quality = store.observations("villa", ["load_kwh"], DAY, DAY + timedelta(hours=1)).quality
    assert set(quality.ravel().tolist()) == {Quality.RESAMPLED | Quality.HOURLY}


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_a_state_belongs_to_one_quarter(store: Store, tmp_path: Path, minutes: int) -> None:
    head = "home_id,slot_start_utc,slot_minutes,soc_start,soc_end\n"
    report = _import(store, tmp_path, f"{head}villa,2025-06-01T00:00:00Z,{minutes},0.4,0.6\n")
    between = [NAN] * (minutes // 15 - 1)
    np.testing.assert_array_equal(_seen(store, "soc_start", minutes / 60), [0.4, *between])
    np.testing.assert_array_equal(_seen(store, "soc_end", minutes / 60), [*between, 0.6])
    assert report.counts.inserted == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("villa,2025-06-01T01:00:00Z,60,one,0", "load_kwh is 'one', want a number"),
        ("villa,2025-06-01T01:00:00Z,60,nan,0", "load_kwh is 'nan', want a number"),
        ("villa,2025-06-01T01:00:00Z,60,inf,0", "load_kwh is 'inf', want a number"),
        ("villa,2025-06-01T01:00:00Z,60,1_0,0", "load_kwh is '1_0', want a number"),
        ("villa,2025-06-01T01:00:00Z,60,-0.1,0", "load_kwh is '-0.1': negative energy"),
        ("villa,2025-06-01T01:00:00,60,1,0", "want UTC like"),
        ("villa,2025-06-01T01:00:00+02:00,60,1,0", "want UTC like"),
        ("villa,2025-13-01T01:00:00Z,60,1,0", "want UTC like"),
        ("villa,9999-12-31T23:00:00Z,60,1,0", "outside the years 1970 to 2199"),
        ("villa,0001-01-01T00:00:00Z,60,1,0", "outside the years 1970 to 2199"),
        ("villa,2025-06-01T01:05:00Z,60,1,0", "off the grid of quarter hours"),
        ("villa,2025-06-01T01:00:00Z,20,1,0", "slot_minutes is '20', want 15, 30 or 60"),
        ("villa,2025-06-01T01:00:00Z,60,1", "has 4 cells, the header has 5"),
        (",2025-06-01T01:00:00Z,60,1,0", "home_id is '', want 1 to 64"),
        ("villa,2025-06-01T00:00:00Z,60,9,0", "repeats the slot of line 2 with other values"),
        ("villa,2025-06-01T00:30:00Z,60,1,0", "overlaps the interval of line 2"),
    ],
)
def test_a_bad_row_is_listed_and_the_rest_imported(
    store: Store, tmp_path: Path, row: str, reason: str
) -> None:
    good = "villa,2025-06-01T00:00:00Z,60,1,0\n"
    report = _import(store, tmp_path, f"{HEAD}{good}{row}\nvilla,2025-06-01T02:00:00Z,15,3,0\n")
    assert (report.rows, report.rejected_count) == (3, 1)
    assert report.rejected[0].line == 3
    assert reason in report.rejected[0].reason
    np.testing.assert_array_equal(_seen(store, "load_kwh", 2.25), [0.25] * 4 + [NAN] * 4 + [3.0])


@pytest.mark.parametrize("column", ["temp_c", "se4_eur_kwh"])
def test_years_of_no_house_are_rejected_by_row(store: Store, tmp_path: Path, column: str) -> None:
    starts = ("0001-01-01T00:00", "1969-12-31T23:45", "1970-01-01T00:00", "2199-12-31T23:45")
    lines = [f"{start}:00Z,15,1" for start in (*starts, "2200-01-01T00:00", "9999-12-31T23:45")]
    path = _file(tmp_path, "\n".join([f"slot_start_utc,slot_minutes,{column}", *lines]))
    report = import_file(store, path, {}, weather_home="villa")
    assert [row.line for row in report.rejected] == [2, 3, 6, 7]
    assert report.counts.inserted == 2


def test_lines_are_those_of_the_file(store: Store, tmp_path: Path) -> None:
    head = 'home_id,slot_start_utc,slot_minutes,load_kwh,"a\nnote"\n'
    text = 'villa,2025-06-01T00:00:00Z,15,1,"two\nlines"\n\nvilla,yesterday,15,1,x\n'
    report = _import(store, tmp_path, head + text)
    # The header fills lines 1 and 2, the good row 3 and 4, line 5 is blank.
    assert [row.line for row in report.rejected] == [6]
    assert report.rows == 2


def test_exact_repeats_are_no_fault(store: Store, tmp_path: Path) -> None:
    row = "villa,2025-06-01T00:00:00Z,60,1,\n"
    report = _import(store, tmp_path, HEAD + row + row)
    assert (report.rows, report.duplicates, report.rejected_count) == (2, 1, 0)


def test_ten_rows_are_listed_and_all_counted(store: Store, tmp_path: Path) -> None:
    report = _import(store, tmp_path, HEAD + "villa,yesterday,60,1,0\n" * 12)
    assert (len(report.rejected), report.rejected_count) == (10, 12)
    assert report.notes == ("no row could be imported",)
    assert not report.changed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the header lacks slot_start_utc and slot_minutes: got nothing"),
        ("a;b\n1;2\n", "with commas between"),
        ("slot_start_utc,slot_minutes,mood\n", "nothing to import: got .*mood; want channels"),
        ("home_id,slot_start_utc,slot_minutes,mood\n", "nothing to import"),
        ("slot_start_utc,slot_minutes,temp_c,temp_c\n", "names a column twice"),
        pytest.param("x" * 200_000 + ",a\n", r"is no CSV: field larger .* \(line 1\)", id="wide"),
    ],
)
def test_useless_headers(store: Store, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ImportFileError, match=message):
        _import(store, tmp_path, text)


def test_unreadable_files(store: Store, tmp_path: Path) -> None:
    packed = gzip.compress((HEAD + "villa,2025-06-01T00:00:00Z,60,1,0\n" * 50).encode())
    (tmp_path / "cut.csv.gz").write_bytes(packed[:-9])
    (tmp_path / "plain.csv.gz").write_text(HEAD)
    (tmp_path / "latin.csv").write_bytes(b"\xe5\xe4\xf6")
    (tmp_path / "old.sqlite").write_bytes(b"SQLite format 3\0" + bytes(84))
    for name, message in [
        ("cut.csv.gz", "cannot be read"),
        ("plain.csv.gz", "cannot be read"),
        ("latin.csv", "is no UTF-8 text"),
        ("absent.csv", "no such file"),
        ("old.sqlite", "is an SQLite database, want .csv or .csv.gz; .* `darkstar import`"),
    ]:
        with pytest.raises(ImportFileError, match=message):
            import_file(store, tmp_path / name, {})
    assert [home.home_id for home in store.homes()] == ["villa"]


# In June at 55.5 N 13.1 E the sun is down at 23:00 UTC (01:00 local) and up at 03:00 UTC.
NIGHT_FILE = HEAD + (
    "villa,2025-06-01T00:00:00Z,30,1,\n"
    "villa,2025-06-01T12:00:00Z,30,1,\n"
    "villa,2025-06-01T12:30:00Z,30,,2.0\n"
)


def test_an_empty_pv_cell_at_night_is_zero(store: Store, tmp_path: Path, villa: Home) -> None:
    report = _import(store, tmp_path, NIGHT_FILE, villa)
    pv = report.series[1]
    assert (pv.night, pv.missing) == (1, 1)
    found = store.observations("villa", ["pv_kwh"], DAY, DAY + timedelta(hours=13))
    at_noon = found.of("pv_kwh")[48:]
    np.testing.assert_array_equal(found.of("pv_kwh")[:2], [0.0, 0.0])
    np.testing.assert_array_equal(at_noon, [NAN, NAN, 1.0, 1.0])
    assert found.quality[0, 0] == Quality.NIGHT_ZERO | Quality.RESAMPLED
    assert found.known_at[0, 0] == to_epoch(DAY + timedelta(minutes=30))
    again = _import(store, tmp_path, NIGHT_FILE, villa)
    assert not again.changed
    assert again.counts.kept == 0
    # A reading that comes later replaces the assumption.
    _import(store, tmp_path, HEAD + "villa,2025-06-01T00:00:00Z,30,1,0.5\n", villa)
    assert _seen(store, "pv_kwh", 0.5) == [0.25, 0.25]


def test_night_needs_a_position(store: Store, tmp_path: Path) -> None:
    report = _import(store, tmp_path, NIGHT_FILE.replace("villa", "cabin"))
    assert "cabin: 2 empty pv_kwh cells stay missing" in report.notes[0]
    assert "add them to the configuration" in report.notes[0]
    assert report.series[1].missing == 2
    assert store.home("cabin").zone is None


def test_no_night_without_panels(store: Store, tmp_path: Path, villa: Home) -> None:
    report = _import(store, tmp_path, HEAD + "villa,2025-06-01T00:00:00Z,30,1,\n", villa)
    assert (report.series[1].night, report.series[1].missing) == (0, 1)


def test_night_without_pvlib(
    store: Store, tmp_path: Path, villa: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pvlib", None)
    with pytest.raises(MissingExtraError, match=r"darkstar-energy\[forecast\]"):
        _import(store, tmp_path, NIGHT_FILE, villa)
    assert store.coverage("villa", "load_kwh") is None


PRICES = "slot_start_utc,slot_minutes,se3_eur_kwh,de_lu_eur_kwh,note\n"


def test_prices_by_delivery_day(store: Store, tmp_path: Path) -> None:
    # 23:00 UTC on 1 January is midnight CET: the second row opens the delivery day of the 2nd.
    text = PRICES + (
        "2025-01-01T22:00:00Z,60,-0.5,1,x\n2025-01-01T23:00:00Z,15,0,,x\n2025-01-01T23:15:00Z,15,0.2,,\n"
    )
    report = _import(store, tmp_path, text)
    assert [(one.subject, one.name, one.counts.inserted) for one in report.series] == [
        ("SE3", "price EUR", 2),
        ("DE_LU", "price EUR", 1),
    ]
    assert [column.name for column in report.skipped_columns] == ["note"]
    start = datetime(2025, 1, 1, 22, tzinfo=UTC)
    found = store.prices("SE3", start, start + timedelta(hours=2))
    np.testing.assert_array_equal(found.values, [-0.5] * 4 + [0.0, 0.2, NAN, NAN])
    assert found.assumed[:6].all()
    # 13:15 CET the day before: 12:15 UTC on 31 December, and on 1 January.
    published = datetime(2024, 12, 31, 12, 15, tzinfo=UTC)
    assert found.issued_at[[0, 4]].tolist() == [to_epoch(published), to_epoch(published) + 86_400]
    assert not _import(store, tmp_path, text).changed


def test_files_cut_inside_a_delivery_day_join(store: Store, tmp_path: Path) -> None:
    head = "slot_start_utc,slot_minutes,se3_eur_kwh\n"
    first, second = "2025-01-01T23:00:00Z,60,1\n", "2025-01-02T00:00:00Z,60,2\n"
    _import(store, tmp_path, head + first)
    _import(store, tmp_path, head + second)
    assert not _import(store, tmp_path, head + first).changed
    start = datetime(2025, 1, 1, 23, tzinfo=UTC)
    found = store.prices("SE3", start, start + timedelta(hours=2))
    assert found.values.tolist() == [1.0] * 4 + [2.0] * 4


def test_an_hour_across_the_market_midnight_keeps_both_halves(store: Store, tmp_path: Path) -> None:
    text = "slot_start_utc,slot_minutes,se3_eur_kwh\n2025-01-01T22:30:00Z,60,1.5\n"
    assert _import(store, tmp_path, text).series[0].counts.inserted == 2
    start = datetime(2025, 1, 1, 22, 30, tzinfo=UTC)
    found = store.prices("SE3", start, start + timedelta(hours=1))
    assert found.values.tolist() == [1.5] * 4


WEATHER = "slot_start_utc,slot_minutes,temp_c,ghi_w_m2\n2025-06-01T00:00:00Z,60,-3.5,0\n"


def test_weather_needs_a_home(store: Store, tmp_path: Path) -> None:
    report = _import(store, tmp_path, WEATHER)
    assert {column.reason for column in report.skipped_columns} == {"no home in the file"}
    assert not report.series
    path = _file(tmp_path, WEATHER)
    done = import_file(store, path, {}, weather_home="villa")
    assert done.series[0].counts.inserted == 1
    assert not import_file(store, path, {}, weather_home="villa").changed
    end = DAY + timedelta(hours=2)
    found = store.weather("villa", DAY, end, as_of=None, kind="archive")
    np.testing.assert_array_equal(found.of("temp_c"), [-3.5] * 4 + [NAN] * 4)
    assert store.weather("villa", DAY, end, as_of=None).variables == ()


def test_report_as_json(store: Store, tmp_path: Path) -> None:
    report = _import(store, tmp_path, HEAD + "villa,2025-06-01T00:00:00Z,60,1,0\nvilla,x,60,1,0\n")
    told = json.loads(report.to_json())
    assert told["series"][0]["start"] == "2025-06-01T00:00:00+00:00"
    assert told["rejected"][0]["line"] == 3


@pytest.mark.real_data
def test_real_home(store: Store, data_dir: Path) -> None:
    path = data_dir / "home_fr_30min.csv.gz"
    home = Home(home_id="fr_emhass", zone="Europe/Paris", latitude=48.83, longitude=6.86)
    report = import_file(store, path, {"fr_emhass": home})
    load, pv = report.series
    assert (report.rows, report.rejected_count, load.missing) == (11_814, 0, 296)
    assert pv.night + pv.missing == 5_295
    # Labelled in known_issues.csv as missing in daylight: 2024-03-27 09:30 to 11:00.
    start = datetime(2024, 3, 27, 9, 30, tzinfo=UTC)
    dark = store.observations("fr_emhass", ["pv_kwh"], start, start + timedelta(minutes=90))
    assert np.isnan(dark.values).all()
    assert not import_file(store, path, {"fr_emhass": home}).changed


@pytest.mark.real_data
def test_real_prices(store: Store, data_dir: Path) -> None:
    report = import_file(store, data_dir / "prices_se3_se4.csv.gz", {})
    assert (report.rows, report.rejected_count) == (23_875, 0)
    with gzip.open(data_dir / "prices_se3_se4.csv.gz", "rt") as lines:
        cells = [line.strip().split(",") for line in lines][1:]
    start, end = report.series[1].start, report.series[1].end
    found = store.prices("SE4", start, end)
    assert found.currency == "EUR"
    assert (~np.isnan(found.values)).sum() == sum(int(row[1]) // 15 for row in cells)
    assert np.nansum(found.values) == pytest.approx(
        sum(float(row[3]) * (int(row[1]) // 15) for row in cells)
    )
