"""Cumulative meters to slots: every rule by hand. Times in minutes after a slot's start."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from telemetry.arrays import F64, I64
from telemetry.channels import Quality
from telemetry.errors import SeriesError
from telemetry.etl import (
    Readings,
    SlotEnergy,
    counter_slots,
    resolution_of,
    statistics_readings,
)

T0 = 1_749_999_600  # a slot's start
NAN = math.nan
RESET, SPIKE, SPREAD = int(Quality.RESET), int(Quality.SPIKE), int(Quality.SPREAD)
LUMP, GAP = int(Quality.LUMP), int(Quality.GAP)
HOURLY = int(Quality.RESAMPLED | Quality.HOURLY)


def _slots(count: int) -> I64:
    return T0 + 900 * np.arange(count, dtype=np.int64)


def _readings(minutes: Sequence[float], values: Sequence[float]) -> Readings:
    return Readings(at=T0 + 60.0 * np.array(minutes, dtype=np.float64), value=np.array(values))


def _quarters(values: Sequence[float], *, limit_kw: float | None = None) -> SlotEnergy:
    """One reading at every edge: slot s gets what pair s brings."""
    minutes = [15.0 * n for n in range(len(values))]
    slots = _slots(len(values) - 1)
    return counter_slots(
        _readings(minutes, values), slots, spacing_seconds=900.0, limit_kw=limit_kw
    )


def _hours(hours: Sequence[int], change: Sequence[float], limit_kw: float | None) -> SlotEnergy:
    """Hourly statistics; the window begins with the first row's hour."""
    start = T0 + 3600 * np.array(hours, dtype=np.int64)
    readings = statistics_readings(start, np.array(change, dtype=np.float64), 3600)
    slots = _slots(4 * (hours[-1] + 1))
    return counter_slots(readings, slots, spacing_seconds=3600.0, limit_kw=limit_kw, total=True)


def _expect(found: SlotEnergy, energy: Sequence[float], quality: Sequence[int]) -> None:
    np.testing.assert_allclose(found.energy_kwh, np.array(energy, dtype=np.float64), atol=1e-9)
    assert found.quality.tolist() == list(quality)
    assert balance(found) == pytest.approx(found.advance_kwh, abs=1e-9)


def balance(found: SlotEnergy) -> float:
    """Slots and unassigned energy together."""
    known = found.energy_kwh[~np.isnan(found.energy_kwh)]
    return math.fsum([*known.tolist(), *(item.energy_kwh for item in found.unassigned)])


def _rest(found: SlotEnergy) -> list[tuple[float, float, float, int]]:
    """Unassigned energy, in minutes."""
    return [
        ((item.start - T0) / 60, (item.end - T0) / 60, round(item.energy_kwh, 9), item.why)
        for item in found.unassigned
    ]


def test_counter_is_interpolated_at_slot_edges() -> None:
    readings = _readings([-5, 10, 25, 40], [10.0, 10.3, 10.9, 11.2])
    found = counter_slots(readings, _slots(3), spacing_seconds=900.0, limit_kw=None)
    # at 0: 10 + 0.3 / 3; at 15: 10.3 + 0.6 / 3; at 30: 10.9 + 0.3 / 3; the third slot ends unread
    _expect(found, [10.5 - 10.1, 11.0 - 10.5, NAN], [0, 0, 0])
    assert found.advance_kwh == pytest.approx(1.2)
    assert _rest(found) == [(-5, 0, 0.1, 0), (30, 40, 0.2, 0)]


def test_a_window_may_begin_before_the_first_reading_and_end_after_the_last() -> None:
    found = counter_slots(
        _readings([20, 30, 45], [7.0, 7.2, 7.6]), _slots(4), spacing_seconds=900.0, limit_kw=9.0
    )
    _expect(found, [NAN, NAN, 0.4, NAN], [0, 0, 0, 0])
    assert _rest(found) == [(20, 30, 0.2, 0)]


