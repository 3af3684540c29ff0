"""Reading a CSV(.gz) file of slots: which kind it is, its good rows as arrays, its bad rows listed.

Every file has ``slot_start_utc`` (ISO 8601 with Z) and ``slot_minutes`` (15, 30 or 60). The kind
follows from the other columns:

    home     home_id and channels (``load_kwh``, ``pv_kwh``, ..., ``soc_start``)
    prices   ``<area>_<currency>_kwh``, e.g. ``se3_eur_kwh``: currency per kWh
    weather  ``temp_c``, ``ghi_w_m2``, ``dni_w_m2``, ``dhi_w_m2``, ``wind_m_s``

An empty cell is a missing value. A row that cannot be right is left out and listed with its line.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.channels import Channel
from telemetry.csv_report import RejectedRow, SkippedColumn
from telemetry.errors import ImportFileError
from telemetry.home import HOME_ID_LENGTH
from telemetry.legacy_file import is_database
from telemetry.slots import END_SECOND, FIRST_SECOND, SLOT_SECONDS

START, MINUTES, HOME = "slot_start_utc", "slot_minutes", "home_id"
WEATHER_COLUMNS = ("temp_c", "ghi_w_m2", "dni_w_m2", "dhi_w_m2", "wind_m_s")
PRICE_COLUMN = re.compile(r"(?P<area>[a-z0-9_]+)_(?P<currency>[a-z]{3})_kwh")
_MINUTES = {"15": 15, "30": 30, "60": 60}
_ISO_LENGTH = len("2025-01-01T00:00Z")
_WHY_SKIPPED = {
    "home": "not a channel of a home",
    "prices": "not a price column like se3_eur_kwh",
    "weather": "not a known weather column",
}


class _Reader(Protocol):
    """What ``csv.reader`` returns."""

    @property
    def line_num(self) -> int:
        """Lines read so far."""

    def __next__(self) -> list[str]:
        """The next row."""


class _RowError(ValueError):
    """Why a row cannot be imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """The good rows of a file (N of them) and what was left out.

    Attributes:
        path: as it was given.
        kind: ``home``, ``prices`` or ``weather``.
        columns: names of the C columns read.
        home_ids: home of each row (N,); empty texts where the file names none.
        slot_start: epoch seconds (N,).
        minutes: length of each interval (N,).
        values: (C, N) as read, per interval; NaN where the cell is empty.
        rows: data rows in the file, good or bad.
        rejected: the bad ones.
        duplicates: rows left out because they repeat another one exactly.
        skipped_columns: columns that are not imported, and why.
    """

    path: str
    kind: str
    columns: tuple[str, ...]
    home_ids: tuple[str, ...]
    slot_start: I64
    minutes: I64
    values: F64
    rows: int
    rejected: tuple[RejectedRow, ...]
    duplicates: int
    skipped_columns: tuple[SkippedColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """What a header says; places are positions in a row."""

    kind: str
    width: int
    start: int
    minutes: int
    home: int | None
    columns: tuple[str, ...]
    places: tuple[int, ...]
    limits: tuple[tuple[float, float, str], ...]
    skipped: tuple[SkippedColumn, ...]


@dataclass(slots=True)
class _Rows:
    """Good rows while they are collected."""

    home_ids: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    minutes: list[int] = field(default_factory=list)
    cells: list[tuple[float, ...]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    taken: dict[tuple[str, int], int] = field(default_factory=dict)
    duplicates: int = 0


def read_csv_file(path: str | Path) -> CsvFile:
    """Read a whole file.

    Raises:
        ImportFileError: it cannot be read, or its header is of no known kind.
    """
    name = str(path)
    table = csv.reader(io.StringIO(_text(Path(path), name), newline=""))
    lines = _lines(table, name)
    layout = _layout(name, next(lines, (1, []))[1])
    rows, rejected, count = _Rows(), list[RejectedRow](), 0
    for line, cells in lines:
        count += 1
        try:
            _take(rows, layout, line, cells)
        except _RowError as err:
            rejected.append(RejectedRow(line=line, reason=str(err)))
    values = np.array(rows.cells, dtype=np.float64).reshape(-1, len(layout.columns)).T
    return CsvFile(
        path=name,
        kind=layout.kind,
        columns=layout.columns,
        home_ids=tuple(rows.home_ids),
        slot_start=np.array(rows.starts, dtype=np.int64),
        minutes=np.array(rows.minutes, dtype=np.int64),
        values=np.ascontiguousarray(values),
        rows=count,
        rejected=tuple(rejected),
        duplicates=rows.duplicates,
        skipped_columns=layout.skipped,
    )


def _text(path: Path, name: str) -> str:
    def read() -> str:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")

    return _guard(read, path, name)


def _guard(read: Callable[[], str], path: Path, name: str) -> str:
    """Turn every way in which a file is unreadable into one error."""
    if is_database(path):
        cure = "an earlier Darkstar's learning database is opened by `darkstar import`"
        raise ImportFileError(name, f"is an SQLite database, want .csv or .csv.gz; {cure}")
    try:
        return read()
    except FileNotFoundError as err:
        raise ImportFileError(name, "no such file") from err
    except UnicodeDecodeError as err:
        raise ImportFileError(name, "is no UTF-8 text; export it as CSV in UTF-8") from err
    except (OSError, EOFError, zlib.error) as err:
        raise ImportFileError(name, f"cannot be read: {err}") from err


def _lines(table: _Reader, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, header and all, with the line on which they start."""
    while True:
        line = table.line_num + 1
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as err:
            raise ImportFileError(name, f"is no CSV: {err} (line {line})") from err
        if cells or line == 1:
            yield line, cells


def _layout(name: str, header: Sequence[str]) -> _Layout:
    columns = [cell.strip() for cell in header]
    missing = [column for column in (START, MINUTES) if column not in columns]
    if missing or len(set(columns)) != len(columns):
        fault = f"lacks {' and '.join(missing)}" if missing else "names a column twice"
        shown = ", ".join(columns)[:120] or "nothing"
        want = f"{START}, {MINUTES} and home, price or weather columns, with commas between"
        raise ImportFileError(name, f"the header {fault}: got {shown}; want {want}")
    kind, used = _kind(columns)
    if not used:
        shown = ", ".join(columns)[:120]
        want = "channels of a home, prices like se3_eur_kwh, or weather like temp_c"
        raise ImportFileError(name, f"the header has nothing to import: got {shown}; want {want}")
    keys = {START, MINUTES, *((HOME,) if kind == "home" else ())}
    return _Layout(
        kind=kind,
        width=len(columns),
        start=columns.index(START),
        minutes=columns.index(MINUTES),
        home=columns.index(HOME) if kind == "home" else None,
        columns=used,
        places=tuple(columns.index(column) for column in used),
        limits=tuple(_limits(kind, column) for column in used),
        skipped=tuple(
            SkippedColumn(name=column, reason=_WHY_SKIPPED[kind])
            for column in columns
            if column not in keys and column not in used
        ),
    )


def _kind(columns: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    if HOME in columns:
        return "home", tuple(column for column in columns if column in set(Channel))
    price = tuple(column for column in columns if PRICE_COLUMN.fullmatch(column))
    if price:
        return "prices", price
    return "weather", tuple(column for column in columns if column in WEATHER_COLUMNS)


def _limits(kind: str, column: str) -> tuple[float, float, str]:
    """Lowest and highest value of a column, and what a value outside them is."""
    if kind != "home":
        return -math.inf, math.inf, ""
    if Channel(column).is_energy:
        return 0.0, math.inf, "negative energy"
    return 0.0, 1.0, "no ratio in 0..1"


def _take(rows: _Rows, layout: _Layout, line: int, cells: Sequence[str]) -> None:
    """Add a row to the good ones, or say why not."""
    if len(cells) != layout.width:
        raise _RowError(f"has {len(cells)} cells, the header has {layout.width}")
    home_id = "" if layout.home is None else _home_id(cells[layout.home])
    start, minutes = _start(cells[layout.start]), _MINUTES.get(cells[layout.minutes].strip())
    if minutes is None:
        raise _RowError(f"{MINUTES} is {cells[layout.minutes]!r}, want 15, 30 or 60")
    values = tuple(
        _cell(cells[place], name, limits)
        for place, name, limits in zip(layout.places, layout.columns, layout.limits, strict=True)
    )
    slots = [(home_id, at) for at in range(start, start + minutes * 60, SLOT_SECONDS)]
    clash = next((rows.taken[slot] for slot in slots if slot in rows.taken), None)
    if clash is not None:
        same = rows.starts[clash] == start and rows.minutes[clash] == minutes
        if same and np.array_equal(rows.cells[clash], values, equal_nan=True):
            rows.duplicates += 1
            return
        fault = "repeats the slot" if same else "overlaps the interval"
        raise _RowError(f"{fault} of line {rows.lines[clash]} with other values")
    rows.taken.update(dict.fromkeys(slots, len(rows.starts)))
    rows.home_ids.append(home_id)
    rows.starts.append(start)
    rows.minutes.append(minutes)
    rows.cells.append(values)
    rows.lines.append(line)


def _home_id(cell: str) -> str:
    name = cell.strip()
    if not 0 < len(name) <= HOME_ID_LENGTH:
        raise _RowError(f"{HOME} is {cell!r}, want 1 to {HOME_ID_LENGTH} characters")
    return name


def _start(cell: str) -> int:
    text = cell.strip()
    if not text.endswith("Z") or len(text) < _ISO_LENGTH:
        raise _RowError(f"{START} is {cell!r}, want UTC like 2025-01-01T00:00:00Z")
    try:
        moment = datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise _RowError(f"{START} is {cell!r}, want UTC like 2025-01-01T00:00:00Z") from None
    if not FIRST_SECOND <= moment < END_SECOND:
        raise _RowError(f"{START} is {cell!r}, outside the years 1970 to 2199")
    if moment % SLOT_SECONDS:
        raise _RowError(f"{START} is {cell!r}, off the grid of quarter hours")
    return int(moment)


def _cell(cell: str, name: str, limits: tuple[float, float, str]) -> float:
    text = cell.strip()
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    # float() also takes "nan", "inf" and "1_000", which no export means as a number.
    if not math.isfinite(value) or "_" in text:
        raise _RowError(f"{name} is {cell!r}, want a number or an empty cell")
    low, high, fault = limits
    if not low <= value <= high:
        raise _RowError(f"{name} is {cell!r}: {fault}")
    return value
