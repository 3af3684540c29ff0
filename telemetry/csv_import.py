"""Importing CSV(.gz) files into a store: each file one transaction, twice the same as once.

Energy of a longer interval is divided over its quarters, everything else is held. An imported
observation is known at the end of the source's own interval, so all quarters of an hourly reading
at the hour's end. Prices are kept by delivery day (CET), issue time assumed to be 13:15 market time
the day before. Archive weather is kept by UTC day, issued when the day's last interval ended.

An empty ``pv_kwh`` cell while the sun is down throughout its interval means zero (provenance
``night``), if the home's position is known and the file has PV readings of that home at all. Every
other empty cell stays missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from telemetry.arrays import F64, I64, Bool, divide, hold
from telemetry.channels import Channel, Provenance, Quality
from telemetry.csv_file import PRICE_COLUMN, CsvFile, check_header, read_csv_file
from telemetry.csv_report import LISTED_ROWS, ImportReport, SeriesReport, SkippedColumn
from telemetry.errors import ImportFileError, SeriesError
from telemetry.home import Home
from telemetry.slots import (
    MARKET_ZONE,
    SLOT_MINUTES,
    SLOT_SECONDS,
    assumed_issue_time,
    from_epoch,
    local_calendar,
    local_day,
    slot_range,
    to_epoch,
)
from telemetry.sql import WriteCounts
from telemetry.store import Store
from telemetry.sun import is_night

SOURCE = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Rows of one home, or of a file without homes, in order of time.

    Attributes:
        slot_start: epoch seconds (N,).
        minutes: (N,).
        values: (C, N) per interval.
    """

    slot_start: I64
    minutes: I64
    values: F64

    @property
    def ends(self) -> I64:
        """Ends of the intervals, epoch seconds (N,)."""
        return self.slot_start + 60 * self.minutes

    @property
    def parts(self) -> I64:
        """Quarters of each interval (N,)."""
        return self.minutes // SLOT_MINUTES

    def select(self, rows: Bool) -> _Block:
        """Only some of the rows."""
        return _Block(
            slot_start=self.slot_start[rows],
            minutes=self.minutes[rows],
            values=self.values[:, rows],
        )

    def quarters(self) -> I64:
        """Starts of all quarters, epoch seconds (sum of parts,)."""
        first = np.repeat(np.cumsum(self.parts) - self.parts, self.parts)
        within = np.arange(first.size, dtype=np.int64) - first
        return np.repeat(self.slot_start, self.parts) + SLOT_SECONDS * within

    def held(self) -> _Block:
        """By quarters, values held; ``minutes`` stays the length of the source's interval."""
        return _Block(
            slot_start=self.quarters(),
            minutes=np.repeat(self.minutes, self.parts),
            values=hold(self.values, self.parts),
        )


def import_files(
    store: Store,
    paths: Sequence[str | Path],
    homes: Mapping[str, Home],
    *,
    weather_home: str | None = None,
) -> list[ImportReport]:
    """Import several files; all headers are checked before the first is written.

    Args:
        store: open for writing.
        paths: .csv or .csv.gz files.
        homes: what the configuration knows, by home_id; a home in a file that is not among them
            gets a bare row of its own.
        weather_home: home_id to which weather files belong; without it they are skipped.

    Raises:
        ImportFileError: a file is of no known kind or unreadable. Files before it stay imported.
        MissingExtraError: telling night from missing PV needs pvlib, which is not installed.
    """
    for path in paths:
        check_header(path)
    return [import_file(store, path, homes, weather_home=weather_home) for path in paths]


