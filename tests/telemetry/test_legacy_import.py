"""The learning database of an earlier Darkstar: each of its faults, flagged and not inherited."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry import Home, Quality
from telemetry.channels import Channel
from telemetry.csv_import import import_file
from telemetry.csv_report import ImportReport
from telemetry.errors import ImportFileError
from telemetry.legacy_energy import energy_by_slot
from telemetry.legacy_file import Findings, is_database, read_legacy_file
from telemetry.legacy_import import import_legacy
from telemetry.slots import to_epoch
from telemetry.store import Store

SCHEMA = """
CREATE TABLE slot_observations (
    slot_start TEXT PRIMARY KEY,
    slot_end TEXT NOT NULL,
    import_kwh REAL DEFAULT 0.0,
    export_kwh REAL DEFAULT 0.0,
    pv_kwh REAL DEFAULT 0.0,
    load_kwh REAL DEFAULT 0.0,
    water_kwh REAL DEFAULT 0.0,
    batt_charge_kwh REAL,
    batt_discharge_kwh REAL,
    soc_start_percent REAL,
    soc_end_percent REAL,
    import_price_sek_kwh REAL,
    export_price_sek_kwh REAL,
    executed_action TEXT,
    quality_flags TEXT,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP
)
"""
NAN = math.nan
DAY = datetime(2025, 11, 3, 12, tzinfo=UTC)
SUSPECT = int(Quality.SUSPECT)
SPREAD_HOUR = int(Quality.SPREAD | Quality.SUSPECT | Quality.RESAMPLED | Quality.HOURLY)


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A row; minutes count from ``DAY``, ``written`` None = a minute after its end."""

    at: float
    load: object = 0.0
    bought: object = 0.0
    soc: tuple[object, object] = (None, None)
    written: float | None = None
    minutes: float = 15

    def cells(self) -> dict[str, object]:
        """The row as the table has it."""
        start = DAY + timedelta(minutes=self.at)
        end = start + timedelta(minutes=self.minutes)
        late = self.at + self.minutes + 1 if self.written is None else self.written
        return {
            "slot_start": local(start),
            "slot_end": local(end),
            "load_kwh": self.load,
            "import_kwh": self.bought,
            "soc_start_percent": self.soc[0],
            "soc_end_percent": self.soc[1],
            "created_at": f"{DAY + timedelta(minutes=late):%Y-%m-%d %H:%M:%S}",
        }


def local(moment: datetime, hours: float = 1) -> str:
    """Swedish winter time, as the old system wrote its keys."""
    shifted = moment + timedelta(hours=hours)
    return f"{shifted:%Y-%m-%dT%H:%M:%S.%f}+{int(hours):02d}:00"


def write(path: Path, rows: Sequence[dict[str, object]], schema: str = SCHEMA) -> Path:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(schema)
        for row in rows:
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            conn.execute(
                f"INSERT INTO slot_observations ({names}) VALUES ({marks})",  # noqa: S608
                tuple(row.values()),
            )
        conn.commit()
    return path


class Old:
    """Imports rows and reads what became of them."""

    def __init__(self, store: Store, home: Home, path: Path) -> None:
        self.store, self.home, self.path = store, home, path

    def imported(self, *rows: Slot | dict[str, object]) -> ImportReport:
        """Write a database of these rows and import it."""
        cells = [row.cells() if isinstance(row, Slot) else row for row in rows]
        return self.again(write(self.path, cells))

    def again(self, path: Path) -> ImportReport:
        """Import a database."""
        return import_legacy(self.store, path, {self.home.home_id: self.home})

    def seen(self, channel: str, slots: int, start: datetime = DAY) -> list[float]:
        """What the store has."""
        end = start + timedelta(minutes=15 * slots)
        found: list[float] = (
            self.store.observations("villa", [channel], start, end).of(channel).tolist()
        )
        return found

    def quality(self, channel: str, slots: int) -> list[int]:
        """Bits of ``Quality``, 0 where the store has nothing."""
        end = DAY + timedelta(minutes=15 * slots)
        found: list[int] = self.store.observations("villa", [channel], DAY, end).quality[0].tolist()
        return found


@pytest.fixture
def old(store: Store, villa: Home, tmp_path: Path) -> Old:
    return Old(store, villa, tmp_path / "learning.db")


