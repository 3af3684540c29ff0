"""What a load forecast looks at: one row of numbers per issue and target.

Every energy is divided by the home's level, the mean of the last seven days known at the issue, so
that a model learns shapes and not sizes. With cell[k, q] of (H2), v[q] the known values at quarter
q, newest first, and j the local days from the issue's day to the target's,

    profiles     newest, means of the newest 3, 7, 14, 28 and medians of 7, 14, 28 of v[q]     (Z1)
    same weekday cell[7 m - j, q], m = 1..4;  yesterday cell[1 - j, q]                         (Z2)
    day type     mean of the last 28 days at q that are workdays, or weekends, as the target   (Z3)
    recency      means of the newest 1, 3, 6 and 24 h, and the same less (Z1)'s mean of 14     (Z4)
    calendar     lead, quarter, weekday, holiday, weekend;  temperature as foretold            (Z5)
    differences  what is unusual in the newest values, the same weekday and the day type       (Z6)

No day of the year: a model would learn the season it saw. The two kernels are plain functions,
compiled for batches (``mpc.jit``) and run as they stand for a single issue.
"""

from dataclasses import dataclass
from math import isnan, sqrt

import numpy as np

from forecast.holiday import holidays_of
from forecast.inputs import HomeHistory
from forecast.recent import QUARTERS, clock_of, newest, recent_cells, target_places
from mpc.jit import compiled
from telemetry.arrays import F64, I64, Bool
from telemetry.slots import SLOT_SECONDS

__all__ = ["DAYS", "FEATURES", "PROFILES", "LoadRows", "load_rows"]

DAYS = 29
"""Local days that are looked at, the issue's own first."""
_BATCH = 8  # from this many issues on it pays to load compiled kernels

PROFILES = (
    "last", "last2", "last3", "mean3", "mean7", "mean14", "mean28",
    "median7", "median14", "median28", "spread14", "low14", "high14",
    "near_mean14", "near_median14", "wide_mean14", "near_last", "near_mean3", "near_median7",
)  # fmt: skip
"""Columns of a profile (Z1); ``near`` and ``wide`` are means over 1 h and 2.5 h around."""
_MEAN28 = PROFILES.index("mean28")

FEATURES = (
    *PROFILES, "yesterday", "week", "weeks", "day_type",
    "hour1", "hour3", "hour6", "hour24", "over1", "over3", "over6", "over24",
    "newest1", "newest2", "newest3", "newest4", "age", "level28",
    "lead", "quarter", "weekday", "weekend", "holiday", "away", "temp_c", "temp_change_c",
    "near_last_over", "last_over", "mean3_over", "near_mean3_over", "near_median7_over",
    "week_over", "day_type_over", "yesterday_over", "median7_over", "median28_over",
    "hour24_over", "issue_quarter",
)  # fmt: skip
"""Columns of a row, in order."""
_F = {name: place for place, name in enumerate(FEATURES)}
_OVER = (
    ("near_last", "near_mean14"),
    ("last", "median14"),
    ("mean3", "median14"),
    ("near_mean3", "near_mean14"),
    ("near_median7", "near_median14"),
    ("week", "median14"),
    ("day_type", "median14"),
    ("yesterday", "median14"),
    ("median7", "median14"),
    ("median28", "median14"),
    ("hour24", "level28"),
)
"""Of two features, the first less the second is one too: a tree would need many cuts for it."""
_SPANS = (4, 12, 24, 96)
_SHORT_SPAN, _SPREAD_SPAN, _SATURDAY, _WEEK = 3, 14, 5, 7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadRows:
    """Rows for N issues and L targets each.

    Attributes:
        rows: (N, L, F) columns of ``FEATURES``, NaN where unknown.
        level_kwh: (N,) by which energies are divided.
        profile_kwh: (N, 96, P) columns of ``PROFILES``, not divided.
        quarter: (N, L) quarter of the day of each target.
    """

    rows: F64
    level_kwh: F64
    profile_kwh: F64
    quarter: I64

    def profile(self, name: str) -> F64:
        """Return (N, L) one column of the profiles at the targets, kWh per slot."""
        n = np.arange(self.quarter.shape[0])[:, None]
        found: F64 = self.profile_kwh[n, self.quarter, PROFILES.index(name)]
        return found


