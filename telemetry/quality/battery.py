"""The battery's own equation: does its state of charge follow from what went in and out?

    capacity * (soc(b) - soc(a)) = eta_c * charge - discharge / eta_d   from a to b    (J1)

It is tested between every two points a < b of the day for which all flows are known, with

    5 % of the capacity + 10 % of the energy moved + uncertainty of both points                 (J2)

as tolerance: efficiencies vary with power, gauges drift. The uncertainty of a point is zero for a
reading and, for an estimate from hourly statistics, half of what moved in the hours around it
(limited by the ratings, so that a false flow does not excuse itself). The day's two ends are left
out: an estimate there mixes two days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64
from telemetry.limits import Limits
from telemetry.quality.soc import Points, has_soc, points_of
from telemetry.quality.window import PER_HOUR, Day

CAPACITY_SHARE = 0.05
THROUGHPUT_SHARE = 0.10
_STILL = 0.0011
_FEWEST = 4
_SMALL = 0.0101


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Where (J1) fails worst on a day.

    Attributes:
        first_edge: edge of the day's slots at which the stretch starts.
        last_edge: and ends.
        seen_kwh: stored energy gained by the state of charge.
        moved_kwh: stored energy gained by the flows.
        still: the state of charge did not move at all in between.
        small: it stayed below 1 % all day.
    """

    first_edge: int
    last_edge: int
    seen_kwh: float
    moved_kwh: float
    still: bool
    small: bool

    def sentence(self, day: Day) -> str:
        """Tell it."""
        when = f"from {day.clock(self.first_edge)} to {day.clock(self.last_edge)}"
        if self.small:
            return f"state of charge stays below 1 % while the battery moved {self._moved} {when}"
        if self.still:
            return f"state of charge stood still while the battery moved {self._moved} {when}"
        return (
            f"state of charge says {self.seen_kwh:+.1f} kWh, charge and discharge "
            f"{self.moved_kwh:+.1f} kWh, {when}"
        )

    @property
    def _moved(self) -> str:
        return f"{self.moved_kwh:+.1f} kWh"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryCheck:
    """Outcome of (J1) for a day: whether it could be tested, and where it failed."""

    tested: bool
    gap: Gap | None = None


def check_equation(day: Day, charge_kwh: F64, discharge_kwh: F64) -> BatteryCheck:
    """Test (J1) with given flows (n,), NaN where unknown."""
    limits = day.window.limits
    if not has_soc(day) or not limits.capacity_kwh:
        return BatteryCheck(tested=False)
    points = _usable(day)
    if points.edge.size < _FEWEST:
        return BatteryCheck(tested=False)
    return _worst(points, limits.capacity_kwh, limits, charge_kwh, discharge_kwh)


def _usable(day: Day) -> Points:
    """One point per inner edge, in range; those at whole hours if there are enough of them."""
    points = points_of(day)
    points = points.only(points.possible() & (points.edge > 0) & (points.edge < day.slots))
    last_of_edge = np.diff(points.edge, append=-1) != 0
    points = points.only(last_of_edge)
    whole = (day.slot_start[points.edge] % 3600) == 0
    return points.only(whole) if int(whole.sum()) >= _FEWEST else points


def _worst(
    points: Points, capacity_kwh: float, limits: Limits, charge_kwh: F64, discharge_kwh: F64
) -> BatteryCheck:
    """Test (J1) between every two points."""
    unknown = np.isnan(charge_kwh) | np.isnan(discharge_kwh)
    gained = limits.charge_efficiency * charge_kwh - discharge_kwh / limits.discharge_efficiency
    moved, through, breaks = (
        np.concatenate([[0.0], np.cumsum(np.where(unknown, 0.0, one))])[points.edge]
        for one in (gained, charge_kwh + discharge_kwh, np.zeros(unknown.size))
    )
    breaks = np.concatenate([[0], np.cumsum(unknown)])[points.edge]
    seen = capacity_kwh * points.soc
    unsure = np.where(points.hourly, _around(points, gained, limits), 0.0)
    gap = np.abs(np.subtract.outer(seen - moved, seen - moved))
    allowed = (
        CAPACITY_SHARE * capacity_kwh
        + THROUGHPUT_SHARE * np.abs(np.subtract.outer(through, through))
        + np.add.outer(unsure, unsure)
    )
    pairs = np.triu(np.equal.outer(breaks, breaks), 1)
    excess = np.where(pairs, gap - allowed, -np.inf)
    a, b = np.unravel_index(int(np.argmax(excess)), excess.shape)
    if not excess[a, b] > 0.0:
        return BatteryCheck(tested=bool(pairs.any()))
    between = points.soc[a : b + 1]
    found = Gap(
        first_edge=int(points.edge[a]),
        last_edge=int(points.edge[b]),
        seen_kwh=float(seen[b] - seen[a]),
        moved_kwh=float(moved[b] - moved[a]),
        still=bool(np.ptp(between) < _STILL),
        small=bool(points.soc.max() < _SMALL),
    )
    return BatteryCheck(tested=True, gap=found)


def _around(points: Points, gained_kwh: F64, limits: Limits) -> F64:
    """Half of what moved in the hour before and the hour after each point (P,), kWh stored."""
    known = np.nan_to_num(gained_kwh)
    total = np.concatenate([[0.0], np.cumsum(known)])
    size = known.size
    before = total[points.edge] - total[np.maximum(points.edge - PER_HOUR, 0)]
    after = total[np.minimum(points.edge + PER_HOUR, size)] - total[points.edge]
    most = _most_kwh_an_hour(limits)
    share: F64 = np.minimum(np.abs(before), most) + np.minimum(np.abs(after), most)
    return 0.5 * share


def _most_kwh_an_hour(limits: Limits) -> float:
    """What the ratings let the stored energy move by in an hour; infinite where one is unknown."""
    if limits.charge_kw is None or limits.discharge_kw is None:
        return math.inf
    return max(limits.charge_kw, limits.discharge_kw / limits.discharge_efficiency)
