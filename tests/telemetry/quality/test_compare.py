"""Hours of the store against Home Assistant's: the boundary, what is not compared, repairs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from telemetry import Channel
from telemetry.arrays import F64, I64
from telemetry.quality.compare import check_reference
from telemetry.quality.findings import Check
from telemetry.quality.reference import HourlyReference
from telemetry.quality.window import Window, meter_step_kwh
from telemetry.quality_table import DayClass
from tests.telemetry.quality.houses import Month, window_of

DAY = date(2025, 6, 5)
LOAD = Channel.LOAD_KWH


def reference_of(month: Month, channel: Channel = LOAD) -> HourlyReference:
    hours: F64 = month.values[channel].reshape(-1, 4).sum(axis=1)
    why: I64 = np.zeros((1, hours.size), dtype=np.int64)
    return HourlyReference(
        hour_start=month.slots[::4], channels=(channel,), energy_kwh=hours[None, :], why=why
    )


def found(window: Window, reference: HourlyReference) -> dict[Check, tuple[int, DayClass]]:
    return {f.check: (f.count, f.severity) for f in check_reference(window.day(DAY), reference)}


@pytest.mark.parametrize(
    ("off_kwh", "want"),
    [
        (0.2, {}),  # the boundary is inside
        (-0.2, {}),
        (0.201, {Check.REFERENCE: (1, DayClass.EXCLUDE)}),
        (-0.201, {Check.REFERENCE: (1, DayClass.EXCLUDE)}),
    ],
)
def test_the_boundary(
    quarters: Month, off_kwh: float, want: dict[Check, tuple[int, DayClass]]
) -> None:
    reference, hour = reference_of(quarters), quarters.day(DAY).start // 4 + 7
    reference.energy_kwh[0, hour] += off_kwh
    assert found(window_of(quarters), reference) == want
    reference.energy_kwh[0, hour] = np.nan
    assert found(window_of(quarters), reference) == {Check.UNTRUSTED: (1, DayClass.CLEAN)}


@pytest.mark.parametrize(
    ("channel", "want"),
    [
        (Channel.CHARGE_KWH, DayClass.MASK_BATTERY),
        (Channel.WATER_HEATER_KWH, DayClass.CLEAN),
        (Channel.EXPORT_KWH, DayClass.EXCLUDE),
    ],
)
def test_the_channel_decides_on_the_class(
    quarters: Month, channel: Channel, want: DayClass
) -> None:
    reference = reference_of(quarters, channel)
    reference.energy_kwh[:] += 0.3
    assert found(window_of(quarters), reference) == {Check.REFERENCE: (24, want)}


def test_hours_that_the_store_lacks(quarters: Month) -> None:
    def gone(day: dict[Channel, F64]) -> None:
        day[LOAD][10] = np.nan

    window = window_of(quarters.with_days([DAY], gone))
    assert found(window, reference_of(quarters)) == {Check.NOT_STORED: (1, DayClass.CLEAN)}


@pytest.mark.parametrize(
    ("lost_kwh", "want"), [(0.0, {}), (0.5, {Check.REFERENCE: (2, DayClass.EXCLUDE)})]
)
def test_repaired_hours_are_compared_as_one(
    quarters: Month, lost_kwh: float, want: dict[Check, tuple[int, DayClass]]
) -> None:
    reference, hour = reference_of(quarters), quarters.day(DAY).start // 4
    # Home Assistant has 1 kWh less in one hour and 1 kWh more in the next.
    reference.energy_kwh[0, hour : hour + 2] += [-1.0, 1.0 + lost_kwh]
    plain = window_of(quarters)
    assert found(plain, reference) == {Check.REFERENCE: (2, DayClass.EXCLUDE)}
    repaired = plain.repaired.copy()
    repaired[plain.channels.index(LOAD), 4 * hour : 4 * hour + 8] = True
    assert found(replace(plain, repaired=repaired), reference) == want


@pytest.mark.parametrize(
    ("hours", "want"),
    [
        ([0.3, 0.4, 1.7], 0.1),
        ([2.0, 3.0], 1.0),
        ([0.25, 0.31], 0.01),
        ([0.1234, 0.5], 0.0),
        ([], 0.0),
    ],
)
def test_meter_steps(hours: list[float], want: float) -> None:
    assert meter_step_kwh(np.array(hours)) == want
