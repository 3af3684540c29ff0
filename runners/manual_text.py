"""Blocks of the manual plan in words, as a table and as JSON.

Percent are of the battery's capacity, times on the home's wall clock, in JSON UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rich import box
from rich.table import Table

from mpc import Plan, Violation
from sim.manual import BlockOutcome, Outcome, missed_of
from telemetry.manual_table import BlockKind, ManualBlock

__all__ = [
    "added",
    "block_json",
    "block_table",
    "in_words",
    "outcome_json",
    "outcome_line",
    "request_lines",
]


def added(block: ManualBlock, zone: str) -> str:
    """Return a new block in words, and that no plan heeds it yet where that is so."""
    note = f": {Outcome.NOT_PLANNED}" if block.kind is BlockKind.WATER_HEATING else ""
    return f"{in_words(block, zone)}{note}"


def outcome_line(found: BlockOutcome, plan: Plan, zone: str) -> str:
    """Return what a plan makes of a block, in a line."""
    return f"{in_words(found.block, zone)}: {found.outcome}{_missed(found.missed, plan, zone)}"


def request_lines(plan: Plan, zone: str) -> Iterator[str]:
    """Yield a line for every block that a plan was made with, whatever is known of it beside."""
    edges = [*plan.starts, plan.starts[-1] + timedelta(minutes=float(plan.slot_minutes[-1]))]
    for block in () if plan.requests is None else plan.requests.blocks:
        target = "" if block.target_soc_kwh is None else f" to {block.target_soc_kwh:g} kWh"
        first, end = (_local(edges[slot], zone) for slot in (block.first, block.stop))
        missed = missed_of(block, plan)
        outcome = Outcome.CONFLICT if missed else Outcome.FULFILLED
        name = f"block {block.name}, " if block.name else ""
        told = f"{name}{block.kind}{target} from {first} to {end}: {outcome}"
        yield told + _missed(missed, plan, zone)


def _missed(missed: Sequence[Violation], plan: Plan, zone: str) -> str:
    """Return by how much a block is not fulfilled, and from when on; "" where it is."""
    if not missed:
        return ""
    worst = max(one.amount_kwh for one in missed)
    since = _local(plan.starts[min(one.slot for one in missed)], zone)
    if len(missed) == 1:
        return f", by {worst:.3f} kWh at {since}"
    return f", in {len(missed)} slots from {since} on, by {worst:.3f} kWh at most"


def outcome_json(found: BlockOutcome, plan: Plan) -> dict[str, object]:
    """Return what a plan makes of a block as JSON, slot by slot where it does not do all of it."""
    block, starts = found.block, plan.starts
    return {
        "id": block.block_id,
        "kind": str(block.kind),
        "from": _utc(block.start),
        "to": _utc(block.end),
        "target_percent": _percent(block),
        "heeded": found.is_heeded,
        "outcome": str(found.outcome),
        "missed": [
            {"start": _utc(starts[one.slot]), "limit": one.limit, "amount_kwh": one.amount_kwh}
            for one in found.missed
        ],
    }


def block_table(blocks: Sequence[ManualBlock], zone: str, now: datetime) -> Table:
    """Return a row for each of the blocks, ids and targets never cut."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.caption = f"wall clock of {zone}"
    for name in ("id", "asked for"):
        table.add_column(name, no_wrap=True, overflow="fold")
    for name in ("from", "to", "state"):
        table.add_column(name, overflow="fold")
    for block in blocks:
        times = (_local(moment, zone) for moment in (block.start, block.end))
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
    """Return a moment on a wall clock; an offset keeps the two of a doubled hour apart."""
    local = moment.astimezone(ZoneInfo(zone))
    doubled = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return local.strftime("%d %b %H:%M %z" if doubled else "%d %b %H:%M")


def _state(block: ManualBlock, now: datetime) -> str:
    """Return what has become of a block."""
    if block.cleared_at is not None and block.cleared_at <= now:
        return "cleared"
    if block.end <= now:
        return "passed"
    if now < block.created_at:
        return "not known yet"
    state = "waiting" if now < block.start else "in force"
    return f"{state}, not planned yet" if block.kind is BlockKind.WATER_HEATING else state


def block_json(block: ManualBlock, now: datetime) -> dict[str, object]:
    """Return a block as JSON."""
    return {
        "id": block.block_id,
        "kind": str(block.kind),
        "start": _utc(block.start),
        "end": _utc(block.end),
        "target_percent": _percent(block),
        "created_at": _utc(block.created_at),
        "cleared_at": None if block.cleared_at is None else _utc(block.cleared_at),
        "state": _state(block, now),
    }


def _percent(block: ManualBlock) -> float | None:
    """Return a target in percent of the capacity."""
    return None if block.target_soc is None else round(100.0 * block.target_soc, 9)


def _utc(moment: datetime) -> str:
    """Return a moment as text, UTC."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
