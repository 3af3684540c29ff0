"""States that hold until the next one: as readings, at slot edges, as shares of time.

Units: epoch seconds; values in the unit of the entity. Home Assistant's history has a row per
change and none while nothing changes; NaN is a change to ``unavailable`` or ``unknown``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.errors import SeriesError
from telemetry.etl_slots import (
    Readings,
    check_positive,
    check_series,
    check_slots,
    edges_of,
)
from telemetry.slots import SLOT_SECONDS

RESTED_SECONDS = 3600.0  # a meter that showed one value for longer did rest
_KNOWN_SHARE = 0.5
_FROZEN_STEPS = 4.0
_ZERO_KWH = 1e-9
_SAME_SECONDS = 1e-3  # times closer than this are one: float64 epochs tell microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A value that is constant between knots.

    Attributes:
        knots: epoch seconds, ascending (K + 1,).
        value: from each knot to the next (K,); NaN: not known.
        bridged: intervals over which the last value was taken to hold on, as indices.
    """

    knots: F64
    value: F64
    bridged: I64


def hold_until(at: F64, value: F64, until: float, longest_outage_seconds: float) -> Hold:
    """Hold every state until the next, bridge short outages, end at the last thing known.

    What comes before the first number is left out, and so is an outage that lasts to the end: how
    long it will be is not known yet.

    Raises:
        SeriesError: ``until`` lies before the last state.
    """
    if at.size and not until >= at[-1]:
        raise SeriesError("until", until, f"a time not before the last state at {at[-1]}")
    known = np.flatnonzero(~np.isnan(value))
    none = np.empty(0, dtype=np.int64)
    if not known.size:
        return Hold(knots=np.empty(0), value=np.empty(0), bridged=none)
    first, end = int(known[0]), int(known[-1]) + 1
    stop = float(at[end]) if end < at.size else until
    knots, held = np.append(at[first:end], stop), value[first:end]
    if stop == at[end - 1]:
        knots, held = knots[:-1], held[:-1]
    if known.size == end - first:
        return Hold(knots=knots, value=held, bridged=none)
    return _bridge(knots, held, longest_outage_seconds)


def _bridge(knots: F64, value: F64, longest_seconds: float) -> Hold:
    """Fill outages that are short enough with the value before them."""
    missing = np.isnan(value)
    turns = np.flatnonzero(np.diff(np.r_[False, missing, False]))
    begin, end = turns[::2], turns[1::2]
    short = knots[end] - knots[begin] <= longest_seconds
    fill = np.repeat(short, end - begin)
    bridged = np.flatnonzero(missing)[fill]
    filled = value.copy()
    filled[bridged] = np.repeat(value[begin - 1], end - begin)[fill]
    return Hold(knots=knots, value=filled, bridged=bridged)


def held_readings(at: F64, value: F64, *, until: float, spacing_seconds: float) -> Readings:
    """Readings of a meter whose history has changes only, for ``counter_slots``.

    Times between two changes are filled at most ``spacing_seconds`` apart, so that silence is no
    gap: on the line between them where the meter rose within an hour (it ticks in steps); else
    with the value that stood, up to ``spacing_seconds`` before the change, so that an advance is
    not smeared over a rest. The last value stands until ``until``. It stands until a NaN, too:
    that NaN becomes a reading of it, and what follows up to the next number stays a gap.

    Args:
        at: epoch seconds of each change, ascending (N,).
        value: kWh from then on (N,), NaN: not available.
        until: epoch seconds up to which the last state is known to hold.
        spacing_seconds: as passed to ``counter_slots``.

    Raises:
        SeriesError: times that do not ascend, infinite values, or an end before the last change.
    """
    times, kwh = check_series("states", at, value)
    check_positive("spacing_seconds", spacing_seconds)
    if not times.size:
        return Readings(at=times, value=kwh)
    if not until >= times[-1]:
        raise SeriesError("until", until, f"a time not before the last state at {times[-1]}")
    if until > times[-1]:
        # Whatever stands at ``until`` is what stood before: an end of a hold, as a NaN is.
        times, kwh = np.append(times, until), np.append(kwh, np.nan)
    return _filled(times, kwh, spacing_seconds)


