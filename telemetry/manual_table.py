"""Rows of the manual plan: what people asked for, from when to when.

A block is known from ``created_at`` on and no more from ``cleared_at`` on; at its end it has
passed. Nothing is deleted: a look back sees at every moment the blocks that were in force there.
Units: UTC, stored energy as a share of the battery's capacity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from telemetry.errors import ManualBlockError
from telemetry.schema import manual_blocks as table
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, to_epoch, whole_seconds
from telemetry.sql import WriteCounts, find_row, put_row

__all__ = ["BlockKind", "ManualBlock"]


class BlockKind(StrEnum):
    """What a block asks for."""

    CHARGE = "charge"
    EXPORT = "export"
    HOLD = "hold"
    WATER_HEATING = "water_heating"

    @property
    def has_target(self) -> bool:
        """Whether it asks for a stored energy at its end."""
        return self in (BlockKind.CHARGE, BlockKind.EXPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualBlock:
    """What someone asked for, for a while.

    Attributes:
        block_id: its name within the home.
        kind: what is asked for.
        start: of its first slot, UTC.
        end: of its last slot, UTC.
        target_soc: stored energy at the end, a ratio of the capacity: at least this for charge, at
            most this for export; None for the others.
        created_at: when it was asked for.
        cleared_at: when it was taken back; None where it was not.
    """

    block_id: str
    kind: BlockKind
    start: datetime
    end: datetime
    target_soc: float | None
    created_at: datetime
    cleared_at: datetime | None = None

    def __post_init__(self) -> None:
        """Bring all times to whole seconds of UTC.

        Raises:
            TimeError: one is naive.
        """
        for name in ("start", "end", "created_at", "cleared_at"):
            moment = getattr(self, name)
            if moment is not None:
                object.__setattr__(self, name, whole_seconds(moment))

    def is_known(self, at: datetime) -> bool:
        """Whether it was asked for and not taken back at a moment."""
        return self.created_at <= at and (self.cleared_at is None or at < self.cleared_at)

    def is_in_force(self, at: datetime) -> bool:
        """Whether a plan of a moment has to heed it: known, and not passed."""
        return self.is_known(at) and at < self.end

    def is_open(self, at: datetime) -> bool:
        """Whether it asks for something after a moment, also where it is asked for later only.

        A clock that was set back finds blocks of its own future: they will be in force.
        """
        ever = self.cleared_at is None or max(at, self.created_at) < self.cleared_at
        return ever and at < self.end

    def excludes(self, other: ManualBlock) -> bool:
        """Whether both want the same device at the same time."""
        water = BlockKind.WATER_HEATING
        same_device = (self.kind == water) == (other.kind == water)
        return same_device and self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        """In a few words, for messages."""
        target = "" if self.target_soc is None else f" to {100.0 * self.target_soc:g} %"
        return (
            f"{self.block_id} ({self.kind}{target}, {self.start:%Y-%m-%d %H:%M}Z to "
            f"{self.end:%Y-%m-%d %H:%M}Z)"
        )


def put(conn: sa.Connection, *, system_id: str, home_id: str, block: ManualBlock) -> WriteCounts:
    """Write a block; see ``Store.put_manual_block``."""
    refuse_odd(block)
    row = _row(block, home_id, system_id)
    found = find_row(conn, table, row)
    if found is not None:
        given = set(row) - {"system_id", "cleared_at"}
        if all(found[name] == row[name] for name in given):
            return WriteCounts(unchanged=1)
        raise ManualBlockError(f"block {block}", "another one of that name", "a name of its own")
    for other in read(conn, home_id=home_id, start=block.start, end=block.end):
        if block.excludes(other) and other.is_open(block.created_at):
            want = "times beside it; or clear that one first (darkstar manual clear)"
            raise ManualBlockError(f"block {block}", f"over block {other}", want)
    return put_row(conn, table, row)


def refuse_odd(block: ManualBlock) -> None:
    """Refuse a block that nobody can carry out.

    Raises:
        ManualBlockError: times off the slot grid, an end at or before the start or the moment it
            was asked for, or a target that is missing, too much or no share.
    """
    name = f"block {block}"
    for side in ("start", "end"):
        moment = getattr(block, side)
        if to_epoch(moment) % SLOT_SECONDS != 0:
            want = f"full slots of {SLOT_MINUTES} minutes: :00, :15, :30 or :45"
            raise ManualBlockError(name, f"with its {side} at {moment:%H:%M:%S}Z", want)
    if block.end <= block.start:
        raise ManualBlockError(name, "over before it begins", "an end after the start")
    if block.end <= block.created_at:
        got = f"in the past: it was {block.created_at:%Y-%m-%d %H:%M}Z when it was asked for"
        raise ManualBlockError(name, got, "an end in the future")
    target = block.target_soc
    if not block.kind.has_target:
        if target is not None:
            got = f"with a target of {target:g}"
            raise ManualBlockError(name, got, f"none: {block.kind} has no target")
    elif target is None or not 0.0 <= target <= 1.0:
        raise ManualBlockError(
            name, f"with a target of {target}", "a share of the capacity, 0 to 1"
        )


def read(
    conn: sa.Connection,
    *,
    home_id: str,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
) -> tuple[ManualBlock, ...]:
    """Read blocks; see ``Store.manual_blocks``."""
    c = table.c
    statement = sa.select(table).where(c.home_id == home_id)
    if start is not None:
        statement = statement.where(c.end > start)
    if end is not None:
        statement = statement.where(c.start < end)
    found = (_block(row) for row in conn.execute(statement.order_by(c.start, c.block_id)))
    return tuple(block for block in found if as_of is None or block.is_in_force(as_of))


def clear(
    conn: sa.Connection,
    *,
    home_id: str,
    block_ids: Sequence[str] | None,
    cleared_at: datetime,
) -> tuple[ManualBlock, ...]:
    """Take blocks back; see ``Store.clear_manual_blocks``."""
    at = whole_seconds(cleared_at)
    every = {block.block_id: block for block in read(conn, home_id=home_id)}
    names = [name for name, block in every.items() if block.is_open(at)]
    if block_ids is not None:
        _refuse_gone(block_ids, every, at)
        names = list(dict.fromkeys(block_ids))
    for name in names:
        where = (table.c.home_id == home_id, table.c.block_id == name)
        conn.execute(sa.update(table).where(*where).values(cleared_at=at))
    return tuple(replace(every[name], cleared_at=at) for name in names)


def _refuse_gone(block_ids: Iterable[str], every: dict[str, ManualBlock], at: datetime) -> None:
    """Refuse to take back what is not there, or what has passed."""
    for name in block_ids:
        block = every.get(name)
        if block is None:
            known = ", ".join(one for one, b in every.items() if b.is_open(at)) or "none"
            raise ManualBlockError(f"block {name}", "unknown", f"one in force: {known}")
        if not block.is_open(at):
            got = "taken back already" if block.cleared_at is not None else "passed already"
            raise ManualBlockError(f"block {block}", got, "one in force; this one asks for nothing")


def _row(block: ManualBlock, home_id: str, system_id: str) -> dict[str, object]:
    """Columns of a block."""
    return {
        "home_id": home_id,
        "block_id": block.block_id,
        "kind": block.kind.value,
        "start": block.start,
        "end": block.end,
        "target_soc": block.target_soc,
        "created_at": block.created_at,
        "cleared_at": block.cleared_at,
        "system_id": system_id,
    }


def _block(row: sa.Row[tuple[object, ...]]) -> ManualBlock:
    """Block of a row."""
    return ManualBlock(
        block_id=row.block_id,
        kind=BlockKind(row.kind),
        start=row.start,
        end=row.end,
        target_soc=row.target_soc,
        created_at=row.created_at,
        cleared_at=row.cleared_at,
    )
