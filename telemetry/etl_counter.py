"""Cumulative energy meters to energy per slot.

Units: kWh, kW, epoch seconds. The rules, in this order (limit = what the channel can carry):

    not available   NaN; a negative value of a meter that resets is taken for one
    restart         zeros between an old value and at least 0.9 of it are no readings; neither are
                    zeros at the end for half an hour: nobody knows yet whether they are a reset.
                    After that they are one (a daily meter at night)
    excursion       readings which cannot follow the last good one, up to a fall back to a reading
                    that can, are no readings
    reset           v <= 0.9 * (maximum since the last reset): v is added (as in Home Assistant)
    noise           any other fall: nothing is added until the maximum is passed
    spike           a pair advances by more than limit * max(dt, 900 s) + resolution; a slot too
    gap             dt - spacing over 0: spread; over an hour: its slots are missing
    lump            the first advance after an hour without one

The accepted total is linear between readings. What a slot gets depends on the readings around it
and on the maximum before it, so a longer window changes no value that a shorter one knew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64, I64, Bool
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
from telemetry.slots import SLOT_SECONDS

FLOAT_NOISE_KWH = 1e-9
_KEPT = 0.9  # of the maximum: at or below it a fall is a reset
_UNDECIDED_SECONDS = 1800.0
_STILL_SECONDS = 3600.0
_TOLERANCE_SECONDS = 1.0
_RESOLUTION_SHARE = 0.1  # of what a slot can carry: a coarser meter gets no more tolerance
_EXCURSION_SECONDS = 86_400.0
_EXCURSION_FALLS = 8  # deep falls after a jump that are looked at for the one that ends it
_UNDONE = 0.5  # the least part of a jump that its end takes back


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meter:
    """Readings that count, and which spans between them are marked."""

    at: F64
    value: F64
    restarts: Spans
    excursions: Spans

    @property
    def step_kwh(self) -> F64:
        """From each reading to the next (N - 1,)."""
        return np.diff(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """What can be believed of an advance."""

    limit_kw: float
    resolution_kwh: float

    @property
    def slot_kwh(self) -> float:
        """The most that one slot, or a pair of readings within one, can bring."""
        return self.limit_kw * SLOT_HOURS + self.resolution_kwh

    def most_kwh(self, seconds: F64) -> F64:
        """The most that can come in this time."""
        hours = np.maximum(seconds, SLOT_SECONDS) / HOUR_SECONDS
        return self.limit_kw * hours + self.resolution_kwh


def counter_slots(
    readings: Readings,
    slot_start: I64,
    *,
    spacing_seconds: float,
    limit_kw: float | None,
    total: bool = False,
) -> SlotEnergy:
    """Energy per slot of a cumulative meter; the module's text has the rules.

    Args:
        readings: kWh of the meter at any times.
        slot_start: consecutive slot starts (S,).
        spacing_seconds: how far apart its readings are when nothing is missing.
        limit_kw: what the channel can carry; None: nothing is judged. 0: every advance above the
            meter's resolution is a spike.
        total: the readings are a sum that never resets: every fall is noise.

    Raises:
        SeriesError: times that do not ascend, infinite values, slots that are not consecutive.
    """
    at, value = check_series("readings", readings.at, readings.value)
    starts = check_slots(slot_start)
    check_limit(limit_kw)
    check_positive("spacing_seconds", spacing_seconds)
    meter = _available(at, value, total=total)
    if not total:
        meter = _without_restarts(meter)
    if not meter.at.size:
        return nothing_known(starts)
    judge = _judge(meter, limit_kw)
    if judge is not None:
        meter = _without_excursions(meter, judge)
    total_kwh, resets, advance_kwh = _accept(meter, total=total)
    spans = [
        meter.restarts,
        _between(meter.at, resets - 1, Quality.RESET),
        *_rises(meter, total_kwh, judge),
        *_gaps(meter, spacing_seconds),
    ]
    return assign(
        starts,
        meter.at,
        total_kwh,
        spans=spans,
        slot_limit_kwh=None if judge is None else judge.slot_kwh,
        covered_bits=length_bits(spacing_seconds),
        advance_kwh=advance_kwh,
    )


def statistics_readings(start: I64, change: F64, interval_seconds: int) -> Readings:
    """Readings of the running total of Home Assistant's statistics, at the ends of intervals.

    The first row adds nothing: its change may hold everything before it. A row without a change
    counts as absent, for the next row's change reaches back to the last known sum. To be put
    through ``counter_slots`` with ``total=True`` and ``spacing_seconds=interval_seconds``.

    Args:
        start: epoch seconds of each interval's start, ascending (N,).
        change: kWh since the row before (N,), NaN where unknown.
        interval_seconds: length of the intervals.

    Raises:
        SeriesError: rows that do not ascend or overlap, or infinite changes.
    """
    at, kwh = check_series("change", start, change)
    check_positive("interval_seconds", interval_seconds)
    if (np.diff(at) < interval_seconds).any():
        want = f"rows at least {interval_seconds} s apart"
        raise SeriesError("start", "closer together in places", want)
    known = ~np.isnan(kwh)
    ends, added = at[known] + interval_seconds, kwh[known]
    added[:1] = 0.0
    return Readings(at=ends, value=np.cumsum(added))


def resolution_of(values: F64) -> float:
    """Smallest step by which a meter advances, in its own unit; 0 where it never does.

    The 1st percentile of all rises above float noise: one odd small step does not decide it.
    NaN is left out.
    """
    known = np.asarray(values, dtype=np.float64)
    missing = np.isnan(known)
    return _smallest(np.diff(known[~missing] if missing.any() else known))


def _smallest(steps: F64) -> float:
    rises = steps[steps > FLOAT_NOISE_KWH]
    if not rises.size:
        return 0.0
    place = rises.size // 100
    return float(np.partition(rises, place)[place])


def _judge(meter: _Meter, limit_kw: float | None) -> _Judge | None:
    if limit_kw is None:
        return None
    resolution = _smallest(meter.step_kwh)
    if limit_kw > 0.0:
        resolution = min(resolution, _RESOLUTION_SHARE * limit_kw * SLOT_HOURS)
    # Float noise would make a spike of a meter that runs exactly at its limit.
    return _Judge(limit_kw=limit_kw, resolution_kwh=resolution + FLOAT_NOISE_KWH)


def _no_spans(bit: Quality) -> Spans:
    return Spans(bit=bit, start=np.empty(0), end=np.empty(0))


def _between(at: F64, pairs: I64, bit: Quality) -> Spans:
    """The times from each of some readings to the next."""
    return Spans(bit=bit, start=at[pairs], end=at[pairs + 1])


def _available(at: F64, value: F64, *, total: bool) -> _Meter:
    usable: Bool = ~np.isnan(value) if total else value >= 0.0
    if not usable.all():
        at, value = at[usable], value[usable]
    restarts, excursions = _no_spans(Quality.RESET), _no_spans(Quality.SPIKE)
    return _Meter(at=at, value=value, restarts=restarts, excursions=excursions)


def _without_restarts(meter: _Meter) -> _Meter:
    """Leave out runs of zeros that the old value follows, and a young one that has no end yet."""
    zeros = np.flatnonzero(meter.value == 0.0)
    if not zeros.size:
        return meter
    turns = np.flatnonzero(np.diff(zeros) > 1)
    before = zeros[np.r_[0, turns + 1]] - 1
    after = zeros[np.r_[turns, zeros.size - 1]] + 1
    fell = before >= 0
    before, after = before[fell], after[fell]
    last = meter.at.size - 1
    ended = after <= last
    old, new = meter.value[before], meter.value[np.minimum(after, last)]
    young = meter.at[-1] - meter.at[before + 1] <= _UNDECIDED_SECONDS
    drop = np.where(ended, new >= _KEPT * old, young)
    restart = drop & ended
    kept = _outside(meter.at.size, before[drop], after[drop])
    return _Meter(
        at=meter.at[kept],
        value=meter.value[kept],
        restarts=Spans(
            bit=Quality.RESET, start=meter.at[before[restart]], end=meter.at[after[restart]]
        ),
        excursions=meter.excursions,
    )


def _outside(count: int, before: I64, after: I64) -> Bool:
    """Which of the readings lie strictly between none of the pairs; pairs do not overlap."""
    turn = np.zeros(count + 1, dtype=np.int8)
    np.add.at(turn, before + 1, 1)
    np.add.at(turn, after, -1)
    found: Bool = np.cumsum(turn[:count], dtype=np.int8) == 0
    return found


def _without_excursions(meter: _Meter, judge: _Judge) -> _Meter:
    """Leave out readings between a jump that cannot be and the fall that takes it back."""
    good, back = _excursions(meter, judge)
    pairs: list[tuple[int, int]] = []
    for i, j in zip(good.tolist(), back.tolist(), strict=True):
        inside = slice(i + 1, j)
        rise = meter.value[inside] - meter.value[i]
        apart = meter.at[inside] - meter.at[i]
        free = not pairs or i >= pairs[-1][1]
        if free and bool((rise > judge.most_kwh(apart)).all()):
            pairs.append((i, j))
    if not pairs:
        return meter
    before, after = np.array(pairs, dtype=np.int64).T
    kept = _outside(meter.at.size, before, after)
    return _Meter(
        at=meter.at[kept],
        value=meter.value[kept],
        restarts=meter.restarts,
        excursions=Spans(bit=Quality.SPIKE, start=meter.at[before], end=meter.at[after]),
    )


def _excursions(meter: _Meter, judge: _Judge) -> tuple[I64, I64]:
    """Last readings before a jump and the first after it that can follow them: candidates."""
    step = meter.step_kwh
    jumps = _infeasible(meter.at, step, judge)
    deep = np.flatnonzero(step < -_UNDONE * judge.slot_kwh) + 1
    good, back = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    place = np.searchsorted(deep, jumps + 2)
    for _ in range(_EXCURSION_FALLS):
        inside = place < deep.size
        jumps, place = jumps[inside], place[inside]
        fall = deep[place]
        apart = meter.at[fall] - meter.at[jumps]
        rise = meter.value[fall] - meter.value[jumps]
        can_follow = rise <= judge.most_kwh(apart)
        found = can_follow & _returns(meter.value, jumps, fall) & (apart <= _EXCURSION_SECONDS)
        good.append(jumps[found])
        back.append(fall[found])
        on = ~can_follow & (apart <= _EXCURSION_SECONDS)
        jumps, place = jumps[on], place[on] + 1
    first, last = np.concatenate(good), np.concatenate(back)
    order = np.argsort(first, kind="stable")
    return first[order], last[order]


def _returns(value: F64, jumps: I64, falls: I64) -> Bool:
    """Whether a fall takes a jump back, and no further: it is no reset."""
    old, now = value[jumps], value[falls]
    jump = value[jumps + 1] - old
    floor = old - (1.0 - _KEPT) * np.minimum(np.abs(old), jump)
    found: Bool = (now >= floor) & (value[falls - 1] - now >= _UNDONE * jump)
    found &= (now != 0.0) | (old < 0.0)
    return found


def _infeasible(at: F64, advance: F64, judge: _Judge) -> I64:
    """Pairs of readings that advance by more than can be."""
    pairs = np.flatnonzero(advance > judge.slot_kwh)
    found: I64 = pairs[advance[pairs] > judge.most_kwh(at[pairs + 1] - at[pairs])]
    return found


def _accept(meter: _Meter, *, total: bool) -> tuple[F64, I64, float]:
    """The accepted total (N,), the places of resets, and the advance, summed by segment."""
    value = meter.value
    none = np.empty(0, dtype=np.int64)
    falls = np.flatnonzero(value[1:] < value[:-1]) + 1
    if not falls.size:
        return value, none, float(value[-1] - value[0])
    if total:
        return np.maximum.accumulate(value), none, float(value.max() - value[0])
    returned = np.isin(meter.at[falls], meter.restarts.end)
    resets, lost = _resets(value, falls, returned)
    last = float(value[resets[-1] if resets.size else 0 :].max())
    advance = float(np.sum(lost)) + last - float(value[0])
    if not resets.size:
        return np.maximum.accumulate(value), none, advance
    offsets = np.r_[0.0, np.cumsum(lost)]
    lengths = np.diff(np.r_[0, resets, value.size])
    return np.maximum.accumulate(value + np.repeat(offsets, lengths)), resets, advance


def _resets(value: F64, falls: I64, returned: Bool) -> tuple[I64, F64]:
    """Places of resets, and by how much the total runs ahead of the meter through each.

    Between two falls a meter only rises, so the reading before a fall is the maximum since the
    last fall, and a reset is always a fall. A restart that returned that low adds nothing: the
    meter counts on from what it had saved.
    """
    peak = float(value[0])
    places: list[int] = []
    lost: list[float] = []
    before, after = value[falls - 1].tolist(), value[falls].tolist()
    rows = zip(falls.tolist(), before, after, returned.tolist(), strict=True)
    for place, high, low, again in rows:
        peak = max(peak, high)
        if low <= _KEPT * peak:
            places.append(place)
            lost.append(peak - low if again else peak)
            peak = low
    return np.array(places, dtype=np.int64), np.array(lost, dtype=np.float64)


def _rises(meter: _Meter, total_kwh: F64, judge: _Judge | None) -> list[Spans]:
    """Spikes and lumps."""
    advance = np.diff(total_kwh)
    found = [meter.excursions, _between(meter.at, _lumps(meter.at, advance), Quality.LUMP)]
    if judge is not None:
        pairs = _infeasible(meter.at, advance, judge)
        found.append(_between(meter.at, pairs, Quality.SPIKE))
    return found


def _lumps(at: F64, advance: F64) -> I64:
    """Pairs that advance after an hour or more without."""
    still = np.r_[False, advance <= FLOAT_NOISE_KWH, False]
    turns = np.flatnonzero(still[1:] != still[:-1])
    begin, end = turns[::2], turns[1::2]
    long = (at[end] - at[begin] >= _STILL_SECONDS) & (end < advance.size)
    found: I64 = end[long]
    return found


def _gaps(meter: _Meter, spacing_seconds: float) -> list[Spans]:
    """Pairs too far apart; those of an excursion were not silent."""
    apart = np.diff(meter.at)
    pairs = np.flatnonzero(apart > spacing_seconds + _TOLERANCE_SECONDS)
    pairs = pairs[~np.isin(meter.at[pairs], meter.excursions.start)]
    long = apart[pairs] - spacing_seconds > BRIDGED_SECONDS + _TOLERANCE_SECONDS
    return [
        _between(meter.at, pairs[~long], Quality.SPREAD),
        _between(meter.at, pairs[long], Quality.GAP),
    ]
