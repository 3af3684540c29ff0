"""A channel is not judged on days before its first number ever; load and PV are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from telemetry import Channel, Home
from telemetry.arrays import F64
from telemetry.quality.validate import validate
from telemetry.quality_table import DayClass, DayQuality
from telemetry.store import Store
from tests.telemetry.quality.houses import CHANNELS, FIRST, LAST, LIMITS, NOW, Month, judged, stored

BEGIN = date(2025, 6, 5)
GRID = (Channel.IMPORT_KWH, Channel.EXPORT_KWH)
SOC = (Channel.SOC_START, Channel.SOC_END)
BATTERY = (Channel.CHARGE_KWH, Channel.DISCHARGE_KWH, *SOC)


def wired_late(month: Month, channels: Sequence[Channel], slot: int = 0) -> Month:
    """The month with channels that begin at a slot of ``BEGIN``."""
    values = {channel: array.copy() for channel, array in month.values.items()}
    for channel in channels:
        values[channel][: month.day(BEGIN).start + slot] = np.nan
    return replace(month, values=values)


def wrong(days: dict[date, DayQuality]) -> dict[date, DayClass]:
    return {day: found.day_class for day, found in days.items() if found.reasons}


@pytest.mark.parametrize("late", [GRID, BATTERY, (Channel.WATER_HEATER_KWH,)])
def test_a_new_sensor_leaves_older_days_clean(
    shared: Store, quarters: Month, name: str, late: tuple[Channel, ...]
) -> None:
    days = judged(shared, stored(shared, wired_late(quarters, late), name))
    assert wrong(days) == {}
    assert all(found.day_class is DayClass.CLEAN for found in days.values())


def test_it_is_judged_from_its_first_day_on(shared: Store, quarters: Month, name: str) -> None:
    month = wired_late(quarters, GRID, slot=40)
    gone = BEGIN + timedelta(days=3)
    month = month.with_days([gone], lambda day: day[Channel.IMPORT_KWH].fill(np.nan))
    off = BEGIN + timedelta(days=5)
    month = month.with_days([off], lambda day: day[Channel.IMPORT_KWH].fill(0.3))
    days = judged(shared, stored(shared, month, name))
    assert wrong(days) == dict.fromkeys((BEGIN, gone, off), DayClass.EXCLUDE)


def test_a_channel_without_any_number_is_not_judged(
    shared: Store, quarters: Month, name: str
) -> None:
    values = {c: array for c, array in quarters.values.items() if c not in GRID}
    assert wrong(judged(shared, stored(shared, replace(quarters, values=values), name))) == {}


@pytest.mark.parametrize("channel", [Channel.LOAD_KWH, Channel.PV_KWH])
def test_load_and_pv_are_judged_from_the_start(
    shared: Store, quarters: Month, name: str, channel: Channel
) -> None:
    days = judged(shared, stored(shared, wired_late(quarters, [channel]), name))
    assert {day for day, found in days.items() if found.day_class is DayClass.EXCLUDE} == {
        day for day in days if day < BEGIN
    }


def test_days_before_all_readings_are_empty(shared: Store, quarters: Month, name: str) -> None:
    days = judged(shared, stored(shared, wired_late(quarters, CHANNELS), name))
    before = [found for day, found in days.items() if day < BEGIN]
    assert {found.reasons for found in before} == {("nothing is recorded",)}
    assert {found.day_class for found in before} == {DayClass.EXCLUDE}


def test_the_verdict_does_not_depend_on_the_range(
    shared: Store, quarters: Month, name: str
) -> None:
    home = stored(shared, wired_late(quarters, (*GRID, *BATTERY)), name)
    days = judged(shared, home)
    for day in (FIRST, FIRST + timedelta(days=2), BEGIN, BEGIN + timedelta(days=1)):
        assert alone(shared, home, day) == days[day]


def test_the_sun_over_a_span_gives_what_it_gives_day_by_day(
    shared: Store, quarters: Month, name: str
) -> None:
    spoilt = (date(2025, 5, 24), date(2025, 6, 5), BEGIN + timedelta(days=4), LAST)

    def at_night(day: dict[Channel, F64]) -> None:
        day[Channel.PV_KWH][2] = 0.02  # 00:30, the sun rises after 04:00

    def gone(day: dict[Channel, F64]) -> None:
        day[Channel.PV_KWH][:] = np.where(day[Channel.PV_KWH] > 0.0, day[Channel.PV_KWH], np.nan)

    def dark(day: dict[Channel, F64]) -> None:
        day[Channel.PV_KWH][46:54] = 0.0  # 11:30 to 13:30

    month = quarters.with_days([spoilt[0], spoilt[3]], at_night).with_days([spoilt[1]], gone)
    home = stored(shared, month.with_days([spoilt[2]], dark), name)
    asked = (Channel.PV_KWH, Channel.LOAD_KWH)
    days = judged(shared, home, channels=asked)
    assert [sorted(days[day].counts) for day in spoilt] == [
        ["night_pv"],
        ["asleep"],
        ["dark_hours"],
        ["night_pv"],
    ]
    for day, found in days.items():
        assert alone(shared, home, day, asked) == found


def alone(
    store: Store, home: Home, day: date, channels: Sequence[Channel] = CHANNELS
) -> DayQuality:
    found = validate(
        store,
        home,
        channels=channels,
        limits=LIMITS,
        first=day,
        last=day,
        reference=None,
        now=NOW,
    )
    return found[0]