def import_file(
    store: Store, path: str | Path, homes: Mapping[str, Home], *, weather_home: str | None = None
) -> ImportReport:
    """Import one file in one transaction; arguments and errors as in ``import_files``."""
    file = read_csv_file(path)
    bare = ImportReport(
        path=file.path,
        kind=file.kind,
        rows=file.rows,
        rejected=file.rejected[:LISTED_ROWS],
        rejected_count=len(file.rejected),
        duplicates=file.duplicates,
        skipped_columns=file.skipped_columns,
        series=(),
        notes=(),
    )
    if not file.slot_start.size:
        return replace(bare, notes=("no row could be imported",))
    try:
        with store.transaction():
            if file.kind == "home":
                return _import_homes(store, file, homes, bare)
            if file.kind == "prices":
                return replace(bare, series=tuple(_import_prices(store, file)))
            return _import_weather(store, file, homes, weather_home, bare)
    except SeriesError as err:
        raise ImportFileError(file.path, f"cannot be stored: {err}") from err


def _block(file: CsvFile, home_id: str = "") -> _Block:
    mine = np.array([name == home_id for name in file.home_ids], dtype=np.bool_)
    rows = np.flatnonzero(mine)
    rows = rows[np.argsort(file.slot_start[rows], kind="stable")]
    return _Block(
        slot_start=file.slot_start[rows], minutes=file.minutes[rows], values=file.values[:, rows]
    )


def _series(
    block: _Block, subject: str, name: str, unit: str, *, missing: int, counts: WriteCounts
) -> SeriesReport:
    return SeriesReport(
        subject=subject,
        name=name,
        unit=unit,
        start=from_epoch(int(block.slot_start[0])),
        end=from_epoch(int(block.ends[-1])),
        missing=missing,
        night=0,
        counts=counts,
    )


def _import_homes(
    store: Store, file: CsvFile, homes: Mapping[str, Home], bare: ImportReport
) -> ImportReport:
    series: list[SeriesReport] = []
    notes: list[str] = []
    for home_id in dict.fromkeys(file.home_ids):
        if home_id in homes:
            store.put_home(homes[home_id])
        else:
            store.ensure_home(home_id)
        home, block = store.home(home_id), _block(file, home_id)
        for row, column in enumerate(file.columns):
            one, channel = replace(block, values=block.values[[row]]), Channel(column)
            night = _night(home, channel, one, notes)
            series.append(_import_channel(store, home_id, channel, one, night))
    return replace(bare, series=tuple(series), notes=tuple(notes))


def _night(home: Home, channel: Channel, block: _Block, notes: list[str]) -> Bool:
    """Which empty cells mean zero because the sun was down (N,)."""
    empty = np.isnan(block.values[0])
    night = np.zeros(empty.size, dtype=np.bool_)
    if channel is not Channel.PV_KWH or not empty.any() or empty.all():
        return night
    if home.position is None:
        notes.append(
            f"{home.home_id}: {int(empty.sum())} empty pv_kwh cells stay missing, because night "
            "cannot be told from a gap without the home's latitude and longitude; add them to the "
            "configuration and import the file again"
        )
        return night
    night[empty] = is_night(block.slot_start[empty], 60 * block.minutes[empty], *home.position)
    return night


def _import_channel(
    store: Store, home_id: str, channel: Channel, block: _Block, night: Bool
) -> SeriesReport:
    """Write one channel; the only row of ``block`` holds its values."""
    counts = _put_channel(store, home_id, channel, block.select(~night), dark=False)
    if night.any():
        counts += _put_channel(store, home_id, channel, block.select(night), dark=True)
    missing = int(np.isnan(block.values).sum() - night.sum())
    report = _series(block, home_id, channel, "slots", missing=missing, counts=counts)
    return replace(report, night=int(night.sum()))


def _put_channel(
    store: Store, home_id: str, channel: Channel, block: _Block, *, dark: bool
) -> WriteCounts:
    values = np.zeros(block.minutes.size) if dark else block.values[0]
    longer = np.where(block.parts > 1, int(Quality.RESAMPLED), int(Quality.OK))
    zero = int(Quality.NIGHT_ZERO) if dark else int(Quality.OK)
    return store.put_observations(
        home_id,
        channel,
        block.quarters(),
        divide(values, block.parts) if channel.is_energy else hold(values, block.parts),
        known_at=np.repeat(block.ends, block.parts),
        provenance=Provenance.NIGHT if dark else Provenance.IMPORT,
        quality=np.repeat(longer | zero, block.parts),
    )


