"""Rows of slot observations: arrays in, arrays out.

Which of two values of one slot stays:

    nothing new    the same value, origin, quality and known_at        unchanged
    number, NULL   a number replaces a missing value, whatever its origin
    NULL, number   a missing value never replaces a number              kept
    two numbers    the better origin replaces; a worse one is           kept
    same origin    the shorter or equal interval replaces; a longer is  kept

so that importing files again, in any order, changes nothing and a gap never erases a measurement.
Two exceptions: who judged a number by a rule (``night``) may revoke it (see ``revokes``), and what
a repair put right, number or NULL, stays until that repair is undone (``telemetry.repairs``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Channel, Provenance, Quality, rank_of
from telemetry.errors import SeriesError
from telemetry.schema import slot_observations as table
from telemetry.slots import SLOT_SECONDS, from_epoch, slot_range, to_epoch
from telemetry.sql import WriteCounts, check_texts, upsert_columns

UNKNOWN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Measured slots of a window; C channels, N slots.

    Attributes:
        start: start of the first slot, UTC.
        slot_start: epoch seconds (N,).
        channels: names of the C rows.
        values: (C, N) kWh or ratio, NaN where missing or not yet known.
        quality: (C, N) bits of ``Quality``; 0 where there is no row.
        known_at: (C, N) epoch seconds, -1 where there is no row.
    """

    start: datetime
    slot_start: I64
    channels: tuple[Channel, ...]
    values: F64
    quality: I64
    known_at: I64

    def of(self, channel: Channel | str) -> F64:
        """Values of one channel (N,)."""
        row: F64 = self.values[self.channels.index(Channel(channel))]
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measured slot; ``slot_start`` in UTC, ``value`` in the unit of its channel."""

    slot_start: datetime
    value: float
    provenance: str
    quality: Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Reach of the numbers of a channel: starts of the first and last slot, count of slots."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Slots of one channel, sorted by start; each array (N,)."""

    slot_start: I64
    values: F64
    known_at: I64
    quality: I64

    def only(self, which: I64 | Bool) -> _Batch:
        """Some of the slots."""
        return _Batch(
            slot_start=self.slot_start[which],
            values=self.values[which],
            known_at=self.known_at[which],
            quality=self.quality[which],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """What the store holds between two slots, sorted by start; each array (M,)."""

    batch: _Batch
    provenance: tuple[str, ...]


def put(
    conn: sa.Connection,
    *,
    system_id: str,
    home_id: str,
    channel: Channel,
    slot_start: I64,
    values: F64,
    known_at: datetime | I64,
    provenance: Provenance,
    quality: int | I64,
    revokes: Provenance | None,
) -> WriteCounts:
    """Write slots of one channel; see ``Store.put_observations``."""
    new = _batch(slot_start, values, known_at, quality)
    if not new.slot_start.size:
        return WriteCounts()
    old = _stored(conn, home_id, channel, new.slot_start)
    place = np.searchsorted(old.batch.slot_start, new.slot_start)
    present = np.isin(new.slot_start, old.batch.slot_start)
    same, replace = _judge(new, old, place, present, provenance, revokes)
    write = ~present
    write[present] = replace
    key = {"home_id": home_id, "channel": channel.value}
    common = {**key, "provenance": provenance.value, "system_id": system_id}
    check_texts(table, common)
    upsert_columns(conn, table, _columns(new, write, common))
    return WriteCounts(
        inserted=int((~present).sum()),
        updated=int(replace.sum()),
        unchanged=int(same.sum()),
        kept=int((~same & ~replace).sum()),
    )


def _batch(slot_start: I64, values: F64, known_at: datetime | I64, quality: int | I64) -> _Batch:
    starts = np.asarray(slot_start, dtype=np.int64)
    numbers = np.asarray(values, dtype=np.float64)
    if starts.ndim != 1 or numbers.shape != starts.shape:
        want = f"one value for each of the slots {starts.shape}"
        raise SeriesError("values", f"of shape {numbers.shape}", want)
    if np.isinf(numbers).any():
        raise SeriesError("values", "infinite in places", "numbers, or NaN where missing")
    if (starts % SLOT_SECONDS).any():
        raise SeriesError("slot_start", "off the grid in places", "whole quarters of an hour")
    order = np.argsort(starts, kind="stable")
    if (np.diff(starts[order]) == 0).any():
        raise SeriesError("slot_start", "repeated in places", "each slot once")
    known = to_epoch(known_at) if isinstance(known_at, datetime) else known_at
    try:
        known_each = np.broadcast_to(np.asarray(known, dtype=np.int64), starts.shape)
        bits = np.broadcast_to(np.asarray(quality, dtype=np.int64), starts.shape)
    except ValueError as err:
        want = f"one value, or one for each of the slots {starts.shape}"
        raise SeriesError("known_at or quality", "of another shape", want) from err
    return _Batch(
        slot_start=starts[order],
        values=numbers[order],
        known_at=known_each[order],
        quality=bits[order],
    )


def _stored(conn: sa.Connection, home_id: str, channel: Channel, starts: I64) -> _Stored:
    columns = (*_plain("slot_start", "known_at"), table.c.value, table.c.quality)
    statement = (
        sa.select(*columns, table.c.provenance)
        .where(table.c.home_id == home_id, table.c.channel == channel.value)
        .where(table.c.slot_start.between(int(starts[0]), int(starts[-1])))
        .order_by(table.c.slot_start)
    )
    rows = conn.execute(statement).all()
    start, known, value, bits, origin = zip(*rows, strict=True) if rows else ((),) * 5
    batch = _Batch(
        slot_start=np.array(start, dtype=np.int64),
        values=np.array(value, dtype=np.float64),
        known_at=np.array(known, dtype=np.int64),
        quality=np.array(bits, dtype=np.int64),
    )
    return _Stored(batch=batch, provenance=tuple(origin))


def _plain(*names: str) -> tuple[sa.ColumnElement[int], ...]:
    """Time columns as epoch seconds: no datetime object per row."""
    return tuple(sa.type_coerce(table.c[name], sa.BigInteger).label(name) for name in names)


def _judge(
    new: _Batch,
    old: _Stored,
    place: I64,
    present: Bool,
    provenance: Provenance,
    revokes: Provenance | None,
) -> tuple[Bool, Bool]:
    """Of the slots that exist: which hold the same already, and which are to be replaced."""
    came, had = new.only(present), old.batch.only(place[present])
    origins = np.array(old.provenance, dtype=np.str_)[place[present]]
    ranks = {origin: rank_of(origin) for origin in set(old.provenance)}
    rank = np.array([ranks[origin] for origin in origins.tolist()], dtype=np.int64)
    came_missing, had_missing = np.isnan(came.values), np.isnan(had.values)
    at_once = came.known_at == had.known_at
    same = (
        ((came.values == had.values) | (came_missing & had_missing))
        & (origins == provenance.value)
        & at_once
        & (came.quality == had.quality)
    )
    longer = _length_class(came.quality) - _length_class(had.quality)
    better = (provenance.rank > rank) | ((provenance.rank == rank) & (longer <= 0))
    hides = came_missing & ~had_missing
    fills = ~came_missing & had_missing & (origins != Provenance.REPAIRED.value)
    revoked = np.zeros_like(hides)
    if revokes is not None:
        # Only of the very same interval: another file's verdict stands.
        revoked = hides & (origins == revokes.value) & at_once & (longer == 0)
    return same, ~same & ((~hides & (better | fills)) | revoked)


def _length_class(quality: I64) -> I64:
    """Length of the source's interval: 0 = a quarter, 1 = longer, 2 = an hour or more."""
    resampled, hourly = (quality & int(bit) != 0 for bit in (Quality.RESAMPLED, Quality.HOURLY))
    found: I64 = resampled.astype(np.int64) + (resampled & hourly)
    return found


def _columns(batch: _Batch, write: Bool, common: dict[str, str]) -> dict[str, list[object]]:
    """Columns of the rows to write; NaN becomes NULL."""
    count = int(write.sum())
    numbers = batch.values[write].astype(object)
    numbers[np.isnan(batch.values[write])] = None
    return {
        **{name: [text] * count for name, text in common.items()},
        "slot_start": batch.slot_start[write].tolist(),
        "value": numbers.tolist(),
        "quality": batch.quality[write].tolist(),
        "known_at": batch.known_at[write].tolist(),
    }


def read(
    conn: sa.Connection,
    *,
    home_id: str,
    channels: Sequence[Channel | str],
    start: datetime,
    end: datetime,
    as_of: datetime | None,
) -> Observations:
    """Read slots of a window; see ``Store.observations``."""
    names = tuple(Channel(channel) for channel in channels)
    slots = slot_range(start, end)
    shape = (len(names), slots.size)
    values, bits = np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    known_at = np.full(shape, UNKNOWN, dtype=np.int64)
    columns = (table.c.channel, *_plain("slot_start", "known_at"), table.c.value, table.c.quality)
    statement = (
        sa.select(*columns)
        .where(table.c.home_id == home_id, table.c.channel.in_([name.value for name in names]))
        .where(table.c.slot_start >= to_epoch(start), table.c.slot_start < to_epoch(end))
    )
    if as_of is not None:
        statement = statement.where(table.c.known_at <= to_epoch(as_of))
    rows = _tuples(conn, statement)
    if rows:
        channel, at, known, value, quality = zip(*rows, strict=True)
        index = {name.value: place for place, name in enumerate(names)}
        row = np.array([index[name] for name in channel], dtype=np.int64)
        column = (np.array(at, dtype=np.int64) - to_epoch(start)) // SLOT_SECONDS
        values[row, column] = np.array(value, dtype=np.float64)
        bits[row, column] = quality
        known_at[row, column] = known
    return Observations(
        start=from_epoch(to_epoch(start)),
        slot_start=slots,
        channels=names,
        values=values,
        quality=bits,
        known_at=known_at,
    )


def _tuples(conn: sa.Connection, statement: sa.Select[Any]) -> Sequence[Any]:
    """Return rows of numbers and texts as the driver has them.

    A year has a third of a million: to wrap each as a ``Row`` takes as long as to read them.
    """
    with conn.execute(statement) as found:
        return () if found.cursor is None else found.cursor.fetchall()


def latest(
    conn: sa.Connection,
    *,
    home_id: str,
    channel: Channel | str,
    as_of: datetime,
    not_before: datetime,
) -> Reading | None:
    """Read the newest number of a channel; see ``Store.latest``."""
    statement = (
        sa.select(table.c.slot_start, table.c.value, table.c.provenance, table.c.quality)
        .where(table.c.home_id == home_id, table.c.channel == Channel(channel).value)
        .where(table.c.known_at <= as_of, table.c.slot_start >= not_before)
        .where(table.c.value.is_not(None))
        .order_by(table.c.slot_start.desc())
        .limit(1)
    )
    row = conn.execute(statement).first()
    if row is None:
        return None
    start, value, provenance, quality = row
    return Reading(slot_start=start, value=value, provenance=provenance, quality=Quality(quality))


def measured_after(conn: sa.Connection, *, home_id: str, moment: datetime) -> datetime | None:
    """Read the newest slot of the house's own meters; see ``Store.measured_after``."""
    own = (Provenance.LIVE, Provenance.STATISTICS_5MIN, Provenance.STATISTICS_HOURLY)
    # By channel, so that the end of the key's index answers.
    statement = (
        sa.select(sa.func.max(table.c.slot_start))
        .where(table.c.home_id == home_id, table.c.channel.in_([one.value for one in Channel]))
        .where(table.c.slot_start > moment, table.c.value.is_not(None))
        .where(table.c.provenance.in_([one.value for one in own]))
    )
    newest: datetime | None = conn.execute(statement).scalar()
    return newest


def coverage(
    conn: sa.Connection, home_id: str, channel: Channel | str, as_of: datetime | None
) -> Coverage | None:
    """Read the reach of a channel; see ``Store.coverage``."""
    statement = (
        sa.select(sa.func.min(table.c.slot_start), sa.func.max(table.c.slot_start), sa.func.count())
        .where(table.c.home_id == home_id, table.c.channel == Channel(channel).value)
        .where(table.c.value.is_not(None))
    )
    if as_of is not None:
        statement = statement.where(table.c.known_at <= as_of)
    first, last, count = conn.execute(statement).one()
    return Coverage(first=first, last=last, count=count) if count else None
