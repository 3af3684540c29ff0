"""Which slots of measured PV may teach: not the curtailed, the stuck and those under snow.

Units: kWh per slot of 15 min. g is the clear-sky global radiation (1 where the position is
unknown), i = x / g an index whose scale does not matter. A slot does not teach where

    its quality bits say STUCK, SPIKE, SUSPECT, LUMP or GAP, or it is missing             (PT1)
    one value above zero repeats for 3 h or more while g moves by more than a tenth       (PT2)
    its solar day has sum x / sum g < 0.03 of what bright days have                       (PT3)
    it is known to be curtailed, or may be and has i < 0.5 of its neighbours'             (PT4)

(PT2) spares values within 2 % of the highest ever: a limited inverter is flat at its limit. Bright
in (PT3) is the 0.9 quantile within 30 days; it needs frost on the day or the two before it, or,
where no temperature is known, two such days in a row. (PT4) looks at runs of slots with a negative
export price, against the hour before and the hour after; where these have no sun, against bright
days.

(PT3) also finds a system that is switched off. Where everything is zero for two months nothing says
otherwise, and zero is taught. An overcast December day gives 0.05 to 0.15 of the bright level; a
covered roof gives less than 0.01. The verdict on a slot looks at the days around it, so a cut-off
history may judge its last day more mildly; it never gives a forecast a value that was not known.
"""

import numpy as np

from forecast.errors import SeriesError
from forecast.inputs import Measured
from forecast.sky import SkyTable, clear_radiation
from telemetry.arrays import F64, I64, Bool
from telemetry.channels import Quality

__all__ = ["clear_ghi", "curtailed_slots", "pv_teaches", "snow_slots", "stuck_slots"]

_BAD = Quality.STUCK | Quality.SPIKE | Quality.SUSPECT | Quality.LUMP | Quality.GAP
_STUCK_SLOTS, _FLAT_TOP, _CHANGE = 12, 0.98, 0.1
_COVERED, _BRIGHT, _AROUND_DAYS, _FROST_C, _FROST_DAYS, _COVERED_RUN = 0.03, 0.9, 30, 0.0, 2, 2
_CURTAILED, _NEIGHBOUR_SLOTS = 0.5, 4
_DAY_SECONDS, _SECONDS_PER_DEGREE = 86_400, 240.0


def pv_teaches(
    pv: Measured,
    *,
    quality: I64 | None = None,
    sky: SkyTable | None = None,
    temp_c: F64 | None = None,
    curtailed: Bool | None = None,
    may_be_curtailed: Bool | None = None,
) -> Bool:
    """Return (S,) whether a slot may teach (PT1) to (PT4).

    Args:
        pv: measured PV.
        quality: (S,) bits of ``telemetry.channels.Quality``.
        sky: the place, None where unknown.
        temp_c: (S,) air temperature, NaN where unknown.
        curtailed: (S,) slots in which PV was ordered down.
        may_be_curtailed: (S,) slots with a negative export price.

    Raises:
        SeriesError: an array is not one value per slot.
    """
    given = {
        "quality": quality,
        "temp_c": temp_c,
        "curtailed": curtailed,
        "may_be_curtailed": may_be_curtailed,
    }
    for name, array in given.items():
        if array is not None and array.shape != pv.values.shape:
            raise SeriesError(name, array.shape, f"{pv.values.shape}: one value per slot of PV")
    clear = clear_ghi(pv, sky)
    bad: Bool = np.isnan(pv.values)
    if quality is not None:
        bad |= (quality & int(_BAD)) != 0
    if curtailed is not None:
        bad |= curtailed
    bad |= stuck_slots(pv.values, clear)
    day = _solar_day(pv, sky)
    bad |= snow_slots(pv.values, clear, day, temp_c)
    if may_be_curtailed is not None:
        bad |= curtailed_slots(pv.values, clear, day, may_be_curtailed)
    return ~bad


def clear_ghi(pv: Measured, sky: SkyTable | None) -> F64:
    """Return (S,) clear-sky global radiation, W/m2; 1 where the place is unknown."""
    if sky is None:
        return np.ones(pv.values.size)
    return clear_radiation(sky, pv.slots).ghi_w_m2


def stuck_slots(pv_kwh: F64, clear: F64) -> Bool:
    """Return (S,) slots of a value that repeats while the sun moves (PT2)."""
    stuck = np.zeros(pv_kwh.size, dtype=np.bool_)
    if not pv_kwh.size:
        return stuck
    top = float(np.nanmax(pv_kwh, initial=0.0))
    changes = np.flatnonzero(np.diff(pv_kwh) != 0.0) + 1  # NaN differs from everything
    bounds = np.concatenate(([0], changes, [pv_kwh.size]))
    sunless = bool((clear == 1.0).all())
    for first, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        value = pv_kwh[first]
        if end - first < _STUCK_SLOTS or not 0.0 < value < _FLAT_TOP * top:
            continue
        sun = clear[first:end]
        stuck[first:end] = sunless or np.ptp(sun) > _CHANGE * sun.max(initial=0.0)
    return stuck


