"""One side of a signed power from the mean of an interval: where the mean can tell it.

A power that went both ways within the interval has a positive and a negative energy, and the mean
gives their difference alone. Taking the mean's own side is wrong by the smaller of the two, which
is at most, with least ``a`` < 0 < most ``b`` and mean ``m`` (all time spent at either end),

    min(-a * (b - m), b * (m - a)) / (b - a)                                                  (P1)
"""

from __future__ import annotations

import numpy as np

from telemetry.arrays import F64, Bool

WITHIN_KW = 0.15


def side_is_known(mean_kw: F64, low_kw: F64, high_kw: F64, *, hours: float) -> Bool:
    """Whether either side follows from the mean to 0.15 kW (N,).

    Args:
        mean_kw: of each interval (N,).
        low_kw: least (N,); NaN: unknown, then only a short interval is believed.
        high_kw: most (N,).
        hours: length of the intervals.
    """
    unknown = np.isnan(low_kw) | np.isnan(high_kw)
    both_ways = (low_kw < 0.0) & (high_kw > 0.0)
    span = np.where(both_ways, high_kw - low_kw, 1.0)
    smaller = np.minimum(-low_kw * (high_kw - mean_kw), high_kw * (mean_kw - low_kw)) / span
    told = np.where(both_ways, smaller <= WITHIN_KW, True)  # noqa: FBT003 - a value
    found: Bool = np.where(unknown, hours < 1.0, told)
    return found