def load_rows(history: HomeHistory, issues: I64, leads: I64) -> LoadRows:
    """Return the rows of (N,) issues at ``leads``, (N, L) or (L,) slots ahead, 0 the first."""
    zone = history.zone
    leads = np.broadcast_to(leads, (issues.size, leads.shape[-1]))
    offset, clock = target_places(issues, leads, zone)
    cells = recent_cells(history.load, zone, issues, DAYS)
    now = clock_of(issues, zone)
    weekend = ((now.weekday[:, None] - np.arange(DAYS)) % 7) >= _SATURDAY
    many = issues.size >= _BATCH
    profile = np.full((issues.size, QUARTERS, len(PROFILES)), np.nan)
    types = np.full((issues.size, 2, QUARTERS), np.nan)
    (compiled(write_profiles) if many else write_profiles)(cells, weekend, profile, types)
    level = _level(cells)
    rows = np.full((*offset.shape, len(FEATURES)), np.nan)
    recent = _recency(history, issues, profile, level)
    away, temp, change = _circumstances(history, issues, leads)
    place = (offset, clock.quarter, clock.weekday, leads)
    holiday = holidays_of(history.country, clock.day)
    write = compiled(write_rows) if many else write_rows
    write(cells, profile, types, level, place, recent, rows)
    rows[..., _F["holiday"]] = holiday
    rows[..., _F["away"]] = away[:, None]
    rows[..., _F["temp_c"]], rows[..., _F["temp_change_c"]] = temp, change
    for name, usual in _OVER:
        rows[..., _F[f"{name}_over"]] = rows[..., _F[name]] - rows[..., _F[usual]]
    rows[..., _F["issue_quarter"]] = now.quarter[:, None]
    return LoadRows(rows=rows, level_kwh=level, profile_kwh=profile, quarter=clock.quarter)


def _level(cells: F64) -> F64:
    """Return (N,) the mean of the last seven days known, kWh per slot; at least 1 Wh."""
    week = cells[:, :8]
    known = ~np.isnan(week)
    count = known.sum(axis=(1, 2))
    total = np.where(known, week, 0.0).sum(axis=(1, 2))
    return np.maximum(np.where(count > 0, total / np.maximum(count, 1), np.nan), 1e-3)


def _recency(history: HomeHistory, issues: I64, profile: F64, level: F64) -> F64:
    """Return (N, R) what the newest values say (Z4), divided by the level."""
    found = newest(history.load, issues, _SPANS[-1])
    slots = found.slot[:, None] - SLOT_SECONDS * np.arange(_SPANS[-1])
    n = np.arange(issues.size)[:, None]
    usual = profile[n, clock_of(slots, history.zone).quarter, PROFILES.index("mean14")]
    known = ~np.isnan(found.values)
    parts = []
    for values in (found.values, found.values - usual):
        there = known & ~np.isnan(values)
        total = np.cumsum(np.where(there, values, 0.0), axis=1)
        count = np.cumsum(there, axis=1)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        parts += [mean[:, span - 1] / level for span in _SPANS]
    single = [found.values[:, k * history.source_slots] / level for k in range(4)]
    age = np.minimum(found.age_slots, QUARTERS).astype(np.float64)
    return np.ascontiguousarray(np.stack([*parts, *single, age], axis=1))


def _circumstances(history: HomeHistory, issues: I64, leads: I64) -> tuple[F64, F64, F64]:
    """Return (N,) who was away at the issue, (N, L) temperature foretold and its change (Z5)."""
    away = np.full(issues.size, np.nan)
    if history.away is not None:
        away = newest(history.away, issues, 1).values[:, 0]
    nothing = np.full(leads.shape, np.nan)
    if history.weather is None:
        return away, nothing, nothing
    ahead = int(leads.max()) + 1
    foretold = history.weather.as_of("temp_c", issues, ahead)
    temp = np.take_along_axis(foretold, leads, axis=1)
    day_before = history.weather.as_of("temp_c", issues - 86_400, QUARTERS)
    told = ~np.isnan(day_before)
    total, count = np.where(told, day_before, 0.0).sum(axis=1), told.sum(axis=1)
    before = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return away, temp, temp - before[:, None]


def write_profiles(cells: F64, weekend: Bool, profile: F64, types: F64) -> None:
    """Write the profiles of every issue (Z1) and the means of day types (Z3); a kernel.

    Args:
        cells: (N, D, 96) of (H2).
        weekend: (N, D) whether each of those days is one.
        profile: (N, 96, P) out.
        types: (N, 2, 96) out: workdays, weekends.
    """
    days = cells.shape[1]
    row, ordered = np.empty(days), np.empty(days)
    for n in range(cells.shape[0]):
        for q in range(cells.shape[2]):
            count = 0
            sums, counts = np.zeros(2), np.zeros(2)
            for k in range(days):
                value = cells[n, k, q]
                if not isnan(value):
                    row[count] = value
                    count += 1
                    kind = 1 if weekend[n, k] else 0
                    sums[kind] += value
                    counts[kind] += 1
            for kind in range(2):
                if counts[kind] > 0:
                    types[n, kind, q] = sums[kind] / counts[kind]
            if count > 0:
                write_profile(row, count, ordered, profile[n, q])
        write_smoothed(profile[n])


