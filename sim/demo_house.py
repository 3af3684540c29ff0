"""The demo home as it is planned: battery, grid and tariff of ``darkstar demo``, and its facts.

A test holds the numbers equal to those of the configuration that the command writes. Units: kWh,
kW, SEK/kWh; spot prices in EUR/kWh.
"""

from collections.abc import Mapping
from datetime import date

from mpc import Battery, Grid, PriceEntry, Site, Tariff
from sim.array_facts import ArrayFacts
from sim.demo import DEMO_HOME, DemoYear, make_demo_year
from sim.planning import HomeModel
from telemetry.quality_table import DayClass
from telemetry.slots import from_epoch

__all__ = ["DEMO_CURRENCY", "SEK_PER_EUR", "demo_facts", "demo_model", "facts_of"]

SEK_PER_EUR = 11.0
DEMO_CURRENCY = "EUR"
"""Of the spot prices."""


def demo_model() -> HomeModel:
    """Return the demo home as the planner needs it."""
    zone, area = str(DEMO_HOME.zone), str(DEMO_HOME.area)
    return HomeModel(
        home=DEMO_HOME,
        site=Site(
            battery=Battery(
                capacity_kwh=10.0,
                min_soc_kwh=1.0,
                max_soc_kwh=10.0,
                max_charge_kw=5.0,
                max_discharge_kw=5.0,
                charge_efficiency=0.95,
                discharge_efficiency=0.95,
                wear_cost_per_kwh=0.2,
            ),
            grid=Grid(max_import_kw=11.0, max_export_kw=10.0),
        ),
        tariff=Tariff(
            zone=zone,
            transfer_fee=0.2456,
            energy_tax=0.439,
            vat=0.25,
            tax_credit=(
                PriceEntry(value=0.60, valid_from=date(2015, 1, 1)),
                PriceEntry(value=0.0, valid_from=date(2026, 1, 1)),
            ),
        ),
        price_area=area,
        exchange_rates={DEMO_CURRENCY: SEK_PER_EUR},
    )


def demo_facts(
    seed: int = 0, year: int = 2025, verdicts: Mapping[date, DayClass] | None = None
) -> ArrayFacts:
    """Return load, PV and prices of the demo home's local calendar ``year``.

    Args:
        seed: of what is drawn.
        year: at home.
        verdicts: on days that are not clean.
    """
    return facts_of(make_demo_year(seed, year), verdicts)


def facts_of(year: DemoYear, verdicts: Mapping[date, DayClass] | None = None) -> ArrayFacts:
    """Return load, PV and prices of a demo year; ``verdicts`` are on days that are not clean."""
    return ArrayFacts(
        year.home,
        start=from_epoch(int(year.slot_start[0])),
        load_kwh=year.load_kwh,
        pv_kwh=year.pv_kwh,
        spot=year.spot_eur_per_kwh,
        spot_known_at=year.spot_known_at,
        area=str(year.home.area),
        currency=DEMO_CURRENCY,
        verdicts=verdicts,
    )