def said(report: ImportReport, text: str) -> str:
    """Return the only note with ``text``."""
    found = [note for note in report.notes if text in note]
    assert len(found) == 1, report.notes
    return found[0]


def test_a_good_row_is_taken_as_it_is(old: Old) -> None:
    report = old.imported(Slot(at=0, load=0.3, bought=0.2, soc=(40.0, 41.0)))
    assert (report.rows, report.rejected_count, report.notes) == (1, 0, ())
    for channel, want in (("load_kwh", 0.3), ("soc_start", 0.4), ("soc_end", 0.41)):
        assert old.seen(channel, 1) == [want]
        assert old.quality(channel, 1) == [Quality.OK]
    # 0.0 in every row is the column's default, an empty column says nothing either.
    assert {column.name for column in report.skipped_columns} == {
        *("pv_kwh", "export_kwh", "water_kwh", "batt_charge_kwh", "batt_discharge_kwh"),
        *("import_price_sek_kwh", "export_price_sek_kwh", "executed_action", "quality_flags"),
    }
    assert np.isnan(old.seen("export_kwh", 1)).all()
    early = old.store.observations(
        "villa", ["load_kwh"], DAY, DAY + timedelta(minutes=15), as_of=DAY + timedelta(minutes=14)
    )
    assert np.isnan(early.values).all()


def test_twice_is_once(old: Old) -> None:
    rows = [Slot(at=15 * i, bought=1.2 * (i == 3), soc=(60, 60), written=61) for i in range(4)]
    first = old.imported(*rows, Slot(at=67, load=0.5, bought=0.1))
    again = old.again(old.path)
    assert first.changed
    assert not again.changed
    assert again.counts.unchanged == first.counts.inserted
    assert again.notes == first.notes


def test_a_row_written_before_its_end_is_not_observed(old: Old) -> None:
    report = old.imported(
        Slot(at=0, load=0.3),
        Slot(at=15, load=0.4, soc=(70, 69), written=29),
        Slot(at=30, load=0.5, written=45),  # written in the very second in which it ended
    )
    np.testing.assert_array_equal(old.seen("load_kwh", 3), [0.3, NAN, 0.5])
    assert old.quality("load_kwh", 3) == [0, SUSPECT, 0]
    np.testing.assert_array_equal(old.seen("soc_start", 2), [NAN, 0.7])
    assert np.isnan(old.seen("soc_end", 2)).all()
    assert said(report, "before its slot had ended: its energies").startswith("1 x ")
    assert "load_kwh: 0.400 kWh recorded are in no slot" in said(report, "in no slot")


def test_a_row_without_energy_was_never_recorded(old: Old) -> None:
    """And what comes after it, in a write of its own, may be a lump: 2.0 kWh belong to no slot."""
    report = old.imported(
        Slot(at=0, load=0.3), Slot(at=15), Slot(at=30, load=2.0), Slot(at=45, load=0.4)
    )
    np.testing.assert_array_equal(old.seen("load_kwh", 4), [0.3, NAN, NAN, 0.4])
    assert old.quality("load_kwh", 4) == [0, SUSPECT, Quality.LUMP | SUSPECT, 0]
    assert said(report, "never recorded").startswith("1 x ")
    assert "load_kwh: 2.000 kWh" in said(report, "in no slot")


def test_a_load_of_zero_beside_other_energy_is_a_default(old: Old) -> None:
    report = old.imported(Slot(at=0, load=0.3, bought=0.3), Slot(at=15, load=0.0, bought=0.2))
    np.testing.assert_array_equal(old.seen("load_kwh", 2), [0.3, NAN])
    assert old.seen("import_kwh", 2) == [0.3, 0.2]
    assert old.quality("load_kwh", 2) == [0, SUSPECT]
    assert said(report, "load of 0.0").startswith("1 x ")


