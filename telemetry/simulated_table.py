"""Rows of simulated days: which days of a simulation are whole, and what went into them.

A day is marked in the transaction that writes its episodes; a simulation that is run again passes
by the days whose mark holds the hash of the same task.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from telemetry.schema import simulated_days as table
from telemetry.sql import WriteCounts, put_row


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDay:
    """A day whose episodes are all stored.

    Attributes:
        scenario: that of its episodes.
        config_hash: that of its episodes.
        engine: that of its episodes.
        local_day: the day in the home's zone.
        task_hash: of all that went into its episodes, 32 hexadecimal digits.
        episodes: how many it has: 92, 96 or 100.
    """

    scenario: str
    config_hash: str
    engine: str
    local_day: date
    task_hash: str
    episodes: int


def put(conn: sa.Connection, *, system_id: str, home_id: str, day: SimulatedDay) -> WriteCounts:
    """Mark a day; see ``Store.put_simulated_day``."""
    row = {
        "home_id": home_id,
        "system_id": system_id,
        "scenario": day.scenario,
        "config_hash": day.config_hash,
        "engine": day.engine,
        "local_day": day.local_day.isoformat(),
        "task_hash": day.task_hash,
        "episodes": day.episodes,
    }
    return put_row(conn, table, row)


def read(
    conn: sa.Connection, *, system_id: str, home_id: str, scenario: str, config_hash: str
) -> dict[tuple[date, str], SimulatedDay]:
    """Read the marks of a series; see ``Store.simulated_days``."""
    given = {
        "home_id": home_id,
        "system_id": system_id,
        "scenario": scenario,
        "config_hash": config_hash,
    }
    statement = sa.select(table).where(*(table.c[name] == value for name, value in given.items()))
    found = conn.execute(statement.order_by(table.c.local_day, table.c.engine)).mappings()
    days = [
        SimulatedDay(
            scenario=row["scenario"],
            config_hash=row["config_hash"],
            engine=row["engine"],
            local_day=date.fromisoformat(row["local_day"]),
            task_hash=row["task_hash"],
            episodes=row["episodes"],
        )
        for row in found
    ]
    return {(day.local_day, day.engine): day for day in days}
