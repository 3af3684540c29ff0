"""Repairs conserve energy, can be run twice, hold against later writes and can be undone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from telemetry import Channel, Home, Quality
from telemetry.arrays import F64
from telemetry.quality.repair import RepairReport, repair, undo
from telemetry.quality_table import DayClass
from telemetry.slots import from_epoch, local_day
from telemetry.store import Store
from tests.telemetry.quality.houses import CHANNELS, LIMITS, NOW, Month, judged, stored

DAY = date(2025, 6, 5)
LOAD, PV, CHARGE = Channel.LOAD_KWH, Channel.PV_KWH, Channel.CHARGE_KWH


def run(store: Store, home: Home, *, last: date = DAY, now: datetime = NOW) -> RepairReport:
    return repair(store, home, channels=CHANNELS, limits=LIMITS, first=DAY, last=last, now=now)


def seen(store: Store, home: Home, channel: Channel) -> F64:
    start, end = local_day(DAY, str(home.zone))
    return store.observations(home.home_id, [channel], start, end).of(channel)


def facts(store: Store, home: Home) -> list[tuple[object, ...]]:
    """All observations of a home, bit by bit."""
    with store._read() as conn:
        found = conn.exec_driver_sql(
            "SELECT channel, slot_start, value, provenance, quality, known_at, system_id "
            "FROM slot_observations WHERE home_id = ? ORDER BY channel, slot_start",
            (home.home_id,),
        )
        return [tuple(row) for row in found]


def lumped(store: Store, month: Month, name: str, *, slots: int = 4) -> Home:
    """A house whose load stood still for some quarters from noon and caught up in the next."""
    place = month.day(DAY)
    noon = place.start + 48
    load = month.values[LOAD].copy()
    load[noon + slots] += load[noon : noon + slots].sum()
    load[noon : noon + slots] = 0.0
    home = stored(store, replace(month, values={**month.values, LOAD: load}), name)
    for at, bit in ((slice(noon, noon + slots), 64), (slice(noon + slots, noon + slots + 1), 256)):
        store.put_observations(
            name,
            LOAD,
            month.slots[at],
            load[at],
            known_at=month.slots[at] + 900,
            provenance="live",
            quality=bit,
        )
    return home


def test_a_lump_is_spread(shared: Store, quarters: Month, name: str) -> None:
    home = lumped(shared, quarters, name)
    original = facts(shared, home)
    before, true = seen(shared, home, LOAD), quarters.values[LOAD][quarters.day(DAY)]
    assert run(shared, home) == RepairReport(slots={"lump": 5})
    after = seen(shared, home, LOAD)
    np.testing.assert_allclose(after[48:53], true[48:53].sum() / 5.0)
    np.testing.assert_array_equal(np.delete(after, range(48, 53)), np.delete(before, range(48, 53)))
    assert after.sum() == pytest.approx(true.sum(), abs=1e-12)
    start, end = local_day(DAY, str(home.zone))
    rows = shared.observations(name, [LOAD], start, end)
    assert set(rows.quality[0, 48:53].tolist()) == {int(Quality.SPREAD)}
    # Known when the lump was: at the end of its quarter.
    assert set(rows.known_at[0, 48:53].tolist()) == {int(rows.slot_start[52]) + 900}
    repaired = facts(shared, home)
    assert run(shared, home, now=NOW + timedelta(days=1)) == RepairReport(already=5)
    assert facts(shared, home) == repaired
    # A later reading does not undo it, only undoing does; also where half the group is named.
    shared.put_observations(
        name, LOAD, rows.slot_start, before, known_at=NOW, provenance="live", quality=0
    )
    np.testing.assert_array_equal(seen(shared, home, LOAD)[48:53], after[48:53])
    noon = from_epoch(int(rows.slot_start[48]))
    assert shared.undo_repairs(name, noon, noon + timedelta(minutes=15)) == 5
    assert [row for row in facts(shared, home) if row[4] in (64, 256)] == [
        row for row in original if row[4] in (64, 256)
    ]


def test_undo_brings_all_back(shared: Store, quarters: Month, name: str) -> None:
    values = {channel: array.copy() for channel, array in quarters.values.items()}
    place = quarters.day(DAY).start
    values[PV][place + 50] = np.nan  # one of the balance: 12:30
    values[CHARGE][place + 60] = 7.0  # 28 kW: a spike, and then one of the balance
    values[PV][place + 70 : place + 74] = np.nan
    values[LOAD][place + 70 : place + 74] = np.nan  # two of the balance: nobody knows
    values[Channel.WATER_HEATER_KWH][place + 20] = 9.0  # a spike that no balance tells of
    home = stored(shared, replace(quarters, values=values), name)
    original = facts(shared, home)
    report = run(shared, home)
    assert report.slots == {"balance": 2, "spike": 1}
    assert report.unassigned_kwh == {"charge_kwh": 7.0, "water_heater_kwh": 9.0}
    assert report.left == {"load_kwh": 4, "pv_kwh": 4, "water_heater_kwh": 1}
    true = {channel: array[quarters.day(DAY)] for channel, array in quarters.values.items()}
    for channel, slot in ((PV, 50), (CHARGE, 60)):
        assert seen(shared, home, channel)[slot] == pytest.approx(true[channel][slot], abs=1e-9)
    assert np.isnan(seen(shared, home, PV)[70:74]).all()
    again = run(shared, home)
    assert again == RepairReport(already=3, left=report.left)
    assert judged(shared, home)[DAY].day_class is DayClass.CLEAN
    assert undo(shared, home, first=DAY, last=DAY) == 3
    assert facts(shared, home) == original
    assert undo(shared, home, first=DAY, last=DAY) == 0


def test_what_is_not_repaired(shared: Store, quarters: Month, name: str) -> None:
    # Five quarters stood still: longer than an hour.
    home = lumped(shared, quarters, name, slots=5)
    assert run(shared, home) == RepairReport()
    # The group ends after the days that were named: nothing of it is touched. The day is not over.
    home = lumped(shared, quarters, name + "b")
    before_end = local_day(DAY, str(home.zone))[1] - timedelta(seconds=1)
    assert run(shared, home, now=before_end) == RepairReport()


def test_what_stood_still_with_the_load(shared: Store, quarters: Month, name: str) -> None:
    noon = quarters.day(DAY).start + 48
    heater, car = Channel.WATER_HEATER_KWH, Channel.EV_KWH
    # A lump of five quarters must stay below what PV can give in one, or the import takes it out.
    weak = 0.3 * quarters.values[PV]
    values = quarters.values | {car: np.full(quarters.slots.size, 0.5), PV: weak}
    values[heater] = values[heater].copy()
    values[heater][noon - 4 : noon + 8] = 0.0  # it rests, and still does in the hour after
    month = replace(quarters, values=values)
    home = lumped(shared, month, name)
    stopped = slice(noon, noon + 5)
    for channel in (PV, car, heater):
        array = values[channel][stopped].copy()
        array[4] += array[:4].sum()
        array[:4] = 0.0
        lump = [256 if array[4] else 0]
        shared.put_observations(
            name,
            channel,
            month.slots[stopped],
            array,
            known_at=month.slots[stopped] + 900,
            provenance="live",
            quality=np.array([64] * 4 + lump),
        )
    meters = (LOAD, PV, heater, car)
    original = facts(shared, home)
    assert len(judged(shared, home, channels=meters)[DAY].reasons) == 4
    report = repair(shared, home, channels=meters, limits=LIMITS, first=DAY, last=DAY, now=NOW)
    # Load and PV with their lumps, and the heater's four zeros. The car may have paused: its stay.
    assert report == RepairReport(slots={"lump": 5 + 5 + 4})
    true = weak[quarters.day(DAY)]
    np.testing.assert_allclose(seen(shared, home, PV)[48:53], true[48:53].sum() / 5.0)
    assert seen(shared, home, PV).sum() == pytest.approx(true.sum(), abs=1e-9)
    assert judged(shared, home, channels=meters)[DAY].reasons == (
        "ev_kwh: 1 h stood still and caught up, 12:00 to 13:00",
    )
    assert undo(shared, home, first=DAY, last=DAY) == 14
    assert facts(shared, home) == original


def test_a_first_light_is_no_lump_of_the_standstill(
    shared: Store, quarters: Month, name: str
) -> None:
    """PV that had not moved before the load stood still did not stop with it."""
    home = lumped(shared, quarters, name)
    noon = quarters.day(DAY).start + 48
    dark = slice(noon - 8, noon + 5)
    array = quarters.values[PV][dark].copy()
    array[:-1] = 0.0
    bits = np.array([0] * 12 + [256])
    shared.put_observations(
        name, PV, quarters.slots[dark], array, known_at=NOW, provenance="live", quality=bits
    )
    assert run(shared, home) == RepairReport(slots={"lump": 5})


@pytest.mark.parametrize(
    ("channel", "channels", "spoilt"),
    [
        (PV, (LOAD, PV), DayClass.EXCLUDE),
        (CHARGE, (LOAD, PV, CHARGE, Channel.DISCHARGE_KWH), DayClass.MASK_BATTERY),
    ],
)
def test_a_spike_taken_out_is_adopted(
    shared: Store,
    quarters: Month,
    name: str,
    channel: Channel,
    channels: tuple[Channel, ...],
    spoilt: DayClass,
) -> None:
    hour = slice(quarters.day(DAY).start + 48, quarters.day(DAY).start + 52)
    values = quarters.values | {channel: quarters.values[channel].copy()}
    values[channel][hour] = np.nan
    home = stored(shared, replace(quarters, values=values), name)
    shared.put_observations(
        name,
        channel,
        quarters.slots[hour],
        values[channel][hour],
        known_at=NOW,
        provenance="live",
        quality=int(Quality.SPIKE),
    )
    original = facts(shared, home)
    assert judged(shared, home, channels=channels)[DAY].day_class is spoilt
    report = repair(shared, home, channels=channels, limits=LIMITS, first=DAY, last=DAY, now=NOW)
    assert report == RepairReport(slots={"spike": 4}, left={channel.value: 4})
    found = judged(shared, home, channels=channels)[DAY]
    assert found.day_class is DayClass.CLEAN
    assert found.reasons == (f"{channel}: 1 h missing, 12:00 to 13:00",)
    assert undo(shared, home, first=DAY, last=DAY) == 4
    assert facts(shared, home) == original


def test_nothing_is_filled_before_a_channel_begins(
    shared: Store, quarters: Month, name: str
) -> None:
    values = quarters.values | {CHARGE: quarters.values[CHARGE].copy()}
    values[CHARGE][: quarters.day(DAY).start + 48] = np.nan
    values[CHARGE][quarters.day(DAY).start + 60] = np.nan
    home = stored(shared, replace(quarters, values=values), name)
    assert run(shared, home) == RepairReport(slots={"balance": 1})


def test_a_negative_rest_is_no_value(shared: Store, quarters: Month, name: str) -> None:
    values = {channel: array.copy() for channel, array in quarters.values.items()}
    night, noise = quarters.day(DAY).start + 4, quarters.day(DAY).start + 6
    for place, surplus in ((night, 0.05), (noise, 0.015)):
        values[PV][place] = np.nan
        values[Channel.IMPORT_KWH][place] += surplus  # PV would be minus that
    home = stored(shared, replace(quarters, values=values), name)
    assert run(shared, home).slots == {"balance": 1}
    assert np.isnan(seen(shared, home, PV)[4])
    assert seen(shared, home, PV)[6] == 0.0


def test_no_pv_is_made_up_at_night(shared: Store, quarters: Month, name: str) -> None:
    values = {channel: array.copy() for channel, array in quarters.values.items()}
    for place in (quarters.day(DAY).start + 4, quarters.day(DAY).start + 50):  # 01:00 and 12:30
        values[PV][place] = np.nan
        values[LOAD][place] += 0.03  # the meters' own noise, which the balance would put on PV
    home = stored(shared, replace(quarters, values=values), name)
    report = run(shared, home)
    assert report.slots == {"balance": 1}
    assert report.left == {"pv_kwh": 1}
    assert np.isnan(seen(shared, home, PV)[4])
    noon = float(quarters.values[PV][quarters.day(DAY).start + 50])
    assert seen(shared, home, PV)[50] == pytest.approx(noon + 0.03, abs=1e-9)