def test_a_lump_of_one_write_is_spread_over_its_run(old: Old) -> None:
    """5.6 kWh in the last of four rows written at once: 1.4 kWh in each, known at the hour."""
    rows = [Slot(at=15 * i, bought=5.6 * (i == 3), written=60) for i in range(4)]
    report = old.imported(*rows)
    assert old.seen("import_kwh", 4) == pytest.approx([1.4] * 4, abs=1e-12)
    assert old.quality("import_kwh", 4) == [SPREAD_HOUR] * 4
    found = old.store.observations("villa", ["import_kwh"], DAY, DAY + timedelta(hours=1))
    assert set(found.known_at.ravel().tolist()) == {to_epoch(DAY + timedelta(hours=1))}
    assert said(report, "counter's whole advance").startswith("1 x ")
    # Readings of a quarter are better than a lump that was spread, whichever comes first.
    csv = old.path.with_name("facts.csv")
    csv.write_text(
        "home_id,slot_start_utc,slot_minutes,import_kwh\nvilla,2025-11-03T12:00:00Z,60,8.0\n"
    )
    import_file(old.store, csv, {})
    old.again(old.path)
    assert old.seen("import_kwh", 4) == [2.0] * 4


@pytest.mark.parametrize(
    ("count", "writes", "want"),
    [
        pytest.param(5, 1, NAN, id="75 minutes: longer than an hour"),
        pytest.param(4, 2, NAN, id="an hour, of two writes"),
        pytest.param(2, 1, 5.0 / 2, id="half an hour of one write"),
    ],
)
def test_which_lumps_can_be_spread(old: Old, count: int, writes: int, want: float) -> None:
    report = old.imported(
        *(
            Slot(at=15 * i, bought=5.0 * (i == count - 1), written=90 + (i % writes))
            for i in range(count)
        )
    )
    np.testing.assert_allclose(old.seen("import_kwh", count), [want] * count)
    last = old.quality("import_kwh", count)[-1]
    assert bool(last & Quality.LUMP) == math.isnan(want)
    assert bool(last & Quality.SPREAD) != math.isnan(want)
    assert any("5.000 kWh" in note for note in report.notes) == math.isnan(want)


def test_energy_after_a_hole_is_flagged(old: Old) -> None:
    old.imported(Slot(at=0, load=0.3), Slot(at=60, load=0.4), Slot(at=135, load=0.5))
    found = old.quality("load_kwh", 10)
    # 45 minutes without rows, then exactly an hour.
    assert (found[0], found[4], found[9]) == (0, 0, Quality.LUMP)


def test_rows_off_the_grid_are_moved_by_overlap(old: Old) -> None:
    """Rows from minute 5 to 35: 10/15 of the first and 5/15 of the second fill 12:15.

    0.9 * 5/15 + 0.6 * 10/15 = 0.7; the 10 minutes before it and the 5 after it fill no slot:
    0.9 * 10/15 + 0.6 * 5/15 = 0.8 stay out.
    """
    report = old.imported(Slot(at=5, load=0.9), Slot(at=20, load=0.6))
    np.testing.assert_allclose(old.seen("load_kwh", 3), [NAN, 0.7, NAN], atol=1e-12)
    assert old.quality("load_kwh", 2)[1] == Quality.RESAMPLED | SUSPECT
    found = old.store.observations("villa", ["load_kwh"], DAY, DAY + timedelta(minutes=45))
    assert found.known_at[0, 1] == to_epoch(DAY + timedelta(minutes=35))
    assert "load_kwh: 0.800 kWh" in said(report, "in no slot")
    assert said(report, "off the 15-minute grid").startswith("2 x ")


