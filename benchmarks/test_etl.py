"""Three million readings of five months to slots: Darkstar, and ``np.interp`` of the same array.

The yardstick only looks up the slots' edges: it neither checks nor judges a reading.
"""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from telemetry.arrays import F64, I64
from telemetry.etl import Readings, counter_slots

READINGS = 3_000_000
DAYS = 150
DAY_SECONDS = 86_400
T0 = 1_749_999_600


def _meter(kind: str) -> Readings:
    """A meter in steps of 1 Wh, about 1 kW: plain, with 5 % noise, or from 0 every day."""
    rng = np.random.default_rng(3)
    apart = DAYS * DAY_SECONDS / READINGS
    at = T0 + apart * (np.arange(READINGS) + rng.uniform(0.0, 0.9, READINGS))
    kwh = 5000.0 + np.cumsum(rng.gamma(1.0, apart / 3600.0, READINGS))
    if kind == "noise":
        kwh -= (rng.random(READINGS) < 0.05) * rng.uniform(0.0, 2.0, READINGS)
    if kind == "daily":
        day = ((at - T0) // DAY_SECONDS).astype(np.int64)
        kwh -= kwh[np.searchsorted(day, np.arange(DAYS))][day]
    return Readings(at=at, value=np.floor(kwh * 1000.0) / 1000.0)


def _slots() -> I64:
    return T0 + 900 * np.arange(DAYS * 96, dtype=np.int64)


def test_etl_raw_interp(benchmark: BenchmarkFixture) -> None:
    readings, starts = _meter("plain"), _slots()
    edges: F64 = np.append(starts, starts[-1] + 900).astype(np.float64)
    energy = benchmark(lambda: np.diff(np.interp(edges, readings.at, readings.value)))
    benchmark.extra_info["readings_per_second"] = _rate(benchmark)
    assert energy.size == starts.size


@pytest.mark.parametrize("kind", ["plain", "noise", "daily"])
def test_etl_counter(benchmark: BenchmarkFixture, kind: str) -> None:
    readings, starts = _meter(kind), _slots()
    found = benchmark.pedantic(
        lambda: counter_slots(readings, starts, spacing_seconds=300.0, limit_kw=17.0),
        rounds=5,
        warmup_rounds=1,
    )
    benchmark.extra_info["readings_per_second"] = _rate(benchmark)
    assert np.isnan(found.energy_kwh).sum() <= 2  # the first and the last slot


def _rate(benchmark: BenchmarkFixture) -> float | None:
    """Readings per second at the median; None where nothing is timed."""
    return READINGS / benchmark.stats.stats.median if benchmark.stats else None