def write_profile(row: F64, count: int, ordered: F64, out: F64) -> None:
    """Write the statistics of ``count`` > 0 values, newest first; a kernel."""
    for k in range(3):
        if k < count:
            out[k] = row[k]
    total, squares, column, done = 0.0, 0.0, 3, 0
    for span in (3, 7, 14, 28):
        upto = min(span, count)
        for k in range(done, upto):
            value = row[k]
            total += value
            squares += value * value
            place = k
            while place > 0 and ordered[place - 1] > value:
                ordered[place] = ordered[place - 1]
                place -= 1
            ordered[place] = value
        done = upto
        mean = total / upto
        out[column] = mean
        if span > _SHORT_SPAN:
            out[column + 3] = 0.5 * (ordered[(upto - 1) // 2] + ordered[upto // 2])
        if span == _SPREAD_SPAN:
            out[10] = sqrt(max(squares / upto - mean * mean, 0.0))
            out[11], out[12] = ordered[upto // 10], ordered[upto - 1 - upto // 10]
        column += 1


def write_smoothed(profile: F64) -> None:
    """Write the means over neighbouring quarters, around the clock; a kernel."""
    size = profile.shape[0]
    for column, source, reach in (
        (13, 5, 4),
        (14, 8, 4),
        (15, 5, 10),
        (16, 0, 4),
        (17, 3, 4),
        (18, 7, 4),
    ):
        for q in range(size):
            total, count = 0.0, 0
            for step in range(-reach, reach + 1):
                value = profile[(q + step) % size, source]
                if not isnan(value):
                    total += value
                    count += 1
            if count > 0:
                profile[q, column] = total / count


def write_rows(
    cells: F64,
    profile: F64,
    types: F64,
    level: F64,
    place: tuple[I64, I64, I64, I64],
    recent: F64,
    rows: F64,
) -> None:
    """Write the rows of all issues and targets, circumstances apart; a kernel.

    Args:
        cells: (N, D, 96) of (H2).
        profile: (N, 96, P) (Z1).
        types: (N, 2, 96) (Z3).
        level: (N,) kWh per slot.
        place: (N, L) days from the issue's, quarter, weekday and lead of the targets.
        recent: (N, R) (Z4), divided by the level.
        rows: (N, L, F) out.
    """
    offset, quarter, weekday, lead = place
    stats = profile.shape[2]
    after = stats + 4 + recent.shape[1]
    for n in range(rows.shape[0]):
        scale = 1.0 / level[n]
        month = mean_of_column(profile[n], _MEAN28) * scale
        for t in range(rows.shape[1]):
            q, ahead, row = quarter[n, t], offset[n, t], rows[n, t]
            for p in range(stats):
                row[p] = profile[n, q, p] * scale
            row[stats] = cells[n, 1 - ahead, q] * scale if ahead <= 1 else np.nan
            row[stats + 1] = cells[n, 7 - ahead, q] * scale if ahead <= _WEEK else np.nan
            row[stats + 2] = mean_of_weeks(cells[n], ahead, q) * scale
            kind = 1 if weekday[n, t] >= _SATURDAY else 0
            row[stats + 3] = types[n, kind, q] * scale
            for r in range(recent.shape[1]):
                row[stats + 4 + r] = recent[n, r]
            row[after] = month
            row[after + 1] = lead[n, t]
            row[after + 2], row[after + 3], row[after + 4] = q, weekday[n, t], kind


def mean_of_column(profile: F64, column: int) -> float:
    """Return the mean over the day of a column of a (96, P) profile, NaN without any; a kernel."""
    total, count = 0.0, 0
    for q in range(profile.shape[0]):
        if not isnan(profile[q, column]):
            total += profile[q, column]
            count += 1
    return total / count if count > 0 else np.nan


def mean_of_weeks(cells: F64, ahead: int, quarter: int) -> float:
    """Return the mean of the same weekday in the last four weeks (Z2); a kernel.

    Args:
        cells: (D, 96) of one issue.
        ahead: local days from the issue's day to the target's.
        quarter: of the target.
    """
    total, count = 0.0, 0
    for week in range(1, 5):
        value = cells[7 * week - ahead, quarter] if 7 * week >= ahead else np.nan
        if not isnan(value):
            total += value
            count += 1
    return total / count if count > 0 else np.nan
