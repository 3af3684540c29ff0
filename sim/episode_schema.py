"""What the texts of a training episode say: columnar JSON of schema ``darkstar.episode/1``.

    inputs    what was known: prices, forecasts, stored energy, the 96 elapsed slots
    context   vacation, alarm, volatility, quality of the day, what a scenario changed
    schedule  the plan: stored energy, energy values, curtailed PV, cost, certificate, and the
              blocks it was asked for, if any

Numbers have 4 decimals, null is missing. Flows are left out: balances give them back,

    change[t] = soc[t] - soc[t-1]                                                       (Y1)
    charge    = change+ / eta_c,   discharge = change- * eta_d                          (Y2)
    import - export = load - pv + charge - discharge + curtail                          (Y3)

Stored energy is written rather than the flows: its rounding error stays below 0.05 Wh in every
slot, that of a sum of rounded flows grows with the horizon. So a flow of the battery is known to
0.1 Wh of stored energy, one of the grid to 0.15 Wh more, and a battery that rests rests exactly.
Units: kWh per slot at the AC bus, kWh stored, currency/kWh, ratios, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "BATTERY",
    "BOUNDS",
    "EPISODE_SCHEMA",
    "FORECASTS",
    "OBSERVED",
    "OBSERVED_SLOTS",
    "PARTS",
    "PLANNED",
    "EpisodeContext",
    "SlotMoney",
]

EPISODE_SCHEMA = "darkstar.episode/1"
OBSERVED_SLOTS = 96
"""Elapsed slots whose load and PV an episode tells."""

FORECASTS = ("import_price", "export_price", "load_kwh", "pv_kwh")
OBSERVED = ("observed_load_kwh", "observed_pv_kwh")
PLANNED = ("soc_kwh", "energy_value_up", "energy_value_down")
BOUNDS = ("min_soc_kwh", "max_soc_kwh")
PARTS = ("bill", "wear", "penalty", "terminal", "gap")
BATTERY = ("charge_efficiency", "discharge_efficiency", "wear_cost_per_kwh")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeContext:
    """What else was known of the home and its day; NaN where it was not.

    Attributes:
        vacation: share of the newest known slot that nobody lived there, 0 to 1.
        alarm: likewise, that the alarm was armed.
        price_volatility: standard deviation of the import price over the horizon, currency/kWh.
        cloud_volatility: of the forecast cloud cover, a ratio, as known at the day's start.
        temp_volatility: of the forecast temperature, degC.
        quality_class: ``clean``, ``mask_battery`` or ``exclude``; "" where nobody judged the day.
        soc_source: where the start energy is known from.
        changes: parameters of the scenario and their values; nothing for history as recorded.
    """

    vacation: float
    alarm: float
    price_volatility: float
    cloud_volatility: float
    temp_volatility: float
    quality_class: str
    soc_source: str
    changes: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotMoney:
    """What the first slot of a plan really cost, currency; ``cost`` is bill, wear and penalty."""

    bill: float
    wear: float
    cost: float
