"""Range and jumps of the state of charge.

A point is the state at one edge of a slot: ``soc_end`` of the slot before it or ``soc_start`` of
the one after it. Sources may tell it at some edges only.

    range    -0.005 <= soc <= 1.005
    jump     |soc(b) - soc(a)| <= 0.03 + hours * power / capacity,  a and b consecutive points
             power: eta_c * charge rating when it rose, discharge rating / eta_d when it fell

A point from hourly statistics is an estimate, off by up to what half an hour moves. A jump at
midnight stands between two days and may be either's fault: it is put to the day that shows more
faults of its battery, of equals to the later one, where the change was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Channel, Quality
from telemetry.quality.findings import Check, Finding
from telemetry.quality.window import Day
from telemetry.quality_table import DayClass
from telemetry.slots import SLOT_SECONDS

RANGE_TOLERANCE = 0.005
JUMP_TOLERANCE = 0.03
_ESTIMATE_SECONDS = 1800
_PERCENT = 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """Known states of charge in order of time; P of them, two of one edge may differ.

    Attributes:
        edge: which edge of the day's slots (P,): 0 = the day's start, n = its end.
        soc: ratio (P,).
        hourly: it is an estimate from hourly statistics (P,).
    """

    edge: I64
    soc: F64
    hourly: Bool

    def only(self, which: Bool) -> Points:
        """Some of the points."""
        return Points(edge=self.edge[which], soc=self.soc[which], hourly=self.hourly[which])

    def possible(self) -> Bool:
        """Which are in range."""
        found: Bool = (self.soc >= -RANGE_TOLERANCE) & (self.soc <= 1.0 + RANGE_TOLERANCE)
        return found


def has_soc(day: Day) -> bool:
    """Whether the state of charge is configured."""
    return day.has(Channel.SOC_START, Channel.SOC_END)


def points_of(day: Day) -> Points:
    """Points of the day, both of its ends included."""
    places = np.arange(day.slots, dtype=np.int64)
    edge = np.concatenate([places, places + 1])
    soc = np.concatenate([day.values(Channel.SOC_START), day.values(Channel.SOC_END)])
    bit = Quality.HOURLY
    hourly = np.concatenate([day.marked(c, bit) for c in (Channel.SOC_START, Channel.SOC_END)])
    # At one edge the end of the slot before it comes first.
    order = np.lexsort((-np.repeat([0, 1], day.slots), edge))
    order = order[~np.isnan(soc[order])]
    return Points(edge=edge[order], soc=soc[order], hourly=hourly[order])


def check_soc(day: Day) -> Iterator[Finding]:
    """Find impossible states within the day, its two ends left to ``midnight_faults``."""
    if not has_soc(day):
        return
    points = points_of(day)
    points = points.only((points.edge > 0) & (points.edge < day.slots))
    possible = points.possible()
    if not possible.all():
        yield _range_finding(points.only(~possible))
    points = points.only(possible)
    places = np.flatnonzero(jumps(day, points))
    if places.size:
        clock = day.clock(int(points.edge[places[0] + 1]))
        before, after = points.soc[places[0] : places[0] + 2].tolist()
        sentence = f"state of charge jumps from {before:.0%} to {after:.0%} at {clock}"
        yield Finding(
            check=Check.SOC_JUMP,
            count=int(places.size),
            severity=DayClass.MASK_BATTERY,
            sentence=sentence,
        )


def _range_finding(wrong: Points) -> Finding:
    """Tell points out of range."""
    worst = float(wrong.soc[np.argmax(np.abs(wrong.soc - 0.5))])
    sentence = f"state of charge is {worst:.4g}, want a ratio of 0 to 1"
    if float(np.median(wrong.soc)) > _PERCENT:
        sentence = f"state of charge looks like percent, not a ratio: {worst:.4g}"
    return Finding(
        check=Check.SOC_RANGE,
        count=int(wrong.soc.size),
        severity=DayClass.MASK_BATTERY,
        sentence=sentence,
    )


def jumps(day: Day, points: Points) -> Bool:
    """Which changes from one point to the next (P - 1,) no battery of these ratings can make."""
    limits = day.window.limits
    change = np.diff(points.soc)
    if not limits.capacity_kwh or limits.charge_kw is None or limits.discharge_kw is None:
        return np.zeros(change.size, dtype=np.bool_)
    seconds = np.diff(points.edge) * SLOT_SECONDS
    seconds = seconds + _ESTIMATE_SECONDS * (points.hourly[:-1] | points.hourly[1:])
    up = limits.charge_kw * limits.charge_efficiency / limits.capacity_kwh
    down = limits.discharge_kw / limits.discharge_efficiency / limits.capacity_kwh
    most = np.where(change > 0.0, up, down) * seconds / 3600.0 + JUMP_TOLERANCE
    found: Bool = np.abs(change) > most
    return found


def midnight_faults(days: Sequence[Day], battery_faults: Sequence[int]) -> list[Finding | None]:
    """What is wrong where one day meets the next, put to one of the two.

    Args:
        days: D days in order of time.
        battery_faults: how many faults of its battery each has within it (D,).

    Returns:
        for each of the D days a finding or nothing.
    """
    found: list[Finding | None] = [None] * len(days)
    faults = [_ends_wrong(day) for day in days]
    follows = [k + 1 < len(days) and days[k].high == days[k + 1].low for k in range(len(days))]
    between = [follows[k] and _meets_badly(days[k], days[k + 1]) for k in range(len(days))]
    wrong = [
        between[k] or faults[k][1] or (follows[k] and faults[k + 1][0]) for k in range(len(days))
    ]
    weight = [
        2 * battery_faults[k] + int(wrong[k]) + int(k > 0 and wrong[k - 1])
        for k in range(len(days))
    ]
    for k in np.flatnonzero(wrong).tolist():
        blamed = k + 1 if follows[k] and weight[k + 1] >= weight[k] else k
        found[blamed] = _midnight_finding(days[blamed])
    if days and not found[0] and faults[0][0]:
        found[0] = _midnight_finding(days[0])
    return found


def _ends_wrong(day: Day) -> tuple[bool, bool]:
    """Whether the day's first and last edge are impossible, or reached by a jump."""
    if not has_soc(day):
        return False, False
    points = points_of(day)
    possible = points.possible()
    outer = ~possible & ((points.edge == 0) | (points.edge == day.slots))
    points_outer = points.only(outer)
    first, last = bool((points_outer.edge == 0).any()), bool((points_outer.edge > 0).any())
    good = points.only(possible)
    jump = jumps(day, good)
    first |= bool((jump & (good.edge[:-1] == 0)).any())
    last |= bool((jump & (good.edge[1:] == day.slots)).any())
    return first, last


def _meets_badly(day: Day, following: Day) -> bool:
    """Whether the end of a day and the start of the next are two different states."""
    if not has_soc(day):
        return False
    end = day.values(Channel.SOC_END)[-1]
    start = following.values(Channel.SOC_START)[0]
    return bool(abs(end - start) > JUMP_TOLERANCE)


def _midnight_finding(day: Day) -> Finding:
    sentence = f"state of charge jumps at midnight, at the start or the end of {day.local_date}"
    return Finding(check=Check.SOC_JUMP, count=1, severity=DayClass.MASK_BATTERY, sentence=sentence)
