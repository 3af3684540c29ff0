"""Readings of a meter, a power sensor or a state, turned into values per slot.

``counter_slots`` is for meters (kWh), ``power_slots`` for powers (kW), ``state_at_edges`` and
``share_on`` for states. ``held_readings`` and ``statistics_readings`` make readings of what Home
Assistant keeps: its history, and its sums by the hour or by five minutes.
"""

from telemetry.etl_counter import counter_slots, resolution_of, statistics_readings
from telemetry.etl_power import mean_power_slots, power_slots
from telemetry.etl_slots import Readings, SlotEnergy, Unassigned
from telemetry.etl_state import frozen, held_readings, share_on, state_at_edges

__all__ = [
    "Readings",
    "SlotEnergy",
    "Unassigned",
    "counter_slots",
    "frozen",
    "held_readings",
    "mean_power_slots",
    "power_slots",
    "resolution_of",
    "share_on",
    "state_at_edges",
    "statistics_readings",
]
