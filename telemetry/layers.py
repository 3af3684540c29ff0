"""One issue that arrives in parts: several puts of the same issue become one row.

A part is V named series of T intervals from the row's start. Parts are joined by name over the
union of their intervals, in the length of both if it is one, else in quarters. In every cell

    a missing value never replaces a number,
    of two numbers the one of the shorter source interval stays,
    of two numbers of equal intervals the one that came later stays,

so the parts may come in any order, and again. A blob holds V rows of values; where a number came
from a longer interval than the row's, V rows of source intervals (minutes) follow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from telemetry.arrays import F64, I64, hold
from telemetry.blobs import pack, unpack
from telemetry.errors import SeriesError
from telemetry.slots import SLOT_MINUTES, to_epoch
from telemetry.sql import WriteCounts, find_row, put_row

StoredRow = Mapping[str, object]
_ONLY = ("",)  # the name of the only series of a table that has no names


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A part of an issue.

    Attributes:
        names: of the V series, sorted.
        slot_minutes: length of each of the T intervals.
        values: (V, T), NaN where missing.
        source_minutes: (V, T) length of the interval each number came from.
    """

    names: tuple[str, ...]
    slot_minutes: int
    values: F64
    source_minutes: F64

    def in_quarters(self) -> Layer:
        """The same by 15-minute slots."""
        parts = self.slot_minutes // SLOT_MINUTES
        return Layer(
            names=self.names,
            slot_minutes=SLOT_MINUTES,
            values=hold(self.values, parts),
            source_minutes=hold(self.source_minutes, parts),
        )

    def widened(self, names: tuple[str, ...], count: int) -> Layer:
        """The same with more series and more intervals, missing there."""
        shape = (len(names), count)
        values, minutes = np.full(shape, np.nan), np.zeros(shape)
        rows = [names.index(name) for name in self.names]
        values[rows, : self.values.shape[1]] = self.values
        minutes[rows, : self.values.shape[1]] = self.source_minutes
        return Layer(
            names=names, slot_minutes=self.slot_minutes, values=values, source_minutes=minutes
        )

    def packed(self) -> bytes:
        """The blob of the row."""
        there = ~np.isnan(self.values)
        if (self.source_minutes[there] == self.slot_minutes).all():
            return pack(self.values)
        return pack(np.concatenate((self.values, np.where(there, self.source_minutes, 0.0))))


def layer(
    values: F64,
    slot_minutes: int,
    source_minutes: I64 | None = None,
    names: tuple[str, ...] = _ONLY,
) -> Layer:
    """A part as it came: values (V, T), source intervals (T,) where they are not all the same.

    Raises:
        SeriesError: a source interval is missing or shorter than the slots.
    """
    minutes = np.float64(slot_minutes) if source_minutes is None else np.asarray(source_minutes)
    if source_minutes is not None and minutes.shape != values.shape[1:]:
        want = f"one value for each of the intervals {values.shape[1:]}"
        raise SeriesError("source_minutes", f"of shape {minutes.shape}", want)
    if (minutes < slot_minutes).any():
        want = f"at least slot_minutes ({slot_minutes})"
        raise SeriesError("source_minutes", f"{minutes.min()} in places", want)
    order = sorted(range(len(names)), key=lambda place: names[place])
    return Layer(
        names=tuple(names[place] for place in order),
        slot_minutes=slot_minutes,
        values=values[order],
        source_minutes=np.broadcast_to(minutes.astype(np.float64), values.shape)[order],
    )


def layer_of(row: StoredRow) -> Layer:
    """What a stored row holds.

    Raises:
        SeriesError: its blob is damaged.
    """
    names = tuple(json.loads(str(row["variables"]))) if "variables" in row else _ONLY
    minutes = number(row, "slot_minutes")
    count = (number(row, "end") - number(row, "start")) // (60 * minutes)
    blob = row["data"]
    flat = unpack(blob if isinstance(blob, bytes) else b"")
    if flat.size not in (len(names) * count, 2 * len(names) * count):
        want = f"{len(names)} series of {count} intervals; the row is damaged"
        raise SeriesError("blob", f"{flat.size} values", want)
    cells = flat.reshape(-1, count)
    values, source = cells[: len(names)], cells[len(names) :]
    if not source.size:
        source = np.full(values.shape, float(minutes))
    return Layer(names=names, slot_minutes=minutes, values=values, source_minutes=source)


def number(row: StoredRow, name: str) -> int:
    """An integer column, or a time column in epoch seconds."""
    value = row[name]
    return to_epoch(value) if isinstance(value, datetime) else int(str(value))


def merge(new: Layer, old: Layer) -> tuple[Layer, bool]:
    """Both parts in one, and whether a number of the new one had to stay out."""
    if new.slot_minutes != old.slot_minutes:
        new, old = new.in_quarters(), old.in_quarters()
    names = tuple(sorted({*new.names, *old.names}))
    count = max(new.values.shape[1], old.values.shape[1])
    came, had = new.widened(names, count), old.widened(names, count)
    there = ~np.isnan(came.values)
    take = there & (np.isnan(had.values) | (came.source_minutes <= had.source_minutes))
    both = Layer(
        names=names,
        slot_minutes=new.slot_minutes,
        values=np.where(take, came.values, had.values),
        source_minutes=np.where(take, came.source_minutes, had.source_minutes),
    )
    return both, bool((there & ~take & (came.values != had.values)).any())


def put_issue(
    conn: sa.Connection, table: sa.Table, row: Mapping[str, object], start: datetime, part: Layer
) -> WriteCounts:
    """Write a part of an issue, joined with what the store has of it.

    Args:
        conn: in a transaction.
        table: has ``slot_minutes``, ``end`` and ``data``, and ``variables`` for named series.
        row: all other columns.
        start: of the row.
        part: what came.
    """
    old, refused = find_row(conn, table, row), False
    if old is not None:
        part, refused = merge(part, layer_of(old))
    length = timedelta(minutes=part.slot_minutes * part.values.shape[1])
    named = {"variables": json.dumps(list(part.names))} if "variables" in table.c else {}
    counts = put_row(
        conn,
        table,
        {
            **row,
            **named,
            "end": start + length,
            "slot_minutes": part.slot_minutes,
            "data": part.packed(),
        },
    )
    return WriteCounts(kept=1) if refused and counts.unchanged else counts
