"""Reading the learning database of an earlier Darkstar: recognised by content, opened read-only.

It is an SQLite file with a table ``slot_observations``: one row per slot, ``slot_start`` and
``slot_end`` as local time with its UTC offset, energies in kWh, states of charge in percent,
``created_at`` in UTC to the whole second. Here times become epoch microseconds and percents ratios;
which of the values can be believed is judged in ``telemetry.legacy_energy`` and ``legacy_soc``.

A row that cannot be placed in time is left out and listed; so is one that overlaps another.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Channel
from telemetry.csv_report import RejectedRow, SkippedColumn
from telemetry.errors import ImportFileError
from telemetry.slots import END_SECOND, FIRST_SECOND, from_epoch

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
TABLE = "slot_observations"
_CHANNELS = {
    "load_kwh": Channel.LOAD_KWH,
    "pv_kwh": Channel.PV_KWH,
    "import_kwh": Channel.IMPORT_KWH,
    "export_kwh": Channel.EXPORT_KWH,
    "batt_charge_kwh": Channel.CHARGE_KWH,
    "batt_discharge_kwh": Channel.DISCHARGE_KWH,
    "water_kwh": Channel.WATER_HEATER_KWH,
}
COLUMN_OF = {channel: column for column, channel in _CHANNELS.items()}
_TIMES = ("slot_start", "slot_end", "created_at")
_SOC = ("soc_start_percent", "soc_end_percent")
_PRICES = ("import_price_sek_kwh", "export_price_sek_kwh")
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES, _WAL_VERSIONS = 20, b"\x02\x02"  # https://www.sqlite.org/fileformat.html 1.3.3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _RowError(ValueError):
    """Why a row cannot be placed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyFile:
    """Rows in order of time that do not overlap: N of them, C energies.

    Attributes:
        path: as it was given.
        channels: the C energies the table has columns for.
        start_us: epoch microseconds (N,).
        end_us: epoch microseconds (N,).
        written_us: when a row was written, epoch microseconds of a whole second (N,).
        energy_kwh: (C, N) as recorded; NaN where empty.
        soc: ratios at start and end (2, N) as recorded; NaN where empty.
        rows: rows of the table, good or bad.
        rejected: the bad ones.
        duplicates: rows left out because they repeat another one exactly.
        skipped_columns: columns that are never imported, and why.
        others: what else the file holds: names and rows of tables that are not imported.
    """

    path: str
    channels: tuple[Channel, ...]
    start_us: I64
    end_us: I64
    written_us: I64
    energy_kwh: F64
    soc: F64
    rows: int
    rejected: tuple[RejectedRow, ...]
    duplicates: int
    skipped_columns: tuple[SkippedColumn, ...]
    others: tuple[tuple[str, int], ...]

    @property
    def ended(self) -> Bool:
        """Whether the slot was over when the row was written (N,); the second is truncated."""
        found: Bool = self.end_us < self.written_us + SECOND_US
        return found

    @property
    def follows(self) -> Bool:
        """Whether a row begins where the one before it ends (N,)."""
        found = np.zeros(self.start_us.size, dtype=np.bool_)
        found[1:] = np.abs(self.start_us[1:] - self.end_us[:-1]) <= SECOND_US
        return found


