"""Planning on 14 scenarios of 192 slots: a re-plan, a plan by either engine, a closed loop."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import SITE, SLOTS, START_SOC_KWH, demo_horizon
from benchmarks.test_replay import DAY, Held, _case
from mpc import Planner, Scenarios
from mpc.blend import blend_after_first, make_bundle
from mpc.curves import cost_at
from mpc.jit import compiled
from mpc.problem import make_problem
from mpc.scenario_plan import plan_scenarios_with_values, scenes_of
from mpc.storage import limits_of, terminal_of
from sim.asof import KnownForecasts
from sim.replay import Dispatch, Policy, replay
from sim.window import ReplayWindow

SCENARIOS = 14


@lru_cache(maxsize=1)
def _scenarios() -> Scenarios:
    """Scenarios around the horizon of all benchmarks."""
    horizon, rng = demo_horizon(), np.random.default_rng(0)
    return Scenarios(
        load_kwh=np.asarray(horizon.load_kwh) * rng.uniform(0.5, 1.5, (SCENARIOS, SLOTS)),
        pv_kwh=np.asarray(horizon.pv_kwh) * rng.uniform(0.3, 1.7, (SCENARIOS, SLOTS)),
    )


@pytest.mark.parametrize("recourse", [0.0, 0.5, 1.0])
def test_scenario_replan(benchmark: BenchmarkFixture, recourse: float) -> None:
    """The curve that a re-plan's dispatch needs, from inputs already in arrays."""
    problem, scenarios = make_problem(SITE, demo_horizon(), START_SOC_KWH), _scenarios()
    scenes, limits, rules = scenes_of(problem, scenarios), limits_of(problem), problem.rules
    slope, length = terminal_of(problem)
    bundle = make_bundle(SCENARIOS, SLOTS, slope.size)
    kernel = compiled(blend_after_first)
    curve, bad = benchmark(kernel, scenes, recourse, limits, rules, slope, length, bundle)
    assert bad.slot == -1
    plan, values = plan_scenarios_with_values(problem, scenarios, recourse)
    stored = float(plan.soc_kwh[0])
    assert cost_at(curve, bundle.out_slope, bundle.out_length, stored) == values.cost(1, stored)


@pytest.mark.parametrize("engine", ["storage", "highs"])
def test_scenario_plan(benchmark: BenchmarkFixture, engine: str) -> None:
    """``Planner.plan`` as a whole."""
    planner, horizon, scenarios = Planner(SITE, engine=engine), demo_horizon(), _scenarios()
    planner.plan(horizon, START_SOC_KWH, scenarios=scenarios)
    plan = benchmark(lambda: planner.plan(horizon, START_SOC_KWH, scenarios=scenarios))
    assert (plan.engine, plan.scenarios) == (engine, SCENARIOS)


class Around:
    """Scenarios around forecasts, made before the clock starts."""

    name = "around"

    def __init__(self, held: Held, slots: int) -> None:
        rng = np.random.default_rng(0)
        self.start = held.start
        self._chunks = {
            first: _around(held.known(first, min(DAY, slots - first)), rng)
            for first in range(0, slots, DAY)
        }

    def known(self, first: int, count: int) -> KnownForecasts:
        """Return a chunk."""
        assert count <= DAY
        return self._chunks[first]


def _around(known: KnownForecasts, rng: np.random.Generator) -> KnownForecasts:
    """Return some forecasts with scenarios."""
    shape = (len(known.load_kwh), SCENARIOS, 1)
    return replace(
        known,
        scenario_load_kwh=known.load_kwh[:, None] * rng.uniform(0.5, 1.5, shape),
        scenario_pv_kwh=known.pv_kwh[:, None] * rng.uniform(0.3, 1.7, shape),
    )


@lru_cache(maxsize=2)
def _scenario_case(slots: int) -> tuple[ReplayWindow, Around]:
    """The first slots of the demo year, and scenarios at each."""
    window, held = _case(slots)
    return window, Around(held, slots)


@pytest.mark.parametrize(
    ("policy", "days"), [(Policy.STORAGE, 10), (Policy.PLAN, 1)], ids=["storage", "highs"]
)
def test_closed_loop_on_scenarios(benchmark: BenchmarkFixture, policy: Policy, days: int) -> None:
    window, known = _scenario_case(days * DAY)
    short, told = _scenario_case(DAY)
    replay(short, Policy.STORAGE, told, Dispatch.VALUE)  # compiled here
    run = lambda: replay(window, policy, known, Dispatch.VALUE)  # noqa: E731
    result = benchmark.pedantic(run, rounds=3)
    benchmark.extra_info["slots"] = len(window)
    assert np.isfinite(result.cost)
