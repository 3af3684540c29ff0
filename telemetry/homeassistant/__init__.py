"""Home Assistant as a source of facts: its statistics, its states and their history.

with HomeAssistant(url, token) as ha:
    rows = ha.statistics(["sensor.load_total"], start, end, period="hour", now=now)
"""

from telemetry.homeassistant.cache import DayCache
from telemetry.homeassistant.client import HomeAssistant
from telemetry.homeassistant.types import (
    PERIOD_SECONDS,
    History,
    Peer,
    Period,
    State,
    StatisticMeta,
    Statistics,
)
from telemetry.homeassistant.units import history_values, kind_of, numeric, to_kw, to_kwh

__all__ = [
    "PERIOD_SECONDS",
    "DayCache",
    "History",
    "HomeAssistant",
    "Peer",
    "Period",
    "State",
    "StatisticMeta",
    "Statistics",
    "history_values",
    "kind_of",
    "numeric",
    "to_kw",
    "to_kwh",
]
