"""Powers to slots, by hand. Times in minutes after a slot's start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.channels import Quality
from telemetry.errors import SeriesError
from telemetry.etl import Readings, SlotEnergy, mean_power_slots, power_slots
from telemetry.sensors import Part
from tests.telemetry.test_etl_counter import (
    HOURLY,
    NAN,
    T0,
    _expect,
    _readings,
    _rest,
    _slots,
    balance,
)

SPIKE, SPREAD, GAP = int(Quality.SPIKE), int(Quality.SPREAD), int(Quality.GAP)


def _power(
    minutes: Sequence[float],
    kw: Sequence[float],
    count: int,
    *,
    until: float | None = None,
    limit_kw: float | None = None,
    part: Part = Part.ALL,
) -> SlotEnergy:
    end = None if until is None else T0 + 60.0 * until
    readings = _readings(minutes, kw)
    return power_slots(readings, _slots(count), limit_kw=limit_kw, part=part, until=end)


def test_a_power_holds_until_the_next() -> None:
    # 2 kW for 10 minutes and 5 kW for 5: (20 + 25) / 60; then 5 kW for 15 minutes
    found = _power([-5, 0, 10], [9.0, 2.0, 5.0], 3, until=35)
    _expect(found, [0.75, 1.25, NAN], [0, 0, 0])
    assert _rest(found) == [(-5, 0, 0.75, 0), (30, 35, round(25 / 60, 9), 0)]
    assert found.advance_kwh == pytest.approx((5 * 9 + 10 * 2 + 25 * 5) / 60)


def test_the_last_power_counts_to_its_own_time_unless_it_is_known_to_hold() -> None:
    _expect(_power([0, 15], [4.0, 8.0], 2), [1.0, NAN], [0, 0])
    _expect(_power([0, 15], [4.0, 8.0], 2, until=30), [1.0, 2.0], [0, 0])


@pytest.mark.parametrize(
    ("part", "energy"),
    [
        pytest.param(Part.ALL, (40 - 15) / 60, id="all: 4 kW and -3 kW"),
        pytest.param(Part.POSITIVE, 40 / 60, id="positive"),
        pytest.param(Part.NEGATIVE, 15 / 60, id="negative, as a positive number"),
    ],
)
def test_sides_of_a_signed_power(part: Part, energy: float) -> None:
    _expect(_power([0, 10], [4.0, -3.0], 1, until=15, part=part), [energy], [0])


def test_outages_of_a_power() -> None:
    # Unavailable from 15 to 75, an hour: 4 kW hold on; from 90 to 151, 61 minutes: a gap.
    found = _power([0, 15, 45, 75, 90, 151], [4.0, NAN, NAN, 2.0, NAN, 8.0], 12, until=180)
    want = [1.0] * 5 + [0.5] + [NAN] * 5 + [2.0]
    _expect(found, want, [0] + [SPREAD] * 4 + [0] + [GAP] * 5 + [0])
    assert _rest(found) == [(90, 165, round(8 * 14 / 60, 9), GAP)]


def test_an_outage_that_has_not_ended_and_one_at_the_start_are_not_known() -> None:
    found = _power([0, 15, 30], [NAN, 4.0, NAN], 4, until=60)
    _expect(found, [NAN, 1.0, NAN, NAN], [0, 0, 0, 0])


def test_power_above_the_limit_throughout_a_slot_is_a_spike() -> None:
    found = _power([0, 15, 30], [4.0, 4.4, -4.8], 3, until=45, limit_kw=4.0)
    _expect(found, [1.0, NAN, NAN], [0, SPIKE, SPIKE])
    assert _rest(found) == [(15, 45, -0.1, SPIKE)]  # 1.1 - 1.2


def test_powers_that_tell_nothing() -> None:
    for kw in ([], [NAN, NAN], [3.0]):
        found = _power(list(range(len(kw))), kw, 1)
        _expect(found, [NAN], [0])
        assert found.advance_kwh == 0.0


def test_a_power_may_not_end_before_its_last_state() -> None:
    with pytest.raises(SeriesError, match="until is"):
        _power([0, 15], [1.0, 2.0], 1, until=10)


def _means(hours: Sequence[int], kw: Sequence[float], *, limit_kw: float | None) -> SlotEnergy:
    start = T0 + 3600 * np.array(hours, dtype=np.int64)
    mean = np.array(kw, dtype=np.float64)
    slots = _slots(16)
    return mean_power_slots(start, mean, 3600, slots, limit_kw=limit_kw, part=Part.POSITIVE)


def test_mean_powers_carry_their_own_interval() -> None:
    found = _means([0, 1, 3], [2.0, -1.0, 6.0], limit_kw=None)
    want = [0.5] * 4 + [0.0] * 4 + [NAN] * 4 + [1.5] * 4
    _expect(found, want, [HOURLY] * 8 + [GAP | HOURLY] * 4 + [HOURLY] * 4)
    same = _means([0, 1, 2, 3], [2.0, -1.0, NAN, 6.0], limit_kw=None)
    np.testing.assert_array_equal(same.energy_kwh, found.energy_kwh)


def test_mean_powers_are_judged_and_checked() -> None:
    found = _means([0, 1], [2.0, 6.0], limit_kw=4.0)
    assert found.quality.tolist() == [HOURLY] * 4 + [HOURLY | SPIKE] * 4 + [0] * 8
    assert _rest(found) == [(60, 120, 6.0, SPIKE)]
    _expect(_means([], [], limit_kw=None), [NAN] * 16, [0] * 16)
    with pytest.raises(SeriesError, match="start is closer together"):
        mean_power_slots(
            np.array([0, 900]), np.ones(2), 3600, _slots(1), limit_kw=None, part=Part.ALL
        )


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.floats(1.0, 5000.0), st.one_of(st.floats(-9.0, 9.0), st.just(math.nan))),
        max_size=25,
    ),
    limit=st.sampled_from([None, 3.0]),
    part=st.sampled_from(list(Part)),
)
def test_energy_of_powers_is_conserved(
    rows: list[tuple[float, float]], limit: float | None, part: Part
) -> None:
    at = T0 - 2000 + np.cumsum(np.array([row[0] for row in rows], dtype=np.float64))
    readings = Readings(at=at, value=np.array([row[1] for row in rows], dtype=np.float64))
    found = power_slots(readings, _slots(40), limit_kw=limit, part=part)
    assert abs(balance(found) - found.advance_kwh) <= 1e-9
    # Second way: every reading's own power times its own time, outages bridged up to an hour.
    pairs = pairwise(rows)
    held = [(kw, seconds) for (_, kw), (seconds, _) in pairs if not math.isnan(kw)]
    held += [(kw, seconds) for kw, seconds in _outages(rows) if seconds <= 3600]
    total = sum(_side(kw, part) * seconds / 3600 for kw, seconds in held)
    assert found.advance_kwh == pytest.approx(total, abs=1e-9)


def _side(kw: float, part: Part) -> float:
    return {Part.ALL: kw, Part.POSITIVE: max(kw, 0.0), Part.NEGATIVE: max(-kw, 0.0)}[part]


def _outages(rows: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The power before each outage that ended, and how long it was."""
    found: list[tuple[float, float]] = []
    last, since, now = math.nan, math.nan, 0.0
    for seconds, kw in rows:
        now += seconds
        if math.isnan(kw):
            since = now if math.isnan(since) else since
            continue
        if not math.isnan(since) and not math.isnan(last):
            found.append((last, now - since))
        last, since = kw, math.nan
    return found
