"""Power sensors and mean powers to energy per slot.

Units: kW, kWh, epoch seconds. A recorded power holds until the next one (Home Assistant records
changes), so energy is the sum of power times the time it held. Of an outage up to an hour the last
power is taken to hold on, and one of more than five minutes is marked; of a longer one nothing is
known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.channels import Quality
from telemetry.errors import SeriesError
from telemetry.etl_slots import (
    BRIDGED_SECONDS,
    HOUR_SECONDS,
    SLOT_HOURS,
    Readings,
    SlotEnergy,
    Spans,
    assign,
    check_limit,
    check_positive,
    check_series,
    check_slots,
    length_bits,
    nothing_known,
)
from telemetry.etl_state import Hold, hold_until
from telemetry.sensors import Part

_FLOAT_NOISE_KWH = 1e-9
_BLIP_SECONDS = 300.0  # a shorter outage tells no less than a sensor that reports as seldom


def power_slots(
    readings: Readings,
    slot_start: I64,
    *,
    limit_kw: float | None,
    part: Part,
    until: float | None = None,
) -> SlotEnergy:
    """Energy per slot of a power sensor.

    Args:
        readings: kW, each holding until the next; NaN: it was not available from then on.
        slot_start: consecutive slot starts (S,).
        limit_kw: more than this throughout a slot is a spike; None: nothing is judged.
        part: which side of the power counts; the negative side comes out positive.
        until: epoch seconds up to which the last state is known to hold; None: to its own time.

    Raises:
        SeriesError: times that do not ascend, infinite values, or an end before the last reading.
    """
    at, kw = check_series("readings", readings.at, readings.value)
    starts = check_slots(slot_start)
    check_limit(limit_kw)
    if not at.size:
        return nothing_known(starts)
    held = hold_until(at, kw, float(at[-1]) if until is None else until, BRIDGED_SECONDS)
    if held.value.size == 0:
        return nothing_known(starts)
    lasted = np.diff(held.knots)[held.bridged]
    held = replace(held, bridged=held.bridged[lasted > _BLIP_SECONDS])
    return _energy(starts, held, limit_kw=limit_kw, part=part, covered_bits=0)


def mean_power_slots(
    start: I64,
    mean_kw: F64,
    interval_seconds: int,
    slot_start: I64,
    *,
    limit_kw: float | None,
    part: Part,
) -> SlotEnergy:
    """Energy per slot of the mean powers of statistics; an absent row carries none: a gap.

    Args:
        start: epoch seconds of each interval's start, ascending (N,).
        mean_kw: mean power of each interval (N,), NaN where unknown.
        interval_seconds: length of the intervals.
        slot_start: consecutive slot starts (S,).
        limit_kw: a higher mean is a spike; None: nothing is judged.
        part: which side counts. What changed sign within an interval is known as its mean only.

    Raises:
        SeriesError: rows that do not ascend or overlap, or infinite means.
    """
    at, kw = check_series("mean_kw", start, mean_kw)
    starts = check_slots(slot_start)
    check_limit(limit_kw)
    check_positive("interval_seconds", interval_seconds)
    if (np.diff(at) < interval_seconds).any():
        want = f"rows at least {interval_seconds} s apart"
        raise SeriesError("start", "closer together in places", want)
    known = ~np.isnan(kw)
    at, kw = at[known], kw[known]
    if not at.size:
        return nothing_known(starts)
    ends = at + interval_seconds
    knots = np.unique(np.concatenate([at, ends]))
    row = np.searchsorted(at, knots[:-1], side="right") - 1
    held = Hold(
        knots=knots,
        value=np.where(knots[:-1] < ends[row], kw[row], np.nan),
        bridged=np.empty(0, np.int64),
    )
    bits = length_bits(interval_seconds)
    return _energy(starts, held, limit_kw=limit_kw, part=part, covered_bits=bits)


def _energy(
    slot_start: I64, held: Hold, *, limit_kw: float | None, part: Part, covered_bits: int
) -> SlotEnergy:
    """Integrate a held power; what is not known counts as no energy and marks its slots."""
    gaps = np.flatnonzero(np.isnan(held.value))
    kw = _side(held.value, part)
    kw[gaps] = 0.0
    hours = np.diff(held.knots) / HOUR_SECONDS
    total_kwh = np.concatenate([[0.0], np.cumsum(kw * hours)])
    slot_limit = None if limit_kw is None else limit_kw * SLOT_HOURS + _FLOAT_NOISE_KWH
    return assign(
        slot_start,
        held.knots,
        total_kwh,
        spans=_spans(held.knots, [(Quality.SPREAD, held.bridged), (Quality.GAP, gaps)]),
        slot_limit_kwh=slot_limit,
        covered_bits=covered_bits,
        advance_kwh=float(np.dot(kw, hours)),
    )


def _side(kw: F64, part: Part) -> F64:
    if part is Part.ALL:
        return kw.copy()
    return np.maximum(kw if part is Part.POSITIVE else -kw, 0.0)


def _spans(knots: F64, marks: Sequence[tuple[Quality, I64]]) -> list[Spans]:
    return [Spans(bit=bit, start=knots[at], end=knots[at + 1]) for bit, at in marks]