rows_of_a_write = st.lists(
    st.tuples(
        st.floats(0.0, 5.0).map(lambda kwh: kwh if kwh > 1e-3 else 0.0),
        st.floats(0.5, 60.0),  # length, minutes
        st.sampled_from([0.0, 0.0, 7.3, 80.0]),  # hole before the row, minutes
        st.sampled_from([-400.0, 900.0, 901.0]),  # when it was written
    ),
    min_size=1,
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=rows_of_a_write, offset=st.floats(-20.0, 20.0))
def test_no_energy_is_made_or_lost(
    tmp_path: Path, rows: list[tuple[float, float, float, float]], offset: float
) -> None:
    path, at, cells = tmp_path / "learning.sqlite", offset, []
    for kwh, minutes, hole, written in rows:
        at += hole
        cells.append(Slot(at=at, bought=kwh, minutes=minutes, written=written).cells())
        at += minutes
    path.unlink(missing_ok=True)
    file = read_legacy_file(write(path, cells), Findings())
    assert not file.rejected
    found = energy_by_slot(file, Findings())
    row = file.channels.index("import_kwh")
    total = sum(kwh for kwh, *_ in rows)
    stored = np.nansum(found.energy_kwh[row])
    assert stored + found.left_out_kwh[row] == pytest.approx(total, abs=1e-9)
    assert stored >= 0.0


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        pytest.param(4.0, 0.6, NAN, id="read 4 min into the slot: its start"),
        pytest.param(7.0, NAN, NAN, id="read in the middle: neither"),
        pytest.param(12.0, NAN, 0.6, id="read 3 min before the end: its end"),
        pytest.param(17.0, NAN, 0.6, id="read 2 min after the end: its end"),
        pytest.param(90.0, NAN, NAN, id="written later: nobody knows when it was read"),
    ],
)
def test_one_state_of_charge_at_both_ends(
    old: Old, written: float, start: float, end: float
) -> None:
    old.imported(Slot(at=0, load=0.2, soc=(60.0, 60.0), written=written))
    np.testing.assert_array_equal(old.seen("soc_start", 1), [start])
    np.testing.assert_array_equal(old.seen("soc_end", 1), [end])
    quality = old.quality("soc_start", 1) + old.quality("soc_end", 1)
    assert sorted(quality) == [0, SUSPECT]
    # Nothing may be known before it was read.
    channel = "soc_start" if written < 7.5 else "soc_end"
    found = old.store.observations("villa", [channel], DAY, DAY + timedelta(minutes=15))
    want = max(15.0, written if end == 0.6 else 0.0)
    assert found.known_at[0, 0] == to_epoch(DAY) + 60 * want


def test_a_state_of_charge_held_over_a_write_is_not_taken(old: Old) -> None:
    old.imported(
        Slot(at=0, soc=(40, 40), written=31), Slot(at=15, bought=1.0, soc=(40, 45), written=31)
    )
    assert np.isnan(old.seen("soc_start", 2)).all()
    np.testing.assert_array_equal(old.seen("soc_end", 2), [NAN, 0.45])


@pytest.mark.parametrize(
    ("percents", "kept"),
    [
        pytest.param([76, 50, 75], False, id="alone among others"),
        pytest.param([76, 50, 50, 75], False, id="twice"),
        pytest.param([76, 50], False, id="last"),
        pytest.param([50, 50], False, id="nothing else"),
        pytest.param([55, 50, 62], True, id="a neighbour supports it"),
        pytest.param([65, 50, 35], True, id="passed on the way down"),
    ],
)
def test_fifty_percent(old: Old, percents: list[float], kept: bool) -> None:  # noqa: FBT001
    report = old.imported(
        *(Slot(at=15 * i, soc=(p, p), written=15 * i) for i, p in enumerate(percents))
    )
    want = [p / 100 if p != 50 or kept else NAN for p in percents]
    np.testing.assert_array_equal(old.seen("soc_start", len(percents)), want)
    assert any("exactly 50 %" in note for note in report.notes) != kept


def test_an_old_fifty_needs_support_of_its_own_hour(old: Old) -> None:
    old.imported(Slot(at=0, soc=(52, 52), written=0), Slot(at=75, soc=(50, 50), written=75))
    np.testing.assert_array_equal(old.seen("soc_start", 6), [0.52, NAN, NAN, NAN, NAN, NAN])


def test_the_hour_that_the_clock_shows_twice(old: Old) -> None:
    """2025-10-26 02:45 comes twice in Sweden: +02:00 is 00:45Z, +01:00 is 01:45Z."""
    rows = [
        {
            "slot_start": f"2025-10-26T02:45:00+0{hours}:00",
            "slot_end": f"2025-10-26T{end}+01:00",
            "load_kwh": load,
            "created_at": "2025-10-26 09:00:00",
        }
        for hours, end, load in ((2, "02:00:00", 0.25), (1, "03:00:00", 0.5))
    ]
    report = old.imported(*rows)
    assert report.rejected == ()
    start = datetime(2025, 10, 26, 0, 45, tzinfo=UTC)
    np.testing.assert_array_equal(old.seen("load_kwh", 5, start), [0.25, NAN, NAN, NAN, 0.5])


