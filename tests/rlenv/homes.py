"""Homes and environments that the tests of ``rlenv`` share; made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

from rlenv import History, demo_history, read_history
from runners.config import load_config
from runners.plan import home_model
from sim.demo import DEMO_HOME
from sim.demo_house import demo_facts, demo_model
from sim.planning import HomeModel
from telemetry.store import Store
from tests.runners.simulate_cases import demo_folder, simulate

SPRING, AUTUMN = date(2025, 3, 30), date(2025, 10, 26)
"""The days on which the clocks change: 92 and 100 slots."""
DAYS = (SPRING, date(2025, 6, 11), AUTUMN, date(2025, 12, 12))
"""92, 96, 100 and 96 slots; sun, none, and prices of both kinds."""
SIMULATED = (("2025-03-21", "2025-03-31"), ("2025-10-18", "2025-10-28"))
"""Twenty days, both changes of the clock among them."""


def year() -> History:
    """The demo home's year."""
    return demo_history()


@cache
def cabin() -> History:
    """Another home: its prices hourly, its plans a day long, its battery small."""
    model = demo_model()
    site = replace(
        model.site,
        battery=replace(
            model.site.battery,
            capacity_kwh=4.0,
            min_soc_kwh=0.5,
            max_soc_kwh=4.0,
            max_charge_kw=2.0,
            max_discharge_kw=3.0,
        ),
        export_margin_per_kwh=0.1,
        allow_grid_charge=False,
    )
    tariff = replace(model.tariff, import_settlement_minutes=60, export_settlement_minutes=60)
    other = replace(model, site=site, tariff=tariff, horizon_hours=24)
    return read_history(demo_facts(7), other, date(2025, 3, 20), date(2025, 4, 9))


@contextmanager
def demo_store(folder: Path) -> Iterator[tuple[Store, HomeModel]]:
    """Open the store of a demo folder, and the home as it is planned."""
    config = load_config(folder / "config.yaml")
    with Store.open(config.store_url, system_id="test") as store:
        yield store, home_model(config, DEMO_HOME.home_id)


def simulated_folder(folder: Path, engine: str) -> Path:
    """Simulate twenty days of the demo home by an engine."""
    demo_folder(folder)
    for first, end in SIMULATED:
        done = simulate(folder, first, end, "--engine", engine, "--all-days")
        assert done.exit_code == 0, done.output
    return folder
