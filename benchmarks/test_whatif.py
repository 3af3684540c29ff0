"""Seven batteries over the same days: what sharing forecasts and cores is worth.

``extra_info["slots"]`` says how many slots a round replays, all sizes together. The forecasts are
made anew in every round, as ``darkstar whatif battery`` makes them, from a store of the demo year.
"""

import os
from collections.abc import Iterator
from datetime import date

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import SITE
from runners.results_homes import ReferenceHome, demo_home
from sim.asof import BaselineForecasts
from sim.battery_days import stretches_of
from sim.battery_sizes import Stretches, run_sizes, sized
from sim.day_runs import run_of
from sim.planning import HomeModel, zone_of
from sim.replay import Dispatch, Policy, replay
from sim.window import replay_window
from telemetry.store import Store

SIZES_KWH = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0)
FIRST, LAST = date(2025, 4, 1), date(2025, 4, 28)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HomeModel, Stretches]]:
    """Four weeks of the demo home."""
    path = tmp_path_factory.mktemp("whatif") / "facts.sqlite"
    with Store.open(path, system_id="simulation") as store:
        found: ReferenceHome = demo_home(store)
        run = run_of(FIRST, LAST, zone_of(found.model))
        yield found.model, stretches_of(store, found.model, [run])


def test_seven_batteries(benchmark: BenchmarkFixture, home: tuple[HomeModel, Stretches]) -> None:
    model, stretches = home
    homes = [sized(model, kwh) for kwh in SIZES_KWH]
    workers = os.cpu_count() or 1
    years = benchmark.pedantic(
        lambda: run_sizes(homes, stretches, workers=workers), rounds=3, warmup_rounds=1
    )
    benchmark.extra_info["slots"] = len(SIZES_KWH) * stretches[0][0].slots
    assert [year.days for year in years] == [28] * len(SIZES_KWH)


def test_one_battery_by_replay(
    benchmark: BenchmarkFixture, home: tuple[HomeModel, Stretches]
) -> None:
    model, ((happened, forecasts),) = home
    window = replay_window(model, happened)
    result = benchmark.pedantic(
        lambda: replay(window, Policy.STORAGE, forecasts, Dispatch.VALUE),
        rounds=3,
        warmup_rounds=1,
    )
    benchmark.extra_info["slots"] = len(window)
    assert isinstance(forecasts, BaselineForecasts)
    assert len(result) == happened.slots
    assert model.site.battery.capacity_kwh == SITE.battery.capacity_kwh