GOOD = Slot(at=0, load=0.5).cells()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"slot_start": "2025-11-03T12:15:00"}, "want local time with its offset"),
        ({"slot_start": "2025-11-03"}, "want local time with its offset"),
        ({"slot_start": "soon"}, "slot_start is 'soon'"),
        ({"slot_start": None}, "slot_start is None"),
        ({"slot_start": 1762171200}, "want local time with its offset"),
        ({"slot_start": "1969-11-03T12:15:00+00:00"}, "outside the years 1970 to 2199"),
        ({"slot_end": "2025-11-03T14:15:01+01:00"}, "lasts 60.0167 min, want up to 60"),
        ({"slot_end": "2025-11-03T13:15:00+01:00"}, "lasts 0 min"),
        ({"created_at": None}, "created_at is None, want UTC like"),
        ({"slot_start": "2025-11-03T12:05:00+00:00"}, "overlaps the row of '2025-11-03T13:00"),
        ({"slot_start": "2025-11-03T13:00:00+01:00"}, "overlaps the row of '2025-11-03T13:00"),
    ],
)
def test_a_row_that_cannot_be_placed_is_rejected(
    old: Old, change: dict[str, object], reason: str
) -> None:
    bad = {**Slot(at=15, load=0.7).cells(), **change}
    report = old.imported(GOOD, bad)
    assert (report.rows, report.rejected_count) == (2, 1)
    assert report.rejected[0].line == 2
    assert reason in report.rejected[0].reason
    np.testing.assert_array_equal(old.seen("load_kwh", 2), [0.5, NAN])


def test_one_instant_under_two_keys_counts_once(old: Old) -> None:
    report = old.imported(GOOD, {**GOOD, "slot_start": "2025-11-03T12:00:00+00:00"})
    assert (report.duplicates, report.rejected_count) == (1, 0)
    assert old.seen("load_kwh", 1) == [0.5]


@pytest.mark.parametrize("cell", [-0.1, math.inf, "much", b"\0"])
def test_no_energy_is_left_missing(old: Old, cell: object) -> None:
    report = old.imported(GOOD, Slot(at=15, load=cell, bought=0.3, soc=(101.0, 44.0)))
    np.testing.assert_array_equal(old.seen("load_kwh", 2), [0.5, NAN])
    assert old.seen("import_kwh", 2)[1] == 0.3
    np.testing.assert_array_equal(old.seen("soc_start", 2), [NAN, NAN])
    assert said(report, "load_kwh is negative or no number").startswith("1 x ")
    assert said(report, "soc_start_percent is no percent in 0..100").startswith("1 x ")


def test_prices_and_other_tables_are_named(old: Old) -> None:
    write(old.path, [{**GOOD, "import_price_sek_kwh": 1.5, "export_price_sek_kwh": 0.0}])
    with closing(sqlite3.connect(old.path)) as conn:
        conn.execute('CREATE TABLE "daily ""water""" (used_kwh REAL)')
        conn.execute('INSERT INTO "daily ""water""" VALUES (1.0)')
        conn.commit()
    report = old.again(old.path)
    reasons = {column.name: column.reason for column in report.skipped_columns}
    assert "import spot prices" in reasons["import_price_sek_kwh"]
    assert reasons["export_price_sek_kwh"] == "0.0 or empty in all 1 rows: never read"
    assert said(report, "other tables") == 'other tables are not imported: daily "water" (1 rows)'


def test_whose_data_they_are(old: Old, villa: Home) -> None:
    write(old.path, [GOOD])
    cabin = Home(home_id="cabin", name="Cabin", zone="Europe/Oslo")
    both = {"villa": villa, "cabin": cabin}
    with pytest.raises(ImportFileError, match=r"names no home; .* --home ID, known: villa, cabin"):
        import_legacy(old.store, old.path, both)
    with pytest.raises(ImportFileError, match="known: none"):
        import_legacy(old.store, old.path, {})
    report = import_legacy(old.store, old.path, both, home_id="cabin")
    assert {series.subject for series in report.series} == {"cabin"}
    assert old.store.home("cabin") == cabin


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_file_is_only_read(old: Old, mode: str) -> None:
    write(old.path, [GOOD])
    with closing(sqlite3.connect(old.path)) as conn:
        assert conn.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
    before = old.path.read_bytes()
    old.path.chmod(0o400)
    assert old.again(old.path).changed
    assert old.path.read_bytes() == before
    assert [path.name for path in old.path.parent.glob("learning*")] == ["learning.db"]


