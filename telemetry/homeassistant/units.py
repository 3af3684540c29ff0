"""Units of Home Assistant's energies and powers, and its states as numbers.

A unit is told by its exact letters: ``mW`` is a thousandth of a watt, ``MW`` a million.
"""

from __future__ import annotations

import math
import re
from typing import Literal

import numpy as np

from telemetry.arrays import F64
from telemetry.errors import SensorError
from telemetry.homeassistant.types import History

Kind = Literal["energy", "power"]
ENERGY_KWH = {
    "Wh": 1e-3,
    "kWh": 1.0,
    "MWh": 1e3,
    "GWh": 1e6,
    "J": 1.0 / 3.6e6,
    "kJ": 1.0 / 3.6e3,
    "MJ": 1.0 / 3.6,
    "GJ": 1e3 / 3.6,
}
POWER_KW = {"mW": 1e-6, "W": 1e-3, "kW": 1.0, "MW": 1e3, "GW": 1e6}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def kind_of(unit: str | None) -> Kind | None:
    """Say what a unit measures; None where it is neither energy nor power."""
    if unit in ENERGY_KWH:
        return "energy"
    return "power" if unit in POWER_KW else None


def to_kwh(value: float, unit: str | None) -> float:
    """Energy in kWh.

    Raises:
        SensorError: the unit is none of energy.
    """
    return value * _factor("a value", unit, ENERGY_KWH, "energy")


def to_kw(value: float, unit: str | None) -> float:
    """Power in kW.

    Raises:
        SensorError: the unit is none of power.
    """
    return value * _factor("a value", unit, POWER_KW, "power")


def numeric(state: str) -> float:
    """Return a state as a number; NaN for ``unavailable`` and all else that is none."""
    if _NUMBER.fullmatch(state.strip()) is None:
        return math.nan
    value = float(state)
    return value if math.isfinite(value) else math.nan


def history_values(history: History) -> tuple[F64, F64, Kind | None]:
    """Return the history of a sensor as numbers: when, how much, and of what.

    Each row is converted by the unit it came with, as a sensor may change it. A row without a
    unit where others have one, or with a unit of another kind, is NaN: its scale is unknown.

    Returns:
        Epoch seconds (N,); kWh, kW or, where the kind is None, the sensor's own unit (N,); kind.
    """
    unit = next((u for u in history.units if u is not None), None)
    kind = kind_of(unit)
    known = {own: _row_factor(own, unit, kind) for own in set(history.units)}
    factors = np.array([known[own] for own in history.units], dtype=np.float64)
    values = np.array([numeric(state) for state in history.states], dtype=np.float64)
    return history.at, values * factors, kind


def _row_factor(own: str | None, unit: str | None, kind: Kind | None) -> float:
    if kind is None:
        return 1.0 if own == unit else math.nan
    table = ENERGY_KWH if kind == "energy" else POWER_KW
    return table.get(own or "", math.nan)


def _factor(name: str, unit: str | None, table: dict[str, float], kind: Kind) -> float:
    factor = table.get(unit or "")
    if factor is None:
        raise SensorError(name, f"has unit {unit}", f"{kind}: {', '.join(table)}")
    return factor
