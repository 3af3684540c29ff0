"""Load and PV as they were measured, with short gaps of PV read off their neighbours where asked.

An inverter that falls asleep at dusk leaves PV missing for an hour or two: a line from the number
before the gap to the one after it stands for it. Both may lie outside the window that is asked for.
Nothing else is guessed: load and prices are never bridged. Units: kWh per slot, UTC.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from sim.facts import Facts
from sim.planning import HomeModel, has_pv
from telemetry.arrays import F64
from telemetry.channel_slots import runs
from telemetry.slots import SLOT_MINUTES

__all__ = ["Measured", "measured"]

_SLOT = timedelta(minutes=SLOT_MINUTES)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What was measured in N slots.

    Attributes:
        load_kwh: (N,), NaN where missing.
        pv_kwh: (N,), NaN where missing; 0 in a home without PV.
        bridged: how many slots of PV were read off their neighbours.
    """

    load_kwh: F64
    pv_kwh: F64
    bridged: int


def measured(
    store: Facts, model: HomeModel, start: datetime, end: datetime, bridge_hours: float = 0.0
) -> Measured:
    """Return load and PV of [start, end).

    Args:
        store: where the facts are.
        model: the home.
        start: the first slot.
        end: the end of the last.
        bridge_hours: how long PV may be missing between two readings to be read off the line
            between them; 0: not at all.

    Raises:
        TelemetryError: the store cannot answer, or a bound is no slot start.
    """
    most = int(timedelta(hours=bridge_hours) / _SLOT)
    around = most * _SLOT
    seen = store.observations(
        model.home.home_id, ["load_kwh", "pv_kwh"], start - around, end + around
    )
    inside = slice(most, seen.slot_start.size - most)
    load, raw = seen.of("load_kwh")[inside], seen.of("pv_kwh")
    if not has_pv(store, model, None):
        return Measured(load_kwh=load, pv_kwh=np.zeros(load.size), bridged=0)
    pv = _bridged(raw, most)[inside]
    return Measured(
        load_kwh=load, pv_kwh=pv, bridged=int((np.isnan(raw[inside]) & ~np.isnan(pv)).sum())
    )


def _bridged(values: F64, most: int) -> F64:
    """Put runs of at most ``most`` missing slots on the line between their neighbours."""
    gone = np.isnan(values)
    known = np.flatnonzero(~gone)
    if most == 0 or known.size in (0, values.size):
        return values
    line = np.interp(np.arange(values.size), known, values[known])
    filled = values.copy()
    for low, high in runs(gone):
        if low > 0 and high < values.size and high - low <= most:
            filled[low:high] = line[low:high]
    return filled