def test_what_another_process_has_written_counts(old: Old) -> None:
    """In WAL mode it is in a file of its own until the writer closes."""
    write(old.path, [GOOD])
    with closing(sqlite3.connect(old.path)) as conn:
        conn.execute("PRAGMA journal_mode = wal")
        conn.execute("UPDATE slot_observations SET load_kwh = 0.75")
        conn.commit()
        old.again(old.path)
    assert old.seen("load_kwh", 1) == [0.75]


def test_other_databases_are_refused(old: Old, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as conn:
        conn.execute("CREATE TABLE songs (name TEXT)")
    with closing(sqlite3.connect(tmp_path / "bare.db")) as conn:
        conn.execute("PRAGMA user_version = 1")
    write(tmp_path / "near.db", [], "CREATE TABLE slot_observations (slot_start TEXT, mood TEXT)")
    whole = write(tmp_path / "cut.db", [Slot(at=15 * i, load=0.5).cells() for i in range(500)])
    whole.write_bytes(whole.read_bytes()[:9000])
    own = Path(old.store.name.removeprefix("sqlite:///"))
    for path, message in (
        (own, rf"is a store of this Darkstar; .* `store: {{url: sqlite:///{own}}}`"),
        (tmp_path / "other.db", "no learning database .* want a table slot_observations .*songs"),
        (tmp_path / "bare.db", "got no table"),
        (tmp_path / "near.db", "want a table slot_observations with slot_start, slot_end"),
        (whole, "the database cannot be read: .* copy it"),
    ):
        assert is_database(path)
        with pytest.raises(ImportFileError, match=message):
            old.again(path)
    assert not is_database(tmp_path / "absent.db")
    assert not is_database(tmp_path)


def test_an_empty_table_is_said(old: Old) -> None:
    report = old.imported()
    assert (report.rows, report.series, report.notes) == (0, (), ("no row could be imported",))


@pytest.mark.real_data
def test_the_real_file(old: Old, data_dir: Path) -> None:
    path = data_dir / "legacy_darkstar_2025-11-06.sqlite"
    report = old.again(path)
    assert (report.rows, report.rejected_count, report.duplicates) == (42, 0, 0)
    assert {column.name for column in report.skipped_columns} == {
        *("load_kwh", "export_kwh", "water_kwh", "batt_charge_kwh", "batt_discharge_kwh"),
        *("import_price_sek_kwh", "export_price_sek_kwh", "executed_action", "quality_flags"),
    }
    assert said(report, "before its slot had ended").startswith("34 x ")
    assert said(report, "counter's whole advance").startswith("2 x ")
    assert said(report, "exactly 50 %").startswith("1 x ")
    # Two runs of an hour, 5.5 and 5.7 kWh in the last row of each, from 05:53:00.531073Z: so
    # 419.468927 s of each quarter hour that a run begins or ends in belong to the later run.
    early, late = 480.531073, 419.468927
    start, both = datetime(2025, 11, 3, 5, 45, tzinfo=UTC), (5.5 * early + 5.7 * late) / 3600
    np.testing.assert_allclose(
        old.seen("import_kwh", 9, start),
        [NAN, *[5.5 / 4] * 3, both, *[5.7 / 4] * 3, NAN],
        atol=1e-9,
    )
    left_kwh = (5.5 * late + 5.7 * early) / 3600
    assert f"import_kwh: {left_kwh:.3f} kWh recorded" in str(report.notes)
    # Zeros that were never measured: no slot of the file has a zero or a load in the store.
    end = datetime(2025, 11, 7, tzinfo=UTC)
    found = old.store.observations("villa", list(Channel), start, end)
    assert not (found.values == 0.0).any()
    assert np.isfinite(found.values).any(axis=1).tolist() == [
        channel in ("pv_kwh", "import_kwh", "soc_start") for channel in Channel
    ]
    # 34 rows of one reading each, less the default of 50 and the one read 6 min before an edge.
    soc = found.of("soc_start")
    assert np.isfinite(soc).sum() == 32
    evening = datetime(2025, 11, 5, 15, 15, tzinfo=UTC)
    np.testing.assert_array_equal(old.seen("soc_start", 3, evening), [0.76, NAN, 0.75])
    assert not old.again(path).changed
