"""A house for the tests of the Lab, in memory: every day alike, so that forecasts are exact.

Spot is 0.10 all day, 0.60 from 07:00 to 08:00 and 1.00 from 18:00 to 19:00; import and export price
are spot. The battery holds 10 kWh without losses and moves 5 kW, 1.25 kWh a slot; the house neither
uses nor makes anything unless a test says so.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpc import Battery, Grid, Site, Tariff
from sim.array_facts import ArrayFacts
from sim.lab import Lab, LabOptions
from telemetry.arrays import F64
from telemetry.home import Home
from telemetry.slots import local_calendar, local_day, slot_range

__all__ = ["DAY", "EVENING", "HOME", "MORNING", "ZONE", "make_facts", "make_lab", "same", "site_of"]

ZONE = "Europe/Stockholm"
DAY = date(2025, 6, 12)
HOME = Home(home_id="h", name="h", zone=ZONE, area="SE4", currency="SEK")
MORNING, EVENING = tuple(range(28, 32)), tuple(range(72, 76))
"""Slots of the two price peaks, counted from local midnight."""
_BEFORE, _AFTER = timedelta(days=10), timedelta(days=5)

Wall = Callable[[F64], NDArray[Any]]


def spot_of(quarter: F64) -> F64:
    """Return the price of each quarter of the wall clock, 0 to 95."""
    spot = np.full(quarter.size, 0.1)
    spot[(quarter >= 28) & (quarter < 32)] = 0.6
    spot[(quarter >= 72) & (quarter < 76)] = 1.0
    return spot


def same(value: float) -> Wall:
    """Return the same value in every quarter."""
    return lambda quarter: np.full(quarter.size, value)


def nothing(quarter: F64) -> F64:
    """Return no energy."""
    return np.zeros(quarter.size)


def make_facts(
    load: Wall = nothing,
    pv: Wall = nothing,
    spot: Wall = spot_of,
    *,
    day: date = DAY,
    change: Callable[[F64], F64] | None = None,
    change_pv: Callable[[F64], F64] | None = None,
) -> ArrayFacts:
    """Return days around ``day`` by the wall clock.

    ``change`` is of the load from that day on, ``change_pv`` what PV makes then.
    """
    start = local_day(day - _BEFORE, ZONE)[0]
    slots = slot_range(start, local_day(day + _AFTER, ZONE)[0])
    calendar = local_calendar(slots, ZONE)
    quarter = (calendar.minute // 15).astype(np.float64)
    load_kwh, pv_kwh = load(quarter), pv(quarter)
    begun = slots >= slot_range(*local_day(day, ZONE))[0]
    if change is not None:
        load_kwh = np.where(begun, change(load_kwh), load_kwh)
    if change_pv is not None:
        pv_kwh = np.where(begun, change_pv(quarter), pv_kwh)
    return ArrayFacts(
        HOME,
        start=start,
        load_kwh=load_kwh,
        pv_kwh=pv_kwh,
        spot=spot(quarter),
        spot_known_at=slots - 86_400,
        area="SE4",
        currency="SEK",
    )


def site_of(wear: float = 0.0, margin: float = 0.0, **battery: Any) -> Site:
    """Return a site with the battery above."""
    given: dict[str, Any] = {
        "capacity_kwh": 10.0,
        "max_charge_kw": 5.0,
        "max_discharge_kw": 5.0,
        "charge_efficiency": 1.0,
        "discharge_efficiency": 1.0,
        "wear_cost_per_kwh": wear,
    }
    return Site(
        battery=Battery(**(given | battery)),
        grid=Grid(max_import_kw=11.0, max_export_kw=10.0),
        export_margin_per_kwh=margin,
    )


def make_lab(
    site: Site | None = None, facts: ArrayFacts | None = None, tariff: Tariff | None = None
) -> Lab:
    """Return the Lab of that house."""
    return Lab(
        make_facts() if facts is None else facts,
        HOME,
        site_of() if site is None else site,
        Tariff(zone=ZONE) if tariff is None else tariff,
        LabOptions(),
    )


def with_limits(site: Site, **grid: float) -> Site:
    """Return a site with another grid connection."""
    return replace(site, grid=replace(site.grid, **grid))
