"""Homes whose planner runs are simulated and mirrored by the commands that a user types.

    home = demo_folder(folder)                    # a year of facts and a config.yaml
    batch = simulate(home, first, end, ...)       # darkstar simulate, a whole process
    mirrored = mirror(home, server)               # darkstar mirror, into a private MariaDB

Seconds are those of the whole process, sizes those of the file or of the table.
"""

import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.peers.mariadb import RealMariaDB

__all__ = ["Batch", "Mirrored", "demo_folder", "mirror", "real_folder", "simulate"]

_MB = 1e6
_DARKSTAR = (sys.executable, "-m", "runners.cli")
_SE4 = """system: {system_id: dev}
store: {url: darkstar.sqlite}
currency: SEK
exchange_rates: {EUR: 11.0}
homes:
  se4_darkstar:
    zone: Europe/Stockholm
    latitude: 55.5
    longitude: 13.1
    elevation_m: 30
    area: se4
    planes: [{tilt_deg: 45, azimuth_deg: 150, peak_kw: 8.0}]
    battery:
      capacity_kwh: 34.0
      min_soc_percent: 15
      max_soc_percent: 95
      max_charge_kw: 8.0
      max_discharge_kw: 8.0
      charge_efficiency: 0.9747
      discharge_efficiency: 0.9747
      wear_cost_per_kwh: 0.2
    grid: {max_import_kw: 11.0, max_export_kw: 10.0}
    tariff: {transfer_fee: 0.2456, energy_tax: 0.439, vat: 0.25}
"""
_SE4_FILES = ("prices_se3_se4.csv.gz", "home_se4_hourly.csv.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a simulation left behind.

    Attributes:
        episodes: rows in the store.
        scenarios: how many series they are.
        days: local days with episodes.
        first, last: the first and the last of them.
        seconds: of the process.
        json_kb: mean size of an episode's four texts, kB.
        store_mb: what the episodes added to the file, MB.
    """

    episodes: int
    scenarios: int
    days: int
    first: str
    last: str
    seconds: float
    json_kb: float
    store_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """What the mirror holds: rows, seconds of the process, MB of the table."""

    episodes: int
    seconds: float
    table_mb: float


def demo_folder(folder: Path) -> Path:
    """Make the demo home in ``folder``; return its configuration."""
    _run("demo", "--no-plot", "--out", str(folder))
    return folder / "config.yaml"


def real_folder(folder: Path, data: Path) -> Path:
    """Import the SE4 home with battery B into ``folder``; return its configuration."""
    folder.mkdir(parents=True)
    config = folder / "config.yaml"
    config.write_text(_SE4, encoding="utf-8")
    _run("import", *(str(data / name) for name in _SE4_FILES), "--config", str(config))
    return config


def simulate(config: Path, first: date, end: date, *, engine: str, scenarios: int = 1) -> Batch:
    """Simulate the local days of [first, end) and look at what is stored."""
    before = _size(config)
    begin = time.perf_counter()
    _run(
        "simulate",
        *("--config", str(config)),
        *("--start-date", first.isoformat(), "--end-date", end.isoformat()),
        *("--engine", engine, "--scenarios", str(scenarios)),
    )
    seconds = time.perf_counter() - begin
    with sqlite3.connect(config.parent / "darkstar.sqlite") as store:
        found = store.execute(
            "SELECT count(*), count(DISTINCT scenario), count(DISTINCT local_day), min(local_day),"
            " max(local_day), avg(length(inputs_json) + length(context_json)"
            " + length(schedule_json) + length(config_overrides_json)) FROM training_episodes"
            " WHERE engine = ?",
            [engine],
        ).fetchone()
    store.close()
    episodes, series, days, day, last, size = found
    return Batch(
        episodes=episodes,
        scenarios=series,
        days=days,
        first=day,
        last=last,
        seconds=seconds,
        json_kb=size / 1e3,
        store_mb=(_size(config) - before) / _MB,
    )


def mirror(config: Path, server: RealMariaDB) -> Mirrored:
    """Mirror all episodes and count what arrived."""
    text = config.read_text(encoding="utf-8")
    section = (
        f"\nmirror:\n  host: {server.host}\n  port: {server.port}\n  user: {server.user}\n"
        "  password: !secret mirror_password\n"
    )
    config.write_text(text + section, encoding="utf-8")
    secrets = config.parent / "secrets.yaml"
    secrets.touch(mode=0o600)
    secrets.write_text(f"mirror_password: '{server.password}'\n", encoding="utf-8")
    begin = time.perf_counter()
    _run("mirror", "--config", str(config))
    seconds = time.perf_counter() - begin
    count, size = (
        server.sql(
            "ANALYZE TABLE training_episodes; SELECT concat('=', count(*), ' ', (SELECT data_length"
            " + index_length FROM information_schema.tables WHERE table_name = 'training_episodes'"
            " AND table_schema = 'antares_learning')) FROM training_episodes",
            "antares_learning",
        )
        .rpartition("=")[2]
        .split()
    )
    return Mirrored(episodes=int(count), seconds=seconds, table_mb=int(size) / _MB)


def _run(*arguments: str) -> None:
    """Run one command to its end."""
    command = [*_DARKSTAR, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ})


def _size(config: Path) -> int:
    """Return the bytes of the store, what is not yet checkpointed included."""
    store = config.parent / "darkstar.sqlite"
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return store.stat().st_size
