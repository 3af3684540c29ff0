"""Units and states as numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import SensorError
from telemetry.homeassistant import History, history_values, kind_of, numeric, to_kw, to_kwh


@pytest.mark.parametrize(
    ("unit", "kwh"),
    [
        ("Wh", 7.2e-3),
        ("kWh", 7.2),
        ("MWh", 7200.0),
        ("GWh", 7.2e6),
        ("MJ", 7.2 / 3.6),
        ("GJ", 7200.0 / 3.6),
        ("kJ", 7.2 / 3600.0),
        ("J", 7.2 / 3.6e6),
    ],
)
def test_energies_become_kwh(unit: str, kwh: float) -> None:
    assert kind_of(unit) == "energy"
    assert to_kwh(7.2, unit) == pytest.approx(kwh, rel=1e-15)


def test_powers_become_kw_and_case_counts() -> None:
    assert to_kw(2.0, "W") == 2e-3
    assert to_kw(2.0, "MW") == 2e3
    assert to_kw(2.0, "mW") == 2e-6
    assert kind_of("kw") is None


def test_what_is_no_energy_is_refused() -> None:
    with pytest.raises(SensorError, match="has unit m³, want energy: Wh, kWh"):
        to_kwh(1.0, "m³")
    with pytest.raises(SensorError, match="has unit None, want power"):
        to_kw(1.0, None)


@pytest.mark.parametrize(
    "state",
    [
        "unavailable",
        "unknown",
        "none",
        "None",
        "",
        "nan",
        "inf",
        "-Infinity",
        "1_000",
        "1,5",
        "1e999",
        "٣",
    ],
)
def test_no_number_is_nan_and_never_zero(state: str) -> None:
    assert math.isnan(numeric(state))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_as_written(value: float) -> None:
    assert numeric(str(value)) == value
    assert numeric(f" {value!r} ") == value


def _history(*rows: tuple[str, str | None]) -> History:
    at = np.arange(len(rows), dtype=np.float64)
    return History(at=at, states=tuple(r[0] for r in rows), units=tuple(r[1] for r in rows))


def test_each_row_is_converted_by_its_own_unit() -> None:
    rows = _history(("1.5", "kWh"), ("1600", "Wh"), ("1700", None), ("2", "kW"), ("unknown", "kWh"))
    at, values, kind = history_values(rows)
    assert kind == "energy"
    assert at.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    # 1700 has lost its unit, 2 kW is no energy: neither has a known scale
    np.testing.assert_array_equal(values, [1.5, 1.6, np.nan, np.nan, np.nan])


def test_what_is_no_energy_keeps_its_own_unit() -> None:
    _, percent, kind = history_values(_history(("55", "%"), ("0.55", None)))
    assert kind is None
    np.testing.assert_array_equal(percent, [55.0, np.nan])
    _, plain, _ = history_values(_history(("1", None), ("off", None)))
    np.testing.assert_array_equal(plain, [1.0, np.nan])
