"""Meters to slots against a scalar reference that walks reading by reading, and what must hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.arrays import F64, I64
from telemetry.channels import Quality
from telemetry.etl import Readings, SlotEnergy, counter_slots, resolution_of
from tests.telemetry.test_etl_counter import T0, balance

DAY = 86_400


@dataclass
class Pair:
    """Two readings that count, one after the other."""

    start: float
    end: float
    advance: float
    bits: int


@dataclass
class Walk:
    """What the reference knows while it walks."""

    good: list[tuple[float, float]]
    restarts: dict[float, float] = field(default_factory=dict)  # end: start
    excursions: set[float] = field(default_factory=set)


def _drop_zeros(rows: list[tuple[float, float]]) -> Walk:
    walk, n = Walk(good=[]), 0
    while n < len(rows):
        end = n
        while end < len(rows) and rows[end][1] == 0.0:
            end += 1
        if end == n or not walk.good or walk.good[-1][1] == 0.0:
            walk.good.append(rows[n])
            n += 1
        elif end == len(rows):
            if rows[-1][0] - rows[n][0] > 1800.0:
                walk.good += rows[n:end]
            break
        elif rows[end][1] >= 0.9 * walk.good[-1][1]:
            walk.restarts[rows[end][0]] = walk.good[-1][0]
            n = end
        else:
            walk.good += rows[n:end]
            n = end
    return walk


def _most(seconds: float, limit: float, resolution: float) -> float:
    return limit * (max(seconds, 900.0) / 3600) + resolution


def _drop_excursions(walk: Walk, limit: float, resolution: float) -> None:
    rows, kept, n = walk.good, [], 0
    while n < len(rows):
        kept.append(rows[n])
        back = _return_of(rows, n, limit, resolution)
        if back is not None:
            walk.excursions.add(rows[n][0])
        n = n + 1 if back is None else back
    walk.good = kept


def _return_of(
    rows: list[tuple[float, float]], n: int, limit: float, resolution: float
) -> int | None:
    """The first reading that can follow reading n, if it takes back a jump right after n."""

    def can_follow(k: int) -> bool:
        most = _most(rows[k][0] - rows[n][0], limit, resolution)
        return rows[k][1] - rows[n][1] <= most

    if n + 1 == len(rows) or can_follow(n + 1):
        return None
    back = next((k for k in range(n + 2, len(rows)) if can_follow(k)), None)
    if back is None or rows[back][0] - rows[n][0] > DAY or rows[back][1] == 0.0:
        return None
    old, now = rows[n][1], rows[back][1]
    jump, fall = rows[n + 1][1] - old, rows[back - 1][1] - now
    return back if fall >= 0.5 * jump and now >= old - (1.0 - 0.9) * min(old, jump) else None


def _pairs(walk: Walk, spacing: float, limit: float | None, resolution: float) -> list[Pair]:
    found = [Pair(start, end, 0.0, int(Quality.RESET)) for end, start in walk.restarts.items()]
    (at, value), peak = walk.good[0], walk.good[0][1]
    advanced_at = at
    for now, new in walk.good[1:]:
        bits, advance = Quality.OK, max(new - peak, 0.0)
        if new < value and new <= 0.9 * peak:
            again = now in walk.restarts
            bits, advance, peak = bits | Quality.RESET, 0.0 if again else new, new
        peak = max(peak, new)
        odd = at in walk.excursions
        if odd or (limit is not None and advance > _most(now - at, limit, resolution)):
            bits |= Quality.SPIKE
        if not odd and now - at > spacing + 1:
            bits |= Quality.GAP if now - at - spacing > 3601 else Quality.SPREAD
        if advance > 1e-9:
            bits |= Quality.LUMP if at - advanced_at >= 3600 else 0
            advanced_at = now
        found.append(Pair(at, now, advance, int(bits)))
        at, value = now, new
    return found


def reference(
    readings: Readings, slots: I64, spacing: float, limit: float | None
) -> tuple[list[float], list[int], float]:
    """Energies, bits and the advance, by walking."""
    rows = [(t, v) for t, v in zip(readings.at, readings.value, strict=True) if v >= 0.0]
    walk = _drop_zeros(rows)
    if not walk.good:
        return [math.nan] * slots.size, [0] * slots.size, 0.0
    resolution = 0.0
    if limit is not None:
        resolution = resolution_of(np.array([v for _, v in walk.good])) + 1e-9
        if limit > 0.0:
            resolution = min(resolution, 0.1 * limit * 0.25 + 1e-9)
        _drop_excursions(walk, limit, resolution)
    pairs = _pairs(walk, spacing, limit, resolution)
    most = math.inf if limit is None else limit * 0.25 + resolution
    reach = walk.good[0][0], walk.good[-1][0]
    found = [_slot(pairs, start, most, reach) for start in slots.tolist()]
    return [row[0] for row in found], [row[1] for row in found], sum(p.advance for p in pairs)


def _slot(
    pairs: list[Pair], start: int, most: float, reach: tuple[float, float]
) -> tuple[float, int]:
    energy, bits = 0.0, 0
    if reach[0] > start or reach[1] < start + 900:
        return math.nan, 0
    for pair in pairs:
        shared = min(pair.end, start + 900) - max(pair.start, start)
        if shared > 0:
            energy += pair.advance * shared / (pair.end - pair.start)
            bits |= pair.bits
    if not bits & (Quality.SPIKE | Quality.GAP) and energy > most:
        bits |= Quality.SPIKE
    if bits & (Quality.SPIKE | Quality.GAP):
        return math.nan, int(bits & ~Quality.SPREAD)
    return energy, int(bits)


rises = st.sampled_from([0.0, 0.0, 0.1, 0.2, 0.5, 1.3])
events = st.one_of(
    st.tuples(st.just("rise"), rises),
    st.tuples(st.just("rise"), rises),
    st.tuples(st.just("noise"), st.sampled_from([0.99, 0.95, 0.901])),
    st.tuples(st.just("reset"), st.sampled_from([0.0, 0.3, 0.5, 0.9])),
    st.tuples(st.just("zero"), st.just(0.0)),
    st.tuples(st.just("missing"), st.just(math.nan)),
    st.tuples(st.just("jump"), st.sampled_from([5.0, 60.0, 4000.0])),
    st.tuples(st.just("glitch"), st.sampled_from([3.0, 7.0, 400.0])),
)
steps = st.sampled_from([30.0, 300.0, 450.0, 900.0, 3600.0, 4500.0, 4600.0, 9000.0])


@st.composite
def meters(draw: st.DrawFn) -> Readings:
    """A meter whose true value goes on under zeros, gaps and glitches."""
    true = draw(st.sampled_from([0.0, 1.0, 50.0, 5000.0]))
    at, times, values = float(T0 - 1700), [], []
    for kind, size in draw(st.lists(events, max_size=30)):
        at += draw(steps)
        if kind in ("rise", "jump"):
            true += size
        elif kind == "reset":
            true *= size
        shown = {"noise": true * size, "zero": 0.0, "missing": math.nan, "glitch": true + size}
        times.append(at)
        values.append(shown.get(kind, true))
    return Readings(at=np.array(times), value=np.array(values))


limits = st.sampled_from([None, 0.0, 2.0, 17.0])
spacings = st.sampled_from([300.0, 900.0, 3600.0])


def _run(readings: Readings, spacing: float, limit: float | None, days: int = 0) -> SlotEnergy:
    slots = T0 - DAY * days + 900 * np.arange(60 + 96 * days, dtype=np.int64)
    return counter_slots(readings, slots, spacing_seconds=spacing, limit_kw=limit)


@settings(max_examples=400, deadline=None)
@given(readings=meters(), spacing=spacings, limit=limits)
def test_equals_the_reference(readings: Readings, spacing: float, limit: float | None) -> None:
    found = _run(readings, spacing, limit)
    energies, quality, advance = reference(readings, found.slot_start, spacing, limit)
    np.testing.assert_allclose(found.energy_kwh, energies, atol=1e-8)
    length = int(Quality.RESAMPLED | Quality.HOURLY) if spacing == 3600 else 0
    assert (found.quality & ~length).tolist() == quality
    assert found.advance_kwh == pytest.approx(advance, abs=1e-8)


@settings(max_examples=200, deadline=None)
@given(readings=meters(), spacing=spacings, limit=limits, total=st.booleans())
def test_energy_is_conserved(
    readings: Readings, spacing: float, limit: float | None, *, total: bool
) -> None:
    slots = T0 + 900 * np.arange(60, dtype=np.int64)
    found = counter_slots(readings, slots, spacing_seconds=spacing, limit_kw=limit, total=total)
    scale = max(1.0, float(np.nanmax(readings.value, initial=0.0)))
    assert abs(balance(found) - found.advance_kwh) <= 1e-9 * scale
    starts = [item.start for item in found.unassigned]
    assert starts == sorted(starts)
    assert all(item.why in (0, Quality.GAP, Quality.SPIKE) for item in found.unassigned)
    assert not (found.energy_kwh < 0.0).any()


@settings(max_examples=50, deadline=None)
@given(readings=meters(), limit=limits, slots_later=st.integers(1, 10**5))
def test_a_later_time_changes_nothing(
    readings: Readings, limit: float | None, slots_later: int
) -> None:
    shift = 900 * slots_later
    found = _run(readings, 900.0, limit)
    moved = counter_slots(
        Readings(at=readings.at + shift, value=readings.value),
        found.slot_start + shift,
        spacing_seconds=900.0,
        limit_kw=limit,
    )
    np.testing.assert_allclose(moved.energy_kwh, found.energy_kwh, atol=1e-9)
    assert moved.quality.tolist() == found.quality.tolist()


def _rising(seed: int, count: int) -> tuple[F64, F64]:
    """A meter without resets: ticks of 0.1 kWh, silences, an excursion now and then."""
    rng = np.random.default_rng(seed)
    gaps: F64 = np.array([60.0, 300.0, 900.0, 4000.0, 9000.0])
    ticks: F64 = np.array([0.0, 0.1, 0.2])
    apart: F64 = gaps[rng.choice(gaps.size, count, p=[0.3, 0.3, 0.3, 0.07, 0.03])]
    value: F64 = 4000.0 + np.cumsum(ticks[rng.integers(0, ticks.size, count)])
    value[rng.random(count) < 0.02] += 300.0
    value[rng.random(count) < 0.05] = np.nan
    at: F64 = T0 - DAY + np.cumsum(apart)
    return at, value


@pytest.mark.parametrize("seed", range(8))
def test_a_longer_window_gives_the_same_values(seed: int) -> None:
    at, value = _rising(seed, 400)
    long = _run(Readings(at=at, value=value), 900.0, 17.0, days=1)
    late = at >= T0 - 900
    short = _run(Readings(at=at[late], value=value[late]), 900.0, 17.0)
    mine, theirs = short.energy_kwh, long.energy_kwh[-60:]
    both = ~np.isnan(mine) & ~np.isnan(theirs)
    assert both.sum() > 20
    np.testing.assert_allclose(mine[both], theirs[both], atol=1e-9)


def _daily(days: int, kwh: Sequence[float]) -> Readings:
    """A meter that starts from 0 at every midnight; a reading every 5 minutes."""
    at: F64 = T0 - T0 % DAY + 300.0 * np.arange(days * 288, dtype=np.float64)
    share = (np.arange(days * 288) % 288) / 288
    return Readings(at=at, value=share * np.repeat(np.array(kwh), 288))


def test_a_daily_meter_gives_every_day_but_the_last_five_minutes() -> None:
    kwh = [10.0, 20.0, 5.0]
    readings = _daily(3, kwh)
    slots = int(readings.at[0]) + 900 * np.arange(288, dtype=np.int64)
    found = counter_slots(readings, slots, spacing_seconds=300.0, limit_kw=17.0)
    # What came between the last reading of a day and midnight is in no reading: 1/288 of it.
    assert found.advance_kwh == pytest.approx(sum(kwh) * 287 / 288)
    days = np.nansum(found.energy_kwh.reshape(3, 96), axis=1)
    # The very last slot has no reading at its end: 10 minutes before it are not covered.
    assert days == pytest.approx([10.0 * 287 / 288, 20.0 * 287 / 288, 5.0 * 285 / 288])
    assert np.flatnonzero(found.quality & Quality.RESET).tolist() == [95, 191]
