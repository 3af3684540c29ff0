"""Jumps within a day and at midnight, and the battery's own equation, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from telemetry import Channel
from telemetry.arrays import F64
from telemetry.quality.battery import check_equation
from telemetry.quality.findings import Check
from telemetry.quality.soc import check_soc, midnight_faults
from telemetry.quality.window import Day
from tests.telemetry.quality.houses import Month, window_of

DAY = date(2025, 6, 5)
SOC = (Channel.SOC_START, Channel.SOC_END)


def resting(quarters: Month, soc: float = 0.5) -> Month:
    """A battery that does nothing all month."""
    zero = np.zeros(quarters.slots.size)
    still = {Channel.CHARGE_KWH: zero, Channel.DISCHARGE_KWH: zero}
    held = dict.fromkeys(SOC, zero + soc)
    return replace(quarters, values={**quarters.values, **still, **held})


def days(month: Month, count: int = 4) -> list[Day]:
    window = window_of(month)
    return [window.day(DAY + timedelta(days=k)) for k in range(count)]


def blamed(month: Month, faults: list[int]) -> list[int]:
    found = midnight_faults(days(month, len(faults)), faults)
    return [place for place, finding in enumerate(found) if finding is not None]


def test_a_day_off_at_both_midnights_is_the_one(quarters: Month) -> None:
    def lift(day: dict[Channel, F64]) -> None:
        for channel in SOC:
            day[channel][:] = 0.8

    month = resting(quarters).with_days([DAY + timedelta(days=1)], lift)
    assert blamed(month, [0, 0, 0, 0]) == [1]
    assert blamed(resting(quarters), [0, 0, 0, 0]) == []


def test_one_step_at_midnight(quarters: Month) -> None:
    later = [DAY + timedelta(days=k) for k in range(2, 14)]

    def lift(day: dict[Channel, F64]) -> None:
        for channel in SOC:
            day[channel][:] = 0.8

    month = resting(quarters).with_days(later, lift)
    assert blamed(month, [0, 0, 0, 0]) == [2]  # where it was seen
    assert blamed(month, [0, 1, 0, 0]) == [1]  # unless the day before has faults of its own


@pytest.mark.parametrize(
    ("slots", "jumps"),
    [
        # 5 kW * 0.95 / 10 kWh = 0.475 an hour; a quarter 0.11875, and 0.03 on top.
        pytest.param(1, True, id="a quarter: 0.16 > 0.14875"),
        pytest.param(2, False, id="half an hour: 0.16 < 0.2675"),
    ],
)
def test_a_rise_within_the_power(quarters: Month, slots: int, *, jumps: bool) -> None:
    def rise(day: dict[Channel, F64]) -> None:
        for channel in SOC:
            day[channel][:] = 0.3
        day[Channel.SOC_END][40 : 40 + slots - 1] = np.nan  # known only at the end
        day[Channel.SOC_START][41 : 40 + slots] = np.nan
        day[Channel.SOC_END][40 + slots - 1 :] = 0.46
        day[Channel.SOC_START][40 + slots :] = 0.46

    [day] = days(resting(quarters).with_days([DAY], rise), 1)
    assert [f.check for f in check_soc(day)] == ([Check.SOC_JUMP] if jumps else [])


@pytest.mark.parametrize(
    ("charge_kwh", "fails"),
    [
        # Allowed: 0.05 * 10 + 0.10 * charge; gap: 0.95 * charge. Equal at 0.5 / 0.85 = 0.588.
        (0.58, False),
        (0.60, True),
    ],
)
def test_the_equation_by_hand(quarters: Month, charge_kwh: float, *, fails: bool) -> None:
    [day] = days(resting(quarters), 1)
    charge = np.zeros(96)
    charge[40] = charge_kwh
    found = check_equation(day, charge, np.zeros(96))
    assert found.tested
    assert (found.gap is not None) is fails
    if found.gap is not None:
        assert found.gap.still
        assert found.gap.seen_kwh == 0.0
        assert found.gap.moved_kwh == pytest.approx(0.95 * charge_kwh)
    unknown = charge + np.where(np.arange(96) == 40, np.nan, 0.0)
    assert check_equation(day, unknown, np.zeros(96)).gap is None