def _filled(at: F64, value: F64, spacing_seconds: float) -> Readings:
    now, after = value[:-1], value[1:]
    known, ends = ~np.isnan(now), np.isnan(after)
    apart = np.diff(at)
    line = known & ~ends & (after >= now) & (apart <= RESTED_SECONDS)
    stands = known & ~ends & ~line
    room = np.where(stands, apart - spacing_seconds, apart)
    parts = np.where(
        known, np.maximum(np.ceil((room - _SAME_SECONDS) / spacing_seconds), 0.0), 0.0
    ).astype(np.int64)
    added = np.where(stands, parts, np.maximum(parts - 1, 0))
    width = room / np.maximum(parts, 1)
    rise = np.where(line, after - now, 0.0) / np.maximum(parts, 1)
    own = value.copy()
    own[1:] = np.where(known & ends, now, after)
    count = np.append(added, 0) + 1
    turn = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    base = np.repeat(own, count)
    # A number is followed by what was filled in after it: ``turn`` counts within each such run.
    return Readings(
        at=np.repeat(at, count) + turn * np.repeat(np.append(width, 0.0), count),
        value=base + turn * np.repeat(np.append(rise, 0.0), count),
    )


def state_at_edges(
    at: F64, value: F64, edges: I64, *, until: float, longest_gap_seconds: float = 3600.0
) -> F64:
    """Value of a held state (SoC) at each edge (E,); a change at an edge counts there.

    NaN before the first state, after ``until``, in outages longer than ``longest_gap_seconds``
    (shorter ones hold the last value) and in one that has not ended.

    Raises:
        SeriesError: times that do not ascend, infinite values, or an end before the last state.
    """
    times, values = check_series("states", at, value)
    wanted = np.asarray(edges, dtype=np.float64)
    found = np.full(wanted.shape, np.nan)
    held = hold_until(times, values, until, longest_gap_seconds)
    if not held.knots.size:
        return found
    place = np.searchsorted(held.knots, wanted, side="right") - 1
    lasts = not np.isnan(values[-1])
    inside = (place >= 0) & ((wanted < held.knots[-1]) | (lasts & (wanted == held.knots[-1])))
    # At the very end the last state still stands, also where it has no length of its own.
    closed = np.append(held.value, values[-1])
    closed[-1] = values[-1] if lasts else np.nan
    found[inside] = closed[place[inside]]
    return found


def share_on(at: F64, on: F64, slot_start: I64, *, until: float) -> F64:
    """Share of each slot's known time in which a switch was on (S,), 0..1.

    NaN where more than half of the slot is not known.

    Args:
        at: epoch seconds of each change, ascending (N,).
        on: 1 = on from then on, 0 = off, NaN = not known (N,).
        slot_start: consecutive slot starts (S,).
        until: epoch seconds up to which the last state is known to hold.

    Raises:
        SeriesError: states that are neither on nor off, times that do not ascend, or an end
            before the last change.
    """
    times, states = check_series("on", at, on)
    starts = check_slots(slot_start)
    if not (np.isnan(states) | (states == 0.0) | (states == 1.0)).all():
        raise SeriesError("on", "neither 0 nor 1 in places", "0, 1, or NaN where unknown")
    held = hold_until(times, states, until, 0.0)
    if not held.value.size:
        return np.full(starts.size, np.nan)
    known = _seconds_by_slot(held.knots, (~np.isnan(held.value)).astype(np.float64), starts)
    active = _seconds_by_slot(held.knots, np.nan_to_num(held.value), starts)
    enough = (known >= _KNOWN_SHARE * SLOT_SECONDS) & (known > 0.0)
    share = np.full(starts.size, np.nan)
    share[enough] = np.clip(active[enough] / known[enough], 0.0, 1.0)
    return share


def _seconds_by_slot(knots: F64, weight: F64, slot_start: I64) -> F64:
    total = np.concatenate([[0.0], np.cumsum(weight * np.diff(knots))])
    return np.diff(np.interp(edges_of(slot_start), knots, total))


def frozen(
    values_kwh: F64,
    *,
    slot_hours: float,
    typical_kw: float,
    resolution_kwh: float,
    at_least_hours: float = 1.0,
) -> Bool:
    """Which values of a channel that never rests (load) lie in a zero run too long to be true.

    A run counts from ``at_least_hours`` on, if in it the house typically takes more than four
    steps of its meter; NaN breaks runs.

    Args:
        values_kwh: energy per slot (N,), NaN where missing.
        slot_hours: length of a slot.
        typical_kw: mean power of the channel.
        resolution_kwh: step of its meter.
        at_least_hours: shorter runs are never frozen.
    """
    zero = np.abs(np.asarray(values_kwh, dtype=np.float64)) <= _ZERO_KWH
    turns = np.flatnonzero(np.diff(np.r_[False, zero, False]))
    begin, end = turns[::2], turns[1::2]
    hours = (end - begin) * slot_hours
    stuck = (hours >= at_least_hours) & (hours * typical_kw > _FROZEN_STEPS * resolution_kwh)
    found = np.zeros(zero.size, dtype=np.bool_)
    found[zero] = np.repeat(stuck, end - begin)
    return found
