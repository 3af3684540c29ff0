"""Aurora on 75 days of the demo home: training, one issue, a day of hourly issues.

Few examples and few trees, so that CI runs them in seconds; real models of a whole year are
measured by ``benchmarks.forecast`` for the report.
"""

from functools import lru_cache

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from forecast.aurora import Aurora, train
from forecast.inputs import HomeHistory, Measured
from sim.demo import make_demo_year
from telemetry.arrays import F64
from telemetry.slots import SLOT_SECONDS
from tests.forecast.small_homes import small_training

DAY = 96
DAYS = 75
FIRST_DAY = 60
AHEAD = 192


@lru_cache(maxsize=1)
def _history() -> HomeHistory:
    """The demo home from March to May, without weather."""
    year = make_demo_year(seed=0)
    part = slice(FIRST_DAY * DAY, (FIRST_DAY + DAYS) * DAY)
    starts = year.slot_start[part]

    def known(values: F64) -> Measured:
        return Measured.of(int(starts[0]), values[part], starts + SLOT_SECONDS)

    latitude, longitude = year.home.position or (None, None)
    return HomeHistory(
        zone=str(year.home.zone),
        latitude=latitude,
        longitude=longitude,
        elevation_m=year.home.elevation_m,
        planes=year.home.planes,
        load=known(year.load_kwh),
        pv=known(year.pv_kwh),
    )


@lru_cache(maxsize=1)
def _aurora() -> Aurora:
    """A model of all but the last day."""
    return _trained()


def _trained() -> Aurora:
    """Train on few examples."""
    with small_training():
        return train(_history(), _until())[0]


def _until() -> int:
    """Midnight before the last day."""
    return _history().load.end - DAY * SLOT_SECONDS


def test_forecast_training(benchmark: BenchmarkFixture) -> None:
    _history()
    model = benchmark.pedantic(_trained, rounds=1)
    benchmark.extra_info["days"] = DAYS - 1
    assert model.trained_until == _until()


@pytest.mark.parametrize("scenarios", [False, True], ids=["bands", "scenarios"])
def test_forecast_issue(benchmark: BenchmarkFixture, *, scenarios: bool) -> None:
    model, issue = _aurora(), np.array([_until()], dtype=np.int64)
    issued = benchmark(lambda: model.issue(_history(), issue, AHEAD, scenarios=scenarios))
    assert np.isfinite(issued.load.mean_kwh).all()
    assert (issued.load_scenarios is not None) == scenarios


def test_forecast_day_of_issues(benchmark: BenchmarkFixture) -> None:
    model = _aurora()
    issues = _until() + 3600 * np.arange(24, dtype=np.int64)
    issued = benchmark(lambda: model.issue(_history(), issues, AHEAD))
    benchmark.extra_info["issues"] = issues.size
    assert issued.pv.high_kwh.shape == (24, AHEAD)