@dataclass(slots=True)
class Findings:
    """What was found wrong, by reason: how often, and where first (epoch microseconds)."""

    found: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, reason: str, at_us: I64 | Sequence[int]) -> None:
        """Count ``reason`` once for each of the moments."""
        if len(at_us):
            count, first = self.found.get(reason, (0, int(at_us[0])))
            self.found[reason] = count + len(at_us), min(first, int(min(at_us)))

    def notes(self) -> tuple[str, ...]:
        """One sentence per reason."""
        return tuple(
            f"{count} x {reason} (first {from_epoch(first // SECOND_US):%Y-%m-%dT%H:%M}Z)"
            for reason, (count, first) in self.found.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row; ``line`` is its place in the table, the first is 1."""

    line: int
    key: str
    start_us: int
    end_us: int
    written_us: int
    energy_kwh: tuple[float, ...]
    soc: tuple[float, ...]

    def repeats(self, other: _Row) -> bool:
        """Whether both say the same of the same time."""
        same_time = (self.start_us, self.end_us) == (other.start_us, other.end_us)
        mine, theirs = (*self.energy_kwh, *self.soc), (*other.energy_kwh, *other.soc)
        return same_time and np.array_equal(mine, theirs, equal_nan=True)


def is_database(path: str | Path) -> bool:
    """Whether a file is an SQLite database, whatever its name."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def read_legacy_file(path: str | Path, findings: Findings) -> LegacyFile:
    """Read the whole table.

    Args:
        path: an SQLite file; it is never written.
        findings: where values that are no energy or no percent are added.

    Raises:
        ImportFileError: it cannot be read, or is another database.
    """
    name = str(path)
    try:
        with closing(sqlite3.connect(_uri(Path(path)), uri=True)) as conn:
            columns = _columns(conn, path)
            table = conn.execute(_select(columns)).fetchall()
            others = tuple(_others(conn))
    except (sqlite3.Error, OSError) as err:
        cure = "copy it to a folder you may write in, with its -wal file if it has one"
        raise ImportFileError(name, f"the database cannot be read: {err}; {cure}") from err
    return _file(name, columns, table, findings, others)


def _uri(path: Path) -> str:
    """URI that opens a database for reading and leaves nothing beside it."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with path.open("rb") as file:
        in_wal_mode = file.read(_HEADER_BYTES)[-2:] == _WAL_VERSIONS
    # Without a -wal file nobody has it open; to read it SQLite would make one and leave it there.
    unused = in_wal_mode and not path.with_name(f"{path.name}-wal").exists()
    return f"{uri}&immutable=1" if unused else uri


def _columns(conn: sqlite3.Connection, path: str | Path) -> tuple[str, ...]:
    """Columns of the table that this module knows.

    Raises:
        ImportFileError: the database is none of an earlier Darkstar.
    """
    has = {row[1] for row in conn.execute(f"PRAGMA table_info({TABLE})")}
    if {"channel", "provenance", "known_at"} <= has:
        place = Path(path).absolute()
        cure = f"it is not imported but used: set `store: {{url: sqlite:///{place}}}`"
        raise ImportFileError(str(path), f"is a store of this Darkstar; {cure}")
    energies = [column for column in _CHANNELS if column in has]
    if not {*_TIMES, *_SOC} <= has or not energies:
        tables = ", ".join(sorted(_tables(conn)))[:120] or "no table"
        want = f"want a table {TABLE} with {', '.join((*_TIMES, *_SOC))} and energies like load_kwh"
        reason = f"is an SQLite database, but no learning database of an earlier Darkstar; {want}"
        raise ImportFileError(str(path), f"{reason}; got {tables}")
    rest = sorted(has - {*_TIMES, *_SOC, *_CHANNELS})
    return (*_TIMES, *_SOC, *energies, *rest)


def _tables(conn: sqlite3.Connection) -> list[str]:
    found = conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [str(row[0]) for row in found if not str(row[0]).startswith("sqlite_")]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _select(columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(map(_quoted, columns))} FROM {TABLE}"  # noqa: S608 - quoted names


def _others(conn: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Other tables that hold anything."""
    for name in _tables(conn):
        if name != TABLE:
            statement = f"SELECT count(*) FROM {_quoted(name)}"  # noqa: S608 - a quoted name
            count = int(conn.execute(statement).fetchone()[0])
            if count:
                yield name, count


def _file(
    name: str,
    columns: tuple[str, ...],
    table: list[tuple[object, ...]],
    findings: Findings,
    others: tuple[tuple[str, int], ...],
) -> LegacyFile:
    rows, rejected = list[_Row](), list[RejectedRow]()
    for line, cells in enumerate(table, start=1):
        try:
            rows.append(_row(line, dict(zip(columns, cells, strict=True)), findings))
        except _RowError as err:
            rejected.append(RejectedRow(line=line, reason=str(err)))
    kept, duplicates = _apart(rows, rejected)
    channels = tuple(channel for column, channel in _CHANNELS.items() if column in columns)
    return LegacyFile(
        path=name,
        channels=channels,
        start_us=np.array([row.start_us for row in kept], dtype=np.int64),
        end_us=np.array([row.end_us for row in kept], dtype=np.int64),
        written_us=np.array([row.written_us for row in kept], dtype=np.int64),
        energy_kwh=np.array([row.energy_kwh for row in kept]).reshape(-1, len(channels)).T,
        soc=np.array([row.soc for row in kept]).reshape(-1, 2).T,
        rows=len(table),
        rejected=tuple(sorted(rejected, key=lambda row: row.line)),
        duplicates=duplicates,
        skipped_columns=tuple(_skipped(columns, table)),
        others=others,
    )


def _row(line: int, cells: dict[str, object], findings: Findings) -> _Row:
    start, end, written = (_moment_us(cells[name], name) for name in _TIMES)
    if not 0 < end - start <= HOUR_US:
        lasts = (end - start) / MINUTE_US
        raise _RowError(f"slot_start {cells['slot_start']!r}: lasts {lasts:g} min, want up to 60")
    return _Row(
        line=line,
        key=str(cells["slot_start"]),
        start_us=start,
        end_us=end,
        written_us=written,
        energy_kwh=tuple(
            _number(cells[column], column, math.inf, start, findings)
            for column in _CHANNELS
            if column in cells
        ),
        soc=tuple(
            _number(cells[column], column, 100.0, start, findings) / 100.0 for column in _SOC
        ),
    )


def _moment_us(cell: object, name: str) -> int:
    """Epoch microseconds of a time as the table has it; only ``created_at`` is UTC without saying.

    The offset counts, never a zone: so the hour that a wall clock shows twice is two hours.
    """
    want = "UTC like 2025-11-03 07:53:00" if name == "created_at" else "local time with its offset"
    try:
        moment = datetime.fromisoformat(cell) if isinstance(cell, str) else None
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None and name == "created_at":
        moment = moment.replace(tzinfo=UTC)
    if moment is None or moment.tzinfo is None:
        raise _RowError(f"{name} is {cell!r}, want {want}")
    found = (moment - _EPOCH) // _MICROSECOND
    if not FIRST_SECOND <= found // SECOND_US < END_SECOND:
        raise _RowError(f"{name} is {cell!r}, outside the years 1970 to 2199")
    return found


def _number(cell: object, column: str, highest: float, at_us: int, findings: Findings) -> float:
    """Number in 0..``highest``, NaN for an empty or an impossible cell."""
    if cell is None:
        return math.nan
    value = float(cell) if isinstance(cell, int | float) else math.nan
    if math.isfinite(value) and 0.0 <= value <= highest:
        return value
    what = "negative or no number" if math.isinf(highest) else "no percent in 0..100"
    findings.add(f"{column} is {what}: left missing", [at_us])
    return math.nan


def _apart(rows: list[_Row], rejected: list[RejectedRow]) -> tuple[list[_Row], int]:
    """Rows in order of time without those that overlap an earlier one; and how many repeat one."""
    kept, duplicates = list[_Row](), 0
    for row in sorted(rows, key=lambda row: (row.start_us, row.line)):
        if not kept or row.start_us >= kept[-1].end_us - SECOND_US:
            kept.append(row)
        elif row.repeats(kept[-1]):
            duplicates += 1
        else:
            reason = f"slot_start {row.key!r} overlaps the row of {kept[-1].key!r}"
            rejected.append(RejectedRow(line=row.line, reason=reason))
    return kept, duplicates


def _skipped(columns: Sequence[str], table: list[tuple[object, ...]]) -> Iterator[SkippedColumn]:
    """Columns that are never imported."""
    for place, column in enumerate(columns):
        if column in _PRICES:
            read = sum(1 for cells in table if cells[place])
            reason = "what was paid, fees included; import spot prices from a CSV file"
            if not read:
                reason = f"0.0 or empty in all {len(table)} rows: never read"
            yield SkippedColumn(name=column, reason=reason)
        elif column not in {*_TIMES, *_SOC, *_CHANNELS}:
            yield SkippedColumn(name=column, reason="not a channel of a home")
