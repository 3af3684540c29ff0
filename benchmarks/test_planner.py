"""Planning 192 slots with one battery: Darkstar, raw HiGHS on the same matrix, Pyomo, cvxpy."""

import highspy
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import SITE, START_SOC_KWH, demo_horizon
from mpc import Plan, Planner
from mpc.lp import Matrix, Numbers
from mpc.model import HouseModel, structure_of
from mpc.problem import make_problem
from mpc.reference import solve_cvxpy, solve_pyomo
from mpc.solver import LpSolver, pass_model

CHAIN = 200


def _matrix() -> tuple[Matrix, Numbers]:
    """The program that ``Planner.plan`` gives to HiGHS."""
    problem = make_problem(SITE, demo_horizon(), START_SOC_KWH)
    model = HouseModel(structure_of(problem))
    return model.matrix, model.numbers(problem)


def test_raw_highspy(benchmark: BenchmarkFixture) -> None:
    """PassModel and run with HiGHS' own options: the yardstick."""
    matrix, numbers = _matrix()
    highs = highspy.Highs()
    highs.silent()

    def solve() -> None:
        pass_model(highs, matrix, numbers)
        highs.run()

    benchmark(solve)
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal


def test_raw_highspy_with_our_options(benchmark: BenchmarkFixture) -> None:
    """The same with the options Darkstar sets: presolve off, devex pricing."""
    matrix, numbers = _matrix()
    solver = LpSolver()
    benchmark(lambda: solver.solve(matrix, numbers))


def test_plan_cold(benchmark: BenchmarkFixture) -> None:
    planner, horizon = Planner(SITE), demo_horizon()
    plan = benchmark(lambda: planner.plan(horizon, START_SOC_KWH))
    assert plan.status == "optimal"


def test_plan_again_one_slot_later(benchmark: BenchmarkFixture) -> None:
    """Prices, load, PV and SoC all moved on by one slot since the previous plan."""
    planner = Planner(SITE)
    horizons = [demo_horizon(moved) for moved in range(CHAIN)]
    state: dict[str, Plan] = {"plan": planner.plan(horizons[0], START_SOC_KWH)}
    turn = iter(range(10**9))

    def again() -> None:
        previous = state["plan"]
        horizon = horizons[1 + next(turn) % (CHAIN - 1)]
        state["plan"] = planner.plan(horizon, float(previous.soc_kwh[0]), previous)

    benchmark.pedantic(again, rounds=CHAIN - 1, iterations=1)
    assert state["plan"].status == "optimal"


@pytest.mark.parametrize("slots", [96, 672], ids=lambda n: f"T={n}")
def test_plan_other_horizons(benchmark: BenchmarkFixture, slots: int) -> None:
    planner, horizon = Planner(SITE), demo_horizon(slots=slots)
    plan = benchmark(lambda: planner.plan(horizon, START_SOC_KWH))
    assert plan.status == "optimal"


def _reference_inputs() -> tuple[Plan, float]:
    """The plan and the penalty rate (Q4 of ``mpc.problem``) the references need."""
    plan = Planner(SITE).plan(demo_horizon(), START_SOC_KWH)
    return plan, make_problem(SITE, demo_horizon(), START_SOC_KWH).penalty_per_kwh


@pytest.mark.parametrize("solve", [solve_pyomo, solve_cvxpy], ids=["pyomo", "cvxpy"])
def test_reference(benchmark: BenchmarkFixture, solve: object) -> None:
    """The same program, built and solved from scratch in algebra."""
    assert callable(solve)
    plan, penalty = _reference_inputs()
    horizon = demo_horizon()
    objective = benchmark.pedantic(
        lambda: solve(
            SITE,
            horizon,
            START_SOC_KWH,
            terminal=plan.terminal_curve,
            penalty_per_kwh=penalty,
        ),
        rounds=10,
        warmup_rounds=1,
    )
    if objective is not None:
        assert objective == pytest.approx(plan.objective, abs=1e-6)
