"""What a forecast may be made from: measured channels, weather as it was issued, the house.

Slots are 15 min, keyed by the epoch second of their UTC start; energies are kWh per slot, NaN where
missing. Nothing here is cut off at an issue: every value carries the second from which it may be
used, so that one set of arrays serves very many issues and none of them sees the future:

    usable_from[s] = max(known_at[s], end of slot s)                                     (H1)

A target is a slot ``issue + 900 * lead``, lead 0 being the slot that begins at the issue.
"""

from dataclasses import dataclass

import numpy as np

from forecast.errors import SeriesError
from telemetry.arrays import F64, I64, Bool
from telemetry.home import Plane
from telemetry.slots import SLOT_SECONDS

__all__ = ["NEVER", "HomeHistory", "Measured", "WeatherIssues"]

NEVER = int(np.iinfo(np.int64).max)
"""From when a missing value may be used."""
_OLDER_ISSUES = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """One channel over S consecutive slots.

    Attributes:
        start: epoch second of the first slot.
        values: (S,) kWh per slot or ratio, NaN where missing.
        usable_from: (S,) epoch second from which each value may be used (H1).
    """

    start: int
    values: F64
    usable_from: I64

    @classmethod
    def of(cls, start: int, values: F64, known_at: I64) -> "Measured":
        """Check a channel and say from when its values may be used (H1).

        Raises:
            SeriesError: off the grid, of different shapes, or infinite.
        """
        if start % SLOT_SECONDS:
            raise SeriesError("start", start, "a multiple of 900 s: a slot start")
        if values.ndim != 1 or known_at.shape != values.shape:
            raise SeriesError("values", values.shape, f"(S,), as known_at {known_at.shape}")
        if np.isinf(values).any():
            raise SeriesError(f"values[{int(np.isinf(values).argmax())}]", "infinite", "a number")
        ends = start + SLOT_SECONDS * np.arange(1, values.size + 1, dtype=np.int64)
        usable = np.where(np.isnan(values), NEVER, np.maximum(known_at, ends))
        return cls(start=start, values=np.asarray(values, dtype=np.float64), usable_from=usable)

    @property
    def slots(self) -> I64:
        """(S,) epoch seconds of the slots."""
        return self.start + SLOT_SECONDS * np.arange(self.values.size, dtype=np.int64)

    @property
    def end(self) -> int:
        """Epoch second of the end of the last slot."""
        return self.start + SLOT_SECONDS * int(self.values.size)

    def as_of(self, issue: int) -> F64:
        """Return the (S,) values as they were known at an issue, NaN where not yet."""
        return np.where(self.usable_from <= issue, self.values, np.nan)

    def at(self, targets: I64) -> F64:
        """Return the value of every target, whatever its shape; NaN outside. For truth alone."""
        place = (targets - self.start) // SLOT_SECONDS
        inside = (place >= 0) & (place < self.values.size)
        return np.where(inside, self.values[np.where(inside, place, 0)], np.nan)

    def without(self, bad: Bool) -> "Measured":
        """Return the channel with the (S,) marked values missing."""
        return Measured(
            start=self.start,
            values=np.where(bad, np.nan, self.values),
            usable_from=np.where(bad, NEVER, self.usable_from),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeatherIssues:
    """I weather forecasts of V variables as they were issued, each H slots of 15 min long.

    Attributes:
        variables: names with units, e.g. ``temp_c``, ``ghi_w_m2``.
        issued_at: (I,) epoch seconds, ascending.
        start: (I,) epoch second of the first slot of each.
        values: (I, V, H), NaN where an issue says nothing.
    """

    variables: tuple[str, ...]
    issued_at: I64
    start: I64
    values: F64

    def as_of(self, variable: str, issues: I64, ahead: int) -> F64:
        """Return (N, A): the newest word at each issue on each of its next ``ahead`` slots.

        NaN where none of the last issues says anything, or the variable is unknown.
        """
        found = np.full((issues.size, ahead), np.nan)
        if variable not in self.variables or not self.issued_at.size:
            return found
        rows = self.values[:, self.variables.index(variable)]
        newest = np.searchsorted(self.issued_at, issues, side="right") - 1
        lead = np.arange(ahead)
        for back in range(_OLDER_ISSUES):
            which = np.maximum(newest - back, 0)
            slot = (issues - self.start[which])[:, None] // SLOT_SECONDS + lead
            there = ((newest - back) >= 0)[:, None] & (slot >= 0) & (slot < rows.shape[1])
            n, k = np.nonzero(there & np.isnan(found))
            found[n, k] = rows[which[n], slot[n, k]]
            if not np.isnan(found).any():
                break
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HomeHistory:
    """Everything that forecasts of one home are made from.

    Attributes:
        zone: IANA name of its time zone.
        latitude, longitude: degrees, or unknown.
        elevation_m: above the sea, or unknown.
        planes: its panels, empty where unknown.
        country: ISO 3166 code of its holidays, or unknown.
        load: kWh per slot without the flexible loads; what the models learn.
        flexible: car and water heater where measured, None without: forecast by a mean.
        pv: kWh per slot, None for a house without panels.
        pv_teaches: (S,) of ``pv``: false where a reading is doubtful, and no history either.
        pv_may_curtail: (S,) of ``pv``: true where feeding in cost money, so it may be held down.
        away: share of the slot in which nobody was at home (vacation or alarm), or unknown.
        weather: forecasts as issued, or None.
        source_slots: length of the load meter's own interval in slots: 1, 2 or 4.
        pv_source_slots: the same of the PV meter; None: as the load's.
    """

    zone: str
    latitude: float | None = None
    longitude: float | None = None
    elevation_m: float | None = None
    planes: tuple[Plane, ...] = ()
    country: str | None = None
    load: Measured
    flexible: Measured | None = None
    pv: Measured | None = None
    pv_teaches: Bool | None = None
    pv_may_curtail: Bool | None = None
    away: Measured | None = None
    weather: WeatherIssues | None = None
    source_slots: int = 1
    pv_source_slots: int | None = None

    @property
    def pv_slots(self) -> int:
        """Length of the PV meter's own interval in slots."""
        return self.source_slots if self.pv_source_slots is None else self.pv_source_slots

    @property
    def whole_load(self) -> Measured:
        """The load of the house, flexible loads included."""
        if self.flexible is None:
            return self.load
        return Measured(
            start=self.load.start,
            values=self.load.values + self.flexible.values,
            usable_from=np.maximum(self.load.usable_from, self.flexible.usable_from),
        )
