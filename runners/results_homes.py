"""The reference cases of every table: homes, batteries, grid, tariff and prices.

The real homes are those of the data folder with load and PV, imported as ``darkstar import`` does.
A home outside the price area meets its prices by local wall clock and weekday: a synthetic pairing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import typer

from mpc import Battery, Grid, Site, Tariff
from runners.demo import fill_store
from sim.demo import DEMO_HOME, make_demo_year
from sim.pairing import PricePairing, choose_shift_days
from sim.planning import HomeModel
from telemetry.csv_import import import_file
from telemetry.home import Home
from telemetry.slots import local_day
from telemetry.store import Store

__all__ = [
    "BATTERIES",
    "WARM_UP",
    "Period",
    "ReferenceHome",
    "data_found",
    "demo_home",
    "demo_seasons",
    "known_span",
    "real_homes",
    "with_battery",
]

WARM_UP = timedelta(days=8)
"""History before the first plan."""

BATTERIES = {
    "A": Battery(
        capacity_kwh=10.0,
        min_soc_kwh=1.0,
        max_soc_kwh=10.0,
        max_charge_kw=5.0,
        max_discharge_kw=5.0,
        charge_efficiency=0.95,
        discharge_efficiency=0.95,
        wear_cost_per_kwh=0.2,
    ),
    "B": Battery(
        capacity_kwh=34.0,
        min_soc_kwh=0.15 * 34.0,
        max_soc_kwh=0.95 * 34.0,
        max_charge_kw=8.0,
        max_discharge_kw=8.0,
        charge_efficiency=0.95**0.5,
        discharge_efficiency=0.95**0.5,
        wear_cost_per_kwh=0.2,
    ),
}
"""The reference batteries of every table: 10 and 34 kWh, wear 0.2 SEK per kWh discharged."""

_GRID = Grid(max_import_kw=11.0, max_export_kw=10.0)
_PRICE_ZONE = "Europe/Stockholm"
_PRICE_AREA = "SE4"
_PRICES = (date(2024, 1, 1), date(2025, 9, 30))
_RATES = {"EUR": 11.0}
_FILES = (
    "prices_se3_se4.csv.gz",
    "home_se4_hourly.csv.gz",
    "home_fr_30min.csv.gz",
    "homes_ca_hourly.csv.gz",
)
_SEASONS = ((1, 15), (4, 15), (7, 15), (10, 15))
_SEASON_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceHome:
    """A home of the tables.

    Attributes:
        model: the home with battery A.
        prices: where its prices come from, as the tables say it.
    """

    model: HomeModel
    prices: str

    @property
    def home_id(self) -> str:
        """How the tables call it."""
        return self.model.home.home_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Slots in [start, end), UTC."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        """Its length."""
        return (self.end - self.start) / timedelta(days=1)


def with_battery(model: HomeModel, battery: str) -> HomeModel:
    """Return the home with another reference battery."""
    return replace(model, site=Site(battery=BATTERIES[battery], grid=_GRID))


def data_found(folder: Path) -> bool:
    """Return whether every file of the real homes is there."""
    return all((folder / name).exists() for name in _FILES)


def demo_home(store: Store) -> ReferenceHome:
    """Store the demo year and return its home."""
    fill_store(store, make_demo_year(), Site(battery=BATTERIES["A"], grid=_GRID))
    return ReferenceHome(model=_model(DEMO_HOME, None), prices="own, SE4-like")


def demo_seasons(home: ReferenceHome, year: int = 2025) -> tuple[Period, ...]:
    """Return two weeks of every season, from the 15th of January, April, July and October on."""
    zone, last = str(home.model.home.zone), timedelta(days=_SEASON_DAYS - 1)
    firsts = [date(year, month, day) for month, day in _SEASONS]
    return tuple(
        Period(start=local_day(first, zone)[0], end=local_day(first + last, zone)[1])
        for first in firsts
    )


def real_homes(store: Store, data: Path) -> list[ReferenceHome]:
    """Import the real homes and return them."""
    homes = _homes_with_pv()
    for name in _FILES:
        import_file(store, data / name, homes)
    found = []
    for home in homes.values():
        pairing = _pairing(store, home)
        prices = "SE4, its own"
        if pairing is not None:
            prices = f"SE4, synthetic pairing {pairing.shift_days:+d} days"
        found.append(ReferenceHome(model=_model(home, pairing), prices=prices))
    return found


def known_span(store: Store, home: Home) -> tuple[datetime, datetime]:
    """Return (first moment with enough history, last slot) of a home with load and PV."""
    load = store.coverage(home.home_id, "load_kwh")
    pv = store.coverage(home.home_id, "pv_kwh")
    if load is None or pv is None:
        raise typer.BadParameter(f"home {home.home_id} has no load or no PV in the data")
    return max(load.first, pv.first) + WARM_UP, min(load.last, pv.last)


def _homes_with_pv() -> dict[str, Home]:
    """Return what is known of the homes whose data have load and PV."""
    places: Sequence[tuple[str, str, float, float]] = (
        ("se4_darkstar", "Europe/Stockholm", 55.5, 13.1),
        ("fr_emhass", "Europe/Paris", 48.83, 6.86),
        *((f"ca_0{k}", "America/Los_Angeles", 34.1, -117.4) for k in range(1, 6)),
    )
    return {
        home_id: Home(
            home_id=home_id,
            name=home_id,
            zone=zone,
            latitude=latitude,
            longitude=longitude,
            area=_PRICE_AREA,
            currency="SEK",
        )
        for home_id, zone, latitude, longitude in places
    }


def _pairing(store: Store, home: Home) -> PricePairing | None:
    """Return how a home meets the prices; the home that lives in their zone needs no pairing."""
    if home.zone == _PRICE_ZONE:
        return None
    first, last = known_span(store, home)
    zone = ZoneInfo(str(home.zone))
    shift = choose_shift_days(
        (first - WARM_UP).astimezone(zone).date(),
        (last + timedelta(days=1)).astimezone(zone).date(),
        *_PRICES,
        southern=(home.latitude or 0.0) < 0.0,
    )
    return PricePairing(home_zone=str(home.zone), price_zone=_PRICE_ZONE, shift_days=shift)


def _model(home: Home, pairing: PricePairing | None) -> HomeModel:
    """Return a home with the reference tariff and battery A."""
    return HomeModel(
        home=home,
        site=Site(battery=BATTERIES["A"], grid=_GRID),
        tariff=Tariff(zone=str(home.zone), transfer_fee=0.2456, energy_tax=0.439, vat=0.25),
        price_area=str(home.area),
        price_currency="EUR",
        exchange_rates=_RATES,
        pairing=pairing,
    )