@pytest.mark.parametrize(
    ("values", "energy", "quality"),
    [
        pytest.param(
            [98.0, 100.0, 2.0, 3.0], [2.0, 2.0, 1.0], [0, RESET, 0], id="reset: 2 is added"
        ),
        pytest.param(
            [98.0, 100.0, 90.0, 91.0], [2.0, 90.0, 1.0], [0, RESET, 0], id="a fall of 10 %: reset"
        ),
        pytest.param(
            [98.0, 100.0, 90.1, 99.0, 101.0],
            [2.0, 0.0, 0.0, 1.0],
            [0, 0, 0, 0],
            id="a fall of 9.9 %: nothing until 100 is passed",
        ),
        pytest.param(
            [100.0, 95.0, 91.0, 89.0],
            [0.0, 0.0, 89.0],
            [0, 0, RESET],
            id="in small steps: 11 % below the maximum",
        ),
        pytest.param(
            [3.0, 5.0, 0.0, 0.5, 0.0, 0.2],
            [2.0, 0.0, 0.5, 0.0, 0.2],
            [0, RESET, 0, RESET, 0],
            id="two resets to zero",
        ),
        pytest.param(
            [50.0, 0.0, 51.0, 52.0],
            [0.5, 0.5, 1.0],
            [RESET | SPREAD, RESET | SPREAD, 0],
            id="restart: 0 is no reading, 1 kWh over both slots",
        ),
        pytest.param(
            [50.0, 0.0, 0.0, 45.0, 51.0],
            [0.0, 0.0, 0.0, 6.0],
            [RESET | SPREAD] * 3 + [0],
            id="restart at 0.9 of the old value: it counts on from there",
        ),
        pytest.param(
            [50.0, 0.0, 44.0, 45.0],
            [0.0, 44.0, 1.0],
            [RESET, 0, 0],
            id="below 0.9 of it: a reset",
        ),
        pytest.param([49.0, 50.0, 0.0, 0.0], [1.0, NAN, NAN], [0, 0, 0], id="zeros at the end"),
        pytest.param(
            [49.0, 50.0, 0.0, 0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0, 0.0, 0.0],
            [0, RESET, 0, 0, 0],
            id="zeros at the end for 45 minutes: a reset, and nothing since",
        ),
        pytest.param([0.0, 0.0, 2.0], [0.0, 2.0], [0, 0], id="zeros at the start are a new meter"),
        pytest.param([5.0, -1.0, 6.0], [0.5, 0.5], [SPREAD] * 2, id="negative: not available"),
    ],
)
def test_falls(values: Sequence[float], energy: Sequence[float], quality: Sequence[int]) -> None:
    _expect(_quarters(values), energy, quality)


# With 4 kW a slot can carry 1 kWh; the resolution is at most a tenth of that: 1.1 kWh.
@pytest.mark.parametrize(
    ("values", "energy", "quality", "advance"),
    [
        pytest.param([5000.0, 5001.1, 5001.6], [1.1, 0.5], [0, 0], 1.6, id="at the limit"),
        pytest.param([5000.0, 5001.2, 5001.6], [NAN, 0.4], [SPIKE, 0], 1.6, id="above it"),
        pytest.param(
            [5000.0, 5000.5, 5400.0, 5400.5],
            [0.5, NAN, 0.5],
            [0, SPIKE, 0],
            400.5,
            id="a jump that stays",
        ),
        pytest.param(
            [5000.0, 5400.0, 5001.0, 5001.5],
            [NAN, NAN, 0.5],
            [SPIKE, SPIKE, 0],
            1.5,
            id="excursion: the fall of 7 % is no noise",
        ),
        pytest.param(
            [5000.0, 9000.0, 9000.5, 5001.0, 5001.5],
            [NAN, NAN, NAN, 0.5],
            [SPIKE, SPIKE, SPIKE, 0],
            1.5,
            id="excursion: the fall of 44 % is no reset",
        ),
        pytest.param(
            [5000.0, 9000.0, 4999.9, 5000.5, 5001.0],
            [NAN, NAN, 0.5, 0.5],
            [SPIKE, SPIKE, 0, 0],
            1.0,
            id="excursion that ends a little below",
        ),
        pytest.param(
            [5000.0, 5400.0, 5001.0, 9000.0, 5002.0],
            [NAN, NAN, NAN, NAN],
            [SPIKE] * 4,
            2.0,
            id="two excursions",
        ),
        pytest.param(
            [0.5, 1.0, 40.0, 0.5, 1.0],
            [0.5, NAN, 0.5, 0.5],
            [0, SPIKE, RESET, 0],
            40.5,
            id="a jump, then a reset: 0.5 is no return to 1.0",
        ),
    ],
)
def test_spikes(
    values: Sequence[float], energy: Sequence[float], quality: Sequence[int], advance: float
) -> None:
    found = _quarters(values, limit_kw=4.0)
    _expect(found, energy, quality)
    assert found.advance_kwh == pytest.approx(advance)


