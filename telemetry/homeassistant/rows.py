"""Cutting, joining and scaling rows of statistics, all their columns alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.homeassistant.types import Statistics

# Our name of a column, and Home Assistant's.
COLUMNS = {"change": "change", "mean": "mean", "low": "min", "high": "max"}


def columns(rows: Statistics) -> dict[str, F64]:
    """Return the values by column, each (N,)."""
    return {"change": rows.change, "mean": rows.mean, "low": rows.low, "high": rows.high}


def make(start: I64, values: Mapping[str, F64]) -> Statistics:
    """Make rows of columns."""
    return Statistics(
        start=start,
        change=values["change"],
        mean=values["mean"],
        low=values["low"],
        high=values["high"],
    )


def between(rows: Statistics, first: int, last: int) -> Statistics:
    """Rows with start in [first, last), epoch seconds."""
    low, high = np.searchsorted(rows.start, [first, last])
    part = slice(int(low), int(high))
    return make(rows.start[part], {name: column[part] for name, column in columns(rows).items()})


def joined(parts: Sequence[Statistics]) -> Statistics:
    """Rows of all parts, one after the other."""
    each = [columns(part) for part in parts]
    values = {name: np.concatenate([np.empty(0), *(c[name] for c in each)]) for name in COLUMNS}
    start = [np.empty(0, dtype=np.int64), *(part.start for part in parts)]
    return make(np.concatenate(start), values)


def scaled(rows: Statistics, factor: float) -> Statistics:
    """Rows with all values multiplied."""
    if factor == 1.0:
        return rows
    return make(rows.start, {name: c * factor for name, c in columns(rows).items()})
