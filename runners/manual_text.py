"""Blocks of the manual plan in words, as a table and as JSON.

Percent are of the battery's capacity, times on the home's wall clock, in JSON UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich import box
from rich.table import Table

from telemetry.manual_table import BlockKind, ManualBlock

__all__ = ["NOT_PLANNED", "block_json", "block_table", "in_words", "lines"]

NOT_PLANNED = "kept; no plan heats water yet"


def lines(blocks: Sequence[ManualBlock], zone: str) -> list[str]:
    """Return a line for each block that a plan was given, and whether it heeds it."""
    return [f"{in_words(block, zone)}{_note(block)}" for block in blocks]


def _note(block: ManualBlock) -> str:
    """Say that a block is not planned, where it is not."""
    return f": {NOT_PLANNED}" if block.kind is BlockKind.WATER_HEATING else ""


def block_table(blocks: Sequence[ManualBlock], zone: str, now: datetime) -> Table:
    """Return a row for each of the blocks, at least one; ids are never cut."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.caption = f"wall clock of {zone}"
    table.add_column("id", no_wrap=True, min_width=max(len(one.block_id) for one in blocks))
    for name in ("asked for", "from", "to", "state"):
        table.add_column(name, no_wrap=True)
    for block in blocks:
        times = (_short(moment, zone) for moment in (block.start, block.end))
        table.add_row(block.block_id, _kind(block), *times, _state(block, now))
    return table


def in_words(block: ManualBlock, zone: str) -> str:
    """Return a block as a user would say it."""
    return f"{_kind(block)} from {_local(block.start, zone)} to {_local(block.end, zone)}"


def _kind(block: ManualBlock) -> str:
    """Return what is asked for."""
    name = str(block.kind).replace("_", " ")
    return name if block.target_soc is None else f"{name} to {100.0 * block.target_soc:g} %"


def _local(moment: datetime, zone: str) -> str:
    """Return a moment on a wall clock; the offset keeps the doubled hour apart."""
    return moment.astimezone(ZoneInfo(zone)).strftime("%a %d %b %H:%M %z")


def _short(moment: datetime, zone: str) -> str:
    """Return the same without the day of the week: rows fit 80 columns, ids can be read."""
    return moment.astimezone(ZoneInfo(zone)).strftime("%d %b %H:%M %z")


def _state(block: ManualBlock, now: datetime) -> str:
    """Return what has become of a block."""
    if block.cleared_at is not None and block.cleared_at <= now:
        return "cleared"
    if block.end <= now:
        return "passed"
    state = "waiting" if now < block.start else "in force"
    return f"{state}, not planned yet" if block.kind is BlockKind.WATER_HEATING else state


def block_json(block: ManualBlock, now: datetime) -> dict[str, object]:
    """Return a block as JSON."""
    percent = None if block.target_soc is None else round(100.0 * block.target_soc, 9)
    return {
        "id": block.block_id,
        "kind": str(block.kind),
        "start": _utc(block.start),
        "end": _utc(block.end),
        "target_percent": percent,
        "created_at": _utc(block.created_at),
        "cleared_at": None if block.cleared_at is None else _utc(block.cleared_at),
        "state": _state(block, now),
    }


def _utc(moment: datetime) -> str:
    """Return a moment as text, UTC."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