def test_what_lasts_longer_than_a_day_is_no_excursion() -> None:
    for hours, advance in ((22, 1.0), (25, 4000.0 + 5001.0)):
        minutes = [0, *(15 + 60 * n for n in range(hours + 1)), 30 + 60 * hours]
        values = [5000.0, *[9000.0] * (hours + 1), 5001.0]
        found = counter_slots(
            _readings(minutes, values), _slots(4 * hours + 2), spacing_seconds=3600.0, limit_kw=4.0
        )
        assert found.advance_kwh == pytest.approx(advance)
        assert np.isnan(found.energy_kwh[[0, -1]]).all()


def test_without_a_limit_nothing_is_judged() -> None:
    _expect(_quarters([5000.0, 5400.0, 5400.5]), [400.0, 0.5], [0, 0])


def test_limit_zero_allows_the_resolution_alone() -> None:
    # The smallest step is 0.1.
    found = _quarters([7.0, 7.1, 7.1, 7.3, 7.4], limit_kw=0.0)
    _expect(found, [0.1, 0.0, NAN, 0.1], [0, 0, SPIKE, 0])
    assert _rest(found) == [(30, 45, 0.2, SPIKE)]


def test_a_slot_above_the_limit_is_a_spike_though_no_pair_is() -> None:
    # 0.8 kWh in 5 minutes is what a tick may bring (limit 1.0), three of them in a slot are not.
    readings = _readings([0, 5, 10, 15, 30], [0.0, 0.8, 1.6, 2.4, 2.6])
    found = counter_slots(readings, _slots(2), spacing_seconds=900.0, limit_kw=4.0)
    _expect(found, [NAN, 0.2], [SPIKE, 0])


@pytest.mark.parametrize(
    ("minutes", "energy", "quality"),
    [
        pytest.param(15, [0.3], [0], id="spacing"),
        pytest.param(30, [0.15] * 2, [SPREAD] * 2, id="15 minutes missing"),
        pytest.param(75, [0.06] * 5, [SPREAD] * 5, id="an hour missing"),
        pytest.param(90, [NAN] * 6, [GAP] * 6, id="75 minutes missing"),
    ],
)
def test_gaps(minutes: int, energy: Sequence[float], quality: Sequence[int]) -> None:
    readings = _readings([-15, 0, minutes, minutes + 15], [1.0, 1.1, 1.4, 1.5])
    found = counter_slots(readings, _slots(len(energy)), spacing_seconds=900.0, limit_kw=9.0)
    _expect(found, energy, quality)


def test_nan_makes_a_gap_only_by_the_time_apart() -> None:
    readings = _readings([0, 4, 9, 15], [1.0, NAN, NAN, 1.3])
    found = counter_slots(readings, _slots(1), spacing_seconds=900.0, limit_kw=None)
    _expect(found, [0.3], [0])


def test_energy_of_a_gap_is_reported_once_with_its_reason() -> None:
    found = counter_slots(
        _readings([0, 15, 100, 105], [1.0, 1.2, 2.2, 2.3]),
        _slots(7),
        spacing_seconds=900.0,
        limit_kw=9.0,
    )
    _expect(found, [0.2] + [NAN] * 6, [0] + [GAP] * 6)
    assert _rest(found) == [(15, 105, 1.1, GAP)]  # the last slot: 1/17 of a kWh and 0.1


def test_hourly_rows() -> None:
    one = _hours([0, 1, 3], [9.0, 2.0, 4.0], None)
    bits = [0] * 4 + [HOURLY] * 4
    _expect(one, [NAN] * 4 + [0.5] * 12, bits + [SPREAD | HOURLY] * 8)
    two = _hours([0, 1, 4, 5], [9.0, 2.0, 6.0, 1.0], None)
    want = [NAN] * 4 + [0.5] * 4 + [NAN] * 12 + [0.25] * 4
    _expect(two, want, bits + [GAP | HOURLY] * 12 + [HOURLY] * 4)
    assert _rest(two) == [(120, 300, 6.0, GAP)]


def test_rows_longer_than_a_slot_are_resampled() -> None:
    readings = _readings([0, 30], [1.0, 2.0])
    found = counter_slots(readings, _slots(2), spacing_seconds=1800.0, limit_kw=None)
    _expect(found, [0.5, 0.5], [int(Quality.RESAMPLED)] * 2)


@pytest.mark.parametrize(
    ("rest", "bits"), [pytest.param(4, LUMP, id="an hour"), pytest.param(3, 0, id="45 minutes")]
)
def test_the_first_advance_after_a_rest_is_marked(rest: int, bits: int) -> None:
    values = [1.0, 1.1, *[1.1] * rest, 1.11, 1.2]
    found = _quarters(values, limit_kw=4.0)
    _expect(found, [0.1, *[0.0] * rest, 0.01, 0.09], [0, *[0] * rest, bits, 0])


