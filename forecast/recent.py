"""What was known of the last days at very many issues, laid out on the local wall clock.

Units as in ``forecast.inputs``: kWh per slot, NaN where missing or not yet known; quarters of the
local wall clock (96). At the issue ``i`` of local day D(i), with u[s] of (H1),

    cell[i, k, q] = mean of x[s], s the slots of local day D(i) - k at quarter q, u[s] <= i   (H2)
    last[i, j]    = x of the j-th slot before the newest one that was usable at i             (H3)

A doubled hour gives two values to a cell, whose mean counts; a skipped one gives none. Plain numpy,
so that a live forecast loads no compiler.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from forecast.inputs import NEVER, Measured
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, local_calendar

__all__ = [
    "QUARTERS",
    "Clock",
    "Newest",
    "clock_of",
    "newest",
    "newest_mean",
    "recent_cells",
    "target_places",
]

QUARTERS = 1440 // SLOT_MINUTES


class Clock(NamedTuple):
    """Where slots lie on the wall clock.

    Attributes:
        day: local day ordinal.
        quarter: quarter-hour of the local day, 0 to 95.
        weekday: 0 is Monday.
    """

    day: I64
    quarter: I64
    weekday: I64


def clock_of(epochs: I64, zone: str) -> Clock:
    """Return day, quarter and weekday of epoch seconds, in their shape."""
    calendar = local_calendar(epochs.ravel(), zone)
    parts = (calendar.day, calendar.minute // SLOT_MINUTES, calendar.weekday)
    return Clock(*(part.reshape(epochs.shape) for part in parts))


class _Table(NamedTuple):
    """A channel by local day and quarter; a doubled hour has a second value.

    Attributes:
        first_day: local day of row 0.
        value: (2, D, 96) first and second value of a cell, NaN where there is none.
        usable: (2, D, 96) from when each may be used.
        doubled: (R,) rows that have second values.
    """

    first_day: int
    value: F64
    usable: I64
    doubled: I64


@lru_cache(maxsize=16)
def _places(start: int, slots: int, zone: str) -> tuple[int, I64]:
    """Return (first local day, (2, D, 96) slot at a day and quarter, first and second; -1: none).

    It depends on the calendar alone, so channels of one home share it.
    """
    epochs = start + SLOT_SECONDS * np.arange(slots, dtype=np.int64)
    clock = clock_of(epochs, zone)
    first = int(clock.day[0]) if slots else 0
    row = clock.day - first
    places = np.full((2, int(row.max(initial=0)) + 1, QUARTERS), -1, dtype=np.int64)
    at = np.arange(slots, dtype=np.int64)
    # Backwards, so that the first of two slots is the one that stays.
    places[0, row[::-1], clock.quarter[::-1]] = at[::-1]
    again = places[0, row, clock.quarter] != at
    places[1, row[again], clock.quarter[again]] = at[again]
    places.flags.writeable = False
    return first, places


def _table(measured: Measured, zone: str) -> _Table:
    """Lay a channel out."""
    first, places = _places(measured.start, int(measured.values.size), zone)
    value = np.append(measured.values, np.nan)[places]
    usable = np.append(measured.usable_from, NEVER)[places]
    return _Table(first, value, usable, np.flatnonzero((places[1] >= 0).any(axis=1)))


def recent_cells(measured: Measured, zone: str, issues: I64, days: int) -> F64:
    """Return (N, days, 96) values of the last local days as known at each issue (H2).

    Args:
        measured: the channel.
        zone: IANA name of the home's zone.
        issues: (N,) epoch seconds.
        days: how many local days, the issue's own first.
    """
    table = _table(measured, zone)
    rows = (clock_of(issues, zone).day - table.first_day)[:, None] - np.arange(days)
    inside = (rows >= 0) & (rows < table.value.shape[1])
    safe = np.where(inside, rows, 0)
    cells: F64 = table.value[0, safe]
    cells[table.usable[0, safe] > issues[:, None, None]] = np.nan
    cells[~inside] = np.nan
    for n, k in np.argwhere(np.isin(rows, table.doubled) & inside).tolist():
        second = table.value[1, rows[n, k]]
        known = table.usable[1, rows[n, k]] <= issues[n]
        here, both = cells[n, k], known & ~np.isnan(cells[n, k])
        here[both] = 0.5 * (here[both] + second[both])
        alone = known & ~both
        here[alone] = second[alone]
    return cells


def newest_mean(cells: F64, days: int) -> F64:
    """Return (N, 96) the mean of the newest ``days`` known of (N, D, 96) cells, NaN without any."""
    known = ~np.isnan(cells)
    use = known & (np.cumsum(known, axis=1) <= days)
    count = use.sum(axis=1)
    total = np.where(use, cells, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class Newest(NamedTuple):
    """The newest usable values at N issues.

    Attributes:
        values: (N, J) the newest first, NaN where missing (H3).
        slot: (N,) epoch second of the newest slot.
        age_slots: (N,) slots from its end to the issue; large where nothing was usable.
    """

    values: F64
    slot: I64
    age_slots: I64


def newest(measured: Measured, issues: I64, count: int) -> Newest:
    """Return the ``count`` values up to the newest one usable at each of the (N,) issues (H3)."""
    usable, size = measured.usable_from, measured.values.size
    known = np.flatnonzero(usable < NEVER)
    # A slot counts as the newest at an issue if it is usable and none after it is.
    order = np.argsort(usable[known], kind="stable")
    reach = np.maximum.accumulate(known[order]) if known.size else known
    place = np.searchsorted(usable[known][order], issues, side="right") - 1
    last = np.where(place >= 0, reach[np.maximum(place, 0)] if known.size else -1, -1)
    where = last[:, None] - np.arange(count)
    inside = (last[:, None] >= 0) & (where >= 0)
    where = np.where(inside, where, size)
    ok = np.append(usable, NEVER)[where] <= issues[:, None]
    values = np.where(ok, np.append(measured.values, np.nan)[where], np.nan)
    slot = measured.start + SLOT_SECONDS * last
    age = np.where(last >= 0, (issues - slot) // SLOT_SECONDS - 1, size + 1)
    return Newest(values, slot, age)


def target_places(issues: I64, leads: I64, zone: str) -> tuple[I64, Clock]:
    """Return ((N, L) local days from the issue's own, clock of the (N, L) targets).

    Args:
        issues: (N,) epoch seconds.
        leads: (N, L) or (L,) slots from the issue to the target.
        zone: IANA name of the home's zone.
    """
    clock = clock_of(issues[:, None] + SLOT_SECONDS * leads, zone)
    return clock.day - clock_of(issues, zone).day[:, None], clock
