"""Faults of the battery's sensors alone mask the battery; faults of the house exclude the day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import Channel
from telemetry.arrays import F64
from telemetry.limits import Limits
from telemetry.quality.validate import CHECKS
from telemetry.quality_table import DayClass, DayQuality
from telemetry.store import Store
from tests.telemetry.quality.houses import NOW, Month, as_hours, judged, stored, window_of

Values = dict[Channel, F64]
LATER = NOW + timedelta(days=1)
SILENT = date(2025, 6, 10)
SPOILT = (date(2025, 5, 24), date(2025, 6, 5), date(2025, 6, 6))
CHARGE, DISCHARGE = Channel.CHARGE_KWH, Channel.DISCHARGE_KWH
SOC = (Channel.SOC_START, Channel.SOC_END)
HOUSE = (Channel.LOAD_KWH, Channel.PV_KWH, Channel.IMPORT_KWH, Channel.EXPORT_KWH)


def stuck(day: Values) -> None:
    for channel in SOC:
        day[channel][:] = 0.52


def percent(day: Values) -> None:
    for channel in SOC:
        day[channel][:] *= 100.0


def ratio_of_percent(day: Values) -> None:
    for channel in SOC:
        day[channel][:] /= 100.0


def out_of_range(day: Values) -> None:
    day[Channel.SOC_END][40:44] = 1.31
    day[Channel.SOC_START][41:45] = 1.31


def jump(day: Values) -> None:
    sign = -1.0 if day[Channel.SOC_END][48] > 0.5 else 1.0
    day[Channel.SOC_END][48:64] += sign * 0.4
    day[Channel.SOC_START][49:65] += sign * 0.4


def shifted(day: Values) -> None:
    for channel in SOC:
        day[channel][:] = 1.0 - day[channel]


def dead_charge(day: Values) -> None:
    day[CHARGE][:] = 0.0


def dead_discharge(day: Values) -> None:
    day[DISCHARGE][:] = 0.0


def swapped(day: Values) -> None:
    day[CHARGE][:], day[DISCHARGE][:] = day[DISCHARGE].copy(), day[CHARGE].copy()


def in_wh(day: Values) -> None:
    day[DISCHARGE][:] *= 1000.0


def in_mwh(day: Values) -> None:
    day[CHARGE][:] /= 1000.0


def in_wh_as_stored(day: Values) -> None:
    """Hours in Wh of which only a small one passed as kWh: the others are missing."""
    hours = np.repeat(day[DISCHARGE].reshape(-1, 4).sum(axis=1), 4)
    day[DISCHARGE][:] = np.where(hours > 0.0, np.nan, day[DISCHARGE])
    day[DISCHARGE][68:76] = 1.08


def missing(day: Values) -> None:
    for channel in (CHARGE, DISCHARGE, *SOC):
        day[channel][:] = np.nan


def classes(days: dict[date, DayQuality]) -> dict[date, DayClass]:
    return {day: found.day_class for day, found in days.items() if found.day_class != "clean"}


def test_the_demo_home_is_clean(shared: Store, quarters: Month, hours: Month, name: str) -> None:
    for suffix, month in (("q", quarters), ("h", hours)):
        days = judged(shared, stored(shared, month, name + suffix))
        assert classes(days) == {}
        assert {found.reasons for found in days.values()} == {()}
        assert {found.reference for found in days.values()} == {"none"}


@pytest.mark.parametrize("by", ["quarter", "hour"])
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (stuck, "state of charge stood still while the battery moved"),
        (percent, "state of charge looks like percent"),
        (ratio_of_percent, "state of charge stays below 1 %"),
        (out_of_range, "state of charge is 1.31, want a ratio"),
        (jump, "state of charge"),
        (shifted, "state of charge"),
        (dead_charge, "charge_kwh is 0 kWh where"),
        (dead_discharge, "discharge_kwh is 0 kWh where"),
        (swapped, "charge_kwh and discharge_kwh are swapped"),
        (in_wh, "discharge_kwh looks like Wh"),
        (in_wh_as_stored, "discharge_kwh is 8.64 kWh where"),
        (in_mwh, "charge_kwh looks like MWh"),
        (missing, "missing all day: charge_kwh, discharge_kwh"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_battery_faults_mask_exactly_their_days(
    shared: Store,
    quarters: Month,
    name: str,
    by: str,
    spoil: Callable[[Values], None],
    told: str,
) -> None:
    month = quarters.with_days(SPOILT, spoil)
    days = judged(shared, stored(shared, as_hours(month) if by == "hour" else month, name))
    assert classes(days) == dict.fromkeys(SPOILT, DayClass.MASK_BATTERY)
    for day in SPOILT:
        assert any(reason.startswith(told) for reason in days[day].reasons), days[day].reasons


@pytest.mark.parametrize("channel", HOUSE)
@pytest.mark.parametrize("by", ["quarter", "hour"])
def test_house_faults_exclude_their_days(
    shared: Store, quarters: Month, name: str, by: str, channel: Channel
) -> None:
    def spoil(day: Values) -> None:
        day[channel][60:72] += 0.4  # 1.6 kW too much for three hours: 4.8 kWh

    month = quarters.with_days(SPOILT, spoil)
    days = judged(shared, stored(shared, as_hours(month) if by == "hour" else month, name))
    assert classes(days) == dict.fromkeys(SPOILT, DayClass.EXCLUDE)
    assert all("energy balance is off by up to 1.6 kWh" in days[day].reasons[0] for day in SPOILT)


@given(
    channel=st.sampled_from(HOUSE),
    factor=st.sampled_from([0.0, 0.001, 0.5, 0.9, 1.1, 2.0, 1000.0]),
    offset=st.floats(0.0, 1.0),
    span=st.tuples(st.integers(0, 95), st.integers(1, 96)),
    gone=st.booleans(),
)
def test_no_fault_of_the_house_masks_the_battery(
    quarters: Month,
    channel: Channel,
    factor: float,
    offset: float,
    span: tuple[int, int],
    gone: bool,  # noqa: FBT001 - drawn
) -> None:
    def spoil(day: Values) -> None:
        part = slice(span[0], span[0] + span[1])
        day[channel][part] = np.nan if gone else factor * day[channel][part] + offset

    window = window_of(quarters.with_days(SPOILT[:1], spoil))
    found = [one for check in CHECKS for one in check(window.day(SPOILT[0]))]
    assert {one.severity for one in found} <= {DayClass.CLEAN, DayClass.EXCLUDE}


def test_what_is_not_configured_lowers_nothing(shared: Store, quarters: Month, name: str) -> None:
    def spoil(day: Values) -> None:
        missing(day)
        day[Channel.IMPORT_KWH][:] = np.nan
        day[Channel.WATER_HEATER_KWH][:] = np.nan

    home = stored(shared, quarters.with_days(SPOILT, spoil), name)
    plain = (Channel.LOAD_KWH, Channel.PV_KWH, Channel.WATER_HEATER_KWH)
    days = judged(shared, home, channels=plain)
    assert classes(days) == {}
    # The water heater is configured: told, and no more.
    assert [day for day, found in days.items() if found.flagged] == list(SPOILT)
    assert days[SPOILT[0]].reasons == ("missing all day: water_heater_kwh",)


def test_a_derived_load_is_as_wrong_as_the_battery(
    shared: Store, quarters: Month, name: str
) -> None:
    home = stored(shared, quarters.with_days(SPOILT[:1], in_wh), name)
    shared.put_observations(
        name,
        Channel.LOAD_KWH,
        quarters.slots,
        quarters.values[Channel.LOAD_KWH],
        known_at=quarters.slots + 900,
        provenance="live",
        quality=1024,
    )
    assert classes(judged(shared, home)) == {SPOILT[0]: DayClass.EXCLUDE}


@pytest.mark.parametrize(
    ("slots", "want"), [(4, DayClass.CLEAN), (5, DayClass.EXCLUDE)], ids=["an hour", "more"]
)
def test_an_hour_a_day_may_be_missing(
    shared: Store, quarters: Month, name: str, slots: int, want: DayClass
) -> None:
    def spoil(day: Values) -> None:
        day[Channel.PV_KWH][30 : 30 + slots] = np.nan

    found = judged(shared, stored(shared, quarters.with_days(SPOILT[:1], spoil), name))[SPOILT[0]]
    assert found.day_class is want
    assert found.counts["missing"] == slots
    end = "08:30" if slots == 4 else "08:45"
    assert found.reasons == (f"pv_kwh: {slots / 4:g} h missing, 07:30 to {end}",)


def test_inverters_may_sleep(shared: Store, quarters: Month, name: str) -> None:
    # 55.5 N, 13.1 E on 5 June: the sun rises at 04:30 and sets at 21:45, each +-10 minutes, and
    # climbs by 5 degrees in about 45 minutes.
    def asleep(day: Values) -> None:
        day[Channel.PV_KWH][:19] = np.nan  # until 04:45
        day[Channel.PV_KWH][87:] = np.nan  # from 21:45

    def early(day: Values) -> None:
        asleep(day)
        day[Channel.PV_KWH][19:29] = np.nan  # until 07:15: five slots or more are bright

    def never(day: Values) -> None:
        day[Channel.PV_KWH][:] = np.nan

    def silent(day: Values) -> None:
        asleep(day)
        day[Channel.LOAD_KWH][:4] = np.nan  # nobody was heard in that hour

    month = quarters.with_days(SPOILT[:1], never).with_days(SPOILT[1:2], asleep)
    month = month.with_days(SPOILT[2:], early).with_days([SILENT], silent)
    days = judged(shared, stored(shared, month, name))
    assert classes(days) == {SPOILT[0]: DayClass.EXCLUDE, SPOILT[2]: DayClass.EXCLUDE}
    assert days[SILENT].reasons == (
        "load_kwh: 1 h missing, 00:00 to 01:00",
        "pv_kwh: 1 h missing, 00:00 to 01:00",
    )
    assert days[SPOILT[0]].reasons[0] == "missing all day: pv_kwh"
    assert days[SPOILT[1]].reasons == ()
    assert dict(days[SPOILT[1]].counts) == {"asleep": 19 + 9}


def test_pv_at_night_and_none_by_day(shared: Store, quarters: Month, name: str) -> None:
    def little(day: Values) -> None:
        day[Channel.PV_KWH][2] = 0.02  # 00:30, the sun rises after 04:00

    def much(day: Values) -> None:
        day[Channel.PV_KWH][2] = 0.3

    def none(day: Values) -> None:
        day[Channel.PV_KWH][:] = 0.0

    month = quarters.with_days(SPOILT[:1], little).with_days(SPOILT[1:2], much)
    month = month.with_days(SPOILT[2:], none)
    days = judged(shared, stored(shared, month, name), channels=(Channel.PV_KWH,))
    assert classes(days) == {SPOILT[1]: DayClass.EXCLUDE}
    assert days[SPOILT[0]].reasons == ("pv_kwh: 0.02 kWh in a slot at night, 00:30",)
    assert days[SPOILT[2]].reasons[0].startswith("pv_kwh: none all day, ")


def test_units_without_balance_or_limits(shared: Store, quarters: Month, name: str) -> None:
    def wh(day: Values) -> None:
        day[Channel.LOAD_KWH][:] *= 1000.0

    def mwh(day: Values) -> None:
        day[Channel.LOAD_KWH][:] /= 1000.0

    month = quarters.with_days(SPOILT[:1], wh).with_days(SPOILT[1:2], mwh)
    home = stored(shared, month, name)
    days = judged(shared, home, channels=(Channel.LOAD_KWH,), limits=Limits())
    assert classes(days) == dict.fromkeys(SPOILT[:2], DayClass.EXCLUDE)
    assert days[SPOILT[0]].reasons[0].startswith("load_kwh looks like Wh: ")
    assert days[SPOILT[1]].reasons[0].startswith("load_kwh looks like MWh: ")
    # A whole month in Wh has no days around that tell; the limits do.
    month = quarters.with_days(list(days), wh)
    days = judged(shared, stored(shared, month, name + "all"), channels=(Channel.LOAD_KWH,))
    assert {found.reasons[0].partition(":")[0] for found in days.values()} == {
        "load_kwh looks like Wh"
    }


@pytest.mark.parametrize("channel", [Channel.LOAD_KWH, DISCHARGE, CHARGE])
def test_a_unit_is_told_once(shared: Store, quarters: Month, name: str, channel: Channel) -> None:
    def wh(day: Values) -> None:
        day[channel][:] *= 1000.0

    found = judged(shared, stored(shared, quarters.with_days(SPOILT[:1], wh), name))[SPOILT[0]]
    # Above the limit most of the day, a thousand times the days around, and mended by the balance.
    assert sum(f"{channel} looks like Wh" in reason for reason in found.reasons) == 1
    assert {"spike", "unit", "balance"} <= set(found.counts)


@pytest.mark.parametrize(
    ("one", "other", "cure"),
    [
        (CHARGE, DISCHARGE, "exchange total_battery_charge and total_battery_discharge in"),
        (
            Channel.IMPORT_KWH,
            Channel.EXPORT_KWH,
            "exchange total_grid_import and total_grid_export in input_sensors, then backfill",
        ),
    ],
)
def test_a_swap_tells_its_cure(
    shared: Store, quarters: Month, name: str, one: Channel, other: Channel, cure: str
) -> None:
    def swap(day: Values) -> None:
        day[one][:], day[other][:] = day[other].copy(), day[one].copy()

    found = judged(shared, stored(shared, quarters.with_days(SPOILT[:1], swap), name))[SPOILT[0]]
    assert cure in found.reasons[0]


def test_dark_hours_at_noon(shared: Store, quarters: Month, name: str) -> None:
    def dark(day: Values) -> None:
        day[Channel.PV_KWH][46:54] = 0.0  # 11:30 to 13:30

    def short(day: Values) -> None:
        day[Channel.PV_KWH][46:53] = 0.0

    def late(day: Values) -> None:
        day[Channel.PV_KWH][82:90] = 0.0  # 20:30 to 22:30, the sun stands below 10 degrees

    month = quarters.with_days(SPOILT[:1], dark).with_days(SPOILT[1:2], short)
    home = stored(shared, month.with_days(SPOILT[2:], late), name)
    days = judged(shared, home, channels=(Channel.LOAD_KWH, Channel.PV_KWH))
    told = "pv_kwh: none for 2 h under a high sun, 11:30 to 13:30: stuck or curtailed"
    assert {day: found.reasons for day, found in days.items() if found.reasons} == {
        SPOILT[0]: (told,)
    }
    assert classes(days) == {}
    # With all meters the balance judges it: here it was no curtailment.
    days = judged(shared, home)
    assert days[SPOILT[0]].day_class is DayClass.EXCLUDE
    assert "dark_hours" not in days[SPOILT[0]].counts


def test_twice_is_once_and_only_whole_days(shared: Store, quarters: Month, name: str) -> None:
    home = stored(shared, quarters.with_days(SPOILT, swapped), name)
    first = judged(shared, home)
    again = judged(shared, home, now=LATER)
    assert list(again) == list(first)
    kept = {day.local_date: day for day in shared.day_quality(name, min(first), max(first))}
    assert kept == first
    # Facts change, and with them a verdict and its time alone.
    mended = stored(shared, quarters.with_days(SPOILT[1:], swapped), name)
    changed = judged(shared, mended, now=LATER)
    kept = {day.local_date: day for day in shared.day_quality(name, min(first), max(first))}
    assert {d for d in kept if kept[d] != first[d]} == {SPOILT[0]}
    assert kept[SPOILT[0]] == changed[SPOILT[0]]
    assert kept[SPOILT[0]].checked_at == LATER
