"""The storage engine on the planner's 192 slots: a re-plan, a whole plan, and a batch."""

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import SITE, SLOTS, START_SOC_KWH, demo_horizon
from mpc import Planner
from mpc.batch import batch_of, plan_batch
from mpc.curves import cost_at
from mpc.jit import compiled
from mpc.problem import make_problem
from mpc.program import make_work, value_after_first
from mpc.storage import limits_of, plan_with_values, series_of, terminal_of, value_functions

BATCH = 200


def test_engine_replan(benchmark: BenchmarkFixture) -> None:
    """The curve that a re-plan's dispatch needs, from inputs already in arrays."""
    problem = make_problem(SITE, demo_horizon(), START_SOC_KWH)
    series, limits, rules = series_of(problem), limits_of(problem), problem.rules
    slope, length = terminal_of(problem)
    work = make_work(SLOTS, slope.size)
    kernel = compiled(value_after_first)
    curve, slot, _ = benchmark(kernel, series, limits, rules, slope, length, work)
    assert slot == -1
    plan, values = plan_with_values(problem)
    stored = float(plan.soc_kwh[0])
    assert cost_at(curve, work.slope, work.length, stored) == values.cost(1, stored)


def test_engine_value_functions(benchmark: BenchmarkFixture) -> None:
    """The curves of all slots."""
    problem = make_problem(SITE, demo_horizon(), START_SOC_KWH)
    value_functions(problem)
    values = benchmark(lambda: value_functions(problem))
    assert len(values) == SLOTS + 1


def test_engine_plan(benchmark: BenchmarkFixture) -> None:
    """``Planner.plan`` as a whole: checks, default terminal curve, plan, costs."""
    planner, horizon = Planner(SITE, engine="storage"), demo_horizon()
    planner.plan(horizon, START_SOC_KWH)
    plan = benchmark(lambda: planner.plan(horizon, START_SOC_KWH))
    assert plan.engine == "storage"


def test_engine_batch_of_200(benchmark: BenchmarkFixture) -> None:
    """200 problems with their plans on all cores, inputs already in arrays."""
    batch = batch_of(
        [make_problem(SITE, demo_horizon(moved), START_SOC_KWH) for moved in range(BATCH)]
    )
    plan_batch(batch)
    found = benchmark(lambda: plan_batch(batch))
    assert np.isfinite(found.objective).all()
