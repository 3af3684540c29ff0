"""The measured round trip is that of the battery that was measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.quality.round_trip import round_trip

NAN = np.nan


def test_by_hand() -> None:
    # 10 kWh in, 9 stored, of which 8.1 come out: 0.9 either way, empty before and after.
    found = round_trip(np.array([10.0, 0.0]), np.array([0.0, 8.1]), np.array([0.0, 9.0, 0.0]))
    assert found is not None
    assert found.efficiency == pytest.approx(0.81)
    assert (found.charge_kwh, found.discharge_kwh, found.stored_kwh) == (10.0, 8.1, 0.0)


def test_what_stays_stored_counts() -> None:
    # Nothing came out, 9 of 10 kWh are stored: 0.9 on the way in, so 0.81 around.
    found = round_trip(np.array([10.0]), np.array([0.0]), np.array([0.0, 9.0]))
    assert found is not None
    assert found.efficiency == pytest.approx(0.81)


@given(
    eta=st.floats(0.7, 1.0),
    wishes=st.lists(st.floats(-2.0, 2.0), min_size=4, max_size=40),
)
def test_any_battery_is_recovered(eta: float, wishes: list[float]) -> None:
    moved = np.array([*wishes, 2.0])
    charge, discharge = np.maximum(moved, 0.0), np.maximum(-moved, 0.0)
    stored = 100.0 + np.concatenate([[0.0], np.cumsum(eta * charge - discharge / eta)])
    found = round_trip(charge, discharge, stored)
    assert found is not None
    assert found.efficiency == pytest.approx(eta**2, rel=1e-6)


def test_gaps_split_what_is_summed() -> None:
    """What is not known on one side of a gap does not spoil the other."""
    charge = np.array([10.0, 0.0, NAN, 10.0, 0.0])
    discharge = np.array([0.0, 8.1, 0.0, 0.0, 8.1])
    stored = np.array([0.0, 9.0, 0.0, NAN, 9.0, 0.0])
    found = round_trip(charge, discharge, stored)
    assert found is not None
    # The second run has its first reading after the charge: only 8.1 out, for 9 stored.
    assert (found.charge_kwh, found.discharge_kwh, found.stored_kwh) == (10.0, 16.2, -9.0)
    assert found.efficiency == pytest.approx(0.81)


@pytest.mark.parametrize(
    ("charge", "stored"),
    [
        pytest.param([0.0, 0.0], [5.0, 5.0, 5.0], id="nothing moved"),
        pytest.param([1.0, 1.0], [5.0, NAN, NAN], id="one reading"),
        pytest.param([NAN, NAN], [5.0, 6.0, 7.0], id="no meter"),
    ],
)
def test_nothing_to_be_said(charge: list[float], stored: list[float]) -> None:
    assert round_trip(np.array(charge), np.zeros(2), np.array(stored)) is None
