"""The horizon every planner benchmark uses: two days of the demo home, re-planned slot by slot."""

from datetime import timedelta
from functools import lru_cache

import numpy as np

from mpc import Battery, Grid, Horizon, Site, Tariff
from sim.demo import DemoYear, make_demo_year
from telemetry.slots import SLOT_MINUTES, from_epoch

SLOTS = 192
FIRST_SLOT = 100 * 96
"""A day in April: cold nights, sun at noon."""
EUR_TO_SEK = 11.0

SITE = Site(
    battery=Battery(
        capacity_kwh=10.0,
        min_soc_kwh=1.0,
        max_charge_kw=5.0,
        max_discharge_kw=5.0,
        wear_cost_per_kwh=0.2,
    ),
    grid=Grid(max_import_kw=11.0, max_export_kw=10.0),
)
TARIFF = Tariff(zone="Europe/Stockholm", transfer_fee=0.2456, energy_tax=0.439, vat=0.25)
START_SOC_KWH = 5.0


@lru_cache(maxsize=1)
def _year() -> DemoYear:
    """The demo year, made once."""
    return make_demo_year(seed=0)


def demo_horizon(moved: int = 0, slots: int = SLOTS) -> Horizon:
    """Return ``slots`` slots of the demo year, ``moved`` slots after the first one."""
    year = _year()
    window = slice(FIRST_SLOT + moved, FIRST_SLOT + moved + slots)
    start = from_epoch(int(year.slot_start[FIRST_SLOT])) + timedelta(minutes=SLOT_MINUTES * moved)
    spot = year.spot_eur_per_kwh[window] * EUR_TO_SEK
    imports, exports = TARIFF.prices(start, SLOT_MINUTES, spot)
    return Horizon(
        start=start,
        slot_minutes=SLOT_MINUTES,
        import_price=imports,
        export_price=exports,
        load_kwh=np.ascontiguousarray(year.load_kwh[window]),
        pv_kwh=np.ascontiguousarray(year.pv_kwh[window]),
    )
