"""What the Lab needs to know of a home beside its facts, its site and its tariff."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mpc import Site, Tariff
from sim.asof import BaselineForecasts
from sim.errors import ScenarioError
from sim.lab_inputs import Forecast, LoopForecast, by_baseline
from sim.pairing import PricePairing
from sim.planning import HomeModel
from telemetry.home import Home

__all__ = ["LabOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOptions:
    """Options of the Lab, each with its default.

    Attributes:
        price_area: whose spot prices the home pays; None: its own area's.
        price_currency: the stored currency that is preferred.
        exchange_rates: units of the home's currency per unit of another.
        pairing: for a home from another place or year than its prices.
        horizon_hours: how far a plan reaches, at least the day.
        load_days, pv_days: days that the baseline forecast averages.
        forecast: what was expected at a moment, where that is not the baseline's.
        loop_forecast: the same at every slot of a closed loop.
        max_age_hours: how old the recorded state of charge at a day's start may be.
        bridge_hours: how long PV may be missing, where a day is seen with what happened, to be
            read off its neighbours.
    """

    price_area: str | None = None
    price_currency: str | None = None
    exchange_rates: Mapping[str, float] = field(default_factory=dict)
    pairing: PricePairing | None = None
    horizon_hours: int = 48
    load_days: int = 7
    pv_days: int = 3
    forecast: Forecast = by_baseline
    loop_forecast: LoopForecast = BaselineForecasts
    max_age_hours: float = 24.0
    bridge_hours: float = 0.0

    def model(self, home: Home, site: Site, tariff: Tariff) -> HomeModel:
        """Return a home as the planner needs it.

        Raises:
            ScenarioError: whose prices it pays is not known.
        """
        area = home.area if self.price_area is None else self.price_area
        if area is None:
            want = "LabOptions(price_area=...), or a home with an area: SE3, DK1, ..."
            raise ScenarioError("price_area", None, want)
        return HomeModel(
            home=home,
            site=site,
            tariff=tariff,
            price_area=area,
            price_currency=self.price_currency,
            exchange_rates=dict(self.exchange_rates),
            pairing=self.pairing,
            horizon_hours=self.horizon_hours,
            load_days=self.load_days,
            pv_days=self.pv_days,
        )
