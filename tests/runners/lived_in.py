"""A house that somebody lives in: meters of grid and battery beside the load and PV of June.

The house and its store are those of ``tests.runners.test_plan``. Its battery does what batteries do
by themselves, self-consumption, from 5 kWh on at midnight before 2 June.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from mpc.rules import rules_of, slot_limits
from runners.config import load_config
from sim.dispatch import SELF_USE
from sim.slots import CHARGE, COLUMNS, DISCHARGE, EXPORT, IMPORT, SOC, run_policy
from telemetry.arrays import F64
from telemetry.slots import slot_range
from telemetry.store import Store

FIRST = datetime(2025, 6, 1, 22, 0, tzinfo=UTC)
LAST = datetime(2025, 6, 14, 22, 0, tzinfo=UTC)
"""Midnights in Stockholm."""


def metered(folder: Path, *, start: datetime = FIRST, end: datetime = LAST) -> F64:
    """Record what grid and battery meters read from ``start`` to ``end``; return (N, 9) rows."""
    site = load_config(folder / "config.yaml").site("demo")
    slots = slot_range(start, end)
    with Store.open(folder / "darkstar.sqlite") as store:
        seen = store.observations("demo", ["load_kwh", "pv_kwh"], start, end)
        prices = np.zeros((slots.size, 2))
        series = np.column_stack([seen.of("load_kwh"), seen.of("pv_kwh"), prices])
        rows = np.empty((slots.size, len(COLUMNS)))
        table = slot_limits(site, np.full(slots.size, 0.25))
        run_policy(SELF_USE, 5.0, series, table, rules_of(site, 0.0), rows)
        ratio = np.concatenate([[5.0], rows[:, SOC]]) / site.battery.capacity_kwh
        columns = {
            "import_kwh": rows[:, IMPORT],
            "export_kwh": rows[:, EXPORT],
            "charge_kwh": rows[:, CHARGE],
            "discharge_kwh": rows[:, DISCHARGE],
            "soc_start": ratio[:-1],
            "soc_end": ratio[1:],
        }
        with store.transaction():
            for name, values in columns.items():
                store.put_observations(
                    "demo", name, slots, values, known_at=slots + 900, provenance="live"
                )
    return rows


def forget(folder: Path, channel: str, start: datetime, slots: int) -> None:
    """Let a meter have been silent for some slots."""
    first, last = int(start.timestamp()), int((start + slots * timedelta(minutes=15)).timestamp())
    with closing(sqlite3.connect(folder / "darkstar.sqlite")) as db, db:
        db.execute(
            "DELETE FROM slot_observations WHERE channel = ? AND slot_start >= ? "
            "AND slot_start < ?",
            (channel, first, last),
        )
