"""From a running total of energy at given times to energy per slot: shared by meters and powers.

Units: kWh, epoch seconds. With C the running total, linear between its knots, and e the edges of
the slots:

    energy[s] = C(e[s + 1]) - C(e[s])                                           (E1)
    sum of energies + sum of unassigned = C(last) - C(first)                    (E2)

A slot that a doubtful span touches keeps no energy: (E1) of it is reported as unassigned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Quality
from telemetry.errors import SeriesError
from telemetry.slots import SLOT_SECONDS

HOUR_SECONDS = 3600.0
SLOT_HOURS = SLOT_SECONDS / HOUR_SECONDS
BRIDGED_SECONDS = 3600.0  # an outage up to this long is bridged, a longer one is a gap
_LOST = int(Quality.GAP | Quality.SPIKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What one sensor showed, ascending in time.

    Attributes:
        at: epoch seconds (N,), strictly ascending.
        value: kWh of a meter or kW of a power sensor (N,); NaN: it was not available.
    """

    at: F64
    value: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Unassigned:
    """Energy that a meter counted and that belongs to no slot.

    Attributes:
        start: epoch seconds.
        end: epoch seconds.
        energy_kwh: what the meter advanced by between them, less what slots got of it.
        why: the bit of ``Quality`` that tells the reason: SPIKE, also where there was a gap too,
            or GAP; 0: outside the slots that are asked for and completely covered.
    """

    start: float
    end: float
    energy_kwh: float
    why: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotEnergy:
    """Energy of one source by slot; S slots.

    Attributes:
        slot_start: epoch seconds (S,).
        energy_kwh: (S,), NaN where missing.
        quality: bits of ``Quality`` (S,).
        lost_kwh: what was counted in slots whose readings are not believed (S,); 0 elsewhere.
        advance_kwh: what the meter advanced by over all readings, resets bridged.
        unassigned: what of it belongs to no slot; slots and unassigned add up to ``advance_kwh``.
    """

    slot_start: I64
    energy_kwh: F64
    quality: I64
    lost_kwh: F64
    advance_kwh: float
    unassigned: tuple[Unassigned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Intervals of time [start, end], epoch seconds (K,) each, whose slots get one bit."""

    bit: Quality
    start: F64
    end: F64


def check_series(name: str, at: F64 | I64, value: F64) -> tuple[F64, F64]:
    """Times and values as float64.

    Raises:
        SeriesError: shapes differ, times do not ascend strictly, or a number is infinite.
    """
    times, values = np.asarray(at, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if times.ndim != 1 or values.shape != times.shape:
        want = f"one value for each of the times {times.shape}"
        raise SeriesError(name, f"of shape {values.shape}", want)
    if times.size and not (
        np.isfinite(times[[0, -1]]).all() and bool((times[1:] > times[:-1]).all())
    ):
        raise SeriesError(f"times of {name}", "not ascending in places", "each later than the last")
    if np.isinf(values).any():
        raise SeriesError(name, "infinite in places", "numbers, or NaN where missing")
    return times, values


def check_slots(slot_start: I64) -> I64:
    """Slot starts as int64.

    Raises:
        SeriesError: they are not consecutive slots.
    """
    starts = np.asarray(slot_start, dtype=np.int64)
    if starts.ndim != 1 or (np.diff(starts) != SLOT_SECONDS).any():
        raise SeriesError("slot_start", "not consecutive", f"starts {SLOT_SECONDS} s apart")
    return starts


def check_limit(limit_kw: float | None) -> None:
    """Refuse a limit that is no power.

    Raises:
        SeriesError: it is negative or not finite.
    """
    if limit_kw is not None and not (np.isfinite(limit_kw) and limit_kw >= 0.0):
        raise SeriesError("limit_kw", limit_kw, "kW, at least 0, or None where unknown")


def check_positive(name: str, seconds: float) -> None:
    """Refuse an interval that is none.

    Raises:
        SeriesError: it is not above zero and finite.
    """
    if not (np.isfinite(seconds) and seconds > 0.0):
        raise SeriesError(name, seconds, "seconds above 0")


def length_bits(spacing_seconds: float) -> int:
    """The bits that tell how long the intervals of a source are."""
    if spacing_seconds >= HOUR_SECONDS:
        return int(Quality.RESAMPLED | Quality.HOURLY)
    return int(Quality.RESAMPLED) if spacing_seconds > SLOT_SECONDS else 0


def edges_of(slot_start: I64) -> F64:
    """The S + 1 edges of S consecutive slots; none for none."""
    if not slot_start.size:
        return np.empty(0)
    return np.append(slot_start, slot_start[-1] + SLOT_SECONDS).astype(np.float64)


def touched(edges: F64, spans: Spans) -> Bool:
    """Which slots share time with one of the spans (S,)."""
    count = edges.size - 1
    first = np.floor((spans.start - edges[0]) / SLOT_SECONDS)
    last = np.ceil((spans.end - edges[0]) / SLOT_SECONDS)
    begin = np.bincount(np.clip(first, 0, count).astype(np.int64), minlength=count + 1)
    done = np.bincount(np.clip(last, 0, count).astype(np.int64), minlength=count + 1)
    return np.cumsum(begin - done)[:count] > 0


def nothing_known(slot_start: I64) -> SlotEnergy:
    """All slots missing: there is no reading."""
    return SlotEnergy(
        slot_start=slot_start,
        energy_kwh=np.full(slot_start.size, np.nan),
        quality=np.zeros(slot_start.size, dtype=np.int64),
        lost_kwh=np.zeros(slot_start.size),
        advance_kwh=0.0,
        unassigned=(),
    )


def assign(
    slot_start: I64,
    at: F64,
    total_kwh: F64,
    *,
    spans: Sequence[Spans],
    slot_limit_kwh: float | None,
    covered_bits: int,
    advance_kwh: float,
) -> SlotEnergy:
    """Energies (E1), flags and what remains (E2) of a running total.

    Args:
        slot_start: consecutive slot starts (S,).
        at: knots of the total, ascending (N,), N > 0.
        total_kwh: the running total at the knots (N,).
        spans: what was odd, and when.
        slot_limit_kwh: more than this in a slot, of either sign, is a spike; None: no judgement.
        covered_bits: bits that every completely covered slot gets.
        advance_kwh: what the total advanced by, summed in another way.
    """
    edges = edges_of(slot_start)
    at_edges = np.interp(edges, at, total_kwh)
    covered = (edges[:-1] >= at[0]) & (edges[1:] <= at[-1])
    quality = np.zeros(slot_start.size, dtype=np.int64)
    for span in spans:
        if span.start.size and slot_start.size:
            quality[touched(edges, span)] |= int(span.bit)
    energy = np.diff(at_edges)
    if slot_limit_kwh is not None:
        over = (np.abs(energy) > slot_limit_kwh) & (quality & _LOST == 0)
        quality[over] |= int(Quality.SPIKE)
    lost = covered & (quality & _LOST != 0)
    lost_kwh = np.where(lost, energy, 0.0)
    energy[~covered | lost] = np.nan
    quality[np.isnan(energy)] &= ~int(Quality.SPREAD)
    quality |= covered_bits
    quality[~covered] = 0
    return SlotEnergy(
        slot_start=slot_start,
        energy_kwh=energy,
        quality=quality,
        lost_kwh=lost_kwh,
        advance_kwh=advance_kwh,
        unassigned=_rest(edges, at_edges, covered, quality, at, total_kwh),
    )


def _rest(
    edges: F64, at_edges: F64, covered: Bool, quality: I64, at: F64, total_kwh: F64
) -> tuple[Unassigned, ...]:
    """What no slot got, contiguous slots of one reason together."""
    known = np.flatnonzero(covered)
    if not known.size:
        return _items([(at[0], at[-1], total_kwh[-1] - total_kwh[0], 0)])
    first, last = int(known[0]), int(known[-1]) + 1
    spike, lost = int(Quality.SPIKE), quality[first:last] & _LOST
    why = np.where(lost & spike, spike, lost)
    turns = np.flatnonzero(np.diff(why)) + 1
    begin = first + np.r_[0, turns]
    end = first + np.r_[turns, why.size]
    inner = zip(
        edges[begin], edges[end], at_edges[end] - at_edges[begin], why[begin - first], strict=True
    )
    return _items(
        [
            (at[0], edges[first], at_edges[first] - total_kwh[0], 0),
            *(item for item in inner if item[3]),
            (edges[last], at[-1], total_kwh[-1] - at_edges[last], 0),
        ]
    )


def _items(found: Sequence[tuple[float, float, float, int]]) -> tuple[Unassigned, ...]:
    return tuple(
        Unassigned(start=float(start), end=float(end), energy_kwh=float(energy), why=int(why))
        for start, end, energy, why in found
        if energy != 0.0
    )
