"""Houses in a real Home Assistant: backfilled and judged by the commands a user would run."""

import csv
import gzip
import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest

from telemetry.channels import Channel
from telemetry.quality_table import DayClass
from telemetry.store import Store
from tests.live.houses import DEMO, SOC, Hours, hours_of, run, seeds, write_config
from tests.peers.home_assistant import RealHomeAssistant, Seed
from tests.telemetry.quality.houses import LAST, make_month

pytestmark = pytest.mark.integration


def classes(folder: Path, first: date, last: date) -> dict[date, DayClass]:
    """Days that are not clean."""
    with Store.open(folder / "darkstar.sqlite", read_only=True) as store:
        days = store.day_quality("villa", first, last)
        assert len(days) == (last - first).days + 1
        assert {day.reference for day in days} == {"statistics_hourly"}
    return {day.local_date: day.day_class for day in days if day.day_class is not DayClass.CLEAN}


# --- the SE4 home ------------------------------------------------------------------------------

SE4 = {
    "total_load_consumption": "sensor.inverter_total_load_consumption",
    "total_pv_production": "sensor.inverter_total_production",
}
SE4_FIRST, SE4_LAST = date(2025, 7, 2), date(2025, 9, 30)


def se4_rows(folder: Path) -> dict[str, dict[int, float]]:
    """Energy of each hour by start, by statistic."""
    rows: dict[str, dict[int, float]] = {}
    with gzip.open(folder / "ha_statistics_se4.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            start = int(datetime.fromisoformat(row["start"]).timestamp())
            rows.setdefault(row["statistic_id"], {})[start] = float(row["change"])
    return rows


def hourly_sums(folder: Path, channel: Channel) -> dict[int, float | None]:
    """Sum of each hour in the store; None where one of its quarters is missing."""
    ask = (
        "select slot_start / 3600 * 3600, sum(value), count(value) from slot_observations "
        "where channel = ? group by 1"
    )
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as base, base:
        rows = base.execute(ask, (channel.value,)).fetchall()
    return {int(start): total if count == 4 else None for start, total, count in rows}


def untrusted(hours: dict[int, float], load: dict[int, float]) -> set[int]:
    """Hours that no one should take as they stand, from the rows alone.

    The first ever; the first after absent ones; where the load shows zero for more than an hour,
    and the hour after.
    """
    starts = sorted(hours)
    found = {starts[0]}
    found |= {b for a, b in itertools.pairwise(starts) if b - a > 3600}
    zero = [start for start in sorted(load) if load[start] == 0.0]
    for start in zero:
        if start - 3600 in zero or start + 3600 in zero:
            found |= {start, start + 3600}
    return found


@pytest.mark.real_data
def test_the_se4_home(home_assistant: RealHomeAssistant, real_data: Path, tmp_path: Path) -> None:
    rows = se4_rows(real_data)
    home_assistant.seed_statistics(
        [
            Seed.from_change(
                name, start=np.array(list(hours)), change=np.array(list(hours.values()))
            )
            for name, hours in rows.items()
        ]
    )
    config = write_config(tmp_path, home_assistant, SE4, peak=8.0)
    span = ("--start-date", SE4_FIRST, "--end-date", SE4_LAST, "--config", config)
    run("backfill", *span)
    load = rows[SE4["total_load_consumption"]]
    for channel, key in (
        (Channel.LOAD_KWH, "total_load_consumption"),
        (Channel.PV_KWH, "total_pv_production"),
    ):
        hours, stored = rows[SE4[key]], hourly_sums(tmp_path, channel)
        doubted = untrusted(hours, load)
        for start in set(hours) | set(stored):
            if start in doubted or start not in hours:
                assert stored.get(start) is None
            else:
                assert stored[start] == pytest.approx(hours[start], abs=0.01)
    report = run("validate", *span, "--no-plot")
    assert classes(tmp_path, SE4_FIRST, SE4_LAST) == dict.fromkeys(
        (
            date(2025, 7, 2),
            date(2025, 7, 3),
            date(2025, 7, 7),
            date(2025, 8, 28),
            date(2025, 8, 29),
        ),
        DayClass.EXCLUDE,
    )
    assert "2025-08-03" in report
    assert "86 clean (1 flagged), 0 mask_battery, 5 exclude" in report


# --- the demo home -----------------------------------------------------------------------------

MONTH_FIRST = date(
    2025, 5, 19
)  # the day before the first judged: the first hour ever is not trusted
FIRST = date(2025, 5, 20)


def stuck_soc(day: Hours) -> None:
    for name in ("mean", "low", "high"):
        day[name][:] = 52.0


def percent_beyond(day: Hours) -> None:
    for name in ("mean", "low", "high"):
        day[name][10:14] = 140.0


def soc_jump(day: Hours) -> None:
    sign = -1.0 if day["mean"][12] > 50.0 else 1.0
    for name in ("mean", "low", "high"):
        day[name][12:17] += sign * 40.0


def dead_charge(day: Hours) -> None:
    day[Channel.CHARGE_KWH][:] = 0.0


def charge_spike(day: Hours) -> None:
    day[Channel.CHARGE_KWH][11] += 60.0


def swapped(day: Hours) -> None:
    charge, discharge = day[Channel.CHARGE_KWH].copy(), day[Channel.DISCHARGE_KWH].copy()
    day[Channel.CHARGE_KWH][:], day[Channel.DISCHARGE_KWH][:] = discharge, charge


def battery_absent(day: Hours) -> None:
    for name in (Channel.CHARGE_KWH, Channel.DISCHARGE_KWH, "mean"):
        day[name][6:18] = np.nan


FAULTS: dict[date, Callable[[Hours], None]] = {
    date(2025, 5, 22): stuck_soc,
    date(2025, 5, 25): percent_beyond,
    date(2025, 5, 28): soc_jump,
    date(2025, 5, 31): dead_charge,
    date(2025, 6, 3): charge_spike,
    date(2025, 6, 6): swapped,
    date(2025, 6, 9): battery_absent,
}


def test_the_demo_home_with_faults_of_the_battery(
    home_assistant: RealHomeAssistant, tmp_path: Path
) -> None:
    month = make_month(MONTH_FIRST, LAST)
    start, hours = hours_of(month)
    for day, spoil in FAULTS.items():
        at = month.day(day)
        spoil({name: values[at.start // 4 : at.stop // 4] for name, values in hours.items()})
    home_assistant.seed_statistics_directly(seeds(start, hours))
    sensors = dict(DEMO.values()) | {"battery_soc": SOC}
    config = write_config(tmp_path, home_assistant, sensors, peak=9.0)
    run("backfill", "--start-date", MONTH_FIRST, "--end-date", LAST, "--config", config)
    span = ("--start-date", FIRST, "--end-date", LAST, "--config", config)
    report = run("validate", *span, "--no-plot")
    found = classes(tmp_path, FIRST, LAST)
    assert found == dict.fromkeys(FAULTS, DayClass.MASK_BATTERY), report
    again = run("validate", *span, "--no-plot")
    assert again == report
    heater = hourly_sums(tmp_path, Channel.WATER_HEATER_KWH)
    wanted = dict(zip(start.tolist(), hours[Channel.WATER_HEATER_KWH].tolist(), strict=True))
    assert all(heater[at] == pytest.approx(wanted[at], abs=1e-6) for at in heater if at in wanted)
