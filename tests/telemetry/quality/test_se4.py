"""The SE4 home as Home Assistant has it: which days of its summer are fit for use."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from telemetry import Channel, Home, Provenance
from telemetry.arrays import F64, I64
from telemetry.channel_slots import ChannelSlots, judge_standstill
from telemetry.etl import counter_slots, resolution_of, statistics_readings
from telemetry.limits import Limits
from telemetry.quality.reference import HourlyReference
from telemetry.quality.repair import repair
from telemetry.quality.validate import validate
from telemetry.quality_table import DayClass, DayQuality
from telemetry.slots import local_day, slot_range, to_epoch
from telemetry.store import Store

pytestmark = pytest.mark.real_data

FIRST, LAST = date(2025, 7, 2), date(2025, 9, 30)
NOW = datetime(2025, 10, 10, tzinfo=UTC)
IDS = {
    "sensor.inverter_total_load_consumption": Channel.LOAD_KWH,
    "sensor.inverter_total_production": Channel.PV_KWH,
}
CHANNELS = tuple(IDS.values())
LIMITS = Limits(import_kw=11, export_kw=11, pv_peak_kw=8, charge_kw=8, discharge_kw=8)


def rows_of(folder: Path) -> dict[Channel, tuple[I64, F64]]:
    """Start and change of the hours of each channel."""
    found: dict[Channel, list[tuple[int, float]]] = {channel: [] for channel in CHANNELS}
    with gzip.open(folder / "ha_statistics_se4.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            at = to_epoch(datetime.fromisoformat(row["start"]))
            found[IDS[row["statistic_id"]]].append((at, float(row["change"])))
    return {
        channel: (np.array([a for a, _ in rows]), np.array([b for _, b in rows]))
        for channel, rows in found.items()
    }


def slots_of(rows: dict[Channel, tuple[I64, F64]], slots: I64) -> dict[Channel, ChannelSlots]:
    """What the ETL makes of them."""
    found = {}
    for channel, (start, change) in rows.items():
        made = counter_slots(
            statistics_readings(start, change, 3600),
            slots,
            spacing_seconds=3600.0,
            limit_kw=LIMITS.of(channel),
            total=True,
        )
        found[channel] = ChannelSlots(
            slot_start=slots, values=made.energy_kwh, quality=made.quality
        )
    step = resolution_of(np.nancumsum(rows[Channel.LOAD_KWH][1]))
    return judge_standstill(found, resolution_kwh=step)


def reference_of(
    rows: dict[Channel, tuple[I64, F64]], slots: dict[Channel, ChannelSlots]
) -> HourlyReference:
    """The hours as they came; those that the ETL took out are not trusted."""
    hours = slots[Channel.LOAD_KWH].slot_start[::4]
    energy = np.full((len(CHANNELS), hours.size), np.nan)
    for row, channel in enumerate(CHANNELS):
        start, change = rows[channel]
        here = np.isin(start, hours)
        energy[row, np.searchsorted(hours, start[here])] = change[here]
        energy[row, np.isnan(slots[channel].values[::4])] = np.nan
    return HourlyReference(
        hour_start=hours,
        channels=CHANNELS,
        energy_kwh=energy,
        why=np.zeros(energy.shape, dtype=np.int64),
    )


@pytest.fixture
def filled(store: Store, villa: Home, real_data: Path) -> tuple[Store, Home, HourlyReference]:
    """The store after a backfill of the summer."""
    zone = str(villa.zone)
    slots = slot_range(local_day(FIRST, zone)[0], local_day(LAST, zone)[1])
    rows = rows_of(real_data)
    made = slots_of(rows, slots)
    for channel, found in made.items():
        store.put_observations(
            villa.home_id,
            channel,
            slots,
            found.values,
            known_at=slots // 3600 * 3600 + 3600,
            provenance=Provenance.STATISTICS_HOURLY,
            quality=found.quality,
        )
    return store, villa, reference_of(rows, made)


def judged(
    filled: tuple[Store, Home, HourlyReference], *, compared: bool = True
) -> dict[date, DayQuality]:
    store, home, reference = filled
    days = validate(
        store,
        home,
        channels=CHANNELS,
        limits=LIMITS,
        first=FIRST,
        last=LAST,
        reference=reference if compared else None,
        now=NOW,
    )
    return {day.local_date: day for day in days}


EXCLUDED = {
    date(2025, 7, 2),  # the first record comes at 15:00 local, and is none
    date(2025, 7, 3),  # two hours missing and the catch-up hour
    date(2025, 7, 7),  # the same
    date(2025, 8, 28),  # frozen from 21:00 local
    date(2025, 8, 29),  # frozen until the catch-up hour
}
STALLED = date(2025, 8, 3)


@pytest.mark.parametrize("compared", [True, False])
def test_days_get_the_class_they_deserve(
    filled: tuple[Store, Home, HourlyReference], *, compared: bool
) -> None:
    days = judged(filled, compared=compared)
    assert len(days) == (LAST - FIRST).days + 1
    assert {day for day, found in days.items() if found.day_class is not DayClass.CLEAN} == EXCLUDED
    assert {found.day_class for found in days.values()} == {DayClass.CLEAN, DayClass.EXCLUDE}
    assert {day for day, found in days.items() if found.flagged} == {STALLED}
    assert "load_kwh: 1 h stood still and caught up, 20:00 to 21:00" in days[STALLED].reasons
    assert days[date(2025, 7, 7)].counts["missing"] == 2 * 12  # 21:00 to 24:00, two channels
    assert {found.reference for found in days.values()} == {
        "statistics_hourly" if compared else "none"
    }


def test_a_repaired_hour_is_no_fault(filled: tuple[Store, Home, HourlyReference]) -> None:
    store, home, _ = filled
    start, end = local_day(STALLED, str(home.zone))
    before = store.observations("villa", [Channel.LOAD_KWH], start, end).of("load_kwh")
    report = repair(store, home, channels=CHANNELS, limits=LIMITS, first=FIRST, last=LAST, now=NOW)
    after = store.observations("villa", [Channel.LOAD_KWH], start, end).of("load_kwh")
    # 18:00 UTC: 0.0 kWh, 19:00 UTC: 2.0 kWh; eight quarters of 0.25 kWh instead. 20:00 local.
    np.testing.assert_allclose(after[80:88], 0.25, atol=1e-9)
    assert after.sum() == pytest.approx(before.sum(), abs=1e-12)
    # PV: 0 and 0.1 kWh. The sun sets at about 21:10, in the fifth of the eight quarters.
    pv = store.observations("villa", [Channel.PV_KWH], start, end).of("pv_kwh")
    np.testing.assert_allclose(pv[80:88], [0.02] * 5 + [0.0] * 3, atol=1e-9)
    # The catch-up hour of 29 August, which the import took out, is a repaired spike now.
    assert report.slots == {"lump": 16, "spike": 4}
    days = judged(filled)
    assert {day for day, found in days.items() if found.day_class is not DayClass.CLEAN} == EXCLUDED
    assert days[STALLED].reasons == ()
    assert days[STALLED].counts["repaired"] == 16


def test_a_wrong_hour_is_found(filled: tuple[Store, Home, HourlyReference]) -> None:
    store, _, _ = filled
    noon = np.array([to_epoch(datetime(2025, 8, 10, 10, tzinfo=UTC))])
    seen = store.observations(
        "villa",
        ["load_kwh"],
        datetime(2025, 8, 10, 10, tzinfo=UTC),
        datetime(2025, 8, 10, 10, 15, tzinfo=UTC),
    )
    store.put_observations(
        "villa",
        "load_kwh",
        noon,
        seen.of("load_kwh") + 0.25,
        known_at=NOW - timedelta(days=1),
        provenance="live",
    )
    found = judged(filled)[date(2025, 8, 10)]
    assert found.day_class is DayClass.EXCLUDE
    assert found.reasons == ("load_kwh: 1 h off Home Assistant by up to 0.25 kWh",)
