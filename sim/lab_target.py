"""An export target and what became of it: reached, or the limit that keeps it from being.

Energy in kWh at the AC bus, money in the home's currency.
"""

from dataclasses import dataclass

import numpy as np

from mpc import Site
from sim.lab_case import WhatIf
from sim.lab_money import Course
from sim.lab_peaks import REACHED_KWH, Economics, Peaks
from telemetry.arrays import Bool

__all__ = ["Target", "target_of"]

_FULL_KWH = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A target and what became of it.

    Attributes:
        export_kwh: battery energy asked for on top of the baseline.
        realised_kwh: what was exported on top of it at the peaks.
        baseline_kwh: what the baseline exports at the peaks.
        slots: (T,) the peaks.
        limit: what binds where more than 0.1 kWh are missing, "" where it is reached.
        reason: the same in a sentence.
        economics: planned with.
        relaxed: whether these are less than the home's.
    """

    export_kwh: float
    realised_kwh: float
    baseline_kwh: float
    slots: Bool
    limit: str
    reason: str
    economics: Economics
    relaxed: bool

    @property
    def reached(self) -> bool:
        """Whether at most 0.1 kWh are missing."""
        return self.realised_kwh >= self.export_kwh - REACHED_KWH


def target_of(peaks: Peaks, course: Course, site: Site, case: WhatIf) -> Target:
    """Return what became of a target.

    Args:
        peaks: where it was wanted.
        course: what was planned or done.
        site: with the home's own economics.
        case: that was planned.
    """
    realised = peaks.counted_kwh(course) - peaks.sold_before_kwh
    reached = realised >= peaks.export_kwh - REACHED_KWH
    limit = "" if reached else _binding(peaks, course, site, case)
    return Target(
        export_kwh=peaks.export_kwh,
        realised_kwh=realised,
        baseline_kwh=peaks.sold_before_kwh,
        slots=peaks.slots,
        limit=limit,
        reason=_REASONS[limit].format(short=peaks.short_per_kwh),
        economics=peaks.economics,
        relaxed=peaks.economics != Economics.of(site),
    )


_REASONS = {
    "": "",
    "capacity_kwh": "the home has no battery",
    "allow_battery_export": "the battery may not export",
    "economics": "even the cheapest kWh, sold at the best slot that is left, brings {short:.3f} "
    "per kWh less than wear and margin ask for",
    "max_export_kw": "the grid connection does not take so much in all slots of the day",
    "max_discharge_kw": "the battery's power does not give so much in all slots of the day",
    "blocks": "manual blocks keep the battery from it",
    "max_soc_kwh": "the battery is full before the peaks and holds no more",
    "max_charge_kw": "the battery cannot be charged with more before the peaks",
}


def _binding(peaks: Peaks, course: Course, site: Site, case: WhatIf) -> str:
    """Return the limit that keeps a target from being reached, a key of ``_REASONS``."""
    if peaks.limit in _REASONS and peaks.limit != "":
        return peaks.limit
    if case.blocks:
        return "blocks"
    places = np.flatnonzero(peaks.slots)
    last = int(places[-1]) if places.size else 0
    stored = np.r_[course.soc_start_kwh, course.soc_kwh[:last]]
    full = float(np.min(np.asarray(site.battery.max_soc_kwh, dtype=np.float64)))
    return "max_soc_kwh" if stored.max() >= full - _FULL_KWH else "max_charge_kw"
