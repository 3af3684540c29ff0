"""Synthetic price pairing keeps the wall clock, the weekday and the quarter."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.pairing import PricePairing, choose_shift_days
from telemetry.slots import local_calendar, local_day, slot_range, to_epoch

STOCKHOLM, CALIFORNIA, SYDNEY = "Europe/Stockholm", "America/Los_Angeles", "Australia/Sydney"


def pairing(home_zone: str, shift_days: int) -> PricePairing:
    return PricePairing(home_zone=home_zone, price_zone=STOCKHOLM, shift_days=shift_days)


def utc(*fields: int) -> datetime:
    year, month, day, hour, minute = fields
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def paired(pair: PricePairing, moment: datetime) -> datetime:
    result = pair.to_price_time(np.array([to_epoch(moment)], dtype=np.int64))
    return datetime.fromtimestamp(int(result[0]), UTC)


def test_a_stockholm_home_without_shift_is_itself() -> None:
    slots = slot_range(local_day(date(2025, 1, 1), STOCKHOLM)[0], utc(2026, 1, 1, 0, 0))
    np.testing.assert_array_equal(pairing(STOCKHOLM, 0).to_price_time(slots), slots)


def test_a_californian_year_keeps_wall_clock_and_weekday() -> None:
    slots = slot_range(
        local_day(date(2016, 8, 1), CALIFORNIA)[0], local_day(date(2017, 8, 1), CALIFORNIA)[0]
    )
    price = pairing(CALIFORNIA, 2912).to_price_time(slots)
    home, there = local_calendar(slots, CALIFORNIA), local_calendar(price, STOCKHOLM)
    # 30 March 2025 has no 02:00..03:00 in Stockholm: those four quarters move on one hour.
    moved = np.flatnonzero(home.minute != there.minute)
    assert there.minute[moved].tolist() == [180, 195, 210, 225]
    assert home.minute[moved].tolist() == [120, 135, 150, 165]
    np.testing.assert_array_equal(there.day - home.day, np.full(slots.size, 2912))
    np.testing.assert_array_equal(there.weekday, home.weekday)
    assert there.day[0] == date(2024, 7, 22).toordinal()


def test_californian_noon_by_hand() -> None:
    # 1 August 2016 12:15 PDT is 19:15 UTC; 22 July 2024 12:15 CEST is 10:15 UTC.
    got = paired(pairing(CALIFORNIA, 2912), utc(2016, 8, 1, 19, 15))
    assert got == utc(2024, 7, 22, 10, 15)


def test_a_southern_midsummer_meets_a_northern_one() -> None:
    # 182 days after Wednesday 25 December 2024 is Wednesday 25 June 2025.
    # 18:00 in Sydney (UTC+11) is 07:00 UTC; 18:00 CEST is 16:00 UTC.
    got = paired(pairing(SYDNEY, 182), utc(2024, 12, 25, 7, 0))
    assert got == utc(2025, 6, 25, 16, 0)


@pytest.mark.parametrize(
    ("home_time", "price_time"),
    [
        pytest.param(utc(2025, 10, 26, 0, 30), utc(2025, 10, 26, 0, 30), id="first stays first"),
        pytest.param(utc(2025, 10, 26, 1, 30), utc(2025, 10, 26, 1, 30), id="second stays second"),
    ],
)
def test_the_doubled_hour(home_time: datetime, price_time: datetime) -> None:
    assert paired(pairing(STOCKHOLM, 0), home_time) == price_time


def test_an_ambiguous_wall_clock_is_the_first() -> None:
    # 02:30 of 27 October 2024 + 364 days is 02:30 of 26 October 2025: 00:30 and 01:30 UTC.
    # The home of New York is at 02:30 once (EDT, 06:30 UTC).
    assert paired(pairing("America/New_York", 364), utc(2024, 10, 27, 6, 30)) == utc(
        2025, 10, 26, 0, 30
    )


def test_the_homes_second_hour_may_meet_a_plain_one() -> None:
    # New York doubles 01:30 on 2 November 2025; Stockholm has it once, at 00:30 UTC.
    pair = pairing("America/New_York", 0)
    assert paired(pair, utc(2025, 11, 2, 5, 30)) == utc(2025, 11, 2, 0, 30)
    assert paired(pair, utc(2025, 11, 2, 6, 30)) == utc(2025, 11, 2, 0, 30)


@given(
    zone=st.sampled_from([STOCKHOLM, CALIFORNIA, SYDNEY, "Asia/Kathmandu"]),
    slot=st.integers(1_400_000_000 // 900, 1_800_000_000 // 900),
    half_years=st.integers(-20, 20),
)
def test_wall_clock_and_weekday_hold_everywhere(zone: str, slot: int, half_years: int) -> None:
    pair = pairing(zone, 182 * half_years)
    moment = datetime.fromtimestamp(slot * 900, UTC)
    home = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    there = paired(pair, moment)
    wall = there.astimezone(ZoneInfo(STOCKHOLM)).replace(tzinfo=None)
    assert wall - home in {
        timedelta(days=182 * half_years),
        timedelta(days=182 * half_years, hours=1),
    }
    assert wall.weekday() == home.weekday()
    assert there.timestamp() % 900 == 0


def test_as_of_is_the_map_of_an_instant() -> None:
    # Prices of a Californian tomorrow are known at 13:15 Californian time.
    pair = pairing(CALIFORNIA, 2912)
    moment = datetime(2016, 8, 1, 13, 14, 59, 250_000, tzinfo=ZoneInfo(CALIFORNIA))
    want = datetime(2024, 7, 22, 13, 14, 59, 250_000, tzinfo=ZoneInfo(STOCKHOLM))
    assert pair.as_of(moment) == want
    assert pair.as_of(moment).tzinfo is UTC
    with pytest.raises(match=r"moment is 2016-08-01T13:15:00 without a zone"):
        pair.as_of(datetime(2016, 8, 1, 13, 15))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("shift_days", [365, 7, -1, 91])
def test_a_shift_that_loses_the_week_or_season_is_refused(shift_days: int) -> None:
    with pytest.raises(match=rf"shift_days is {shift_days}, want a multiple of 364"):
        pairing(CALIFORNIA, shift_days)


PRICES = (date(2024, 1, 1), date(2025, 9, 30))


@pytest.mark.parametrize(
    ("home", "southern", "want"),
    [
        # 2016-08-01 + 2709 days is 2024-01-01; the next multiple of 364 is 8 * 364 = 2912.
        pytest.param((date(2016, 8, 1), date(2017, 7, 31)), False, 2912, id="California"),
        pytest.param((date(2024, 2, 28), date(2024, 10, 31)), False, 0, id="inside already"),
        # 2024-10-06..2025-01-13: -182 gives 2024-04-07..2024-07-15, +182 2025-04-06..07-14.
        pytest.param((date(2024, 10, 6), date(2025, 1, 13)), True, 182, id="Sydney"),
        # One month later +182 would end on 2025-10-01, past the prices.
        pytest.param((date(2024, 12, 6), date(2025, 4, 2)), True, -182, id="only backward"),
        pytest.param((date(2026, 6, 1), date(2026, 8, 31)), False, -364, id="later than prices"),
    ],
)
def test_the_smallest_shift_that_fits(home: tuple[date, date], southern: bool, want: int) -> None:  # noqa: FBT001
    got = choose_shift_days(*home, *PRICES, southern=southern)
    assert got == want


def test_a_period_longer_than_the_prices_is_refused() -> None:
    with pytest.raises(match=r"no shift of 364 k \+ 182 days puts 2020-01-01..2022-01-01 inside"):
        choose_shift_days(date(2020, 1, 1), date(2022, 1, 1), *PRICES, southern=True)
