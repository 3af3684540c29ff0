"""Rows of repairs: what stood in a slot before a repair, kept until the repair is undone.

A repair writes its number into ``slot_observations`` with the origin ``repaired``, which no later
write replaces, and moves the row that stood there to ``observation_repairs``. A slot is repaired
once: what stood there first is what undoing brings back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from telemetry.channels import Channel, Provenance
from telemetry.schema import observation_repairs as originals
from telemetry.schema import slot_observations as table
from telemetry.slots import whole_seconds
from telemetry.sql import Row, WriteCounts, upsert_columns

_KEY = ("home_id", "channel", "slot_start")
_MOVED = ("value", "provenance", "quality", "known_at", "system_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One slot to put right.

    Attributes:
        channel: whose slot.
        slot_start: epoch seconds.
        value: kWh, NaN = missing.
        quality: bits of ``Quality``.
        known_at: when the number could be known, epoch seconds.
        rule: name of the rule.
        group_start: first slot of those that were put right together, epoch seconds: energy is
            conserved over them, so they are undone together.
    """

    channel: Channel
    slot_start: int
    value: float
    quality: int
    known_at: int
    rule: str
    group_start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What a repaired slot held; ``provenance`` is None where there was no row."""

    channel: Channel
    slot_start: int
    value: float
    provenance: str | None
    quality: int
    known_at: int | None
    rule: str


def put(
    conn: sa.Connection,
    *,
    system_id: str,
    home_id: str,
    repairs: Iterable[Repair],
    repaired_at: datetime,
) -> WriteCounts:
    """Write repairs; see ``Store.put_repairs``."""
    kept, written, counts = [], [], WriteCounts()
    at = int(whole_seconds(repaired_at).timestamp())
    for repair in repairs:
        key = (home_id, repair.channel.value, repair.slot_start)
        old = _find(conn, key)
        if old is not None and old["provenance"] == Provenance.REPAIRED.value:
            counts += WriteCounts(unchanged=1)
            continue
        common = dict(zip(_KEY, key, strict=True)) | {"system_id": system_id}
        kept.append(common | _original(old, repair) | {"repaired_at": at})
        written.append(common | _repaired(repair))
        counts += WriteCounts(inserted=1) if old is None else WriteCounts(updated=1)
    upsert_columns(conn, originals, _columns(originals, kept))
    upsert_columns(conn, table, _columns(table, written))
    return counts


def _find(conn: sa.Connection, key: tuple[str, str, int]) -> Row | None:
    """The row of a slot, its times as epoch seconds."""
    known = sa.type_coerce(table.c.known_at, sa.BigInteger).label("known_at")
    columns = [known if name == "known_at" else table.c[name] for name in _MOVED]
    same = [table.c[name] == part for name, part in zip(_KEY, key, strict=True)]
    found = conn.execute(sa.select(*columns).where(*same)).mappings().one_or_none()
    return None if found is None else dict(found)


def _original(old: Row | None, repair: Repair) -> dict[str, object]:
    """Columns of what stood in the slot."""
    before = {f"old_{name}": None if old is None else old[name] for name in _MOVED}
    return before | {"rule": repair.rule, "group_start": repair.group_start}


def _repaired(repair: Repair) -> dict[str, object]:
    """Columns of what stands in the slot now."""
    return {
        "value": None if math.isnan(repair.value) else repair.value,
        "provenance": Provenance.REPAIRED.value,
        "quality": repair.quality,
        "known_at": repair.known_at,
    }


def _columns(of: sa.Table, rows: Sequence[Row]) -> dict[str, list[object]]:
    return {column.name: [row[column.name] for row in rows] for column in of.columns}


def read(conn: sa.Connection, *, home_id: str, start: int, end: int) -> tuple[Original, ...]:
    """Read originals; see ``Store.repairs``."""
    known = sa.type_coerce(originals.c.old_known_at, sa.BigInteger).label("known")
    at = sa.type_coerce(originals.c.slot_start, sa.BigInteger).label("at")
    statement = (
        sa.select(originals, known, at)
        .where(originals.c.home_id == home_id)
        .where(originals.c.slot_start >= start, originals.c.slot_start < end)
        .order_by(originals.c.channel, originals.c.slot_start)
    )
    return tuple(
        Original(
            channel=Channel(row["channel"]),
            slot_start=row["at"],
            value=math.nan if row["old_value"] is None else row["old_value"],
            provenance=row["old_provenance"],
            quality=0 if row["old_quality"] is None else row["old_quality"],
            known_at=row["known"],
            rule=row["rule"],
        )
        for row in conn.execute(statement).mappings()
    )


def span(conn: sa.Connection, home_id: str) -> tuple[datetime, datetime] | None:
    """First and last repaired slot; see ``Store.repaired_span``."""
    at = originals.c.slot_start
    ends = sa.select(sa.func.min(at), sa.func.max(at)).where(originals.c.home_id == home_id)
    first, last = conn.execute(ends).one()
    return None if first is None else (first, last)


def undo(conn: sa.Connection, *, home_id: str, start: int, end: int) -> int:
    """Bring originals back; see ``Store.undo_repairs``."""
    groups = (
        sa.select(originals.c.channel, originals.c.rule, originals.c.group_start)
        .where(originals.c.home_id == home_id)
        .where(originals.c.slot_start >= start, originals.c.slot_start < end)
        .distinct()
    )
    undone = 0
    for channel, rule, group_start in conn.execute(groups).all():
        where = (
            originals.c.home_id == home_id,
            originals.c.channel == channel,
            originals.c.rule == rule,
            originals.c.group_start == group_start,
        )
        rows = conn.execute(sa.select(originals).where(*where)).mappings().all()
        for row in rows:
            _bring_back(conn, dict(row))
        conn.execute(sa.delete(originals).where(*where))
        undone += len(rows)
    return undone


def _bring_back(conn: sa.Connection, row: Row) -> None:
    """Put the original of one slot in its place again."""
    same = [table.c[name] == row[name] for name in _KEY]
    if row["old_provenance"] is None:
        conn.execute(sa.delete(table).where(*same))
        return
    conn.execute(
        sa.update(table).where(*same).values({name: row[f"old_{name}"] for name in _MOVED})
    )