def test_a_running_total_never_resets() -> None:
    readings = _readings([0, 15, 30, 45, 60], [0.0, 10.0, -2.0, 9.0, 11.0])
    found = counter_slots(readings, _slots(4), spacing_seconds=900.0, limit_kw=None, total=True)
    _expect(found, [10.0, 0.0, 0.0, 1.0], [0] * 4)


def test_a_running_total_may_make_an_excursion() -> None:
    readings = _readings([0, 15, 30, 45, 60], [0.0, 1.0, 400.0, 1.5, 2.0])
    found = counter_slots(readings, _slots(4), spacing_seconds=900.0, limit_kw=4.0, total=True)
    _expect(found, [1.0, NAN, NAN, 0.5], [0, SPIKE, SPIKE, 0])


def test_statistics_become_a_running_total_at_interval_ends() -> None:
    start = T0 + 3600 * np.arange(5, dtype=np.int64)
    found = statistics_readings(start, np.array([80.0, 1.0, NAN, 3.0, 0.5]), 3600)
    # The first change holds all that was before; the fourth reaches over the unknown third.
    assert ((found.at - T0) / 3600).tolist() == [1, 2, 4, 5]
    assert found.value.tolist() == [0.0, 1.0, 4.0, 4.5]


@pytest.mark.parametrize(
    "readings",
    [
        pytest.param(_readings([], []), id="none"),
        pytest.param(_readings([1, 2], [NAN, NAN]), id="all NaN"),
        pytest.param(_readings([1], [5.0]), id="one"),
    ],
)
def test_too_little_to_know_anything(readings: Readings) -> None:
    found = counter_slots(readings, _slots(2), spacing_seconds=900.0, limit_kw=4.0)
    _expect(found, [NAN, NAN], [0, 0])
    assert found.unassigned == ()


def test_without_slots_all_energy_is_unassigned() -> None:
    found = counter_slots(
        _readings([0, 15, 30], [1.0, 2.0, 0.5]), _slots(0), spacing_seconds=900.0, limit_kw=4.0
    )
    assert _rest(found) == [(0, 30, 1.5, 0)]


@pytest.mark.parametrize(
    ("at", "value", "slots", "match"),
    [
        pytest.param([0.0, 1.0], [1.0], [0], r"readings is of shape \(1,\)", id="shape"),
        pytest.param([1.0, 1.0], [1.0, 2.0], [0], "times of readings is not ascending", id="order"),
        pytest.param([0.0, NAN], [1.0, 2.0], [0], "times of readings is not ascending", id="time"),
        pytest.param([0.0, 1.0], [1.0, np.inf], [0], "readings is infinite", id="infinite"),
        pytest.param([0.0, 1.0], [1.0, 2.0], [0, 1800], "slot_start is not consec", id="slots"),
    ],
)
def test_bad_input_is_named(
    at: Sequence[float], value: Sequence[float], slots: Sequence[int], match: str
) -> None:
    readings = Readings(at=np.array(at), value=np.array(value))
    with pytest.raises(SeriesError, match=match):
        counter_slots(readings, np.array(slots), spacing_seconds=900.0, limit_kw=None)


def test_bad_settings_are_named() -> None:
    readings = _readings([0, 15], [1.0, 2.0])
    with pytest.raises(SeriesError, match="limit_kw is -1"):
        counter_slots(readings, _slots(1), spacing_seconds=900.0, limit_kw=-1.0)
    with pytest.raises(SeriesError, match="spacing_seconds is 0"):
        counter_slots(readings, _slots(1), spacing_seconds=0.0, limit_kw=None)
    with pytest.raises(SeriesError, match="start is closer together"):
        statistics_readings(np.array([0, 300]), np.array([1.0, 1.0]), 3600)


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param([1.0, 1.1, 1.1, 1.3], 0.1, id="the smallest rise"),
        pytest.param([1.0, 1.0 + 1e-12, 1.5, NAN, 1.4, 2.0], 0.5, id="noise, falls and NaN"),
        pytest.param([3.0, 3.0], 0.0, id="it never rises"),
        pytest.param([], 0.0, id="no reading"),
    ],
)
def test_resolution(values: Sequence[float], want: float) -> None:
    assert resolution_of(np.array(values, dtype=np.float64)) == pytest.approx(want)


def test_one_odd_small_step_does_not_decide_the_resolution() -> None:
    steps: F64 = np.r_[np.full(200, 0.1), 0.001]
    assert resolution_of(np.cumsum(steps)) == pytest.approx(0.1)
