"""What a battery really gives back of what it takes, by its meters and its state of charge.

Over runs of slots in which charge C and discharge D are known, between two readings of the state of
charge that differ by the stored energy S, with one efficiency for either way,

    S = eta * C - D / eta    ->    eta = (S + sqrt(S^2 + 4 C D)) / (2 C),  round trip = eta^2  (RT1)

summed over all runs first, so that errors of readings weigh less the more was moved. Standby of the
inverter counts as loss where its meter sees it. Units: kWh at the AC terminals, kWh stored, ratios.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from telemetry.arrays import F64, Bool

__all__ = ["RoundTrip", "round_trip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """What was measured.

    Attributes:
        efficiency: round trip, AC to AC, a ratio.
        charge_kwh: what went in.
        discharge_kwh: what came out.
        stored_kwh: what is more stored at the ends of the runs than at their starts.
    """

    efficiency: float
    charge_kwh: float
    discharge_kwh: float
    stored_kwh: float


def round_trip(charge_kwh: F64, discharge_kwh: F64, stored_kwh: F64) -> RoundTrip | None:
    """Return what the meters say; None where nothing was charged between two readings.

    Args:
        charge_kwh: (N,), NaN where unknown.
        discharge_kwh: (N,).
        stored_kwh: (N + 1,) at the edges of the slots.
    """
    known = ~np.isnan(charge_kwh) & ~np.isnan(discharge_kwh)
    taken = given = gained = 0.0
    for low, high in _runs(known):
        read = np.flatnonzero(~np.isnan(stored_kwh[low : high + 1])) + low
        if read.size > 1:
            first, last = int(read[0]), int(read[-1])
            taken += float(charge_kwh[first:last].sum())
            given += float(discharge_kwh[first:last].sum())
            gained += float(stored_kwh[last] - stored_kwh[first])
    if taken <= 0.0:
        return None
    eta = (gained + math.sqrt(gained**2 + 4.0 * taken * given)) / (2.0 * taken)
    return RoundTrip(efficiency=eta**2, charge_kwh=taken, discharge_kwh=given, stored_kwh=gained)


def _runs(there: Bool) -> list[tuple[int, int]]:
    """Return [first, stop) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], there, [False]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
