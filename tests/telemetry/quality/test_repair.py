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
