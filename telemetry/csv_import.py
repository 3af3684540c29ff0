"""Importing CSV(.gz) files into a store: each file one transaction, twice the same as once.

Energy of a longer interval is divided over its quarters, prices and weather are held; a state of
charge belongs to the first or the last quarter alone (``soc_start``, ``soc_end``). An imported
observation is known at the end of the source's own interval, so all quarters of an hourly reading
at the hour's end. Prices are kept by delivery day (CET), issue time assumed to be 13:15 market time
the day before. Archive weather is kept by UTC day, issued when the day's last interval ended.

An empty ``pv_kwh`` cell while the sun is down throughout its interval means zero (provenance
``night``), if the home's position is known and the file has PV readings of that home at all; when
the position was corrected, importing again corrects these zeros. Every other empty cell stays
missing. Of files with different intervals the shorter ones stay, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypedDict

import numpy as np

from telemetry.arrays import F64, I64, Bool, divide, hold
from telemetry.channels import Channel, Provenance, Quality
from telemetry.csv_file import PRICE_COLUMN, CsvFile, read_csv_file
from telemetry.csv_report import LISTED_ROWS, ImportReport, SeriesReport, SkippedColumn
from telemetry.errors import ImportFileError, SeriesError, TimeError
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
_HOUR_MINUTES = 60


class _Interval(TypedDict):
    """Prices of a day as ``Store.put_prices`` takes them."""

    slot_minutes: int
    values: F64
    source_minutes: I64 | None


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


def import_file(
    store: Store, path: str | Path, homes: Mapping[str, Home], *, weather_home: str | None = None
) -> ImportReport:
    """Import one file in one transaction.

    Args:
        store: open for writing.
        path: a .csv or .csv.gz file.
        homes: what the configuration knows, by home_id; a home in the file that is not among them
            gets a bare row of its own.
        weather_home: home_id to which a weather file belongs; without it that is skipped.

    Raises:
        ImportFileError: it is of no known kind or unreadable; nothing of it was written.
        MissingExtraError: telling night from missing PV needs pvlib, which is not installed.
    """
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
    except (SeriesError, TimeError) as err:
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


def _night(home: Home, channel: Channel, block: _Block, notes: list[str]) -> Bool | None:
    """Which empty cells mean zero because the sun was down (N,); ``None`` where none is judged."""
    empty = np.isnan(block.values[0])
    if channel is not Channel.PV_KWH or not empty.any() or empty.all():
        return None
    if home.position is None:
        notes.append(
            f"{home.home_id}: {int(empty.sum())} empty pv_kwh cells stay missing, because night "
            "cannot be told from a gap without the home's latitude and longitude; add them to the "
            "configuration and import the file again"
        )
        return None
    night = np.zeros(empty.size, dtype=np.bool_)
    night[empty] = is_night(block.slot_start[empty], 60 * block.minutes[empty], *home.position)
    return night


def _import_channel(
    store: Store, home_id: str, channel: Channel, block: _Block, night: Bool | None
) -> SeriesReport:
    """Write one channel; the only row of ``block`` holds its values."""
    dark = np.zeros(block.minutes.size, dtype=np.bool_) if night is None else night
    # What an earlier import took for night, with another position, is judged again.
    revokes = None if night is None else Provenance.NIGHT
    light = block.select(~dark)
    counts = _put_channel(store, home_id, channel, light, Provenance.IMPORT, revokes)
    if dark.any():
        zeros = replace(block.select(dark), values=np.zeros((1, int(dark.sum()))))
        counts += _put_channel(store, home_id, channel, zeros, Provenance.NIGHT, None)
    missing = int(np.isnan(block.values).sum() - dark.sum())
    report = _series(block, home_id, channel, "slots", missing=missing, counts=counts)
    return replace(report, night=int(dark.sum()))


def _put_channel(
    store: Store,
    home_id: str,
    channel: Channel,
    block: _Block,
    provenance: Provenance,
    revokes: Provenance | None,
) -> WriteCounts:
    values, parts = block.values[0], block.parts
    bits = np.where(parts > 1, int(Quality.RESAMPLED), int(Quality.OK))
    bits |= np.where(block.minutes >= _HOUR_MINUTES, int(Quality.HOURLY), 0)
    bits |= int(Quality.NIGHT_ZERO) if provenance is Provenance.NIGHT else 0
    keep = _quarters_of(channel, parts)
    return store.put_observations(
        home_id,
        channel,
        block.quarters()[keep],
        (divide(values, parts) if channel.is_energy else hold(values, parts))[keep],
        known_at=np.repeat(block.ends, parts)[keep],
        provenance=provenance,
        quality=np.repeat(bits, parts)[keep],
        revokes=revokes,
    )


def _quarters_of(channel: Channel, parts: I64) -> Bool:
    """Quarters that a reading of a longer interval speaks of (sum of parts,).

    An energy belongs to all of them; a state at the interval's start to the first, one at its end
    to the last, and between them it is unknown.
    """
    said = np.ones(int(parts.sum()), dtype=np.bool_)
    if not channel.is_energy:
        said[:] = False
        ends = np.cumsum(parts)
        said[ends - parts if channel is Channel.SOC_START else ends - 1] = True
    return said


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
    places = (held.slot_start - to_epoch(start)) // SLOT_SECONDS
    quarters[places] = held.values
    if np.isnan(quarters).all():
        return WriteCounts()
    return store.put_prices(
        area,
        source=SOURCE,
        currency=currency,
        start=start,
        issued_at=assumed_issue_time(day),
        assumed=True,
        **_own_interval(quarters, places, held.minutes),
    )


def _own_interval(quarters: F64, places: I64, minutes: I64) -> _Interval:
    """Prices at the source's interval where that is one and loses nothing, else by quarters."""
    parts = int(minutes[0]) // SLOT_MINUTES
    longer = quarters[::parts]
    same = (minutes == minutes[0]).all() and quarters.size % parts == 0
    if same and np.array_equal(hold(longer, parts), quarters, equal_nan=True):
        return {"slot_minutes": int(minutes[0]), "values": longer, "source_minutes": None}
    return {
        "slot_minutes": SLOT_MINUTES,
        "values": quarters,
        "source_minutes": _source_minutes(quarters.size, places, minutes),
    }


def _source_minutes(count: int, places: I64, minutes: I64) -> I64:
    """Lengths of the source's intervals by quarter (count,)."""
    found = np.full(count, SLOT_MINUTES, dtype=np.int64)
    found[places] = minutes
    return found


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
    places = (held.slot_start - midnight) // SLOT_SECONDS
    day[:, places] = held.values
    return store.put_weather(
        home_id,
        source=SOURCE,
        kind="archive",
        variables=variables,
        issued_at=from_epoch(midnight + 86_400),
        start=from_epoch(midnight),
        slot_minutes=SLOT_MINUTES,
        values=day,
        source_minutes=_source_minutes(96, places, held.minutes),
    )
