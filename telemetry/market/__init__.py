"""Electricity markets: day-ahead prices per delivery day, from two providers.

NordPool       in the home's currency, with the time of issue; about two months of history
EnergyCharts   in EUR, years of history, time of issue assumed
"""

from telemetry.market.energy_charts import EnergyCharts
from telemetry.market.market import (
    DayAhead,
    DeliveryDay,
    StoredDay,
    days_between,
    market_day,
    put_day,
    stored_days,
)
from telemetry.market.nordpool import NordPool

__all__ = [
    "DayAhead",
    "DeliveryDay",
    "EnergyCharts",
    "NordPool",
    "StoredDay",
    "days_between",
    "market_day",
    "put_day",
    "stored_days",
]
