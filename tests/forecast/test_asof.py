"""The mean at many issues equals the baseline at each of them, made from what was known then."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.asof import AsOfMean, Averaging, Seen, bridge, profiles_as_of
from forecast.baseline import same_slot_mean
from forecast.errors import MissingHistoryError
from telemetry.arrays import F64, I64
from telemetry.slots import from_epoch, local_calendar, local_day, slot_range, to_epoch

DAYS_29 = 29 * 96
LORD_HOWE = "Australia/Lord_Howe"
"""Its clock is put back by half an hour."""


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Compile before a test that is timed does."""
    averaging = Averaging(1, 1, 96)
    mean = AsOfMean(np.ones(1), np.zeros(1, np.int64), 0, zone="UTC", averaging=averaging)
    mean.profiles(np.zeros(1, np.int64))


def slots_around(day: date, zone: str, before: int, after: int) -> I64:
    """Return the slots from some local days before a day to some after it."""
    start, end = (local_day(day + timedelta(days=k), zone)[0] for k in (-before, after))
    return slot_range(start, end)


def referee(
    values: F64, known_at: I64, slots: I64, issue: int, zone: str, averaging: Averaging
) -> F64:
    """Return the (96,) profile at an issue by ``same_slot_mean``, NaN where it has none."""
    first = issue - averaging.history_slots * 900
    seen = np.full(averaging.history_slots, np.nan)
    for slot, known, value in zip(slots.tolist(), known_at.tolist(), values.tolist(), strict=True):
        if first <= slot < issue and known <= issue:
            seen[(slot - first) // 900] = value
    profile = np.full(96, np.nan)
    # Two days from the issue on show every quarter of the wall clock.
    for target in (issue + 900 * np.arange(192)).tolist():
        at = np.array([target], dtype=np.int64)
        try:
            profile[local_calendar(at, zone).minute // 15] = same_slot_mean(
                seen, first, at, zone=zone, days=averaging.days,
                bridge_quarters=averaging.bridge_quarters,
            )  # fmt: skip
        except MissingHistoryError:
            continue
    return profile


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**31),
    change=st.sampled_from(
        [
            (date(2025, 3, 30), "Europe/Stockholm"),
            (date(2025, 10, 26), "Europe/Stockholm"),
            (date(2025, 4, 6), LORD_HOWE),
        ]
    ),
    after=st.integers(0, 33 * 96),
    days=st.integers(1, 8),
    gaps=st.sampled_from([0.0, 0.3, 0.9]),
    most=st.sampled_from([0, 4]),
)
def test_every_issue_is_what_the_baseline_gives(
    seed: int, change: tuple[date, str], after: int, days: int, gaps: float, most: int
) -> None:
    """Issues from the change of clocks to 33 days after it, when it has left the lookback."""
    day, zone = change
    rng = np.random.default_rng(seed)
    slots = slots_around(day, zone, 34, 35)
    values = rng.uniform(0.0, 2.0, slots.size)
    values[rng.random(slots.size) < gaps] = np.nan
    late = rng.random(slots.size) < 0.3
    known_at = slots + 900 + np.where(late, rng.integers(0, 9 * 86_400, slots.size), 0)
    averaging = Averaging(days, 28, DAYS_29, most)
    issue = to_epoch(local_day(day, zone)[0]) + 900 * after
    mean = AsOfMean(values, known_at, int(slots[0]), zone=zone, averaging=averaging)
    got = mean.profiles(np.array([issue - 900, issue], dtype=np.int64))
    want = referee(values, known_at, slots, issue, zone, averaging)
    shown = np.unique(local_calendar(issue + 900 * np.arange(192), zone).minute // 15)
    np.testing.assert_array_equal(got[1][shown], want[shown])


@settings(max_examples=5)
@given(seed=st.integers(0, 2**31))
def test_compiled_and_plain_give_the_same_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(960) < 0.4, np.nan, rng.normal(size=960))
    slots = 900 * np.arange(960)
    known_at, averaging = slots + rng.integers(0, 90_000, 960), Averaging(3, 28, DAYS_29, 4)
    issues = 900 * rng.integers(0, 960, 3)
    mean = AsOfMean(values, known_at, 0, zone="UTC", averaging=averaging)
    # In UTC slot s lies at day s // 96, quarter s % 96, once.
    places = np.stack((np.arange(960).reshape(10, 96), np.full((10, 96), -1)), axis=2)
    plain = np.empty((3, 96))
    seen = Seen(0, values, np.maximum(known_at, slots + 900), places)
    profiles_as_of(seen, issues, issues // 86_400, averaging, plain)
    np.testing.assert_array_equal(mean.profiles(issues), plain)


def test_a_value_counts_from_the_second_it_is_known() -> None:
    # Three days of 1, 2 and 4 kWh at every quarter; yesterday's 4 is known at 10:00 alone.
    slots = slots_around(date(2025, 6, 12), "UTC", 3, 0)
    values, known_at = np.repeat([1.0, 2.0, 4.0], 96), slots + 900
    ten = to_epoch(datetime(2025, 6, 12, 10, tzinfo=UTC))
    known_at[192:] = ten
    mean = AsOfMean(
        values, known_at, int(slots[0]), zone="UTC", averaging=Averaging(2, 28, DAYS_29)
    )
    before, at = mean.profiles(np.array([ten - 900, ten], dtype=np.int64))
    np.testing.assert_array_equal(before, np.full(96, 1.5))
    np.testing.assert_array_equal(at, np.full(96, 3.0))
    # One that claims to be known before its slot is over counts at the slot's end.
    known_at[:] = 0
    mean = AsOfMean(
        values, known_at, int(slots[0]), zone="UTC", averaging=Averaging(1, 28, DAYS_29)
    )
    noon = np.array([slots[0] + 48 * 900], dtype=np.int64)
    assert from_epoch(int(noon[0])).hour == 12
    np.testing.assert_array_equal(mean.profiles(noon)[0], np.where(np.arange(96) < 48, 1.0, np.nan))


def test_the_lookback_and_the_history_end() -> None:
    # One value, on 1 June 00:00; 28 local days later it still counts, at 29 no more. With a
    # history of two days it counts for two days to the slot.
    slots = slots_around(date(2025, 6, 1), "UTC", 0, 40)
    values = np.full(slots.size, np.nan)
    values[0] = 5.0
    start = int(slots[0])
    for averaging, last in (
        (Averaging(7, 28, 10_000), 29 * 96 - 1),
        (Averaging(7, 28, 192), 192),
    ):
        mean = AsOfMean(values, slots + 900, start, zone="UTC", averaging=averaging)
        issues = start + 900 * np.array([0, 1, last, last + 1], dtype=np.int64)
        np.testing.assert_array_equal(
            mean.profiles(issues)[:, 0], [np.nan, 5.0, 5.0, np.nan], err_msg=str(averaging)
        )


@pytest.mark.parametrize(
    ("known", "want"),
    [
        pytest.param({4: 1.0, 8: 5.0}, {5: 2.0, 6: 3.0, 7: 4.0}, id="three missing"),
        pytest.param({4: 1.0, 9: 6.0}, {5: 2.0, 6: 3.0, 7: 4.0, 8: 5.0}, id="four missing"),
        pytest.param({4: 1.0, 10: 6.0}, {}, id="five missing stay so"),
        pytest.param({94: 1.0, 1: 4.0}, {95: 2.0, 0: 3.0}, id="around midnight"),
        pytest.param({50: 1.0}, {}, id="one value has no neighbour"),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_bridges(known: dict[int, float], want: dict[int, float]) -> None:
    profile = np.full(96, np.nan)
    for quarter, value in known.items():
        profile[quarter] = value
    expected = profile.copy()
    for quarter, value in want.items():
        expected[quarter] = value
    bridge(profile, 4)
    np.testing.assert_allclose(profile, expected, rtol=1e-15)
