"""What was known of the last days: equal to a loop over slots, and to the baseline's mean.

The loops below read the wall clock by the standard library; the clocks of Stockholm go forward on
30 March 2025 at 01:00 UTC and back on 26 October 2025 at 01:00 UTC.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.baseline import same_slot_mean
from forecast.inputs import Measured
from forecast.recent import clock_of, newest, recent_cells, target_places
from telemetry.arrays import F64, I64
from telemetry.slots import local_day, to_epoch

ZONE = "Europe/Stockholm"
SPRING, AUTUMN = date(2025, 3, 30), date(2025, 10, 26)
SLOT = 900


def wall(epoch: int, zone: str) -> tuple[int, int, int]:
    """Return (day ordinal, quarter, weekday) by the standard library."""
    local = datetime.fromtimestamp(epoch, UTC).astimezone(ZoneInfo(zone))
    return local.toordinal(), local.hour * 4 + local.minute // 15, local.weekday()


def begin(day: date, zone: str = ZONE) -> int:
    """Return the epoch second at which a local day begins."""
    return to_epoch(local_day(day, zone)[0])


def made(first: date, days: int, seed: int, *, gaps: float = 0.1, late: float = 0.2) -> Measured:
    """A channel with gaps, some of whose readings come hours or days late."""
    rng = np.random.default_rng(seed)
    start = begin(first)
    size = (begin(first + timedelta(days=days)) - start) // SLOT
    slots = start + SLOT * np.arange(size, dtype=np.int64)
    values = rng.uniform(0.0, 2.0, size)
    values[rng.random(size) < gaps] = np.nan
    delay = np.where(rng.random(size) < late, rng.integers(0, 200_000, size), 0)
    return Measured.of(start, values, slots + SLOT + delay)


def slow_cells(measured: Measured, zone: str, issue: int, days: int) -> F64:
    """Return (days, 96) by a loop over every slot (H2)."""
    found: dict[tuple[int, int], list[float]] = {}
    today = wall(issue, zone)[0]
    for s, slot in enumerate(measured.slots.tolist()):
        if measured.usable_from[s] > issue:
            continue
        day, quarter, _ = wall(slot, zone)
        if 0 <= today - day < days:
            found.setdefault((today - day, quarter), []).append(float(measured.values[s]))
    cells = np.full((days, 96), np.nan)
    for place, values in found.items():
        cells[place] = sum(values) / len(values)
    return cells


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**31),
    day=st.sampled_from([SPRING, AUTUMN]),
    after=st.integers(-100, 5 * 96),
    days=st.integers(1, 6),
    late=st.sampled_from([0.0, 0.5]),
)
def test_cells_are_those_of_a_loop(
    seed: int, day: date, after: int, days: int, late: float
) -> None:
    """Issues before, on and after the day of the change, also after the end of the series."""
    measured = made(day - timedelta(days=3), 6, seed, late=late)
    issues = begin(day) + SLOT * (after + np.array([0, 1, 7], dtype=np.int64))
    cells = recent_cells(measured, ZONE, issues, days)
    assert cells.shape == (3, days, 96)
    for n, issue in enumerate(issues.tolist()):
        np.testing.assert_allclose(
            cells[n], slow_cells(measured, ZONE, issue, days), rtol=0.0, atol=1e-12
        )


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), after=st.integers(0, 10 * 96), newest_days=st.integers(1, 7))
def test_the_mean_of_cells_is_the_baseline(seed: int, after: int, newest_days: int) -> None:
    """(N1) of ``forecast.baseline`` on what was known at the issue, the clock going back within."""
    measured = made(AUTUMN - timedelta(days=12), 24, seed, gaps=0.05)
    issue = begin(AUTUMN) + SLOT * after
    cells = recent_cells(measured, ZONE, np.array([issue], dtype=np.int64), 12)[0]
    known = ~np.isnan(cells)
    use = known & (np.cumsum(known, axis=0) <= newest_days)
    mean = np.where(use, cells, 0.0).sum(axis=0) / use.sum(axis=0)
    targets = issue + SLOT * np.arange(192, dtype=np.int64)
    seen = measured.as_of(issue)[: (issue - measured.start) // SLOT]
    want = same_slot_mean(
        seen, measured.start, targets, zone=ZONE, days=newest_days, max_lookback_days=11
    )
    quarter = [wall(target, ZONE)[1] for target in targets.tolist()]
    np.testing.assert_allclose(mean[quarter], want, rtol=0.0, atol=1e-12)


def all_known(day: date) -> Measured:
    """Slot k of the three days from a day on is worth k, known at its end."""
    start = begin(day)
    size = (begin(day + timedelta(days=3)) - start) // SLOT
    slots = start + SLOT * np.arange(size, dtype=np.int64)
    return Measured.of(start, np.arange(size, dtype=np.float64), slots + SLOT)


def test_the_doubled_hour_is_a_mean_once_both_are_known() -> None:
    measured = all_known(AUTUMN)
    # 02:00 summer time is slot 8, an hour later it is 02:00 again: slot 12.
    hour = begin(AUTUMN) + 2 * 3600
    issues = np.array([hour, hour + 900, hour + 3600, hour + 4500], dtype=np.int64)
    cells = recent_cells(measured, ZONE, issues, 1)[:, 0, 8]
    np.testing.assert_array_equal(cells, [np.nan, 8.0, 8.0, 10.0])
    day_after = np.array([begin(AUTUMN + timedelta(days=1))], dtype=np.int64)
    cells = recent_cells(measured, ZONE, day_after, 2)
    assert np.isnan(cells[0, 0]).all()
    # Both hours of 02: (8 + 12) / 2 and on; 03:00 is slot 16, the last quarter slot 99.
    assert cells[0, 1, 8:12].tolist() == [10.0, 11.0, 12.0, 13.0]
    assert (cells[0, 1, 0], cells[0, 1, 12], cells[0, 1, 95]) == (0.0, 16.0, 99.0)


def test_of_a_doubled_hour_the_second_may_stand_alone() -> None:
    """The first 02:00 comes a day late, or never: the second is what is known."""
    known = all_known(AUTUMN)
    usable = known.usable_from.copy()
    usable[8] += 86_400
    late = Measured(start=known.start, values=known.values, usable_from=usable)
    never = known.without(np.arange(known.values.size) == 8)
    end = begin(AUTUMN + timedelta(days=1))
    for measured, after, want in ((late, 0, 12.0), (late, 86_400, 10.0), (never, 86_400, 12.0)):
        issue = np.array([end + after], dtype=np.int64)
        assert recent_cells(measured, ZONE, issue, 3)[0, 1 + after // 86_400, 8] == want


def test_the_skipped_hour_has_no_cells() -> None:
    issue = np.array([begin(SPRING + timedelta(days=1))], dtype=np.int64)
    cells = recent_cells(all_known(SPRING), ZONE, issue, 2)[0, 1]
    assert np.isnan(cells[8:12]).all()
    assert np.isnan(cells).sum() == 4
    # 03:00 follows 01:45: slot 8.
    assert (cells[7], cells[12], cells[95]) == (7.0, 8.0, 91.0)


def test_days_before_the_series_and_after_it_are_unknown() -> None:
    measured = all_known(SPRING)
    issues = np.array([begin(SPRING - timedelta(days=2)), measured.end + 9 * 86_400])
    assert np.isnan(recent_cells(measured, ZONE, issues, 5)).all()


def test_a_series_may_begin_within_a_day() -> None:
    whole = all_known(AUTUMN)
    part = Measured(
        start=whole.start + 40 * SLOT, values=whole.values[40:], usable_from=whole.usable_from[40:]
    )
    issue = np.array([whole.end], dtype=np.int64)
    cells = recent_cells(part, ZONE, issue, 4)[0]
    want = recent_cells(whole, ZONE, issue, 4)[0]
    want[3, :36] = np.nan  # slot 40 is 09:00 after the doubled hour
    np.testing.assert_array_equal(cells, want)


def test_the_newest_values_by_hand() -> None:
    """Slots 0 to 3; the third comes 2000 s late, the second is missing."""
    start = begin(SPRING)
    ends = start + SLOT * np.arange(1, 5, dtype=np.int64)
    values = np.array([1.0, np.nan, 3.0, 4.0])
    measured = Measured.of(start, values, ends + np.array([0, 0, 2000, 0]))
    issues = start + np.array([0, 900, 3600, 4699, 4700], dtype=np.int64)
    found = newest(measured, issues, 3)
    np.testing.assert_array_equal(
        found.values,
        [
            [np.nan, np.nan, np.nan],
            [1.0, np.nan, np.nan],
            [4.0, np.nan, np.nan],
            [4.0, np.nan, np.nan],
            [4.0, 3.0, np.nan],
        ],
    )
    assert found.slot[1:].tolist() == [start, *[start + 2700] * 3]
    # Of nothing the age is beyond the series; else whole slots from its end.
    assert found.age_slots.tolist() == [5, 0, 0, 1, 1]


def slow_newest(measured: Measured, issue: int, count: int) -> tuple[list[float], int | None]:
    """Return (values, newest slot) by looking at every slot (H3)."""
    known = [s for s in range(measured.values.size) if measured.usable_from[s] <= issue]
    if not known:
        return [np.nan] * count, None
    last = max(known)
    values = [measured.values[s] if s in known else np.nan for s in range(last, last - count, -1)]
    return values, measured.start + SLOT * last


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), after=st.integers(-10, 300), late=st.sampled_from([0.0, 0.7]))
def test_the_newest_values_are_those_of_a_loop(seed: int, after: int, late: float) -> None:
    measured = made(SPRING, 2, seed, gaps=0.2, late=late)
    issues = measured.start + SLOT * (after + np.array([0, 3], dtype=np.int64))
    found = newest(measured, issues, 9)
    for n, issue in enumerate(issues.tolist()):
        values, slot = slow_newest(measured, issue, 9)
        np.testing.assert_array_equal(found.values[n], values)
        if slot is not None:
            assert found.slot[n] == slot
            assert found.age_slots[n] == (issue - slot) // SLOT - 1


def test_nothing_measured_is_old() -> None:
    empty = Measured.of(0, np.full(4, np.nan), np.zeros(4, dtype=np.int64))
    found = newest(empty, np.array([3600], dtype=np.int64), 2)
    assert np.isnan(found.values).all()
    assert found.age_slots.tolist() == [5]


@pytest.mark.parametrize("zone", [ZONE, "Asia/Kolkata", "UTC"])
def test_the_clock_is_that_of_the_standard_library(zone: str) -> None:
    epochs: I64 = begin(AUTUMN, zone) + SLOT * np.arange(-8, 112, dtype=np.int64).reshape(2, 60)
    clock = clock_of(epochs, zone)
    want = [wall(epoch, zone) for epoch in epochs.ravel().tolist()]
    for got, column in zip(clock, zip(*want, strict=True), strict=True):
        assert got.shape == (2, 60)
        assert got.ravel().tolist() == list(column)


def test_places_of_targets_across_the_changes_of_clocks() -> None:
    issues = np.array([begin(SPRING) - SLOT, begin(AUTUMN)], dtype=np.int64)
    # 23:45, midnight, 01:45, 03:00 of the 30th (four slots of 02 are skipped), midnight after.
    leads = np.array([[0, 1, 8, 9, 93], [0, 8, 12, 99, 100]], dtype=np.int64)
    offset, clock = target_places(issues, leads, ZONE)
    assert offset.tolist() == [[0, 1, 1, 1, 2], [0, 0, 0, 0, 1]]
    assert clock.quarter.tolist() == [[95, 0, 7, 12, 0], [0, 8, 8, 95, 0]]
    # 29 March is a Saturday, 26 October a Sunday.
    assert clock.weekday.tolist() == [[5, 6, 6, 6, 0], [6, 6, 6, 6, 0]]
    same = target_places(issues, leads[0], ZONE)
    assert same[0].shape == (2, 5)
    assert same[0][0].tolist() == offset[0].tolist()
