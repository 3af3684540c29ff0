"""States that hold: readings of them, edges, shares, frozen meters. Times in minutes after T0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.arrays import F64
from telemetry.channels import Quality
from telemetry.errors import SeriesError
from telemetry.etl import (
    Readings,
    SlotEnergy,
    counter_slots,
    frozen,
    held_readings,
    share_on,
    state_at_edges,
)
from tests.telemetry.test_etl_counter import NAN, T0, _expect, _slots, balance

LUMP, GAP, RESET = int(Quality.LUMP), int(Quality.GAP), int(Quality.RESET)
SPREAD = int(Quality.SPREAD)


def _at(minutes: Sequence[float]) -> F64:
    return T0 + 60.0 * np.array(minutes, dtype=np.float64)


def _held(minutes: Sequence[float], values: Sequence[float], until: float) -> Readings:
    return held_readings(
        _at(minutes), np.array(values), until=T0 + 60.0 * until, spacing_seconds=900.0
    )


def _slot_energy(readings: Readings, count: int) -> SlotEnergy:
    return counter_slots(readings, _slots(count), spacing_seconds=900.0, limit_kw=9.0)


def _rows(readings: Readings) -> list[tuple[float, float]]:
    minutes = ((readings.at - T0) / 60).tolist()
    return [
        (round(minute, 6), round(value, 9))
        for minute, value in zip(minutes, readings.value.tolist(), strict=True)
    ]


def test_changes_within_an_hour_lie_on_a_line() -> None:
    readings = _held([0, 30, 40], [1.0, 1.2, 1.3], 40)
    assert _rows(readings) == [(0, 1.0), (15, 1.1), (30, 1.2), (40, 1.3)]
    hour = _held([0, 60], [1.0, 1.4], 60)
    assert _rows(hour) == [(0, 1.0), (15, 1.1), (30, 1.2), (45, 1.3), (60, 1.4)]


def test_a_rest_of_more_than_an_hour_stands_until_just_before_the_change() -> None:
    readings = _held([0, 75], [1.0, 1.2], 75)
    assert _rows(readings) == [(0, 1.0), (15, 1.0), (30, 1.0), (45, 1.0), (60, 1.0), (75, 1.2)]
    _expect(_slot_energy(readings, 5), [0.0] * 4 + [0.2], [0] * 4 + [LUMP])


def test_a_fall_is_not_smeared_into_many_resets() -> None:
    readings = _held([0, 45, 60], [8.0, 1.0, 1.5], 60)
    assert _rows(readings) == [(0, 8.0), (15, 8.0), (30, 8.0), (45, 1.0), (60, 1.5)]
    _expect(_slot_energy(readings, 4), [0.0, 0.0, 1.0, 0.5], [0, 0, RESET, 0])


def test_the_last_value_stands_until_the_end() -> None:
    readings = _held([0, 15], [1.0, 1.2], 40)
    assert _rows(readings) == [(0, 1.0), (15, 1.2), (27.5, 1.2), (40, 1.2)]


@pytest.mark.parametrize(
    ("back", "energy", "quality"),
    [
        pytest.param(45, 0.1, 0, id="15 minutes: as long as the spacing"),
        pytest.param(105, 0.3 / 15 * 3, SPREAD, id="75 minutes: an hour more than the spacing"),
        pytest.param(120, NAN, GAP, id="90 minutes"),
    ],
)
def test_an_outage_stays_a_gap(back: float, energy: float, quality: int) -> None:
    # The value stands until it goes unavailable at 30.
    lost = 0.1 if back == 45 else 0.3
    readings = _held([0, 30, 35, back], [1.0, NAN, NAN, 1.0 + lost], back)
    count = int(back) // 15
    found = _slot_energy(readings, count)
    _expect(found, [0.0, 0.0] + [energy] * (count - 2), [0, 0] + [quality] * (count - 2))


def test_what_ends_unavailable_is_known_to_its_end() -> None:
    readings = _held([0, 20], [1.0, NAN], 60)
    known = [row for row in _rows(readings) if not np.isnan(row[1])]
    assert known == [(0, 1.0), (10, 1.0), (20, 1.0)]


changes = st.lists(
    st.tuples(
        st.sampled_from([60, 600, 901, 3600, 3601, 20_000]),
        st.sampled_from([0.0, 0.1, 0.5, 2.0, NAN]),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(rows=changes, hold=st.sampled_from([0, 500, 5000]), spacing=st.sampled_from([300.0, 900.0]))
def test_holding_adds_no_energy_and_no_gap(
    rows: list[tuple[int, float]], hold: int, spacing: float
) -> None:
    at = T0 - 900 + np.cumsum(np.array([row[0] for row in rows], dtype=np.float64))
    kwh = 5.0 + np.cumsum(np.nan_to_num(np.array([row[1] for row in rows])))
    kwh[[np.isnan(row[1]) for row in rows]] = np.nan
    held = held_readings(at, kwh, until=at[-1] + hold, spacing_seconds=spacing)
    assert (np.diff(held.at) > 0.0).all()
    assert np.isin(at, held.at).all()
    found = counter_slots(held, _slots(80), spacing_seconds=spacing, limit_kw=None)
    plain = counter_slots(
        Readings(at=at, value=kwh), _slots(80), spacing_seconds=spacing, limit_kw=None
    )
    assert found.advance_kwh == pytest.approx(plain.advance_kwh, abs=1e-9)
    assert balance(found) == pytest.approx(found.advance_kwh, abs=1e-9)
    if not np.isnan(kwh).any():
        assert not (found.quality & (GAP | SPREAD)).any()


@pytest.mark.parametrize(
    ("minutes", "values", "until", "want"),
    [
        pytest.param([5, 15, 40], [0.2, 0.3, 0.4], 60, [NAN, 0.3, 0.3, 0.4, 0.4], id="held"),
        pytest.param([0, 20], [0.2, 0.3], 44, [0.2, 0.2, 0.3, NAN, NAN], id="to until alone"),
        pytest.param([0], [0.2], 0, [0.2, NAN, NAN, NAN, NAN], id="one state, no time"),
        pytest.param(
            [0, 10, 50], [0.2, NAN, 0.3], 60, [0.2, 0.2, 0.2, 0.2, 0.3], id="a short outage"
        ),
        pytest.param([0, 15], [0.2, NAN], 60, [0.2, NAN, NAN, NAN, NAN], id="one that goes on"),
        pytest.param([0, 15], [NAN, NAN], 60, [NAN] * 5, id="never known"),
    ],
)
def test_state_at_edges(
    minutes: Sequence[float], values: Sequence[float], until: float, want: Sequence[float]
) -> None:
    edges = T0 + 900 * np.arange(5, dtype=np.int64)
    end = T0 + 60.0 * until
    found = state_at_edges(_at(minutes), np.array(values), edges, until=end)
    np.testing.assert_array_equal(found, want)


def test_a_state_is_not_held_through_a_long_outage() -> None:
    edges = T0 + 900 * np.arange(5, dtype=np.int64)
    found = state_at_edges(
        _at([0, 10, 50]),
        np.array([0.2, NAN, 0.3]),
        edges,
        until=T0 + 3600.0,
        longest_gap_seconds=2399,
    )
    np.testing.assert_array_equal(found, [0.2, NAN, NAN, NAN, 0.3])


def test_share_of_a_slot_that_is_on() -> None:
    # off to 5, on to 20, unknown to 27, off to 37, unknown to 46, on until 60
    found = share_on(
        _at([0, 5, 20, 27, 37, 46]),
        np.array([0.0, 1.0, NAN, 0.0, NAN, 1.0]),
        _slots(5),
        until=T0 + 3600.0,
    )
    # 10 of 15; 5 of the 8 known; 7 known, 0 on: less than half is known; 14 of 14; none
    np.testing.assert_allclose(found, [10 / 15, 5 / 8, NAN, 1.0, NAN], atol=1e-12)


def test_share_needs_a_switch() -> None:
    with pytest.raises(SeriesError, match="on is neither 0 nor 1"):
        share_on(_at([0]), np.array([0.5]), _slots(1), until=T0 + 900.0)
    assert np.isnan(share_on(_at([]), np.array([]), _slots(2), until=float(T0))).all()


def test_states_may_not_end_before_the_last() -> None:
    with pytest.raises(SeriesError, match="until is"):
        _held([0, 15], [1.0, 2.0], 10)
    with pytest.raises(SeriesError, match="until is"):
        state_at_edges(_at([0, 15]), np.ones(2), _slots(1), until=float(T0))


@pytest.mark.parametrize(
    ("values", "hours", "typical_kw", "want"),
    [
        pytest.param([0.5, 0.0, 0.5], 1.0, 0.5, [0, 1, 0], id="0.5 kWh due, 4 ticks are 0.4"),
        pytest.param([0.5, 0.0, 0.5], 1.0, 0.01, [0, 0, 0], id="a cottage"),
        pytest.param([0.0] * 41, 1.0, 0.01, [1] * 41, id="a cottage for 41 hours: 0.41"),
        pytest.param([0.0] * 3, 0.25, 9.0, [0] * 3, id="45 minutes are too short"),
        pytest.param([0.1] + [0.0] * 4, 0.25, 0.5, [0, 1, 1, 1, 1], id="four quarters"),
        pytest.param([0.0, 0.0, NAN, 0.0, 0.0], 0.25, 9.0, [0] * 5, id="NaN breaks a run"),
        pytest.param([], 1.0, 0.5, [], id="nothing"),
    ],
)
def test_frozen(
    values: Sequence[float], hours: float, typical_kw: float, want: Sequence[int]
) -> None:
    found = frozen(
        np.array(values, dtype=np.float64),
        slot_hours=hours,
        typical_kw=typical_kw,
        resolution_kwh=0.1,
    )
    assert found.astype(int).tolist() == list(want)
