"""The same-slot mean at very many issue times: what a year of replay asks for.

Units and tables as in ``forecast.baseline``: quarters of the local wall clock (96), kWh per slot,
NaN where missing. At the issue ``i`` of local day D(i), with u[s] the second from which the value
x[s] of slot s may be used (known, and its slot over),

    cell[d, q] = mean of x[s], s the slots of local day d at quarter q, u[s] <= i           (A1)
    profile[i, q] = mean of the newest ``days`` cells at q, D(i) - lookback <= d <= D(i)    (A2)

then bridged (N3). It is (N1) for every issue at once, without a table per issue; a test holds the
two equal. Slots older than ``history_slots`` before the issue do not count, so that it reads what
a caller of ``same_slot_mean`` reads who hands it as many.
"""

from math import isnan
from typing import NamedTuple, final

import numpy as np

from mpc.jit import compiled
from telemetry.arrays import F64, I64
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS, local_calendar

__all__ = ["AsOfMean", "Averaging", "Seen", "bridge", "profiles_as_of"]

_QUARTERS = 1440 // SLOT_MINUTES
_TWICE = 2  # a doubled hour brings a quarter of the wall clock twice


class Averaging(NamedTuple):
    """Which values enter a mean.

    Attributes:
        days: how many days with a value, at least 1.
        lookback_days: the oldest local day, counted back from the issue's.
        history_slots: the oldest slot, counted back from the issue's.
        bridge_quarters: runs of at most this many missing quarters are bridged.
    """

    days: int
    lookback_days: int
    history_slots: int
    bridge_quarters: int = 0


class Seen(NamedTuple):
    """A measured series and the wall clock it lies on.

    Attributes:
        start: epoch second of the first slot.
        values: (S,) kWh per slot, NaN where missing.
        usable_from: (S,) epoch second from which each may be used.
        places: (D, 96, 2) slot at a local day, its quarter, the first and second time; -1: none.
    """

    start: int
    values: F64
    usable_from: I64
    places: I64


@final
class AsOfMean:
    """The mean of the newest values that were known at each of many issues."""

    def __init__(
        self, values: F64, known_at: I64, start: int, *, zone: str, averaging: Averaging
    ) -> None:
        """Lay a series on the wall clock.

        Args:
            values: (S,) of consecutive slots, NaN where missing.
            known_at: (S,) epoch second at which each became known; any number where missing.
            start: epoch second of the first slot.
            zone: IANA name of the home's time zone.
            averaging: which values enter.
        """
        slots = start + SLOT_SECONDS * np.arange(values.size, dtype=np.int64)
        self._zone, self._averaging = zone, averaging
        calendar = local_calendar(slots, zone)
        self._first_day = int(calendar.day[0]) if slots.size else 0
        row, quarter = calendar.day - self._first_day, calendar.minute // SLOT_MINUTES
        places = np.full((int(row.max(initial=0)) + 1, _QUARTERS, _TWICE), -1, dtype=np.int64)
        # Backwards, so that the first of two slots is the one that stays.
        at = np.arange(values.size, dtype=np.int64)
        places[row[::-1], quarter[::-1], 0] = at[::-1]
        again = places[row, quarter, 0] != at
        places[row[again], quarter[again], 1] = at[again]
        self._seen = Seen(
            start=start,
            values=np.ascontiguousarray(values, dtype=np.float64),
            usable_from=np.maximum(known_at, slots + SLOT_SECONDS),
            places=places,
        )

    def profiles(self, issues: I64) -> F64:
        """Return the (N, 96) forecast of every quarter at each of the (N,) issues, slot starts.

        NaN where no value was known. Issues lie at most at the end of the last local day laid out.
        """
        rows = local_calendar(issues, self._zone).day - self._first_day
        out = np.empty((issues.size, _QUARTERS))
        compiled(profiles_as_of)(self._seen, issues, rows, self._averaging, out)
        return out


def profiles_as_of(seen: Seen, issues: I64, rows: I64, averaging: Averaging, out: F64) -> None:
    """Write the profile of every issue (A2, N3); a kernel.

    Args:
        seen: the series.
        issues: (N,) epoch seconds.
        rows: (N,) rows of their local days.
        averaging: which values enter.
        out: (N, 96) kWh per slot, NaN where nothing was known.
    """
    for n in range(issues.size):
        for quarter in range(out.shape[1]):
            out[n, quarter] = _mean_as_of(seen, issues[n], rows[n], quarter, averaging)
        bridge(out[n], averaging.bridge_quarters)


def _mean_as_of(seen: Seen, issue: int, row: int, quarter: int, averaging: Averaging) -> float:
    """Return the mean of the newest days at a quarter (A2)."""
    total, found = 0.0, 0
    for age in range(averaging.lookback_days + 1):
        if age > row or found == averaging.days:
            break
        if row - age < seen.places.shape[0]:
            value = _cell_as_of(seen, issue, row - age, quarter, averaging.history_slots)
            if not isnan(value):
                total += value
                found += 1
    return total / found if found > 0 else np.nan


def _cell_as_of(seen: Seen, issue: int, row: int, quarter: int, history_slots: int) -> float:
    """Return the value of a day at a quarter, as far as it was known (A1)."""
    oldest = (issue - seen.start) // SLOT_SECONDS - history_slots
    total, count = 0.0, 0
    for time in range(seen.places.shape[2]):
        place = seen.places[row, quarter, time]
        if place >= max(oldest, 0) and seen.usable_from[place] <= issue:
            value = seen.values[place]
            if not isnan(value):
                total += value
                count += 1
    return total / count if count > 0 else np.nan


def bridge(profile: F64, most: int) -> None:
    """Fill runs of at most ``most`` missing quarters of a day's (96,) profile, in place (N3).

    The day is a ring: what is missing around midnight lies between evening and morning.
    """
    size = profile.size
    first = 0
    while first < size and isnan(profile[first]):
        first += 1
    if most == 0 or first == size:
        return
    before = first
    for after in range(first + 1, first + size + 1):
        right = profile[after % size]
        if isnan(right):
            continue
        if after - before - 1 <= most:
            left = profile[before % size]
            slope = (right - left) / (after - before)
            for quarter in range(before + 1, after):
                profile[quarter % size] = slope * (quarter - before) + left
        before = after
