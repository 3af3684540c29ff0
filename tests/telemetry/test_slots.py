"""Slots, local days, calendars and market days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import TimeError
from telemetry.slots import (
    MARKET_ZONE,
    assumed_issue_time,
    from_epoch,
    local_calendar,
    local_day,
    slot_of,
    slot_range,
    to_epoch,
)

STOCKHOLM = "Europe/Stockholm"


@pytest.mark.parametrize(
    ("day", "zone", "slots"),
    [
        pytest.param(date(2025, 3, 30), STOCKHOLM, 92, id="spring: 23 h"),
        pytest.param(date(2025, 10, 26), STOCKHOLM, 100, id="autumn: 25 h"),
        pytest.param(date(2025, 6, 1), STOCKHOLM, 96, id="plain"),
        pytest.param(date(2025, 10, 5), "Australia/Sydney", 92, id="southern spring"),
        pytest.param(date(2025, 4, 6), "Australia/Sydney", 100, id="southern autumn"),
        pytest.param(date(2025, 10, 5), "Australia/Lord_Howe", 94, id="half an hour of DST"),
        pytest.param(date(2025, 3, 30), "Asia/Kolkata", 96, id="no DST"),
    ],
)
def test_length_of_a_local_day(day: date, zone: str, slots: int) -> None:
    assert slot_range(*local_day(day, zone)).size == slots


def test_day_starts_at_local_midnight() -> None:
    # Stockholm is UTC+1 before the spring change and UTC+2 after it.
    start, end = local_day(date(2025, 3, 30), STOCKHOLM)
    assert start == datetime(2025, 3, 29, 23, tzinfo=UTC)
    assert end == datetime(2025, 3, 30, 22, tzinfo=UTC)


def test_half_hour_zone() -> None:
    # India is UTC+5:30: its midnight is 18:30 UTC the day before.
    start, _ = local_day(date(2025, 1, 2), "Asia/Kolkata")
    assert start == datetime(2025, 1, 1, 18, 30, tzinfo=UTC)
    calendar = local_calendar(np.array([to_epoch(start)]), "Asia/Kolkata")
    assert (calendar.minute[0], calendar.weekday[0]) == (0, 3)  # 2025-01-02 is a Thursday


def test_calendar_repeats_the_autumn_hour() -> None:
    slots = slot_range(*local_day(date(2025, 10, 26), STOCKHOLM))
    calendar = local_calendar(slots, STOCKHOLM)
    # 02:00-03:00 happens twice: slots 8..11 and 12..15 show the same wall clock.
    assert calendar.minute[8:16].tolist() == [120, 135, 150, 165] * 2
    assert calendar.minute[-1] == 23 * 60 + 45
    assert set(calendar.weekday.tolist()) == {6}
    assert set(calendar.month.tolist()) == {10}


@given(
    moments=st.lists(
        st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        min_size=1,
        max_size=20,
    ),
    zone=st.sampled_from([STOCKHOLM, "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata"]),
)
def test_calendar_agrees_with_datetime(moments: list[datetime], zone: str) -> None:
    calendar = local_calendar(np.array([to_epoch(moment) for moment in moments]), zone)
    for place, moment in enumerate(moments):
        local = moment.astimezone(ZoneInfo(zone))
        assert calendar.day[place] == local.toordinal()
        assert calendar.minute[place] == local.hour * 60 + local.minute
        assert calendar.weekday[place] == local.weekday()
        assert (calendar.hour[place], calendar.month[place]) == (local.hour, local.month)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_slot_of_holds_the_moment(moment: datetime) -> None:
    start = slot_of(moment)
    assert start <= moment < start + timedelta(minutes=15)
    assert from_epoch(to_epoch(start)) == start
    assert start.minute in {0, 15, 30, 45}


def test_naive_times_are_refused() -> None:
    with pytest.raises(TimeError, match="want an aware datetime; add its zone"):
        to_epoch(datetime(2025, 1, 1))  # noqa: DTZ001


def test_other_offsets_are_the_same_moment() -> None:
    east = timezone(timedelta(hours=2))
    assert to_epoch(datetime(1970, 1, 1, 3, tzinfo=east)) == 3600


def test_range_refuses_bounds_off_the_grid_or_backwards() -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    with pytest.raises(TimeError, match="want a slot start: a whole quarter"):
        slot_range(start, start + timedelta(minutes=20))
    with pytest.raises(TimeError, match="want a time not before the start"):
        slot_range(start, start - timedelta(minutes=15))
    assert slot_range(start, start).size == 0


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc", "Europe"])
def test_unknown_zone(zone: str) -> None:
    with pytest.raises(TimeError, match="want an IANA name such as Europe/Stockholm"):
        local_day(date(2025, 1, 1), zone)


def test_market_day() -> None:
    # 13:15 CET is 12:15 UTC; the delivery day of 1 July starts at 22:00 UTC the day before.
    assert assumed_issue_time(date(2025, 1, 2)) == datetime(2025, 1, 1, 12, 15, tzinfo=UTC)
    assert assumed_issue_time(date(2025, 7, 2)) == datetime(2025, 7, 1, 11, 15, tzinfo=UTC)
    # Published the day before the change, so still on winter time.
    assert assumed_issue_time(date(2025, 3, 30)) == datetime(2025, 3, 29, 12, 15, tzinfo=UTC)
    start, _ = local_day(date(2025, 7, 1), MARKET_ZONE)
    assert start == datetime(2025, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(lambda: to_epoch(datetime.max.replace(tzinfo=UTC)), id="to_epoch late"),
        pytest.param(lambda: to_epoch(datetime.min.replace(tzinfo=UTC)), id="to_epoch early"),
        pytest.param(lambda: from_epoch(10**12), id="from_epoch"),
        pytest.param(lambda: slot_of(datetime.min.replace(tzinfo=UTC)), id="slot_of"),
        pytest.param(lambda: local_day(date.max, STOCKHOLM), id="local_day late"),
        pytest.param(lambda: local_day(date.min, STOCKHOLM), id="local_day early"),
        pytest.param(lambda: assumed_issue_time(date.min), id="issue time"),
        pytest.param(lambda: local_calendar(np.array([10**12]), STOCKHOLM), id="calendar"),
    ],
)
def test_years_of_no_house(refused: Callable[[], object]) -> None:
    with pytest.raises(TimeError, match="want a time in the years 1970 to 2199"):
        refused()


def test_first_and_last_day() -> None:
    # Brussels is UTC+1 in winter: both market days begin in the year before.
    assert to_epoch(local_day(date(1970, 1, 1), MARKET_ZONE)[0]) == -3600
    last = datetime(2199, 12, 31, 23, tzinfo=UTC)
    assert local_day(date(2200, 1, 1), MARKET_ZONE)[0] == last
