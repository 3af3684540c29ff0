"""A planner run as a training episode and back; the yardstick is the standard library's JSON.

The yardstick rounds the same series with numpy and writes them with ``json``. Neighbouring slots
take turns, as in a simulated day.
"""

import json
from itertools import count
from math import nan

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import SITE, START_SOC_KWH, demo_horizon
from mpc import Plan, Planner
from sim.episode_format import (
    OBSERVED_SLOTS,
    EpisodeContext,
    SlotMoney,
    make_episode,
    read_episode,
)
from telemetry.episode import Episode

TURNS = 16
SERIES = (
    *("import_price", "export_price", "load_kwh", "pv_kwh"),
    *("soc_kwh", "energy_value_up", "energy_value_down"),
)
CONTEXT = EpisodeContext(
    vacation=nan,
    alarm=nan,
    price_volatility=0.3,
    cloud_volatility=nan,
    temp_volatility=nan,
    quality_class="clean",
    soc_source="replay",
    changes={},
)


def _plans() -> list[Plan]:
    """Plans of neighbouring slots."""
    planner = Planner(SITE)
    return [planner.plan(demo_horizon(n), START_SOC_KWH) for n in range(TURNS)]


def _episode(plan: Plan) -> Episode:
    """The episode of a plan."""
    return make_episode(
        system_id="simulation",
        home_id="demo",
        scenario="0-recorded",
        local_day=plan.start.date(),
        created_at=plan.start,
        plan=plan,
        prices_until=plan.starts[-1],
        observed_load_kwh=plan.load_kwh[:OBSERVED_SLOTS],
        observed_pv_kwh=plan.pv_kwh[:OBSERVED_SLOTS],
        context=CONTEXT,
        config_hash="0123456789abcdef",
        replay_id=None,
        realised=SlotMoney(bill=1.0, wear=0.0, cost=1.0),
    )


def test_episode_written(benchmark: BenchmarkFixture) -> None:
    plans, turn = _plans(), count()
    made = benchmark(lambda: _episode(plans[next(turn) % TURNS]))
    assert json.loads(made.inputs_json)["load_kwh"][0] >= 0.0


def test_episode_series_by_json(benchmark: BenchmarkFixture) -> None:
    plans, turn = _plans(), count()

    def write() -> str:
        plan = plans[next(turn) % TURNS]
        series = {name: np.round(getattr(plan, name), 4).tolist() for name in SERIES}
        seen = {
            "observed_load_kwh": np.round(plan.load_kwh[:OBSERVED_SLOTS], 4).tolist(),
            "observed_pv_kwh": np.round(plan.pv_kwh[:OBSERVED_SLOTS], 4).tolist(),
        }
        return json.dumps({**series, **seen}, separators=(",", ":"))

    assert benchmark(write).startswith("{")


def test_episode_read(benchmark: BenchmarkFixture) -> None:
    episode = _episode(_plans()[0])
    assert benchmark(read_episode, episode).episode_id == episode.episode_id
