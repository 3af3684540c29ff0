"""What recorder and backfill print: a row per channel, and the energy that no slot got."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich import box
from rich.table import Table

from telemetry.backfill import ChannelReport
from telemetry.channels import Quality

__all__ = ["COLUMNS", "channel_table", "unassigned_lines"]

COLUMNS = (
    "new, changed, unchanged: rows written or as they were; kept: better values stayed; "
    "newest: the last slot"
)
"""What the columns of ``channel_table`` are."""

_MOST_LINES = 20
_LEAST_KWH = 5e-3
_WHY = {
    Quality.GAP: "no reading for more than an hour before it",
    Quality.SPIKE: "more than the house can carry",
    Quality.STUCK: "the readings had stood still",
    Quality.SUSPECT: "the sum of its sensors is below zero",
}


def channel_table(title: str, channels: Sequence[ChannelReport]) -> Table:
    """Return one row per channel: slots with a number, without one, what was written, the last."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title, table.title_justify = title, "left"
    table.add_column("channel", no_wrap=True)
    for name in ("known", "missing", "new", "changed", "unchanged", "kept", "newest"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in channels:
        counts = one.counts
        numbers = (one.known, one.missing, counts.inserted, counts.updated)
        cells = [str(n) for n in (*numbers, counts.unchanged, counts.kept)]
        table.add_row(one.channel.value, *cells, _newest(one))
    if not channels:
        table.add_row("nothing to read", *[""] * 7)
    return table


def _newest(one: ChannelReport) -> str:
    """The value of the last slot: energy in kWh, ratios as percent."""
    if one.newest is None:
        return "missing"
    energy = one.channel.value.endswith("_kwh")
    return f"{one.newest:.2f} kWh" if energy else f"{100.0 * one.newest:.0f} %"


def unassigned_lines(channels: Sequence[ChannelReport]) -> list[str]:
    """Return a line for each amount that a meter counted and no slot got."""
    lines = [
        f"{one.channel.value}: {item.energy_kwh:.2f} kWh between {_utc(item.start)} and "
        f"{_utc(item.end)} UTC went into no slot: {_why(item.why)}"
        for one in channels
        for item in one.unassigned
        if abs(item.energy_kwh) >= _LEAST_KWH
    ]
    if len(lines) > _MOST_LINES:
        more = f"... and {len(lines) - _MOST_LINES} more; --json lists all"
        return [*lines[:_MOST_LINES], more]
    return lines


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _why(bits: int) -> str:
    found = [words for bit, words in _WHY.items() if bits & bit]
    return ", ".join(found)