def snow_slots(pv_kwh: F64, clear: F64, day: I64, temp_c: F64 | None) -> Bool:
    """Return (S,) slots of days on which the roof gave next to nothing (PT3).

    Args:
        pv_kwh: (S,) measured, NaN where missing.
        clear: (S,) clear-sky radiation.
        day: (S,) day of each slot, from 0.
        temp_c: (S,) air temperature, or unknown.
    """
    if not pv_kwh.size:
        return np.zeros(0, dtype=np.bool_)
    level = _daily_level(pv_kwh, clear, day)
    bright = _bright(level)
    covered = (level < _COVERED * bright) & (bright > 0.0)
    if temp_c is not None and not np.isnan(temp_c).all():
        covered &= _after_frost(temp_c, day, level.size)
    else:
        covered &= _in_runs(covered, _COVERED_RUN)
    marked: Bool = covered[day]
    return marked


def curtailed_slots(pv_kwh: F64, clear: F64, day: I64, may_be: Bool) -> Bool:
    """Return (S,) slots that were held down while export was paid for (PT4).

    Args:
        pv_kwh: (S,) measured, NaN where missing.
        clear: (S,) clear-sky radiation.
        day: (S,) day of each slot, from 0.
        may_be: (S,) slots with a negative export price.
    """
    held = np.zeros(pv_kwh.size, dtype=np.bool_)
    if not may_be.any():
        return held
    bright = _bright(_daily_level(pv_kwh, clear, day))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], may_be, [False])).astype(np.int8)))
    for first, end in edges.reshape(-1, 2).tolist():
        around = np.r_[max(first - _NEIGHBOUR_SLOTS, 0) : first, end : end + _NEIGHBOUR_SLOTS]
        want = _index(pv_kwh, clear, around[around < pv_kwh.size])
        if not want > 0.0:
            want = float(bright[day[first]])
        got = _index(pv_kwh, clear, np.arange(first, end))
        held[first:end] = got < _CURTAILED * want
    return held


def _solar_day(pv: Measured, sky: SkyTable | None) -> I64:
    """Return (S,) the solar day of each slot, from 0; the UTC day where the place is unknown."""
    shift = 0 if sky is None else int(sky.longitude * _SECONDS_PER_DEGREE)
    day = (pv.slots + shift) // _DAY_SECONDS
    first: I64 = day - day.min(initial=np.iinfo(np.int64).max)
    return first


def _index(pv_kwh: F64, clear: F64, where: I64) -> float:
    """Return energy over clear-sky radiation of some slots, NaN where they had none."""
    known = where[~np.isnan(pv_kwh[where]) & (clear[where] > 0.0)]
    total = float(clear[known].sum())
    return float(pv_kwh[known].sum()) / total if total > 0.0 else float("nan")


def _daily_level(pv_kwh: F64, clear: F64, day: I64) -> F64:
    """Return (D,) energy over clear-sky radiation of each day, NaN where nothing is known."""
    known = ~np.isnan(pv_kwh)
    size = int(day.max()) + 1
    energy = np.bincount(day[known], pv_kwh[known], size)
    light = np.bincount(day[known], clear[known], size)
    return np.where(light > 0.0, energy / np.where(light > 0.0, light, 1.0), np.nan)


def _bright(level: F64) -> F64:
    """Return (D,) the level of bright days around each day, 0 where none is known."""
    out = np.zeros(level.size)
    for d in range(level.size):
        near = level[max(0, d - _AROUND_DAYS) : d + _AROUND_DAYS + 1]
        near = near[~np.isnan(near)]
        out[d] = np.quantile(near, _BRIGHT) if near.size else 0.0
    return out


def _after_frost(temp_c: F64, day: I64, days: int) -> Bool:
    """Return (D,) whether it froze on a day or the two before it."""
    froze = np.zeros(days, dtype=np.bool_)
    froze[np.unique(day[temp_c <= _FROST_C])] = True
    after = froze.copy()
    for back in range(1, _FROST_DAYS + 1):
        after[back:] |= froze[:-back]
    return after


def _in_runs(marked: Bool, least: int) -> Bool:
    """Return the marked days that stand in runs of at least ``least``."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marked, [False])).astype(np.int8)))
    out = np.zeros(marked.size, dtype=np.bool_)
    for first, end in edges.reshape(-1, 2).tolist():
        out[first:end] = end - first >= least
    return out