def _import_prices(store: Store, file: CsvFile) -> Iterator[SeriesReport]:
    block = _block(file)
    held = block.held()
    ordinals = local_calendar(held.slot_start, MARKET_ZONE).day
    days = [
        (date.fromordinal(ordinal), held.select(ordinals == ordinal))
        for ordinal in np.unique(ordinals).tolist()
    ]
    for row, column in enumerate(file.columns):
        found = PRICE_COLUMN.fullmatch(column)
        if found is None:
            continue
        area, currency = found["area"].upper(), found["currency"].upper()
        counts = WriteCounts()
        for day, part in days:
            counts += _put_price_day(
                store, area, currency, day, replace(part, values=part.values[row])
            )
        missing = int(np.isnan(block.values[row]).sum())
        name = f"price {currency}"
        yield _series(block, area, name, "delivery days", missing=missing, counts=counts)


def _put_price_day(store: Store, area: str, currency: str, day: date, held: _Block) -> WriteCounts:
    """Write a whole delivery day, NaN where the file has none; ``held.values`` is (N,)."""
    start, end = local_day(day, MARKET_ZONE)
    quarters = np.full(slot_range(start, end).size, np.nan)
    quarters[(held.slot_start - to_epoch(start)) // SLOT_SECONDS] = held.values
    if np.isnan(quarters).all():
        return WriteCounts()
    minutes, values = _own_interval(quarters, int(held.minutes.min()))
    return store.put_prices(
        area,
        source=SOURCE,
        currency=currency,
        start=start,
        slot_minutes=minutes,
        values=values,
        issued_at=assumed_issue_time(day),
        assumed=True,
    )


def _own_interval(quarters: F64, minutes: int) -> tuple[int, F64]:
    """Prices at the source's interval where that loses nothing, else by quarters."""
    parts = minutes // SLOT_MINUTES
    longer = quarters[::parts]
    if np.array_equal(hold(longer, parts), quarters, equal_nan=True):
        return minutes, longer
    return SLOT_MINUTES, quarters


def _import_weather(
    store: Store,
    file: CsvFile,
    homes: Mapping[str, Home],
    weather_home: str | None,
    bare: ImportReport,
) -> ImportReport:
    if weather_home is None:
        skipped = [
            SkippedColumn(name=column, reason="no home in the file") for column in file.columns
        ]
        note = "weather skipped: no home in the file; name the home it belongs to (weather_home)"
        return replace(bare, skipped_columns=(*bare.skipped_columns, *skipped), notes=(note,))
    if weather_home in homes:
        store.put_home(homes[weather_home])
    else:
        store.ensure_home(weather_home)
    block, counts = _block(file), WriteCounts()
    held = block.held()
    days = held.slot_start // 86_400
    for day in np.unique(days).tolist():
        part = held.select(days == day)
        counts += _put_weather_day(store, weather_home, file.columns, part, day * 86_400)
    missing = int(np.isnan(block.values).sum())
    report = _series(block, weather_home, "weather", "days", missing=missing, counts=counts)
    return replace(bare, series=(report,))


def _put_weather_day(
    store: Store, home_id: str, variables: Sequence[str], held: _Block, midnight: int
) -> WriteCounts:
    """Write a UTC day as one archive row of 96 slots."""
    day = np.full((len(variables), 96), np.nan)
    day[:, (held.slot_start - midnight) // SLOT_SECONDS] = held.values
    return store.put_weather(
        home_id,
        source=SOURCE,
        kind="archive",
        variables=variables,
        issued_at=from_epoch(midnight + 86_400),
        start=from_epoch(midnight),
        slot_minutes=SLOT_MINUTES,
        values=day,
    )
